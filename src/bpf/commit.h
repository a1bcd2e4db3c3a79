/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Stage 12: what the slow path decided is written to the flow table.
 *
 * A new flow:
 *  1. takes a slot in the half-open ring of each ENI that tracks it, or, tracked by nobody, one
 *     among the ENI's remembered verdicts
 *  2. its own half is written, then the other one; either may take a dead entry over in place
 *  3. without a slot: a tracked flow is refused (conntrack_allowance_exceeded), unless its packet
 *     may as well be one of an untracked flow from the other side; an untracked one passes and is
 *     decided by the rules again next time
 *
 * A known flow gets the new path, and moves on: REPLIED with the first packet of the other side;
 * OPEN when the initiator goes on after that, for which each ENI that tracks it must have room in
 * its ring of open flows. A side that did not track it and now has to takes a slot, too.
 */
#ifndef VPCD_BPF_COMMIT_H
#define VPCD_BPF_COMMIT_H

#include "bpf/flow.h"
#include "bpf/groups.h"
#include "bpf/packet.h"
#include "bpf/quota.h"

static __always_inline u32 flags_reversed(u32 flags) {
    u32 kept = flags & (FLOW_UNTRACKED | FLOW_INTERNET);

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
    return 0;
}

/* Puts p->value, which is p->key's half or the partner's, under `key`. -1: there is a live one. */
STAGE int flow_put(u32 partner) {
    struct pkt *p = pkt_get();
    const struct flow_key *key;
    struct flow_value *f, *old;
    u32 seq;
    int err;

    if (!p)
        return -1;
    key = partner ? &p->partner : &p->key;
    f = bpf_map_lookup_elem(&flows, key);
    if (!f) {
        p->value.seq = bpf_get_prandom_u32() << 1;
        err = (int)bpf_map_update_elem(&flows, key, &p->value, BPF_NOEXIST);
        if (!err)
            flow_total_add(1);
        return err;
    }
    if (!flow_overdue(f, key, &p->other, p->now) || !flow_lock(f))
        return -1;
    /* The ended flow's other half ends with it; but that may be what was just written. */
    old = flow_partner(f, key, &p->other);
    if (old && !(partner && flow_key_equal(&p->other, &p->key)) && !(old->state & FLOW_DEAD))
        flow_bury_half(old, p->now);
    seq = f->seq;
    p->value.seq = seq;
    __builtin_memcpy(f, &p->value, sizeof *f);
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

/* Step 2. */
STAGE int commit_halves(void) {
    struct pkt *p = pkt_get();
    struct flow_value *f;
    int err;

    if (!p)
        return DROP_INTERNAL;
    flow_fill(p);
    p->value.verdict = p->v;
    p->value.partner = p->partner;
    p->value.near = p->near;
    p->value.distant = p->distant;
    p->value.packets = p->segments;
    p->value.bytes = p->ip_len;
    p->value.tcp_flags = flow_log_flags(p->tcp_flags);
    err = flow_put(0);
    if (err)
        return err == -1 || err == -17 ? 0 : DROP_FLOW_TABLE; /* -EEXIST: another CPU was first */

    flow_fill(p);
    p->value.verdict.vpc = p->v.vpc;
    p->value.verdict.far = p->key.eni;
    p->value.verdict.flags = flags_reversed(p->v.flags);
    p->value.partner = p->key;
    p->value.near = p->distant;
    p->value.distant = p->near;
    err = flow_put(1);
    if (!err)
        return 0;
    /* One half alone is worth nothing. */
    f = bpf_map_lookup_elem(&flows, &p->key);
    if (f)
        flow_bury(f, &p->key, &p->other, p->now);
    return err == -1 || err == -17 ? 0 : DROP_FLOW_TABLE;
}

/* Counts the flow under `eni`; 0, or the reason of a drop. */
static __always_inline int slot_take(struct pkt *p, u32 eni, u32 class, struct flow_slot *slot) {
    struct eni_stats_value *stats;
    u32 index = ring_take(eni, class);
    struct ring_key was = {};

    if (index == RING_NONE) {
        stats = stats_of(eni);
        if (stats && class == RING_UNTRACKED)
            __sync_fetch_and_add(&stats->untracked_uncached, 1);
        else if (stats && !p->reply_untracked)
            __sync_fetch_and_add(&stats->allowance_exceeded, 1);
        return DROP_ALLOWANCE;
    }
    /* It moves on from another ring, which need not be told by the sweep. */
    if (slot->eni == eni && slot->index != index) {
        was.eni = eni;
        was.index = slot->index;
        bpf_map_delete_elem(&rings, &was);
    }
    slot->eni = eni;
    slot->index = index;
    return 0;
}

/* Steps 1 and 3. */
STAGE int commit_new(void) {
    struct pkt *p = pkt_get();
    struct flow_slot none = {};
    int reason = 0;

    if (!p)
        return DROP_INTERNAL;
    p->near = p->distant = none;
    if (p->v.flags & FLOW_TRACKED_SRC)
        reason = slot_take(p, p->key.eni, RING_HALF, &p->near);
    if (!reason && p->v.flags & FLOW_TRACKED_DST)
        reason = slot_take(p, p->v.far, RING_HALF_IN, &p->distant);
    if (reason)
        return p->reply_untracked ? 0 : reason;
    if (!(p->v.flags & (FLOW_TRACKED_SRC | FLOW_TRACKED_DST))) {
        if (p->key.eni)
            reason = slot_take(p, p->key.eni, RING_UNTRACKED, &p->near);
        else
            reason = slot_take(p, p->v.far, RING_UNTRACKED, &p->distant);
        if (reason)
            return 0;
    }
    if (p->turned)
        flow_forget();
    commit_timeouts();
    reason = commit_halves();
    return p->v.flags & (FLOW_TRACKED_SRC | FLOW_TRACKED_DST) ? reason : 0;
}

/* The other half learns of tracking and slots. */
static __always_inline void partner_follow(struct pkt *p, struct flow_value *f) {
    struct flow_value *other = flow_partner(f, &p->key, &p->other);

    if (!other || !flow_lock(other))
        return;
    other->near = p->distant;
    other->distant = p->near;
    other->verdict.flags = (other->verdict.flags & ~(FLOW_UNTRACKED)) | flags_reversed(p->v.flags);
    flow_unlock(other);
}

STAGE int commit_known(void) {
    struct pkt *p = pkt_get();
    u32 tracked, gained, near, far, opens = 0, bits = 0;
    struct flow_value *f;
    int reason = 0;

    if (!p)
        return DROP_INTERNAL;
    tracked = p->v.flags & (FLOW_TRACKED_SRC | FLOW_TRACKED_DST);
    gained = tracked & ~p->was.flags;
    if (flow_advances(p, p->state, p->v.flags)) {
        bits = p->v.flags & FLOW_FORWARD ? FLOW_OPEN : FLOW_REPLIED;
        opens = bits & FLOW_OPEN;
    }
    near = p->v.flags & FLOW_FORWARD ? RING_HALF : RING_HALF_IN;
    far = p->v.flags & FLOW_FORWARD ? RING_HALF_IN : RING_HALF;
    if ((p->state | bits) & FLOW_OPEN)
        near = far = RING_OPEN;
    if (opens ? tracked & FLOW_TRACKED_SRC : gained & FLOW_TRACKED_SRC)
        reason = slot_take(p, p->key.eni, near, &p->near);
    if (!reason && (opens ? tracked & FLOW_TRACKED_DST : gained & FLOW_TRACKED_DST))
        reason = slot_take(p, p->v.far, far, &p->distant);
    if (reason)
        return reason;

    f = bpf_map_lookup_elem(&flows, &p->key);
    if (!f)
        return 0;
    if (opens || gained)
        partner_follow(p, f);
    if (flow_lock(f)) {
        f->verdict = p->v;
        f->near = p->near;
        f->distant = p->distant;
        flow_unlock(f);
    }
    if (bits)
        flow_mark(f, &p->key, &p->other, bits);
    if (p->tcp_flags & (TCP_FIN | TCP_RST))
        flow_see_tcp(p, f, p->v.flags);
    flow_count(p, f);
    return 0;
}

/* The flags of tracking follow from the judgements; then one of the two above. */
STAGE int commit(void) {
    struct pkt *p = pkt_get();
    u32 flags;

    if (!p)
        return DROP_INTERNAL;
    flags = p->v.flags & ~(FLOW_TRACKED_SRC | FLOW_TRACKED_DST | FLOW_UNTRACKED | FLOW_FORWARD);
    if (p->known)
        flags |= p->was.flags & (FLOW_TRACKED_SRC | FLOW_TRACKED_DST | FLOW_FORWARD);
    else
        flags |= FLOW_FORWARD;
    if (p->near_judged == JUDGED_TRACKED)
        flags |= FLOW_TRACKED_SRC;
    if (p->far_judged == JUDGED_TRACKED)
        flags |= FLOW_TRACKED_DST;
    if (!p->known && p->reply_untracked && groups_may_be_reply(p))
        flags &= ~(FLOW_FORWARD | FLOW_TRACKED_SRC | FLOW_TRACKED_DST);
    if ((p->key.eni && !(flags & FLOW_TRACKED_SRC)) || (p->v.far && !(flags & FLOW_TRACKED_DST)))
        flags |= FLOW_UNTRACKED;
    p->v.flags = flags;
    if (p->error)
        return 0;
    if (dry_run) {
        dry_result.verdict = p->v;
        return 0;
    }
    if (p->known)
        return commit_known();
    /* What opens no flow: ICMP outside of queries, answers to nothing, a reset of nothing. */
    if (p->kind != PKT_FLOW || p->tcp_flags & TCP_RST)
        return 0;
    return commit_new();
}

#endif
