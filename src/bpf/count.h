/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * How many flows of NAT gateways have a port of one address to one destination (`nat_counts`).
 *
 * The answering half of such a flow has the port, so the count goes with it: up when that half is
 * made, down when it is deleted or taken over. At zero the count is deleted: whoever does that
 * makes it negative first, and who sees that looks again. A count that is wrong all the same (flows
 * that were deleted from outside) is mended by the sweep.
 */
#ifndef VPCD_BPF_COUNT_H
#define VPCD_BPF_COUNT_H

#include "bpf/packet.h"

#define NAT_FLOWS 55000 /* of an address to one destination */
#define NAT_COUNT_DYING (-(1 << 30))
#define NAT_COUNT_TRIES 4

enum nat_count {
    NAT_COUNTED = 0,
    NAT_FULL,
    NAT_NO_ROOM,
};

static __always_inline int nat_is_counted(const struct flow_value *f) {
    return (f->verdict.flags & (FLOW_NAT | FLOW_FORWARD)) == FLOW_NAT;
}

/* One flow less with `answer` as its answering half's key. */
STAGE int nat_count_drop(const struct flow_key *answer) {
    struct nat_count_value *count;
    struct flow_key key;

    if (!answer)
        return 0;
    key = *answer;
    key.dport = 0;
    count = bpf_map_lookup_elem(&nat_counts, &key);
    if (!count)
        return 0;
    count->changed_ns = bpf_ktime_get_coarse_ns();
    if (__sync_fetch_and_add(&count->flows, -1) == 1 &&
        __sync_val_compare_and_swap(&count->flows, 0, NAT_COUNT_DYING) == 0)
        bpf_map_delete_elem(&nat_counts, &key);
    return 0;
}

/* One more with p->partner as its answering half's key. enum nat_count. */
STAGE int nat_count_add(void) {
    struct pkt *p = pkt_get();
    struct nat_count_value first = {.flows = 1}, *count;
    struct flow_key key;
    int before;

    if (!p)
        return NAT_NO_ROOM;
    key = p->partner;
    key.dport = 0;
    first.changed_ns = p->now;
    for (int i = 0; i < NAT_COUNT_TRIES; i++) {
        count = bpf_map_lookup_elem(&nat_counts, &key);
        if (!count) {
            if (!bpf_map_update_elem(&nat_counts, &key, &first, BPF_NOEXIST))
                return NAT_COUNTED;
            continue;
        }
        count->changed_ns = p->now;
        before = __sync_fetch_and_add(&count->flows, 1);
        if (before >= 0 && before < NAT_FLOWS)
            return NAT_COUNTED;
        __sync_fetch_and_add(&count->flows, -1);
        if (before >= 0)
            return NAT_FULL;
    }
    return NAT_NO_ROOM;
}

#endif
