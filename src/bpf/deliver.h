/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Stage 11: the next hop is looked up (slow path), and the packet handed to it (both paths).
 *
 * To a container: bpf_redirect_peer, straight into the peer in its namespace. That works at tc
 * ingress only, does not pass the host end's tc egress, and needs a peer in another namespace. It
 * keeps the packet's type, which the host end's MAC decided: so the type is set to "for this host".
 *
 * To a tap or the uplink: bpf_redirect out of the device, past its guard (guard.bpf.c), which knows
 * our packets by their mark. Marks of a guest do not reach us: they end at the namespace's border.
 */
#ifndef VPCD_BPF_DELIVER_H
#define VPCD_BPF_DELIVER_H

#include <linux/if_packet.h>

#include "bpf/fragment.h"
#include "bpf/log_packets.h"
#include "bpf/nat.h"
#include "bpf/packet.h"
#include "bpf/reset.h"
#include "bpf/split.h"
#include "bpf/too_big.h"

static __always_inline int deliver_to(struct __sk_buff *skb, u32 ifindex, u32 peer) {
    if (peer) {
        if (skb->pkt_type != PACKET_HOST)
            bpf_skb_change_type(skb, PACKET_HOST);
        return (int)bpf_redirect_peer(ifindex, 0);
    }
    skb->mark = GUARD_MARK;
    return (int)bpf_redirect(ifindex, 0);
}

/* The answer goes back to the interface (or the uplink) where its question came from. */
static __always_inline int deliver_back(struct __sk_buff *skb, struct pkt *p) {
    struct link_key key = {.eni = p->key.eni};
    struct link_value *link;

    if (!p->key.eni)
        return deliver_to(skb, skb->ifindex, 0);
    link = bpf_map_lookup_elem(&links, &key);
    if (!link)
        return pkt_drop(DROP_NO_LINK);
    return deliver_to(skb, skb->ifindex, link->kind == LINK_VETH);
}

/* Dropped; what the hook returns sends the message back, if there is one. */
static __always_inline int deliver_refused(struct __sk_buff *skb, struct pkt *p, u32 reason) {
    int action = pkt_refuse(p, reason);

    if (log_is_on())
        log_refused(reason);
    if (dry_run || !p->key.eni)
        return action;
    if (reason == DROP_TOO_BIG ? too_big_message(skb)
                               : reason != DROP_NAT_RESET || reset_message(skb))
        return action;
    return deliver_back(skb, p);
}

/* Writes both MAC addresses, which the verdict holds in the frame's order. */
static __always_inline int frame_address(struct __sk_buff *skb, const struct flow_verdict *v) {
    const u16 *macs = (const u16 *)v->dst_mac;
    u16 *frame = (u16 *)(long)skb->data;

    if (frame + 6 > (u16 *)(long)skb->data_end)
        return (int)bpf_skb_store_bytes(skb, 0, macs, 12, 0);
#pragma unroll
    for (int i = 0; i < 6; i++)
        frame[i] = macs[i];
    return 0;
}

/* Rewrites the packet by p->v and sends it: what the hook returns. */
static __always_inline int deliver(struct __sk_buff *skb, struct pkt *p) {
    int reason;

    if (dry_run)
        return TC_ACT_REDIRECT;
    reason = nat_apply(skb, p);
    if (reason)
        return pkt_refuse(p, (u32)reason);
    if (p->fragment == FRAGMENT_FIRST)
        fragment_remember();
    if (frame_address(skb, &p->v))
        return pkt_drop(DROP_INTERNAL);
    if (p->wire_len > mtu_of(p)) {
        reason = split(skb);
        if (reason)
            return pkt_refuse(p, (u32)reason);
    }
    return deliver_to(skb, p->v.ifindex, p->v.flags & FLOW_TO_PEER);
}

/* The far end's device and the frame's addresses. */
STAGE int deliver_find(void) {
    struct pkt *p = pkt_get();
    struct link_key link_key = {};
    struct eni_key eni_key = {};
    struct config_value *c = config_get();
    struct link_value *link;
    struct eni_value *e;

    if (!p || !c)
        return DROP_INTERNAL;
    if (!p->v.far) {
        if (!c->uplink_ifindex)
            return DROP_NO_UPLINK;
        p->v.ifindex = c->uplink_ifindex;
        __builtin_memcpy(p->v.dst_mac, c->uplink_mac, 6);
        __builtin_memcpy(p->v.src_mac, c->router_mac, 6);
        return 0;
    }
    link_key.eni = eni_key.eni = p->v.far;
    e = bpf_map_lookup_elem(&enis, &eni_key);
    link = bpf_map_lookup_elem(&links, &link_key);
    if (!e || !link)
        return DROP_NO_LINK;
    p->v.ifindex = link->ifindex;
    if (link->kind == LINK_VETH)
        p->v.flags |= FLOW_TO_PEER;
    __builtin_memcpy(p->v.dst_mac, e->mac, 6);
    if (p->same_subnet)
        __builtin_memcpy(p->v.src_mac, p->eth_src.b, 6);
    else
        __builtin_memcpy(p->v.src_mac, c->router_mac, 6);
    return 0;
}

#endif
