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
#include "bpf/gateway.h"
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

/* What the subnet's route table says of the destination (`translated`: of p->v.new_dst). */
STAGE int route_look(u32 subnet_number, u32 translated) {
    struct pkt *p = pkt_get();
    struct subnet_key subnet_key = {.subnet = subnet_number};
    struct subnet_value *subnet;
    struct route_key key = {};
    struct route_value *route;

    if (!p)
        return DROP_INTERNAL;
    p->route_kind = p->route_target = 0;
    subnet = bpf_map_lookup_elem(&subnets, &subnet_key);
    if (!subnet)
        return DROP_NOT_READY;
    key.prefixlen = ROUTE_PREFIX + (p->key.family == FAMILY_V4 ? 32 : 128);
    key.table = subnet->route_table;
    key.family = p->key.family;
    key.addr = translated ? p->v.new_dst : p->key.dst;
    route = bpf_map_lookup_elem(&routes, &key);
    if (route) {
        p->route_kind = ROUTE_KIND(route->kind);
        p->route_target = route->target;
    }
    return 0;
}

/*
 * Whom the destination belongs to, and which groups it has: for the groups of the sender too. In
 * the sender's VPC, or in the peer's to which the route leads: its generations are read before the
 * address is believed. Sets the route, but within the subnet, where none is asked.
 */
STAGE int route_peer(void) {
    struct pkt *p = pkt_get();
    struct addr_value *a;
    struct eni_key key = {};
    struct eni_value *e;
    int reason;

    if (!p)
        return DROP_INTERNAL;
    p->dst_eni = 0;
    p->dst_set = 0;
    p->dst_vpc = p->vpc;
    p->same_subnet = 0;
    p->route_kind = p->route_target = 0;
    a = addr_find(p->vpc, p->key.family, &p->key.dst);
    if (!a) {
        if (nat_subnet(p->vpc, p->key.family, &p->key.dst) == p->subnet) {
            p->same_subnet = 1;
            return 0;
        }
        reason = route_look(p->subnet, 0);
        if (reason || p->route_kind != ROUTE_PCX)
            return reason;
        if (!far_vpc_read(p, p->route_target))
            return 0;
        p->dst_vpc = p->route_target;
        a = addr_find(p->dst_vpc, p->key.family, &p->key.dst);
        if (!a)
            return 0;
    }
    key.eni = a->eni;
    e = bpf_map_lookup_elem(&enis, &key);
    if (!e)
        return 0;
    p->dst_eni = a->eni;
    p->dst_set = e->sgset;
    p->same_subnet = e->subnet == p->subnet;
    if (p->same_subnet || p->route_kind)
        return 0;
    return route_look(p->subnet, 0);
}

static __always_inline int is_router(const struct subnet_value *subnet, u8 family,
                                     const struct abi_addr *addr) {
    return family == FAMILY_V4 && subnet->v4_len && addr->w[0] == (subnet->v4.w[0] | bpf_htonl(1));
}

/* To whoever has the address, in this VPC or in the peer's. */
static __always_inline int route_address(struct pkt *p) {
    if (p->dst_eni) {
        route_plain(p, p->dst_eni);
    } else {
        p->next = NEXT_ANSWER_NAT;
        p->next_vpc = p->dst_vpc;
    }
    return 0;
}

static __always_inline int route_local(struct pkt *p, const struct subnet_value *subnet) {
    if (!p->dst_eni && is_router(subnet, p->key.family, &p->key.dst))
        return DROP_TO_ROUTER;
    return route_address(p);
}

/* Only to the addresses of the peer's interfaces: its gateways, routes and peerings are its own.
 * And only from those of this VPC's: a middlebox that forwards for others would make the peering
 * transitive, and could speak for addresses that the peer's rules mean. */
static __always_inline int route_peering(struct pkt *p) {
    if (p->dst_vpc != p->route_target)
        return DROP_BLACKHOLE;
    if (!addr_find(p->vpc, p->key.family, &p->wire_src))
        return DROP_SPOOFED_ADDRESS;
    return route_address(p);
}

static __always_inline int route_eni(struct pkt *p, u32 target) {
    if (!target || target == p->key.eni)
        return DROP_BLACKHOLE;
    route_plain(p, target);
    return 0;
}

/* Whether the route's target is in the sender's own subnet. */
static __always_inline int route_stays(const struct pkt *p) {
    struct eni_key key = {.eni = p->route_target};
    struct nat_value *nat;
    struct eni_value *e;

    if (p->route_kind == ROUTE_NAT) {
        nat = nat_find(p->route_target);
        return nat && nat->subnet == p->subnet;
    }
    if (p->route_kind != ROUTE_ENI)
        return 0;
    e = bpf_map_lookup_elem(&enis, &key);
    return e && e->subnet == p->subnet;
}

static __always_inline int route_follow(struct pkt *p, const struct subnet_value *subnet) {
    switch (p->route_kind) {
    case 0:
        return DROP_NO_ROUTE;
    case ROUTE_LOCAL:
        return route_local(p, subnet);
    case ROUTE_ENI:
        return route_eni(p, p->route_target);
    case ROUTE_IGW:
        return internet_egress();
    case ROUTE_NAT:
        p->next = NEXT_NAT;
        return 0;
    case ROUTE_EIGW:
        return egress_only();
    case ROUTE_PCX:
        return route_peering(p);
    case ROUTE_VGW:
        return DROP_NO_VPN;
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
    int reason;

    if (!p)
        return DROP_INTERNAL;
    p->next = NEXT_NONE;
    p->crosses = !p->same_subnet;
    if (p->same_subnet)
        return route_address(p);
    subnet_key.subnet = p->subnet;
    subnet = bpf_map_lookup_elem(&subnets, &subnet_key);
    if (!subnet)
        return DROP_NOT_READY;
    p->crosses = !route_stays(p);
    reason = p->crosses ? acl_egress(p) : 0;
    return reason ? reason : route_follow(p, subnet);
}

#endif
