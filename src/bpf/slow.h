/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The slow path: the stages in the order of the contract (docs/PACKET-PATH.md). What is decided is
 * left in p->v and in the flow table; the hook delivers.
 */
#ifndef VPCD_BPF_SLOW_H
#define VPCD_BPF_SLOW_H

#include "bpf/commit.h"
#include "bpf/deliver.h"
#include "bpf/edge.h"
#include "bpf/error.h"
#include "bpf/flow.h"
#include "bpf/internet.h"
#include "bpf/log_packets.h"
#include "bpf/outside.h"
#include "bpf/packet.h"
#include "bpf/recall.h"
#include "bpf/receiver.h"
#include "bpf/route.h"
#include "bpf/service.h"
#include "bpf/source.h"

/* The generations are read before anything they stand for: a verdict may be stored as older than
 * it is, never as newer. */
static __always_inline int generations_read(struct pkt *p) {
    struct vpc_key key = {.vpc = p->vpc};
    struct vpc_value *vpc = bpf_map_lookup_elem(&vpcs, &key);

    if (!vpc)
        return DROP_NOT_READY;
    p->v.vpc = p->vpc;
    p->v.gen_net = READ_ONCE(vpc->gen_net);
    p->v.gen_sg = READ_ONCE(vpc->gen_sg);
    barrier();
    return 0;
}

/* Stages 9 to 12. */
static __always_inline int slow_finish(struct pkt *p) {
    int reason = receiver_check();

    if (!reason)
        reason = reply_check();
    if (!reason)
        reason = deliver_find();
    if (!reason && too_big(p)) /* before anything is kept of it */
        reason = DROP_TOO_BIG;
    if (!reason && p->v.flags & FLOW_NAT && nat_refuses_fragment(p))
        reason = DROP_FRAGMENT;
    if (!reason)
        reason = commit();
    return reason;
}

/* What is left of stage 8. */
static __always_inline int slow_next(struct pkt *p) {
    int reason = 0;

    if (p->next == NEXT_NAT)
        reason = nat_egress();
    if (!reason && p->next == NEXT_INTERNET)
        reason = internet_leave();
    if (!reason && p->next == NEXT_EDGE)
        reason = edge_find();
    if (!reason && p->next == NEXT_ANSWER_NAT)
        reason = answer_nat();
    if (!reason && p->next == NEXT_ANSWER_EGRESS_ONLY)
        reason = answer_egress_only();
    if (!reason && p->nat)
        reason = nat_choose();
    return reason;
}

/* Stages 5 to 8. */
STAGE int slow_leave(void) {
    struct pkt *p = pkt_get();
    int reason;

    if (!p)
        return DROP_INTERNAL;
    p->v.flags = 0;
    p->v.far_vpc = 0;
    p->v.new_sport = p->v.new_dport = 0;
    p->nat = 0;
    log_begin(p);
    __builtin_memset(&p->partner, 0, sizeof p->partner);
    reason = route_peer();
    if (!reason)
        reason = sender_check();
    if (!reason)
        reason = route_find();
    return reason ? reason : slow_next(p);
}

/* From an ENI. An ICMP error may turn out to belong to no flow. */
STAGE int slow_eni_as(void) {
    struct pkt *p = pkt_get();
    int reason;

    if (!p)
        return DROP_INTERNAL;
    __builtin_memset(&p->v, 0, sizeof p->v);
    reason = generations_read(p);
    if (!reason)
        reason = flow_recall();
    if (!reason && p->error && !p->known)
        return NOT_OF_FLOW;
    if (!reason && service_asked(p)) /* 3: no flow goes there */
        return TO_SERVICE;
    if (!reason)
        reason = source_check(); /* 4 */
    if (!reason)
        reason = slow_leave(); /* 5 6 7 8 */
    if (!reason && path_changed(p)) {
        if (p->error)
            return NOT_OF_FLOW;
        flow_forget();
        reason = slow_leave();
    }
    if (!reason)
        reason = slow_finish(p); /* 9 10 11 12 */
    return reason;
}

/* From the uplink: no sender's side. */
STAGE int slow_uplink_as(void) {
    struct pkt *p = pkt_get();
    int reason;

    if (!p)
        return DROP_INTERNAL;
    __builtin_memset(&p->v, 0, sizeof p->v);
    __builtin_memset(&p->partner, 0, sizeof p->partner);
    p->src_set = p->dst_set = p->dst_eni = 0;
    p->dst_vpc = p->vpc = p->nat = 0;
    p->same_subnet = p->own_source = 0;
    p->crosses = 1;
    p->near_judged = JUDGED_ABSENT;
    log_begin(p);
    reason = flow_recall();
    if (!reason)
        reason = internet_ingress(); /* 7 8 */
    if (!reason)
        reason = slow_next(p);
    if (!reason && p->error && p->v.flags & (FLOW_NAT | FLOW_EGRESS_ONLY))
        reason = internet_source_check(); /* 4 */
    if (!reason && p->error && (!p->known || path_changed(p)))
        return NOT_OF_FLOW;
    if (!reason && path_changed(p))
        flow_forget();
    if (!reason)
        reason = slow_finish(p); /* 9 10 11 12 */
    return reason;
}

static __always_inline int slow_decide(struct __sk_buff *skb, struct pkt *p, enum flow_use use,
                                       int (*as)(void)) {
    int reason;

    if (use == FLOW_ADVANCES) {
        reason = commit_advance();
        if (reason != NOT_OF_FLOW)
            return reason;
    }
    if (p->quotes)
        error_follow(skb);
    reason = as();
    if (reason == NOT_OF_FLOW) {
        error_leave(p);
        reason = as();
    }
    return reason;
}

static __always_inline int slow_path(struct __sk_buff *skb, struct pkt *p, enum flow_use use,
                                     int (*as)(void)) {
    int reason;

    p->counted = 0;
    log_begin(p);
    reason = slow_decide(skb, p, use, as);
    if (!reason && !p->counted && log_is_on())
        log_passed();
    return reason;
}

#endif
