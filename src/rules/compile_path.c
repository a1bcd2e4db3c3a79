/* SPDX-License-Identifier: Apache-2.0 */
/* What the path of a packet consults beside rules: interfaces, addresses, subnets, routes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/index.h"
#include "model/peering.h"
#include "model/prefix_list.h"
#include "rules/compile.h"

struct abi_addr compile_addr(const struct ip *ip) {
    struct abi_addr a;

    memcpy(a.b, ip->b, sizeof(a.b));
    return a;
}

/* 1. A route's kind by its target; what the data plane cannot forward to has its kind all the same,
 *    for the drop reason.
 * 2. A target that is gone, or of another kind, is a blackhole.
 * 3. Some kinds have a number: of the target, or of the VPC at the other end of a peering. */
static const struct {
    const char *prefix;
    uint32_t kind;
    enum number_kind number;
} targets[] = {
    {"local", ROUTE_LOCAL, 0},
    {"igw-", ROUTE_IGW, 0},
    {"eni-", ROUTE_ENI, NUMBER_ENI},
    {"nat-", ROUTE_NAT, NUMBER_NAT},
    {"eigw-", ROUTE_EIGW, NUMBER_EGRESS_GATEWAY},
    {"pcx-", ROUTE_PCX, NUMBER_VPC},
    {"vgw-", ROUTE_VGW, 0},
};

static const char *numbered(const struct index *ix, const struct route_table *t,
                            const struct route *r, uint32_t kind) {
    const struct peering *p;
    const struct vpc *peer;

    if (kind != ROUTE_PCX)
        return r->target;
    p = index_get(ix, KIND_PEERING, t->o.scope, r->target);
    peer = p ? peering_peer(ix, p, t->vpc_id) : NULL;
    return peer ? peer->o.id : NULL;
}

static int route_target(const struct index *ix, const struct compile_env *env,
                        const struct route_table *t, const struct route *r,
                        struct route_value *ret) {
    struct route_value v = {.kind = ROUTE_BLACKHOLE};

    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        const char *id;
        int error;

        if (strncmp(r->target, targets[i].prefix, strlen(targets[i].prefix)) != 0 ||
            !route_is_active(ix, t, r))
            continue;
        v.kind = targets[i].kind;
        id = targets[i].number ? numbered(ix, t, r, v.kind) : NULL;
        if (id && (error = env->number_of(env->data, targets[i].number, id, &v.target)) < 0)
            return error;
    }
    *ret = v;
    return 0;
}

/*
 * Between routes to the same prefix (VPC user guide, "Route priority"):
 *  1. local
 *  2. static, by a CIDR
 *  3. static, by a prefix list: "the static route with the CIDR block takes priority"
 *  4. propagated: "the route that references the prefix list takes priority"
 * Of several prefix lists AWS takes one at random, and then always that: here the first.
 */
static unsigned route_rank(const struct route *r) {
    if (r->origin == ROUTE_ORIGIN_CREATE_TABLE)
        return 1;
    if (r->origin == ROUTE_ORIGIN_PROPAGATED)
        return 4;
    return r->prefix_list_id ? 3 : 2;
}

/* One destination of a route. */
struct destination {
    struct cidr cidr; /* masked */
    const struct route *route;
    unsigned rank;
};

static int prefix_cmp(const struct destination *x, const struct destination *y) {
    int r = ip_cmp(&x->cidr.ip, &y->cidr.ip);

    return r ? r : x->cidr.len - y->cidr.len;
}

static int destination_cmp(const void *a, const void *b) {
    const struct destination *x = a, *y = b;
    int r = prefix_cmp(x, y);

    if (r || x->rank != y->rank)
        return r ? r : x->rank < y->rank ? -1 : 1;
    return x->route < y->route ? -1 : x->route > y->route;
}

static int destination_add(struct list *to, const struct cidr *cidr, const struct route *route) {
    struct destination *d;

    if (cidr->ip.family == IP_NONE || !route->target)
        return 0;
    d = list_add(to, sizeof(*d));
    if (!d)
        return -ENOMEM;
    *d = (struct destination){cidr_mask(cidr), route, route_rank(route)};
    return 0;
}

static int destinations(const struct index *ix, const struct route_table *t, struct list *ret) {
    int r = 0;

    list_each (struct route, route, t->routes) {
        const struct prefix_list *pl;

        if (!route->prefix_list_id) {
            r = r ? r : destination_add(ret, &route->cidr, route);
            continue;
        }
        pl = index_get(ix, KIND_PREFIX_LIST, t->o.scope, route->prefix_list_id);
        if (!pl)
            continue; /* a list that is gone is empty */
        list_each (struct prefix_entry, e, pl->entries)
            r = r ? r : destination_add(ret, &e->cidr, route);
    }
    if (ret->n)
        qsort(ret->items, ret->n, sizeof(struct destination), destination_cmp);
    return r;
}

/* Whether the destination is a part of a local route's, and not that itself. */
static bool is_inside(const struct route_table *t, const struct destination *d) {
    list_each (struct route, r, t->routes) {
        if (r->origin == ROUTE_ORIGIN_CREATE_TABLE && r->cidr.ip.family == d->cidr.ip.family &&
            r->cidr.len <= d->cidr.len && cidr_contains_ip(&r->cidr, &d->cidr.ip))
            return d->rank != 1;
    }
    return false;
}

int compile_routes(const struct index *ix, const struct compile_env *env,
                   const struct route_table *t, uint32_t table, struct entries *out) {
    const struct destination *before = NULL;
    struct list all = {0};
    int r = destinations(ix, t, &all);

    list_each (struct destination, d, all) {
        struct route_key key = {.prefixlen = ROUTE_PREFIX + d->cidr.len,
                                .table = table,
                                .family = d->cidr.ip.family,
                                .addr = compile_addr(&d->cidr.ip)};
        struct route_value value = {0};

        if (r < 0 || (before && prefix_cmp(before, d) == 0))
            continue;
        before = d;
        r = route_target(ix, env, t, d->route, &value);
        if (is_inside(t, d))
            value.kind |= ROUTE_INSIDE;
        entries_add(out, ENTRY_ROUTES, &key, &value);
    }
    free(all.items);
    return r < 0 ? r : out->failed ? -ENOMEM : 0;
}

/* What stands in the subnet's entry for a direction of its ACL. */
static uint32_t subnet_acl(const struct index *ix, const struct subnet *s, bool egress,
                           uint32_t table) {
    const struct network_acl *acl;

    if (!s->acl_id)
        return 0;
    acl = index_get(ix, KIND_NETWORK_ACL, s->o.scope, s->acl_id);
    if (acl && compile_acl_allows_all(acl, egress))
        return 0;
    return acl && table ? table : COMPILE_ACL_REFUSE;
}

const struct route_table *compile_edge(const struct index *ix, const struct subnet *s) {
    const struct route_table *t;
    struct cursor gateway, table;

    if (!cursor_by(ix, &gateway, KIND_INTERNET_GATEWAY, IGW_BY_VPC, s->vpc_id) ||
        !cursor_by(ix, &table, KIND_ROUTE_TABLE, RTB_BY_GATEWAY,
                   ((const struct obj *)gateway.obj)->id))
        return NULL;
    t = table.obj; /* perhaps of the VPC where the gateway was before */
    return strcmp(t->vpc_id, s->vpc_id) == 0 ? t : NULL;
}

int compile_subnet(const struct index *ix, const struct compile_env *env, const struct subnet *s,
                   const struct subnet_tables *tables, struct entries *out) {
    const struct vpc *vpc = index_get(ix, KIND_VPC, s->o.scope, s->vpc_id);
    const struct cidr *c6 = subnet_cidr6(s);
    struct resolver_value resolver = {0};
    struct subnet_key key = {0};
    struct subnet_value v = {.route_table = tables->routes,
                             .acl_in = subnet_acl(ix, s, false, tables->acl),
                             .acl_out = subnet_acl(ix, s, true, tables->acl),
                             .v4 = compile_addr(&s->cidr.ip),
                             .v4_len = s->cidr.len};
    struct edge_value edge = {.route_table = tables->edge};
    int r = env->number_of(env->data, NUMBER_SUBNET, s->o.id, &key.subnet);

    if (r == 0)
        r = env->number_of(env->data, NUMBER_VPC, s->vpc_id, &v.vpc);
    if (r < 0)
        return r;
    if (c6) {
        v.v6 = compile_addr(&c6->ip);
        v.v6_len = c6->len;
    }
    entries_add(out, ENTRY_SUBNETS, &key, &v);
    if (compile_edge(ix, s))
        entries_add(out, ENTRY_EDGES, &key, &edge);
    if (vpc) {
        struct ip base = ip_add(&vpc->cidr.ip, 2);

        resolver.flags = vpc->dns_support ? RESOLVER_ON : 0;
        resolver.addr = compile_addr(&base);
        entries_add(out, ENTRY_RESOLVERS, &key, &resolver);
    }
    return out->failed ? -ENOMEM : 0;
}

/* A private address, and its public one where the VPC has an internet gateway. */
static void compile_address(const struct addr_key *key, uint32_t eni, bool primary,
                            const struct ip *public_ip, struct entries *out) {
    struct addr_value v = {.eni = eni, .flags = primary ? ADDR_PRIMARY : 0};

    if (public_ip) {
        struct public_key public_key = {.family = public_ip->family,
                                        .addr = compile_addr(public_ip)};
        struct public_value public_value = {.vpc = key->vpc, .eni = eni, .private_addr = key->addr};

        v.flags |= ADDR_HAS_PUBLIC;
        v.public_addr = public_key.addr;
        entries_add(out, ENTRY_PUBLICS, &public_key, &public_value);
    }
    entries_add(out, ENTRY_ADDRS, key, &v);
}

/* A prefix: a /28 address by address, a /80 as one (abi/maps.h). */
static void compile_prefix(uint32_t vpc, uint32_t eni, const struct cidr *prefix, bool internet,
                           struct entries *out) {
    struct addr_key key = {.vpc = vpc, .family = ADDR_PREFIX6, .addr = compile_addr(&prefix->ip)};
    struct addr_value v = {.eni = eni, .flags = internet ? ADDR_HAS_PUBLIC : 0};
    struct public_key public_key = {.family = ADDR_PREFIX6, .addr = key.addr};
    struct public_value public_value = {.vpc = vpc, .eni = eni};

    if (prefix->ip.family == IP_V4) {
        key.family = IP_V4;
        for (int64_t i = 0; i < (int64_t)cidr_size(prefix); i++) {
            struct ip ip = ip_add(&prefix->ip, i);

            key.addr = compile_addr(&ip);
            compile_address(&key, eni, false, NULL, out);
        }
        return;
    }
    entries_add(out, ENTRY_ADDRS, &key, &v);
    if (internet)
        entries_add(out, ENTRY_PUBLICS, &public_key, &public_value);
}

/* Seconds of the interface's configuration in milliseconds, or what holds without it. */
static uint32_t idle_ms(int64_t seconds, uint32_t otherwise) {
    return seconds > 0 && seconds <= DEFAULT_TCP_OPEN_MS / 1000 ? (uint32_t)seconds * 1000
                                                                : otherwise;
}

int compile_eni(const struct index *ix, const struct compile_env *env,
                const struct network_interface *eni, uint32_t sg_table, struct entries *out) {
    const struct eni_tracking *t = &eni->tracking;
    struct eni_key key = {0};
    struct eni_value v = {.sgset = (uint32_t)eni->sgset,
                          .sg_table = sg_table,
                          .flags = eni->source_dest_check ? ENI_SRC_DST_CHECK : 0,
                          .quota_flows = DEFAULT_QUOTA_FLOWS,
                          .quota_half = DEFAULT_QUOTA_HALF,
                          .quota_untracked = DEFAULT_QUOTA_UNTRACKED,
                          .tcp_half_ms = DEFAULT_TCP_HALF_MS,
                          .tcp_open_ms = idle_ms(t->tcp_established, DEFAULT_TCP_OPEN_MS),
                          .tcp_closing_ms = DEFAULT_TCP_CLOSING_MS,
                          .udp_single_ms = idle_ms(t->udp, DEFAULT_UDP_SINGLE_MS),
                          .udp_stream_ms = idle_ms(t->udp_stream, DEFAULT_UDP_STREAM_MS),
                          .other_ms = DEFAULT_OTHER_MS};
    struct cursor c;
    bool internet;
    int r;

    if (!eni->instance_id || (env->on_host && !env->on_host(env->data, ix, eni)))
        return 0;
    if ((r = env->number_of(env->data, NUMBER_ENI, eni->o.id, &key.eni)) < 0 ||
        (r = env->number_of(env->data, NUMBER_VPC, eni->vpc_id, &v.vpc)) < 0 ||
        (r = env->number_of(env->data, NUMBER_SUBNET, eni->subnet_id, &v.subnet)) < 0)
        return r;
    memcpy(v.mac, eni->mac, sizeof(v.mac));
    snprintf(v.id, sizeof(v.id), "%s", eni->o.id);
    entries_add(out, ENTRY_ENIS, &key, &v);

    internet = cursor_by(ix, &c, KIND_INTERNET_GATEWAY, IGW_BY_VPC, eni->vpc_id);
    list_each (struct eni_address, a, eni->addresses) {
        struct addr_key ak = {.vpc = v.vpc, .family = IP_V4, .addr = compile_addr(&a->ip)};
        bool public = internet && a->public_ip.family == IP_V4;

        compile_address(&ak, key.eni, a->primary, public ? &a->public_ip : NULL, out);
    }
    list_each (struct eni_address, a, eni->addresses6) {
        struct addr_key ak = {.vpc = v.vpc, .family = IP_V6, .addr = compile_addr(&a->ip)};

        compile_address(&ak, key.eni, a == eni->addresses6.items, internet ? &a->ip : NULL, out);
    }
    list_each (struct eni_prefix, p, eni->prefixes)
        compile_prefix(v.vpc, key.eni, &p->cidr, false, out);
    list_each (struct eni_prefix, p, eni->prefixes6)
        compile_prefix(v.vpc, key.eni, &p->cidr, internet, out);
    return out->failed ? -ENOMEM : 0;
}
