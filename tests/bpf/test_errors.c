/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICMP errors that must not pass with a flow, and flows whose entries are busy. The world is that
 * of standard.h, and:
 *
 *   a, b (subnet 1) --0.0.0.0/0--> NAT gateway 9 in subnet 2: 10.0.2.50 = 203.0.113.50
 *                   --::/0-------> egress-only gateway 5
 *                   --192.168.0.0/16, 2001:db8:9::/48--> a peering with VPC 2
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/pkt_cls.h>

#include "base/cleanup.h"
#include "standard.h"

#define NAT "203.0.113.50"
#define ROUNDS 3000

static const struct world_rule udp_only[] = {
    {DIR_EGRESS, 4, 17, -1, -1, "0.0.0.0/0", 0},  {DIR_EGRESS, 6, 17, -1, -1, "::/0", 0},
    {DIR_INGRESS, 4, 17, -1, -1, "0.0.0.0/1", 0}, {DIR_INGRESS, 4, 17, -1, -1, "128.0.0.0/1", 0},
    {DIR_INGRESS, 6, 17, -1, -1, "2000::/3", 0},  {DIR_INGRESS, 6, 17, -1, -1, "fd00::/8", 0},
};

static const struct world_rule tcp_out[] = {{DIR_EGRESS, 4, 6, -1, -1, "0.0.0.0/0", 0}};

static void put(enum dataplane_map map, const void *key, const void *value) {
    assert_int_equal(dataplane_put(w.dp, map, key, value), 0);
}

static int setup(void **state) {
    struct egress_gateway_value egress = {5};
    struct vpc_key vpc = {1};
    struct config_value config;
    uint32_t zero = 0;
    int r = standard_setup(state);

    assert_int_equal(dataplane_get(w.dp, DATAPLANE_CONFIG, &zero, &config), 0);
    config.flags = CONFIG_HOST_OPEN | CONFIG_UPLINK_ANY;
    put(DATAPLANE_CONFIG, &zero, &config);
    put(DATAPLANE_EGRESS_GATEWAYS, &vpc, &egress);
    world_subnet(&w, 1, 1, "10.0.1.0/24", "fd00:0:0:1::/64", 300);
    world_route(&w, 300, "10.0.0.0/16", ROUTE_LOCAL, 0);
    world_route(&w, 300, "fd00::/56", ROUTE_LOCAL, 0);
    world_route(&w, 300, "0.0.0.0/0", ROUTE_NAT, 9);
    world_route(&w, 300, "::/0", ROUTE_EIGW, 5);
    world_route(&w, 300, "192.168.0.0/16", ROUTE_PCX, 2);
    world_route(&w, 300, "2001:db8:9::/48", ROUTE_PCX, 2);
    world_nat(&w, 9, 1, 2, 0, "10.0.2.50", NAT);
    return r;
}

/* "Host unreachable" by `src`, about a packet that `dst` sent. */
static struct packet error_of(const struct world_eni *e, const char *src, const char *dst,
                              const struct packet *quoted) {
    bool v6 = strchr(dst, ':');
    uint8_t header[8] = {v6 ? 1 : 3, v6 ? 3 : 1};
    struct packet k;

    packet_eth(&k, world_router_mac, e ? e->mac : world_host_mac, v6 ? ETH_P_IPV6 : ETH_P_IP);
    packet_ip(&k, src, dst, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
    packet_bytes(&k, header, sizeof(header));
    packet_bytes(&k, quoted->data + quoted->l3, quoted->len - quoted->l3);
    packet_finish(&k);
    return k;
}

static void report_by(const char *src, const char *dst, const struct packet *quoted,
                      unsigned reason) {
    struct packet k = error_of(NULL, src, dst, quoted);
    struct outcome out;

    if (reason) {
        expect_drop(&w, NULL, &k, reason);
        return;
    }
    expect_pass(&w, NULL, &k, &out);
    assert_memory_equal(out.data, a.mac, 6);
}

/* Whoever reports from outside is nobody inside: behind a NAT gateway as behind a public address.
 */
static void test_reporter_behind_nat(void **state) {
    struct packet k = standard_udp(&a, "10.0.1.4", HOST, 4000, 53), got;
    struct outcome out;

    expect_pass(&w, &a, &k, &out);
    got = standard_udp(NULL, NAT, HOST, (uint16_t)(out.data[34] << 8 | out.data[35]), 53);
    report_by(HOST, NAT, &got, DROP_NONE);
    report_by("198.51.100.1", NAT, &got, DROP_NONE); /* a router on the way */
    report_by("10.0.2.4", NAT, &got, DROP_SPOOFED_ADDRESS);
    report_by("10.0.1.4", NAT, &got, DROP_SPOOFED_ADDRESS);
    report_by("10.0.9.9", NAT, &got, DROP_SPOOFED_ADDRESS);    /* inside, and nobody's */
    report_by("192.168.1.1", NAT, &got, DROP_SPOOFED_ADDRESS); /* the peer's */
    report_by("203.0.113.77", NAT, &got, DROP_SPOOFED_ADDRESS);
}

static void test_reporter_behind_egress_only(void **state) {
    struct packet k = standard_udp(&a, "fd00:0:0:1::4", HOST6, 4000, 53);
    struct outcome out;

    expect_pass(&w, &a, &k, &out);
    report_by(HOST6, "fd00:0:0:1::4", &k, DROP_NONE);
    report_by("2001:db8:aaaa::1", "fd00:0:0:1::4", &k, DROP_NONE);
    report_by("fd00:0:0:1::5", "fd00:0:0:1::4", &k, DROP_SPOOFED_ADDRESS);
    report_by("fd00:0:0:9::1", "fd00:0:0:1::4", &k, DROP_SPOOFED_ADDRESS);
    report_by("2001:db8:9::1", "fd00:0:0:1::4", &k, DROP_SPOOFED_ADDRESS);
}

/* An error about an answer wants an answer. */
static void test_about_an_answer(void **state) {
    static const char *const ends[2][2] = {{"10.0.1.4", "10.0.1.5"},
                                           {"fd00:0:0:1::4", "fd00:0:0:1::5"}};
    struct packet ask, answer, k;
    struct outcome out;

    world_rules(&w, &a, udp_only, ARRAY_SIZE(udp_only));
    world_rules(&w, &b, udp_only, ARRAY_SIZE(udp_only));
    for (int i = 0; i < 2; i++) {
        const char *const *e = ends[i];

        ask = standard_udp(&a, e[0], e[1], 1000, 9000);
        answer = standard_udp(&b, e[1], e[0], 9000, 1000);
        expect_pass(&w, &a, &ask, &out);
        k = error_of(&a, e[0], e[1], &answer);
        expect_drop(&w, &a, &k, DROP_GROUP_EGRESS);
        k = error_of(&b, e[1], e[0], &ask); /* but one about the question is the flow's */
        expect_pass(&w, &b, &k, &out);
        k = error_of(&a, e[0], e[1], &answer);
        expect_drop(&w, &a, &k, DROP_GROUP_EGRESS);
        expect_pass(&w, &b, &answer, &out);
        expect_pass(&w, &a, &k, &out);
    }
    standard_open_all(&a);
    standard_open_all(&b);
}

static void test_about_an_answer_outside(void **state) {
    struct packet ask = standard_udp(NULL, HOST, "203.0.113.11", 1000, 9000),
                  sent = standard_udp(&c, "10.0.2.4", HOST, 9000, 1000),
                  answer = standard_udp(NULL, "203.0.113.11", HOST, 9000, 1000),
                  k = error_of(NULL, HOST, "203.0.113.11", &answer);
    struct outcome out;

    world_rules(&w, &c, udp_only, ARRAY_SIZE(udp_only));
    expect_pass(&w, NULL, &ask, &out);
    expect_drop(&w, NULL, &k, DROP_GROUP_INGRESS);
    expect_pass(&w, &c, &sent, &out);
    expect_pass(&w, NULL, &k, &out);
    standard_open_all(&c);
}

/* --- Entries that somebody is rewriting --------------------------------------------------- */

/* The half of `k`, as sent by `a`: its entry is locked, or not any more. */
static void set_busy(const struct packet *k, bool busy) {
    struct flow_key key = {.eni = a.number, .family = 4, .proto = k->proto};
    struct flow_value f;

    memcpy(&key.src, k->data + 26, 4);
    memcpy(&key.dst, k->data + 30, 4);
    memcpy(&key.sport, k->data + 34, 2);
    memcpy(&key.dport, k->data + 36, 2);
    assert_int_equal(world_flow(&w, &a, k, &f), 0);
    f.seq = (f.seq & ~1u) + (busy ? 1 : 0);
    put(DATAPLANE_FLOWS, &key, &f);
}

static void open_tcp(const char *to, const char *seen, struct packet *ret) {
    struct packet k = standard_tcp(&a, "10.0.1.4", to, 5000, 80, SYN);
    struct outcome out;
    uint16_t port;

    expect_pass(&w, &a, &k, &out);
    port = (uint16_t)(out.data[34] << 8 | out.data[35]);
    k = seen ? standard_tcp(NULL, to, seen, 80, port, SYN | ACK)
             : standard_tcp(&b, to, "10.0.1.4", 80, port, SYN | ACK);
    expect_pass(&w, seen ? NULL : &b, &k, &out);
    *ret = standard_tcp(&a, "10.0.1.4", to, 5000, 80, ACK);
    expect_pass(&w, &a, ret, &out);
}

/* A NAT gateway resets what it does not know. What is only busy it knows. */
static void test_busy_behind_nat(void **state) {
    struct outcome out;
    struct packet k;

    open_tcp(HOST, NAT, &k);
    for (int i = 0; i < 3; i++) {
        set_busy(&k, true);
        expect_drop(&w, &a, &k, DROP_FLOW_BUSY);
        set_busy(&k, false);
        expect_pass(&w, &a, &k, &out);
        assert_addresses(&out, NAT, HOST);
    }
}

/* Nor is a flow judged anew whose rule is gone. */
static void test_busy_and_tracked(void **state) {
    struct outcome out;
    struct packet k;

    world_rules(&w, &a, tcp_out, 1);
    open_tcp("10.0.1.5", NULL, &k);
    world_rules(&w, &a, udp_only, ARRAY_SIZE(udp_only));
    world_bump(&w, 1, true, true);
    set_busy(&k, true);
    expect_drop(&w, &a, &k, DROP_FLOW_BUSY);
    set_busy(&k, false);
    expect_pass(&w, &a, &k, &out);
    standard_open_all(&a);
}

static atomic_bool stop;

static void *lock_and_unlock(void *arg) {
    for (bool busy = true; !stop; busy = !busy)
        set_busy(arg, busy);
    set_busy(arg, false);
    return NULL;
}

/* The same while another CPU does it: packets pass or are dropped as busy, and no flow ends. */
static void test_busy_at_once(void **state) {
    struct packet k, again;
    unsigned passed = 0;
    struct outcome out;
    pthread_t thread;

    open_tcp(HOST, NAT, &k);
    again = k;
    assert_int_equal(pthread_create(&thread, NULL, lock_and_unlock, &again), 0);
    for (int i = 0; i < ROUNDS; i++) {
        world_send(&w, &a, &k, &out);
        passed += out.action == TC_ACT_REDIRECT && out.reason == DROP_NONE;
        if (out.reason && out.reason != DROP_FLOW_BUSY)
            fail_msg("round %d: reason %u", i, out.reason);
    }
    stop = true;
    pthread_join(thread, NULL);
    assert_true(passed > ROUNDS / 2);
    expect_pass(&w, &a, &k, &out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reporter_behind_nat),
        cmocka_unit_test(test_reporter_behind_egress_only),
        cmocka_unit_test(test_about_an_answer),
        cmocka_unit_test(test_about_an_answer_outside),
        cmocka_unit_test(test_busy_behind_nat),
        cmocka_unit_test(test_busy_and_tracked),
        cmocka_unit_test(test_busy_at_once),
    };

    return cmocka_run_group_tests(tests, setup, standard_teardown);
}
