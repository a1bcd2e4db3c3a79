/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the reader of flow logs costs: a million flows, of which some share has packets in a window.
 *
 *     sudo build/bench/bench-flow-log [--flows N]
 *
 * The flows are written by us, both halves; those that are to be active then get one packet each
 * way through the programs. Measured is flow_log_read: the records that it tells, its CPU time
 * (that of the programs that it runs is in it), what that is of one CPU in windows of 60 s, and the
 * memory of the process.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "dataplane/flow_log.h"
#include "world.h"

#define WINDOW_S 60

static struct world w;
static struct world_eni a, b;
static struct flow_log *log_;
static uint64_t records, packets;

static void on_record(const struct log_record *r, void *arg) {
    (void)arg;
    records++;
    packets += r->packets;
}

static struct packet udp(const struct world_eni *from, uint32_t flow) {
    bool back = from == &b;
    uint16_t port = (uint16_t)(1024 + flow % 60000), service = (uint16_t)(53 + flow / 60000);
    struct packet k = {0};

    packet_eth(&k, back ? a.mac : b.mac, from->mac, ETH_P_IP);
    packet_ip(&k, back ? "10.0.1.5" : "10.0.1.4", back ? "10.0.1.4" : "10.0.1.5", IPPROTO_UDP);
    packet_udp(&k, back ? service : port, back ? port : service, 18);
    packet_finish(&k);
    return k;
}

static void run(const struct world_eni *from, uint32_t flow) {
    struct __sk_buff ctx = {.ifindex = from->ifindex};
    struct packet k = udp(from, flow);
    uint8_t out[256];
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = k.data, .data_size_in = (uint32_t)k.len,
                .data_out = out, .data_size_out = sizeof out, .ctx_in = &ctx,
                .ctx_size_in = sizeof ctx, .repeat = 1);

    if (bpf_prog_test_run_opts(dataplane_prog_fd(w.dp, PROG_ENI), &opts) < 0)
        abort();
}

static void open_world(void) {
    static const struct world_rule all[] = {
        {DIR_EGRESS, 4, -1, -1, -1, "0.0.0.0/0", 0},
        {DIR_INGRESS, 4, IPPROTO_UDP, -1, -1, "10.0.0.0/8", 0},
    };

    world_open(&w);
    world_vpc(&w, 1);
    world_subnet(&w, 1, 1, "10.0.1.0/24", NULL, 100);
    a = world_eni(&w, 1, 1, 1, 0);
    b = world_eni(&w, 2, 1, 1, 0);
    world_addr(&w, &a, "10.0.1.4", NULL);
    world_addr(&w, &b, "10.0.1.5", NULL);
    world_rules(&w, &a, all, ARRAY_SIZE(all));
    world_rules(&w, &b, all, ARRAY_SIZE(all));
}

/* One open flow by packets, the others like it. */
static void fill(uint32_t n) {
    struct flow_value there, back;
    struct flow_key key, other;
    struct packet k = udp(&a, 0);

    run(&a, 0);
    run(&b, 0);
    run(&a, 0);
    if (world_flow(&w, &a, &k, &there) < 0 ||
        dataplane_get(w.dp, DATAPLANE_FLOWS, &there.partner, &back) < 0)
        abort();
    there.timeouts = back.timeouts = (struct flow_timeouts){86400000, 86400000, 86400000};
    key = back.partner;
    other = there.partner;
    for (uint32_t i = 0; i < n; i++) {
        key.sport = other.dport = htons((uint16_t)(1024 + i % 60000));
        key.dport = other.sport = htons((uint16_t)(53 + i / 60000));
        there.partner = other;
        back.partner = key;
        if (dataplane_put(w.dp, DATAPLANE_FLOWS, &key, &there) < 0 ||
            dataplane_put(w.dp, DATAPLANE_FLOWS, &other, &back) < 0) {
            fprintf(stderr, "flow %u has no room\n", i);
            exit(1);
        }
    }
}

static double cpu_s(void) {
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* From a line of /proc/.. "NAME: N kB"; MiB. */
static double mib_of(const char *path, const char *name) {
    FILE *f = fopen(path, "re");
    char line[256];
    double kb = 0;

    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, name, strlen(name)) == 0)
            kb = strtod(line + strlen(name) + 1, NULL);
    }
    if (f)
        fclose(f);
    return kb / 1024;
}

/* A window in which every `step`-th flow has a packet each way; 0: none has. */
static void window(uint32_t n, uint32_t step) {
    uint32_t active = 0;
    double drained = 0, before;

    for (uint32_t i = 0; step && i < n; i += step) {
        run(&a, i);
        run(&b, i);
        if (++active % 16384 == 0) { /* as an agent that is woken does */
            before = cpu_s();
            if (flow_log_drain(log_) < 0)
                abort();
            drained += cpu_s() - before;
        }
    }
    records = packets = 0;
    before = cpu_s();
    if (flow_log_read(log_) < 0)
        abort();
    before = cpu_s() - before + drained;
    printf("%9u %9u %9llu %9.3f %8.2f%% %9.0f %9.1f\n", n, active, (unsigned long long)records,
           before, before / WINDOW_S * 100, records ? before * 1e9 / (double)records : 0,
           mib_of("/proc/self/status", "VmHWM"));
    if (packets != 2ull * active) {
        fprintf(stderr, "%llu packets were told of %u\n", (unsigned long long)packets, 2 * active);
        exit(1);
    }
}

int main(int argc, char **argv) {
    int64_t n = 1000000;
    double before, free_before;

    if (argc > 1 && (argc != 3 || strcmp(argv[1], "--flows") != 0 ||
                     int_parse(argv[2], 1000, 1000000, &n) < 0)) {
        fprintf(stderr, "usage: bench-flow-log [--flows N]\n");
        return 2;
    }
    open_world();
    free_before = mib_of("/proc/meminfo", "MemAvailable");
    fill((uint32_t)n);
    printf("%.0f bytes of memory a flow, both halves\n",
           (free_before - mib_of("/proc/meminfo", "MemAvailable")) * 1048576 / (double)n);
    before = cpu_s();
    if (flow_log_open(w.dp, on_record, NULL, &log_) < 0 || flow_log_ask(log_, a.number) < 0 ||
        flow_log_ask(log_, b.number) < 0)
        abort();
    printf("%.2f s for the first to be asked for: a walk over all flows\n", cpu_s() - before);
    printf("%9s %9s %9s %9s %9s %9s %9s\n", "flows", "active", "records", "CPU s", "of 60 s",
           "ns each", "peak MiB");
    window((uint32_t)n, 0);
    window((uint32_t)n, 100);
    window((uint32_t)n, 10);
    window((uint32_t)n, 1);
    flow_log_free(log_);
    world_close(&w);
    return 0;
}
