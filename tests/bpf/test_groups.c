/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Security groups: what a rule admits, which flows are tracked, and what a change of rules or
 * routes does to those that run. The world: pair.h.
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
#include "pair.h"

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

/* A ping lets its answer in and no question, whatever its number looks like. */
static void test_icmp_numbers(void **state) {
    static const uint16_t ids[] = {0, 5, 8, 0x0800, 0x8000, 0x0d00, 0x8008, 0xffff};

    RULES(&b, in4(-1, -1, -1, "10.0.1.0/24"), in6(-1, -1, -1, "fd00::/8"), out4, out6);
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        pass(&a, icmp(&a, &b, false, 8, 0, ids[i]));
        drop(&b, icmp(&b, &a, false, 8, 0, ids[i]), DROP_GROUP_INGRESS);
        drop(&b, icmp(&b, &a, false, 13, 0, 0x0800), DROP_GROUP_INGRESS);
        pass(&b, icmp(&b, &a, false, 0, 0, ids[i]));
        drop(&b, icmp(&b, &a, false, 8, 0, ids[i]), DROP_GROUP_INGRESS);
        pass(&a, icmp(&a, &b, true, 128, 0, ids[i]));
        drop(&b, icmp(&b, &a, true, 128, 0, ids[i]), DROP_GROUP_INGRESS);
        pass(&b, icmp(&b, &a, true, 129, 0, ids[i]));
        drop(&b, icmp(&b, &a, true, 129, 0, (uint16_t)(ids[i] ^ 1)), DROP_GROUP_INGRESS);
    }
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
        cmocka_unit_test(test_icmp_numbers),
    };

    return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}
