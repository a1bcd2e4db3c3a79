/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Writing a new flow's two halves. Part of stage 12 (commit.h). */
#ifndef VPCD_BPF_HALVES_H
#define VPCD_BPF_HALVES_H

#include "bpf/answer.h"
#include "bpf/flow.h"
#include "bpf/packet.h"
#include "bpf/split.h"

#define NAT_IDLE_MS 350000

static __always_inline u32 flags_reversed(u32 flags) {
    u32 kept = flags & (FLOW_UNTRACKED | FLOW_INTERNET | GATEWAY_FLAGS);

    if (!(flags & FLOW_FORWARD))
        kept |= FLOW_FORWARD;
    if (flags & FLOW_TRACKED_SRC)
        kept |= FLOW_TRACKED_DST;
    if (flags & FLOW_TRACKED_DST)
        kept |= FLOW_TRACKED_SRC;
    return kept;
}

static __always_inline u32 shorter(u32 a, u32 b) {
    return a && a < b ? a : b;
}

/* The idle times of the ENIs that track the flow, or of whichever is there. */
static __always_inline void timeouts_add(struct pkt *p, u32 eni) {
    struct eni_key key = {.eni = eni};
    struct eni_value *e = bpf_map_lookup_elem(&enis, &key);
    struct flow_timeouts t;

    if (!e)
        return;
    t.closing_ms = e->tcp_closing_ms;
    if (p->key.proto == IPPROTO_TCP) {
        t.half_ms = e->tcp_half_ms;
        t.open_ms = e->tcp_open_ms;
    } else if (p->key.proto == IPPROTO_UDP) {
        t.half_ms = e->udp_single_ms;
        t.open_ms = e->udp_stream_ms;
    } else {
        t.half_ms = t.open_ms = e->other_ms;
    }
    p->timeouts.half_ms = shorter(t.half_ms, p->timeouts.half_ms);
    p->timeouts.open_ms = shorter(t.open_ms, p->timeouts.open_ms);
    p->timeouts.closing_ms = shorter(t.closing_ms, p->timeouts.closing_ms);
}

STAGE int commit_timeouts(void) {
    struct pkt *p = pkt_get();
    u32 tracked;

    if (!p)
        return DROP_INTERNAL;
    tracked = p->v.flags & (FLOW_TRACKED_SRC | FLOW_TRACKED_DST);
    p->timeouts.half_ms = p->timeouts.open_ms = p->timeouts.closing_ms = ~0u;
    if (p->key.eni && (!tracked || tracked & FLOW_TRACKED_SRC))
        timeouts_add(p, p->key.eni);
    if (p->v.far && (!tracked || tracked & FLOW_TRACKED_DST))
        timeouts_add(p, p->v.far);
    if (p->v.flags & FLOW_NAT) {
        p->timeouts.half_ms = shorter(NAT_IDLE_MS, p->timeouts.half_ms);
        p->timeouts.open_ms = shorter(NAT_IDLE_MS, p->timeouts.open_ms);
    }
    return 0;
}

enum put_how {
    PUT_PARTNER = 1 << 0, /* the partner's key; else the packet's own */
    PUT_LOCKED = 1 << 1,  /* the entry stays locked, for what is not known yet */
    PUT_OVER = 1 << 2,    /* only in the place of one that ended */
};

/* All but the counters. It ends with told.lock. */
static __always_inline void flow_overwrite(struct flow_value *f, const struct flow_value *from) {
    const u32 at = __builtin_offsetof(struct flow_value, packets), behind = at + 16;

    _Static_assert(__builtin_offsetof(struct flow_value, bytes) ==
                       __builtin_offsetof(struct flow_value, packets) + 8,
                   "the counters are one behind the other");
    __builtin_memcpy(f, from, at);
    __builtin_memcpy((u8 *)f + behind, (const u8 *)from + behind, sizeof *f - behind);
}

/* Puts p->value, which is p->key's half or the partner's, under its key. -1: there is a live one,
 * or (PUT_OVER) none. */
STAGE int flow_put(u32 how) {
    struct pkt *p = pkt_get();
    const struct flow_key *key;
    struct flow_value *f, *old;
    u64 packets, bytes;
    u32 seq;
    int err;

    if (!p)
        return -1;
    key = how & PUT_PARTNER ? &p->partner : &p->key;
    f = bpf_map_lookup_elem(&flows, key);
    if (!f) {
        if (how & PUT_OVER)
            return -1;
        p->value.seq = bpf_get_prandom_u32() << 1 | (how & PUT_LOCKED ? 1 : 0);
        err = (int)bpf_map_update_elem(&flows, key, &p->value, BPF_NOEXIST);
        if (!err)
            flow_total_add(1);
        return err;
    }
    if (!flow_overdue(f, key, &p->other, p->now) || !flow_lock(f))
        return -1;
    if (!log_lock_wait(f)) {
        flow_unlock(f);
        return -1;
    }
    /* The ended flow's other half ends with it; but that may be what was just written. */
    old = flow_partner(f, key, &p->other);
    if (old && !(how & PUT_PARTNER && flow_key_equal(&p->other, &p->key)) &&
        !(old->state & FLOW_DEAD))
        flow_bury_half(old, p->now);
    if (nat_is_counted(f))
        nat_count_drop(key);
    /* A packet of the ended flow that counts just now counts in the new one. */
    packets = __sync_lock_test_and_set(&f->packets, p->value.packets);
    bytes = __sync_lock_test_and_set(&f->bytes, p->value.bytes);
    log_tell(f, key, packets, bytes, LOG_ENDS);
    seq = f->seq;
    p->value.seq = seq;
    flow_overwrite(f, &p->value);
    if (!(how & PUT_LOCKED))
        flow_unlock(f);
    return 0;
}

/* p->value as a half that is new. */
static __always_inline void flow_fill(struct pkt *p) {
    struct flow_value *f = &p->value;

    __builtin_memset(f, 0, sizeof *f);
    f->last_ns = f->start_ns = p->now;
    f->timeouts = p->timeouts;
}

/* The half of the packet's own direction. */
static __always_inline void flow_fill_own(struct pkt *p) {
    flow_fill(p);
    p->value.verdict = p->v;
    p->value.partner = p->partner;
    p->value.near = p->near;
    p->value.distant = p->distant;
    p->value.packets = p->segments;
    p->value.bytes = p->ip_len;
    p->value.tcp_flags = flow_log_flags(p->tcp_flags);
}

/* The other direction's, which computes its path when it has a packet. */
static __always_inline void flow_fill_partner(struct pkt *p) {
    flow_fill(p);
    p->value.verdict.vpc = p->v.vpc;
    p->value.verdict.far = p->key.eni;
    p->value.verdict.flags = flags_reversed(p->v.flags);
    p->value.partner = p->key;
    p->value.near = p->distant;
    p->value.distant = p->near;
}

/* The packet is in its own half's counters since that was made. */
STAGE int commit_counted(void) {
    struct pkt *p = pkt_get();
    struct flow_value *f;

    if (!p)
        return DROP_INTERNAL;
    p->counted = 1;
    if (!log_is_on())
        return 0;
    f = bpf_map_lookup_elem(&flows, &p->key);
    if (f) {
        flow_count_pieces(p, f);
        log_counted(f);
    }
    return 0;
}

/* Step 2. */
STAGE int commit_halves(void) {
    struct pkt *p = pkt_get();
    struct flow_value *f;
    int err;

    if (!p)
        return DROP_INTERNAL;
    flow_fill_own(p);
    err = flow_put(0);
    if (err)
        return err == -1 || err == -17 ? 0 : DROP_FLOW_TABLE; /* -EEXIST: another CPU was first */
    flow_fill_partner(p);
    err = flow_put(PUT_PARTNER);
    if (!err)
        return commit_counted();
    /* One half alone is worth nothing. */
    f = bpf_map_lookup_elem(&flows, &p->key);
    if (f) {
        flow_bury(f, &p->key, &p->other, p->now);
        __sync_fetch_and_sub(&f->packets, p->segments);
        __sync_fetch_and_sub(&f->bytes, p->ip_len);
    }
    return err == -1 || err == -17 ? 0 : DROP_FLOW_TABLE;
}

#endif
