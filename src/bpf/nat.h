/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Applies a verdict's translation to the packet. One path for both families, word by word.
 *
 * Transport checksums are changed by difference through the kernel's helpers and never computed:
 * those know whether the packet carries a full checksum or only the part over the pseudo header
 * (offload), for which an address counts and a port does not. Only where that part belongs to a
 * packet inside this one they do not know that this one's sum is whole. IPv4's header checksum is
 * never left to others, so it is changed in place.
 */
#ifndef VPCD_BPF_NAT_H
#define VPCD_BPF_NAT_H

#include "bpf/error.h"
#include "bpf/packet.h"
#include "bpf/parse.h"

#define IPV4_CHECK (ETH_LEN + 10)
#define IPV4_SRC (ETH_LEN + 12)
#define IPV4_DST (ETH_LEN + 16)
#define IPV6_SRC (ETH_LEN + 8)
#define IPV6_DST (ETH_LEN + 24)

/* Where the transport checksum is that covers the addresses; 0: there is none. */
static __always_inline u32 checksum_offset(const struct pkt *p) {
    if (p->fragment == FRAGMENT_LATER)
        return 0;
    switch (p->wire_proto) {
    case IPPROTO_TCP:
        return p->l4_off + 16;
    case IPPROTO_UDP:
        return p->l4_off + 6;
    case IPPROTO_ICMPV6:
        return p->key.family == FAMILY_V6 ? p->l4_off + 2 : 0;
    default:
        return 0;
    }
}

/* Changes one of the addresses, and the header's checksum by the difference (RFC 1624). */
static __always_inline int ipv4_address(struct __sk_buff *skb, u32 destination, u32 from, u32 to) {
    struct iphdr *ip = (struct iphdr *)((u8 *)(long)skb->data + ETH_LEN);
    u32 sum;

    if ((void *)(ip + 1) > (void *)(long)skb->data_end)
        return bpf_l3_csum_replace(skb, IPV4_CHECK, from, to, sizeof(u32)) ||
                       bpf_skb_store_bytes(skb, destination ? IPV4_DST : IPV4_SRC, &to, 4, 0)
                   ? DROP_INTERNAL
                   : 0;
    sum = (u16)~ip->check;
    sum += (u16)~from + (u16) ~(from >> 16) + (u16)to + (u16)(to >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    ip->check = (u16) ~((sum & 0xffff) + (sum >> 16));
    if (destination)
        ip->daddr = to;
    else
        ip->saddr = to;
    return 0;
}

STAGE int nat_address(struct __sk_buff *skb, u32 destination) {
    struct pkt *p = pkt_get();
    struct abi_addr from, to;
    u32 words, off, check;
    u64 flags = BPF_F_PSEUDO_HDR | sizeof(u32);

    if (!p)
        return DROP_INTERNAL;
    from = destination ? p->key.dst : p->wire_src;
    to = destination ? p->v.new_dst : p->v.new_src;
    words = p->key.family == FAMILY_V4 ? 1 : 4;
    check = checksum_offset(p);
    if (p->wire_proto == IPPROTO_UDP)
        flags |= BPF_F_MARK_MANGLED_0; /* a zero means "not computed" and stays */
    for (u32 i = 0; i < 4 && i < words; i++) {
        if (check && p->partial == PARTIAL_INSIDE
                ? sum_change(skb, check, from.w[i], to.w[i], 4, p->wire_proto == IPPROTO_UDP)
                : check && bpf_l4_csum_replace(skb, check, from.w[i], to.w[i], flags))
            return DROP_INTERNAL;
    }
    if (p->key.family == FAMILY_V4) {
        return ipv4_address(skb, destination, from.w[0], to.w[0]);
    }
    off = destination ? IPV6_DST : IPV6_SRC;
    return bpf_skb_store_bytes(skb, off, &to, 16, 0) ? DROP_INTERNAL : 0;
}

/* A port, or the identifier of an echo: no checksum over the pseudo header has it. */
STAGE int nat_port(struct __sk_buff *skb, u32 destination) {
    struct pkt *p = pkt_get();
    u32 off, check;
    __be16 from, to;
    u64 flags = sizeof(__be16);

    if (!p)
        return DROP_INTERNAL;
    from = destination ? p->key.dport : p->key.sport;
    to = destination ? p->v.new_dport : p->v.new_sport;
    off = p->l4_off + (destination ? 2 : 0);
    check = checksum_offset(p);
    if (p->wire_proto == IPPROTO_UDP)
        flags |= BPF_F_MARK_MANGLED_0;
    if (p->wire_proto == IPPROTO_ICMP) {
        off = p->l4_off + 4;
        check = p->l4_off + 2;
    }
    if (!check || bpf_l4_csum_replace(skb, check, from, to, flags) ||
        bpf_skb_store_bytes(skb, off, &to, sizeof to, 0))
        return DROP_INTERNAL;
    return 0;
}

static __always_inline int nat_apply(struct __sk_buff *skb, struct pkt *p) {
    int reason = 0;

    if (p->v.flags & FLOW_SNAT)
        reason = nat_address(skb, 0);
    if (!reason && p->v.flags & FLOW_DNAT)
        reason = nat_address(skb, 1);
    if (p->error)
        return reason ? reason : quote_translate(skb, p);
    if (p->fragment == FRAGMENT_LATER) /* it has no ports */
        return reason;
    if (!reason && nat_turns_source(p))
        reason = nat_port(skb, 0);
    if (!reason && nat_turns_destination(p))
        reason = nat_port(skb, 1);
    return reason;
}

#endif
