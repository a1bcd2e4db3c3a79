/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Stage 3, the way back (service.h): whose answer it is, of which service, and from which address
 * the instance expects it, all by the addresses inside. */
#ifndef VPCD_BPF_SERVICE_BACK_H
#define VPCD_BPF_SERVICE_BACK_H

#include "bpf/service.h"

/* What answers from there; SERVICE_NONE: no service does. */
static __always_inline u32 answer_what(const struct pkt *p) {
    u32 w = bpf_ntohl(p->key.src.w[0]), last = bpf_ntohl(p->key.src.w[3]), what = SERVICE_NONE;
    u16 port = bpf_ntohs(p->key.sport);
    int udp = p->key.proto == IPPROTO_UDP, tcp = p->key.proto == IPPROTO_TCP;

    if (p->key.family == FAMILY_V4)
        what = w >> 20 == SERVICE4_SERVER >> 20 ? w >> 16 & 15 : SERVICE_NONE;
    else if (!is_all_of(&p->key.src, SERVICE6_SERVER, last))
        what = SERVICE_NONE;
    else if (last == SERVICE6_DNS)
        what = SERVICE_DNS_LINK;
    else if (last == SERVICE6_METADATA)
        what = SERVICE_METADATA;
    else if (last == SERVICE6_TIME)
        what = SERVICE_TIME;
    else if (last == SERVICE6_DHCP)
        what = SERVICE_DHCP6;
    else if (last == SERVICE6_ROUTER)
        what = SERVICE_ROUTER;

    switch (what) {
    case SERVICE_DNS_VPC:
    case SERVICE_DNS_LINK:
        return (udp || tcp) && port == 53 ? what : SERVICE_NONE;
    case SERVICE_METADATA:
        return tcp && port == 80 ? what : SERVICE_NONE;
    case SERVICE_TIME:
        return udp && port == 123 ? what : SERVICE_NONE;
    case SERVICE_DHCP:
        return p->key.family == FAMILY_V4 && udp && port == 67 && p->key.dport == bpf_htons(68)
                   ? what
                   : SERVICE_NONE;
    case SERVICE_DHCP6:
        return p->key.family == FAMILY_V6 && udp && port == 547 && p->key.dport == bpf_htons(546)
                   ? what
                   : SERVICE_NONE;
    case SERVICE_ROUTER:
        return p->key.family == FAMILY_V6 && p->key.proto == IPPROTO_ICMPV6 &&
                       p->icmp_type == ICMP6_ROUTER_ADVERTISEMENT
                   ? what
                   : SERVICE_NONE;
    default:
        return SERVICE_NONE;
    }
}

/* The interface that the destination names; 0: none. */
static __always_inline u32 answer_to(const struct pkt *p) {
    u32 w = bpf_ntohl(p->key.dst.w[0]);

    if (p->key.family == FAMILY_V4)
        return w >> 28 == SERVICE4_CLIENT >> 28 ? w & SERVICE_NUMBER_MAX : 0;
    return w == SERVICE6_GLOBAL || w == SERVICE6_LINK ? bpf_ntohl(p->key.dst.w[1]) : 0;
}

/* The addresses that the instance knows: p->v.new_src and new_dst. `all`: to the whole link. 0, or
 * the reason. */
static __always_inline int answer4_addresses(struct pkt *p, u32 what,
                                             const struct subnet_value *subnet,
                                             const struct resolver_value *resolver, u32 *all) {
    u32 low = bpf_ntohl(p->key.src.w[0]) & 0xffff, from;
    u32 base = resolver ? resolver->addr.w[0] : 0;

    if (what == SERVICE_DNS_VPC && !base)
        return DROP_SERVICE_ANSWER;
    from = what == SERVICE_DNS_VPC    ? base
           : what == SERVICE_DNS_LINK ? bpf_htonl(SERVICE4_RESOLVER)
           : what == SERVICE_METADATA ? bpf_htonl(SERVICE4_METADATA)
           : what == SERVICE_TIME     ? bpf_htonl(SERVICE4_TIME)
                                      : subnet->v4.w[0] | bpf_htonl(1);
    p->v.new_src.w[0] = from;
    p->v.new_dst.w[0] = (subnet->v4.w[0] & bpf_htonl(0xffff0000)) | bpf_htonl(low);
    if (low)
        return 0;
    p->v.new_dst.w[0] = 0xffffffff;
    *all = 1;
    return what == SERVICE_DHCP ? 0 : DROP_SERVICE_ANSWER;
}

static __always_inline int answer6_addresses(struct pkt *p, u32 what,
                                             const struct subnet_value *subnet,
                                             const struct config_value *c, u32 *all) {
    p->v.new_src = p->key.src;
    if (what == SERVICE_DHCP6 || what == SERVICE_ROUTER)
        p->v.new_src = c->router6;
    p->v.new_dst.w[2] = p->key.dst.w[2];
    p->v.new_dst.w[3] = p->key.dst.w[3];
    if (p->key.dst.w[0] == bpf_htonl(SERVICE6_GLOBAL)) {
        p->v.new_dst.w[0] = subnet->v6.w[0];
        p->v.new_dst.w[1] = subnet->v6.w[1];
        return 0;
    }
    if (what != SERVICE_DHCP6 && what != SERVICE_ROUTER)
        return DROP_SERVICE_ANSWER;
    p->v.new_dst.w[0] = bpf_htonl(0xfe800000);
    p->v.new_dst.w[1] = 0;
    *all = !p->key.dst.w[2] && !p->key.dst.w[3];
    if (!*all)
        return 0;
    p->v.new_dst.w[0] = bpf_htonl(0xff020000);
    p->v.new_dst.w[3] = bpf_htonl(1);
    return what == SERVICE_ROUTER ? 0 : DROP_SERVICE_ANSWER;
}

/* Whether the interface has the address, now. A link-local one is its own affair. */
static __always_inline int answer_is_its(const struct pkt *p, u32 eni, u32 vpc) {
    struct addr_value *a;

    if (p->key.family == FAMILY_V6 && p->key.dst.w[0] == bpf_htonl(SERVICE6_LINK))
        return 1;
    a = addr_find(vpc, p->key.family, &p->v.new_dst);
    return a && a->eni == eni;
}

/* 0, and p->v is the way; or the reason. */
STAGE int answer_find(void) {
    struct config_value *c = config_get();
    struct pkt *p = pkt_get();
    struct link_key link_key = {};
    struct resolver_value *resolver;
    struct subnet_value *subnet;
    struct link_value *link;
    struct eni_value *e;
    u32 what, eni, all = 0;
    int reason;

    if (!p || !c)
        return DROP_INTERNAL;
    what = answer_what(p);
    eni = answer_to(p);
    if (!what || !eni || p->fragment || p->kind == PKT_ARP || p->kind == PKT_NS)
        return DROP_SERVICE_ANSWER;
    e = eni_of(eni);
    link_key.eni = eni;
    link = bpf_map_lookup_elem(&links, &link_key);
    if (!e || !link)
        return DROP_NO_LINK;
    subnet = subnet_of(e->subnet);
    if (!subnet)
        return DROP_NO_LINK;
    resolver = resolver_of(e->subnet);
    __builtin_memset(&p->v, 0, sizeof p->v);
    reason = p->key.family == FAMILY_V4 ? answer4_addresses(p, what, subnet, resolver, &all)
                                        : answer6_addresses(p, what, subnet, c, &all);
    if (reason)
        return reason;
    if (!all && !answer_is_its(p, eni, e->vpc) && what != SERVICE_DHCP)
        return DROP_SERVICE_ANSWER;
    p->service = what;
    p->v.far = eni;
    p->v.ifindex = link->ifindex;
    if (link->kind == LINK_VETH)
        p->v.flags |= FLOW_TO_PEER;
    __builtin_memcpy(p->v.dst_mac, e->mac, 6);
    if (all && p->key.family == FAMILY_V4) {
        __builtin_memset(p->v.dst_mac, 0xff, 6);
    } else if (all) {
        __builtin_memset(p->v.dst_mac, 0, 6);
        p->v.dst_mac[0] = p->v.dst_mac[1] = 0x33;
        p->v.dst_mac[5] = 1;
    }
    return 0;
}

/* What the hook of the services' veth returns. */
STAGE int service_answer(struct __sk_buff *skb) {
    struct config_value *c = config_get();
    struct service_stats_value *stats;
    struct pkt *p = pkt_get();
    struct eni_key key = {};
    int reason;

    if (!p || !c)
        return TC_ACT_SHOT;
    reason = answer_find();
    if (!reason)
        reason = service_rewrite(skb, p, p->v.dst_mac, c->router_mac);
    if (reason)
        return pkt_drop((u32)reason);
    key.eni = p->v.far;
    stats = bpf_map_lookup_elem(&service_stats, &key);
    if (stats)
        __sync_fetch_and_add(&stats->answers, 1);
    if (p->v.flags & FLOW_TO_PEER && (p->v.dst_mac[0] & 1)) {
        if (skb->pkt_type != PACKET_MULTICAST)
            bpf_skb_change_type(skb,
                                p->key.family == FAMILY_V4 ? PACKET_BROADCAST : PACKET_MULTICAST);
        return (int)bpf_redirect_peer(p->v.ifindex, 0);
    }
    return deliver_to(skb, p->v.ifindex, p->v.flags & FLOW_TO_PEER);
}

#endif
