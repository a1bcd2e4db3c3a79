/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Flow logs: how what the flow table counts is told, to the packet. The records:
 * src/abi/flow_log.h.
 *
 * Counters of a half only grow. Beside them stands how much was told (`told`), so nothing depends
 * on when somebody looks, or whether somebody is there: what is not told yet is told later.
 *
 *  1. A packet counts, and then looks at told.epoch. If that is not log_state's, the half's key is
 *     not in the queue: it marks the half and queues the key (log_queue). With no room in the queue
 *     the mark goes, and a later packet tries again.
 *  2. At a window's end the reader takes the keys and runs flow_log_tell on them. For each it takes
 *     the mark away first, and reads the counters then. So a packet is among what is read, or it
 *     sees that the mark is gone and queues the key for the next window. Flows without packets are
 *     not visited.
 *  3. A half that goes, deleted or taken over, tells the rest before (log_end). Without room in the
 *     ring the rest is lost, and counted as lost for its interfaces. The sweep is in no hurry: it
 *     leaves such a half for an hour.
 *
 * Who tells holds told.lock, and nobody deletes or takes over a half without it: so a key that was
 * found still is that half's while it is told. A key may be queued twice: the second time there is
 * nothing to tell. log_state.epoch is another one whenever keys may have been lost (the reader died
 * with them): then all marks are void.
 *
 * The counters are written in the order flags, bytes, packets and read in the opposite one: bytes
 * and flags of a packet that was read are there. What was read of a packet that is on its way just
 * now is told with the next one.
 *
 * Only what concerns somebody who is asked for (`log_enis`) becomes a record; for others the counts
 * are told to nobody, so that a log begins with what flows from then on.
 */
#ifndef VPCD_BPF_LOG_H
#define VPCD_BPF_LOG_H

#include "bpf/packet.h"

#define LOG_RETRY_NS 100000000ull        /* after the queue of keys was full */
#define LOG_PATIENCE_NS 3600000000000ull /* for so long the sweep leaves what cannot be told */
#define LOG_LOCK_TRIES 64

enum log_how {
    LOG_WINDOW = 0, /* the half goes on */
    LOG_QUIET,      /* told to nobody */
    LOG_ENDS,       /* it goes, told or not */
    LOG_MAY_END,    /* it goes if it can be told */
};

static __always_inline int log_is_on(void) {
    return !dry_run && READ_ONCE(log_state.epoch);
}

/* The slow path begins: how far the packet gets is for log_packets.h. */
static __always_inline void log_begin(struct pkt *p) {
    p->log_place = LOG_NEAR;
    p->log_gateway = 0;
}

/* Wakes the reader when the ring is half full. */
static __always_inline u64 log_wake(void *ring, u64 bytes) {
    return bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) > bytes / 2 ? BPF_RB_FORCE_WAKEUP
                                                                  : BPF_RB_NO_WAKEUP;
}

/* --- 1 ------------------------------------------------------------------------------------ */

/* Queues p->key, whose half is `f`. */
STAGE int log_queue(struct flow_value *f) {
    struct pkt *p = pkt_get();
    struct flow_key *key;

    if (!p || !f)
        return 0;
    if (!f->told.first_ns)
        f->told.first_ns = p->now;
    if (p->now < READ_ONCE(log_state.full_ns))
        return 0;
    f->told.epoch = READ_ONCE(log_state.epoch);
    barrier();
    key = bpf_ringbuf_reserve(&log_keys, sizeof *key, 0);
    if (!key) {
        f->told.epoch = 0;
        log_state.full_ns = p->now + LOG_RETRY_NS;
        return 0;
    }
    *key = p->key;
    bpf_ringbuf_submit(key, log_wake(&log_keys, LOG_KEYS_BYTES));
    return 0;
}

/* Once p was counted in `f`. */
static __always_inline void log_counted(struct flow_value *f) {
    u32 epoch = READ_ONCE(log_state.epoch);

    if (epoch && f->told.epoch != epoch)
        log_queue(f);
}

/* --- What is told ------------------------------------------------------------------------- */

static __always_inline struct log_eni_value *log_asked(u32 at) {
    return bpf_map_lookup_elem(&log_enis, &at);
}

static __always_inline void log_lose(u32 at, u64 packets, u64 bytes) {
    struct log_eni_value *e = log_asked(at);

    if (!e)
        return;
    __sync_fetch_and_add(&e->lost_records, 1);
    __sync_fetch_and_add(&e->lost_packets, packets);
    __sync_fetch_and_add(&e->lost_bytes, bytes);
    log_state.lost = 1;
}

/* The NAT gateway's key in log_enis. */
static __always_inline u32 log_gateway_of(u32 flags) {
    return LOG_GATEWAY_KEY_OF(flags >> FLOW_GATEWAY_SHIFT);
}

static __always_inline int log_concerns(const struct flow_key *key, const struct flow_verdict *v) {
    return (key->eni && log_asked(key->eni)) || (v->far && log_asked(v->far)) ||
           (v->flags & FLOW_NAT && log_asked(log_gateway_of(v->flags)));
}

/* The tuple as it was delivered. */
static __always_inline void log_delivered(struct log_record *r, const struct flow_key *key,
                                          const struct flow_verdict *v) {
    r->src = v->flags & FLOW_SNAT ? v->new_src : key->src;
    r->dst = v->flags & FLOW_DNAT ? v->new_dst : key->dst;
    r->sport = key->sport;
    r->dport = key->dport;
    if ((v->flags & (FLOW_NAT | FLOW_FORWARD)) == (FLOW_NAT | FLOW_FORWARD) && v->new_sport)
        r->sport = v->new_sport;
    if ((v->flags & (FLOW_NAT | FLOW_FORWARD)) == FLOW_NAT && v->new_dport)
        r->dport = v->new_dport;
}

static __always_inline void log_times(struct log_record *r, struct flow_value *f) {
    u64 last = f->last_ns, first = f->told.first_ns;

    if (f->state & FLOW_DEAD || last < f->told.seen_ns)
        last = f->told.seen_ns;
    if (!first)
        first = last ? last : f->start_ns;
    r->first_ns = first;
    r->last_ns = last > first ? last : first;
}

static __always_inline void log_lose_all(const struct flow_value *f, const struct flow_key *key,
                                         u64 packets, u64 bytes) {
    if (key->eni)
        log_lose(key->eni, packets, bytes);
    if (f->verdict.far)
        log_lose(f->verdict.far, packets, bytes);
    if (f->verdict.flags & FLOW_NAT)
        log_lose(log_gateway_of(f->verdict.flags), packets, bytes);
}

/* Of a half that is told: what was added up beside its counters, and begins anew. */
struct log_rest {
    u64 pieces, piece_bytes;
    u32 flags;
};

static __always_inline void log_take(struct flow_value *f, struct log_rest *rest) {
    rest->flags = __sync_lock_test_and_set(&f->tcp_flags, 0);
    rest->pieces = __sync_lock_test_and_set(&f->told.pieces, 0);
    rest->piece_bytes = __sync_lock_test_and_set(&f->told.piece_bytes, 0);
    f->told.tcp_flags |= rest->flags;
}

/* 0: there is no room. */
static __always_inline int log_record(struct flow_value *f, const struct flow_key *key, u64 packets,
                                      u64 bytes) {
    struct log_record *r = bpf_ringbuf_reserve(&log_records, sizeof *r, 0);
    struct log_rest rest;

    if (!r)
        return 0;
    log_take(f, &rest);
    __builtin_memset(r, 0, sizeof *r);
    r->kind = LOG_FLOW;
    r->packets = packets;
    r->bytes = bytes;
    r->far_packets = packets + rest.pieces;
    r->far_bytes = bytes + rest.piece_bytes;
    r->flags = f->verdict.flags;
    r->near = key->eni;
    r->far = f->verdict.far;
    r->vpc = f->verdict.vpc;
    r->far_vpc = f->verdict.far_vpc;
    r->near_action = key->eni ? LOG_ACCEPT : LOG_NONE;
    r->far_action = f->verdict.far ? LOG_ACCEPT : LOG_NONE;
    r->gateway_action = f->verdict.flags & FLOW_NAT ? LOG_ACCEPT : LOG_NONE;
    r->gateway_out_action = r->gateway_action;
    r->key = *key;
    r->tcp_flags = rest.flags;
    log_delivered(r, key, &f->verdict);
    log_times(r, f);
    bpf_ringbuf_submit(r, log_wake(&log_records, LOG_RECORDS_BYTES));
    return 1;
}

/*
 * Tells what was counted of the half `key` -> `f`, whose told.lock the caller holds, up to these
 * numbers. 0: there is no room; then nothing has changed.
 */
STAGE int log_tell(struct flow_value *f, const struct flow_key *key, u64 packets, u64 bytes,
                   u32 how) {
    struct log_rest rest;

    if (!f || !key)
        return 1;
    packets -= f->told.packets;
    bytes -= f->told.bytes;
    if ((s64)packets <= 0 && (how < LOG_ENDS || (s64)bytes <= 0)) {
        f->told.first_ns = 0;
        return 1;
    }
    if (how == LOG_QUIET || !log_is_on() || !log_concerns(key, &f->verdict)) {
        log_take(f, &rest);
    } else if (!log_record(f, key, packets, bytes)) {
        if (how != LOG_ENDS)
            return 0;
        log_lose_all(f, key, packets, bytes);
    }
    f->told.packets += packets;
    f->told.bytes += bytes;
    f->told.first_ns = 0;
    return 1;
}

/* --- 3 ------------------------------------------------------------------------------------ */

static __always_inline int log_lock(struct flow_value *f) {
    return __sync_val_compare_and_swap(&f->told.lock, 0, 1) == 0;
}

static __always_inline void log_unlock(struct flow_value *f) {
    barrier();
    __sync_lock_test_and_set(&f->told.lock, 0);
}

/* The reader lets go within a microsecond. */
static __always_inline int log_lock_wait(struct flow_value *f) {
    for (int i = 0; i < LOG_LOCK_TRIES; i++) {
        if (log_lock(f))
            return 1;
    }
    return 0;
}

/* Before a locked (seq) half that has no more packets is deleted: 1, and told.lock stays taken; 0:
 * it may not be deleted now. `how`: LOG_ENDS or LOG_MAY_END. */
static __always_inline int log_end(struct flow_value *f, const struct flow_key *key, u32 how) {
    if (!log_lock_wait(f))
        return 0;
    if (log_tell(f, key, f->packets, f->bytes, how))
        return 1;
    log_unlock(f);
    return 0;
}

#endif
