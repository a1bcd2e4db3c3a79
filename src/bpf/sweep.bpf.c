/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Tidying up, run by the agent through BPF_PROG_TEST_RUN. Nothing depends on it but memory.
 *
 *  1. Flows that ended FLOW_GRACE ago are deleted, under the same rule as everybody else (flow.h).
 *  2. Flows of an ENI that is gone end: they would be idle for days, and nobody can continue them.
 *  3. Slots whose flow is gone or elsewhere are deleted. A flow that is just being written may lose
 *     its slot so, and is then not counted: its ENI may have one more.
 *
 *  4. Counts of a NAT gateway's ports (count.h) are compared with the entries that there are: one
 *     that did not change meanwhile and differs is put right, or deleted.
 *
 *  5. The count of entries is mended (quota.h): whoever deletes from outside does not keep it.
 *
 * In the packet's first bytes the agent finds how many entries were deleted, and how many live.
 */

struct sweep {
    u32 deleted, live;
    u64 now;
    s64 kept; /* entries, dead ones too */
};

static __always_inline int eni_exists(u32 eni) {
    struct eni_key key = {.eni = eni};

    return !eni || bpf_map_lookup_elem(&enis, &key);
}

/* 4: one entry more for its count. */
static __always_inline void sweep_seen(const struct flow_value *f, const struct flow_key *answer) {
    struct flow_key key = *answer;
    struct nat_count_value *count;

    if (!nat_is_counted(f))
        return;
    key.dport = 0;
    count = bpf_map_lookup_elem(&nat_counts, &key);
    if (count)
        count->seen++;
}

/* Packets interrupt the walk on the same CPU: what they keep in `scratch` is not ours to use. */
static long sweep_flow(void *map, const void *key, void *value, void *context) {
    struct flow_key victim = *(const struct flow_key *)key, room;
    struct sweep *sweep = context;
    struct flow_value *f;
    u64 overdue;

    (void)map;
    (void)value;
    f = bpf_map_lookup_elem(&flows, &victim);
    if (!f)
        return 0;
    overdue = flow_overdue(f, &victim, &room, sweep->now);
    if (!overdue && !(eni_exists(victim.eni) && eni_exists(f->verdict.far)))
        flow_bury(f, &victim, &room, sweep->now);
    else if (!overdue)
        sweep->live++;
    if (overdue > FLOW_GRACE_NS && flow_delete(f, &victim, &room, sweep->now, FLOW_GRACE_NS,
                                               overdue > LOG_PATIENCE_NS ? LOG_ENDS : LOG_MAY_END))
        sweep->deleted++;
    else {
        sweep->kept++;
        sweep_seen(f, &victim);
    }
    return 0;
}

static long sweep_count(void *map, const void *key, void *value, void *context) {
    struct flow_key copy = *(const struct flow_key *)key;
    struct nat_count_value *count = bpf_map_lookup_elem(&nat_counts, &copy);
    struct sweep *sweep = context;
    u32 seen;
    int was;

    (void)map;
    (void)value;
    if (!count)
        return 0;
    seen = count->seen;
    was = READ_ONCE(count->flows);
    count->seen = 0;
    if (was == (int)seen || count->changed_ns + FLOW_GRACE_NS > sweep->now)
        return 0;
    if (!seen)
        bpf_map_delete_elem(&nat_counts, &copy);
    else
        __sync_val_compare_and_swap(&count->flows, was, (int)seen);
    return 0;
}

static long sweep_slot(void *map, const void *key, void *value, void *context) {
    struct ring_key slot = *(const struct ring_key *)key;
    struct flow_key flow = ((const struct ring_value *)value)->flow;
    struct flow_value *f = bpf_map_lookup_elem(&flows, &flow);

    (void)map;
    (void)context;
    if (!f || !flow_has_slot(f, &slot))
        bpf_map_delete_elem(&rings, &slot);
    return 0;
}

static long sweep_fragment(void *map, const void *key, void *value, void *context) {
    struct fragment_key slot = *(const struct fragment_key *)key;
    const struct sweep *sweep = context;

    (void)map;
    if (((const struct fragment_value *)value)->e.deadline <= sweep->now)
        bpf_map_delete_elem(&fragments, &slot);
    return 0;
}

SEC("tc") int flow_sweep(struct __sk_buff *skb) {
    struct sweep sweep = {.now = bpf_ktime_get_coarse_ns()};
    struct flow_total_value *total = flow_total_get();

    if (!total)
        return TC_ACT_OK;
    bpf_for_each_map_elem(&flows, sweep_flow, &sweep, 0);
    __sync_fetch_and_add(&total->entries, sweep.kept - READ_ONCE(total->entries));
    bpf_for_each_map_elem(&nat_counts, sweep_count, &sweep, 0);
    bpf_for_each_map_elem(&rings, sweep_slot, &sweep, 0);
    bpf_for_each_map_elem(&fragments, sweep_fragment, &sweep, 0);
    bpf_skb_store_bytes(skb, 0, &sweep, 8, 0);
    return TC_ACT_OK;
}
