/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flow table: states, idle times, quotas, and who makes room. The world: pair.h.
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

    quick(&a, 400);
    RULES(&b, in4(IPPROTO_UDP, 7, 7, "10.0.1.0/24"));
    pass(&a, udp(&a, &b, port, 7));
    pass(&b, udp(&b, &a, 7, port));
    for (end = time_ms() + 1200; time_ms() < end; poll(NULL, 0, 5))
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

/* Who was called may answer, but not call back, whatever became of the connection. */
static void test_turned(void **state) {
    uint16_t port = next_port++;
    struct flow_value f;

    RULES(&b, in4(IPPROTO_TCP, 80, 80, "10.0.1.0/24"), out4);
    pass(&a, tcp(&a, &b, port, 80, SYN));
    pass(&a, tcp(&a, &b, port, 80, SYN)); /* once more */
    drop(&b, tcp(&b, &a, 80, port, SYN), DROP_GROUP_INGRESS);
    pass(&b, tcp(&b, &a, 80, port, SYN | ACK));
    drop(&b, tcp(&b, &a, 80, port, SYN), DROP_GROUP_INGRESS);
    pass(&a, tcp(&a, &b, port, 80, ACK));
    drop(&b, tcp(&b, &a, 80, port, SYN), DROP_GROUP_INGRESS);
    drop(&b, tcp(&b, &a, 80, port, SYN | FIN), DROP_GROUP_INGRESS);
    pass(&a, tcp(&a, &b, port, 80, SYN)); /* a duplicate harms nobody */
    /* None of this did the connection any harm. */
    f = flow_of(&a, tcp(&a, &b, port, 80, ACK));
    assert_int_equal(f.state & (FLOW_OPEN | FLOW_DEAD | FLOW_CLOSING), FLOW_OPEN);
    assert_int_equal(f.packets, 4);
    pass(&b, tcp(&b, &a, 80, port, ACK));
    pass(&a, tcp(&a, &b, port, 80, RST));
    drop(&b, tcp(&b, &a, 80, port, SYN), DROP_GROUP_INGRESS);
    pass(&b, tcp(&b, &a, 80, port, ACK)); /* a straggler */
}

/* When the rules allow it, the call back takes the first flow's place; so at a simultaneous open.
 */
static void test_turned_allowed(void **state) {
    uint16_t port = next_port++;
    struct packet forth, back;
    struct flow_value f, r;

    RULES(&b, in4(IPPROTO_TCP, 80, 80, "10.0.1.0/24"), out4);
    RULES(&a, in4(IPPROTO_TCP, 0, 65535, "10.0.1.5/32"), out4, out6);
    forth = tcp(&a, &b, port, 80, SYN);
    back = tcp(&b, &a, 80, port, SYN);
    pass(&a, forth);
    assert_true(flow_of(&a, forth).verdict.flags & FLOW_FORWARD);
    pass(&b, back);
    f = flow_of(&b, back);
    r = flow_of(&a, forth);
    assert_true(f.verdict.flags & FLOW_FORWARD);
    assert_false(r.verdict.flags & FLOW_FORWARD);
    assert_int_equal(f.state | r.state, 0);
    assert_int_equal(f.packets, 1);
    pass(&a, tcp(&a, &b, port, 80, SYN | ACK));
    pass(&b, tcp(&b, &a, 80, port, SYN | ACK));
    pass(&b, tcp(&b, &a, 80, port, ACK));
    assert_int_equal(flow_of(&a, forth).state, FLOW_REPLIED | FLOW_OPEN);
    RULES(&a, out4, out6);
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
    struct packet k = tcp(q, &b, port, 80, ACK);

    pass(q, tcp(q, &b, port, 80, SYN));
    pass(&b, tcp(&b, q, 80, port, SYN | ACK));
    expect_at(&w, q, &k, ack_reason, NULL, __LINE__);
}

static void test_quota(void **state) {
    const struct world_eni e = fresh(), *q = &e;
    struct eni_value v;
    struct eni_stats_value s = stats(q);
    uint16_t first = next_port;

    next_port = (uint16_t)(next_port + 20);
    RULES(q, out4, in4(IPPROTO_UDP, 53, 53, ANY4), in4(IPPROTO_TCP, 80, 80, "10.0.1.0/24"));
    RULES(&b, in4(IPPROTO_TCP, 80, 80, "10.0.1.0/24"));
    v = world_eni_get(&w, q);
    v.quota_half = 4;
    v.quota_flows = 3;
    world_eni_put(&w, q, &v);
    /* Four half-open, no fifth; other ENIs, untracked flows and those from outside go on. */
    for (uint16_t i = 0; i < 4; i++)
        pass(q, tcp(q, &b, (uint16_t)(first + i), 80, SYN));
    drop(q, tcp(q, &b, (uint16_t)(first + 4), 80, SYN), DROP_ALLOWANCE);
    assert_int_equal(stats(q).allowance_exceeded - s.allowance_exceeded, 1);
    pass(&a, udp(&a, q, next_port++, 53));
    pass(&a, tcp(&a, q, next_port++, 80, SYN));
    drop(&c, udp(&c, &a, next_port++, 53), DROP_GROUP_INGRESS);
    /* Those that are there go on, and what becomes open makes room among the half-open. */
    handshake(q, first, DROP_NONE);
    pass(q, tcp(q, &b, (uint16_t)(first + 4), 80, SYN));
    handshake(q, (uint16_t)(first + 1), DROP_NONE);
    handshake(q, (uint16_t)(first + 2), DROP_NONE);
    handshake(q, (uint16_t)(first + 3), DROP_ALLOWANCE); /* no room among the open ones */
    pass(q, tcp(q, &b, first, 80, ACK));
    assert_int_equal(stats(q).allowance_exceeded - s.allowance_exceeded, 2);
}

/* However many begin flows at an ENI, it can begin its own, and the next ones find room. */
static void test_flood(void **state) {
    const struct world_eni e = fresh(), *q = &e;
    struct packet first = udp(&a, q, next_port, 80), kept = tcp(&a, q, next_port++, 81, SYN);
    uint16_t port = (uint16_t)(next_port - 1);
    struct eni_value v;
    unsigned passed = 0;
    struct flow_value f;
    struct outcome out;

    RULES(&b, in4(IPPROTO_TCP, 80, 80, "10.0.1.0/24"));
    RULES(q, out4, in4(IPPROTO_UDP, 80, 80, "10.0.1.0/24"),
          in4(IPPROTO_TCP, 81, 81, "10.0.1.0/24"));
    v = world_eni_get(&w, q);
    v.quota_half = 64;
    world_eni_put(&w, q, &v);
    pass(&a, kept);
    pass(q, tcp(q, &a, 81, port, SYN | ACK));
    pass(&a, tcp(&a, q, port, 81, ACK));
    pass(&a, first);
    for (int i = 0; i < 300; i++) {
        struct packet k = udp(&a, q, next_port++, 80);
        world_send(&w, &a, &k, &out);
        passed += out.reason == DROP_NONE;
        assert_true(out.reason == DROP_NONE || out.reason == DROP_ALLOWANCE);
    }
    assert_true(passed >= 60);
    /* The oldest made room. */
    assert_true(world_flow(&w, &a, &first, &f) == -ENOENT || f.state & FLOW_DEAD);
    pass(q, tcp(q, &b, next_port++, 80, SYN));
    /* What is open is not touched; and there is room for the next soon, with no agent. */
    pass(&a, tcp(&a, q, port, 81, ACK));
    assert_false(flow_of(&a, kept).state & FLOW_DEAD);
    int64_t began = time_ms();
    wait_pass(&a, udp(&a, q, next_port++, 80), DROP_ALLOWANCE, 4000);
    assert_true(time_ms() - began < 3000);
}

/* Room is made by the next who needs it, a grace period after the old flow's end, with no agent. */
static void test_quota_reclaim(void **state) {
    const struct world_eni e = fresh(), *q = &e;
    struct eni_value v;
    struct eni_stats_value s = stats(q);
    uint16_t port = next_port;

    next_port = (uint16_t)(next_port + 4);
    RULES(q, out4);
    RULES(&b, in4(IPPROTO_UDP, 80, 80, "10.0.1.0/24"));
    v = world_eni_get(&w, q);
    v.quota_half = 2;
    v.udp_single_ms = 50;
    world_eni_put(&w, q, &v);
    int64_t began = time_ms();
    pass(q, udp(q, &b, port, 80));
    pass(q, udp(q, &b, (uint16_t)(port + 1), 80));
    drop(q, udp(q, &b, (uint16_t)(port + 2), 80), DROP_ALLOWANCE);
    wait_pass(q, udp(q, &b, (uint16_t)(port + 3), 80), DROP_ALLOWANCE, 9000);
    assert_true(time_ms() - began >= 5000);
    struct packet gone = udp(q, &b, port, 80), gone2 = udp(q, &b, (uint16_t)(port + 1), 80);
    struct flow_value f;
    /* One of the two was deleted, both its halves. */
    assert_true((world_flow(&w, q, &gone, &f) == -ENOENT) !=
                (world_flow(&w, q, &gone2, &f) == -ENOENT));
    gone = udp(&b, q, 80, port);
    gone2 = udp(&b, q, 80, (uint16_t)(port + 1));
    assert_true((world_flow(&w, &b, &gone, &f) == -ENOENT) !=
                (world_flow(&w, &b, &gone2, &f) == -ENOENT));
    assert_true(stats(q).allowance_exceeded > s.allowance_exceeded);
    /* The sweep takes the other one, when its time has come too. */
    uint32_t deleted, live, sum = 0;
    gone = udp(q, &b, port, 80);
    gone2 = udp(q, &b, (uint16_t)(port + 1), 80);
    for (int64_t end = time_ms() + 5000; time_ms() < end; poll(NULL, 0, 10)) {
        assert_int_equal(dataplane_sweep(w.dp, &deleted, &live), 0);
        sum += deleted;
        if (world_flow(&w, q, &gone, &f) == -ENOENT && world_flow(&w, q, &gone2, &f) == -ENOENT)
            break;
    }
    assert_true(sum >= 2);
    assert_int_equal(world_flow(&w, q, &gone, &f), -ENOENT);
    assert_int_equal(world_flow(&w, q, &gone2, &f), -ENOENT);
    assert_int_equal(stats(q).flows_reclaimed - s.flows_reclaimed, 1);
}

/* Above half of the host's table who has many flows opens no more, and who has few goes on. */
static void test_fair_share(void **state) {
    const struct world_eni many = fresh(), few = fresh();
    struct flow_total_value total, before;
    uint32_t zero = 0, deleted, live, opened = 0;
    uint16_t port = next_port;
    struct outcome out;

    next_port = (uint16_t)(next_port + 6000);
    RULES(&many, out4);
    RULES(&few, out4);
    RULES(&b, in4(IPPROTO_TCP, 80, 80, "10.0.1.0/24"), in4(IPPROTO_TCP, 81, 81, "10.0.1.0/24"));
    RULES(&c, out4, in4(IPPROTO_TCP, 80, 80, "10.0.1.0/24"));
    assert_int_equal(dataplane_sweep(w.dp, &deleted, &live), 0);
    assert_int_equal(dataplane_get(w.dp, DATAPLANE_FLOW_TOTAL, &zero, &before), 0);
    assert_int_equal(before.limit, MAX_FLOWS);
    assert_int_equal(before.entries, world_flow_entries(&w)); /* as the sweep saw it */
    total = before;
    total.limit = 8192;
    assert_int_equal(dataplane_put(w.dp, DATAPLANE_FLOW_TOTAL, &zero, &total), 0);
    do {
        struct packet k = tcp(&many, &c, (uint16_t)(port + opened), 80, SYN);
        world_send(&w, &many, &k, &out);
    } while (out.reason == DROP_NONE && ++opened < 6000);
    assert_int_equal(out.reason, DROP_ALLOWANCE);
    assert_in_range(2 * opened + before.entries, 4096, 4096 + 64);
    assert_int_equal(dataplane_get(w.dp, DATAPLANE_FLOW_TOTAL, &zero, &total), 0);
    assert_int_equal(total.entries, world_flow_entries(&w)); /* counted right */
    /* What is open goes on, and others open flows. */
    pass(&many, tcp(&many, &c, port, 80, SYN));
    pass(&few, tcp(&few, &b, next_port++, 81, SYN));
    pass(&few, tcp(&few, &b, next_port++, 81, SYN));
    /* Full is full. */
    total.limit = (uint32_t)total.entries;
    assert_int_equal(dataplane_put(w.dp, DATAPLANE_FLOW_TOTAL, &zero, &total), 0);
    drop(&few, tcp(&few, &b, next_port++, 81, SYN), DROP_ALLOWANCE);
    /* A count that went astray is mended. */
    total.entries += 1000;
    total.limit = MAX_FLOWS;
    assert_int_equal(dataplane_put(w.dp, DATAPLANE_FLOW_TOTAL, &zero, &total), 0);
    assert_int_equal(dataplane_sweep(w.dp, &deleted, &live), 0);
    assert_int_equal(dataplane_get(w.dp, DATAPLANE_FLOW_TOTAL, &zero, &total), 0);
    assert_int_equal(total.entries, world_flow_entries(&w));
    RULES(&c, out4, out6);
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
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_expiry_both_halves),
        cmocka_unit_test(test_closing),
        cmocka_unit_test(test_turned),
        cmocka_unit_test(test_turned_allowed),
        cmocka_unit_test(test_quota),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_quota_reclaim),
        cmocka_unit_test(test_sweep_of_gone),
        cmocka_unit_test(test_fair_share),
        cmocka_unit_test(test_untracked_cache),
        cmocka_unit_test(test_untracked_at_quota),
    };

    return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}
