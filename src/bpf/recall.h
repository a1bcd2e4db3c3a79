/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The two uses of the flow table: the fast path's verdict, and what the slow path finds known. How
 * the table works is told in flow.h. */
#ifndef VPCD_BPF_RECALL_H
#define VPCD_BPF_RECALL_H

#include "bpf/flow.h"
#include "bpf/packet.h"
#include "bpf/split.h"

static __always_inline int generations_match(const struct flow_verdict *v) {
    struct vpc_key key = {.vpc = v->vpc};
    struct vpc_value *vpc = bpf_map_lookup_elem(&vpcs, &key);
    u32 untracked = v->flags & FLOW_UNTRACKED;

    if (!vpc || !v->gen_net || vpc->gen_net != v->gen_net)
        return 0;
    if (untracked && vpc->gen_sg != v->gen_sg)
        return 0;
    if (!v->far_vpc)
        return 1;
    key.vpc = v->far_vpc;
    vpc = bpf_map_lookup_elem(&vpcs, &key);
    if (!vpc || vpc->gen_net != v->far_gen_net)
        return 0;
    return !untracked || vpc->gen_sg == v->far_gen_sg;
}

/* Whether this packet changes the flow's state in a way that needs room or both halves' slots. */
static __always_inline int flow_advances(const struct pkt *p, u32 state, u32 flags) {
    if (p->tcp_flags & TCP_RST)
        return 0;
    if (!(flags & FLOW_FORWARD))
        return !(state & FLOW_REPLIED);
    return (state & (FLOW_REPLIED | FLOW_OPEN)) == FLOW_REPLIED && !(p->tcp_flags & TCP_SYN);
}

/* A SYN on a flow that is closing opens a new one with the same ports. */
static __always_inline int flow_reopens(const struct pkt *p, u32 state) {
    return state & FLOW_CLOSING && (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* A SYN against the direction in which the flow began is not its packet. */
static __always_inline int flow_turns(const struct pkt *p, u32 flags) {
    return !(flags & FLOW_FORWARD) && (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

enum flow_use {
    FLOW_DECIDE = 0, /* by the slow path */
    FLOW_HIT,        /* p->v holds a verdict that is in force; counted */
    FLOW_ADVANCES,   /* so does p->v, but the flow moves on (commit_advance) */
};

/* The fast path. */
static __always_inline enum flow_use flow_use(struct pkt *p) {
    struct flow_value *f;
    u32 state, seq;

    p->now = bpf_ktime_get_coarse_ns();
    if (dry_run)
        return FLOW_DECIDE;
    f = bpf_map_lookup_elem(&flows, &p->key);
    if (!f)
        return FLOW_DECIDE;
    seq = READ_ONCE(f->seq);
    if (!flow_read(f, &p->v))
        return FLOW_DECIDE;
    state = READ_ONCE(f->state);
    if (state & FLOW_DEAD || flow_turns(p, p->v.flags) || flow_reopens(p, state))
        return FLOW_DECIDE;
    if (flow_half_overdue(f, p->now) && flow_overdue(f, &p->key, &p->other, p->now))
        return FLOW_DECIDE;
    if (!generations_match(&p->v))
        return FLOW_DECIDE;
    barrier();
    if (READ_ONCE(f->seq) != seq) /* state and deadline were another flow's */
        return FLOW_DECIDE;
    if (p->wire_len > mtu_of(p) || p->fragment) {
        if (too_big(p) ||
            (p->v.flags & FLOW_NAT && nat_refuses_fragment(p))) /* the slow path says so */
            return FLOW_DECIDE;
        if (!flow_advances(p, state, p->v.flags))
            flow_count_pieces(p, f);
    }
    if (flow_advances(p, state, p->v.flags))
        return FLOW_ADVANCES;
    if (p->tcp_flags & (TCP_FIN | TCP_RST))
        flow_see_tcp(p, f, p->v.flags);
    flow_count(p, f);
    return FLOW_HIT;
}

/* The path is not what it was: the flow is over, and this packet opens another. */
STAGE int flow_forget(void) {
    struct pkt *p = pkt_get();
    struct flow_value *f;

    if (!p)
        return DROP_INTERNAL;
    p->known = 0;
    p->state = 0;
    f = bpf_map_lookup_elem(&flows, &p->key);
    if (f)
        flow_bury(f, &p->key, &p->other, p->now);
    return 0;
}

enum flow_look {
    LOOK_NONE = 0,
    LOOK_FOUND,
    LOOK_BUSY,
};

/* What is known of p->key's flow, as one writer left it. */
STAGE int flow_look(void) {
    struct pkt *p = pkt_get();
    struct flow_value *f;
    u64 overdue;
    u32 seq;

    if (!p)
        return LOOK_NONE;
    f = bpf_map_lookup_elem(&flows, &p->key);
    if (!f)
        return LOOK_NONE;
    seq = READ_ONCE(f->seq);
    if (seq & 1)
        return LOOK_BUSY;
    barrier();
    p->was = f->verdict;
    p->was_partner = f->partner;
    p->near = f->near;
    p->distant = f->distant;
    p->state = READ_ONCE(f->state);
    overdue = flow_overdue(f, &p->key, &p->other, p->now);
    barrier();
    if (READ_ONCE(f->seq) != seq)
        return LOOK_BUSY;
    return overdue ? LOOK_NONE : LOOK_FOUND;
}

/* Whether packets went the other way, as the one that an ICMP error quotes must have. */
static __always_inline int flow_quoted_went(const struct pkt *p) {
    const struct flow_value *other = bpf_map_lookup_elem(&flows, &p->was_partner);

    return other && flow_key_equal(&other->partner, &p->key) && other->packets;
}

/* The slow path's first look: what is known of the flow, if it lives. */
STAGE int flow_recall(void) {
    struct pkt *p = pkt_get();
    int look = LOOK_NONE;

    if (!p)
        return DROP_INTERNAL;
    p->known = 0;
    p->turned = 0;
    p->now = bpf_ktime_get_coarse_ns();
    if (!dry_run)
        look = flow_look();
    if (!dry_run && look == LOOK_NONE && flow_migrate(p))
        look = LOOK_BUSY;
    for (u32 i = 0; look == LOOK_BUSY && i < FLOW_TRIES; i++)
        look = flow_look();
    if (look != LOOK_FOUND)
        p->state = 0;
    if (dry_run || look == LOOK_NONE)
        return 0;
    if (look == LOOK_BUSY)
        return DROP_FLOW_BUSY;
    if (flow_turns(p, p->was.flags)) {
        p->turned = 1;
        p->state = 0;
        return 0;
    }
    if (flow_reopens(p, p->state))
        return flow_forget();
    p->known = !p->error || flow_quoted_went(p);
    return 0;
}

#endif
