/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The flow table.
 *
 * One hash, `flows`, that never evicts. A flow has two entries, its halves: one for each direction,
 * keyed by the 5-tuple as it enters and the ENI (or the uplink, 0) where it enters. Each half names
 * the other (`partner`) and holds the verdict for its own direction, so that a packet of a known
 * flow costs one lookup here and one of its VPC's generations.
 *
 * Who may touch what:
 *  - Counters, last_ns, state bits: anybody, atomically or by plain stores of a whole word. State
 *    bits are only added, so the two halves need no common lock.
 *    But a flow is ended, taken over and deleted only under `seq`, too.
 *  - Verdict, partner, slots: only who made `seq` odd by compare-and-exchange. Readers copy the
 *    verdict between two reads of `seq` and take a difference, or an odd number, as a miss of the
 *    fast path. The slow path must know whether there is a flow, or it would judge, or reset, what
 *    lives: it looks FLOW_TRIES times, and then drops the packet (flow-busy). A lock is held for
 *    some hundred ns, by a claim of a NAT port longer, and for ever only by who deletes: then the
 *    next look finds nothing.
 *
 * Life: an entry is live until it is idle for its state's time, or DEAD. Idle is counted over both
 * halves: who finds one half overdue looks at the other before deciding. An overdue or dead entry
 * is a miss from that moment on. It may be taken over in place by a new flow with the same key
 * (under `seq`), and it is deleted only FLOW_GRACE after its end: a deleted element can be recycled
 * for another key at once, and whoever found it while it lived must have let go of it by then
 * (a program runs for microseconds). Who deletes makes `seq` odd first and never even again, so
 * it cannot be taken over at the same time. The first number of a `seq` is random, so a late
 * compare-and-exchange does not hit the element's next life.
 * Whoever needs room deletes (quota.h), and flow_sweep tidies up when the agent runs: no timer and
 * no daemon is needed for new flows to open.
 *
 * Generations: gen_net differs: the path is computed again, and the groups are asked only for sides
 * that do not track the flow. If the receiver or the translation changed, this flow is over and the
 * packet opens a new one. gen_sg differs: only flows with an untracked side are judged again.
 * The reverse half is born with gen_net 0, so the first reply computes its own path.
 *
 * A connection is not turned round: who was called may answer, and a SYN of its own is the first
 * packet of another flow, judged by the rules. That flow takes this one's place when they allow it,
 * and else this one is left as it is. (Where both ends open at once, either the second SYN is
 * allowed, or the SYN-ACK answers the first.)
 *
 * The answers to what came in by the uplink may go where no rule of the uplink leads. Without a
 * connection (TCP) that lasts only while the outside goes on asking: answers do not prolong it.
 *
 * A shared entry cannot time out for one ENI and live on for the other: the shorter idle time of
 * the two that track it holds, and then the rules of both are asked again.
 */
#ifndef VPCD_BPF_FLOW_H
#define VPCD_BPF_FLOW_H

#include "bpf/packet.h"
#include "bpf/parse.h"

#define FLOW_GRACE_NS 5000000000ull
#define FLOW_TRIES 256

#include "bpf/count.h"
#include "bpf/log.h"
#include "bpf/migrate.h"

/* --- Single entries ---------------------------------------------------------------------- */

/* Copies the verdict; 0 when somebody is rewriting it. */
static __always_inline int flow_read(struct flow_value *f, struct flow_verdict *ret_verdict) {
    u32 seq = READ_ONCE(f->seq);

    if (seq & 1)
        return 0;
    barrier();
    *ret_verdict = f->verdict;
    barrier();
    return READ_ONCE(f->seq) == seq;
}

static __always_inline int flow_lock(struct flow_value *f) {
    u32 seq = READ_ONCE(f->seq);

    if (seq & 1)
        return 0;
    return __sync_val_compare_and_swap(&f->seq, seq, seq + 1) == seq;
}

static __always_inline void flow_unlock(struct flow_value *f) {
    barrier();
    __sync_fetch_and_add(&f->seq, 1);
}

static __always_inline u64 flow_timeout_ns(const struct flow_value *f) {
    u32 ms = f->timeouts.half_ms;

    if (f->state & FLOW_CLOSING)
        ms = f->timeouts.closing_ms;
    else if (f->state & FLOW_OPEN)
        ms = f->timeouts.open_ms;
    return ms * 1000000ull;
}

/* How long this half is overdue, in ns; 0: it is not. `last` may be a little in the future. */
static __always_inline u64 flow_half_overdue(const struct flow_value *f, u64 now) {
    u64 deadline = f->last_ns;

    if (f->state & FLOW_DEAD)
        return now > deadline ? now - deadline : 1;
    deadline += flow_timeout_ns(f);
    return now > deadline ? now - deadline : 0;
}

/* --- Both halves ------------------------------------------------------------------------- */

/* The other half of the flow that `key` -> `f` belongs to; NULL when it is gone. */
static __always_inline struct flow_value *
flow_partner(struct flow_value *f, const struct flow_key *key, struct flow_key *room) {
    struct flow_value *other;

    *room = f->partner;
    other = bpf_map_lookup_elem(&flows, room);
    if (!other || !flow_key_equal(&other->partner, key))
        return 0;
    return other;
}

/* How long the flow is over, in ns; 0: it lives. `room` receives the partner's key. */
static __always_inline u64 flow_overdue(struct flow_value *f, const struct flow_key *key,
                                        struct flow_key *room, u64 now) {
    u64 mine = flow_half_overdue(f, now), theirs;
    struct flow_value *other;

    if (!mine || f->state & FLOW_DEAD)
        return mine;
    other = flow_partner(f, key, room);
    if (!other)
        return mine;
    theirs = flow_half_overdue(other, now);
    return mine < theirs ? mine : theirs;
}

/* Adds state bits to both halves. */
static __always_inline void flow_mark(struct flow_value *f, const struct flow_key *key,
                                      struct flow_key *room, u32 bits) {
    struct flow_value *other = flow_partner(f, key, room);

    __sync_fetch_and_or(&f->state, bits);
    if (other)
        __sync_fetch_and_or(&other->state, bits);
}

/* Ends a half, unless somebody is rewriting or deleting it: then it is not what it was. */
static __always_inline void flow_bury_half(struct flow_value *f, u64 now) {
    if (!flow_lock(f))
        return;
    if (f->told.seen_ns < f->last_ns)
        f->told.seen_ns = f->last_ns;
    f->last_ns = now;
    __sync_fetch_and_or(&f->state, FLOW_DEAD);
    flow_unlock(f);
}

/* Ends a live flow: both halves miss from now on. */
static __always_inline void flow_bury(struct flow_value *f, const struct flow_key *key,
                                      struct flow_key *room, u64 now) {
    struct flow_value *other = flow_partner(f, key, room);

    flow_bury_half(f, now);
    if (other)
        flow_bury_half(other, now);
}

/* Deletes a locked entry. Where the kernel cannot at this moment, it stays, for the next to try. */
static __always_inline void flow_take_out(struct flow_value *f, const struct flow_key *key) {
    int counted = nat_is_counted(f);
    long err = bpf_map_delete_elem(&flows, key);

    if (err == -2) /* -ENOENT: it is somebody else's now, perhaps */
        return;
    if (err) {
        flow_unlock(f);
        return;
    }
    flow_total_add(-1);
    if (counted)
        nat_count_drop(key);
}

/* Deletes both halves of a flow that ended more than `grace` ago; 1 when `key` is gone. It may have
 * been taken over since that was found: so it is judged again when nobody else can. `how` they tell
 * flow logs what is left: LOG_ENDS, LOG_MAY_END. */
static __always_inline int flow_delete(struct flow_value *f, const struct flow_key *key,
                                       struct flow_key *room, u64 now, u64 grace, u32 how) {
    struct flow_value *other;

    if (!flow_lock(f))
        return 0;
    if (flow_overdue(f, key, room, now) <= grace || !log_end(f, key, how)) {
        flow_unlock(f);
        return 0;
    }
    other = flow_partner(f, key, room);
    if (other && flow_lock(other)) {
        if (!flow_key_equal(&other->partner, key) || !log_end(other, room, how))
            flow_unlock(other); /* it went to another flow, or is left for later */
        else
            flow_take_out(other, room);
    }
    flow_take_out(f, key);
    return 1;
}

/* What a TCP packet of a known flow ends. */
static __always_inline void flow_see_tcp(struct pkt *p, struct flow_value *f, u32 flags) {
    u32 bits = 0, both = FLOW_FIN_FORWARD | FLOW_FIN_REVERSE;

    if (p->tcp_flags & TCP_FIN)
        bits = flags & FLOW_FORWARD ? FLOW_FIN_FORWARD : FLOW_FIN_REVERSE;
    if (((f->state | bits) & both) == both || p->tcp_flags & TCP_RST)
        bits |= FLOW_CLOSING;
    if (bits & ~f->state)
        flow_mark(f, &p->key, &p->other, bits);
}

/* OR of FIN 1, SYN 2, RST 4, SYN-ACK 18, as flow logs show them. */
static __always_inline u32 flow_log_flags(u8 tcp_flags) {
    u32 flags = tcp_flags & (TCP_FIN | TCP_SYN | TCP_RST);

    return tcp_flags & TCP_SYN ? flags | (tcp_flags & TCP_ACK) : flags;
}

/* In the order that log.h tells. */
static __always_inline void flow_count(struct pkt *p, struct flow_value *f) {
    u32 flags = flow_log_flags(p->tcp_flags);

    if (flags & ~f->tcp_flags)
        __sync_fetch_and_or(&f->tcp_flags, flags);
    if (p->v.far || p->v.flags & FLOW_FORWARD || p->key.proto == IPPROTO_TCP)
        f->last_ns = p->now;
    else
        f->told.seen_ns = p->now;
    __sync_fetch_and_add(&f->bytes, p->ip_len);
    __sync_fetch_and_add(&f->packets, p->segments);
    log_counted(f);
}

#endif
