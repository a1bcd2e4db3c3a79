/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * ICMP errors that belong to a flow: those which quote one of its packets.
 *
 * An error goes against the packet that it is about: so it goes by the flow's other half, whose key
 * is the quotation turned round, looked up where the error entered. It belongs to the flow when
 *
 *  1. the quotation is whole up to the ports (or the identifier of a query), and no later fragment
 *  2. the error goes to whoever sent the quoted packet, and to nobody else
 *  3. that half exists and lives, and the other one carried packets: such a packet was delivered
 *     here, with these addresses and ports
 *  4. the flow's path still is what it was
 *
 * Then p->key becomes that half's, and the slow path does the rest as for the flow's packets:
 * groups that track it are not asked, others are asked the flow's question; routes and translation
 * are the flow's. ACLs and the source check ask about the error itself (p->wire_*), since they are
 * asked for each packet. Who reports the error need not be the flow's end: a router on the way may.
 * Outside of the flow's translation the quotation is translated too, so that the receiver
 * recognizes its own packet; checksums inside it as far as they are there.
 *
 * An error changes nothing of the flow. All other errors are judged by the rules, each time.
 */
#ifndef VPCD_BPF_ERROR_H
#define VPCD_BPF_ERROR_H

#include "bpf/icmp.h"
#include "bpf/offload.h"
#include "bpf/packet.h"

#define ICMP_HEADER 8

#define NOT_OF_FLOW DROP_SLOTS /* no drop: the error is to be judged by itself */

/* The IP header of the quotation: its key without ports, and where the rest begins; 0: none. */
static __always_inline u32 quoted_ip(struct __sk_buff *skb, struct flow_key *key, u32 off) {
    union {
        struct iphdr v4;
        struct ipv6hdr v6;
    } ip;
    u8 fragment[8];

    if (key->family == FAMILY_V4) {
        if (bpf_skb_load_bytes(skb, off, &ip.v4, sizeof ip.v4) || ip.v4.version != 4 ||
            ip.v4.ihl < 5 || ip.v4.frag_off & bpf_htons(0x1fff))
            return 0;
        key->src.w[0] = ip.v4.saddr;
        key->dst.w[0] = ip.v4.daddr;
        key->proto = ip.v4.protocol;
        return off + ip.v4.ihl * 4u;
    }
    if (bpf_skb_load_bytes(skb, off, &ip.v6, sizeof ip.v6) || ip.v6.version != 6)
        return 0;
    __builtin_memcpy(&key->src, &ip.v6.saddr, 16);
    __builtin_memcpy(&key->dst, &ip.v6.daddr, 16);
    key->proto = ip.v6.nexthdr;
    off += sizeof ip.v6;
    if (key->proto != IPPROTO_FRAGMENT)
        return off;
    if (bpf_skb_load_bytes(skb, off, fragment, sizeof fragment) || fragment[2] ||
        fragment[3] & 0xf8)
        return 0;
    key->proto = fragment[0];
    return off + 8;
}

/* The quoted packet's own key; 0: it belongs to no flow. */
static __always_inline u32 quoted_key(struct __sk_buff *skb, struct flow_key *key, u32 off) {
    u32 l4 = quoted_ip(skb, key, off);
    struct icmp_start start;

    if (!l4 || bpf_skb_load_bytes(skb, l4, &start, sizeof start))
        return 0;
    if (key->proto == IPPROTO_TCP || key->proto == IPPROTO_UDP) {
        key->sport = *(__be16 *)&start;
        key->dport = start.sum;
    } else if (key->proto == (key->family == FAMILY_V4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
        if (!icmp_key(key, &start))
            return 0;
    }
    return l4;
}

/* 1 and 2: if the error may belong to a flow, p->key becomes the half's by which it would go. */
STAGE int error_follow(struct __sk_buff *skb) {
    struct pkt *p = pkt_get();
    struct flow_key *k;

    if (!p)
        return DROP_INTERNAL;
    k = &p->other;
    __builtin_memset(k, 0, sizeof *k);
    k->family = p->key.family;
    p->quote_off = p->l4_off + ICMP_HEADER;
    p->quote_l4 = quoted_key(skb, k, p->quote_off);
    if (!p->quote_l4 || p->quote_l4 + 8 > ETH_LEN + p->ip_len || !addr_equal(&k->src, &p->key.dst))
        return 0;
    p->outer = p->key;
    p->key.proto = k->proto;
    p->key.is_reply = is_reply_of(k);
    p->key.src = k->dst;
    p->key.sport = k->dport;
    p->key.dport = k->sport;
    p->rule_port = p->key.dport;
    p->rule_port_reply = p->key.sport;
    p->kind = PKT_REPLY;
    p->error = 1;
    return 0;
}

/* It does not belong to the flow: back to what it is by itself. */
static __always_inline void error_leave(struct pkt *p) {
    p->key = p->outer;
    p->rule_port = p->wire_port;
    p->rule_port_reply = 0;
    p->kind = PKT_ONCE;
    p->error = 0;
}

/* Which port a NAT gateway changes: that of the side that began, which may be 0. */
static __always_inline int nat_turns_source(const struct pkt *p) {
    return (p->v.flags & (FLOW_NAT | FLOW_FORWARD)) == (FLOW_NAT | FLOW_FORWARD) && p->v.new_sport;
}

static __always_inline int nat_turns_destination(const struct pkt *p) {
    return (p->v.flags & (FLOW_NAT | FLOW_FORWARD)) == FLOW_NAT;
}

/* --- Translation of the quotation --------------------------------------------------------- */

/* Writes `size` bytes of the ICMP message (2 or 4), and the message's checksum. */
static __always_inline int quote_store(struct __sk_buff *skb, u32 check, u32 off, u32 from, u32 to,
                                       u32 size) {
    return bpf_skb_store_bytes(skb, off, &to, size, 0) ||
           bpf_l4_csum_replace(skb, check, from, to, size);
}

/* Changes a checksum inside the quotation by a difference that it covers, and the message's. */
static __always_inline int quote_sum(struct __sk_buff *skb, u32 check, u32 at, u32 from, u32 to,
                                     u32 size, u32 is_udp) {
    __be16 before, after;

    if (bpf_skb_load_bytes(skb, at, &before, 2) || sum_change(skb, at, from, to, size, is_udp) ||
        bpf_skb_load_bytes(skb, at, &after, 2))
        return -1;
    return bpf_l4_csum_replace(skb, check, before, after, 2) ? -1 : 0;
}

/* Where the quoted transport checksum is, if the quotation goes as far; 0: nowhere. */
static __always_inline u32 quote_check(const struct pkt *p) {
    u32 at = p->key.proto == IPPROTO_TCP ? 16 : p->key.proto == IPPROTO_UDP ? 6 : 2;

    if (at == 2 && p->key.proto != IPPROTO_ICMP && p->key.proto != IPPROTO_ICMPV6)
        return 0;
    return p->quote_l4 + at + 2 <= ETH_LEN + p->ip_len ? p->quote_l4 + at : 0;
}

/* Whether the transport checksum covers the addresses. */
static __always_inline int quote_pseudo(const struct pkt *p) {
    return p->key.family == FAMILY_V6 || p->key.proto != IPPROTO_ICMP;
}

/* What the packet goes to is where the quoted one came from: `destination` as in nat.h. */
STAGE int quote_address(struct __sk_buff *skb, u32 destination) {
    struct pkt *p = pkt_get();
    u32 check, inner, off, words, udp;
    struct abi_addr from, to;

    if (!p)
        return DROP_INTERNAL;
    check = p->l4_off + 2;
    inner = quote_check(p);
    udp = p->key.proto == IPPROTO_UDP;
    from = destination ? p->key.dst : p->key.src;
    to = destination ? p->v.new_dst : p->v.new_src;
    words = p->key.family == FAMILY_V4 ? 1 : 4;
    off = p->quote_off + (p->key.family == FAMILY_V4 ? 12 : 8) + (destination ? 0 : words * 4);
    for (u32 i = 0; i < 4 && i < words; i++) {
        if (quote_store(skb, check, off + i * 4, from.w[i], to.w[i], 4))
            return DROP_INTERNAL;
        if (inner && quote_pseudo(p) && quote_sum(skb, check, inner, from.w[i], to.w[i], 4, udp))
            return DROP_INTERNAL;
    }
    if (p->key.family == FAMILY_V4 &&
        quote_sum(skb, check, p->quote_off + 10, from.w[0], to.w[0], 4, 0))
        return DROP_INTERNAL;
    return 0;
}

/* A port, or the identifier of a query. */
STAGE int quote_port(struct __sk_buff *skb, u32 destination) {
    struct pkt *p = pkt_get();
    __be16 from, to;
    u32 off, inner;

    if (!p)
        return DROP_INTERNAL;
    from = destination ? p->key.dport : p->key.sport;
    to = destination ? p->v.new_dport : p->v.new_sport;
    inner = quote_check(p);
    off = p->quote_l4 + (destination ? 0 : 2);
    if (p->key.proto == IPPROTO_ICMP || p->key.proto == IPPROTO_ICMPV6)
        off = p->quote_l4 + 4;
    if (quote_store(skb, p->l4_off + 2, off, from, to, 2))
        return DROP_INTERNAL;
    if (inner && quote_sum(skb, p->l4_off + 2, inner, from, to, 2, p->key.proto == IPPROTO_UDP))
        return DROP_INTERNAL;
    return 0;
}

/* After the outer addresses (nat.h). 0, or the reason of a drop. */
static __always_inline int quote_translate(struct __sk_buff *skb, struct pkt *p) {
    int reason = 0;

    if (p->v.flags & FLOW_SNAT)
        reason = quote_address(skb, 0);
    if (!reason && p->v.flags & FLOW_DNAT)
        reason = quote_address(skb, 1);
    if (!reason && nat_turns_source(p))
        reason = quote_port(skb, 0);
    if (!reason && nat_turns_destination(p))
        reason = quote_port(skb, 1);
    return reason;
}

#endif
