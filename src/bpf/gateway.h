/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Stage 8, out through a gateway that keeps state: NAT, egress-only. The answers are answer.h's.
 *
 * A NAT gateway stands in a subnet, and the packet crosses its border twice:
 *  1. in, from the sender: ACL of the gateway's subnet, unless the sender is in it
 *  2. only TCP, UDP and echo requests; TCP that is no SYN must be of a flow that is known
 *  3. out, with the gateway's address: within its subnet as it is; else ACL and route table of the
 *     gateway's subnet, and the target of that route: local, an interface, the internet gateway
 *     (connectivity type public), a peering. Not a second gateway that keeps state
 *  4. the address: one that the flow has, as long as it is this gateway's; for a new flow that
 *     which the sender's address selects (sum of its bytes), and the next ones where that has
 *     55,000 flows to this destination. The port is chosen at last (claim.h)
 *
 * Flows through either are tracked, whatever the groups of the sender say.
 */
#ifndef VPCD_BPF_GATEWAY_H
#define VPCD_BPF_GATEWAY_H

#include "bpf/answer.h"
#include "bpf/count.h"
#include "bpf/groups.h"
#include "bpf/internet.h"
#include "bpf/nat.h"
#include "bpf/packet.h"
#include "bpf/source.h"

static __always_inline void gateway_tracks(struct pkt *p) {
    if (p->near_judged == JUDGED_UNTRACKED)
        p->near_judged = JUDGED_TRACKED;
}

STAGE int egress_only(void) {
    struct pkt *p = pkt_get();
    struct egress_gateway_value *gateway;
    struct vpc_key key = {};

    if (!p)
        return DROP_INTERNAL;
    key.vpc = p->vpc;
    gateway = bpf_map_lookup_elem(&egress_gateways, &key);
    if (!gateway || gateway->gateway != p->route_target)
        return DROP_BLACKHOLE;
    if (!p->own_source || p->key.family != FAMILY_V6)
        return DROP_NO_PUBLIC;
    if (p->known && !(p->was.flags & FLOW_FORWARD)) /* it began outside, through another gateway */
        return DROP_EGRESS_ONLY;
    p->v.flags |= FLOW_EGRESS_ONLY | GATEWAY_TAG(gateway->gateway);
    p->src_public = p->key.src;
    gateway_tracks(p);
    p->next = NEXT_INTERNET;
    return 0;
}

/* Whether the packet goes on with a flow through its gateway. */
static __always_inline int nat_keeps(const struct pkt *p) {
    return p->known && (p->was.flags & (GATEWAY_FLAGS | FLOW_FORWARD)) ==
                           (FLOW_NAT | FLOW_FORWARD | GATEWAY_TAG(p->nat));
}

/* Step 2. */
static __always_inline int nat_accepts(const struct pkt *p) {
    if (p->key.family != FAMILY_V4)
        return DROP_NAT_PROTOCOL;
    if (p->key.proto == IPPROTO_ICMP) {
        if (!p->error && p->icmp_type != ICMP_ECHO)
            return DROP_NAT_PROTOCOL;
    } else if (p->key.proto != IPPROTO_TCP && p->key.proto != IPPROTO_UDP) {
        return DROP_NAT_PROTOCOL;
    }
    if (nat_refuses_fragment(p))
        return DROP_FRAGMENT;
    if (p->kind != PKT_FLOW && !p->known && !p->error) /* a piece whose flow is over: no port */
        return DROP_NAT_UNSOLICITED;
    if (p->key.proto == IPPROTO_TCP && !p->known &&
        (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN)
        return DROP_NAT_RESET;
    return 0;
}

/* Step 3. */
STAGE int nat_leave(u32 subnet, u32 vpc) {
    struct pkt *p = pkt_get();
    struct eni_key key = {};
    struct eni_value *e;
    int reason;

    if (!p)
        return DROP_INTERNAL;
    p->next = NEXT_NONE;
    p->partner.src = p->key.dst;
    key.eni = p->dst_eni;
    e = p->dst_vpc == vpc ? bpf_map_lookup_elem(&enis, &key) : 0;
    p->crosses = !e || e->subnet != subnet;
    if (!p->crosses) {
        p->v.far = p->dst_eni;
        return 0;
    }
    reason = acl_ask(subnet, DIR_EGRESS, &p->key.dst);
    if (!reason)
        reason = route_look(subnet, 0);
    if (reason)
        return reason;
    switch (p->route_kind) {
    case 0:
        return DROP_NO_ROUTE;
    case ROUTE_LOCAL:
        p->v.far = e ? p->dst_eni : 0;
        break;
    case ROUTE_ENI:
        p->v.far = p->route_target;
        if (!p->v.far || p->v.far == p->key.eni)
            return DROP_BLACKHOLE;
        break;
    case ROUTE_PCX: {
        struct addr_value *a;
        if (!far_vpc_read(p, p->route_target))
            return DROP_BLACKHOLE;
        a = addr_find(p->route_target, p->key.family, &p->key.dst);
        p->v.far = a ? a->eni : 0;
        break;
    }
    case ROUTE_IGW:
        if (!p->has_public)
            return DROP_NO_PUBLIC;
        p->next = NEXT_INTERNET;
        return 0;
    case ROUTE_VGW:
        return DROP_NO_VPN;
    case ROUTE_BLACKHOLE:
        return DROP_BLACKHOLE;
    default:
        return DROP_ROUTE_KIND;
    }
    return p->v.far ? 0 : DROP_NO_ADDRESS;
}

/* Whether one flow more to p->partner's destination finds a port of p->partner.dst. */
static __always_inline int nat_has_room(const struct pkt *p) {
    struct nat_count_value *count;
    struct flow_key key = p->partner;

    key.dport = 0;
    count = bpf_map_lookup_elem(&nat_counts, &key);
    return !count || count->flows < NAT_FLOWS;
}

static __always_inline int nat_source(struct pkt *p, const struct nat_source_key *key) {
    struct nat_source_value *source = bpf_map_lookup_elem(&nat_sources, key);

    if (!source)
        return 0;
    p->v.new_src = p->v.flags & FLOW_INTERNET ? source->public_addr : source->private_addr;
    p->partner.dst = p->v.new_src;
    return !addr_is_zero(&p->v.new_src);
}

/* Steps 1 to 3. */
STAGE int nat_egress(void) {
    struct pkt *p = pkt_get();
    struct nat_source_key source_key = {};
    struct nat_source_value *source;
    struct nat_value *nat;
    u32 subnet;
    int reason = 0;

    if (!p)
        return DROP_INTERNAL;
    p->nat = source_key.nat = p->route_target;
    nat = nat_find(p->nat);
    source = bpf_map_lookup_elem(&nat_sources, &source_key);
    if (!nat || !source || nat->vpc != p->vpc)
        return DROP_BLACKHOLE;
    subnet = nat->subnet;
    p->log_place = LOG_GATEWAY;
    p->log_gateway = p->nat;
    p->has_public = !addr_is_zero(&source->public_addr);
    p->src_public = source->public_addr; /* all have one, or none has */
    if (subnet != p->subnet)             /* 1 */
        reason = acl_ask(subnet, DIR_INGRESS, &p->wire_src);
    if (!reason)
        reason = nat_accepts(p); /* 2 */
    if (!reason)
        reason = nat_leave(subnet, p->vpc); /* 3 */
    return reason;
}

/* Step 4, when the rest of the path is known. */
STAGE int nat_choose(void) {
    struct pkt *p = pkt_get();
    struct nat_source_key key = {};
    struct nat_addr_value *a;
    struct nat_value *nat;
    u32 start, sources;

    if (!p)
        return DROP_INTERNAL;
    key.nat = p->nat;
    nat = nat_find(p->nat);
    if (!nat || !nat->sources)
        return DROP_BLACKHOLE;
    sources = nat->sources;
    p->v.flags |= FLOW_NAT | FLOW_SNAT | GATEWAY_TAG(p->nat);
    p->partner.eni = p->v.far;
    p->partner.family = p->key.family;
    p->partner.proto = p->key.proto;
    p->partner.is_reply = is_reply_of(&p->key);
    p->partner.sport = p->key.dport;
    p->partner.dport = 0;
    gateway_tracks(p);
    if (nat_keeps(p)) {
        a = nat_addr_find(p->v.flags & FLOW_INTERNET ? 0 : p->vpc, p->key.family,
                          &p->was_partner.dst);
        if (a && a->nat == p->nat) {
            p->v.new_src = p->partner.dst = p->was_partner.dst;
            p->v.new_sport = p->partner.dport = p->was_partner.dport;
            return 0;
        }
    }
    start = p->key.src.b[0] + p->key.src.b[1] + p->key.src.b[2] + p->key.src.b[3];
    for (u32 i = 0; i < MAX_NAT_SOURCES && i < sources; i++) {
        key.index = (start + i) % sources;
        if (nat_source(p, &key) && nat_has_room(p))
            return 0;
    }
    key.index = start % sources;
    return nat_source(p, &key) ? 0 : DROP_NO_PUBLIC;
}

#endif
