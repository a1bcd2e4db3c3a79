/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flow logs: what is told equals what was sent, to the packet and byte, at every place that records
 * it. The world is that of standard.h, and
 *
 *   e 10.0.1.6 in subnet 1, which nobody may reach
 *   198.18.0.0/15 from subnets 1 and 2: through NAT gateway 9 in subnet 4, 10.0.4.50 = 203.0.113.50
 *
 * Asked for: a, b, c, e and the gateway; not d.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <cmocka.h>
#include <linux/pkt_cls.h>

#include "base/cleanup.h"
#include "dataplane/flow_log.h"
#include "ledger.h"
#include "standard.h"

#define NAT_NUMBER 9
#define GATEWAY LOG_GATEWAY_KEY_OF(NAT_NUMBER)
#define NAT_PUBLIC "203.0.113.50"
#define BEYOND "198.18.0.7" /* reached through the gateway */

static struct world_eni e;
static struct flow_log *reader;
static struct ledger sent, told;
static struct log_record last_lost;
static uint64_t records, lost_records, lost_packets;
static uint16_t next_port = 1000;

static void on_record(const struct log_record *r, void *arg) {
    records++;
    if (r->kind == LOG_LOST) {
        lost_records += r->records;
        lost_packets += r->packets;
        last_lost = *r;
    }
    ledger_record(&told, r);
}

static void reader_open(void) {
    assert_int_equal(flow_log_open(w.dp, on_record, NULL, &reader), 0);
}

static void reader_ask(void) {
    const uint32_t keys[] = {a.number, b.number, c.number, e.number, GATEWAY};

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        assert_int_equal(flow_log_ask(reader, keys[i]), 0);
}

static void read_all(void) {
    assert_int_equal(flow_log_read(reader), 0);
}

static void forget_ledgers(void) {
    sent.n = told.n = 0;
    records = lost_records = lost_packets = 0;
}

#define compare() (ledger_compare(&sent, &told, __LINE__), forget_ledgers())

static int setup(void **state) {
    struct config_value config;
    uint32_t zero = 0;
    int r = standard_setup(state);

    assert_int_equal(dataplane_get(w.dp, DATAPLANE_CONFIG, &zero, &config), 0);
    config.flags = CONFIG_HOST_OPEN | CONFIG_UPLINK_ANY;
    assert_int_equal(dataplane_put(w.dp, DATAPLANE_CONFIG, &zero, &config), 0);
    world_subnet(&w, 4, 1, "10.0.4.0/24", NULL, 400);
    world_route(&w, 400, "10.0.0.0/16", ROUTE_LOCAL, 0);
    world_route(&w, 400, "0.0.0.0/0", ROUTE_IGW, 1);
    world_route(&w, 100, "198.18.0.0/15", ROUTE_NAT, NAT_NUMBER);
    world_nat(&w, NAT_NUMBER, 1, 4, 0, "10.0.4.50", NAT_PUBLIC);
    e = world_eni(&w, 5, 1, 1, 0);
    world_addr(&w, &e, "10.0.1.6", NULL);
    world_addr(&w, &e, "fd00:0:0:1::6", NULL);
    reader_open();
    reader_ask();
    return r;
}

static int teardown(void **state) {
    flow_log_free(reader);
    ledger_free(&sent);
    ledger_free(&told);
    return standard_teardown(state);
}

/* ---- sending, with both sides in the ledger ---- */

/* `to`: the ENI that receives it; NULL: the uplink. `nat`: through the gateway. */
static unsigned send_gso(const struct world_eni *from, const struct packet *k, uint32_t gso,
                         const struct world_eni *to, bool nat) {
    struct outcome out;
    struct line in = line_of(k->data, k->len, gso), delivered;

    world_send_gso(&w, from, k, gso, &out);
    if (out.reason == DROP_NONE && out.action == TC_ACT_REDIRECT) {
        delivered = line_of(out.data, out.len, gso);
        if (from)
            ledger_add(&sent, from->number, LOG_NEAR, LOG_ACCEPT, in);
        if (to)
            ledger_add(&sent, to->number, LOG_FAR, LOG_ACCEPT, delivered);
        if (nat) {
            ledger_add(&sent, GATEWAY, LOG_GATEWAY, LOG_ACCEPT, in);
            ledger_add(&sent, GATEWAY, LOG_GATEWAY_OUT, LOG_ACCEPT, delivered);
        }
    } else if (out.reason == DROP_GROUP_INGRESS || out.reason == DROP_ACL_INGRESS) {
        if (from)
            ledger_add(&sent, from->number, LOG_NEAR, LOG_ACCEPT, in);
        ledger_add(&sent, to->number, LOG_FAR, LOG_REJECT, in);
    } else if (out.reason == DROP_GROUP_EGRESS || out.reason == DROP_ACL_EGRESS) {
        ledger_add(&sent, from->number, LOG_NEAR, LOG_REJECT, in);
    }
    return out.reason;
}

static void send_ok(const struct world_eni *from, struct packet k, const struct world_eni *to) {
    assert_int_equal(send_gso(from, &k, 0, to, false), DROP_NONE);
}

/* Sends a packet whose records are said one by one. */
static void send_as(const struct world_eni *from, struct packet k, unsigned reason) {
    struct outcome out;

    expect_at(&w, from, &k, reason, &out, 0);
}

static void note(uint32_t at, uint8_t place, uint8_t action, struct packet k) {
    ledger_add(&sent, at, place, action, line_of(k.data, k.len, 0));
}

/* ---- the tests ---- */

static unsigned seed;

static unsigned below(unsigned n) {
    return (unsigned)rand_r(&seed) % n;
}

static struct packet make(const struct world_eni *from, const char *src, const char *dst,
                          uint8_t proto, uint16_t sport, uint16_t dport, bool reply,
                          size_t payload) {
    static const unsigned flags[] = {SYN, SYN, SYN | ACK, ACK, ACK, ACK, FIN | ACK, RST, RST | ACK};
    bool v6 = strchr(dst, ':');
    struct packet k;

    packet_eth(&k, world_router_mac, from ? from->mac : world_host_mac, v6 ? ETH_P_IPV6 : ETH_P_IP);
    packet_ip(&k, src, dst, proto);
    if (proto == IPPROTO_TCP)
        packet_tcp(&k, sport, dport, flags[below(ARRAY_SIZE(flags))], payload);
    else if (proto == IPPROTO_UDP)
        packet_udp(&k, sport, dport, payload);
    else
        packet_icmp(&k, v6 ? (reply ? 129 : 128) : reply ? 0 : 8, 0, sport, payload);
    packet_finish(&k);
    return k;
}

struct way {
    const struct world_eni *from, *to;
    const char *src, *dst;
    bool reply;
};

static void random_packet(void) {
    const struct way ways[] = {
        {&a, &b, "10.0.1.4", "10.0.1.5", false},
        {&b, &a, "10.0.1.5", "10.0.1.4", true},
        {&a, &b, "fd00:0:0:1::4", "fd00:0:0:1::5", false},
        {&b, &a, "fd00:0:0:1::5", "fd00:0:0:1::4", true},
        {&a, &c, "10.0.1.4", "10.0.2.4", false},
        {&c, &a, "10.0.2.4", "10.0.1.4", true},
        {&c, NULL, "10.0.2.4", HOST, false}, /* 1:1 */
        {NULL, &c, HOST, "203.0.113.11", true},
        {&c, NULL, "2001:db8:ff00:2::4", HOST6, false},
        {NULL, &c, HOST6, "2001:db8:ff00:2::4", true},
        {&c, &a, "10.0.2.4", "203.0.113.10", false}, /* round the internet gateway */
        {&a, &e, "10.0.1.4", "10.0.1.6", false},     /* refused */
        {&b, &e, "fd00:0:0:1::5", "fd00:0:0:1::6", false},
    };
    static const uint8_t protos[] = {IPPROTO_TCP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP};
    const struct way *y = &ways[below(ARRAY_SIZE(ways))];
    uint8_t proto = protos[below(ARRAY_SIZE(protos))];
    uint16_t port = (uint16_t)(2000 + below(400)), service = (uint16_t)(80 + below(3));
    uint32_t gso = 0;
    size_t payload = below(1200);
    struct packet k;

    if (proto != IPPROTO_ICMP && below(4) == 0 && payload) {
        gso = 1 + below(300);
        if (payload < gso)
            gso = 0;
    }
    if (proto == IPPROTO_ICMP && strchr(y->dst, ':'))
        proto = IPPROTO_ICMPV6;
    k = make(y->from, y->src, y->dst, proto, y->reply ? service : port, y->reply ? port : service,
             y->reply, payload);
    if (proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6)
        k = make(y->from, y->src, y->dst, proto, port, port, y->reply, payload);
    send_gso(y->from, &k, gso, y->to, false);
}

/* Thousands of flows of all kinds, told at any moment, some ended by others in their place. */
static void test_exact(void **state) {
    const char *from_env = getenv("TEST_SEED");
    uint32_t deleted, live;

    seed = from_env ? (unsigned)atoi(from_env) : (unsigned)getpid();
    printf("TEST_SEED=%u\n", seed);
    int packets = getenv("SLOW_MACHINE") ? 4000 : 20000;

    for (int i = 0; i < packets; i++) {
        random_packet();
        if (below(1500) == 0)
            read_all();
        if (below(5000) == 0)
            assert_int_equal(dataplane_sweep(w.dp, &deleted, &live), 0);
    }
    read_all();
    assert_true(sent.n > (size_t)packets / 2);
    assert_int_equal(lost_records, 0);
    ledger_sum(&told);
    assert_true(told.n > (size_t)packets / 6);
    compare();
    read_all(); /* nothing is told twice */
    assert_int_equal(records, 0);
}

/* Through the NAT gateway: at the instance, into the gateway and out of it, and back. */
static void test_nat(void **state) {
    static const uint8_t protos[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP};
    struct outcome out;
    struct packet k, back;

    for (unsigned i = 0; i < 60; i++) {
        uint8_t proto = protos[i % 3];
        uint16_t port = next_port++, public;

        for (int turn = 0; turn < 3; turn++) {
            if (proto == IPPROTO_TCP)
                k = standard_tcp(&a, "10.0.1.4", BEYOND, port, 80, turn ? ACK : SYN);
            else if (proto == IPPROTO_UDP)
                k = standard_udp(&a, "10.0.1.4", BEYOND, port, 53);
            else
                k = standard_ping(&a, "10.0.1.4", BEYOND, false, port);
            expect_pass(&w, &a, &k, &out);
            note(a.number, LOG_NEAR, LOG_ACCEPT, k);
            note(GATEWAY, LOG_GATEWAY, LOG_ACCEPT, k);
            ledger_add(&sent, GATEWAY, LOG_GATEWAY_OUT, LOG_ACCEPT, line_of(out.data, out.len, 0));
            memcpy(&public, out.data + (proto == IPPROTO_ICMP ? 38 : 34), 2);
            public = ntohs(public);
            if (proto == IPPROTO_TCP)
                back = standard_tcp(NULL, BEYOND, NAT_PUBLIC, 80, public, turn ? ACK : SYN | ACK);
            else if (proto == IPPROTO_UDP)
                back = standard_udp(NULL, BEYOND, NAT_PUBLIC, 53, public);
            else
                back = standard_ping(NULL, BEYOND, NAT_PUBLIC, true, public);
            expect_pass(&w, NULL, &back, &out);
            note(GATEWAY, LOG_GATEWAY, LOG_ACCEPT, back);
            ledger_add(&sent, GATEWAY, LOG_GATEWAY_OUT, LOG_ACCEPT, line_of(out.data, out.len, 0));
            ledger_add(&sent, a.number, LOG_FAR, LOG_ACCEPT, line_of(out.data, out.len, 0));
            if (i % 7 == 0)
                read_all();
        }
    }
    /* Nobody asked for: the gateway lets it in and drops it, as AWS's does. */
    k = standard_udp(NULL, BEYOND, NAT_PUBLIC, 53, 9);
    send_as(NULL, k, DROP_NAT_UNSOLICITED);
    note(GATEWAY, LOG_GATEWAY, LOG_ACCEPT, k);
    /* A connection that it does not know. */
    k = standard_tcp(&a, "10.0.1.4", BEYOND, next_port++, 80, ACK);
    send_as(&a, k, DROP_NAT_RESET);
    note(a.number, LOG_NEAR, LOG_ACCEPT, k);
    note(GATEWAY, LOG_GATEWAY, LOG_ACCEPT, k);
    read_all();
    compare();
}

static void acls(uint32_t subnet, uint32_t in, uint32_t out) {
    struct subnet_key key = {subnet};
    struct subnet_value v;

    assert_int_equal(dataplane_get(w.dp, DATAPLANE_SUBNETS, &key, &v), 0);
    v.acl_in = in;
    v.acl_out = out;
    assert_int_equal(dataplane_put(w.dp, DATAPLANE_SUBNETS, &key, &v), 0);
    world_bump(&w, 1, true, false);
}

#define NOTHING 9999 /* an ACL that is not there: refuses all */

/* Who refuses, and who has accepted before. */
static void test_refused(void **state) {
    const struct world_rule in = {DIR_INGRESS, 4, -1, -1, -1, "0.0.0.0/0", 0};
    struct packet k, reply;
    uint16_t port = next_port++;

    /* The sender's group. */
    world_rules(&w, &b, &in, 1);
    world_bump(&w, 1, false, true);
    k = standard_udp(&b, "10.0.1.5", "10.0.1.4", port, 5);
    send_as(&b, k, DROP_GROUP_EGRESS);
    note(b.number, LOG_NEAR, LOG_REJECT, k);
    /* The receiver's group, from inside and outside. */
    k = standard_udp(&a, "10.0.1.4", "10.0.1.6", port, 5);
    send_as(&a, k, DROP_GROUP_INGRESS);
    note(a.number, LOG_NEAR, LOG_ACCEPT, k);
    note(e.number, LOG_FAR, LOG_REJECT, k);
    world_rules(&w, &c, NULL, 0);
    world_bump(&w, 1, false, true);
    k = standard_tcp(NULL, HOST, "203.0.113.11", port, 5, SYN);
    send_as(NULL, k, DROP_GROUP_INGRESS);
    note(c.number, LOG_FAR, LOG_REJECT, standard_tcp(NULL, HOST, "10.0.2.4", port, 5, SYN));
    standard_open_all(&b);
    standard_open_all(&c);
    world_bump(&w, 1, false, true);
    read_all();
    compare();
    /* The ACL of the sender's subnet; the receiver's; the one of the reply's way. */
    acls(1, 0, NOTHING);
    k = standard_udp(&a, "10.0.1.4", "10.0.2.4", port, 6);
    send_as(&a, k, DROP_ACL_EGRESS);
    note(a.number, LOG_NEAR, LOG_REJECT, k);
    acls(1, NOTHING, 0);
    send_ok(&a, k, &c);
    reply = standard_udp(&c, "10.0.2.4", "10.0.1.4", 6, port);
    send_as(&c, reply, DROP_ACL_INGRESS);
    note(c.number, LOG_NEAR, LOG_ACCEPT, reply);
    note(a.number, LOG_FAR, LOG_REJECT, reply);
    acls(1, 0, 0);
    acls(2, 0, NOTHING);
    send_as(&c, reply, DROP_ACL_EGRESS);
    note(c.number, LOG_NEAR, LOG_REJECT, reply);
    acls(2, 0, 0);
    /* Those of the gateway's subnet, on both sides of it. */
    k = standard_udp(&a, "10.0.1.4", BEYOND, port, 7);
    acls(4, NOTHING, 0);
    send_as(&a, k, DROP_ACL_INGRESS);
    note(a.number, LOG_NEAR, LOG_ACCEPT, k);
    note(GATEWAY, LOG_GATEWAY, LOG_REJECT, k);
    acls(4, 0, NOTHING);
    send_as(&a, k, DROP_ACL_EGRESS);
    note(a.number, LOG_NEAR, LOG_ACCEPT, k);
    note(GATEWAY, LOG_GATEWAY, LOG_ACCEPT, k);
    note(GATEWAY, LOG_GATEWAY_OUT, LOG_REJECT, k);
    acls(4, 0, 0);
    read_all();
    compare();
}

/* What passes the sender's rules and is lost then; and what nobody records. */
static void test_lost_on_the_way(void **state) {
    struct packet k = standard_udp(&a, "10.0.1.4", "192.0.2.1", 1, 2);

    send_as(&a, k, DROP_BLACKHOLE);
    note(a.number, LOG_NEAR, LOG_ACCEPT, k);
    k = standard_udp(&a, "10.0.1.4", "10.0.1.77", 1, 2);
    send_as(&a, k, DROP_NO_ADDRESS);
    note(a.number, LOG_NEAR, LOG_ACCEPT, k);
    k = standard_udp(&b, "10.0.1.5", HOST, 1, 2);
    send_as(&b, k, DROP_NO_PUBLIC);
    note(b.number, LOG_NEAR, LOG_ACCEPT, k);
    read_all();
    compare();

    send_as(&a, standard_udp(&a, "10.0.1.5", "10.0.2.4", 1, 2), DROP_SPOOFED_ADDRESS);
    send_as(&a, standard_udp(&b, "10.0.1.4", "10.0.2.4", 1, 2), DROP_SPOOFED_MAC);
    send_as(&a, standard_udp(&a, "10.0.1.4", "169.254.169.254", 1, 80), DROP_LINK_LOCAL);
    send_as(&a, standard_udp(&a, "10.0.1.4", "10.0.1.1", 1, 80), DROP_TO_ROUTER);
    send_as(&a, standard_udp(&a, "10.0.1.4", "224.0.0.1", 1, 80), DROP_MULTICAST);
    packet_arp(&k, a.mac, ARPOP_REQUEST, "10.0.1.4", "10.0.1.1");
    expect_pass(&w, &a, &k, NULL);
    send_as(NULL, standard_udp(NULL, HOST, "203.0.113.99", 1, 80), DROP_UPLINK_UNKNOWN);
    read_all();
    assert_int_equal(records, 0);
}

/* ICMP outside of queries has no entry, and an error about a flow is recorded as ICMP. */
static void test_icmp(void **state) {
    uint16_t port = next_port++;
    struct packet about = standard_udp(&a, "10.0.1.4", "10.0.2.4", port, 9), k;

    send_ok(&a, about, &c);
    for (int i = 0; i < 3; i++) {
        packet_eth(&k, world_router_mac, c.mac, ETH_P_IP);
        packet_ip(&k, "10.0.2.4", "10.0.1.4", IPPROTO_ICMP);
        packet_icmp(&k, 3, 3, 0, 0);
        packet_bytes(&k, about.data + 14, about.len - 14);
        packet_finish(&k);
        send_ok(&c, k, &a);
        packet_eth(&k, world_router_mac, c.mac, ETH_P_IP);
        packet_ip(&k, "10.0.2.4", "10.0.1.4", IPPROTO_ICMP);
        packet_icmp(&k, 42, 0, 0, 10);
        packet_finish(&k);
        send_ok(&c, k, &a);
    }
    read_all();
    compare();
}

/* ---- sizes ---- */

static struct packet sized(const struct world_eni *from, const char *src, const char *dst,
                           size_t payload) {
    struct packet k;

    packet_eth(&k, world_router_mac, from->mac, ETH_P_IP);
    packet_ip(&k, src, dst, IPPROTO_UDP);
    packet_udp(&k, 77, 78, payload);
    k.data[20] &= (uint8_t)~0x40; /* it may be fragmented */
    packet_finish(&k);
    return k;
}

/* Cut at the internet gateway: the sender sent one, the receiver gets the pieces. */
static void test_sizes(void **state) {
    struct packet k = sized(&c, "10.0.2.4", "203.0.113.10", 3000);
    struct packet small = sized(&c, "10.0.2.4", "203.0.113.10", 10);
    struct line far;
    struct outcome out;

    for (int i = 0; i < 5; i++) { /* a new flow, then the fast path */
        expect_pass(&w, &c, &small, &out);
        note(c.number, LOG_NEAR, LOG_ACCEPT, small);
        ledger_add(&sent, a.number, LOG_FAR, LOG_ACCEPT, line_of(out.data, out.len, 0));
        far = line_of(out.data, out.len, 0);
        expect_pass(&w, &c, &k, &out);
        note(c.number, LOG_NEAR, LOG_ACCEPT, k);
        far.packets = 3; /* 3,008 bytes behind the header: 1,480, 1,480, 48 */
        far.bytes = 3008 + 3 * 20;
        ledger_add(&sent, a.number, LOG_FAR, LOG_ACCEPT, far);
        if (i == 2)
            read_all();
    }
    /* What may not be cut is lost, of a known flow as of a new one. */
    for (int i = 0; i < 2; i++) {
        k = sized(&c, "10.0.2.4", HOST, i ? 2000 : 10);
        k.data[20] |= 0x40;
        packet_finish(&k);
        send_as(&c, k, i ? DROP_TOO_BIG : DROP_NONE);
        note(c.number, LOG_NEAR, LOG_ACCEPT, k);
    }
    read_all();
    compare();
}

/* Each piece of a datagram that comes in pieces counts, for the flow of the first. */
static void test_fragments(void **state) {
    struct packet whole = sized(&a, "10.0.1.4", "10.0.2.4", 1200), first = whole, later;
    struct line line;

    first.len = 34 + 800;
    first.data[16] = (820 >> 8);
    first.data[17] = 820 & 255;
    first.data[19] = 5; /* the identification */
    first.data[20] = 0x20;
    later = first;
    memcpy(later.data + 34, whole.data + 34 + 800, 408);
    later.len = 34 + 408;
    later.data[16] = (428 >> 8);
    later.data[17] = 428 & 255;
    later.data[20] = 0;
    later.data[21] = 100;
    for (int i = 0; i < 2; i++) {
        struct packet *k = i ? &later : &first;
        memset(k->data + 24, 0, 2);
        uint16_t sum = checksum(k->data + 14, 20, 0);
        memcpy(k->data + 24, &sum, 2);
        send_as(&a, *k, DROP_NONE);
        line = line_of(k->data, k->len, 0);
        line.sport = htons(77);
        line.dport = htons(78);
        ledger_add(&sent, a.number, LOG_NEAR, LOG_ACCEPT, line);
        ledger_add(&sent, c.number, LOG_FAR, LOG_ACCEPT, line);
    }
    read_all();
    compare();
}

/* ---- flows that end ---- */

static int older(const void *key, const void *value, void *arg) {
    struct flow_value f = *(const struct flow_value *)value;
    const struct flow_key *k = key;
    uint16_t port = htons(*(const uint16_t *)arg);

    if (k->sport != port && k->dport != port)
        return 0;
    f.timeouts = (struct flow_timeouts){1, 1, 1};
    f.last_ns -= UINT64_C(6000000000);
    return dataplane_put(w.dp, DATAPLANE_FLOWS, key, &f);
}

static void age(uint16_t port) {
    assert_int_equal(dataplane_each(w.dp, DATAPLANE_FLOWS, older, &port), 0);
}

static void sweep(void) {
    uint32_t deleted, live;

    assert_int_equal(dataplane_sweep(w.dp, &deleted, &live), 0);
}

static struct packet syn(uint16_t port, unsigned flags) {
    return standard_tcp(&a, "10.0.1.4", "10.0.1.5", port, 80, flags);
}

/* One more interface in subnet 1, asked for. */
static struct world_eni extra(uint32_t number, const char *address) {
    struct world_eni x = world_eni(&w, number, 1, 1, 0);

    world_addr(&w, &x, address, NULL);
    standard_open_all(&x);
    assert_int_equal(flow_log_ask(reader, number), 0);
    return x;
}

/* Told by the ring of records alone, before any window's end. */
static void test_ends(void **state) {
    struct world_eni small, gone;
    struct eni_key key = {99};
    uint16_t port = next_port++;
    struct eni_value v;

    /* Idle, then swept. */
    send_ok(&a, syn(port, SYN), &b);
    age(port);
    sweep();
    assert_int_equal(flow_log_drain(reader), 0);
    compare();
    /* Another connection in its place, at once; then its own end. */
    port = next_port++;
    send_ok(&a, syn(port, SYN), &b);
    send_ok(&b, standard_tcp(&b, "10.0.1.5", "10.0.1.4", 80, port, SYN | ACK), &a);
    send_ok(&a, syn(port, RST), &b);
    send_ok(&a, syn(port, SYN), &b);
    read_all();
    compare();
    /* Its place is needed: a ring of two. */
    small = extra(98, "10.0.1.98");
    v = world_eni_get(&w, &small);
    v.quota_half = v.quota_untracked = 2;
    world_eni_put(&w, &small, &v);
    for (int i = 0; i < 8; i++) {
        port = next_port++;
        send_ok(&small, standard_udp(&small, "10.0.1.98", "10.0.1.5", port, 5), &b);
        age(port);
    }
    assert_int_equal(flow_log_drain(reader), 0);
    assert_int_equal(told.n, 12); /* six of them went, and are told at both ends */
    read_all();
    compare();
    /* The route leads elsewhere. */
    port = next_port++;
    send_ok(&a, standard_udp(&a, "10.0.1.4", "192.0.0.9", port, 5), NULL);
    world_route(&w, 100, "192.0.0.9/32", ROUTE_ENI, c.number);
    struct eni_value cv = world_eni_get(&w, &c), cwas = cv;
    cv.flags = 0;
    world_eni_put(&w, &c, &cv);
    world_bump(&w, 1, true, false);
    send_ok(&a, standard_udp(&a, "10.0.1.4", "192.0.0.9", port, 5), &c);
    world_eni_put(&w, &c, &cwas);
    read_all();
    compare();
    /* The interface goes, with a flow in the middle of a window. */
    gone = extra(99, "10.0.1.99");
    send_ok(&a, standard_udp(&a, "10.0.1.4", "10.0.1.99", port, 5), &gone);
    assert_int_equal(dataplane_detach_eni(w.dp, gone.number), 0);
    assert_int_equal(dataplane_del(w.dp, DATAPLANE_ENIS, &key), 0);
    sweep();
    read_all();
    compare();
    assert_int_equal(flow_log_dismiss(reader, gone.number), 0);
    assert_int_equal(flow_log_dismiss(reader, small.number), 0);
}

/* ---- bounds, deaths ---- */

/* Refused packets of more kinds than an interface may have: counted as lost, and only those. */
static void test_bound(void **state) {
    const unsigned more = 500;
    struct packet k;

    read_all();
    forget_ledgers();
    for (unsigned i = 0; i < LOG_PACKETS_PER_ENI + more; i++) {
        k = standard_udp(NULL, HOST, "203.0.113.11", (uint16_t)(1024 + i), 5);
        if (i == 0) {
            world_rules(&w, &c, NULL, 0);
            world_bump(&w, 1, false, true);
        }
        send_as(NULL, k, DROP_GROUP_INGRESS);
    }
    /* Another interface is not concerned. */
    k = standard_udp(&a, "10.0.1.4", "10.0.1.6", 1, 5);
    send_as(&a, k, DROP_GROUP_INGRESS);
    read_all();
    assert_int_equal(records, LOG_PACKETS_PER_ENI + 2 + 1);
    assert_int_equal(lost_packets, more);
    assert_int_equal(last_lost.near, c.number);
    forget_ledgers();
    read_all();
    assert_int_equal(records, 0);
    /* The next window has room again. */
    k = standard_udp(NULL, HOST, "203.0.113.11", 5, 5);
    send_as(NULL, k, DROP_GROUP_INGRESS);
    read_all();
    assert_int_equal(records, 1);
    assert_int_equal(lost_records, 0);
    standard_open_all(&c);
    world_bump(&w, 1, false, true);
    forget_ledgers();
}

/* A reader dies in the middle of a window; the next one tells what it had not. */
static void test_reader_dies(void **state) {
    for (int i = 0; i < 300; i++) {
        send_ok(&a, syn((uint16_t)(next_port + i), SYN), &b);
        if (i == 100)
            assert_int_equal(flow_log_drain(reader), 0); /* it has keys in memory */
        if (i == 200) {
            flow_log_free(reader);
            reader = NULL;
        }
    }
    struct packet k = standard_udp(&a, "10.0.1.4", "10.0.1.6", 1, 5);
    send_gso(&a, &k, 0, &e, false);
    reader_open();
    for (int i = 250; i < 310; i++)
        send_ok(&a, syn((uint16_t)(next_port + i), SYN), &b);
    next_port += 310;
    read_all();
    compare();
}

/* Nobody reads for long. The ring takes the rests of so many halves, the others are counted. */
static void test_ring_full(void **state) {
    struct eni_value v = world_eni_get(&w, &a), was = v;
    const unsigned fit = LOG_RECORDS_BYTES / (sizeof(struct log_record) + 8);
    const unsigned rounds = fit + 3000;
    uint64_t packets;

    read_all();
    flow_log_free(reader);
    forget_ledgers();
    /* A ring of two places, so each flow ends the one before it; both sides of it are recorded. */
    v.quota_half = v.quota_untracked = 2;
    v.tcp_half_ms = v.udp_single_ms = 0; /* over at once */
    world_eni_put(&w, &a, &v);
    struct eni_value bv = world_eni_get(&w, &b), bwas = bv;
    bv.tcp_half_ms = bv.udp_single_ms = 0;
    world_eni_put(&w, &b, &bv);
    for (unsigned i = 0; i < rounds; i++) {
        struct packet k = standard_udp(&a, "10.0.1.4", "10.0.1.5", 7, 7);
        send_as(&a, k, DROP_NONE);
    }
    world_eni_put(&w, &a, &was);
    world_eni_put(&w, &b, &bwas);
    reader_open();
    read_all();
    packets = 0;
    for (size_t i = 0; i < told.n; i++)
        packets += told.lines[i].at == a.number ? told.lines[i].packets : 0;
    /* Told or lost, at each of the two interfaces. */
    assert_int_equal(packets * 2 + lost_packets, 2 * (uint64_t)rounds);
    forget_ledgers();
}

/* ---- when it is on ---- */

/* Nobody is asked for: nothing is queued; and what flowed then is nobody's. */
static void test_off_and_on(void **state) {
    const uint32_t keys[] = {a.number, b.number, c.number, e.number, GATEWAY};
    uint16_t port = next_port++;

    read_all();
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        assert_int_equal(flow_log_dismiss(reader, keys[i]), 0);
    forget_ledgers();
    send_as(&a, syn(port, SYN), DROP_NONE);
    send_as(&a, standard_udp(&a, "10.0.1.4", "10.0.1.6", 1, 5), DROP_GROUP_INGRESS);
    read_all();
    assert_int_equal(records, 0);
    reader_ask();
    send_ok(&a, syn(port, ACK), &b);
    read_all();
    compare();
    /* d was never asked for, but who talks to it is. */
    struct packet k = standard_udp(&a, "10.0.1.4", "203.0.113.12", 4, 5);
    send_as(&a, k, DROP_NONE);
    read_all();
    assert_int_equal(records, 1);
    forget_ledgers();
}

/* A dry run records nothing. */
static void test_dry(void **state) {
    struct packet k = standard_udp(&a, "10.0.1.4", "10.0.1.5", next_port++, 5);
    struct packet refused = standard_udp(&a, "10.0.1.4", "10.0.1.6", 1, 5);
    struct dataplane_outcome out;

    read_all();
    forget_ledgers();
    assert_int_equal(dataplane_try(w.dp, a.ifindex, k.data, k.len, &out), 0);
    assert_true(out.accepted);
    assert_int_equal(dataplane_try(w.dp, a.ifindex, refused.data, refused.len, &out), 0);
    assert_int_equal(out.reason, DROP_GROUP_INGRESS);
    read_all();
    assert_int_equal(records, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),     cmocka_unit_test(test_nat),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_lost_on_the_way),
        cmocka_unit_test(test_icmp),      cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_fragments), cmocka_unit_test(test_ends),
        cmocka_unit_test(test_bound),     cmocka_unit_test(test_reader_dies),
        cmocka_unit_test(test_ring_full), cmocka_unit_test(test_off_and_on),
        cmocka_unit_test(test_dry),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
