/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Fragments. The first one has the ports and is judged like a whole packet. When it passes, it
 * leaves what is known of it in `fragments`, and the later ones take their ports from there and go
 * the packet's way: through the flow, the ACLs, the translation. AWS does not say how its groups
 * treat them; so that no byte arrives that no rule has seen,
 *
 *  1. the first one must hold the whole transport header (RFC 1858, RFC 7112)
 *  2. a later one without a first that passed here is dropped: so is one that overtook its first
 *  3. each must begin where the one before it ended, or later. One that begins earlier overlaps, or
 *     was overtaken: it is dropped with all that follow (RFC 5722, for both families)
 *  4. none ends beyond 65,535 bytes, none but the last has a length that is no multiple of 8, and
 *     nothing follows the last
 *
 * An IPv6 packet with a fragment header that is all of it (RFC 6946) is a whole packet. Neighbour
 * discovery in fragments is invalid (RFC 6980). ICMP errors in fragments belong to no flow.
 *
 * An entry is found by the ENI where the datagram entered, its addresses, protocol and
 * identification. Each ENI has FRAGMENTS_PER_ENI places and each datagram two among them that it
 * may take; it takes the emptier. So an ENI with many unfinished datagrams loses its own only. What
 * comes in by the uplink is counted under its destination, or under the interface that has it
 * within a /80, for that has addresses without number. A place is free when its datagram is
 * complete, or after FRAGMENT_NS; the sweep deletes it then. Entries are read and changed under
 * their lock.
 */
#ifndef VPCD_BPF_FRAGMENT_H
#define VPCD_BPF_FRAGMENT_H

#include "bpf/packet.h"
#include "bpf/source.h"

#define FRAGMENT_NS 30000000000ull
#define TCP_ACK_ONLY 0x10

/* Step 2 of parsing: where the piece lies in its datagram; `len` bytes of it. */
static __always_inline int fragment_place(struct pkt *p, u32 off, u32 len, u32 more, u32 id) {
    if (!len || (more && len % 8) || off + len > 65535)
        return DROP_FRAGMENT;
    p->fragment = off ? FRAGMENT_LATER : FRAGMENT_FIRST;
    p->frag.off = off;
    p->frag.end = off + len;
    p->frag.more = more;
    p->frag.id = id;
    return 0;
}

/* Whose places, of what came in by the uplink for an address with this hash. */
static __always_inline u32 fragment_holder(const struct pkt *p, u32 hash) {
    struct public_key key = {.family = ADDR_PREFIX6, .addr = p->key.dst};
    struct public_value *holder;

    if (p->key.family != FAMILY_V6)
        return hash;
    prefix6_of(&key.addr);
    holder = bpf_map_lookup_elem(&publics, &key);
    return holder ? holder->eni : hash;
}

/* Which of the ENI's places: two for each datagram. */
static __always_inline struct fragment_key fragment_slot(const struct pkt *p, u32 second) {
    const struct abi_addr *dst = &p->key.dst;
    u32 to = dst->w[0] ^ dst->w[1] ^ dst->w[2] * 31 ^ dst->w[3] * 17;
    struct fragment_key key = {.eni = p->key.eni, .to = p->key.eni ? 0 : fragment_holder(p, to)};
    u32 hash = (p->frag.id ^ to ^ p->key.src.w[0] ^ p->key.src.w[3]) * 0x9e3779b1;

    key.slot = (second ? hash >> 8 : hash >> 20) % FRAGMENTS_PER_ENI;
    return key;
}

static __always_inline int fragment_is(const struct fragment_entry *e, const struct pkt *p) {
    return e->id == p->frag.id && e->family == p->key.family && e->named == p->frag.named &&
           addr_equal(&e->src, &p->key.src) && addr_equal(&e->dst, &p->key.dst);
}

/* A later fragment: 3 and 4 under the lock, then what the first one left. 1: found. */
static __always_inline int fragment_take(struct pkt *p, u32 second, u64 now) {
    struct fragment_key key = fragment_slot(p, second);
    struct fragment_value *f = bpf_map_lookup_elem(&fragments, &key);
    u32 fits;

    if (!f)
        return 0;
    bpf_spin_lock(&f->lock);
    if (!fragment_is(&f->e, p) || f->e.deadline <= now) {
        bpf_spin_unlock(&f->lock);
        return 0;
    }
    fits = p->frag.off >= f->e.next && !f->e.last;
    f->e.next = p->frag.end;
    f->e.seen += p->frag.end - p->frag.off;
    f->e.last = !p->frag.more;
    if (!fits || (f->e.last && f->e.seen == p->frag.end))
        f->e.deadline = 0; /* spoilt, or complete */
    p->frag.first = f->e;
    bpf_spin_unlock(&f->lock);
    p->frag.fits = fits;
    return 1;
}

/* Before the flow is looked up: 0, or the reason of a drop. */
STAGE int fragment_follow(void) {
    struct pkt *p = pkt_get();
    u64 now = bpf_ktime_get_coarse_ns();

    if (!p || dry_run)
        return DROP_INTERNAL;
    if (!fragment_take(p, 0, now) && !fragment_take(p, 1, now))
        return DROP_FRAGMENT_LATE;
    if (!p->frag.fits)
        return DROP_FRAGMENT;
    p->key.proto = p->wire_proto = p->frag.first.proto;
    p->key.is_reply = p->frag.first.is_reply;
    p->key.sport = p->frag.first.sport;
    p->key.dport = p->frag.first.dport;
    p->rule_port = p->wire_port = p->frag.first.rule_port;
    p->rule_port_reply = p->frag.first.rule_port_reply;
    p->icmp_type = p->frag.first.icmp_type;
    p->kind = p->frag.first.kind == PKT_FLOW ? PKT_REPLY : p->frag.first.kind;
    if (p->key.proto == IPPROTO_TCP)
        p->tcp_flags = TCP_ACK_ONLY;
    return 0;
}

/* Whether the place is freer than the other for this datagram: its own, or free. */
static __always_inline u64 fragment_deadline(const struct pkt *p, const struct fragment_value *f) {
    return !f || fragment_is(&f->e, p) ? 0 : READ_ONCE(f->e.deadline);
}

/* A first fragment that passed. Without room the later ones are dropped. */
STAGE int fragment_remember(void) {
    struct pkt *p = pkt_get();
    struct fragment_value v = {}, *one, *two;
    struct fragment_key key, second;

    if (!p)
        return 0;
    key = fragment_slot(p, 0);
    second = fragment_slot(p, 1);
    one = bpf_map_lookup_elem(&fragments, &key);
    two = bpf_map_lookup_elem(&fragments, &second);
    if (fragment_deadline(p, two) < fragment_deadline(p, one)) {
        key = second;
        one = two;
    }
    v.e.src = p->key.src;
    v.e.dst = p->key.dst;
    v.e.id = p->frag.id;
    v.e.family = p->key.family;
    v.e.named = p->frag.named;
    v.e.proto = p->key.proto;
    v.e.icmp_type = p->icmp_type;
    v.e.kind = (u8)p->kind;
    v.e.is_reply = (u8)p->key.is_reply;
    v.e.sport = p->key.sport;
    v.e.dport = p->key.dport;
    v.e.rule_port = p->rule_port;
    v.e.rule_port_reply = p->rule_port_reply;
    v.e.next = v.e.seen = p->frag.end;
    v.e.deadline = p->now + FRAGMENT_NS;
    if (!one)
        return (int)bpf_map_update_elem(&fragments, &key, &v, BPF_NOEXIST);
    bpf_spin_lock(&one->lock);
    one->e = v.e;
    bpf_spin_unlock(&one->lock);
    return 0;
}

#endif
