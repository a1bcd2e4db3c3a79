/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent does with flow log records that the kernel told (src/flowlog): merge, format, put
 * into a spool, for a million flows that were all active in a window. What telling them costs is
 * bench-flow-log's.
 *
 *     build/bench/bench-flow-window [--flows N] [--interfaces N] [--every-field] [DIRECTORY]
 *
 * Each flow is two raw records, each of which is recorded at two interfaces of the host: four
 * lines. Batches go to a spool in DIRECTORY, or nowhere.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/io.h"
#include "base/text.h"
#include "flowlog/window.h"

#define DEFAULT                                                                                    \
    "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} "        \
    "${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}"
#define EVERY                                                                                      \
    DEFAULT " ${vpc-id} ${subnet-id} ${instance-id} ${tcp-flags} ${type} ${pkt-srcaddr} "          \
            "${pkt-dstaddr} ${region} ${az-id} ${sublocation-type} ${sublocation-id} "             \
            "${pkt-src-aws-service} ${pkt-dst-aws-service} ${flow-direction} ${traffic-path}"

static struct spool *spool;
static uint64_t bytes;

static int put(void *arg, const struct spool_meta *meta, const char *lines, size_t len) {
    bytes += len;
    return spool ? spool_put(spool, meta, lines, len) : 0;
}

static void held(void *arg, uint32_t number, const char *id, enum flowlog_pace pace,
                 int64_t since) {
}

static double cpu_seconds(void) {
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void add_flow(struct flowlog *f, uint32_t i, uint32_t enis, bool back) {
    uint32_t a = 1 + i % enis, b = 1 + (i + 1) % enis;
    struct log_record r = {.kind = LOG_FLOW,
                           .near = back ? b : a,
                           .far = back ? a : b,
                           .vpc = 1,
                           .near_action = LOG_ACCEPT,
                           .far_action = LOG_ACCEPT,
                           .packets = 3,
                           .bytes = 180,
                           .far_packets = 3,
                           .far_bytes = 180,
                           .first_ns = 1000000000,
                           .last_ns = 2000000000,
                           .tcp_flags = 3,
                           .flags = back ? 0 : FLOW_FORWARD,
                           .key = {.family = 4, .proto = 6}};

    r.key.src.w[0] = back ? 0x0b00000a : i;
    r.key.dst.w[0] = back ? i : 0x0b00000a;
    r.key.sport = (__be16)(i >> 8);
    r.src = r.key.src;
    r.dst = r.key.dst;
    r.sport = r.key.sport;
    flowlog_add(f, &r, 100, 0);
}

static int64_t number(const char *text) {
    int64_t n = 0;

    if (!text || int_parse(text, 1, 1 << 26, &n) < 0)
        exit(2);
    return n;
}

int main(int argc, char **argv) {
    struct flowlog_options o = {.seed = 0x1234567, .put = put, .held = held};
    struct flowlog_log log = {.id = "fl-00000000000000001",
                              .resource = "vpc-1",
                              .account = 1,
                              .region = "us-east-1",
                              .traffic = SPOOL_ALL,
                              .destination_type = SPOOL_LOG_GROUP,
                              .destination = "group",
                              .format = DEFAULT};
    const struct spool_limits limits = {.bytes = UINT64_C(1) << 34,
                                        .account_bytes = UINT64_C(1) << 34};
    uint32_t flows = 1000000, enis = 100;
    struct flowlog_stats s;
    struct rusage usage;
    struct flowlog *f;
    double begin, added, written;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--flows") == 0)
            flows = (uint32_t)number(argv[++i]);
        else if (strcmp(argv[i], "--interfaces") == 0)
            enis = (uint32_t)number(argv[++i]);
        else if (strcmp(argv[i], "--every-field") == 0)
            log.format = EVERY;
        else if (spool_open(argv[i], (gid_t)-1, &limits, &spool) < 0)
            return 1;
    }
    if (flowlog_new(&o, &f) < 0)
        return 1;
    flowlog_turn(f, 90, 0, 1);
    for (uint32_t i = 1; i <= enis; i++) {
        struct flowlog_eni e = {.account = 1,
                                .vpc = "vpc-1",
                                .subnet = "subnet-00000000000000001",
                                .region = "us-east-1",
                                .az_id = "use1-az1",
                                .instance = "i-00000000000000001"};

        snprintf(e.id, sizeof(e.id), "eni-%017u", i);
        e.primary = ip_v4(0x0a000000 + i);
        if (flowlog_eni(f, i, 1, 0, &e, 90, 0) < 0)
            return 1;
    }
    if (flowlog_log(f, &log, 90, 0) < 0)
        return 1;
    begin = cpu_seconds();
    for (uint32_t i = 0; i < flows; i++) {
        add_flow(f, i, enis, false);
        add_flow(f, i, enis, true);
    }
    added = cpu_seconds();
    while (flowlog_turn(f, 120, 0, 20000))
        ;
    if (spool)
        spool_sync(spool);
    written = cpu_seconds();
    s = flowlog_stats(f);
    getrusage(RUSAGE_SELF, &usage);
    printf("%u flows active, %u interfaces, %s fields, %s\n", flows, enis,
           log.format == (const char *)EVERY ? "29" : "14", spool ? "to a spool" : "to nowhere");
    printf("%-40s %12llu\n", "lines", (unsigned long long)s.records);
    printf("%-40s %12.1f\n", "MB of lines", (double)bytes / 1e6);
    printf("%-40s %12.2f\n", "s CPU, merged (and written early)", added - begin);
    printf("%-40s %12.2f\n", "s CPU, the window's end", written - added);
    printf("%-40s %12.0f\n", "ns a line", (written - begin) * 1e9 / (double)s.records);
    printf("%-40s %11.1f%%\n", "of one CPU, every 60 s", (written - begin) / 60 * 100);
    printf("%-40s %12u\n", "records held at most", s.held_most);
    printf("%-40s %12ld\n", "MB of memory at most", usage.ru_maxrss / 1000);
    printf("%-40s %12llu\n", "batches", (unsigned long long)s.batches);
    flowlog_free(f);
    spool_close(spool);
    return 0;
}
