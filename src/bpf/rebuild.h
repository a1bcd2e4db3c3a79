/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Another packet in the place of the one at hand: for what the data plane sends by itself
 * (too_big.h) and for pieces of a packet (split.h).
 *
 * The bytes that are needed are copied into `room`, one a CPU. Then rebuild_strip makes the skb an
 * ordinary one of the length asked for: no GSO, no checksum that somebody is to fill in, its bytes
 * undefined. (Shortening a packet ends its GSO; taking bytes away in front of the place from which
 * a checksum would be summed ends that.) What is written then is all there is.
 */
#ifndef VPCD_BPF_REBUILD_H
#define VPCD_BPF_REBUILD_H

#include "bpf/packet.h"

#define ROOM_BYTES 10368
#define SUM_STEP 512 /* as much as bpf_csum_diff takes */

struct room {
    u8 b[ROOM_BYTES];
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct room);
} room SEC(".maps");

static __always_inline struct room *room_get(void) {
    u32 zero = 0;

    return bpf_map_lookup_elem(&room, &zero);
}

/* How many messages of this kind the sender was told in this second, and one more from now on: so
 * that nobody makes the host work for what it drops. */
static __always_inline u32 rebuild_told(const struct pkt *p, u32 reset) {
    struct eni_stats_value *stats = stats_of(p->key.eni);
    u64 second = p->now >> 30;

    if (!stats)
        return ~0u;
    if (stats->told_second != second) {
        stats->told_second = second;
        stats->too_big_told = stats->resets_told = 0;
    }
    return __sync_fetch_and_add(reset ? &stats->resets_told : &stats->too_big_told, 1);
}

static __always_inline u16 sum_fold(u32 sum) {
    sum = (sum & 0xffff) + (sum >> 16);
    return (u16)((sum & 0xffff) + (sum >> 16));
}

/* `seed` and the first `len` bytes of the room; up to 3 more must be zero. Not folded. */
STAGE u32 room_sum(u32 len, u32 seed) {
    struct room *r = room_get();
    s64 sum = seed;

    if (!r || len > ROOM_BYTES - SUM_STEP)
        return 0;
    for (u32 off = 0; off < ROOM_BYTES - SUM_STEP; off += SUM_STEP) {
        u32 n;
        if (off >= len)
            break;
        n = len - off;
        if (n > SUM_STEP)
            n = SUM_STEP;
        n = (n + 3) & 0x3fc;
        barrier_var(n);
        if (n > SUM_STEP)
            break;
        sum = bpf_csum_diff(0, 0, (__be32 *)(r->b + off), n, (__wsum)sum);
    }
    return (u32)sum;
}

/* 0: the skb has `len` bytes, all to be written. */
STAGE int rebuild_strip(struct __sk_buff *skb, u32 len) {
    struct pkt *p = pkt_get();
    u32 cut;

    if (!p)
        return DROP_INTERNAL;
    cut = p->sum_end > p->l4_off ? p->sum_end : p->l4_off;
    if (cut > 2048 || bpf_skb_change_tail(skb, cut + 128, 0) ||
        bpf_skb_adjust_room(skb, -(__s32)cut, BPF_ADJ_ROOM_MAC, 0) ||
        bpf_skb_change_tail(skb, len, 0))
        return DROP_INTERNAL;
    return 0;
}

#endif
