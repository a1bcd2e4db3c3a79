/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Idle times: each state of each protocol, a second before and after its end. Nobody waits: the
 * entries of a flow are made older. The world: pair.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "pair.h"

struct ageing {
    uint16_t port; /* of one end */
    uint64_t ns;
    unsigned n;
};

static int older(const void *key, const void *value, void *arg) {
    const struct flow_key *k = key;
    struct flow_value f = *(const struct flow_value *)value;
    struct ageing *a_ = arg;

    if (k->sport != htons(a_->port) && k->dport != htons(a_->port))
        return 0;
    f.last_ns -= a_->ns; /* the machine may be younger: it wraps, and the sum wraps back */
    a_->n++;
    return dataplane_put(w.dp, DATAPLANE_FLOWS, key, &f);
}

/* As if both directions of the flow with this port had been silent for so long. */
static void age(uint16_t port, uint64_t ms) {
    struct ageing ageing = {port, ms * 1000000, 0};

    assert_int_equal(dataplane_each(w.dp, DATAPLANE_FLOWS, older, &ageing), 0);
    assert_int_equal(ageing.n, 2);
}

enum state { HALF, REPLIED, OPEN, CLOSING };

static struct packet next(uint8_t proto, uint16_t port, bool reply, unsigned flags) {
    const struct world_eni *from = reply ? &b : &a, *to = reply ? &a : &b;

    if (proto == IPPROTO_TCP)
        return reply ? tcp(from, to, 77, port, flags) : tcp(from, to, port, 77, flags);
    if (proto == IPPROTO_UDP)
        return reply ? udp(from, to, 77, port) : udp(from, to, port, 77);
    return icmp(from, to, false, reply ? 0 : 8, 0, port);
}

/* A flow of a to b in this state; b allows it only while it begins. */
static void begin(uint8_t proto, uint16_t port, enum state state) {
    RULES(&b, out4, in4(-1, -1, -1, "10.0.1.0/24"));
    pass(&a, next(proto, port, false, SYN));
    if (state >= REPLIED)
        pass(&b, next(proto, port, true, SYN | ACK));
    if (state >= OPEN)
        pass(&a, next(proto, port, false, ACK));
    if (state == CLOSING)
        pass(&a, next(proto, port, false, RST));
    RULES(&b, out4);
}

/* AWS: "TCP established 432,000 s, UDP single 30 s, UDP stream 180 s, others 600 s", and what an
 * interface has instead. Half open and closing are our own. */
static const struct {
    const char *what;
    uint8_t proto;
    enum state state;
    uint32_t seconds, configured;
} rows[] = {
    {"TCP half open", IPPROTO_TCP, HALF, 30, 30},
    {"TCP answered", IPPROTO_TCP, REPLIED, 30, 30},
    {"TCP established", IPPROTO_TCP, OPEN, 432000, 60},
    {"TCP closing", IPPROTO_TCP, CLOSING, 10, 10},
    {"UDP one way", IPPROTO_UDP, HALF, 30, 45},
    {"UDP answered", IPPROTO_UDP, REPLIED, 30, 45},
    {"UDP stream", IPPROTO_UDP, OPEN, 180, 70},
    {"ICMP", IPPROTO_ICMP, HALF, 600, 600},
    {"ICMP answered", IPPROTO_ICMP, REPLIED, 600, 600},
    {"ICMP going on", IPPROTO_ICMP, OPEN, 600, 600},
};

static void check(size_t i, uint32_t seconds) {
    struct packet k;
    struct outcome out;
    uint16_t port = next_port++;
    bool reply = rows[i].state >= REPLIED && i % 2;

    begin(rows[i].proto, port, rows[i].state);
    age(port, seconds * 1000ull - 1000);
    k = next(rows[i].proto, port, reply, ACK);
    world_send(&w, reply ? &b : &a, &k, &out);
    if (out.reason != DROP_NONE)
        fail_msg("%s: %s before %u s", rows[i].what, drop_name(out.reason), seconds);

    port = next_port++;
    begin(rows[i].proto, port, rows[i].state);
    age(port, seconds * 1000ull + 1000);
    k = next(rows[i].proto, port, false, ACK);
    world_send(&w, &a, &k, &out);
    if (out.reason != DROP_GROUP_INGRESS)
        fail_msg("%s: %s after %u s", rows[i].what, drop_name(out.reason), seconds);
}

static void test_defaults(void **state) {
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        check(i, rows[i].seconds);
}

/* Of the two that track a flow, the shorter time holds. */
static void test_configured(void **state) {
    const struct world_eni *ends[] = {&a, &b};

    for (size_t e = 0; e < ARRAY_SIZE(ends); e++) {
        struct eni_value before = world_eni_get(&w, ends[e]), v = before;

        v.tcp_open_ms = 60000;
        v.udp_single_ms = 45000;
        v.udp_stream_ms = 70000;
        world_eni_put(&w, ends[e], &v);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
            bool longer = rows[i].configured > rows[i].seconds;

            check(i, longer ? rows[i].seconds : rows[i].configured);
        }
        world_eni_put(&w, ends[e], &before);
    }
}

/* One direction's packets keep both alive, however old the other's are. */
static void test_either_direction(void **state) {
    uint16_t port = next_port++;

    begin(IPPROTO_UDP, port, OPEN);
    for (int i = 0; i < 5; i++) {
        age(port, 179000);
        pass(&b, next(IPPROTO_UDP, port, true, 0));
    }
    pass(&a, next(IPPROTO_UDP, port, false, 0));
}

/* An untracked flow is judged by the rules with each packet: no time ends it, its rule's end does.
 */
static void test_untracked(void **state) {
    uint16_t port = next_port++;

    RULES(&a, out4, in4(-1, -1, -1, ANY4));
    RULES(&b, out4, in4(-1, -1, -1, ANY4));
    pass(&a, next(IPPROTO_UDP, port, false, 0));
    pass(&b, next(IPPROTO_UDP, port, true, 0));
    age(port, 1000000);
    pass(&a, next(IPPROTO_UDP, port, false, 0));
    pass(&b, next(IPPROTO_UDP, port, true, 0));
    RULES(&b, out4);
    drop(&a, next(IPPROTO_UDP, port, false, 0), DROP_GROUP_INGRESS);
    RULES(&a, out4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_configured),
        cmocka_unit_test(test_either_direction),
        cmocka_unit_test(test_untracked),
    };

    return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}
