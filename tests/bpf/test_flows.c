/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Security groups and the flow table: what a rule admits, which flows are tracked, what a change
 * of rules or routes does to them, states, idle times and quotas.
 *
 *   VPC 1, subnet 1: 10.0.1.0/24, fd00:0:0:1::/64
 *     a 10.0.1.4 fd00:0:0:1::4, group set 1, all out, nothing in
 *     b 10.0.1.5 fd00:0:0:1::5, group set 2, rules as each test says
 *   subnet 2: c 10.0.2.4
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/pkt_cls.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "world.h"

static struct world w;
static struct world_eni a, b, c;
static uint16_t next_port = 10000; /* each test its own flows */

#define ANY4 "0.0.0.0/0"
#define ANY6 "::/0"

#define RULES(e, ...)                                                                              \
    do {                                                                                           \
        const struct world_rule rules_[] = {__VA_ARGS__};                                          \
        world_rules(&w, e, rules_, ARRAY_SIZE(rules_));                                            \
        world_bump(&w, 1, false, true);                                                            \
    } while (0)

static const struct world_rule out4 = {DIR_EGRESS, 4, -1, -1, -1, ANY4, 0};
static const struct world_rule out6 = {DIR_EGRESS, 6, -1, -1, -1, ANY6, 0};

static struct world_rule in4(int proto, int from, int to, const char *cidr) {
    return (struct world_rule){DIR_INGRESS, 4, proto, from, to, cidr, 0};
}

static struct world_rule in6(int proto, int from, int to, const char *cidr) {
    return (struct world_rule){DIR_INGRESS, 6, proto, from, to, cidr, 0};
}

static struct world_rule in_set(uint8_t family, int proto, int from, int to, uint32_t set) {
    return (struct world_rule){DIR_INGRESS, family, proto, from, to, NULL, set};
}

static int setup(void **state) {
    world_open(&w);
    world_vpc(&w, 1);
    world_subnet(&w, 1, 1, "10.0.1.0/24", "fd00:0:0:1::/64", 100);
    world_subnet(&w, 2, 1, "10.0.2.0/24", NULL, 100);
    world_route(&w, 100, "10.0.0.0/16", ROUTE_LOCAL, 0);
    a = world_eni(&w, 1, 1, 1, 0);
    b = world_eni(&w, 2, 1, 1, 0);
    c = world_eni(&w, 3, 1, 2, 0);
    world_addr(&w, &a, "10.0.1.4", NULL);
    world_addr(&w, &a, "fd00:0:0:1::4", NULL);
    world_addr(&w, &b, "10.0.1.5", NULL);
    world_addr(&w, &b, "fd00:0:0:1::5", NULL);
    world_addr(&w, &c, "10.0.2.4", NULL);
    RULES(&a, out4, out6);
    RULES(&c, out4, out6);
    return 0;
}

static int teardown(void **state) {
    world_close(&w);
    return 0;
}

static const char *addr_of(const struct world_eni *e, bool v6) {
    if (e == &a)
        return v6 ? "fd00:0:0:1::4" : "10.0.1.4";
    if (e == &b)
        return v6 ? "fd00:0:0:1::5" : "10.0.1.5";
    if (e == &c)
        return "10.0.2.4";
    static char text[2][IP_TEXT];
    static int turn;
    snprintf(text[turn ^= 1], IP_TEXT, "10.0.1.%u", e->number);
    return text[turn];
}

static void start(struct packet *k, const struct world_eni *from, const struct world_eni *to,
                  bool v6, uint8_t proto) {
    packet_eth(k, to->mac, from->mac, v6 ? ETH_P_IPV6 : ETH_P_IP);
    packet_ip(k, addr_of(from, v6), addr_of(to, v6), proto);
}

static struct packet tcp(const struct world_eni *from, const struct world_eni *to, uint16_t sport,
                         uint16_t dport, unsigned flags) {
    struct packet k;

    start(&k, from, to, false, IPPROTO_TCP);
    packet_tcp(&k, sport, dport, flags, 0);
    packet_finish(&k);
    return k;
}

static struct packet udp(const struct world_eni *from, const struct world_eni *to, uint16_t sport,
                         uint16_t dport) {
    struct packet k;

    start(&k, from, to, false, IPPROTO_UDP);
    packet_udp(&k, sport, dport, 1);
    packet_finish(&k);
    return k;
}

static struct packet udp6(const struct world_eni *from, const struct world_eni *to, uint16_t sport,
                          uint16_t dport) {
    struct packet k;

    start(&k, from, to, true, IPPROTO_UDP);
    packet_udp(&k, sport, dport, 1);
    packet_finish(&k);
    return k;
}

static struct packet icmp(const struct world_eni *from, const struct world_eni *to, bool v6,
                          uint8_t type, uint8_t code, uint16_t id) {
    struct packet k;

    start(&k, from, to, v6, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
    packet_icmp(&k, type, code, id, 4);
    packet_finish(&k);
    return k;
}

static void pass(const struct world_eni *from, struct packet k, int line) {
    expect_at(&w, from, &k, DROP_NONE, NULL, line);
}

static void drop(const struct world_eni *from, struct packet k, unsigned reason, int line) {
    expect_at(&w, from, &k, reason, NULL, line);
}

#define pass(from, k) pass(from, k, __LINE__)
#define drop(from, k, reason) drop(from, k, reason, __LINE__)

static struct flow_value flow_of(const struct world_eni *from, struct packet k) {
    struct flow_value f;

    assert_int_equal(world_flow(&w, from, &k, &f), 0);
    return f;
}

/* Until `k` passes, or meets a drop other than `reason`; at most `ms`. */
static void wait_pass(const struct world_eni *from, struct packet k, unsigned reason, int ms) {
    int64_t end = time_ms() + ms;
    struct outcome out;

    for (;;) {
        world_send(&w, from, &k, &out);
        if (out.reason == DROP_NONE)
            return;
        if (out.reason != reason || time_ms() > end)
            fail_msg("still %s", drop_name(out.reason));
        poll(NULL, 0, 5);
    }
}

/* --- Rules -------------------------------------------------------------------------------- */

static void test_nothing_allowed(void **state) {
    RULES(&b, out4);
    drop(&a, tcp(&a, &b, next_port++, 80, SYN), DROP_GROUP_INGRESS);
    drop(&b, udp6(&b, &a, next_port++, 80), DROP_GROUP_EGRESS); /* only IPv4 may leave b */
    drop(&b, udp(&b, &a, next_port++, 80), DROP_GROUP_INGRESS);
    assert_int_equal(world_flow_entries(&w), 0);
}

static void test_rules(void **state) {
    RULES(&b, out4, out6, in4(IPPROTO_TCP, 80, 82, "10.0.1.0/24"),
          in4(IPPROTO_UDP, -1, -1, "10.0.2.0/28"), in4(IPPROTO_ICMP, 8 << 8, 8 << 8, "10.0.0.0/8"),
          in4(132, -1, -1, "10.0.2.4/32"), in_set(4, IPPROTO_TCP, 443, 443, 1),
          in_set(6, -1, -1, -1, 3));
    pass(&a, tcp(&a, &b, next_port++, 80, SYN));
    pass(&a, tcp(&a, &b, next_port++, 82, SYN));
    drop(&a, tcp(&a, &b, next_port++, 83, SYN), DROP_GROUP_INGRESS);
    drop(&a, tcp(&a, &b, next_port++, 79, SYN), DROP_GROUP_INGRESS);
    drop(&c, tcp(&c, &b, next_port++, 80, SYN), DROP_GROUP_INGRESS); /* another subnet */
    pass(&a, tcp(&a, &b, next_port++, 443, SYN));                    /* by a's group */
    drop(&c, tcp(&c, &b, next_port++, 443, SYN), DROP_GROUP_INGRESS);
    pass(&c, udp(&c, &b, next_port++, 9999));
    drop(&a, udp(&a, &b, next_port++, 9999), DROP_GROUP_INGRESS);
    pass(&a, icmp(&a, &b, false, 8, 0, 1));
    drop(&a, icmp(&a, &b, false, 13, 0, 1), DROP_GROUP_INGRESS);
    drop(&a, udp6(&a, &b, next_port++, 80), DROP_GROUP_INGRESS); /* set 3 only */
    struct packet sctp;
    start(&sctp, &c, &b, false, 132);
    packet_bytes(&sctp, NULL, 12);
    sctp.proto = 132;
    packet_finish(&sctp);
    pass(&c, sctp);
}

/* A rule of one family never admits the other, whatever the addresses look like. */
static void test_families(void **state) {
    RULES(&b, out4, out6, in6(-1, -1, -1, ANY6));
    drop(&a, udp(&a, &b, next_port++, 80), DROP_GROUP_INGRESS);
    drop(&a, icmp(&a, &b, false, 8, 0, 2), DROP_GROUP_INGRESS);
    pass(&a, udp6(&a, &b, next_port++, 80));
    RULES(&b, out4, out6, in4(-1, -1, -1, ANY4));
    pass(&a, udp(&a, &b, next_port++, 80));
    drop(&a, udp6(&a, &b, next_port++, 80), DROP_GROUP_INGRESS);
    drop(&a, icmp(&a, &b, true, 128, 0, 2), DROP_GROUP_INGRESS);
    /* ICMP of the other family is just a protocol: type and code mean nothing there. */
    RULES(&b, out4, out6, in4(IPPROTO_ICMPV6, -1, -1, ANY4));
    drop(&a, icmp(&a, &b, true, 128, 0, 3), DROP_GROUP_INGRESS);
}

/* With the source check off, a packet of another address is nobody's: it carries no group. */
static void test_group_of_source(void **state) {
    struct eni_value v = world_eni_get(&w, &a), before = v;
    struct packet k;

    RULES(&b, out4, in_set(4, -1, -1, -1, 1));
    pass(&a, udp(&a, &b, next_port, 80));
    v.flags &= ~(uint32_t)ENI_SRC_DST_CHECK;
    world_eni_put(&w, &a, &v);
    world_bump(&w, 1, true, false);
    pass(&a, udp(&a, &b, next_port++, 80));
    packet_eth(&k, b.mac, a.mac, ETH_P_IP);
    packet_ip(&k, "10.0.2.4", "10.0.1.5", IPPROTO_UDP);
    packet_udp(&k, next_port++, 80, 1);
    packet_finish(&k);
    drop(&a, k, DROP_GROUP_INGRESS);
    world_eni_put(&w, &a, &before);
    world_bump(&w, 1, true, false);
}

/* --- Tracking ----------------------------------------------------------------------------- */

#define TRACKED (FLOW_TRACKED_SRC | FLOW_TRACKED_DST)

static void test_tracked(void **state) {
    uint16_t port = next_port++;
    struct flow_value f;

    RULES(&b, in4(IPPROTO_TCP, 80, 80, "10.0.1.0/24")); /* nothing out */
    drop(&b, tcp(&b, &a, 80, port, SYN | ACK), DROP_GROUP_EGRESS);
    pass(&a, tcp(&a, &b, port, 80, SYN));
    f = flow_of(&a, tcp(&a, &b, port, 80, SYN));
    assert_int_equal(f.verdict.flags & (TRACKED | FLOW_FORWARD | FLOW_UNTRACKED),
                     TRACKED | FLOW_FORWARD);
    assert_int_equal(f.state, 0);
    f = flow_of(&b, tcp(&b, &a, 80, port, SYN));
    assert_int_equal(f.verdict.gen_net, 0); /* computes its own path */
    pass(&b, tcp(&b, &a, 80, port, SYN | ACK));
    f = flow_of(&a, tcp(&a, &b, port, 80, SYN));
    assert_int_equal(f.state, FLOW_REPLIED);
    pass(&a, tcp(&a, &b, port, 80, SYN)); /* again: no progress */
    f = flow_of(&a, tcp(&a, &b, port, 80, SYN));
    assert_int_equal(f.state, FLOW_REPLIED);
    pass(&a, tcp(&a, &b, port, 80, ACK));
    f = flow_of(&b, tcp(&b, &a, 80, port, SYN));
    assert_int_equal(f.state, FLOW_REPLIED | FLOW_OPEN);
    assert_int_equal(f.packets, 1);
    assert_int_equal(f.tcp_flags, SYN | ACK);

    /* Its rule goes: it lives on, in both directions, and no other is opened. */
    RULES(&b, in4(IPPROTO_TCP, 81, 81, "10.0.1.0/24"));
    pass(&a, tcp(&a, &b, port, 80, ACK));
    pass(&b, tcp(&b, &a, 80, port, ACK));
    drop(&a, tcp(&a, &b, next_port++, 80, SYN), DROP_GROUP_INGRESS);
    /* So it does when the path is computed again. */
    world_bump(&w, 1, true, false);
    pass(&a, tcp(&a, &b, port, 80, ACK));
    pass(&b, tcp(&b, &a, 80, port, ACK));
}

static void test_icmp_is_tracked(void **state) {
    RULES(&b, out4, in4(-1, -1, -1, ANY4));
    pass(&a, icmp(&a, &b, false, 8, 0, 70));
    assert_true(flow_of(&a, icmp(&a, &b, false, 8, 0, 70)).verdict.flags & FLOW_TRACKED_DST);
    RULES(&b, in4(IPPROTO_TCP, 1, 1, ANY4));
    pass(&a, icmp(&a, &b, false, 8, 0, 70));
    pass(&b, icmp(&b, &a, false, 0, 0, 70));
    drop(&b, icmp(&b, &a, false, 0, 0, 71), DROP_GROUP_EGRESS); /* of another query */
    drop(&b, icmp(&b, &a, false, 8, 0, 70), DROP_GROUP_EGRESS); /* a query, not a reply */
}

/* What is no query opens no flow: the other side's same message is not let in by it. */
static void test_icmp_once(void **state) {
    uint32_t before = world_flow_entries(&w);

    RULES(&b, out4, in4(IPPROTO_ICMP, -1, -1, ANY4));
    pass(&a, icmp(&a, &b, false, 3, 4, 0));
    pass(&a, icmp(&a, &b, false, 0, 0, 5));
    drop(&b, icmp(&b, &a, false, 3, 4, 0), DROP_GROUP_INGRESS);
    drop(&b, icmp(&b, &a, false, 8, 0, 5), DROP_GROUP_INGRESS);
    assert_int_equal(world_flow_entries(&w), before);
}

static void test_untracked(void **state) {
    uint16_t port = next_port++;
    struct flow_value f;

    /* b allows all addresses on port 53, and all out: b does not track it; a does (nothing in). */
    RULES(&b, out4, in4(IPPROTO_UDP, 53, 53, ANY4));
    pass(&a, udp(&a, &b, port, 53));
    pass(&b, udp(&b, &a, 53, port));
    f = flow_of(&a, udp(&a, &b, port, 53));
    assert_int_equal(f.verdict.flags & TRACKED, FLOW_TRACKED_SRC);
    assert_true(f.verdict.flags & FLOW_UNTRACKED);
    f = flow_of(&b, udp(&b, &a, 53, port));
    assert_int_equal(f.verdict.flags & TRACKED, FLOW_TRACKED_DST);

    /* The rule goes: it stops at once, in both directions. */
    RULES(&b, out4);
    drop(&a, udp(&a, &b, port, 53), DROP_GROUP_INGRESS);
    drop(&b, udp(&b, &a, 53, port), DROP_GROUP_EGRESS);

    /* It comes back narrower: allowed again, and tracked from now on. */
    RULES(&b, out4, in4(IPPROTO_UDP, 53, 53, "10.0.1.0/24"));
    pass(&a, udp(&a, &b, port, 53));
    f = flow_of(&a, udp(&a, &b, port, 53));
    assert_int_equal(f.verdict.flags & TRACKED, TRACKED);
    assert_false(f.verdict.flags & FLOW_UNTRACKED);
    f = flow_of(&b, udp(&b, &a, 53, port));
    assert_int_equal(f.verdict.flags & TRACKED, TRACKED);
    RULES(&b, out4);
    pass(&a, udp(&a, &b, port, 53));
    pass(&b, udp(&b, &a, 53, port));
    drop(&a, udp(&a, &b, next_port++, 53), DROP_GROUP_INGRESS);
}

/* A narrower "all out" makes it tracked, too. */
static void test_untracked_needs_all(void **state) {
    static const struct {
        struct world_rule out;
        bool tracked;
    } rows[] = {
        {{DIR_EGRESS, 4, -1, -1, -1, ANY4, 0}, false},
        {{DIR_EGRESS, 4, IPPROTO_UDP, -1, -1, ANY4, 0}, false},
        {{DIR_EGRESS, 4, IPPROTO_TCP, -1, -1, ANY4, 0}, true},
        {{DIR_EGRESS, 4, IPPROTO_UDP, 1, 2000, ANY4, 0}, true},
        {{DIR_EGRESS, 4, -1, -1, -1, "10.0.0.0/8", 0}, true},
        {{DIR_EGRESS, 6, -1, -1, -1, ANY6, 0}, true},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct packet k = udp(&a, &b, next_port++, 53);
        RULES(&b, rows[i].out, in4(IPPROTO_UDP, 53, 53, ANY4));
        pass(&a, k);
        if (!(flow_of(&a, k).verdict.flags & FLOW_TRACKED_DST) == rows[i].tracked)
            fail_msg("row %zu", i);
    }
}

/* A packet of the middle of an untracked flow whose verdict was forgotten opens no tracked one. */
static void test_untracked_reply(void **state) {
    uint16_t port = next_port++;
    struct flow_value f;

    RULES(&a, out4, in4(-1, -1, -1, ANY4));
    RULES(&b, out4, in4(IPPROTO_TCP, 80, 80, ANY4));
    pass(&b, tcp(&b, &a, 80, port, ACK));
    f = flow_of(&b, tcp(&b, &a, 80, port, ACK));
    assert_int_equal(f.verdict.flags & (TRACKED | FLOW_FORWARD), 0);
    pass(&b, tcp(&b, &a, 80, next_port, SYN)); /* but a SYN begins one */
    f = flow_of(&b, tcp(&b, &a, 80, next_port, ACK));
    assert_int_equal(f.verdict.flags & (FLOW_TRACKED_SRC | FLOW_FORWARD),
                     FLOW_TRACKED_SRC | FLOW_FORWARD);
    next_port++;
    RULES(&b, out4);
    drop(&a, tcp(&a, &b, port, 80, ACK), DROP_GROUP_INGRESS);
    drop(&b, tcp(&b, &a, 80, port, ACK), DROP_GROUP_EGRESS);
    RULES(&a, out4, out6);
}

/* --- Generations -------------------------------------------------------------------------- */

static void move_address(const struct world_eni *to, const char *addr) {
    world_addr(&w, to, addr, NULL);
    world_bump(&w, 1, true, false);
}

static void test_gen_net(void **state) {
    struct packet k = udp(&a, &b, next_port++, 7);
    struct outcome out;

    RULES(&b, out4, in4(IPPROTO_UDP, -1, -1, "10.0.1.0/24"));
    RULES(&c, out4, in4(IPPROTO_UDP, 8, 8, ANY4));
    pass(&a, k);
    /* Without a generation nothing is looked at again: one lookup decides. */
    world_addr(&w, &c, "10.0.1.5", NULL);
    expect_pass(&w, &a, &k, &out);
    assert_memory_equal(out.data, b.mac, 6);
    /* The receiver changes: the flow is over, and the new receiver's groups are asked. */
    world_bump(&w, 1, true, false);
    drop(&a, k, DROP_GROUP_INGRESS);
    RULES(&c, out4, in4(IPPROTO_UDP, 7, 7, ANY4));
    expect_pass(&w, &a, &k, &out);
    assert_memory_equal(out.data, c.mac, 6);
    assert_int_equal(flow_of(&a, k).verdict.far, c.number);
    /* And back: the old receiver's half ended with the flow and begins anew. */
    move_address(&b, "10.0.1.5");
    pass(&a, k);
    RULES(&c, out4, out6);
}

static void test_gen_sg_of_tracked(void **state) {
    struct packet k = udp(&a, &b, next_port++, 7);

    RULES(&b, out4, in4(IPPROTO_UDP, 7, 7, "10.0.1.0/24"));
    pass(&a, k);
    uint32_t gen = flow_of(&a, k).verdict.gen_sg;
    world_bump(&w, 1, false, true);
    pass(&a, k);
    assert_int_equal(flow_of(&a, k).verdict.gen_sg, gen); /* it was not even looked at */
}

/* --- States and time ---------------------------------------------------------------------- */

static void quick(const struct world_eni *e, uint32_t ms) {
    struct eni_value v = world_eni_get(&w, e);

    v.tcp_half_ms = v.udp_single_ms = ms;
    v.tcp_open_ms = v.udp_stream_ms = v.other_ms = 2 * ms;
    v.tcp_closing_ms = ms;
    world_eni_put(&w, e, &v);
}

static void test_timeouts(void **state) {
    static const struct {
        uint8_t proto;
        uint32_t half, open;
    } rows[] = {{IPPROTO_TCP, 1000, 2000}, {IPPROTO_UDP, 3000, 4000}, {IPPROTO_ICMP, 5000, 5000}};
    struct eni_value v = world_eni_get(&w, &a), before = v;

    v.tcp_half_ms = 1000;
    v.tcp_open_ms = 2000;
    v.udp_single_ms = 3000;
    v.udp_stream_ms = 4000;
    v.other_ms = 5000;
    world_eni_put(&w, &a, &v); /* shorter than b's: these hold */
    RULES(&b, out4, in4(-1, -1, -1, "10.0.1.0/24"));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct packet k = rows[i].proto == IPPROTO_TCP   ? tcp(&a, &b, next_port++, 9, SYN)
                          : rows[i].proto == IPPROTO_UDP ? udp(&a, &b, next_port++, 9)
                                                         : icmp(&a, &b, false, 8, 0, next_port++);
        pass(&a, k);
        assert_int_equal(flow_of(&a, k).timeouts.half_ms, rows[i].half);
        assert_int_equal(flow_of(&a, k).timeouts.open_ms, rows[i].open);
    }
    world_eni_put(&w, &a, &before);
}

/* A flow that was idle too long is judged as new. */
static void test_expiry(void **state) {
    struct packet k = udp(&a, &b, next_port++, 7);
    struct eni_value before = world_eni_get(&w, &a);
    int64_t end = time_ms() + 5000;
    struct outcome out;

    quick(&a, 40);
    RULES(&b, out4, in4(IPPROTO_UDP, 7, 7, "10.0.1.0/24"));
    pass(&a, k);
    RULES(&b, out4);
    do { /* each packet that passes keeps it: look rarely */
        poll(NULL, 0, 60);
        world_send(&w, &a, &k, &out);
    } while (out.reason == DROP_NONE && time_ms() < end);
    assert_int_equal(out.reason, DROP_GROUP_INGRESS);
    /* It opens again in place when it may. */
    RULES(&b, out4, in4(IPPROTO_UDP, 7, 7, "10.0.1.0/24"));
    pass(&a, k);
    assert_int_equal(flow_of(&a, k).packets, 1);
    world_eni_put(&w, &a, &before);
}

/* Idle is counted over both directions. */
static void test_expiry_both_halves(void **state) {
    struct eni_value before = world_eni_get(&w, &a);
    uint16_t port = next_port++;
    int64_t end;

    quick(&a, 60);
    RULES(&b, in4(IPPROTO_UDP, 7, 7, "10.0.1.0/24"));
    pass(&a, udp(&a, &b, port, 7));
    pass(&b, udp(&b, &a, 7, port));
    for (end = time_ms() + 300; time_ms() < end; poll(NULL, 0, 5))
        pass(&b, udp(&b, &a, 7, port)); /* b cannot begin one: it lives */
    RULES(&b, in4(IPPROTO_UDP, 8, 8, "10.0.1.0/24"));
    pass(&a, udp(&a, &b, port, 7)); /* a's half too, though it was silent */
    world_eni_put(&w, &a, &before);
}

static void test_closing(void **state) {
    static const struct {
        unsigned by_a, by_b;
        bool closing;
    } rows[] = {
        {FIN | ACK, ACK, false}, {FIN | ACK, FIN | ACK, true}, {RST, 0, true}, {ACK, RST, true}};

    RULES(&b, in4(IPPROTO_TCP, 80, 80, "10.0.1.0/24"));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint16_t port = next_port++;
        pass(&a, tcp(&a, &b, port, 80, SYN));
        pass(&b, tcp(&b, &a, 80, port, SYN | ACK));
        pass(&a, tcp(&a, &b, port, 80, ACK));
        pass(&a, tcp(&a, &b, port, 80, rows[i].by_a));
        if (rows[i].by_b)
            pass(&b, tcp(&b, &a, 80, port, rows[i].by_b));
        struct flow_value f = flow_of(&a, tcp(&a, &b, port, 80, SYN)),
                          r = flow_of(&b, tcp(&b, &a, 80, port, SYN));
        if (!(f.state & FLOW_CLOSING) == rows[i].closing || f.state != r.state)
            fail_msg("row %zu: %x %x", i, f.state, r.state);
        pass(&a, tcp(&a, &b, port, 80, ACK)); /* stragglers pass */
        /* A new SYN opens a new flow with the same ports. */
        if (rows[i].closing) {
            pass(&a, tcp(&a, &b, port, 80, SYN));
            f = flow_of(&a, tcp(&a, &b, port, 80, SYN));
            assert_int_equal(f.state, 0);
            assert_int_equal(f.packets, 1);
            pass(&b, tcp(&b, &a, 80, port, SYN | ACK));
        }
    }
    RULES(&b, in4(IPPROTO_TCP, 81, 81, "10.0.1.0/24"));
    uint32_t entries = world_flow_entries(&w);
    drop(&a, tcp(&a, &b, next_port++, 80, RST), DROP_GROUP_INGRESS);
    pass(&a, tcp(&a, &b, next_port++, 81, RST)); /* a reset of nothing opens nothing */
    assert_int_equal(world_flow_entries(&w), entries);
}

/* An ENI that has no flows yet. */
static struct world_eni fresh(void) {
    static uint32_t number = 20;
    struct world_eni e = world_eni(&w, number, 1, 1, 0);
    char text[IP_TEXT];

    snprintf(text, sizeof text, "10.0.1.%u", number++);
    world_addr(&w, &e, text, NULL);
    return e;
}

/* --- Quotas ------------------------------------------------------------------------------- */

static struct eni_stats_value stats(const struct world_eni *e) {
    struct eni_stats_value s;

    assert_int_equal(dataplane_eni_stats(w.dp, e->number, &s), 0);
    return s;
}

static void handshake(const struct world_eni *q, uint16_t port, unsigned ack_reason) {
    struct packet k = tcp(&a, q, port, 80, ACK);

    pass(&a, tcp(&a, q, port, 80, SYN));
    pass(q, tcp(q, &a, 80, port, SYN | ACK));
    expect_at(&w, &a, &k, ack_reason, NULL, __LINE__);
}

static void test_quota(void **state) {
    const struct world_eni e = fresh(), *q = &e;
    struct eni_value v;
    struct eni_stats_value s = stats(q);
    uint16_t first = next_port;

    next_port = (uint16_t)(next_port + 20);
    RULES(q, in4(IPPROTO_TCP, 80, 80, "10.0.1.0/24"), in4(IPPROTO_UDP, 53, 53, ANY4), out4);
    v = world_eni_get(&w, q);
    v.quota_half = 4;
    v.quota_flows = 3;
    world_eni_put(&w, q, &v);
    /* Four half-open, no fifth; other ENIs and untracked flows go on. */
    for (uint16_t i = 0; i < 4; i++)
        pass(&a, tcp(&a, q, (uint16_t)(first + i), 80, SYN));
    drop(&a, tcp(&a, q, (uint16_t)(first + 4), 80, SYN), DROP_ALLOWANCE);
    assert_int_equal(stats(q).allowance_exceeded - s.allowance_exceeded, 1);
    pass(&a, udp(&a, q, next_port++, 53));
    drop(&c, udp(&c, &a, next_port++, 53), DROP_GROUP_INGRESS);
    /* Those that are there go on, and what becomes open makes room among the half-open. */
    handshake(q, first, DROP_NONE);
    pass(&a, tcp(&a, q, (uint16_t)(first + 4), 80, SYN));
    handshake(q, (uint16_t)(first + 1), DROP_NONE);
    handshake(q, (uint16_t)(first + 2), DROP_NONE);
    handshake(q, (uint16_t)(first + 3), DROP_ALLOWANCE); /* no room among the open ones */
    pass(&a, tcp(&a, q, first, 80, ACK));
    assert_int_equal(stats(q).allowance_exceeded - s.allowance_exceeded, 2);
}

/* Room is made by the next who needs it, a grace period after the old flow's end, with no agent. */
static void test_quota_reclaim(void **state) {
    const struct world_eni e = fresh(), *q = &e;
    struct eni_value v;
    struct eni_stats_value s = stats(q);
    uint16_t port = next_port;

    next_port = (uint16_t)(next_port + 4);
    RULES(q, in4(IPPROTO_UDP, 80, 80, "10.0.1.0/24"));
    v = world_eni_get(&w, q);
    v.quota_half = 2;
    v.udp_single_ms = 50;
    world_eni_put(&w, q, &v);
    int64_t began = time_ms();
    pass(&a, udp(&a, q, port, 80));
    pass(&a, udp(&a, q, (uint16_t)(port + 1), 80));
    drop(&a, udp(&a, q, (uint16_t)(port + 2), 80), DROP_ALLOWANCE);
    wait_pass(&a, udp(&a, q, (uint16_t)(port + 3), 80), DROP_ALLOWANCE, 9000);
    assert_true(time_ms() - began >= 5000);
    struct packet gone = udp(&a, q, port, 80), gone2 = udp(&a, q, (uint16_t)(port + 1), 80);
    struct flow_value f;
    /* One of the two was deleted, both its halves. */
    assert_true((world_flow(&w, &a, &gone, &f) == -ENOENT) !=
                (world_flow(&w, &a, &gone2, &f) == -ENOENT));
    gone = udp(q, &a, 80, port);
    gone2 = udp(q, &a, 80, (uint16_t)(port + 1));
    assert_true((world_flow(&w, q, &gone, &f) == -ENOENT) !=
                (world_flow(&w, q, &gone2, &f) == -ENOENT));
    assert_true(stats(q).allowance_exceeded > s.allowance_exceeded);
    /* The sweep takes the other one. */
    uint32_t deleted, live;
    assert_int_equal(dataplane_sweep(w.dp, &deleted, &live), 0);
    assert_true(deleted >= 2);
    assert_int_equal(stats(q).flows_reclaimed - s.flows_reclaimed, 1);
    gone = udp(&a, q, port, 80);
    assert_int_equal(world_flow(&w, &a, &gone, &f), -ENOENT);
    gone2 = udp(&a, q, (uint16_t)(port + 1), 80);
    assert_int_equal(world_flow(&w, &a, &gone2, &f), -ENOENT);
}

/* Flows of an ENI that is gone end, though they would be idle for days. */
static void test_sweep_of_gone(void **state) {
    const struct world_eni e = fresh(), *q = &e;
    struct eni_key key = {e.number};
    struct packet k = tcp(&a, q, next_port++, 80, SYN), other = tcp(&a, &b, next_port++, 80, SYN);
    uint32_t deleted, live, before;

    RULES(&b, in4(IPPROTO_TCP, 80, 80, "10.0.1.0/24"));
    RULES(q, in4(IPPROTO_TCP, 80, 80, "10.0.1.0/24"));
    pass(&a, k);
    pass(&a, other);
    assert_int_equal(dataplane_sweep(w.dp, &deleted, &before), 0);
    assert_false(flow_of(&a, k).state & FLOW_DEAD);
    assert_int_equal(dataplane_del(w.dp, DATAPLANE_ENIS, &key), 0);
    assert_int_equal(dataplane_sweep(w.dp, &deleted, &live), 0);
    assert_true(flow_of(&a, k).state & FLOW_DEAD);
    assert_false(flow_of(&a, other).state & FLOW_DEAD);
    assert_int_equal(before - live, 2);
}

/* Untracked flows have no quota: their verdicts are remembered while there is room. */
static void test_untracked_cache(void **state) {
    const struct world_eni e = fresh(), *q = &e;
    struct eni_value v;
    struct eni_stats_value s = stats(q);

    RULES(q, out4, in4(-1, -1, -1, ANY4));
    RULES(&b, out4, in4(-1, -1, -1, ANY4));
    v = world_eni_get(&w, q);
    v.quota_untracked = 3;
    v.quota_half = v.quota_flows = 1;
    world_eni_put(&w, q, &v);
    for (int i = 0; i < 50; i++)
        pass(q, udp(q, &b, next_port++, 53));
    assert_true(stats(q).untracked_uncached - s.untracked_uncached >= 40);
    assert_int_equal(stats(q).allowance_exceeded, s.allowance_exceeded);
    RULES(q, out4, out6);
}

/* A reply of an untracked flow passes although its ENI may not track another flow. */
static void test_untracked_at_quota(void **state) {
    const struct world_eni e = fresh(), *q = &e;
    struct eni_value v;

    RULES(&a, out4, in4(-1, -1, -1, ANY4));
    RULES(q, out4, in4(IPPROTO_UDP, 53, 53, ANY4));
    v = world_eni_get(&w, q);
    v.quota_half = 0;
    world_eni_put(&w, q, &v);
    pass(q, udp(q, &a, 53, next_port++));
    drop(q, udp(q, &a, 54, next_port++), DROP_ALLOWANCE);
    RULES(&a, out4, out6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_allowed),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_group_of_source),
        cmocka_unit_test(test_tracked),
        cmocka_unit_test(test_icmp_is_tracked),
        cmocka_unit_test(test_icmp_once),
        cmocka_unit_test(test_untracked),
        cmocka_unit_test(test_untracked_needs_all),
        cmocka_unit_test(test_untracked_reply),
        cmocka_unit_test(test_gen_net),
        cmocka_unit_test(test_gen_sg_of_tracked),
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_expiry_both_halves),
        cmocka_unit_test(test_closing),
        cmocka_unit_test(test_quota),
        cmocka_unit_test(test_quota_reclaim),
        cmocka_unit_test(test_sweep_of_gone),
        cmocka_unit_test(test_untracked_cache),
        cmocka_unit_test(test_untracked_at_quota),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
