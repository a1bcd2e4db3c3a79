/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Stage 4: the packet is the sender's own. Its MAC was compared with the port's before anything
 * else; here its address: a private address of the ENI. With SourceDestCheck off any address may
 * leave (but link-local ones, which end at the link), and the packet then counts as nobody's: it
 * carries no group set.
 */
#ifndef VPCD_BPF_SOURCE_H
#define VPCD_BPF_SOURCE_H

#include "bpf/packet.h"

static __always_inline int is_link_local(u8 family, const struct abi_addr *a) {
    if (family == FAMILY_V4)
        return a->b[0] == 169 && a->b[1] == 254;
    return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

/* Stage 3: where the services of the link are, which are never forwarded to: link-local addresses
 * and fd00:ec2::/32. */
static __always_inline int is_service(u8 family, const struct abi_addr *a) {
    return is_link_local(family, a) || (family == FAMILY_V6 && a->w[0] == bpf_htonl(0xfd000ec2));
}

/* The network address of the /80 that an IPv6 address is in. */
static __always_inline void prefix6_of(struct abi_addr *a) {
    a->b[10] = 0;
    a->b[11] = 0;
    a->w[3] = 0;
}

/* Whom the address belongs to in the VPC, by itself or within a prefix; NULL: nobody. */
static __always_inline struct addr_value *addr_find(u32 vpc, u8 family,
                                                    const struct abi_addr *addr) {
    struct addr_key key = {.vpc = vpc, .family = family, .addr = *addr};
    struct addr_value *a = bpf_map_lookup_elem(&addrs, &key);

    if (a || family != FAMILY_V6)
        return a;
    key.family = ADDR_PREFIX6;
    prefix6_of(&key.addr);
    return bpf_map_lookup_elem(&addrs, &key);
}

STAGE int source_check(void) {
    struct pkt *p = pkt_get();
    struct eni_key key = {};
    struct eni_value *e;
    struct addr_value *a;

    if (!p)
        return DROP_INTERNAL;
    key.eni = p->key.eni;
    e = bpf_map_lookup_elem(&enis, &key);
    if (!e || e->vpc != p->vpc)
        return DROP_NOT_READY;
    p->subnet = e->subnet;
    p->own_source = 0;
    p->has_public = 0;
    p->src_set = 0;
    if (p->error) { /* whoever reports it; the flow's own source is asked below */
        a = addr_find(p->vpc, p->key.family, &p->wire_src);
        if ((!a || a->eni != p->key.eni) &&
            (e->flags & ENI_SRC_DST_CHECK || is_link_local(p->key.family, &p->wire_src)))
            return DROP_SPOOFED_ADDRESS;
    }
    a = addr_find(p->vpc, p->key.family, &p->key.src);
    if (a) {
        p->has_public = a->flags & ADDR_HAS_PUBLIC;
        p->src_public = p->key.family == FAMILY_V6 ? p->key.src : a->public_addr;
    }
    if (a && a->eni == p->key.eni) {
        p->own_source = 1;
        p->src_set = e->sgset;
        return 0;
    }
    if (e->flags & ENI_SRC_DST_CHECK || is_link_local(p->key.family, &p->key.src))
        return DROP_SPOOFED_ADDRESS;
    return 0;
}

#endif
