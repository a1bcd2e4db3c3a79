/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * How many flows an ENI may have, without a timer, a free list or the agent.
 *
 * Each ENI has four rings: open flows; half-open ones that it began, and half-open ones that others
 * began; and verdicts remembered for untracked flows. A ring is as many slots as the quota says; a
 * slot (in `rings`, by ENI, class and number) names a flow by the key of one of its halves, and
 * that flow's entry names the slot (near or distant). So a slot is free when it is empty, when its
 * flow is gone, or when the flow no longer says that it is there: it moved on (half-open to open)
 * or began anew elsewhere.
 *
 * Who opens a flow advances the ENI's head for the class and looks at up to RING_PROBES slots from
 * there. The first that is free, or whose flow ended FLOW_GRACE ago (that flow is deleted on the
 * spot, both halves), is taken. If none is, the flow is refused: the ENI is at its quota, or so
 * close to it that RING_PROBES slots in a row were taken. Nobody else's flows are touched.
 *
 * A flow that moves on leaves its slot to the next that needs one of that ring (`spares`, one a
 * ring): connection after connection then uses the same, which need not be allocated again.
 *
 * The head only grows, so two CPUs look at different slots; where a ring is smaller than the number
 * of CPUs two flows may share a slot, and the quota is exceeded by one.
 *
 * The quotas of all ENIs add up to more than `flows` holds. So that no tenant fills it for the
 * others, above half of it an ENI may use only the first slots of each ring, a 256th of the
 * entries that are free (4,096 at first, less with every flow of anybody): who has more flows
 * than that keeps them and opens no more, who has few goes on. However many ENIs fill their share,
 * some is left for the next. Flows beyond the share are still looked at for those that ended.
 *
 * Anybody whom a rule admits can begin flows at an ENI and leave it at that. So these never stand
 * in the way of its own, and the oldest of them make room for the next: an eighth of the slots
 * ahead of the head is cleared as it moves on, by ending the flows there. An initiator that goes on
 * after that is judged by the rules again. Such a flow may be deleted EVICT_GRACE after its end:
 * the long grace period would be too long for a flood.
 *
 * The ring of untracked flows is a cache. When no slot is free, the first live flow that was seen
 * is buried, so that there will be room after the grace period; meanwhile its packets, and those of
 * the flow that found no room, are decided by the rules each time.
 */
#ifndef VPCD_BPF_QUOTA_H
#define VPCD_BPF_QUOTA_H

#include "bpf/flow.h"
#include "bpf/packet.h"

#define RING_PROBES 32
#define EVICT_GRACE_NS 100000000ull
#define FLOW_SHARES_LOG2 8    /* a 256th */
#define RING_NONE 0xffffffffu /* no slot: at the quota */
#define RING_SLOT_MASK 0x0fffffffu

/* How many slots of a ring an ENI may use now. */
static __always_inline u32 ring_share(u32 quota) {
    struct flow_total_value *total = flow_total_get();
    s64 used, limit;

    if (!total)
        return quota;
    used = READ_ONCE(total->entries);
    limit = total->limit;
    if (used <= limit / 2)
        return quota;
    if (used >= limit)
        return 0;
    limit = (limit - used) >> FLOW_SHARES_LOG2;
    return limit < quota ? (u32)limit : quota;
}

/* Whether the flow says that it is counted there. */
static __always_inline int flow_has_slot(const struct flow_value *f, const struct ring_key *key) {
    return (f->near.eni == key->eni && f->near.index == key->index) ||
           (f->distant.eni == key->eni && f->distant.index == key->index);
}

/* 1: the slot may be taken. `evict`: if its flow lives, that ends. */
STAGE int ring_slot_free(u32 eni, u32 index, u32 evict) {
    struct pkt *p = pkt_get();
    struct ring_key key = {.eni = eni, .index = index};
    struct eni_stats_value *stats;
    struct ring_value *slot;
    struct flow_value *f;
    u64 overdue, grace = index >> 28 == RING_HALF_IN ? EVICT_GRACE_NS : FLOW_GRACE_NS;

    if (!p)
        return 0;
    slot = bpf_map_lookup_elem(&rings, &key);
    if (!slot)
        return 1;
    p->victim = slot->flow;
    f = bpf_map_lookup_elem(&flows, &p->victim);
    if (!f || !flow_has_slot(f, &key))
        return 1;
    overdue = flow_overdue(f, &p->victim, &p->other, p->now);
    if (!overdue && evict)
        flow_bury(f, &p->victim, &p->other, p->now);
    if (overdue <= grace || !flow_delete(f, &p->victim, &p->other, p->now, grace, LOG_ENDS))
        return 0;
    stats = stats_of(eni);
    if (stats)
        __sync_fetch_and_add(&stats->flows_reclaimed, 1);
    return 1;
}

/* Names the flow p->key in a slot that is free. One that is there is written in place: who reads
 * half of it finds no flow, and the slot free. */
STAGE int ring_write(u32 eni, u32 index) {
    struct pkt *p = pkt_get();
    struct ring_key key = {.eni = eni, .index = index};
    struct ring_value *slot;

    if (!p)
        return -1;
    slot = bpf_map_lookup_elem(&rings, &key);
    if (!slot)
        return (int)bpf_map_update_elem(&rings, &key, &p->key, BPF_ANY);
    slot->flow = p->key;
    return 0;
}

/* A flow moved on: its slot is kept for the next one, or deleted. */
STAGE int ring_leave(u32 eni, u32 index) {
    struct ring_key key = {.eni = eni, .index = index};
    struct eni_stats_value *stats = stats_of(eni);
    u64 ring = index >> 28;

    if (ring >= RING_CLASSES)
        return 0;
    asm volatile("%0 &= 3" : "+r"(ring));
    if (!stats ||
        __sync_val_compare_and_swap(&stats->spares[ring], 0, (index & RING_SLOT_MASK) + 1))
        bpf_map_delete_elem(&rings, &key);
    return 0;
}

/* Counts the flow p->key under the ENI: the slot's index, or RING_NONE. */
STAGE u32 ring_take(u32 eni, u32 class) {
    struct pkt *p = pkt_get();
    struct ring_key key = {.eni = eni};
    struct eni_key eni_key = {.eni = eni};
    struct eni_stats_value *stats;
    struct eni_value *e;
    u32 quota, share, spare, evict = class == RING_UNTRACKED;
    u64 ring = class;

    if (!p || class >= RING_CLASSES)
        return RING_NONE;
    /* Said once more where the verifier of 6.1 sees it, and the compiler does not. */
    _Static_assert(RING_CLASSES == 4, "the mask");
    asm volatile("%0 &= 3" : "+r"(ring));
    e = bpf_map_lookup_elem(&enis, &eni_key);
    stats = stats_of(eni);
    if (!e || !stats)
        return RING_NONE;
    quota = class == RING_OPEN        ? e->quota_flows
            : class == RING_UNTRACKED ? e->quota_untracked
                                      : e->quota_half;
    if (quota > MAX_RING)
        quota = MAX_RING;
    share = ring_share(quota);
    if (share < quota) {
        ring_slot_free(eni, class << 28 | (u32)(READ_ONCE(stats->heads[ring]) % quota), 0);
        quota = share;
    }
    if (!quota)
        return RING_NONE;
    spare = READ_ONCE(stats->spares[ring]);
    if (spare && spare <= quota &&
        __sync_val_compare_and_swap(&stats->spares[ring], spare, 0) == spare) {
        key.index = class << 28 | (spare - 1);
        if (ring_slot_free(eni, key.index, 0) && !ring_write(eni, key.index)) {
            __sync_fetch_and_add(&stats->flows_made, 1);
            return key.index;
        }
    }
    for (u32 i = 0; i < RING_PROBES && i < quota; i++) {
        u64 head = __sync_fetch_and_add(&stats->heads[ring], 1);
        if (!i && class == RING_HALF_IN)
            ring_slot_free(eni, class << 28 | (u32)((head + quota / 8 + 1) % quota), 1);
        key.index = class << 28 | (u32)(head % quota);
        if (ring_slot_free(eni, key.index, evict)) {
            if (ring_write(eni, key.index))
                return RING_NONE;
            __sync_fetch_and_add(&stats->flows_made, 1);
            return key.index;
        }
        evict = 0;
    }
    return RING_NONE;
}

#endif
