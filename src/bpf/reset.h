/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The reset of a NAT gateway: "When a connection times out, a NAT gateway returns an RST packet to
 * any resources behind the NAT gateway that attempt to continue the connection" (VPC user guide,
 * "NAT gateways": idle for 350 s). Also to TCP that it never knew, for it cannot tell these apart.
 *
 * The segment speaks for the destination, as RFC 9293 3.5.2 has it: with the sequence number that
 * the sender expects, or, where it acknowledged nothing, acknowledging what it sent. Nobody resets
 * a reset. It goes back over the borders that the packet crossed, and their ACLs are asked. An
 * interface gets at most RESETS_A_SECOND of them.
 */
#ifndef VPCD_BPF_RESET_H
#define VPCD_BPF_RESET_H

#include <linux/ip.h>
#include <linux/tcp.h>

#include "bpf/acl.h"
#include "bpf/answer.h"
#include "bpf/packet.h"
#include "bpf/rebuild.h"

#define RESETS_A_SECOND 1000

struct reset {
    struct iphdr ip;
    struct tcphdr tcp;
};
_Static_assert(sizeof(struct reset) == 40, "reset");

/* 0: the ACLs on the way back let the segment pass. */
STAGE int reset_passes(void) {
    struct pkt *p = pkt_get();
    struct abi_addr there, here;
    struct nat_value *nat;
    int reason;

    if (!p)
        return DROP_INTERNAL;
    nat = nat_find(p->nat);
    if (!nat || nat->subnet == p->subnet)
        return 0;
    here = p->key.src;
    there = p->key.dst;
    p->wire_port = p->key.sport;
    reason = acl_ask(nat->subnet, DIR_EGRESS, &here);
    return reason ? reason : acl_ask(p->subnet, DIR_INGRESS, &there);
}

/* The whole sum is small: 20 words of 16 bits. */
static __always_inline u16 reset_sum(const void *from, u32 bytes, u32 seed) {
    return (u16)~sum_fold((u32)bpf_csum_diff(0, 0, (__be32 *)from, bytes, seed));
}

/* 0: the skb is the segment. */
STAGE int reset_message(struct __sk_buff *skb) {
    struct config_value *c = config_get();
    struct pkt *p = pkt_get();
    struct reset r = {};
    struct tcphdr tcp;
    struct iphdr ip;
    u8 macs[12];
    u32 data;

    if (!p || !c || p->tcp_flags & TCP_RST || reset_passes() ||
        rebuild_told(p, 1) >= RESETS_A_SECOND || bpf_skb_load_bytes(skb, ETH_LEN, &ip, sizeof ip) ||
        bpf_skb_load_bytes(skb, p->l4_off, &tcp, sizeof tcp))
        return DROP_NAT_RESET;
    r.tcp.source = tcp.dest;
    r.tcp.dest = tcp.source;
    r.tcp.doff = sizeof r.tcp / 4;
    r.tcp.rst = 1;
    if (tcp.ack) {
        r.tcp.seq = tcp.ack_seq;
    } else {
        data = bpf_ntohs(ip.tot_len) + ETH_LEN - p->l4_off - tcp.doff * 4u;
        r.tcp.ack_seq = bpf_htonl(bpf_ntohl(tcp.seq) + data + tcp.syn + tcp.fin);
        r.tcp.ack = 1;
    }
    /* The pseudo header first, in the place of the IP header's end. */
    r.ip.saddr = ip.daddr;
    r.ip.daddr = ip.saddr;
    r.tcp.check =
        reset_sum(&r.ip.saddr, 8 + sizeof r.tcp, bpf_htonl(IPPROTO_TCP << 16 | sizeof r.tcp));
    r.ip.version = 4;
    r.ip.ihl = 5;
    r.ip.tot_len = bpf_htons(sizeof r);
    r.ip.frag_off = bpf_htons(0x4000); /* DF */
    r.ip.ttl = 64;
    r.ip.protocol = IPPROTO_TCP;
    r.ip.check = reset_sum(&r.ip, sizeof r.ip, 0);
    __builtin_memcpy(macs, p->eth_src.b, 6);
    __builtin_memcpy(macs + 6, c->router_mac, 6);
    if (rebuild_strip(skb, ETH_LEN + sizeof r) ||
        bpf_skb_store_bytes(skb, 0, macs, sizeof macs, 0) ||
        bpf_skb_store_bytes(skb, ETH_LEN, &r, sizeof r, 0))
        return DROP_INTERNAL;
    return 0;
}

#endif
