/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two CPUs send packets of the same few flows, in both directions, with random TCP flags, while a
 * public address moves between two ENIs and rules come and go.
 *
 *   uplink 203.0.113.1 --> 203.0.113.10 = b (10.0.1.5) or c (10.0.1.6)
 *   a 10.0.1.4 <--> b
 *
 * At all times: a packet goes to b with b's address or to c with c's, never to one with the other's
 * (a verdict is never seen half). In the end: no entry is left locked, the two halves of each live
 * flow name each other, nobody is far beyond the quota.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "world.h"

#define CPUS 2
#define PORTS 48
#define PACKETS 150000
#define QUOTA 24

static struct world w;
static struct world_eni a, b, c;
static atomic_int running, torn, passed;

static int setup(void **state) {
    static const struct world_rule rules[] = {
        {DIR_EGRESS, 4, -1, -1, -1, "10.0.0.0/8", 0},
        {DIR_EGRESS, 4, -1, -1, -1, "203.0.113.0/24", 0},
        {DIR_INGRESS, 4, IPPROTO_TCP, 80, 80, "10.0.0.0/8", 0},
        {DIR_INGRESS, 4, IPPROTO_TCP, 80, 80, "203.0.113.0/24", 0},
    };
    struct eni_value v;

    world_open(&w);
    world_vpc(&w, 1);
    world_subnet(&w, 1, 1, "10.0.1.0/24", NULL, 100);
    world_route(&w, 100, "0.0.0.0/0", ROUTE_IGW, 1);
    a = world_eni(&w, 1, 1, 1, 0);
    b = world_eni(&w, 2, 1, 1, 0);
    c = world_eni(&w, 3, 1, 1, 0);
    world_addr(&w, &a, "10.0.1.4", NULL);
    world_addr(&w, &b, "10.0.1.5", "203.0.113.10");
    world_addr(&w, &c, "10.0.1.6", NULL);
    world_rules(&w, &a, rules, ARRAY_SIZE(rules));
    world_rules(&w, &b, rules, ARRAY_SIZE(rules));
    world_rules(&w, &c, rules, ARRAY_SIZE(rules));
    v = world_eni_get(&w, &b);
    v.quota_flows = v.quota_half = QUOTA;
    v.tcp_half_ms = v.tcp_closing_ms = 30;
    v.tcp_open_ms = 60;
    world_eni_put(&w, &b, &v);
    return 0;
}

static int teardown(void **state) {
    world_close(&w);
    return 0;
}

/* One of the four directions; `at` names it. */
static struct packet make(unsigned at, uint16_t port, unsigned flags) {
    static const struct {
        const char *src, *dst;
        bool client;
    } rows[] = {
        {"203.0.113.1", "203.0.113.10", true},
        {"10.0.1.5", "203.0.113.1", false},
        {"10.0.1.4", "10.0.1.5", true},
        {"10.0.1.5", "10.0.1.4", false},
    };
    static const struct world_eni *const from[] = {NULL, &b, &a, &b};
    struct packet k;

    packet_eth(&k, world_router_mac, from[at] ? from[at]->mac : world_host_mac, ETH_P_IP);
    packet_ip(&k, rows[at].src, rows[at].dst, IPPROTO_TCP);
    packet_tcp(&k, rows[at].client ? port : 80, rows[at].client ? 80 : port, flags, 3);
    packet_finish(&k);
    return k;
}

/* Whether the receiver's MAC and address belong together. */
static bool whole(const uint8_t *data) {
    uint8_t last = data[33], mac = data[5];

    return (mac == 2 && last == 5) || (mac == 3 && last == 6) || (mac == 1 && last == 4) ||
           (memcmp(data, world_host_mac, 6) == 0 && last == 1);
}

static void *sender(void *arg) {
    static const unsigned flag_choices[] = {SYN, SYN | ACK, ACK, ACK, ACK, FIN | ACK, RST};
    unsigned cpu = (unsigned)(uintptr_t)arg, seed = cpu + 1;
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
    for (int i = 0; i < PACKETS; i++) {
        /* Half of all packets are of one flow, for which the two CPUs compete. */
        unsigned at = i % 2 ? 0 : (unsigned)rand_r(&seed) % 4, range = i % 2 ? 1 : PORTS;
        struct packet k = make(at, (uint16_t)(1000 + (unsigned)rand_r(&seed) % range),
                               flag_choices[(unsigned)rand_r(&seed) % ARRAY_SIZE(flag_choices)]);
        uint32_t ifindex = at == 0 ? w.uplink : at == 2 ? a.ifindex : b.ifindex;
        struct __sk_buff ctx = {.ifindex = ifindex};
        uint8_t out[256];
        LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = k.data, .data_size_in = (uint32_t)k.len,
                    .data_out = out, .data_size_out = sizeof out, .ctx_in = &ctx,
                    .ctx_size_in = sizeof ctx, .repeat = 1);
        if (bpf_prog_test_run_opts(dataplane_prog_fd(w.dp, at == 0 ? PROG_UPLINK : PROG_ENI),
                                   &opts) < 0)
            abort();
        if (opts.retval == TC_ACT_REDIRECT) {
            passed++;
            if (!whole(out))
                torn++;
        }
    }
    running--;
    return NULL;
}

static int check_flow(const void *key, const void *value, void *arg) {
    const struct flow_value *f = value;
    unsigned *counted = arg;
    struct flow_value other;

    if (f->seq & 1)
        fail_msg("an entry is locked for ever");
    if (f->state & FLOW_DEAD)
        return 0;
    if (dataplane_get(w.dp, DATAPLANE_FLOWS, &f->partner, &other) == 0 &&
        !(other.state & FLOW_DEAD))
        assert_memory_equal(&other.partner, key, sizeof other.partner);
    if (!(f->state & FLOW_OPEN) && f->verdict.flags & FLOW_FORWARD && f->distant.eni == b.number)
        (*counted)++;
    return 0;
}

static void test_stress(void **state) {
    pthread_t threads[CPUS];
    unsigned counted = 0, turns = 0;

    if (sysconf(_SC_NPROCESSORS_ONLN) < CPUS)
        skip();
    running = CPUS;
    for (uintptr_t i = 0; i < CPUS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, sender, (void *)i), 0);
    while (running) {
        world_addr(&w, turns % 2 ? &b : &c, turns % 2 ? "10.0.1.5" : "10.0.1.6", "203.0.113.10");
        world_bump(&w, 1, true, turns % 3 == 0);
        turns++;
    }
    for (int i = 0; i < CPUS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(torn, 0);
    assert_true(passed > PACKETS / 10);
    assert_true(turns > 100);
    assert_int_equal(dataplane_each(w.dp, DATAPLANE_FLOWS, check_flow, &counted), 0);
    assert_true(counted <= QUOTA + CPUS);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_stress)};

    return cmocka_run_group_tests(tests, setup, teardown);
}
