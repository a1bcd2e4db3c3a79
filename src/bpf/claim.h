/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A new flow through a NAT gateway: the port that stands for the instance. Part of stage 12.
 *
 *  1. The flow's own half is written, locked: whoever comes second with a packet of the same flow
 *     finds it, waits a moment for the port, and uses what was chosen
 *  2. the flow is counted at (address, destination, protocol); 55,000 at most
 *  3. the other half is written under its key with one port after another, until one of them was
 *     nobody's: that write is the claim, so no port is looked at first and taken later. Ports are
 *     tried in an order that comes to each of the range before it comes back. At most 55,000 of
 *     64,512 are taken, so about seven tries are expected in the worst case
 *  4. the own half learns the port, and is unlocked
 *
 * At the limit, ports of flows that ended and lie there still are looked for, for a bounded time.
 * Without a port the flow does not begin: both halves live and die together.
 */
#ifndef VPCD_BPF_CLAIM_H
#define VPCD_BPF_CLAIM_H

#include "bpf/count.h"
#include "bpf/halves.h"
#include "bpf/packet.h"

#define NAT_PORT_FIRST 1024
#define NAT_PORTS 64512 /* 2^10 * 3^2 * 7: a stride of 42 k + 1 comes to all of them */
#define NAT_TRIES 1024
#define NAT_TRIES_FULL 512
#define NAT_WAIT 256

/* Step 1, for whoever came second. */
STAGE int nat_follow(void) {
    struct pkt *p = pkt_get();
    struct flow_value *f;

    if (!p)
        return DROP_INTERNAL;
    for (int i = 0; i < NAT_WAIT; i++) {
        f = bpf_map_lookup_elem(&flows, &p->key);
        if (!f)
            return DROP_NAT_PORTS;
        if (flow_read(f, &p->v))
            return p->v.flags & FLOW_NAT && !(f->state & FLOW_DEAD) ? 0 : DROP_NAT_PORTS;
    }
    return DROP_NAT_PORTS;
}

/* Steps 2 and 3: leaves the port in p->partner.dport. */
static __always_inline int nat_port_take(struct pkt *p) {
    u32 random = bpf_get_prandom_u32(), port, stride, how = PUT_PARTNER, tries = NAT_TRIES;
    int counted = nat_count_add(), err = -1;

    if (counted == NAT_NO_ROOM)
        return DROP_FLOW_TABLE;
    if (counted == NAT_FULL) {
        how |= PUT_OVER;
        tries = NAT_TRIES_FULL;
    }
    flow_fill_partner(p);
    port = random % NAT_PORTS;
    stride = 42 * (bpf_get_prandom_u32() % (NAT_PORTS / 42)) + 1;
    for (u32 i = 0; i < NAT_TRIES && i < tries; i++) {
        p->partner.dport = bpf_htons((u16)(NAT_PORT_FIRST + port));
        err = flow_put(how);
        if (!err)
            break;
        if (err != -1 && err != -17)
            tries = 0; /* the table is full */
        port = (port + stride) % NAT_PORTS;
    }
    if (!err && counted == NAT_FULL)
        nat_count_add(); /* the place of one that was counted, and is not any more */
    if (err && counted == NAT_COUNTED)
        nat_count_drop(&p->partner);
    if (!err)
        return 0;
    return err == -1 || err == -17 ? DROP_NAT_PORTS : DROP_FLOW_TABLE;
}

STAGE int nat_claim(void) {
    struct pkt *p = pkt_get();
    struct flow_value *f;
    int err;

    if (!p)
        return DROP_INTERNAL;
    flow_fill_own(p);
    err = flow_put(PUT_LOCKED);
    if (err)
        return err == -1 || err == -17 ? nat_follow() : DROP_FLOW_TABLE;
    err = nat_port_take(p);
    f = bpf_map_lookup_elem(&flows, &p->key);
    if (!f)
        return DROP_INTERNAL;
    if (err) {
        f->packets = f->bytes = 0; /* nobody else counts in a locked entry that is new */
        f->last_ns = p->now;
        __sync_fetch_and_or(&f->state, FLOW_DEAD);
    } else {
        p->v.new_sport = p->partner.dport;
        f->verdict.new_sport = p->v.new_sport;
        f->partner.dport = p->v.new_sport;
    }
    flow_unlock(f);
    return err ? err : commit_counted();
}

#endif
