/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiled entries against the oracle: random packets in random worlds are decided by a naive
 * reading of the entries, as abi/maps.h says what they mean, and by the oracle. Here is no BPF:
 * what differs is the compiler's doing (or the oracle's).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "model/gateway.h"
#include "model/prefix_list.h"
#include "model/route_table.h"
#include "model/security_group.h"
#include "model/vpc.h"
#include "rules/compile.h"
#include "rules/test_maps.h"
#include "rules/test_packet.h"
#include "rules/test_world.h"

static uint64_t seed;

struct answer {
    enum drop_reason reason; /* DROP_INTERNAL: what the entries do not decide */
    enum oracle_tracking sender, receiver;
};

struct reading {
    const struct test_maps *m;
    const struct oracle_packet *p;
    uint32_t number; /* of the sender */
    const struct eni_value *from, *to;
    uint32_t to_number;
    struct abi_addr src, dst, seen_src, last_dst;
    bool own, crosses, internet;
};

static uint16_t rule_port(const struct oracle_packet *p) {
    if (p->protocol == 6 || p->protocol == 17)
        return htons(p->dport);
    return htons((uint16_t)(p->icmp_type << 8 | p->icmp_code));
}

static enum oracle_tracking groups(const struct reading *r, const struct eni_value *e, uint8_t dir,
                                   const struct abi_addr *peer, const struct eni_value *member) {
    uint8_t family = r->p->src.family;
    struct rule_table_key tk = {.table = e->sg_table, .dir = dir, .family = family};
    struct rule_addr_key ak = {.prefixlen = RULE_ADDR_PREFIX + ip_bits(family),
                               .table = e->sg_table,
                               .dir = dir,
                               .family = family,
                               .addr = *peer};
    struct rule_port_key pk = {.prefixlen = RULE_PORT_PROTO + 16,
                               .table = e->sg_table,
                               .dir = dir,
                               .family = family,
                               .proto = r->p->protocol,
                               .port = rule_port(r->p)};
    struct rule_set_key sk = {.table = e->sg_table,
                              .dir = dir,
                              .family = family,
                              .sgset = member ? member->sgset : 0,
                              .vpc = member ? member->vpc : 0};
    const struct rule_table_value *table = test_maps_find(r->m, ENTRY_RULE_TABLES, &tk), *other;
    const struct rule_bits *addrs = test_maps_longest(r->m, ENTRY_RULE_ADDRS, &ak);
    const struct rule_bits *ports = test_maps_longest(r->m, ENTRY_RULE_PORTS, &pk);
    const struct rule_bits *sets = member ? test_maps_find(r->m, ENTRY_RULE_SETS, &sk) : NULL;
    uint32_t all = r->p->protocol == 6 ? RULE_ALL_TCP : r->p->protocol == 17 ? RULE_ALL_UDP : 0;
    uint64_t hit = 0, any = 0;

    tk.dir = !dir;
    other = test_maps_find(r->m, ENTRY_RULE_TABLES, &tk);
    for (int i = 0; i < RULE_WORDS && ports && table; i++) {
        hit |= ((addrs ? addrs->w[i] : 0) | (sets ? sets->w[i] : 0)) & ports->w[i];
        any |= table->any_addr.w[i] & ports->w[i];
    }
    assert_true(hit || !any); /* all addresses are addresses */
    if (!hit)
        return ORACLE_NO_ENI;
    return any && other && other->flags & all ? ORACLE_UNTRACKED : ORACLE_TRACKED;
}

static bool acl(const struct reading *r, uint32_t table, uint8_t dir, const struct abi_addr *peer) {
    uint8_t family = r->p->src.family;
    struct rule_addr_key ak = {.prefixlen = RULE_ADDR_PREFIX + ip_bits(family),
                               .table = table,
                               .dir = dir,
                               .family = family,
                               .addr = *peer};
    struct rule_port_key pk = {.prefixlen = RULE_PORT_PROTO + 16,
                               .table = table,
                               .dir = dir,
                               .family = family,
                               .proto = r->p->protocol,
                               .port = rule_port(r->p)};
    const struct acl_addr_value *addrs = test_maps_longest(r->m, ENTRY_ACL_ADDRS, &ak);
    const struct acl_port_value *ports = test_maps_longest(r->m, ENTRY_ACL_PORTS, &pk);

    for (int i = 0; i < ACL_BITS && addrs && ports; i++)
        if (addrs->bits & ports->bits & 1ull << i)
            return ports->allow & 1ull << i;
    return !table;
}

static const struct addr_value *find_addr(const struct reading *r, uint32_t vpc,
                                          const struct abi_addr *a) {
    struct addr_key key = {.vpc = vpc, .family = r->p->src.family, .addr = *a};
    const struct addr_value *found = test_maps_find(r->m, ENTRY_ADDRS, &key);

    if (found || r->p->src.family != IP_V6)
        return found;
    key.family = ADDR_PREFIX6;
    memset(key.addr.b + 10, 0, 6);
    return test_maps_find(r->m, ENTRY_ADDRS, &key);
}

static const struct public_value *find_public(const struct reading *r, const struct abi_addr *a) {
    struct public_key key = {.family = r->p->src.family, .addr = *a};
    const struct public_value *found = test_maps_find(r->m, ENTRY_PUBLICS, &key);

    if (found || r->p->src.family != IP_V6)
        return found;
    key.family = ADDR_PREFIX6;
    memset(key.addr.b + 10, 0, 6);
    return test_maps_find(r->m, ENTRY_PUBLICS, &key);
}

static void set_to(struct reading *r, uint32_t eni) {
    r->to_number = eni;
    r->to = test_maps_find(r->m, ENTRY_ENIS, &eni);
}

/* Where the route table of the gateway leads what comes in. */
static enum drop_reason edge(struct reading *r) {
    struct route_key key = {.prefixlen = ROUTE_PREFIX + ip_bits(r->p->src.family),
                            .family = r->p->src.family,
                            .addr = r->last_dst};
    const struct edge_value *e = r->to ? test_maps_find(r->m, ENTRY_EDGES, &r->to->subnet) : NULL;
    const struct route_value *route;

    if (!e)
        return DROP_NONE;
    key.table = e->route_table;
    route = test_maps_longest(r->m, ENTRY_ROUTES, &key);
    if (!route)
        return DROP_NO_ROUTE;
    switch (ROUTE_KIND(route->kind)) {
    case ROUTE_LOCAL:
        return DROP_NONE;
    case ROUTE_ENI:
        set_to(r, route->target);
        return DROP_NONE;
    default:
        return ROUTE_KIND(route->kind) == ROUTE_BLACKHOLE ? DROP_BLACKHOLE : DROP_ROUTE_KIND;
    }
}

static enum drop_reason follow(struct reading *r, const struct addr_value *own,
                               const struct addr_value *dst) {
    const struct subnet_value *subnet = test_maps_find(r->m, ENTRY_SUBNETS, &r->from->subnet);
    struct route_key key = {.prefixlen = ROUTE_PREFIX + ip_bits(r->p->src.family),
                            .family = r->p->src.family,
                            .addr = r->dst};
    const struct route_value *route;
    const struct public_value *there;

    if (!subnet)
        return DROP_NOT_READY;
    key.table = subnet->route_table;
    route = test_maps_longest(r->m, ENTRY_ROUTES, &key);
    r->crosses = true;
    if (route && ROUTE_KIND(route->kind) == ROUTE_ENI) {
        const struct eni_value *e = test_maps_find(r->m, ENTRY_ENIS, &route->target);

        r->crosses = !e || e->subnet != r->from->subnet;
    }
    if (r->crosses && !acl(r, subnet->acl_out, DIR_EGRESS, &r->dst))
        return DROP_ACL_EGRESS;
    if (!route)
        return DROP_NO_ROUTE;
    switch (ROUTE_KIND(route->kind)) {
    case ROUTE_LOCAL:
        if (!dst)
            return r->p->dst.b[3] == 1 && r->p->src.family == IP_V4 &&
                           memcmp(r->p->dst.b, subnet->v4.b, 3) == 0
                       ? DROP_TO_ROUTER
                       : DROP_NO_ADDRESS;
        set_to(r, dst->eni);
        return DROP_NONE;
    case ROUTE_ENI:
        if (route->target == r->number)
            return DROP_BLACKHOLE;
        set_to(r, route->target);
        return DROP_NONE;
    case ROUTE_IGW:
        own = find_addr(r, r->from->vpc, &r->src); /* or another's, whom the sender forwards for */
        if (!own || !(own->flags & ADDR_HAS_PUBLIC))
            return DROP_NO_PUBLIC;
        r->internet = true;
        if (r->p->src.family == IP_V4)
            r->seen_src = own->public_addr;
        there = find_public(r, &r->dst);
        if (!there)
            return DROP_INTERNAL; /* the uplink's rules are not in the entries */
        if (r->p->src.family == IP_V4)
            r->last_dst = there->private_addr;
        set_to(r, there->eni);
        return edge(r);
    case ROUTE_VGW:
        return DROP_NO_VPN;
    case ROUTE_BLACKHOLE:
        return DROP_BLACKHOLE;
    default:
        return DROP_ROUTE_KIND;
    }
}

static enum drop_reason arrive(struct reading *r, struct answer *ret) {
    const struct subnet_value *subnet;
    const struct addr_value *a;

    if (!r->to)
        return DROP_NO_LINK;
    subnet = test_maps_find(r->m, ENTRY_SUBNETS, &r->to->subnet);
    if (!subnet)
        return DROP_NOT_READY;
    if (r->crosses && !acl(r, subnet->acl_in, DIR_INGRESS, &r->seen_src))
        return DROP_ACL_INGRESS;
    ret->receiver =
        groups(r, r->to, DIR_INGRESS, &r->seen_src, r->own && !r->internet ? r->from : NULL);
    if (!ret->receiver)
        return DROP_GROUP_INGRESS;
    a = find_addr(r, r->to->vpc, &r->last_dst);
    return r->to->flags & ENI_SRC_DST_CHECK && (!a || a->eni != r->to_number) ? DROP_NOT_DESTINATION
                                                                              : DROP_NONE;
}

/* Steps 4 to 10 for a packet with plausible addresses. */
static enum drop_reason read_entries(struct reading *r, struct answer *ret) {
    const struct addr_value *own, *dst;
    const struct eni_value *peer;
    enum drop_reason reason;

    r->src = r->seen_src = compile_addr(&r->p->src);
    r->dst = r->last_dst = compile_addr(&r->p->dst);
    if (!r->p->from) {
        const struct public_value *there = find_public(r, &r->dst);

        if (!there)
            return DROP_UPLINK_UNKNOWN;
        r->internet = r->crosses = true;
        if (r->p->src.family == IP_V4)
            r->last_dst = there->private_addr;
        set_to(r, there->eni);
        reason = edge(r);
        return reason ? reason : arrive(r, ret);
    }
    r->number = test_number(r->m->numbers, NUMBER_ENI, r->p->from->o.id);
    r->from = test_maps_find(r->m, ENTRY_ENIS, &r->number);
    if (!r->from)
        return DROP_NOT_READY;
    own = find_addr(r, r->from->vpc, &r->src);
    if (own && own->eni != r->number)
        own = NULL;
    r->own = own;
    if (!own && r->from->flags & ENI_SRC_DST_CHECK)
        return DROP_SPOOFED_ADDRESS;
    dst = find_addr(r, r->from->vpc, &r->dst);
    peer = dst ? test_maps_find(r->m, ENTRY_ENIS, &dst->eni) : NULL;
    ret->sender = groups(r, r->from, DIR_EGRESS, &r->dst, peer);
    if (!ret->sender)
        return DROP_GROUP_EGRESS;
    if (peer && peer->subnet == r->from->subnet)
        set_to(r, dst->eni);
    else if ((reason = follow(r, own, dst)))
        return reason;
    return arrive(r, ret);
}

/* Whether the entries have a say: not where an earlier or a later step ends the packet. */
static bool is_decided_by_entries(const struct oracle_verdict *v) {
    switch (v->reason) {
    case DROP_NONE:
        return v->to;
    case DROP_SPOOFED_ADDRESS:
        return v->n_hops && strcmp(v->hops[0].question, "source check") == 0 &&
               strncmp(v->hops[0].by, "169.254", 7) != 0 && strncmp(v->hops[0].by, "fe", 2) != 0;
    case DROP_NOT_READY: /* the interface, not the uplink */
        return v->hops[0].by[0];
    case DROP_GROUP_EGRESS:
    case DROP_GROUP_INGRESS:
    case DROP_ACL_EGRESS:
    case DROP_ACL_INGRESS:
    case DROP_NO_ROUTE:
    case DROP_BLACKHOLE:
    case DROP_ROUTE_KIND:
    case DROP_NO_VPN:
    case DROP_NO_ADDRESS:
    case DROP_TO_ROUTER:
    case DROP_NOT_DESTINATION:
    case DROP_NO_PUBLIC:
    case DROP_UPLINK_UNKNOWN:
        return true;
    default:
        return false;
    }
}

/* Gateways that keep state, and peerings, are held against the programs only. */
static bool meets_gateway(const struct oracle_verdict *v) {
    for (unsigned i = 0; i < v->n_hops; i++)
        if (strstr(v->hops[i].question, "NAT gateway") || strstr(v->hops[i].question, "peering") ||
            strstr(v->hops[i].question, "egress-only") || strstr(v->hops[i].by, "pcx-"))
            return true;
    return false;
}

static unsigned seen[DROP_COUNT], tracked[3];

static void one_packet(struct world *w, const struct oracle_host *host, const struct test_maps *m) {
    struct oracle_packet p;
    struct oracle_verdict v;
    struct reading r = {.m = m, .p = &p};
    struct answer a = {0};

    packet_random(w, host, &p);
    oracle_judge(w->ix, host, &p, &v);
    if (v.service || !is_decided_by_entries(&v) || meets_gateway(&v))
        return;
    a.reason = read_entries(&r, &a);
    seen[v.reason]++;
    if (a.reason == v.reason && (a.reason || (a.sender == v.sender && a.receiver == v.receiver))) {
        tracked[v.receiver]++;
        return;
    }
    packet_print(&p);
    verdict_print(&v);
    printf("  the entries say reason %d, tracking %d %d\n", a.reason, a.sender, a.receiver);
    world_print(w);
    fail();
}

static void test_packets(void **state) {
    int worlds = getenv("TEST_WORLDS") ? atoi(getenv("TEST_WORLDS")) : 60;

    for (int i = 0; i < worlds; i++) {
        struct test_numbers numbers = {0};
        struct oracle_host host;
        struct test_maps m;
        struct world w;

        world_make(&w, seed + (uint64_t)i);
        for (int n = 0; n < 10; n++)
            world_mutate(&w);
        packet_host(&w, &host);
        test_maps_init(&m, &numbers);
        assert_int_equal(plan_full(m.plan, w.ix, test_maps_emit, &m), 0);
        for (int n = 0; n < 1000; n++)
            one_packet(&w, &host, &m);
        test_maps_free(&m);
        test_numbers_free(&numbers);
        world_free(&w);
    }
    for (int i = 0; i < DROP_COUNT; i++)
        if (seen[i])
            printf("reason %d: %u\n", i, seen[i]);
    printf("received tracked %u, untracked %u\n", tracked[ORACLE_TRACKED],
           tracked[ORACLE_UNTRACKED]);
    /* The worlds are such that all of it happens. */
    if (worlds >= 60) {
        assert_true(tracked[ORACLE_TRACKED] > 100 && tracked[ORACLE_UNTRACKED] > 20);
        assert_true(seen[DROP_GROUP_INGRESS] > 100 && seen[DROP_NO_ADDRESS] > 10);
        assert_true(seen[DROP_BLACKHOLE] > 10); /* no-vpn is too rare: test_oracle has it */
        assert_true(seen[DROP_ACL_EGRESS] > 20 && seen[DROP_ACL_INGRESS] > 20);
    }
}

/* Each port of a range, and its neighbours. */
static void test_ranges(void **state) {
    static const uint16_t ranges[][2] = {{0, 0},         {0, 65535}, {1, 65534},     {22, 22},
                                         {1024, 65535},  {0, 1023},  {32767, 32768}, {65535, 65535},
                                         {40000, 49999}, {80, 81}};
    struct scope scope = {.account = 1, .region = 1};

    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        struct index *ix = index_new();
        struct security_group *g = obj_new(KIND_SECURITY_GROUP, scope, "sg-1");
        struct sgset *s = obj_new(KIND_SGSET, scope, "vpc-1/1");
        struct sg_rule *r = list_add(&g->rules, sizeof(*r));
        struct test_maps m = {0};
        size_t n = 0;

        r->protocol = 6;
        r->from = ranges[i][0];
        r->to = ranges[i][1];
        cidr_parse("10.0.0.0/8", &r->cidr);
        str_set(&s->vpc_id, "vpc-1");
        strs_add(&s->groups, "sg-1");
        index_put(ix, g, NULL);
        index_put(ix, s, NULL);
        assert_int_equal(compile_rules(ix, NULL, s, 7, &m.all), 0);
        for (size_t k = 0; k < m.all.n; k++)
            n += m.all.e[k].map == ENTRY_RULE_PORTS;
        assert_in_range(n, 1, 30);
        for (uint32_t port = 0; port < 65536; port++) {
            struct rule_port_key key = {.prefixlen = RULE_PORT_PROTO + 16,
                                        .table = 7,
                                        .dir = DIR_INGRESS,
                                        .family = IP_V4,
                                        .proto = 6,
                                        .port = htons((uint16_t)port)};
            bool in = port >= ranges[i][0] && port <= ranges[i][1];

            if (port % 97 && port != ranges[i][0] && port != ranges[i][1] &&
                port + 1 != ranges[i][0] && port != ranges[i][1] + 1u)
                continue;
            assert_int_equal(test_maps_longest(&m, ENTRY_RULE_PORTS, &key) != NULL, in);
        }
        entries_free(&m.all);
        obj_unref(g);
        obj_unref(s);
        index_free(ix);
    }
}

/* "Route priority": for one destination the route by its CIDR, then by a prefix list, then the
 * propagated one; in whatever order they stand in the table. */
static void test_priority(void **state) {
    static const struct {
        const char *target;
        bool list;
        uint8_t origin;
        uint32_t kind;
    } all[] = {{"local", false, ROUTE_ORIGIN_CREATE_TABLE, ROUTE_LOCAL},
               {"igw-1", false, ROUTE_ORIGIN_CREATE, ROUTE_IGW},
               {"eni-gone", true, ROUTE_ORIGIN_CREATE, ROUTE_BLACKHOLE},
               {"vgw-1", false, ROUTE_ORIGIN_PROPAGATED, ROUTE_VGW}};
    static const uint8_t orders[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 3, 0, 1}, {1, 3, 2, 0}};
    struct scope scope = {.account = 1, .region = 1};
    struct index *ix = index_new();
    struct prefix_list *pl = obj_new(KIND_PREFIX_LIST, scope, "pl-1");
    struct internet_gateway *igw = obj_new(KIND_INTERNET_GATEWAY, scope, "igw-1");
    struct vpn_gateway *vgw = obj_new(KIND_VPN_GATEWAY, scope, "vgw-1");
    struct prefix_entry *entry = list_add(&pl->entries, sizeof(*entry));
    struct compile_env env = {0};

    cidr_parse("10.9.0.0/16", &entry->cidr);
    str_set(&igw->vpc_id, "vpc-1");
    str_set(&vgw->vpc_id, "vpc-1");
    index_put(ix, pl, NULL);
    index_put(ix, igw, NULL);
    index_put(ix, vgw, NULL);
    for (size_t first = 0; first < ARRAY_SIZE(all); first++)
        for (size_t o = 0; o < ARRAY_SIZE(orders); o++) {
            struct route_table *t = obj_new(KIND_ROUTE_TABLE, scope, "rtb-1");
            struct route_value got;
            struct test_maps m = {0};

            str_set(&t->vpc_id, "vpc-1");
            for (size_t i = 0; i < 4; i++) {
                struct route *r;
                size_t row = orders[o][i];

                if (row < first)
                    continue;
                r = list_add(&t->routes, sizeof(*r));
                r->origin = all[row].origin;
                str_set(&r->target, all[row].target);
                if (all[row].list)
                    str_set(&r->prefix_list_id, "pl-1");
                else
                    r->cidr = entry->cidr;
            }
            assert_int_equal(compile_routes(ix, &env, t, 7, &m.all), 0);
            assert_int_equal(m.all.n, 1);
            memcpy(&got, m.all.e[0].value, sizeof(got));
            assert_int_equal(ROUTE_KIND(got.kind), all[first].kind);
            entries_free(&m.all);
            obj_unref(t);
        }
    obj_unref(pl);
    obj_unref(igw);
    obj_unref(vgw);
    index_free(ix);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ranges),
                                       cmocka_unit_test(test_priority),
                                       cmocka_unit_test(test_packets)};

    seed = world_seed("compile");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
