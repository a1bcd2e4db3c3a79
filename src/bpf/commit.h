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

#include "bpf/claim.h"
#include "bpf/flow.h"
#include "bpf/groups.h"
#include "bpf/packet.h"
#include "bpf/quota.h"
#include "bpf/recall.h"
#include "bpf/too_big.h"

/* Counts the flow under `eni`; 0, or the reason of a drop. */
static __always_inline int slot_take(struct pkt *p, u32 eni, u32 class, struct flow_slot *slot) {
    struct eni_stats_value *stats;
    u32 index = ring_take(eni, class);

    if (index == RING_NONE) {
        stats = stats_of(eni);
        if (stats && class == RING_UNTRACKED)
            __sync_fetch_and_add(&stats->untracked_uncached, 1);
        else if (stats && !p->reply_untracked)
            __sync_fetch_and_add(&stats->allowance_exceeded, 1);
        return DROP_ALLOWANCE;
    }
    /* It moves on from another ring, which need not be told by the sweep. */
    if (slot->eni == eni && slot->index != index)
        ring_leave(eni, slot->index);
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
    reason = p->v.flags & FLOW_NAT ? nat_claim() : commit_halves();
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
    flow_count_pieces(p, f);
    flow_count(p, f);
    p->counted = 1;
    return 0;
}

/* A known flow moves on, by the verdict that it has: nothing is to be decided but whether there is
 * room. 0, the reason of a drop, or NOT_OF_FLOW when it ended meanwhile. */
STAGE int commit_advance(void) {
    struct pkt *p = pkt_get();

    if (!p)
        return DROP_INTERNAL;
    flow_recall();
    if (!p->known)
        return NOT_OF_FLOW;
    p->v = p->was;
    p->reply_untracked = 0;
    if (!generations_match(&p->v) || too_big(p) ||
        (p->v.flags & FLOW_NAT && nat_refuses_fragment(p))) /* the slow path says so */
        return NOT_OF_FLOW;
    return commit_known();
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
