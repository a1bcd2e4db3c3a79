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
#include "dataplane/flow_log.h"
#include "rows.h"

#define ROUTES_MAX 100000
#define ENIS_MAX_HERE 1000000
#define FLOWS_MAX_HERE 1000000

/* ---- packets ---- */

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
    struct world_eni e = world_eni(&bench.w, next_eni++, vpc, subnet, 0);
    struct eni_value v = world_eni_get(&bench.w, &e);

    v.quota_flows = v.quota_half = v.quota_untracked = MAX_RING;
    world_eni_put(&bench.w, &e, &v);
    world_addr(&bench.w, &e, address, public_address);
    world_rules(&bench.w, &e, all, ARRAY_SIZE(all));
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
    struct packet k = udp(&a, "10.0.1.4", "10.0.1.5");

    return rows_begin(group, &a, &k);
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

    if (dataplane_get(bench.w.dp, DATAPLANE_CONFIG, &zero, &config) < 0)
        abort();
    config.flags |= CONFIG_HOST_OPEN;
    if (dataplane_put(bench.w.dp, DATAPLANE_CONFIG, &zero, &config) < 0)
        abort();
    world_vpc(&bench.w, 1);
    world_subnet(&bench.w, next_subnet++, 1, "10.0.1.0/24", NULL, 100);
    world_subnet(&bench.w, next_subnet++, 1, "10.0.2.0/24", NULL, 100);
    world_route(&bench.w, 100, "10.0.0.0/16", ROUTE_LOCAL, 0);
    world_route(&bench.w, 100, "0.0.0.0/0", ROUTE_IGW, 1);
    world_subnet(&bench.w, next_subnet++, 1, "10.0.3.0/24", NULL, 101);
    world_route(&bench.w, 101, "10.0.0.0/16", ROUTE_LOCAL, 0);
    world_route(&bench.w, 101, "0.0.0.0/0", ROUTE_NAT, 1);
    world_nat(&bench.w, 1, 1, 2, 0, "10.0.2.50", "203.0.113.50");
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
    rows_measure(first);
    first = begin("first packet");
    packets("", &a, "10.0.1.4", "10.0.1.5", next_flow, "to the same subnet");
    packets("", &a, "10.0.1.4", "10.0.2.4", next_flow, "to another subnet");
    packets("", &a, "10.0.1.4", "203.0.113.1", next_flow, "out by the internet gateway, 1:1");
    packets("", &d, "10.0.3.4", "203.0.113.1", next_flow, "out through the NAT gateway");
    rows_measure(first);
    rows_forget();
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
    rows_measure(first);
    rows_forget();
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
    world_rules(&bench.w, e, r, 2 * n);
    free(r);
    free(cidrs);
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
        rows_measure(first);
        rows_forget();
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
        world_subnet(&bench.w, subnet, 1, text, NULL, table);
        world_route(&bench.w, table, "10.0.0.0/16", ROUTE_LOCAL, 0);
        for (uint32_t n = 0; n < sizes[i]; n++) {
            snprintf(text, sizeof(text), "%u.%u.%u.0/24", 11 + n / 65536, n / 256 % 256, n % 256);
            world_route(&bench.w, table, text, ROUTE_BLACKHOLE, 0);
        }
        e[i] = interface(1, subnet, address[i], NULL);
    }
    for (int known = 1; known >= 0; known--) {
        first = begin(known ? "routes, known flow" : "routes, first packet");
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
            snprintf(name, sizeof(name), "%u routes in the table", sizes[i]);
            packets("", &e[i], address[i], "10.0.1.5", known ? NULL : next_flow, name);
        }
        rows_measure(first);
        rows_forget();
    }
}

static void interfaces(void) {
    static const uint32_t sizes[] = {10, 10000, ENIS_MAX_HERE};
    size_t n = bench.quick ? ARRAY_SIZE(sizes) - 1 : ARRAY_SIZE(sizes), first;
    struct world_eni from[ARRAY_SIZE(sizes)], to[ARRAY_SIZE(sizes)];
    char name[64];

    for (size_t i = 0; i < n; i++) {
        uint32_t vpc = 10 + (uint32_t)i, table = 2000 + (uint32_t)i, s1 = next_subnet++,
                 s2 = next_subnet++;
        struct addr_key key = {.vpc = vpc, .family = 4};
        struct addr_value v = {.flags = ADDR_PRIMARY};
        struct ip ip = ip_v4(0x0a000000);

        world_vpc(&bench.w, vpc);
        world_subnet(&bench.w, s1, vpc, "10.0.0.0/8", NULL, table);
        world_subnet(&bench.w, s2, vpc, "11.0.0.0/24", NULL, table);
        world_route(&bench.w, table, "10.0.0.0/7", ROUTE_LOCAL, 0);
        from[i] = interface(vpc, s2, "11.0.0.4", NULL);
        to[i] = interface(vpc, s1, "10.0.0.4", NULL);
        v.eni = to[i].number;
        for (uint32_t j = 0; j < sizes[i]; j++) {
            struct ip at = ip_add(&ip, 4 + j);

            key.addr = world_abi(&at);
            if (dataplane_put(bench.w.dp, DATAPLANE_ADDRS, &key, &v) < 0) {
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
    rows_measure(first);
    first = begin("interfaces, first");
    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "%u interfaces, any of them", sizes[i]);
        packets("", &from[i], "11.0.0.4", "10.0.0.4", any_address, name)->span = sizes[i];
    }
    rows_measure(first);
    rows_forget();
}

/* `n` flows like the one from a to b, written by us: one interface may not have so many. */
static void fill_flows(uint32_t from, uint32_t n) {
    struct packet k = udp(&a, "10.0.1.4", "10.0.1.5");
    struct flow_value there, back;
    struct flow_key key, other;
    struct outcome out;

    world_send(&bench.w, &a, &k, &out);
    if (world_flow(&bench.w, &a, &k, &there) < 0 ||
        dataplane_get(bench.w.dp, DATAPLANE_FLOWS, &there.partner, &back) < 0)
        abort();
    key = back.partner;
    other = there.partner;
    for (uint32_t i = from; i < n; i++) {
        key.sport = other.dport = htons((uint16_t)(1024 + i % 60000));
        key.dport = other.sport = htons((uint16_t)(53 + i / 60000));
        there.partner = other;
        back.partner = key;
        if (dataplane_put(bench.w.dp, DATAPLANE_FLOWS, &key, &there) < 0 ||
            dataplane_put(bench.w.dp, DATAPLANE_FLOWS, &other, &back) < 0) {
            fprintf(stderr, "flow %u has no room\n", i);
            exit(1);
        }
    }
}

static void flows(void) {
    static const uint32_t sizes[] = {1, 1000, 100000, FLOWS_MAX_HERE};
    size_t n = bench.quick ? ARRAY_SIZE(sizes) - 1 : ARRAY_SIZE(sizes);
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
        rows_measure(first);
    }
    rows_forget();
}

static void ignore(const struct log_record *record, void *arg) {
    (void)record;
    (void)arg;
}

/* What flow logs add: the same packets with nobody asked for, and with both interfaces. */
static void logs(void) {
    static const char *const names[][2] = {{"known flow, no flow log", "first packet, no flow log"},
                                           {"known flow, flow logs", "first packet, flow logs"}};
    struct flow_log *log;
    size_t first;

    if (flow_log_open(bench.w.dp, ignore, NULL, &log) < 0)
        abort();
    for (int on = 0; on < 2; on++) {
        if (on && (flow_log_ask(log, a.number) < 0 || flow_log_ask(log, c.number) < 0))
            abort();
        first = begin("flow logs");
        packets("", &a, "10.0.1.4", "10.0.2.4", NULL, names[on][0]);
        packets("", &a, "10.0.1.4", "10.0.2.4", next_flow, names[on][1]);
        rows_measure(first);
    }
    flow_log_dismiss(log, a.number);
    flow_log_dismiss(log, c.number);
    flow_log_free(log);
    rows_forget();
}

int main(int argc, char **argv) {
    const char *raw = NULL;
    int64_t n;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0) {
            bench.quick = true;
            bench.runs = 3000;
            bench.rounds = 3;
        } else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
            bench.only = argv[++i];
        } else if (strcmp(argv[i], "--raw") == 0 && i + 1 < argc) {
            raw = argv[++i];
        } else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc &&
                   int_parse(argv[i + 1], 1, ROUNDS_MAX, &n) == 0) {
            bench.rounds = (unsigned)n;
            i++;
        } else if (strcmp(argv[i], "--packets") == 0 && i + 1 < argc &&
                   int_parse(argv[i + 1], 10, 1000000, &n) == 0) {
            bench.runs = (unsigned)n;
            i++;
        } else {
            fprintf(stderr,
                    "usage: bench-packet [--raw FILE] [--rounds N] [--packets N] [--quick]\n");
            return 2;
        }
    }
    world_open(&bench.w);
    if (rows_open() < 0) {
        perror("BPF statistics");
        return 1;
    }
    printf("%-22s %-44s %9s %8s %8s\n", "", "", "ns", "spread", "x empty");
    base();
    paths();
    openings();
    logs();
    if (rows_wanted("rules"))
        rules();
    if (rows_wanted("routes"))
        routes();
    if (rows_wanted("interfaces"))
        interfaces();
    if (rows_wanted("flows"))
        flows();
    if (raw)
        rows_write(raw);
    world_close(&bench.w);
    return 0;
}
