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

/* The slow path's first look: what is known of the flow, if it lives. */
STAGE int flow_recall(void) {
    struct pkt *p = pkt_get();
    struct flow_value *f;

    if (!p)
        return DROP_INTERNAL;
    p->known = 0;
    p->state = 0;
    p->turned = 0;
    p->now = bpf_ktime_get_coarse_ns();
    if (dry_run)
        return 0;
    f = bpf_map_lookup_elem(&flows, &p->key);
    if (!f && flow_migrate(p))
        f = bpf_map_lookup_elem(&flows, &p->key);
    if (!f || !flow_read(f, &p->was) || flow_overdue(f, &p->key, &p->other, p->now))
        return 0;
    if (flow_turns(p, p->was.flags)) {
        p->turned = 1;
        return 0;
    }
    p->state = READ_ONCE(f->state);
    if (flow_reopens(p, p->state)) {
        flow_bury(f, &p->key, &p->other, p->now);
        return 0;
    }
    p->was_partner = f->partner;
    p->near = f->near;
    p->distant = f->distant;
    p->known = 1;
    return 0;
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

#endif
