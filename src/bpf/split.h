/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * IPv4 fragmentation at the way out (RFC 791 3.2): a packet without "don't fragment" that is larger
 * than the uplink's MTU leaves as pieces that fit.
 *
 * No helper of the kernel does this for a program at tc, and none of its own fragmenting paths can
 * be entered from there without giving the packet to the host's routing. But a program can copy
 * what it carries, and send the same skb several times (bpf_clone_redirect) with other bytes in it:
 *
 *  1. translate the packet, as a whole
 *  2. copy what follows the IP header into the room; complete its checksum if that was left to
 * others
 *  3. for each piece: set the length, write the header and its slice, send a clone
 *  4. the last piece is the skb itself, sent as any packet is
 *
 * A fragment may be cut again: offset and "more fragments" go on from what it has. Packets with
 * options are not cut (which of them go with every piece would have to be known), nor are GSO
 * packets: their sender is told instead, as if they had said "don't fragment".
 */
#ifndef VPCD_BPF_SPLIT_H
#define VPCD_BPF_SPLIT_H

#include "bpf/nat.h"
#include "bpf/packet.h"
#include "bpf/rebuild.h"
#include "bpf/too_big.h"

#define IPV4_MORE 0x2000
#define SPLIT_HEAD (ETH_LEN + 20)
#define SPLIT_SLICE 1480 /* UPLINK_MTU - 20, a multiple of 8 */
#define SPLIT_PIECES 7
_Static_assert(SPLIT_PIECES *SPLIT_SLICE >= VPC_MTU - 20, "pieces");
_Static_assert(SPLIT_PIECES *SPLIT_SLICE <= ROOM_BYTES, "room");

/* So many more are delivered than entered, with so many bytes. */
static __always_inline void split_more(const struct pkt *p, u64 *ret_packets, u64 *ret_bytes) {
    u32 pieces = 1;

    if (p->may_split && p->wire_len > mtu_of(p))
        pieces = (p->ip_len - 20 + SPLIT_SLICE - 1) / SPLIT_SLICE;
    *ret_packets = pieces - 1;
    *ret_bytes = (pieces - 1) * 20;
}

/* For flow logs: the receiver sees the pieces. */
static __always_inline void flow_count_pieces(const struct pkt *p, struct flow_value *f) {
    u64 packets, bytes;

    split_more(p, &packets, &bytes);
    if (!packets)
        return;
    __sync_fetch_and_add(&f->told.piece_bytes, bytes);
    __sync_fetch_and_add(&f->told.pieces, packets);
}

/* Step 2: `len` bytes. */
STAGE int split_load(struct __sk_buff *skb, u32 len) {
    struct room *r = room_get();
    struct pkt *p = pkt_get();
    __be16 sum;
    u32 at;

    if (!r || !p)
        return DROP_INTERNAL;
    barrier_var(len);
    if (len < 8 || len > VPC_MTU)
        return DROP_INTERNAL;
    __builtin_memset(r->b + len, 0, 4);
    if (bpf_skb_load_bytes(skb, SPLIT_HEAD, r->b, len))
        return DROP_INTERNAL;
    if (p->partial != PARTIAL_OWN)
        return 0;
    /* The field holds the pseudo header's sum. */
    sum = (u16)~sum_fold(room_sum(len, 0));
    at = sum_offset(p);
    if (p->key.proto == IPPROTO_UDP && !sum)
        sum = 0xffff;
    if (at > 16)
        return DROP_INTERNAL;
    __builtin_memcpy(r->b + at, &sum, 2);
    return 0;
}

/* Step 3: piece number `i`. Its bytes; 0: something went wrong. */
STAGE u32 split_piece(struct __sk_buff *skb, u32 i, u32 total, u32 fragment) {
    struct room *r = room_get();
    struct pkt *p = pkt_get();
    u32 off, n, more;
    struct iphdr ip;

    if (!r || !p || i >= SPLIT_PIECES)
        return 0;
    off = i * SPLIT_SLICE;
    if (off >= total)
        return 0;
    n = total - off;
    more = n > SPLIT_SLICE ? IPV4_MORE : fragment & IPV4_MORE;
    if (n > SPLIT_SLICE)
        n = SPLIT_SLICE;
    n--; /* kernel 6.1 learns from a sum that it is not zero, and from nothing else */
    barrier_var(n);
    if (n >= SPLIT_SLICE)
        return 0;
    n++;
    if (bpf_skb_change_tail(skb, SPLIT_HEAD + n, 0))
        return 0;
    ip = p->split_ip;
    ip.tot_len = bpf_htons((u16)(sizeof ip + n));
    ip.frag_off = bpf_htons((u16)(((fragment & 0x1fff) + off / 8) | more));
    ip.check = 0;
    ip.check = (u16)~sum_fold((u32)bpf_csum_diff(0, 0, (__be32 *)&ip, sizeof ip, 0));
    if (bpf_skb_store_bytes(skb, ETH_LEN, &ip, sizeof ip, 0) ||
        bpf_skb_store_bytes(skb, SPLIT_HEAD, r->b + off, n, 0))
        return 0;
    return n;
}

/* After the translation. 0: the skb is the last piece, the others were sent. */
STAGE int split(struct __sk_buff *skb) {
    struct pkt *p = pkt_get();
    u32 total, fragment;
    u8 macs[14];

    if (!p)
        return DROP_INTERNAL;
    if (bpf_skb_load_bytes(skb, 0, macs, sizeof macs) ||
        bpf_skb_load_bytes(skb, ETH_LEN, &p->split_ip, sizeof p->split_ip))
        return DROP_INTERNAL;
    total = p->ip_len - 20;
    fragment = bpf_ntohs(p->split_ip.frag_off);
    if (split_load(skb, total) || rebuild_strip(skb, SPLIT_HEAD + SPLIT_SLICE) ||
        bpf_skb_store_bytes(skb, 0, macs, sizeof macs, 0))
        return DROP_INTERNAL;
    skb->mark = GUARD_MARK;
    for (u32 i = 0; i < SPLIT_PIECES; i++) {
        if (!split_piece(skb, i, total, fragment))
            return DROP_INTERNAL;
        if ((i + 1) * SPLIT_SLICE >= total)
            return 0;
        bpf_clone_redirect(skb, p->v.ifindex, 0);
    }
    return DROP_INTERNAL;
}

#endif
