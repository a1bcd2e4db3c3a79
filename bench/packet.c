/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the packet path costs a packet, in ns, and whether that grows with anything.
 *
 *     sudo build/bench/bench-packet [--only GROUP] [--raw FILE] [--rounds N] [--packets N]
 * [--quick]
 *
 * Each packet is one BPF_PROG_TEST_RUN of the loaded program, and the kernel's own statistics
 * (BPF_ENABLE_STATS) say how long the program ran. So every packet may have a key of its own (a hot
 * key would hide the cache misses of a large table), translations start from a fresh packet, and
 * the system call is not in the figure; the statistics' two clock reads are, and an empty program
 * beside it shows how much that is. Rows of one group take turns within a round; the table has
 * medians of the rounds, and the spread between the quartiles.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "world.h"

#define ROUNDS_MAX 64
#define ROWS_MAX 64
#define ROUTES_MAX 100000
#define ENIS_MAX_HERE 1000000
#define FLOWS_MAX_HERE 1000000

static struct world w;
static int empty_fd;
static unsigned rounds = 9, runs = 20000;
static bool quick;
static const char *only; /* groups whose names begin so; NULL: all */

/* ---- rows ---- */

/* A kind of packet, and where it enters. `next` makes the n-th packet of the row out of `k`. */
struct row {
    const char *group, *name;
    const struct world_eni *from; /* NULL: the uplink; for the empty program: any */
    bool empty;
    struct packet k;
    void (*next)(struct row *r, uint32_t n);
    uint32_t n, span; /* packets so far; keys to choose from */
    bool fresh;       /* its packets begin flows */
    double ns[ROUNDS_MAX];
};

static struct row rows[ROWS_MAX];
static size_t n_rows;

static struct row *row_add(const char *group, const struct world_eni *from, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static struct row *row_add(const char *group, const struct world_eni *from, const char *format,
                           ...) {
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

static uint32_t random_below(uint32_t n) {
    static uint64_t state = 0x9e3779b97f4a7c15;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 32) * n >> 32);
}

/* The UDP header's ports, and no checksum: it need not be right, and the writer's cost is not ours.
 */
static void set_ports(struct packet *k, uint32_t sport, uint32_t dport) {
    uint8_t *udp = k->data + k->l4;

    udp[0] = (uint8_t)(sport >> 8);
    udp[1] = (uint8_t)sport;
    udp[2] = (uint8_t)(dport >> 8);
    udp[3] = (uint8_t)dport;
    udp[6] = udp[7] = 0;
}

static void next_flow(struct row *r, uint32_t n) { /* every packet begins a flow */
    set_ports(&r->k, 1024 + n % 60000, 53 + n / 60000);
}

static void any_flow(struct row *r, uint32_t n) { /* of `span` that are there */
    uint32_t i = random_below(r->span);

    set_ports(&r->k, 1024 + i % 60000, 53 + i / 60000);
}

/* IPv4 without a right header checksum: nothing in the path computes it anew from the whole. */
static void any_address(struct row *r, uint32_t n) {
    uint32_t a = 0x0a000000 + 4 + random_below(r->span);
    uint8_t *dst = r->k.data + r->k.l3 + 16;

    for (int i = 0; i < 4; i++)
        dst[i] = (uint8_t)(a >> (24 - 8 * i));
    set_ports(&r->k, 1024 + n % 60000, 53 + n / 60000);
}

/* ---- measuring ---- */

static int fd_of(const struct row *r) {
    return r->empty ? empty_fd : dataplane_prog_fd(w.dp, r->from ? PROG_ENI : PROG_UPLINK);
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
    ctx.ifindex = r->from ? r->from->ifindex : w.uplink;
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
    return dataplane_del(w.dp, DATAPLANE_NAT_COUNTS, key);
}

/* All flows, and how many of them the NAT gateway had. */
static void forget(void) {
    static struct flow_key keys[4096];
    static struct flow_value values[4096];
    int fd = dataplane_map_fd(w.dp, DATAPLANE_FLOWS);
    uint32_t deleted, live, at = 0, n;
    bool begun = false;
    int r;

    do {
        n = ARRAY_SIZE(keys);
        r = bpf_map_lookup_and_delete_batch(fd, begun ? &at : NULL, &at, keys, values, &n, NULL);
        begun = true;
    } while (r == 0);
    if (errno != ENOENT || dataplane_sweep(w.dp, &deleted, &live) < 0 ||
        dataplane_each(w.dp, DATAPLANE_NAT_COUNTS, forget_count, NULL) < 0)
        abort();
}

static double measure(struct row *r) {
    uint64_t ns, n, ns_after, n_after;
    int fd = fd_of(r);

    if (r->fresh)
        forget();
    for (unsigned i = 0; i < runs / 10; i++)
        run_one(r, fd);
    stats(fd, &ns, &n);
    for (unsigned i = 0; i < runs; i++)
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

/* Measures the rows from `first` on, taking turns, and prints them. */
static void measure_group(size_t first) {
    if (only && strncmp(rows[first].group, only, strlen(only)) != 0) {
        n_rows = first;
        return;
    }
    for (unsigned i = 0; i < rounds; i++)
        for (size_t r = first; r < n_rows; r++)
            rows[r].ns[i] = measure(&rows[r]);
    for (size_t r = first; r < n_rows; r++) {
        double median = quartile(rows[r].ns, rounds, 2);
        double spread = quartile(rows[r].ns, rounds, 3) - quartile(rows[r].ns, rounds, 1);

        printf("%-22s %-44s %9.0f %8.0f %8.2f\n", r == first ? rows[r].group : "", rows[r].name,
               median, spread, median / quartile(rows[first].ns, rounds, 2));
    }
    fflush(stdout);
}

static void write_raw(const char *path) {
    FILE *f = fopen(path, "w");

    if (!f) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(1);
    }
    fprintf(f, "{\"unit\": \"ns a packet\", \"packets\": %u, \"rows\": [", runs);
    for (size_t r = 0; r < n_rows; r++) {
        fprintf(f, "%s\n {\"group\": \"%s\", \"name\": \"%s\", \"rounds\": [", r ? "," : "",
                rows[r].group, rows[r].name);
        for (unsigned i = 0; i < rounds; i++)
            fprintf(f, "%s%.1f", i ? ", " : "", rows[r].ns[i]);
        fprintf(f, "]}");
    }
    fprintf(f, "\n]}\n");
    fclose(f);
}

/* ---- the world ---- */

/*
 *   VPC 1  subnet 1  10.0.1.0/24  a (10.0.1.4, public .10), b (10.0.1.5)
 *          subnet 2  10.0.2.0/24  c (10.0.2.4), NAT gateway 1 (10.0.2.50 = 203.0.113.50)
 *          subnet 3  10.0.3.0/24  d (10.0.3.4), routed to that gateway
 *   one more subnet with an interface for each number of rules and of routes
 *   one more VPC for each number of interfaces
 */
static struct world_eni a, b, c, d;
static uint32_t next_eni = 1, next_subnet = 1;

static const struct world_rule all[] = {
    {DIR_EGRESS, 4, -1, -1, -1, "0.0.0.0/0", 0},
    {DIR_INGRESS, 4, IPPROTO_UDP, 0, 65535, "10.0.0.0/7", 0},
};

/* An interface with room for as many flows as a benchmark wants. */
static struct world_eni interface(uint32_t vpc, uint32_t subnet, const char *address,
                                  const char *public_address) {
    struct world_eni e = world_eni(&w, next_eni++, vpc, subnet, 0);
    struct eni_value v = world_eni_get(&w, &e);

    v.quota_flows = v.quota_half = v.quota_untracked = MAX_RING;
    world_eni_put(&w, &e, &v);
    world_addr(&w, &e, address, public_address);
    world_rules(&w, &e, all, ARRAY_SIZE(all));
    return e;
}

static struct packet udp(const struct world_eni *e, const char *src, const char *dst) {
    struct packet k = {0};

    packet_eth(&k, world_router_mac, e->mac, ETH_P_IP);
    packet_ip(&k, src, dst, IPPROTO_UDP);
    packet_udp(&k, 1024, 53, 18);
    packet_finish(&k);
    return k;
}

static size_t begin(const char *group) {
    struct row *r = row_add(group, &a, "an empty program");

    r->empty = true;
    r->k = udp(&a, "10.0.1.4", "10.0.1.5");
    return n_rows - 1;
}

static struct row *packets(const char *group, const struct world_eni *from, const char *src,
                           const char *dst, void (*next)(struct row *r, uint32_t n),
                           const char *name) {
    struct row *r = row_add(group, from, "%s", name);

    r->k = udp(from, src, dst);
    r->next = next;
    r->fresh = next != NULL;
    return r;
}

static void base(void) {
    struct config_value config;
    uint32_t zero = 0;

    if (dataplane_get(w.dp, DATAPLANE_CONFIG, &zero, &config) < 0)
        abort();
    config.flags |= CONFIG_HOST_OPEN;
    if (dataplane_put(w.dp, DATAPLANE_CONFIG, &zero, &config) < 0)
        abort();
    world_vpc(&w, 1);
    world_subnet(&w, next_subnet++, 1, "10.0.1.0/24", NULL, 100);
    world_subnet(&w, next_subnet++, 1, "10.0.2.0/24", NULL, 100);
    world_route(&w, 100, "10.0.0.0/16", ROUTE_LOCAL, 0);
    world_route(&w, 100, "0.0.0.0/0", ROUTE_IGW, 1);
    world_subnet(&w, next_subnet++, 1, "10.0.3.0/24", NULL, 101);
    world_route(&w, 101, "10.0.0.0/16", ROUTE_LOCAL, 0);
    world_route(&w, 101, "0.0.0.0/0", ROUTE_NAT, 1);
    world_nat(&w, 1, 1, 2, 0, "10.0.2.50", "203.0.113.50");
    a = interface(1, 1, "10.0.1.4", "203.0.113.10");
    b = interface(1, 1, "10.0.1.5", NULL);
    c = interface(1, 2, "10.0.2.4", NULL);
    d = interface(1, 3, "10.0.3.4", NULL);
}

static void paths(void) {
    size_t first = begin("known flow");

    packets("", &a, "10.0.1.4", "10.0.1.5", NULL, "to the same subnet");
    packets("", &a, "10.0.1.4", "10.0.2.4", NULL, "to another subnet");
    packets("", &a, "10.0.1.4", "203.0.113.1", NULL, "out by the internet gateway, 1:1");
    packets("", &d, "10.0.3.4", "203.0.113.1", NULL, "out through the NAT gateway");
    measure_group(first);
    first = begin("first packet");
    packets("", &a, "10.0.1.4", "10.0.1.5", next_flow, "to the same subnet");
    packets("", &a, "10.0.1.4", "10.0.2.4", next_flow, "to another subnet");
    packets("", &a, "10.0.1.4", "203.0.113.1", next_flow, "out by the internet gateway, 1:1");
    packets("", &d, "10.0.3.4", "203.0.113.1", next_flow, "out through the NAT gateway");
    measure_group(first);
    forget();
}

static struct packet question, reply;

/* A flow opens in three packets: question, answer, and the one after it. */
static void next_opening(struct row *r, uint32_t n) {
    uint32_t flow = n / 3;
    bool back = n % 3 == 1;

    r->from = back ? &c : &a;
    r->k = back ? reply : question;
    if (back)
        set_ports(&r->k, 53 + flow / 60000, 1024 + flow % 60000);
    else
        set_ports(&r->k, 1024 + flow % 60000, 53 + flow / 60000);
}

static void openings(void) {
    size_t first = begin("opening");

    question = udp(&a, "10.0.1.4", "10.0.2.4");
    reply = udp(&c, "10.0.2.4", "10.0.1.4");
    packets("", &a, "10.0.1.4", "10.0.2.4", next_opening, "a third of question, answer, next");
    measure_group(first);
    forget();
}

/* n rules a direction, of which the last one matches. */
static void rules_of(const struct world_eni *e, uint32_t n) {
    struct world_rule *r = calloc(2 * n, sizeof(*r));
    char(*cidrs)[32] = calloc(n, sizeof(*cidrs));

    if (!r || !cidrs)
        abort();
    for (uint32_t i = 0; i < n; i++) {
        snprintf(cidrs[i], sizeof(cidrs[i]), "172.16.%u.%u/32", i / 256, i % 256);
        for (int dir = 0; dir < 2; dir++)
            r[2 * i + (uint32_t)dir] = (struct world_rule){
                dir ? DIR_EGRESS : DIR_INGRESS,       4, IPPROTO_UDP, (int)i, (int)i,
                i + 1 == n ? "10.0.0.0/8" : cidrs[i], 0};
        if (i + 1 == n)
            r[2 * i].from = r[2 * i + 1].from = 53, r[2 * i].to = r[2 * i + 1].to = 65535;
    }
    world_rules(&w, e, r, 2 * n);
    free(r);
    free(cidrs);
}

static bool is_wanted(const char *what) {
    return !only || strncmp(what, only, strlen(what)) == 0;
}

static void rules(void) {
    static const uint32_t sizes[] = {1, 10, 100, 500};
    struct world_eni e[ARRAY_SIZE(sizes)];
    char address[ARRAY_SIZE(sizes)][32], name[64];
    size_t first;

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        snprintf(address[i], sizeof(address[i]), "10.0.2.%zu", 100 + i);
        e[i] = interface(1, 2, address[i], NULL);
        rules_of(&e[i], sizes[i]);
    }
    for (int known = 1; known >= 0; known--) {
        first = begin(known ? "rules, known flow" : "rules, first packet");
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
            snprintf(name, sizeof(name), "%u rules a direction at both ends", sizes[i]);
            /* From one with so many rules to itself in another's place: both ends have them. */
            packets("", &e[i], address[i], address[i], known ? NULL : next_flow, name);
        }
        measure_group(first);
        forget();
    }
}

static void routes(void) {
    static const uint32_t sizes[] = {10, 1000, ROUTES_MAX};
    struct world_eni e[ARRAY_SIZE(sizes)];
    char text[64], address[ARRAY_SIZE(sizes)][32], name[64];
    size_t first;

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        uint32_t table = 1000 + (uint32_t)i, subnet = next_subnet++;

        snprintf(text, sizeof(text), "10.0.%zu.0/24", 10 + i);
        snprintf(address[i], sizeof(address[i]), "10.0.%zu.4", 10 + i);
        world_subnet(&w, subnet, 1, text, NULL, table);
        world_route(&w, table, "10.0.0.0/16", ROUTE_LOCAL, 0);
        for (uint32_t n = 0; n < sizes[i]; n++) {
            snprintf(text, sizeof(text), "%u.%u.%u.0/24", 11 + n / 65536, n / 256 % 256, n % 256);
            world_route(&w, table, text, ROUTE_BLACKHOLE, 0);
        }
        e[i] = interface(1, subnet, address[i], NULL);
    }
    for (int known = 1; known >= 0; known--) {
        first = begin(known ? "routes, known flow" : "routes, first packet");
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
            snprintf(name, sizeof(name), "%u routes in the table", sizes[i]);
            packets("", &e[i], address[i], "10.0.1.5", known ? NULL : next_flow, name);
        }
        measure_group(first);
        forget();
    }
}

static void interfaces(void) {
    static const uint32_t sizes[] = {10, 10000, ENIS_MAX_HERE};
    size_t n = quick ? ARRAY_SIZE(sizes) - 1 : ARRAY_SIZE(sizes), first;
    struct world_eni from[ARRAY_SIZE(sizes)], to[ARRAY_SIZE(sizes)];
    char name[64];

    for (size_t i = 0; i < n; i++) {
        uint32_t vpc = 10 + (uint32_t)i, table = 2000 + (uint32_t)i, s1 = next_subnet++,
                 s2 = next_subnet++;
        struct addr_key key = {.vpc = vpc, .family = 4};
        struct addr_value v = {.flags = ADDR_PRIMARY};
        struct ip ip = ip_v4(0x0a000000);

        world_vpc(&w, vpc);
        world_subnet(&w, s1, vpc, "10.0.0.0/8", NULL, table);
        world_subnet(&w, s2, vpc, "11.0.0.0/24", NULL, table);
        world_route(&w, table, "10.0.0.0/7", ROUTE_LOCAL, 0);
        from[i] = interface(vpc, s2, "11.0.0.4", NULL);
        to[i] = interface(vpc, s1, "10.0.0.4", NULL);
        v.eni = to[i].number;
        for (uint32_t j = 0; j < sizes[i]; j++) {
            struct ip at = ip_add(&ip, 4 + j);

            key.addr = world_abi(&at);
            if (dataplane_put(w.dp, DATAPLANE_ADDRS, &key, &v) < 0) {
                fprintf(stderr, "address %u has no room\n", j);
                exit(1);
            }
        }
    }
    first = begin("interfaces, known");
    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "%u interfaces in the VPC", sizes[i]);
        packets("", &from[i], "11.0.0.4", "10.0.0.4", NULL, name);
    }
    measure_group(first);
    first = begin("interfaces, first");
    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "%u interfaces, any of them", sizes[i]);
        packets("", &from[i], "11.0.0.4", "10.0.0.4", any_address, name)->span = sizes[i];
    }
    measure_group(first);
    forget();
}

/* `n` flows like the one from a to b, written by us: one interface may not have so many. */
static void fill_flows(uint32_t from, uint32_t n) {
    struct packet k = udp(&a, "10.0.1.4", "10.0.1.5");
    struct flow_value there, back;
    struct flow_key key, other;
    struct outcome out;

    world_send(&w, &a, &k, &out);
    if (world_flow(&w, &a, &k, &there) < 0 ||
        dataplane_get(w.dp, DATAPLANE_FLOWS, &there.partner, &back) < 0)
        abort();
    key = back.partner;
    other = there.partner;
    for (uint32_t i = from; i < n; i++) {
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

static void flows(void) {
    static const uint32_t sizes[] = {1, 1000, 100000, FLOWS_MAX_HERE};
    size_t n = quick ? ARRAY_SIZE(sizes) - 1 : ARRAY_SIZE(sizes);
    struct row *r;
    size_t first;

    for (size_t i = 0; i < n; i++) {
        fill_flows(i ? sizes[i - 1] : 0, sizes[i]);
        first = begin("flows");
        row_add("", &a, "one of %u flows, the same one", sizes[i])->k =
            udp(&a, "10.0.1.4", "10.0.1.5");
        r = row_add("", &a, "any of %u flows", sizes[i]);
        r->k = udp(&a, "10.0.1.4", "10.0.1.5");
        r->next = any_flow;
        r->span = sizes[i];
        measure_group(first);
    }
    forget();
}

static int empty_program(void) {
    static const struct bpf_insn code[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = TC_ACT_OK},
        {.code = BPF_JMP | BPF_EXIT},
    };

    return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "empty", "GPL", code, ARRAY_SIZE(code), NULL);
}

int main(int argc, char **argv) {
    const char *raw = NULL;
    int64_t n;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0) {
            quick = true;
            runs = 3000;
            rounds = 3;
        } else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
            only = argv[++i];
        } else if (strcmp(argv[i], "--raw") == 0 && i + 1 < argc) {
            raw = argv[++i];
        } else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc &&
                   int_parse(argv[i + 1], 1, ROUNDS_MAX, &n) == 0) {
            rounds = (unsigned)n;
            i++;
        } else if (strcmp(argv[i], "--packets") == 0 && i + 1 < argc &&
                   int_parse(argv[i + 1], 10, 1000000, &n) == 0) {
            runs = (unsigned)n;
            i++;
        } else {
            fprintf(stderr,
                    "usage: bench-packet [--raw FILE] [--rounds N] [--packets N] [--quick]\n");
            return 2;
        }
    }
    world_open(&w);
    empty_fd = empty_program();
    if (empty_fd < 0 || bpf_enable_stats(BPF_STATS_RUN_TIME) < 0) {
        perror("BPF statistics");
        return 1;
    }
    printf("%-22s %-44s %9s %8s %8s\n", "", "", "ns", "spread", "x empty");
    base();
    paths();
    openings();
    if (is_wanted("rules"))
        rules();
    if (is_wanted("routes"))
        routes();
    if (is_wanted("interfaces"))
        interfaces();
    if (is_wanted("flows"))
        flows();
    if (raw)
        write_raw(raw);
    world_close(&w);
    return 0;
}
