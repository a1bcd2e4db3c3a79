/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flow logs while everything moves: two CPUs send packets of the same few flows in both directions
 * with random TCP flags, so that flows begin, end, expire, take each other's place and lose their
 * slots all the time; a third thread reads records and sweeps. In the end each packet is told once.
 *
 *   a 10.0.1.4 <--> b 10.0.1.5, all allowed and tracked; idle times short
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
#include "dataplane/flow_log.h"
#include "ledger.h"
#include "world.h"

#define CPUS 2
#define PORTS 64
#define PACKETS 40000

static struct world w;
static struct world_eni a, b;
static atomic_int running;
static struct flow_log *reader;
static struct ledger told;
static uint64_t lost;

struct sender {
    unsigned cpu;
    struct ledger sent;
    unsigned dropped;
};

static int setup(void **state) {
    static const struct world_rule rules[] = {
        {DIR_EGRESS, 4, -1, -1, -1, "10.0.0.0/8", 0},
        {DIR_INGRESS, 4, -1, -1, -1, "10.0.0.0/8", 0},
    };
    struct eni_value v;

    world_open(&w);
    world_vpc(&w, 1);
    world_subnet(&w, 1, 1, "10.0.1.0/24", NULL, 100);
    a = world_eni(&w, 1, 1, 1, 0);
    b = world_eni(&w, 2, 1, 1, 0);
    world_addr(&w, &a, "10.0.1.4", NULL);
    world_addr(&w, &b, "10.0.1.5", NULL);
    world_rules(&w, &a, rules, ARRAY_SIZE(rules));
    world_rules(&w, &b, rules, ARRAY_SIZE(rules));
    v = world_eni_get(&w, &b);
    v.tcp_half_ms = v.tcp_closing_ms = v.udp_single_ms = 20;
    v.tcp_open_ms = v.udp_stream_ms = 40;
    world_eni_put(&w, &b, &v);
    return 0;
}

static int teardown(void **state) {
    world_close(&w);
    return 0;
}

static void on_record(const struct log_record *r, void *arg) {
    if (r->kind == LOG_LOST)
        lost += r->packets;
    ledger_record(&told, r);
}

static struct packet make(bool forward, bool udp, uint16_t port, unsigned flags, size_t payload) {
    const struct world_eni *from = forward ? &a : &b, *to = forward ? &b : &a;
    struct packet k;

    packet_eth(&k, to->mac, from->mac, ETH_P_IP);
    packet_ip(&k, forward ? "10.0.1.4" : "10.0.1.5", forward ? "10.0.1.5" : "10.0.1.4",
              udp ? IPPROTO_UDP : IPPROTO_TCP);
    if (udp)
        packet_udp(&k, forward ? port : 80, forward ? 80 : port, payload);
    else
        packet_tcp(&k, forward ? port : 80, forward ? 80 : port, flags, payload);
    packet_finish(&k);
    return k;
}

static void *sender(void *arg) {
    static const unsigned flag_choices[] = {SYN, SYN | ACK, ACK, ACK, ACK, ACK, FIN | ACK, RST};
    struct sender *s = arg;
    unsigned seed = s->cpu + 1;
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(s->cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
    for (int i = 0; i < PACKETS; i++) {
        /* Half of all packets are of one flow, for which the two CPUs compete. */
        unsigned range = i % 2 ? 1 : PORTS;
        bool forward = rand_r(&seed) % 2, udp = rand_r(&seed) % 4 == 0;
        uint16_t port = (uint16_t)(1000 + (unsigned)rand_r(&seed) % range);
        struct packet k = make(forward, udp, port,
                               flag_choices[(unsigned)rand_r(&seed) % ARRAY_SIZE(flag_choices)],
                               (size_t)rand_r(&seed) % 100);
        struct __sk_buff ctx = {.ifindex = forward ? a.ifindex : b.ifindex};
        struct line line = line_of(k.data, k.len, 0);
        uint8_t out[256];
        LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = k.data, .data_size_in = (uint32_t)k.len,
                    .data_out = out, .data_size_out = sizeof out, .ctx_in = &ctx,
                    .ctx_size_in = sizeof ctx, .repeat = 1);

        if (bpf_prog_test_run_opts(dataplane_prog_fd(w.dp, PROG_ENI), &opts) < 0)
            abort();
        ledger_add(&s->sent, forward ? a.number : b.number, LOG_NEAR, LOG_ACCEPT, line);
        if (opts.retval == TC_ACT_REDIRECT) /* else it was beyond b's quota */
            ledger_add(&s->sent, forward ? b.number : a.number, LOG_FAR, LOG_ACCEPT, line);
        else
            s->dropped++;
    }
    running--;
    return NULL;
}

static void run(uint32_t quota) {
    struct eni_value v = world_eni_get(&w, &b);
    struct sender senders[CPUS] = {0};
    struct ledger *sent = &senders[0].sent;
    pthread_t threads[CPUS];
    uint32_t deleted, live;
    unsigned reads = 0, swept = 0;

    v.quota_flows = v.quota_half = quota;
    world_eni_put(&w, &b, &v);
    assert_int_equal(flow_log_open(w.dp, on_record, NULL, &reader), 0);
    assert_int_equal(flow_log_ask(reader, a.number), 0);
    assert_int_equal(flow_log_ask(reader, b.number), 0);
    running = CPUS;
    for (unsigned i = 0; i < CPUS; i++) {
        senders[i].cpu = i;
        assert_int_equal(pthread_create(&threads[i], NULL, sender, &senders[i]), 0);
    }
    while (running) {
        assert_int_equal(flow_log_read(reader), 0);
        if (++reads % 8 == 0) {
            assert_int_equal(dataplane_sweep(w.dp, &deleted, &live), 0);
            swept += deleted;
        }
    }
    for (unsigned i = 0; i < CPUS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(flow_log_read(reader), 0);
    printf("%u reads, %u swept, %u and %u dropped, %zu records\n", reads, swept, senders[0].dropped,
           senders[1].dropped, told.n);
    for (size_t i = 0; i < senders[1].sent.n; i++) {
        const struct line *l = &senders[1].sent.lines[i];
        ledger_add(sent, l->at, l->place, l->action, *l);
    }
    assert_int_equal(lost, 0);
    ledger_compare(sent, &told, __LINE__);
    flow_log_free(reader);
    ledger_free(&senders[0].sent);
    ledger_free(&senders[1].sent);
    ledger_free(&told);
}

static void test_few_places(void **state) {
    run(PORTS / 2);
}

static void test_many_places(void **state) {
    run(1000);
}

/* ---- flows of three packets ---- */

#define FLOWS 20000

static void *short_flows(void *arg) {
    struct ledger *sent = arg;
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(1, &set);
    sched_setaffinity(0, sizeof set, &set);
    for (unsigned i = 0; i < FLOWS; i++) {
        struct packet k = make(true, true, (uint16_t)(20000 + i), 0, i % 50);
        struct __sk_buff ctx = {.ifindex = a.ifindex};
        struct line line = line_of(k.data, k.len, 0);
        uint8_t out[256];
        LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = k.data, .data_size_in = (uint32_t)k.len,
                    .data_out = out, .data_size_out = sizeof out, .ctx_in = &ctx,
                    .ctx_size_in = sizeof ctx, .repeat = 3);

        if (bpf_prog_test_run_opts(dataplane_prog_fd(w.dp, PROG_ENI), &opts) < 0)
            abort();
        line.packets *= 3;
        line.bytes *= 3;
        ledger_add(sent, a.number, LOG_NEAR, LOG_ACCEPT, line);
        ledger_add(sent, b.number, LOG_FAR, LOG_ACCEPT, line);
    }
    running--;
    return NULL;
}

/* The last packet of each counts while its flow may just be told: nothing comes after it that would
 * tell what was missed. */
static void test_last_packets(void **state) {
    struct eni_value v = world_eni_get(&w, &b);
    struct ledger sent = {0};
    unsigned reads = 0;
    pthread_t thread;
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(0, &set);
    sched_setaffinity(0, sizeof set, &set);
    v.quota_flows = v.quota_half = MAX_RING;
    v.udp_single_ms = v.udp_stream_ms = 600000;
    world_eni_put(&w, &b, &v);
    v = world_eni_get(&w, &a);
    v.quota_flows = v.quota_half = MAX_RING;
    world_eni_put(&w, &a, &v);
    assert_int_equal(flow_log_open(w.dp, on_record, NULL, &reader), 0);
    running = 1;
    assert_int_equal(pthread_create(&thread, NULL, short_flows, &sent), 0);
    while (running) {
        assert_int_equal(flow_log_read(reader), 0);
        reads++;
    }
    pthread_join(thread, NULL);
    assert_int_equal(flow_log_read(reader), 0);
    printf("%u reads, %zu records\n", reads, told.n);
    assert_int_equal(lost, 0);
    ledger_compare(&sent, &told, __LINE__);
    flow_log_free(reader);
    ledger_free(&sent);
    ledger_free(&told);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_places),
        cmocka_unit_test(test_many_places),
        cmocka_unit_test(test_last_packets),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
