/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Stages 9 and 10: the receiver's side, whoever sent the packet. */
#ifndef VPCD_BPF_RECEIVER_H
#define VPCD_BPF_RECEIVER_H

#include "bpf/acl.h"
#include "bpf/answer.h"
#include "bpf/groups.h"
#include "bpf/packet.h"

/* Whether the path ended at another ENI, with another translation or through another gateway than
 * the flow's so far. */
static __always_inline int path_changed(const struct pkt *p) {
    return p->known && (p->v.far != p->was.far || !flow_key_equal(&p->partner, &p->was_partner) ||
                        (p->v.flags ^ p->was.flags) & GATEWAY_FLAGS);
}

/* The ENI must have the address to which the packet goes at last, unless it does not check. */
static __always_inline int destination_check(struct pkt *p, const struct eni_value *e) {
    struct abi_addr *to = p->v.flags & FLOW_DNAT ? &p->v.new_dst : &p->key.dst;
    struct addr_value *a;

    if (!(e->flags & ENI_SRC_DST_CHECK))
        return 0;
    a = addr_find(e->vpc, p->key.family, to);
    return a && a->eni == p->v.far ? 0 : DROP_NOT_DESTINATION;
}

STAGE int receiver_check(void) {
    struct pkt *p = pkt_get();
    struct eni_key key = {};
    struct eni_value *e;
    u32 forward = 1;
    int reason;

    if (!p)
        return DROP_INTERNAL;
    p->far_judged = JUDGED_ABSENT;
    if (!p->v.far)
        return 0;
    p->log_place = LOG_FAR;
    key.eni = p->v.far;
    e = bpf_map_lookup_elem(&enis, &key);
    if (!e)
        return DROP_NO_LINK;
    if (p->crosses) {
        reason = acl_ingress(p, e->subnet);
        if (reason)
            return reason;
    }
    if (p->known) {
        forward = p->was.flags & FLOW_FORWARD;
        if (p->was.flags & FLOW_TRACKED_DST)
            p->far_judged = JUDGED_TRACKED;
    }
    if (p->far_judged != JUDGED_TRACKED)
        p->far_judged = (u32)groups_side(p->v.far, 0, forward);
    if (p->far_judged == JUDGED_DENIED)
        return DROP_GROUP_INGRESS;
    return destination_check(p, e);
}

/* The sender's groups (stage 5), here because it is the same question. */
STAGE int sender_check(void) {
    struct pkt *p = pkt_get();
    u32 forward = 1;

    if (!p)
        return DROP_INTERNAL;
    if (p->known) {
        forward = p->was.flags & FLOW_FORWARD;
        if (p->was.flags & FLOW_TRACKED_SRC) {
            p->near_judged = JUDGED_TRACKED;
            return 0;
        }
    }
    p->near_judged = (u32)groups_side(p->key.eni, 1, forward);
    return p->near_judged == JUDGED_DENIED ? DROP_GROUP_EGRESS : 0;
}

/* Whether, seen as part of a flow that began on the other side, nobody would track the packet. */
STAGE int reply_check(void) {
    struct pkt *p = pkt_get();
    u32 near, far;

    if (!p)
        return DROP_INTERNAL;
    p->reply_untracked = 0;
    if (p->known || p->kind != PKT_FLOW || p->v.flags & GATEWAY_FLAGS ||
        (p->near_judged != JUDGED_TRACKED && p->far_judged != JUDGED_TRACKED))
        return 0;
    near = (u32)groups_side(p->key.eni, 1, 0);
    far = (u32)groups_side(p->v.far, 0, 0);
    p->reply_untracked = (near == JUDGED_UNTRACKED || near == JUDGED_ABSENT) &&
                         (far == JUDGED_UNTRACKED || far == JUDGED_ABSENT);
    return 0;
}

#endif
