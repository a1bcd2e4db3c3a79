/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Stage 1: from bytes to the flow key. Everything that a receiver would have to believe later is
 * checked here; what contradicts itself is dropped before anything else looks at it.
 *
 *  1. Ethernet: no VLAN tag; IPv4, IPv6 or ARP
 *  2. IP header: version, lengths, fragments, IPv6 extension headers (a bounded walk)
 *  3. transport header: ports, TCP flags, ICMP identifier
 *  4. what is not forwarded has its own kind or reason: ARP, neighbour discovery, DHCP, MLD
 *  5. addresses: no impossible source, no multicast destination
 *
 * IPv4's header checksum is not verified: nothing here depends on it, and the receiver drops the
 * packet if it is wrong (a translation changes it by difference, so a wrong one stays wrong).
 */
#ifndef VPCD_BPF_PARSE_H
#define VPCD_BPF_PARSE_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "bpf/fragment.h"
#include "bpf/icmp.h"
#include "bpf/offload.h"
#include "bpf/options.h"
#include "bpf/packet.h"

#define IPV6_EXTENSIONS 8 /* more are refused */

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

static __always_inline int is_multicast(u8 family, const struct abi_addr *a) {
    if (family == FAMILY_V6)
        return a->b[0] == 0xff;
    return (a->b[0] & 0xf0) == 0xe0 || a->w[0] == 0xffffffff;
}

/* Loopback or unspecified: never on a wire. */
static __always_inline int is_host_only(u8 family, const struct abi_addr *a) {
    if (family == FAMILY_V4)
        return a->b[0] == 127 || a->b[0] == 0;
    return (a->w[0] | a->w[1] | a->w[2]) == 0 && (a->w[3] == 0 || a->w[3] == bpf_htonl(1));
}

static __always_inline int is_mapped(const struct abi_addr *a) {
    return (a->w[0] | a->w[1]) == 0 && a->w[2] == bpf_htonl(0x0000ffff);
}

/* DHCP between a client and a server, both ways: nobody inside is one, and none is asked by others.
 */
static __always_inline int is_dhcp(const struct flow_key *key) {
    u32 client = key->family == FAMILY_V4 ? 68 : 546, server = key->family == FAMILY_V4 ? 67 : 547;
    u32 from = bpf_ntohs(key->sport), to = bpf_ntohs(key->dport);

    return key->proto == IPPROTO_UDP &&
           ((from == client && to == server) || (from == server && to == client));
}

/* Steps 3 to 4; `l4_len` bytes follow l4_off by the IP header's own count. */
static __always_inline int parse_transport(struct __sk_buff *skb, struct pkt *p, u32 l4_len) {
    u32 header = 0;               /* length of the transport header, for counting segments */
    u32 off = p->l4_off & 0x7fff; /* it is below that; for the verifier */

    if (p->key.proto == IPPROTO_TCP) {
        struct tcphdr tcp;
        if (l4_len < sizeof tcp || load_header(skb, off, &tcp))
            return DROP_TRUNCATED;
        header = tcp.doff * 4u;
        if (header < sizeof tcp || header > l4_len)
            return DROP_MALFORMED;
        p->key.sport = tcp.source;
        p->key.dport = tcp.dest;
        p->tcp_flags =
            (u8)(tcp.fin * TCP_FIN | tcp.syn * TCP_SYN | tcp.rst * TCP_RST | tcp.ack * TCP_ACK);
    } else if (p->key.proto == IPPROTO_UDP) {
        struct udphdr udp;
        if (l4_len < sizeof udp || load_header(skb, off, &udp))
            return DROP_TRUNCATED;
        header = sizeof udp;
        /* A GSO packet's own length field may be of one segment; elsewhere it must fit. */
        if (!skb->gso_size &&
            (bpf_ntohs(udp.len) < sizeof udp || (bpf_ntohs(udp.len) > l4_len && !p->fragment)))
            return DROP_MALFORMED;
        p->key.sport = udp.source;
        p->key.dport = udp.dest;
    } else if (p->key.proto == IPPROTO_ICMP || p->key.proto == IPPROTO_ICMPV6) {
        struct icmp_start icmp = {};
        if (l4_len < sizeof icmp || load_header(skb, off, &icmp))
            return DROP_TRUNCATED;
        p->l4_header = sizeof icmp;
        /* The other family's ICMP is a protocol like any other. */
        if ((p->key.proto == IPPROTO_ICMP) == (p->key.family == FAMILY_V4))
            return parse_icmp(p, &icmp);
    }
    p->rule_port = p->key.dport;
    p->rule_port_reply = p->key.sport;

    p->l4_header = header;
    if (skb->gso_size && header) {
        u32 headers = p->l4_off - ETH_LEN + header;
        u32 payload = p->ip_len > headers ? p->ip_len - headers : 0;
        p->segments = (payload + skb->gso_size - 1) / skb->gso_size;
        if (!p->segments)
            p->segments = 1;
        if (p->segments > 1)
            p->wire_len = headers + skb->gso_size;
        p->ip_len += (p->segments - 1) * headers;
    }

    return is_dhcp(&p->key) ? DROP_DHCP : 0;
}

/* A packet that is to be segmented is an IP packet from here to its end, and no fragment: its
 * segments get lengths, and identifications, of their own. `end` is where the IP header says. */
static __always_inline int gso_valid(const struct __sk_buff *skb, const struct pkt *p, u32 end) {
    return !skb->gso_size || (end == skb->len && !p->fragment);
}

/* What follows the IP header, as far as it is there. */
static __always_inline int parse_inside(struct __sk_buff *skb, struct pkt *p, u32 l4_len) {
    int reason;

    if (p->fragment == FRAGMENT_LATER) /* a second one of 8 bytes would still be TCP's header */
        return p->key.proto == IPPROTO_TCP && p->frag.off < 16 ? DROP_FRAGMENT : 0;
    reason = parse_transport(skb, p, l4_len);
    if (p->fragment != FRAGMENT_FIRST)
        return reason;
    p->quotes = 0;
    if (p->kind == PKT_NS)
        return DROP_ND_INVALID;
    return reason == DROP_TRUNCATED || reason == DROP_MALFORMED ? DROP_FRAGMENT : reason;
}

static __always_inline int parse_ipv4(struct __sk_buff *skb, struct pkt *p) {
    struct iphdr ip;
    u32 header, total;

    if (load_header(skb, ETH_LEN, &ip))
        return DROP_TRUNCATED;
    header = ip.ihl * 4u;
    total = bpf_ntohs(ip.tot_len);
    if (ip.version != 4 || header < sizeof ip || total < header)
        return DROP_MALFORMED;
    if (total > skb->len - ETH_LEN)
        return DROP_TRUNCATED;
    if (header > sizeof ip) {
        int reason = parse_options(skb, header - (u32)sizeof ip);
        if (reason)
            return reason;
    }
    p->key.family = FAMILY_V4;
    p->key.proto = ip.protocol;
    p->key.src.w[0] = ip.saddr;
    p->key.dst.w[0] = ip.daddr;
    p->l4_off = ETH_LEN + header;
    p->ip_len = p->wire_len = total;
    p->may_split = header == sizeof ip && !skb->gso_size && !(ip.frag_off & bpf_htons(0x4000));
    if (ip.frag_off & bpf_htons(0x3fff)) { /* more fragments, or an offset */
        u32 at = bpf_ntohs(ip.frag_off);
        int reason = fragment_place(p, (at & 0x1fff) * 8, total - header, at & 0x2000, ip.id);
        if (reason)
            return reason;
        p->frag.named = ip.protocol;
    }
    if (!gso_valid(skb, p, ETH_LEN + total))
        return DROP_MALFORMED;
    return parse_inside(skb, p, total - header);
}

/* The fragment header, before `len` bytes. It may tell that this is a whole packet. */
static __always_inline int parse_fragment6(struct pkt *p, const u8 *ext, u32 len) {
    u32 at = (u32)ext[2] << 8 | ext[3];
    u32 id = (u32)ext[4] << 24 | (u32)ext[5] << 16 | (u32)ext[6] << 8 | ext[7];

    if (p->fragment) /* a second one */
        return DROP_MALFORMED;
    if (!(at & ~6u))
        return 0;
    p->frag.named = 0;
    return fragment_place(p, at & 0xfff8, len, at & 1, id);
}

STAGE int parse_ipv6(struct __sk_buff *skb) {
    struct pkt *p = pkt_get();
    struct ipv6hdr ip;
    u32 off = ETH_LEN + sizeof ip, end;
    u8 next;

    if (!p)
        return DROP_INTERNAL;
    if (load_header(skb, ETH_LEN, &ip))
        return DROP_TRUNCATED;
    if (ip.version != 6)
        return DROP_MALFORMED;
    end = off + bpf_ntohs(ip.payload_len);
    if (end > skb->len)
        return DROP_TRUNCATED;
    if (!gso_valid(skb, p, end))
        return DROP_MALFORMED;
    p->key.family = FAMILY_V6;
    __builtin_memcpy(&p->key.src, &ip.saddr, 16);
    __builtin_memcpy(&p->key.dst, &ip.daddr, 16);
    p->ip_len = p->wire_len = end - ETH_LEN;

    next = ip.nexthdr;
    for (int i = 0; i < IPV6_EXTENSIONS; i++) {
        u8 ext[8];
        if (next != IPPROTO_HOPOPTS && next != IPPROTO_DSTOPTS && next != IPPROTO_ROUTING &&
            next != IPPROTO_FRAGMENT) {
            p->key.proto = next;
            p->l4_off = off;
            return parse_inside(skb, p, end - off);
        }
        if (next == IPPROTO_HOPOPTS && i != 0)
            return DROP_MALFORMED;
        if (next == IPPROTO_ROUTING)
            return DROP_EXTENSIONS;
        if (off + 8 > end || bpf_skb_load_bytes(skb, off, ext, sizeof ext))
            return DROP_TRUNCATED;
        if (next == IPPROTO_FRAGMENT) {
            int reason = parse_fragment6(p, ext, end - off - 8);
            if (reason)
                return reason;
            if (!gso_valid(skb, p, end))
                return DROP_MALFORMED;
            ext[1] = 0; /* it has no length */
            if (p->fragment == FRAGMENT_LATER) {
                p->l4_off = off + 8;
                return 0;
            }
        }
        next = ext[0];
        off += 8u + ext[1] * 8u;
        if (off > end)
            return DROP_TRUNCATED;
    }
    return DROP_EXTENSIONS;
}

/* Step 5. Neighbour discovery has rules of its own (nd.h). */
static __always_inline int parse_addresses(struct pkt *p) {
    u8 family;

    family = p->key.family;
    if (family == FAMILY_V6 && (is_mapped(&p->key.src) || is_mapped(&p->key.dst)))
        return DROP_MAPPED;
    if (is_multicast(family, &p->key.src) || is_host_only(family, &p->key.src))
        return DROP_BAD_SOURCE;
    if (is_multicast(family, &p->key.dst) || (p->eth_dst.b[0] & 1))
        return DROP_MULTICAST;
    if (is_host_only(family, &p->key.dst))
        return DROP_MALFORMED;
    return 0;
}

/* All of stage 1. Resets what other stages expect to be zero. */
static __always_inline int parse(struct __sk_buff *skb, struct pkt *p) {
    struct frame_start eth;
    int reason;

    __builtin_memset(&p->key, 0, sizeof p->key);
    p->kind = PKT_FLOW;
    p->segments = 1;
    p->rule_port = p->rule_port_reply = 0;
    p->tcp_flags = 0;
    p->icmp_type = 0;
    p->quotes = p->error = 0;
    p->partial = p->sum_end = p->fragment = p->l4_header = p->may_split = 0;
    if (skb->vlan_present)
        return DROP_VLAN;
    if (load_header(skb, 0, &eth))
        return DROP_TRUNCATED;
    p->eth_dst = eth.dst;
    p->eth_src = eth.src;
    switch (bpf_ntohs(eth.proto)) {
    case ETH_P_ARP:
        p->kind = PKT_ARP;
        return is_partial(skb) ? DROP_MALFORMED : 0;
    case ETH_P_IP:
        reason = parse_ipv4(skb, p);
        break;
    case ETH_P_IPV6:
        reason = parse_ipv6(skb);
        break;
    case ETH_P_8021Q:
    case ETH_P_8021AD:
        return DROP_VLAN;
    default:
        return DROP_ETHERTYPE;
    }
    if (!reason && is_partial(skb))
        reason = offload_check(skb, p);
    if (reason || p->kind == PKT_NS)
        return reason;
    p->wire_src = p->key.src;
    p->wire_proto = p->key.proto;
    p->wire_port = p->rule_port;
    return parse_addresses(p);
}

#endif
