/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Stages 5 and 10: security groups, at one ENI for one direction.
 *
 * Rules are bits (src/abi/maps.h): the packet matches a rule when the rule's bit is set in the
 * peer's address class or in the peer's group set, and in the port class. Any bit allows. The loop
 * is always 16 words, however many rules there are.
 *
 * A flow is judged in the direction in which it began, and its packets of both directions follow:
 *  1. no rule matches: denied
 *  2. TCP or UDP, a rule for all addresses (0.0.0.0/0, ::/0) matches, and the other direction
 *     allows all addresses on all ports: untracked. Each of its packets is allowed by rules.
 *  3. else: tracked
 * (AWS: "Security group connection tracking".) ICMP and other protocols are always tracked.
 */
#ifndef VPCD_BPF_GROUPS_H
#define VPCD_BPF_GROUPS_H

#include "bpf/packet.h"

enum judgement {
    JUDGED_DENIED = 0,
    JUDGED_TRACKED = 1,
    JUDGED_UNTRACKED = 2,
    JUDGED_ABSENT = 3, /* this side is no ENI */
};

struct question {
    u32 table;
    u32 dir; /* enum direction, of the flow's beginning, as this ENI sees it */
    u32 peer_set, peer_vpc;
    u8 family, proto;
    __be16 port; /* destination port of the flow's beginning */
    struct abi_addr peer;
};

static __always_inline u64 *word(const struct rule_bits *bits, int i) {
    return (u64 *)&bits->w[i];
}

STAGE int groups_judge(struct question *q) {
    struct rule_table_key table_key = {};
    struct rule_addr_key addr_key = {};
    struct rule_port_key port_key = {};
    struct rule_set_key set_key = {};
    struct rule_table_value *table, *opposite;
    struct rule_bits *ports, *addrs, *sets = 0;
    u64 hit = 0, any = 0;
    u32 all_flag = 0;

    if (!q || !q->table)
        return JUDGED_DENIED;
    table_key.table = q->table;
    table_key.dir = (u8)q->dir;
    table_key.family = q->family;
    table = bpf_map_lookup_elem(&rule_tables, &table_key);
    if (!table)
        return JUDGED_DENIED;

    port_key.prefixlen = RULE_PORT_PROTO + 16;
    port_key.table = q->table;
    port_key.dir = (u8)q->dir;
    port_key.family = q->family;
    port_key.proto = q->proto;
    port_key.port = q->port;
    ports = bpf_map_lookup_elem(&rule_ports, &port_key);
    if (!ports)
        return JUDGED_DENIED;

    addr_key.prefixlen = RULE_ADDR_PREFIX + (q->family == FAMILY_V4 ? 32 : 128);
    addr_key.table = q->table;
    addr_key.dir = (u8)q->dir;
    addr_key.family = q->family;
    addr_key.addr = q->peer;
    addrs = bpf_map_lookup_elem(&rule_addrs, &addr_key);
    if (q->peer_set) {
        set_key.table = q->table;
        set_key.dir = (u8)q->dir;
        set_key.family = q->family;
        set_key.sgset = q->peer_set;
        set_key.vpc = q->peer_vpc;
        sets = bpf_map_lookup_elem(&rule_sets, &set_key);
    }
    for (int i = 0; i < RULE_WORDS; i++) {
        u64 peer = 0;
        if (addrs)
            peer |= *word(addrs, i);
        if (sets)
            peer |= *word(sets, i);
        hit |= peer & *word(ports, i);
        any |= *word(&table->any_addr, i) & *word(ports, i);
    }

    if (q->proto == IPPROTO_TCP)
        all_flag = RULE_ALL_TCP;
    else if (q->proto == IPPROTO_UDP)
        all_flag = RULE_ALL_UDP;
    if (any && all_flag) {
        table_key.dir = q->dir == DIR_INGRESS ? DIR_EGRESS : DIR_INGRESS;
        opposite = bpf_map_lookup_elem(&rule_tables, &table_key);
        if (opposite && (opposite->flags & all_flag))
            return JUDGED_UNTRACKED;
    }
    return hit | any ? JUDGED_TRACKED : JUDGED_DENIED;
}

/*
 * The sender's side (`near`) or the receiver's, of a flow that began in this packet's direction
 * (`forward`) or in the other one. The peer is the other end as the packet names it on this side
 * of a translation.
 */
STAGE int groups_side(u32 eni, u32 near, u32 forward) {
    struct pkt *p = pkt_get();
    struct eni_key key = {.eni = eni};
    struct question q = {};
    struct eni_value *e;

    if (!p)
        return JUDGED_DENIED;
    if (!eni)
        return JUDGED_ABSENT;
    e = bpf_map_lookup_elem(&enis, &key);
    if (!e)
        return JUDGED_DENIED;
    q.table = e->sg_table;
    q.dir = !near == !forward ? DIR_EGRESS : DIR_INGRESS;
    q.family = p->key.family;
    q.proto = p->key.proto;
    q.port = forward ? p->rule_port : p->rule_port_reply;
    if (near) {
        q.peer = p->key.dst;
        q.peer_set = p->dst_set;
        q.peer_vpc = p->dst_vpc;
    } else {
        q.peer = p->v.flags & FLOW_SNAT ? p->v.new_src : p->key.src;
        q.peer_set = p->v.flags & (FLOW_SNAT | FLOW_INTERNET) ? 0 : p->src_set;
        q.peer_vpc = p->vpc;
    }
    return groups_judge(&q);
}

/* Whether the reply's own direction decides: a TCP packet in the middle of a flow may belong to
 * one that began on the other side, if nobody has to track that one. */
static __always_inline int groups_may_be_reply(const struct pkt *p) {
    return p->key.proto == IPPROTO_TCP && !(p->tcp_flags & TCP_SYN && !(p->tcp_flags & TCP_ACK));
}

#endif
