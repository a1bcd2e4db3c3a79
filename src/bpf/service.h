/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Stage 3: what instances ask the link for, and the way there and back.
 *
 * There: the packet asks a service (service_asked), from an address of the sender's own; it gets
 * the addresses of abi/service.h and goes to the services' namespace, TTL as it was. Back: only to
 * the interface that the destination names, only as the answer of a service, to an address that the
 * interface has. All of it follows from the packet and the model, so nothing is remembered: no
 * flow, no group and no network ACL is asked ("security groups don't filter traffic to" the
 * resolver, DHCP, metadata, time: VPC user guide).
 *
 * What DHCP and router solicitations need, stage 1 refuses for all others: those come here early.
 * Fragments are refused: no service needs more than a packet holds.
 */
#ifndef VPCD_BPF_SERVICE_H
#define VPCD_BPF_SERVICE_H

#include "abi/service.h"
#include "bpf/deliver.h"
#include "bpf/nat.h"
#include "bpf/packet.h"
#include "bpf/route.h"
#include "bpf/source.h"

#define TO_SERVICE (DROP_SLOTS + 1) /* no drop: see NOT_OF_FLOW */

#define SERVICE4_RESOLVER 0xa9fea9fdu /* 169.254.169.253 */
#define SERVICE4_METADATA 0xa9fea9feu
#define SERVICE4_TIME 0xa9fea97bu

#define NS_A_SECOND 1000000000u

static __always_inline struct service_config_value *service_config_get(void) {
    u32 zero = 0;

    return bpf_map_lookup_elem(&service_config, &zero);
}

static __always_inline struct subnet_value *subnet_of(u32 subnet) {
    struct subnet_key key = {.subnet = subnet};

    return bpf_map_lookup_elem(&subnets, &key);
}

static __always_inline struct resolver_value *resolver_of(u32 subnet) {
    struct subnet_key key = {.subnet = subnet};

    return bpf_map_lookup_elem(&resolvers, &key);
}

static __always_inline struct eni_value *eni_of(u32 eni) {
    struct eni_key key = {.eni = eni};

    return bpf_map_lookup_elem(&enis, &key);
}

static __always_inline int asks(const struct pkt *p, u8 proto, u16 port) {
    return p->key.proto == proto && p->key.dport == bpf_htons(port);
}

static __always_inline int asks_dns(const struct pkt *p) {
    return asks(p, IPPROTO_UDP, 53) || asks(p, IPPROTO_TCP, 53);
}

/* In the slow path: whether the packet is for stage 3 at all. */
static __always_inline int service_asked(const struct pkt *p) {
    struct resolver_value *resolver;
    struct eni_value *e;

    if (is_service(p->key.family, &p->key.dst))
        return 1;
    if (p->key.family != FAMILY_V4 || !asks_dns(p))
        return 0;
    e = eni_of(p->key.eni);
    resolver = e ? resolver_of(e->subnet) : 0;
    return resolver && addr_equal(&resolver->addr, &p->key.dst);
}

/* ---- there ---- */

static __always_inline u32 service4_what(const struct pkt *p, const struct subnet_value *subnet,
                                         const struct resolver_value *resolver) {
    u32 dst = bpf_ntohl(p->key.dst.w[0]);

    if (p->key.proto == IPPROTO_UDP && p->key.sport == bpf_htons(68) &&
        p->key.dport == bpf_htons(67))
        return dst == 0xffffffff || is_router(subnet, FAMILY_V4, &p->key.dst) ? SERVICE_DHCP
                                                                              : SERVICE_NONE;
    if (asks_dns(p)) {
        if (dst == SERVICE4_RESOLVER)
            return SERVICE_DNS_LINK;
        return resolver && addr_equal(&p->key.dst, &resolver->addr) ? SERVICE_DNS_VPC
                                                                    : SERVICE_NONE;
    }
    if (dst == SERVICE4_METADATA && asks(p, IPPROTO_TCP, 80))
        return SERVICE_METADATA;
    return dst == SERVICE4_TIME && asks(p, IPPROTO_UDP, 123) ? SERVICE_TIME : SERVICE_NONE;
}

static __always_inline int is_all_of(const struct abi_addr *a, u32 first, u32 last) {
    return a->w[0] == bpf_htonl(first) && !a->w[1] && !a->w[2] && a->w[3] == bpf_htonl(last);
}

static __always_inline u32 service6_what(const struct pkt *p) {
    const struct abi_addr *dst = &p->key.dst;
    u32 last = bpf_ntohl(dst->w[3]);

    if (p->key.proto == IPPROTO_UDP && p->key.sport == bpf_htons(546) &&
        p->key.dport == bpf_htons(547))
        return is_all_of(dst, 0xff020000, 0x10002) ? SERVICE_DHCP6 : SERVICE_NONE;
    if (p->key.proto == IPPROTO_ICMPV6 && p->icmp_type == ICMP6_ROUTER_SOLICITATION)
        return is_all_of(dst, 0xff020000, 2) || is_all_of(dst, 0xfe800000, 1) ? SERVICE_ROUTER
                                                                              : SERVICE_NONE;
    if (!is_all_of(dst, SERVICE6_SERVER, last))
        return SERVICE_NONE;
    if (last == SERVICE6_DNS && asks_dns(p))
        return SERVICE_DNS_LINK;
    if (last == SERVICE6_METADATA && asks(p, IPPROTO_TCP, 80))
        return SERVICE_METADATA;
    return last == SERVICE6_TIME && asks(p, IPPROTO_UDP, 123) ? SERVICE_TIME : SERVICE_NONE;
}

/* An address of the sender's own. Whoever has none yet may ask for one: from 0.0.0.0 or `::`, and
 * from a link-local address, which the answer can go to and nobody else sees. */
static __always_inline int service_source(const struct pkt *p, u32 what,
                                          const struct subnet_value *subnet) {
    const struct abi_addr *src = &p->key.src;
    int nowhere = addr_is_zero(src);
    struct addr_value *a;

    if (p->key.family == FAMILY_V4 && what == SERVICE_DHCP && nowhere)
        return 0;
    if (p->key.family == FAMILY_V6 && (what == SERVICE_DHCP6 || what == SERVICE_ROUTER)) {
        if (nowhere)
            return what == SERVICE_ROUTER ? 0 : DROP_SPOOFED_ADDRESS;
        if (src->w[0] == bpf_htonl(0xfe800000) && !src->w[1])
            return src->w[2] | src->w[3] ? 0 : DROP_SPOOFED_ADDRESS;
    }
    a = addr_find(p->vpc, p->key.family, src);
    if (!a || a->eni != p->key.eni)
        return DROP_SPOOFED_ADDRESS;
    /* The part that the subnet has in common is not carried there. */
    if (p->key.family == FAMILY_V4)
        return (src->w[0] ^ subnet->v4.w[0]) & bpf_htonl(0xffff0000) ? DROP_SPOOFED_ADDRESS : 0;
    return subnet->v6_len != 64 || src->w[0] != subnet->v6.w[0] || src->w[1] != subnet->v6.w[1]
               ? DROP_SPOOFED_ADDRESS
               : 0;
}

/* At most so many packets of an interface in a second, of all services together. */
static __always_inline int service_allowance(const struct pkt *p) {
    struct eni_key key = {.eni = p->key.eni};
    struct service_stats_value *stats = bpf_map_lookup_elem(&service_stats, &key);
    u64 second = bpf_ktime_get_ns() / NS_A_SECOND << 32, window;

    if (!stats)
        return DROP_NOT_READY;
    window = READ_ONCE(stats->window);
    if (window >> 32 != second >> 32)
        __sync_val_compare_and_swap(&stats->window, window, second);
    window = __sync_fetch_and_add(&stats->window, p->segments);
    if ((u32)window + p->segments > SERVICE_PACKETS_A_SECOND) {
        __sync_fetch_and_add(&stats->exceeded, p->segments);
        return DROP_SERVICE_ALLOWANCE;
    }
    __sync_fetch_and_add(&stats->requests, 1);
    return 0;
}

static __always_inline int router_valid(struct __sk_buff *skb, const struct pkt *p) {
    u8 hops, code;

    if (bpf_skb_load_bytes(skb, ETH_LEN + 7, &hops, 1) ||
        bpf_skb_load_bytes(skb, p->l4_off + 1, &code, 1))
        return DROP_TRUNCATED;
    return hops == 255 && !code ? 0 : DROP_ND_INVALID;
}

/* The addresses inside: p->v.new_src and new_dst. */
static __always_inline void service_addresses(struct pkt *p, u32 what) {
    const struct abi_addr src = p->key.src;

    __builtin_memset(&p->v.new_src, 0, sizeof p->v.new_src);
    if (p->key.family == FAMILY_V4) {
        __builtin_memset(&p->v.new_dst, 0, sizeof p->v.new_dst);
        p->v.new_src.w[0] = bpf_htonl(SERVICE4_CLIENT | p->key.eni);
        p->v.new_dst.w[0] =
            bpf_htonl(SERVICE4_SERVER | what << 16) | (src.w[0] & bpf_htonl(0xffff));
        return;
    }
    p->v.new_src.w[0] = addr_is_zero(&src) || is_link_local(FAMILY_V6, &src)
                            ? bpf_htonl(SERVICE6_LINK)
                            : bpf_htonl(SERVICE6_GLOBAL);
    p->v.new_src.w[1] = bpf_htonl(p->key.eni);
    p->v.new_src.w[2] = src.w[2];
    p->v.new_src.w[3] = src.w[3];
    p->v.new_dst = p->key.dst;
    if (what == SERVICE_DHCP6 || what == SERVICE_ROUTER) {
        p->v.new_dst.w[0] = bpf_htonl(SERVICE6_SERVER);
        p->v.new_dst.w[1] = p->v.new_dst.w[2] = 0;
        p->v.new_dst.w[3] = bpf_htonl(what == SERVICE_DHCP6 ? SERVICE6_DHCP : SERVICE6_ROUTER);
    }
}

/* 0 and p->service, or the reason of the drop; `otherwise` when it asks no service. */
STAGE int service_check(struct __sk_buff *skb, u32 otherwise) {
    struct service_config_value *s = service_config_get();
    struct pkt *p = pkt_get();
    struct resolver_value *resolver;
    struct subnet_value *subnet;
    struct eni_value *e;
    int reason;
    u32 what;

    if (!p || !s)
        return DROP_INTERNAL;
    if (!s->ifindex)
        return (int)otherwise;
    e = eni_of(p->key.eni);
    if (!e || e->vpc != p->vpc || p->key.eni > SERVICE_NUMBER_MAX)
        return DROP_NOT_READY;
    subnet = subnet_of(e->subnet);
    if (!subnet)
        return DROP_NOT_READY;
    resolver = resolver_of(e->subnet);
    what = p->key.family == FAMILY_V4 ? service4_what(p, subnet, resolver) : service6_what(p);
    if (!what)
        return (int)otherwise;
    if (p->fragment)
        return DROP_FRAGMENT;
    reason = service_source(p, what, subnet); /* 4 */
    if (reason)
        return reason;
    if ((what == SERVICE_DNS_VPC || what == SERVICE_DNS_LINK) &&
        (!resolver || !(resolver->flags & RESOLVER_ON)))
        return DROP_DNS_OFF;
    if (what == SERVICE_ROUTER)
        reason = router_valid(skb, p);
    if (!reason && is_partial(skb) && p->partial == PARTIAL_NONE)
        reason = offload_check(skb, p);
    p->service = what;
    return reason;
}

static __always_inline int service_rewrite(struct __sk_buff *skb, struct pkt *p, const u8 *to,
                                           const u8 *from) {
    u8 macs[12];
    int reason;

    p->wire_src = p->key.src;
    p->wire_proto = p->key.proto;
    reason = nat_address(skb, 0);
    if (!reason)
        reason = nat_address(skb, 1);
    if (reason)
        return reason;
    __builtin_memcpy(macs, to, 6);
    __builtin_memcpy(macs + 6, from, 6);
    return bpf_skb_store_bytes(skb, 0, macs, sizeof macs, 0) ? DROP_INTERNAL : 0;
}

/* What the hook returns for a packet that is for stage 3. */
STAGE int service_enter(struct __sk_buff *skb, u32 otherwise) {
    struct service_config_value *s = service_config_get();
    struct config_value *c = config_get();
    struct pkt *p = pkt_get();
    int reason;

    if (!p || !s || !c)
        return TC_ACT_SHOT;
    reason = service_check(skb, otherwise);
    if (reason)
        return pkt_refuse(p, (u32)reason);
    if (dry_run) {
        dry_result.service = p->service;
        return TC_ACT_REDIRECT;
    }
    reason = service_allowance(p);
    if (reason)
        return pkt_refuse(p, (u32)reason);
    service_addresses(p, p->service);
    reason = service_rewrite(skb, p, s->mac, c->router_mac);
    if (reason)
        return pkt_drop((u32)reason);
    return deliver_to(skb, s->ifindex, 1);
}

/* Stage 1 refused the packet for this; whether it may be a question all the same. */
static __always_inline int service_may_be(int reason) {
    return reason == DROP_DHCP || reason == DROP_ROUTER_SOLICITATION;
}

#endif
