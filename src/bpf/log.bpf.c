/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Run by the reader of flow logs through BPF_PROG_TEST_RUN. In the packet's first bytes it finds
 * how many of its keys are done; the others had no room in the ring of records. */

struct log_run {
    u32 done, zero;
};

/* Packets interrupt the walk on the same CPU: what they keep in `scratch` is not ours to use. */
static long log_tell_one(void *map, const void *index, void *value, void *context) {
    const struct log_batch_value *b = value;
    struct flow_key key = b->key;
    struct log_run *run = context;
    u32 how = b->quiet ? LOG_QUIET : LOG_WINDOW;
    struct flow_value *f;
    u64 packets, bytes;
    int told = 1;

    (void)map;
    (void)index;
    if (!key.family)
        return 1;
    f = bpf_map_lookup_elem(&flows, &key);
    if (f && log_lock(f)) { /* else it is gone, or who has it tells */
        /* Between the two it may have become another key's. */
        if (bpf_map_lookup_elem(&flows, &key) == f) {
            __sync_lock_test_and_set(&f->told.epoch, 0);
            packets = READ_ONCE(f->packets);
            barrier();
            bytes = READ_ONCE(f->bytes);
            told = log_tell(f, &key, packets, bytes, how);
        }
        log_unlock(f);
    }
    if (!told)
        return 1;
    run->done++;
    return 0;
}

SEC("tc") int flow_log_tell(struct __sk_buff *skb) {
    struct log_run run = {};

    bpf_for_each_map_elem(&log_batch, log_tell_one, &run, 0);
    bpf_skb_store_bytes(skb, 0, &run, sizeof run, 0);
    return TC_ACT_OK;
}

static long log_lost_one(void *map, const void *key, void *value, void *context) {
    struct log_eni_value *e = value;
    struct log_record *r;

    (void)map;
    (void)context;
    if (!e->lost_records)
        return 0;
    r = bpf_ringbuf_reserve(&log_records, sizeof *r, 0);
    if (!r) {
        log_state.lost = 1; /* next time */
        return 1;
    }
    __builtin_memset(r, 0, sizeof *r);
    r->kind = LOG_LOST;
    r->near = *(const u32 *)key;
    r->first_ns = r->last_ns = bpf_ktime_get_coarse_ns();
    r->records = (u32)__sync_lock_test_and_set(&e->lost_records, 0);
    r->packets = __sync_lock_test_and_set(&e->lost_packets, 0);
    r->bytes = __sync_lock_test_and_set(&e->lost_bytes, 0);
    bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
    return 0;
}

/* Tells what was lost, of each. */
SEC("tc") int flow_log_lost(struct __sk_buff *skb) {
    (void)skb;
    bpf_for_each_map_elem(&log_enis, log_lost_one, 0, 0);
    return TC_ACT_OK;
}
