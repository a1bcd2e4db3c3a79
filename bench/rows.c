/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "base/cleanup.h"
#include "base/text.h"

#define ROWS_MAX 64

struct bench bench = {.rounds = 9, .runs = 20000};

static struct row rows[ROWS_MAX];
static size_t n_rows;
static int empty_fd;

static int empty_program(void) {
    static const struct bpf_insn code[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = TC_ACT_OK},
        {.code = BPF_JMP | BPF_EXIT},
    };

    return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "empty", "GPL", code, ARRAY_SIZE(code), NULL);
}

int rows_open(void) {
    empty_fd = empty_program();
    return empty_fd < 0 || bpf_enable_stats(BPF_STATS_RUN_TIME) < 0 ? -1 : 0;
}

struct row *row_add(const char *group, const struct world_eni *from, const char *format, ...) {
    struct row *r = &rows[n_rows++];
    va_list args;
    char *name;

    if (n_rows > ROWS_MAX)
        abort();
    va_start(args, format);
    if (vasprintf(&name, format, args) < 0)
        abort();
    va_end(args);
    *r = (struct row){.group = group, .name = name, .from = from, .span = 1};
    return r;
}

size_t rows_begin(const char *group, const struct world_eni *from, const struct packet *k) {
    struct row *r = row_add(group, from, "an empty program");

    r->empty = true;
    r->k = *k;
    return n_rows - 1;
}

bool rows_wanted(const char *group) {
    return !bench.only || strncmp(group, bench.only, strlen(group)) == 0;
}

static int fd_of(const struct row *r) {
    return r->empty ? empty_fd : dataplane_prog_fd(bench.w.dp, r->from ? PROG_ENI : PROG_UPLINK);
}

static void stats(int fd, uint64_t *ret_ns, uint64_t *ret_n) {
    struct bpf_prog_info info = {0};
    uint32_t len = sizeof(info);

    if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
        abort();
    *ret_ns = info.run_time_ns;
    *ret_n = info.run_cnt;
}

static void run_one(struct row *r, int fd) {
    static uint8_t out[PACKET_MAX];
    struct __sk_buff ctx = {0};
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = r->k.data, .data_size_in = (uint32_t)r->k.len,
                .data_out = out, .data_size_out = sizeof(out), .ctx_in = &ctx,
                .ctx_size_in = sizeof(ctx), .repeat = 1);

    if (r->next)
        r->next(r, r->n++);
    ctx.ifindex = r->from ? r->from->ifindex : bench.w.uplink;
    if (bpf_prog_test_run_opts(fd, &opts) < 0) {
        fprintf(stderr, "%s: test run: %s\n", r->name, strerror(errno));
        exit(1);
    }
    if (!r->empty && opts.retval != TC_ACT_REDIRECT) {
        fprintf(stderr, "%s, %s: packet %u was not delivered\n", r->group, r->name, r->n);
        exit(1);
    }
}

static int forget_count(const void *key, const void *value, void *arg) {
    return dataplane_del(bench.w.dp, DATAPLANE_NAT_COUNTS, key);
}

void rows_forget(void) {
    static struct flow_key keys[4096];
    static struct flow_value values[4096];
    int fd = dataplane_map_fd(bench.w.dp, DATAPLANE_FLOWS);
    uint32_t deleted, live, at = 0, n;
    bool begun = false;
    int r;

    do {
        n = ARRAY_SIZE(keys);
        r = bpf_map_lookup_and_delete_batch(fd, begun ? &at : NULL, &at, keys, values, &n, NULL);
        begun = true;
    } while (r == 0);
    if (errno != ENOENT || dataplane_sweep(bench.w.dp, &deleted, &live) < 0 ||
        dataplane_each(bench.w.dp, DATAPLANE_NAT_COUNTS, forget_count, NULL) < 0)
        abort();
}

static double measure(struct row *r) {
    uint64_t ns, n, ns_after, n_after;
    int fd = fd_of(r);

    if (r->fresh)
        rows_forget();
    for (unsigned i = 0; i < bench.runs / 10; i++)
        run_one(r, fd);
    stats(fd, &ns, &n);
    for (unsigned i = 0; i < bench.runs; i++)
        run_one(r, fd);
    stats(fd, &ns_after, &n_after);
    return (double)(ns_after - ns) / (double)(n_after - n);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double quartile(const double *values, unsigned n, unsigned q) {
    double sorted[ROUNDS_MAX];

    memcpy(sorted, values, n * sizeof(*values));
    qsort(sorted, n, sizeof(*sorted), by_value);
    return sorted[(n - 1) * q / 4];
}

void rows_measure(size_t first) {
    if (bench.only && strncmp(rows[first].group, bench.only, strlen(bench.only)) != 0) {
        n_rows = first;
        return;
    }
    for (unsigned i = 0; i < bench.rounds; i++)
        for (size_t r = first; r < n_rows; r++)
            rows[r].ns[i] = measure(&rows[r]);
    for (size_t r = first; r < n_rows; r++) {
        double median = quartile(rows[r].ns, bench.rounds, 2);
        double spread =
            quartile(rows[r].ns, bench.rounds, 3) - quartile(rows[r].ns, bench.rounds, 1);

        printf("%-22s %-44s %9.0f %8.0f %8.2f\n", r == first ? rows[r].group : "", rows[r].name,
               median, spread, median / quartile(rows[first].ns, bench.rounds, 2));
    }
    fflush(stdout);
}

void rows_write(const char *path) {
    FILE *f = fopen(path, "w");

    if (!f) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(1);
    }
    fprintf(f, "{\"unit\": \"ns a packet\", \"packets\": %u, \"rows\": [", bench.runs);
    for (size_t r = 0; r < n_rows; r++) {
        fprintf(f, "%s\n {\"group\": \"%s\", \"name\": \"%s\", \"rounds\": [", r ? "," : "",
                rows[r].group, rows[r].name);
        for (unsigned i = 0; i < bench.rounds; i++)
            fprintf(f, "%s%.1f", i ? ", " : "", rows[r].ns[i]);
        fprintf(f, "]}");
    }
    fprintf(f, "\n]}\n");
    fclose(f);
}
