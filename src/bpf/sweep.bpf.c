/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Tidying up, run by the agent through BPF_PROG_TEST_RUN: deletes flows that ended FLOW_GRACE ago,
 * under the same rule as everybody else (flow.h). Nothing depends on it but memory.
 * In the packet's first bytes the agent finds how many were deleted, how many live.
 */

struct sweep {
    u32 deleted, live;
    u64 now;
};

/* Packets interrupt the walk on the same CPU: what they keep in `scratch` is not ours to use. */
static long sweep_one(void *map, const void *key, void *value, void *context) {
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
    if (overdue > FLOW_GRACE_NS && flow_delete(f, &victim, &room))
        sweep->deleted++;
    else if (!overdue)
        sweep->live++;
    return 0;
}

SEC("tc") int flow_sweep(struct __sk_buff *skb) {
    struct sweep sweep = {.now = bpf_ktime_get_coarse_ns()};

    bpf_for_each_map_elem(&flows, sweep_one, &sweep, 0);
    bpf_skb_store_bytes(skb, 0, &sweep, 8, 0);
    return TC_ACT_OK;
}
