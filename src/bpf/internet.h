/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The internet gateway: between the private addresses of ENIs and the uplink.
 *
 * Out: the source must have a public address: the sender's own, or another one of the VPC where a
 * middlebox forwards (its source check is off). IPv4 is translated 1:1,
 * IPv6 passes as it is. Then, by destination:
 *  1. another public address (or one's own): the packet turns round in the gateway, its destination
 *     is translated too, and it is delivered to that ENI as one that came from outside: the
 *     receiver's groups see the sender's public address. One flow entry holds both translations.
 *     Nothing begins so at whoever would answer by an egress-only gateway
 *  2. the answers to what began outside: they go where it came from
 *  3. the host's own address: echo requests, the ports that --uplink-allow names, all with
 *     CONFIG_HOST_OPEN
 *  4. the rest of the pools: nobody
 *  5. anything else: only with CONFIG_UPLINK_ANY, and then no private network and none of the
 *     host's; for the host would forward to whatever it is connected to
 */
#ifndef VPCD_BPF_INTERNET_H
#define VPCD_BPF_INTERNET_H

#include "bpf/answer.h"
#include "bpf/packet.h"
#include "bpf/parse.h"
#include "bpf/source.h"

static __always_inline struct public_value *public_find(u8 family, const struct abi_addr *addr) {
    struct public_key key = {.family = family, .addr = *addr};
    struct public_value *v = bpf_map_lookup_elem(&publics, &key);

    if (v || family != FAMILY_V6)
        return v;
    key.family = ADDR_PREFIX6;
    prefix6_of(&key.addr);
    return bpf_map_lookup_elem(&publics, &key);
}

/* The private address behind a public one that was found. */
static __always_inline const struct abi_addr *
public_private(const struct public_value *v, u8 family, const struct abi_addr *addr) {
    return family == FAMILY_V6 ? addr : &v->private_addr;
}

static __always_inline int is_host_address(const struct config_value *c, u8 family,
                                           const struct abi_addr *a) {
    const struct abi_addr *host = family == FAMILY_V4 ? &c->host4 : &c->host6;

    return !addr_is_zero(host) && addr_equal(a, host);
}

static __always_inline int is_pool_address(const struct config_value *c, u8 family,
                                           const struct abi_addr *a) {
    if (family == FAMILY_V4)
        return c->pool4_len && addr_has_prefix(a, &c->pool4, c->pool4_len);
    return c->pool6_len && addr_has_prefix(a, &c->pool6, c->pool6_len);
}

static __always_inline int v4_in(const struct abi_addr *a, u32 net, u32 len) {
    return ((bpf_ntohl(a->w[0]) ^ net) >> (32 - len)) == 0;
}

/* RFC 6890: what is not global, for both families. */
static __always_inline int is_private(u8 family, const struct abi_addr *a) {
    if (family == FAMILY_V4)
        return v4_in(a, 0x0a000000, 8) || v4_in(a, 0xac100000, 12) || v4_in(a, 0xc0a80000, 16) ||
               v4_in(a, 0x64400000, 10) || v4_in(a, 0xa9fe0000, 16) || v4_in(a, 0, 8) ||
               v4_in(a, 0x7f000000, 8) || v4_in(a, 0xf0000000, 4);
    return (a->b[0] & 0xfe) == 0xfc || is_link_local(family, a) || (a->w[0] | a->w[1]) == 0;
}

static __always_inline int is_host_net(u8 family, const struct abi_addr *a) {
    struct host_net_key key = {.family = family, .addr = *a};

    key.prefixlen = HOST_NET_PREFIX + (family == FAMILY_V4 ? 32 : 128);
    return bpf_map_lookup_elem(&host_nets, &key) != 0;
}

/* Case 3. */
static __always_inline int host_allows(const struct pkt *p, const struct config_value *c) {
    struct uplink_port_key key = {.proto = p->key.proto, .port = bpf_ntohs(p->key.dport)};

    if (c->flags & CONFIG_HOST_OPEN)
        return 1;
    if (p->key.proto == IPPROTO_ICMP || p->key.proto == IPPROTO_ICMPV6)
        return p->kind == PKT_FLOW &&
               p->icmp_type == (p->key.family == FAMILY_V4 ? ICMP_ECHO : ICMP6_ECHO);
    if (p->key.proto != IPPROTO_TCP && p->key.proto != IPPROTO_UDP)
        return 0;
    return bpf_map_lookup_elem(&uplink_ports, &key) != 0;
}

/* Cases 2 to 5. */
static __always_inline int uplink_allows(const struct pkt *p, const struct config_value *c) {
    u8 family = p->key.family;

    if (p->known && !(p->was.flags & FLOW_FORWARD))
        return 0;
    if (is_host_address(c, family, &p->key.dst))
        return host_allows(p, c) ? 0 : DROP_UPLINK_PORT;
    if (is_pool_address(c, family, &p->key.dst) || !(c->flags & CONFIG_UPLINK_ANY) ||
        is_private(family, &p->key.dst) || is_host_net(family, &p->key.dst))
        return DROP_UPLINK_DESTINATION;
    return 0;
}

/* What the route table of the receiver's subnet says of the packet's source (enum route_kind, and
 * ROUTE_INSIDE); 0: nothing. */
STAGE u32 route_back(void) {
    struct pkt *p = pkt_get();
    struct subnet_key subnet_key = {};
    struct subnet_value *subnet;
    struct eni_key eni_key = {};
    struct route_value *route;
    struct route_key key = {};
    struct eni_value *e;

    if (!p)
        return 0;
    eni_key.eni = p->v.far;
    e = bpf_map_lookup_elem(&enis, &eni_key);
    if (!e)
        return 0;
    subnet_key.subnet = e->subnet;
    subnet = bpf_map_lookup_elem(&subnets, &subnet_key);
    if (!subnet)
        return 0;
    key.prefixlen = ROUTE_PREFIX + (p->key.family == FAMILY_V4 ? 32 : 128);
    key.table = subnet->route_table;
    key.family = p->key.family;
    key.addr = p->v.flags & FLOW_SNAT ? p->v.new_src : p->wire_src;
    route = bpf_map_lookup_elem(&routes, &key);
    return route ? route->kind : 0;
}

/* Case 1. The other VPC's generations are read before the address is believed. */
static __always_inline int internet_turn(struct pkt *p) {
    struct public_value *there = public_find(p->key.family, &p->key.dst);
    u32 vpc;

    if (!there)
        return 0;
    vpc = there->vpc;
    if (!far_vpc_read(p, vpc))
        return 0;
    there = public_find(p->key.family, &p->key.dst);
    if (!there || there->vpc != vpc)
        return 0;
    p->v.far = p->partner.eni = there->eni;
    p->partner.src = *public_private(there, p->key.family, &p->key.dst);
    if (!addr_equal(&p->partner.src, &p->key.dst)) {
        p->v.flags |= FLOW_DNAT;
        p->v.new_dst = p->partner.src;
    }
    return 1;
}

/* Out of the VPC, with the source p->src_public. */
STAGE int internet_leave(void) {
    struct pkt *p = pkt_get();
    struct config_value *c = config_get();

    if (!p || !c)
        return DROP_INTERNAL;
    p->v.flags |= FLOW_INTERNET;
    p->partner.family = p->key.family;
    p->partner.proto = p->key.proto;
    p->partner.is_reply = is_reply_of(&p->key);
    p->partner.dst = p->src_public;
    p->partner.sport = p->key.dport;
    p->partner.dport = p->key.sport;
    p->next = NEXT_NONE;
    if (is_answer_of(p, FLOW_EGRESS_ONLY)) {
        p->next = NEXT_ANSWER_EGRESS_ONLY;
        return 0;
    }
    if (internet_turn(p)) {
        p->next = NEXT_EDGE;
        return ROUTE_KIND(route_back()) == ROUTE_EIGW ? DROP_EGRESS_ONLY : 0;
    }
    if (nat_addr_find(0, p->key.family, &p->key.dst)) {
        p->next = NEXT_ANSWER_NAT;
        p->next_vpc = 0;
        return p->nat ? DROP_NAT_UNSOLICITED : 0; /* from one gateway to another */
    }
    p->v.far = 0;
    p->partner.eni = 0;
    p->partner.src = p->key.dst;
    if (!c->uplink_ifindex)
        return DROP_NO_UPLINK;
    return uplink_allows(p, c);
}

STAGE int internet_egress(void) {
    struct pkt *p = pkt_get();

    if (!p)
        return DROP_INTERNAL;
    if (!p->has_public)
        return DROP_NO_PUBLIC;
    if (!addr_equal(&p->src_public, &p->key.src)) {
        p->v.flags |= FLOW_SNAT;
        p->v.new_src = p->src_public;
    }
    p->next = NEXT_INTERNET;
    return 0;
}

#endif
