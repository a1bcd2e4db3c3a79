/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Flow logs: packets that no flow entry counts (src/abi/flow_log.h, LOG_PACKETS). They are added up
 * in `log_packets`, by window and place, for interfaces that are asked for, within a bound for
 * each: what is beyond is counted as lost.
 *
 *  - refused by a group or an ACL: REJECT where that is, ACCEPT at the places it passed before. As
 *    far as it got: the sender, a NAT gateway, the receiver
 *  - passed by the sender's rules and lost afterwards (no route, nobody there, too big, beyond an
 *    allowance): ACCEPT at the sender, and at a gateway that it reached
 *  - delivered without an entry (ICMP outside of queries, answers to nothing, what found no room in
 *    the table): ACCEPT wherever it was
 *
 * Not recorded: what is no packet of the sender's (spoofed, malformed) and what AWS leaves out
 * (link-local services, DHCP, the router's own address).
 *
 * A window's entries stay until the reader has them (src/dataplane/flow_log.c): it raises
 * log_state.window, waits until no program runs that began before, and takes the older ones.
 */
#ifndef VPCD_BPF_LOG_PACKETS_H
#define VPCD_BPF_LOG_PACKETS_H

#include "bpf/flow.h"
#include "bpf/log.h"
#include "bpf/packet.h"
#include "bpf/split.h"

#define BIT(reason) (1ull << (reason))
/* Reasons of the slow path after which nothing is recorded. */
#define LOG_NOT_RECORDED                                                                           \
    (BIT(DROP_INTERNAL) | BIT(DROP_NOT_READY) | BIT(DROP_SPOOFED_ADDRESS) | BIT(DROP_DHCP) |       \
     BIT(DROP_LINK_LOCAL) | BIT(DROP_TO_ROUTER))
_Static_assert(DROP_COUNT <= 64, "a bit for each reason");

/* The tuple as the place sees it. */
static __always_inline void log_key(const struct pkt *p, struct log_packets_key *k, u32 place) {
    u32 flags = place == LOG_FAR ? p->v.flags : 0;

    k->family = p->key.family;
    k->proto = p->wire_proto;
    k->src = flags & FLOW_SNAT ? p->v.new_src : p->wire_src;
    k->dst = flags & FLOW_DNAT ? p->v.new_dst : p->key.dst;
    if (k->proto == (k->family == FAMILY_V4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
        return;
    k->sport = p->key.sport;
    k->dport = p->key.dport;
    if ((flags & (FLOW_NAT | FLOW_SNAT)) == (FLOW_NAT | FLOW_SNAT) && p->v.new_sport)
        k->sport = p->v.new_sport;
    if ((flags & (FLOW_NAT | FLOW_DNAT)) == (FLOW_NAT | FLOW_DNAT) && p->v.new_dport)
        k->dport = p->v.new_dport;
}

/* Whether the interface may have one entry more in this window. */
static __always_inline int log_has_room(struct log_eni_value *e, u32 window) {
    u32 bound = READ_ONCE(log_state.packets_entries) > LOG_MAX_PACKETS / 2 ? LOG_PACKETS_SCARCE
                                                                           : LOG_PACKETS_PER_ENI;

    if (e->window != window) {
        e->window = window;
        e->entries = 0;
    }
    return e->entries < bound;
}

/* Adds the packet at `at` (as in log_enis). */
STAGE int log_packet(u32 at, u32 place, u32 action) {
    struct log_packets_value first = {}, *v;
    struct log_packets_key k = {};
    struct log_eni_value *e = log_asked(at);
    struct pkt *p = pkt_get();
    u64 more = 0, more_bytes = 0;

    if (!p || !e)
        return 0;
    k.window = READ_ONCE(log_state.window);
    k.at = at;
    k.place = (u8)place;
    k.action = (u8)action;
    log_key(p, &k, place);
    if (place == LOG_FAR && action == LOG_ACCEPT)
        split_more(p, &more, &more_bytes);
    first.packets = p->segments + more;
    first.bytes = p->ip_len + more_bytes;
    first.tcp_flags = p->wire_proto == IPPROTO_TCP ? flow_log_flags(p->tcp_flags) : 0;
    v = bpf_map_lookup_elem(&log_packets, &k);
    if (!v) {
        if (!log_has_room(e, k.window)) {
            log_lose(at, first.packets, first.bytes);
            return 0;
        }
        first.first_ns = first.last_ns = p->now;
        first.flags = p->v.flags;
        first.near = p->key.eni;
        first.far = place == LOG_FAR || action == LOG_ACCEPT ? p->v.far : 0;
        first.vpc = p->v.vpc;
        first.far_vpc = p->v.far_vpc;
        if (!bpf_map_update_elem(&log_packets, &k, &first, BPF_NOEXIST)) {
            __sync_fetch_and_add(&e->entries, 1);
            __sync_fetch_and_add(&log_state.packets_entries, 1);
            return 0;
        }
        v = bpf_map_lookup_elem(&log_packets, &k); /* another CPU was first */
        if (!v) {
            log_lose(at, first.packets, first.bytes);
            return 0;
        }
    }
    __sync_fetch_and_add(&v->packets, first.packets);
    __sync_fetch_and_add(&v->bytes, first.bytes);
    if (first.tcp_flags & ~v->tcp_flags)
        __sync_fetch_and_or(&v->tcp_flags, first.tcp_flags);
    v->last_ns = p->now;
    return 0;
}

static __always_inline u32 log_gateway(const struct pkt *p) {
    if (p->log_gateway)
        return LOG_GATEWAY_KEY_OF(p->log_gateway);
    return p->v.flags & FLOW_NAT ? log_gateway_of(p->v.flags) : 0;
}

/* Delivered, and counted nowhere. */
STAGE int log_passed(void) {
    struct pkt *p = pkt_get();

    if (!p)
        return 0;
    if (p->key.eni)
        log_packet(p->key.eni, LOG_NEAR, LOG_ACCEPT);
    if (p->v.far)
        log_packet(p->v.far, LOG_FAR, LOG_ACCEPT);
    if (log_gateway(p)) {
        log_packet(log_gateway(p), LOG_GATEWAY, LOG_ACCEPT);
        log_packet(log_gateway(p), LOG_GATEWAY_OUT, LOG_ACCEPT);
    }
    return 0;
}

/* Dropped by the slow path. */
STAGE int log_refused(u32 reason) {
    u32 place, gateway, refused = LOG_ACCEPT, ingress, egress;
    struct pkt *p = pkt_get();

    if (!p || reason >= DROP_COUNT || BIT(reason) & LOG_NOT_RECORDED)
        return 0;
    place = p->log_place;
    gateway = log_gateway(p);
    ingress = reason == DROP_GROUP_INGRESS || reason == DROP_ACL_INGRESS;
    egress = reason == DROP_GROUP_EGRESS || reason == DROP_ACL_EGRESS;
    if (ingress || egress)
        refused = LOG_REJECT;
    if (p->key.eni)
        log_packet(p->key.eni, LOG_NEAR, place == LOG_NEAR ? refused : LOG_ACCEPT);
    if (place == LOG_NEAR)
        return 0;
    if (gateway)
        log_packet(gateway, LOG_GATEWAY, place == LOG_GATEWAY && ingress ? LOG_REJECT : LOG_ACCEPT);
    if (gateway && (place == LOG_FAR || egress))
        log_packet(gateway, LOG_GATEWAY_OUT, place == LOG_FAR ? LOG_ACCEPT : LOG_REJECT);
    if (place == LOG_FAR && p->v.far && refused == LOG_REJECT)
        log_packet(p->v.far, LOG_FAR, LOG_REJECT);
    return 0;
}

#endif
