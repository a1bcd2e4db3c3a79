/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Flows across a change of their layout.
 *
 * The agent that brings a new layout opens the older table beside the new one, before it switches
 * the devices to its programs. A miss in the new table then looks into the older one and brings the
 * flow over, both halves; flow_migrate_all brings over the rest after the switch. Nobody writes to
 * the older table any more, and it goes when it is empty. When there is no older table, the agent
 * puts an empty map in its place.
 *
 * A migrated flow keeps everything; rings name flows by key only, so quotas go on as they were.
 */
#ifndef VPCD_BPF_MIGRATE_H
#define VPCD_BPF_MIGRATE_H

#include "bpf/packet.h"

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_FLOWS);
    __type(key, struct flow_key);
    __type(value, struct flow_value_before);
} flows_before SEC(".maps");

/* What the layouts differ in. The first had no flow logs: all that it counted was before them. */
static __always_inline void flow_migrate_told(struct flow_value *f,
                                              const struct flow_value_before *old) {
#if FLOW_LAYOUT == 2
    __builtin_memset(&f->told, 0, sizeof f->told);
    f->told.packets = old->packets;
    f->told.bytes = old->bytes;
    f->told.tcp_flags = old->tcp_flags;
    f->tcp_flags = 0;
#else
    f->told = old->told;
    f->told.lock = f->told.epoch = 0;
    f->migrated_ns = bpf_ktime_get_coarse_ns();
#endif
}

/* One half, by way of `f`; 0: there was none. A half that is here already stays as it is. */
static __always_inline int flow_migrate_half(const struct flow_key *key, struct flow_value *f) {
    struct flow_value_before *old = bpf_map_lookup_elem(&flows_before, key);

    if (!old || old->state & FLOW_DEAD)
        return 0;
    f->packets = old->packets;
    f->bytes = old->bytes;
    f->last_ns = old->last_ns;
    f->start_ns = old->start_ns;
    f->partner = old->partner;
    f->tcp_flags = old->tcp_flags;
    f->near = old->near;
    f->distant = old->distant;
    f->verdict = old->verdict;
    f->timeouts = old->timeouts;
    f->state = old->state;
    f->seq = bpf_get_prandom_u32() << 1;
    flow_migrate_told(f, old);
    if (!bpf_map_update_elem(&flows, key, f, BPF_NOEXIST))
        flow_total_add(1);
    return 1;
}

static __always_inline int flow_migrate(struct pkt *p) {
    if (!flow_migrate_half(&p->key, &p->value))
        return 0;
    p->other = p->value.partner;
    flow_migrate_half(&p->other, &p->value);
    return 1;
}

/* Packets interrupt the walk, so it has a place of its own for the value. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct flow_value);
} walk_scratch SEC(".maps");

static long flow_migrate_one(void *map, const void *key, void *value, void *context) {
    struct flow_key copy = *(const struct flow_key *)key;
    u32 zero = 0;
    struct flow_value *room = bpf_map_lookup_elem(&walk_scratch, &zero);

    (void)map;
    (void)value;
    (void)context;
    if (!room)
        return 1;
    flow_migrate_half(&copy, room);
    bpf_map_delete_elem(&flows_before, &copy);
    return 0;
}

/* Run by the agent after the switch. */
SEC("tc") int flow_migrate_all(struct __sk_buff *skb) {
    (void)skb;
    bpf_for_each_map_elem(&flows_before, flow_migrate_one, 0, 0);
    return 0;
}

#endif
