/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Stages 6 to 8: the way of a packet that an ENI sent. Leaves the far ENI (or the uplink), the
 * translation and the partner's key in p->v and p->partner.
 *
 *  - Within the sender's subnet no route table and no ACL is asked.
 *  - Else the longest prefix of its route table (7; the agent decides between routes with the same
 *    prefix), and the route's target (8): one function a kind, which is where later kinds go.
 *  - Before all that a route may bring about, the ACL of the sender's subnet (6): unless the route
 *    leads to somebody in the same subnet, for then no border is crossed.
 */
#ifndef VPCD_BPF_ROUTE_H
#define VPCD_BPF_ROUTE_H

#include "bpf/acl.h"
#include "bpf/internet.h"
#include "bpf/packet.h"
#include "bpf/source.h"

/* The other half of a flow that is not translated. */
static __always_inline void route_plain(struct pkt *p, u32 far) {
    p->v.far = far;
    p->partner.eni = far;
    p->partner.family = p->key.family;
    p->partner.proto = p->key.proto;
    p->partner.is_reply = is_reply_of(&p->key);
    p->partner.src = p->key.dst;
    p->partner.dst = p->key.src;
    p->partner.sport = p->key.dport;
    p->partner.dport = p->key.sport;
}

/* Whom the destination belongs to, and which groups it has: for the groups of the sender too. */
STAGE int route_peer(void) {
    struct pkt *p = pkt_get();
    struct addr_value *a;
    struct eni_key key = {};
    struct eni_value *e;

    if (!p)
        return DROP_INTERNAL;
    p->dst_eni = 0;
    p->dst_set = 0;
    p->dst_vpc = p->vpc;
    p->same_subnet = 0;
    a = addr_find(p->vpc, p->key.family, &p->key.dst);
    if (!a)
        return 0;
    key.eni = a->eni;
    e = bpf_map_lookup_elem(&enis, &key);
    if (!e)
        return 0;
    p->dst_eni = a->eni;
    p->dst_set = e->sgset;
    p->same_subnet = e->subnet == p->subnet;
    return 0;
}

static __always_inline int is_router(const struct subnet_value *subnet, u8 family,
                                     const struct abi_addr *addr) {
    return family == FAMILY_V4 && subnet->v4_len && addr->w[0] == (subnet->v4.w[0] | bpf_htonl(1));
}

static __always_inline int route_local(struct pkt *p, const struct subnet_value *subnet) {
    if (!p->dst_eni)
        return is_router(subnet, p->key.family, &p->key.dst) ? DROP_TO_ROUTER : DROP_NO_ADDRESS;
    route_plain(p, p->dst_eni);
    return 0;
}

static __always_inline int route_eni(struct pkt *p, u32 target) {
    struct eni_key key = {.eni = target};

    if (!target || target == p->key.eni)
        return DROP_BLACKHOLE;
    if (!bpf_map_lookup_elem(&enis, &key)) /* and the flow, if there is one, stays as it is */
        return DROP_NO_LINK;
    route_plain(p, target);
    return 0;
}

/* Whether the route's target is in the sender's own subnet. */
static __always_inline int route_stays(const struct pkt *p, const struct route_value *route) {
    struct eni_key key = {.eni = route->target};
    struct eni_value *e;

    if (ROUTE_KIND(route->kind) != ROUTE_ENI)
        return 0;
    e = bpf_map_lookup_elem(&enis, &key);
    return e && e->subnet == p->subnet;
}

static __always_inline int route_follow(struct pkt *p, const struct subnet_value *subnet,
                                        const struct route_value *route) {
    switch (ROUTE_KIND(route->kind)) {
    case ROUTE_LOCAL:
        return route_local(p, subnet);
    case ROUTE_ENI:
        return route_eni(p, route->target);
    case ROUTE_IGW:
        return internet_egress();
    case ROUTE_BLACKHOLE:
        return DROP_BLACKHOLE;
    default:
        return DROP_ROUTE_KIND;
    }
}

STAGE int route_find(void) {
    struct pkt *p = pkt_get();
    struct subnet_key subnet_key = {};
    struct subnet_value *subnet;
    struct route_key key = {};
    struct route_value *route;
    int reason;

    if (!p)
        return DROP_INTERNAL;
    p->crosses = !p->same_subnet;
    if (p->same_subnet) {
        route_plain(p, p->dst_eni);
        return 0;
    }
    subnet_key.subnet = p->subnet;
    subnet = bpf_map_lookup_elem(&subnets, &subnet_key);
    if (!subnet)
        return DROP_NOT_READY;
    key.prefixlen = ROUTE_PREFIX + (p->key.family == FAMILY_V4 ? 32 : 128);
    key.table = subnet->route_table;
    key.family = p->key.family;
    key.addr = p->key.dst;
    route = bpf_map_lookup_elem(&routes, &key);
    if (route && route_stays(p, route))
        p->crosses = 0;
    reason = p->crosses ? acl_egress(p) : 0;
    if (reason)
        return reason;
    return route ? route_follow(p, subnet, route) : DROP_NO_ROUTE;
}

#endif
