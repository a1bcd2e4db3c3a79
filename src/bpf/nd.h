/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Stage 2 for IPv6: neighbour solicitations are answered here (RFC 4861) and never forwarded.
 *
 * Whom we answer for: as ARP; the router has one link-local address in every subnet. A solicitation
 * comes from an address of the ENI or a link-local one, and names the ENI's MAC if it names any.
 *
 * 7.1.1, what a solicitation must be to be valid, in its order:
 *  1. hop limit 255 (nobody forwarded it)   2. checksum   3. code 0   4. 24 bytes or more
 *  5. target not multicast   6. options of length > 0
 *  7. from `::` (duplicate detection): no answer at all here
 */
#ifndef VPCD_BPF_ND_H
#define VPCD_BPF_ND_H

#include "bpf/arp.h"

#define ND_OFF (ETH_LEN + 40)
#define ND_MAX 64 /* bytes of a solicitation that we read; ours has room for options we skip */
#define ND_SOURCE_MAC 1
#define ND_TARGET_MAC 2
#define NA_SOLICITED 0x40
#define NA_OVERRIDE 0x20
#define NA_ROUTER 0x80

struct nd_message {
    u8 type, code;
    __be16 sum;
    u8 flags, reserved[3];
    struct abi_addr target;
    u8 options[ND_MAX - 24];
};
_Static_assert(sizeof(struct nd_message) == ND_MAX, "nd_message");

struct na_frame { /* what we send */
    u8 dst[6], src[6];
    __be16 type;
    u8 version, traffic[3];
    __be16 len;
    u8 next, hops;
    struct abi_addr from, to;
    u8 icmp_type, code;
    __be16 sum;
    u8 flags, reserved[3];
    struct abi_addr target;
    u8 option, option_len, mac[6];
} __attribute__((packed));
_Static_assert(sizeof(struct na_frame) == 86, "na_frame");

static __always_inline u16 fold(u32 sum) {
    sum = (sum & 0xffff) + (sum >> 16);
    return (u16)((sum & 0xffff) + (sum >> 16));
}

/* Of ICMPv6: the pseudo header's and the message's, which is `len` bytes, padded with zeros. */
static __always_inline u16 nd_sum(const struct abi_addr *from, const struct abi_addr *to,
                                  u32 *message, u32 padded, u32 len) {
    u32 tail[2] = {bpf_htonl(len), bpf_htonl(IPPROTO_ICMPV6)};
    s64 sum = bpf_csum_diff(0, 0, (__be32 *)from, 16, 0);

    sum = bpf_csum_diff(0, 0, (__be32 *)to, 16, (__wsum)sum);
    sum = bpf_csum_diff(0, 0, tail, sizeof tail, (__wsum)sum);
    sum = bpf_csum_diff(0, 0, message, padded, (__wsum)sum);
    return fold((u32)sum);
}

/* 6, and that a source MAC is the sender's. `off` is the first option, `end` the packet's. */
static __always_inline int nd_options(struct __sk_buff *skb, const struct pkt *p, u32 off,
                                      u32 end) {
    u8 option[8];

    for (int i = 0; i < (ND_MAX - 24) / 8; i++) {
        if (off == end)
            return 0;
        if (off + sizeof option > end || bpf_skb_load_bytes(skb, off, option, sizeof option) ||
            !option[1])
            return DROP_ND_INVALID;
        if (option[0] == ND_SOURCE_MAC && !mac_equal(&option[2], p->eth_src.b))
            return DROP_SPOOFED_ARP;
        off += option[1] * 8u;
    }
    return off == end ? 0 : DROP_ND_INVALID;
}

static __always_inline int nd_valid(struct __sk_buff *skb, struct pkt *p, struct nd_message *m) {
    u32 len = p->ip_len - (p->l4_off - ETH_LEN);
    u8 hops;

    if (bpf_skb_load_bytes(skb, ETH_LEN + 7, &hops, 1))
        return DROP_TRUNCATED;
    if (hops != 255 || p->l4_off != ND_OFF || len < 24 || len > ND_MAX)
        return DROP_ND_INVALID;
    barrier_var(len);
    if (len < 24 || len > ND_MAX || bpf_skb_load_bytes(skb, ND_OFF, m, len))
        return DROP_TRUNCATED;
    if (nd_sum(&p->key.src, &p->key.dst, (u32 *)m, ND_MAX, len) != 0xffff || m->code ||
        is_multicast(FAMILY_V6, &m->target))
        return DROP_ND_INVALID;
    return nd_options(skb, p, ND_OFF + 24, ND_OFF + len);
}

/* Leaves the answer in p->v.dst_mac. */
static __always_inline int nd_check(struct pkt *p, const struct nd_message *m) {
    struct config_value *c = config_get();
    struct addr_value *a;

    if (!c)
        return DROP_INTERNAL;
    if (is_mapped(&p->key.src) || is_mapped(&p->key.dst))
        return DROP_MAPPED;
    if (addr_is_zero(&p->key.src))
        return DROP_ARP_UNKNOWN;
    if (is_multicast(FAMILY_V6, &p->key.src) || is_host_only(FAMILY_V6, &p->key.src))
        return DROP_BAD_SOURCE;
    if (!p->key.eni) {
        if (!is_pool_address(c, FAMILY_V6, &m->target) || is_host_address(c, FAMILY_V6, &m->target))
            return DROP_ARP_UNKNOWN;
        __builtin_memcpy(p->v.dst_mac, c->router_mac, 6);
        return 0;
    }
    if (!is_link_local(FAMILY_V6, &p->key.src)) {
        a = addr_find(p->vpc, FAMILY_V6, &p->key.src);
        if (!a || a->eni != p->key.eni)
            return DROP_SPOOFED_ARP;
    }
    return neighbour_mac(&m->target, FAMILY_V6);
}

static __always_inline void na_fill(struct na_frame *na, const struct pkt *p,
                                    const struct nd_message *m, u32 router) {
    __builtin_memset(na, 0, sizeof *na);
    __builtin_memcpy(na->dst, p->eth_src.b, 6);
    __builtin_memcpy(na->src, p->v.dst_mac, 6);
    na->type = bpf_htons(ETH_P_IPV6);
    na->version = 0x60;
    na->len = bpf_htons(32);
    na->next = IPPROTO_ICMPV6;
    na->hops = 255;
    na->from = m->target;
    na->to = p->key.src;
    na->icmp_type = ICMP6_NEIGHBOR_ADVERTISEMENT;
    na->flags = NA_SOLICITED | NA_OVERRIDE | (router ? NA_ROUTER : 0);
    na->target = m->target;
    na->option = ND_TARGET_MAC;
    na->option_len = 1;
    __builtin_memcpy(na->mac, p->v.dst_mac, 6);
}

STAGE int nd_answer(struct __sk_buff *skb) {
    struct pkt *p = pkt_get();
    struct config_value *c = config_get();
    struct nd_message m = {};
    struct na_frame na;
    u32 message[8];
    int reason;

    if (!p || !c)
        return TC_ACT_SHOT;
    reason = nd_valid(skb, p, &m);
    if (!reason)
        reason = nd_check(p, &m);
    if (reason)
        return pkt_drop((u32)reason);
    na_fill(&na, p, &m, mac_equal(p->v.dst_mac, c->router_mac));
    __builtin_memcpy(message, (u8 *)&na + ND_OFF, sizeof message);
    na.sum = (__be16)~nd_sum(&m.target, &p->key.src, message, sizeof message, sizeof message);
    if (bpf_skb_change_tail(skb, sizeof na, 0) ||
        bpf_skb_store_bytes(skb, 0, &na, sizeof na, BPF_F_RECOMPUTE_CSUM))
        return pkt_drop(DROP_INTERNAL);
    return neighbour_send(skb, p);
}

#endif
