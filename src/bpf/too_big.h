/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Packets that do not fit their way: 1,500 bytes through a gateway to the internet, 9,001 inside
 * the VPC. Of a packet that is to be segmented later (GSO) the largest segment counts.
 *
 * IPv4 without "don't fragment" is cut into fragments (split.h). All else is dropped, and the
 * sender is told the size that fits (RFC 1191, RFC 4443 3.2), by the router of its subnet: .1 for
 * IPv4, the link-local one for IPv6. The message comes from inside the subnet, so no ACL is asked,
 * and groups let it in as part of the flow that it quotes. It quotes what the sender wrote, before
 * any translation: 576 bytes of message (RFC 1812), 1,280 for IPv6. An interface gets no more than
 * TOO_BIG_A_SECOND of them.
 *
 * From the uplink nothing can be too large for the inside; what is larger than the uplink's own MTU
 * should not be there, and nobody is told.
 */
#ifndef VPCD_BPF_TOO_BIG_H
#define VPCD_BPF_TOO_BIG_H

#include <linux/ip.h>
#include <linux/ipv6.h>

#include "bpf/icmp.h"
#include "bpf/packet.h"
#include "bpf/rebuild.h"

#define VPC_MTU 9001
#define TOO_BIG_A_SECOND 100
#define TOO_BIG_QUOTE4 (576 - 28)
#define TOO_BIG_QUOTE6 (1280 - 48)

static __always_inline u32 mtu_of(const struct pkt *p) {
    return !p->v.far || !p->key.eni || p->v.flags & FLOW_INTERNET ? UPLINK_MTU : VPC_MTU;
}

/* Whether it neither fits nor can be cut. */
static __always_inline int too_big(const struct pkt *p) {
    u32 mtu = mtu_of(p);

    return p->wire_len > mtu && !(p->may_split && mtu == UPLINK_MTU && p->wire_len <= VPC_MTU);
}

/* The router of the sender's subnet as the message's source; 0: there is none. */
static __always_inline int router_address(const struct pkt *p, struct abi_addr *ret) {
    struct eni_key eni_key = {.eni = p->key.eni};
    struct eni_value *e = bpf_map_lookup_elem(&enis, &eni_key);
    struct config_value *c = config_get();
    struct subnet_key subnet_key = {};
    struct subnet_value *subnet;

    if (!e || !c)
        return 0;
    if (p->key.family == FAMILY_V6) {
        *ret = c->router6;
        return 1;
    }
    subnet_key.subnet = e->subnet;
    subnet = bpf_map_lookup_elem(&subnets, &subnet_key);
    if (!subnet || !subnet->v4_len)
        return 0;
    __builtin_memset(ret, 0, sizeof *ret);
    ret->w[0] = subnet->v4.w[0] | bpf_htonl(1);
    return 1;
}

struct icmp_too_big {
    u8 type, code;
    __be16 sum;
    __be32 mtu; /* IPv4: its lower half only, and nothing in the upper one */
};

union ip_header {
    struct iphdr v4;
    struct ipv6hdr v6;
};

/* The message in the room, but for its checksum: its length; 0: it could not be. */
static __always_inline u32 message_write(struct __sk_buff *skb, struct pkt *p, struct room *r) {
    struct icmp_too_big *m = (void *)r->b;
    u32 v6 = p->key.family == FAMILY_V6;

    m->type = v6 ? ICMP6_TOO_BIG : ICMP_UNREACHABLE;
    m->code = v6 ? 0 : 4; /* fragmentation needed and DF set */
    m->sum = 0;
    m->mtu = bpf_htonl(mtu_of(p));
    if (bpf_skb_load_bytes(skb, ETH_LEN, r->b + sizeof *m, v6 ? TOO_BIG_QUOTE6 : TOO_BIG_QUOTE4))
        return 0;
    return sizeof *m + (v6 ? TOO_BIG_QUOTE6 : TOO_BIG_QUOTE4);
}

/* The IP header of a message of `len` bytes to the sender. */
static __always_inline void header_write(union ip_header *h, const struct pkt *p,
                                         const struct abi_addr *from, u32 len) {
    __builtin_memset(h, 0, sizeof *h);
    if (p->key.family == FAMILY_V6) {
        h->v6.version = 6;
        h->v6.payload_len = bpf_htons((u16)len);
        h->v6.nexthdr = IPPROTO_ICMPV6;
        h->v6.hop_limit = 64;
        __builtin_memcpy(&h->v6.saddr, from, 16);
        __builtin_memcpy(&h->v6.daddr, &p->wire_src, 16);
        return;
    }
    h->v4.version = 4;
    h->v4.ihl = 5;
    h->v4.tos = 0xc0; /* internetwork control (RFC 1812 4.3.2.5) */
    h->v4.tot_len = bpf_htons((u16)(sizeof h->v4 + len));
    h->v4.ttl = 64;
    h->v4.protocol = IPPROTO_ICMP;
    h->v4.saddr = from->w[0];
    h->v4.daddr = p->wire_src.w[0];
    h->v4.check = (u16)~sum_fold((u32)bpf_csum_diff(0, 0, (__be32 *)&h->v4, sizeof h->v4, 0));
}

/* Of ICMPv6's pseudo header. */
static __always_inline u32 pseudo_sum(struct abi_addr *from, struct abi_addr *to, u32 len) {
    __be32 tail[2] = {bpf_htonl(len), bpf_htonl(IPPROTO_ICMPV6)};
    s64 sum = bpf_csum_diff(0, 0, (__be32 *)from, 16, 0);

    sum = bpf_csum_diff(0, 0, (__be32 *)to, 16, (__wsum)sum);
    return (u32)bpf_csum_diff(0, 0, tail, sizeof tail, (__wsum)sum);
}

/* 0: the skb is the message. */
STAGE int too_big_message(struct __sk_buff *skb) {
    struct config_value *c = config_get();
    struct room *r = room_get();
    struct pkt *p = pkt_get();
    struct abi_addr from = {};
    union ip_header ip;
    u32 len, v6;
    u8 macs[12];

    if (!p || !r || !c || !router_address(p, &from) || rebuild_told(p, 0) >= TOO_BIG_A_SECOND)
        return DROP_TOO_BIG;
    v6 = p->key.family == FAMILY_V6;
    len = message_write(skb, p, r);
    if (!len)
        return DROP_INTERNAL;
    ((struct icmp_too_big *)r->b)->sum =
        (u16)~sum_fold(room_sum(len, v6 ? pseudo_sum(&from, &p->wire_src, len) : 0));
    header_write(&ip, p, &from, len);
    __builtin_memcpy(macs, p->eth_src.b, 6);
    __builtin_memcpy(macs + 6, c->router_mac, 6);
    if (rebuild_strip(skb, ETH_LEN + len + (v6 ? sizeof ip.v6 : sizeof ip.v4)) ||
        bpf_skb_store_bytes(skb, 0, macs, sizeof macs, 0) ||
        bpf_skb_store_bytes(skb, ETH_LEN, &ip, v6 ? sizeof ip.v6 : sizeof ip.v4, 0))
        return DROP_INTERNAL;
    return v6 ? bpf_skb_store_bytes(skb, ETH_LEN + sizeof ip.v6, r->b, 8 + TOO_BIG_QUOTE6, 0)
              : bpf_skb_store_bytes(skb, ETH_LEN + sizeof ip.v4, r->b, 8 + TOO_BIG_QUOTE4, 0);
}

#endif
