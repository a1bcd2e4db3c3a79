/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What comes in by the uplink: through an internet gateway to a public address, or as an answer to
 * a NAT or egress-only gateway (answer.h).
 *
 * In: the destination must be a public address of an ENI here; the source anything that is not
 * ours, and not inside the receiver's VPC either: rules that name its networks mean those inside.
 * The host accepts packets for all its addresses and forwards others, so both sides of the
 * uplink are checked here and nothing is left to the host's settings.
 */
#ifndef VPCD_BPF_OUTSIDE_H
#define VPCD_BPF_OUTSIDE_H

#include "bpf/answer.h"
#include "bpf/internet.h"
#include "bpf/packet.h"

/*
 * In: whether the source lies in the VPC of the receiver, p->v.far: somebody there has it, or the
 * route table of the receiver's subnet calls it local, or a part of what is. Nor where that table
 * leads to a peer: rules that name the peer's networks mean those. Where it leads out by an
 * egress-only gateway, nothing begins outside.
 */
STAGE int internet_source_check(void) {
    struct pkt *p = pkt_get();
    u32 kind;

    if (!p)
        return DROP_INTERNAL;
    if (addr_find(p->vpc, p->key.family, &p->wire_src))
        return DROP_SPOOFED_ADDRESS;
    kind = route_back();
    if (ROUTE_KIND(kind) == ROUTE_LOCAL || kind & ROUTE_INSIDE || ROUTE_KIND(kind) == ROUTE_PCX)
        return DROP_SPOOFED_ADDRESS;
    if (p->v.flags & FLOW_EGRESS_ONLY) /* it belongs to what began inside */
        return 0;
    return ROUTE_KIND(kind) == ROUTE_EIGW ? DROP_EGRESS_ONLY : 0;
}

/* In: whose packet it is. Sets p->vpc, the generations, the far ENI and the translation. */
STAGE int internet_ingress(void) {
    struct pkt *p = pkt_get();
    struct config_value *c = config_get();
    struct public_value *to;
    u32 vpc;

    if (!p || !c)
        return DROP_INTERNAL;
    if (is_link_local(p->key.family, &p->wire_src) ||
        (is_pool_address(c, p->key.family, &p->wire_src) &&
         !is_host_address(c, p->key.family, &p->wire_src)))
        return DROP_SPOOFED_ADDRESS;
    p->next = NEXT_NONE;
    if (is_answer_of(p, FLOW_EGRESS_ONLY)) {
        p->next = NEXT_ANSWER_EGRESS_ONLY;
        return 0;
    }
    to = public_find(p->key.family, &p->key.dst);
    if (!to) {
        p->next = NEXT_ANSWER_NAT;
        p->next_vpc = 0;
        return 0;
    }
    vpc = to->vpc;
    if (!vpc_enter(p, vpc))
        return DROP_NOT_READY;
    to = public_find(p->key.family, &p->key.dst);
    if (!to || to->vpc != vpc)
        return DROP_UPLINK_UNKNOWN;
    p->v.flags |= FLOW_INTERNET;
    p->v.far = to->eni;
    p->partner.src = *public_private(to, p->key.family, &p->key.dst);
    if (!addr_equal(&p->partner.src, &p->key.dst)) {
        p->v.flags |= FLOW_DNAT;
        p->v.new_dst = p->partner.src;
    }
    p->partner.eni = to->eni;
    p->partner.family = p->key.family;
    p->partner.proto = p->key.proto;
    p->partner.is_reply = is_reply_of(&p->key);
    p->partner.dst = p->key.src;
    p->partner.sport = p->key.dport;
    p->partner.dport = p->key.sport;
    p->next = NEXT_EDGE;
    return internet_source_check();
}

#endif
