/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A NAT gateway's ports, limits, resets and end. The world is that of standard.h, and:
 *
 *   a, b (subnet 1) --0.0.0.0/0--> NAT gateway 9 in subnet 2: 10.0.2.50 = 203.0.113.50
 *                   --10.0.2/24--> NAT gateway 8 in subnet 2, private: 10.0.2.60
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <cmocka.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "base/cleanup.h"
#include "standard.h"

#define NAT "203.0.113.50"
#define SECOND "203.0.113.51"
#define PRIVATE "10.0.2.60"
#define LIMIT 55000 /* AWS: simultaneous connections to each unique destination */

static void put(enum dataplane_map map, const void *key, const void *value) {
    assert_int_equal(dataplane_put(w.dp, map, key, value), 0);
}

static void source(uint32_t nat, uint32_t index, const char *private_addr,
                   const char *public_addr) {
    world_nat(&w, nat, 1, 2, index, private_addr, public_addr);
}

static int setup(void **state) {
    struct config_value config;
    struct eni_value v;
    uint32_t zero = 0;
    int r = standard_setup(state);

    assert_int_equal(dataplane_get(w.dp, DATAPLANE_CONFIG, &zero, &config), 0);
    config.flags = CONFIG_HOST_OPEN | CONFIG_UPLINK_ANY;
    put(DATAPLANE_CONFIG, &zero, &config);
    world_subnet(&w, 1, 1, "10.0.1.0/24", NULL, 300);
    world_route(&w, 300, "10.0.0.0/16", ROUTE_LOCAL, 0);
    world_route(&w, 300, "0.0.0.0/0", ROUTE_NAT, 9);
    world_route(&w, 300, "10.0.2.0/24", ROUTE_NAT, 8);
    source(9, 0, "10.0.2.50", NAT);
    source(8, 0, PRIVATE, NULL);
    v = world_eni_get(&w, &a);
    v.quota_flows = v.quota_half = 1 << 17;
    v.udp_single_ms = v.udp_stream_ms =
        350000; /* the test takes longer than 30 s on slow machines */
    world_eni_put(&w, &a, &v);
    return r;
}

static uint16_t port_at(const struct outcome *o, unsigned at) {
    return (uint16_t)(o->data[34 + at] << 8 | o->data[35 + at]);
}

static int add_flows(const void *key, const void *value, void *arg) {
    *(unsigned *)arg += (unsigned)((const struct nat_count_value *)value)->flows;
    return 0;
}

/* Flows that are counted, of all destinations. */
static unsigned counts(void) {
    unsigned n = 0;

    assert_int_equal(dataplane_each(w.dp, DATAPLANE_NAT_COUNTS, add_flows, &n), 0);
    return n;
}

static int forget(const void *key, const void *value, void *arg) {
    return dataplane_del(w.dp, *(enum dataplane_map *)arg, key);
}

static void no_flows(void) {
    enum dataplane_map maps[] = {DATAPLANE_FLOWS, DATAPLANE_NAT_COUNTS};

    for (int i = 0; i < 2; i++)
        assert_int_equal(dataplane_each(w.dp, maps[i], forget, &maps[i]), 0);
}

/* Each protocol out and back, on the slow path and the fast one, and nothing else back. */
static void test_there_and_back(void **state) {
    struct packet k;
    struct outcome out;
    uint16_t port;

    for (int i = 0; i < 3; i++) {
        k = standard_udp(&a, "10.0.1.4", HOST, 0, 53);
        expect_pass(&w, &a, &k, &out);
        assert_addresses(&out, NAT, HOST);
        assert_macs(&out, world_host_mac, world_router_mac);
        if (i)
            assert_int_equal(port_at(&out, 0), port);
        port = port_at(&out, 0);
        assert_true(port >= 1024);
        k = standard_udp(NULL, HOST, NAT, 53, port);
        expect_pass(&w, NULL, &k, &out);
        assert_addresses(&out, HOST, "10.0.1.4");
        assert_macs(&out, a.mac, world_router_mac);
        assert_int_equal(port_at(&out, 2), 0); /* even that */
    }
    for (int i = 0; i < 2; i++) {
        k = standard_tcp(&a, "10.0.1.4", HOST, 5555, 80, i ? ACK : SYN);
        expect_pass(&w, &a, &k, &out);
        assert_addresses(&out, NAT, HOST);
        port = port_at(&out, 0);
        k = standard_tcp(NULL, HOST, NAT, 80, port, i ? ACK : SYN | ACK);
        expect_pass(&w, NULL, &k, &out);
        assert_addresses(&out, HOST, "10.0.1.4");
        assert_int_equal(port_at(&out, 2), 5555);
    }
    for (int i = 0; i < 2; i++) {
        k = standard_ping(&a, "10.0.1.4", HOST, false, 7);
        expect_pass(&w, &a, &k, &out);
        assert_addresses(&out, NAT, HOST);
        port = port_at(&out, 4);
        k = standard_ping(NULL, HOST, NAT, true, port);
        expect_pass(&w, NULL, &k, &out);
        assert_addresses(&out, HOST, "10.0.1.4");
        assert_int_equal(port_at(&out, 4), 7);
    }
    k = standard_ping(NULL, HOST, NAT, true, (uint16_t)(port ^ 1));
    expect_drop(&w, NULL, &k, DROP_NAT_UNSOLICITED);
    k = standard_ping(NULL, HOST, NAT, false, port);
    expect_drop(&w, NULL, &k, DROP_NAT_UNSOLICITED);
    k = standard_tcp(NULL, HOST, NAT, 80, 22, SYN);
    expect_drop(&w, NULL, &k, DROP_NAT_UNSOLICITED);
    k = standard_udp(NULL, "198.51.100.9", NAT, 53, port); /* another host, the same port */
    expect_drop(&w, NULL, &k, DROP_NAT_UNSOLICITED);
    k = standard_udp(&c, "10.0.2.4", "10.0.2.50", 1, 2); /* from inside its subnet */
    expect_drop(&w, &c, &k, DROP_NAT_UNSOLICITED);
    k = standard_udp(&d, "10.0.1.5", NAT, 1, 2); /* from another VPC */
    expect_drop(&w, &d, &k, DROP_NAT_UNSOLICITED);
    no_flows();
}

/* To a public address of this host: both ends are translated, one entry. */
static void test_hairpin(void **state) {
    struct packet k = standard_udp(&a, "10.0.1.4", "203.0.113.12", 1000, 53);
    struct outcome out;
    uint16_t port;

    expect_pass(&w, &a, &k, &out);
    assert_addresses(&out, NAT, "10.0.1.5");
    assert_macs(&out, d.mac, world_router_mac);
    port = port_at(&out, 0);
    k = standard_udp(&d, "10.0.1.5", NAT, 53, port);
    for (int i = 0; i < 2; i++) {
        expect_pass(&w, &d, &k, &out);
        assert_addresses(&out, "203.0.113.12", "10.0.1.4");
        assert_int_equal(port_at(&out, 2), 1000);
        assert_macs(&out, a.mac, world_router_mac);
    }
    k = standard_udp(&a, "10.0.1.4", NAT, 1000, port); /* to the gateway itself */
    expect_drop(&w, &a, &k, DROP_NAT_UNSOLICITED);
    no_flows();
}

/* Connectivity type private: onward inside the VPC by the private address. */
static void test_private(void **state) {
    struct packet k = standard_tcp(&a, "10.0.1.4", "10.0.2.4", 1000, 80, SYN);
    struct outcome out;
    uint16_t port;

    expect_pass(&w, &a, &k, &out);
    assert_addresses(&out, PRIVATE, "10.0.2.4");
    assert_macs(&out, c.mac, world_router_mac);
    port = port_at(&out, 0);
    k = standard_tcp(&c, "10.0.2.4", PRIVATE, 80, port, SYN | ACK);
    expect_pass(&w, &c, &k, &out);
    assert_addresses(&out, "10.0.2.4", "10.0.1.4");
    assert_int_equal(port_at(&out, 2), 1000);
    no_flows();
}

static int older(const void *key, const void *value, void *arg) {
    const struct flow_key *k = key;
    struct flow_value f = *(const struct flow_value *)value;
    uint16_t port = *(uint16_t *)arg;

    if (port && k->sport != htons(port) && f.partner.sport != htons(port))
        return 0;
    f.last_ns -= 356ull * 1000000000; /* the machine may be younger: the sum wraps back */
    return dataplane_put(w.dp, DATAPLANE_FLOWS, key, &f);
}

static void age(uint16_t port) {
    assert_int_equal(dataplane_each(w.dp, DATAPLANE_FLOWS, older, &port), 0);
}

/* Idle for 350 s: a RST and not a FIN, to whoever behind the gateway goes on. */
static void test_reset(void **state) {
    struct packet k = standard_tcp(&a, "10.0.1.4", HOST, 4000, 80, SYN);
    struct outcome out;
    uint16_t port;

    expect_pass(&w, &a, &k, &out);
    port = port_at(&out, 0);
    k = standard_tcp(NULL, HOST, NAT, 80, port, SYN | ACK);
    expect_pass(&w, NULL, &k, NULL);
    k = standard_tcp(&a, "10.0.1.4", HOST, 4000, 80, ACK);
    expect_pass(&w, &a, &k, NULL);
    age(4000);
    world_send(&w, &a, &k, &out);
    assert_int_equal(out.reason, DROP_NAT_RESET);
    assert_int_equal(out.action, TC_ACT_REDIRECT);
    assert_int_equal(out.len, 54);
    assert_addresses(&out, HOST, "10.0.1.4");
    assert_macs(&out, a.mac, world_router_mac);
    assert_int_equal(port_at(&out, 0), 80);
    assert_int_equal(port_at(&out, 2), 4000);
    assert_int_equal(out.data[47], RST);
    assert_memory_equal(out.data + 38, k.data + 42, 4); /* what the sender expects */
    k = standard_tcp(NULL, HOST, NAT, 80, port, ACK);   /* the outside is told nothing */
    expect_drop(&w, NULL, &k, DROP_NAT_UNSOLICITED);
    k = standard_tcp(&a, "10.0.1.4", HOST, 4000, 80, RST); /* nobody resets a reset */
    world_send(&w, &a, &k, &out);
    assert_int_equal(out.action, TC_ACT_SHOT);
    k = standard_tcp(&a, "10.0.1.4", HOST, 4001, 80, FIN); /* acknowledges nothing */
    world_send(&w, &a, &k, &out);
    assert_int_equal(out.action, TC_ACT_REDIRECT);
    assert_int_equal(out.data[47], RST | ACK);
    assert_addresses(&out, HOST, "10.0.1.4");
    k = standard_tcp(&a, "10.0.1.4", HOST, 4000, 80, SYN); /* and begins anew */
    expect_pass(&w, &a, &k, NULL);
    no_flows();
}

/* No more than so many in a second for an interface; the next second has its own. */
static void test_resets_are_few(void **state) {
    struct packet k = standard_tcp(&a, "10.0.1.4", HOST, 4100, 80, ACK);
    struct eni_key key = {.eni = a.number};
    struct eni_stats_value before, after;
    struct outcome out;

    do { /* until both packets are of one second */
        world_send(&w, &a, &k, &out);
        assert_int_equal(out.action, TC_ACT_REDIRECT);
        assert_int_equal(dataplane_get(w.dp, DATAPLANE_ENI_STATS, &key, &before), 0);
        before.resets_told = 1000;
        put(DATAPLANE_ENI_STATS, &key, &before);
        world_send(&w, &a, &k, &out);
        assert_int_equal(dataplane_get(w.dp, DATAPLANE_ENI_STATS, &key, &after), 0);
        if (after.told_second == before.told_second) {
            assert_int_equal(out.action, TC_ACT_SHOT);
            assert_int_equal(out.reason, DROP_NAT_RESET);
        }
        before = after;
        after.told_second--;
        put(DATAPLANE_ENI_STATS, &key, &after);
    } while (before.resets_told != 1001);
    world_send(&w, &a, &k, &out);
    assert_int_equal(out.action, TC_ACT_REDIRECT);
    no_flows();
}

static bool used[65536];

static void test_limit(void **state) {
    struct packet k;
    struct outcome out;
    unsigned tries = 0;

    memset(used, 0, sizeof(used));
    for (unsigned i = 0; i < LIMIT; i++) {
        k = standard_udp(&a, "10.0.1.4", HOST, (uint16_t)(i + 1), 53);
        expect_pass(&w, &a, &k, &out);
        assert_true(port_at(&out, 0) >= 1024);
        assert_false(used[port_at(&out, 0)]);
        used[port_at(&out, 0)] = true;
    }
    assert_int_equal(counts(), LIMIT);
    k = standard_udp(&a, "10.0.1.4", HOST, 60000, 53);
    expect_drop(&w, &a, &k, DROP_NAT_PORTS);
    assert_int_equal(counts(), LIMIT);
    k = standard_udp(&a, "10.0.1.4", HOST, 60000, 54); /* another destination */
    expect_pass(&w, &a, &k, NULL);
    k = standard_tcp(&a, "10.0.1.4", HOST, 60000, 53, SYN);
    expect_pass(&w, &a, &k, NULL);
    /* The port of one that ended is found, though it lies there still. */
    age(4321);
    do {
        k = standard_udp(&a, "10.0.1.4", HOST, 60001, 53);
        world_send(&w, &a, &k, &out);
    } while (out.reason == DROP_NAT_PORTS && ++tries < 2000);
    assert_int_equal(out.reason, DROP_NONE);
    assert_addresses(&out, NAT, HOST);
    assert_int_equal(counts(), LIMIT + 2);
    k = standard_udp(&a, "10.0.1.4", HOST, 60002, 53);
    expect_drop(&w, &a, &k, DROP_NAT_PORTS);
    /* A second address has as many again. */
    source(9, 1, "10.0.2.51", SECOND);
    k = standard_udp(&a, "10.0.1.4", HOST, 60003, 53);
    expect_pass(&w, &a, &k, &out);
    assert_addresses(&out, SECOND, HOST);
    no_flows();
    source(9, 0, "10.0.2.50", NAT);
}

/* A gateway that is gone ends its flows, also for one that gets its addresses. */
static void test_gone(void **state) {
    struct nat_key nat = {9}, other = {10};
    struct packet k = standard_udp(&a, "10.0.1.4", HOST, 700, 53), back;
    struct outcome out;
    uint16_t port;

    expect_pass(&w, &a, &k, &out);
    port = port_at(&out, 0);
    back = standard_udp(NULL, HOST, NAT, 53, port);
    expect_pass(&w, NULL, &back, NULL);
    world_bump(&w, 1, true, true); /* an unrelated change: the translation stays */
    expect_pass(&w, &a, &k, &out);
    assert_int_equal(port_at(&out, 0), port);
    expect_pass(&w, NULL, &back, NULL);

    source(10, 0, "10.0.2.50", NAT);
    assert_int_equal(dataplane_del(w.dp, DATAPLANE_NATS, &nat), 0);
    world_bump(&w, 1, true, false);
    expect_drop(&w, NULL, &back, DROP_NAT_UNSOLICITED);
    expect_drop(&w, &a, &k, DROP_BLACKHOLE);
    assert_int_equal(dataplane_del(w.dp, DATAPLANE_NATS, &other), 0);
    world_bump(&w, 1, true, false);
    expect_drop(&w, NULL, &back, DROP_UPLINK_UNKNOWN);
    source(9, 0, "10.0.2.50", NAT);
    world_bump(&w, 1, true, false);
    no_flows();
}

/* As if nothing had happened to the count for long. */
static int unchanged(const void *key, const void *value, void *arg) {
    struct nat_count_value v = *(const struct nat_count_value *)value;

    v.changed_ns = 0;
    return dataplane_put(w.dp, DATAPLANE_NAT_COUNTS, key, &v);
}

/* Counts go with the entries, and the sweep mends what was deleted from outside. */
static void test_counts(void **state) {
    enum dataplane_map flows = DATAPLANE_FLOWS;
    uint32_t deleted, live;
    struct packet k;

    for (uint16_t i = 1; i <= 100; i++) {
        k = standard_udp(&a, "10.0.1.4", HOST, i, 53);
        expect_pass(&w, &a, &k, NULL);
    }
    assert_int_equal(counts(), 100);
    age(0);
    for (uint16_t i = 1; i <= 50; i++) { /* in the place of what ended */
        k = standard_udp(&a, "10.0.1.4", HOST, i, 53);
        expect_pass(&w, &a, &k, NULL);
    }
    /* The answering halves of those lie there until the grace period is over. */
    assert_in_range(counts(), 100, 150);
    assert_int_equal(dataplane_sweep(w.dp, &deleted, &live), 0);
    assert_in_range(counts(), 50, 100);
    assert_int_equal(live, 100);
    age(0);
    assert_int_equal(dataplane_sweep(w.dp, &deleted, &live), 0);
    assert_in_range(counts(), 0, 50); /* those that were ended may have another grace period */
    for (uint16_t i = 1; i <= 10; i++) {
        k = standard_udp(&a, "10.0.1.4", HOST, i, 54);
        expect_pass(&w, &a, &k, NULL);
    }
    assert_int_equal(dataplane_each(w.dp, flows, forget, &flows), 0);
    assert_in_range(counts(), 10, 60);
    assert_int_equal(dataplane_each(w.dp, DATAPLANE_NAT_COUNTS, unchanged, NULL), 0);
    assert_int_equal(dataplane_sweep(w.dp, &deleted, &live), 0);
    assert_int_equal(counts(), 0);
}

/* --- Two CPUs, the same first packets ------------------------------------------------------ */

#define RACES 3000

static uint16_t race_ports[2][RACES];

static void *race(void *arg) {
    int cpu = (int)(intptr_t)arg;
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    sched_setaffinity(0, sizeof(set), &set);
    for (unsigned i = 0; i < RACES; i++) {
        struct packet k = standard_udp(&a, "10.0.1.4", HOST, (uint16_t)(i + 1), 99);
        struct __sk_buff ctx = {.ifindex = a.ifindex};
        uint8_t out[PACKET_MAX];
        LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = k.data, .data_size_in = (uint32_t)k.len,
                    .data_out = out, .data_size_out = sizeof(out), .ctx_in = &ctx,
                    .ctx_size_in = sizeof(ctx), .repeat = 1);

        if (bpf_prog_test_run_opts(dataplane_prog_fd(w.dp, PROG_ENI), &opts) == 0 &&
            opts.retval == TC_ACT_REDIRECT)
            race_ports[cpu][i] = (uint16_t)(out[34] << 8 | out[35]);
    }
    return NULL;
}

/*
 * Both get the same port, and each flow has one. Who comes second waits for the port for some
 * microseconds; on a real device nobody is interrupted for longer, but these threads may be, and
 * then that packet is refused.
 */
static void test_race(void **state) {
    unsigned refused = 0;
    pthread_t threads[2];

    for (intptr_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, race, (void *)i), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    memset(used, 0, sizeof(used));
    for (unsigned i = 0; i < RACES; i++) {
        uint16_t port = race_ports[0][i] ? race_ports[0][i] : race_ports[1][i];

        for (int cpu = 0; cpu < 2; cpu++)
            if (!race_ports[cpu][i])
                refused++;
        assert_true(port >= 1024 && !used[port]);
        used[port] = true;
        if (race_ports[0][i] && race_ports[1][i])
            assert_int_equal(race_ports[0][i], race_ports[1][i]);
    }
    assert_in_range(refused, 0, RACES / 4); /* the rest is how loaded the machine is */
    assert_int_equal(counts(), RACES);
    assert_int_equal(world_flow_entries(&w), 2 * RACES);
    no_flows();
}

/* A later piece goes with its flow, or not at all: it would have no port. */
static void test_piece_without_flow(void **state) {
    struct packet k = standard_udp(&a, "10.0.1.4", HOST, 777, 53), later;

    k.len = 34 + 16;
    k.data[17] = 20 + 16;
    memset(k.data + 40, 0, 2); /* no checksum */
    k.data[20] = 0x20;         /* more follow */
    packet_finish(&k);
    later = k;
    later.data[20] = 0;
    later.data[21] = 2;
    packet_finish(&later);
    expect_pass(&w, &a, &k, NULL);
    no_flows();
    expect_drop(&w, &a, &later, DROP_NAT_UNSOLICITED);
}

int main(void) {
    const struct CMUnitTest quick[] = {
        cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_hairpin),
        cmocka_unit_test(test_private),        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_resets_are_few), cmocka_unit_test(test_gone),
        cmocka_unit_test(test_counts),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_hairpin),
        cmocka_unit_test(test_private),        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_resets_are_few), cmocka_unit_test(test_gone),
        cmocka_unit_test(test_counts),         cmocka_unit_test(test_race),
        cmocka_unit_test(test_limit),          cmocka_unit_test(test_piece_without_flow),
    };

    /* Without acceleration a CPU stands still for as long as another takes for much, and 55,000
     * packets take minutes: the last two are not for such a machine. */
    return getenv("SLOW_MACHINE") ? cmocka_run_group_tests(quick, setup, standard_teardown)
                                  : cmocka_run_group_tests(tests, setup, standard_teardown);
}
