/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Checksums that are not there yet (CHECKSUM_PARTIAL): somebody after us sums from `csum_start` to
 * the packet's end and writes the sum `csum_offset` bytes after that start. Root inside an instance
 * chooses both, so they might name what was judged: a port, an address, a quotation. A packet
 * passes
 *
 *  1. when the sum goes into its own transport checksum, and is taken from its transport header
 *  2. when it is taken from behind everything that was looked at: a packet inside this one (an
 *     overlay network of the instances), which nothing here depends on
 *
 * and is malformed otherwise. A fragment has no sum of its own, so with one it is malformed too.
 *
 * Programs at tc cannot read these fields through their context. They are read from the sk_buff
 * itself, by the offsets that the kernel's BTF gives when the programs are loaded: as plain loads
 * where the kernel has bpf_cast_to_kern_ctx (6.2), and else through bpf_probe_read_kernel.
 */
#ifndef VPCD_BPF_OFFLOAD_H
#define VPCD_BPF_OFFLOAD_H

#include <bpf/bpf_core_read.h>

#include "bpf/icmp.h"
#include "bpf/packet.h"

#define CHECKSUM_PARTIAL 3

/* What of the kernel's structs is read; the offsets are the running kernel's. */
struct net_device {
    unsigned long state; /* bits of enum netdev_state_t */
} __attribute__((preserve_access_index));
struct sk_buff {
    struct net_device *dev;
    u8 ip_summed : 2;
    u16 csum_start, csum_offset; /* from skb->head; from csum_start */
    u16 network_header;          /* from skb->head */
} __attribute__((preserve_access_index));

void *bpf_cast_to_kern_ctx(void *skb) __ksym __weak;
/* The kernel has it: set before loading (src/dataplane/load.c), and a constant from then on. */
const volatile __u8 has_kern_ctx = 0;

struct partial_sum {
    u16 start, offset, network; /* from skb->head; from start; from skb->head */
};

static __always_inline int is_partial(struct __sk_buff *skb) {
    const struct sk_buff *kernel = (const void *)skb;

    if (has_kern_ctx) {
        kernel = bpf_cast_to_kern_ctx(skb);
        return BPF_CORE_READ_BITFIELD(kernel, ip_summed) == CHECKSUM_PARTIAL;
    }
    return BPF_CORE_READ_BITFIELD_PROBED(kernel, ip_summed) == CHECKSUM_PARTIAL;
}

/* Not 0: it cannot be read. */
static __always_inline int partial_read(struct __sk_buff *skb, struct partial_sum *ret) {
    const struct sk_buff *kernel = (const void *)skb;
    u32 first = bpf_core_field_offset(kernel->csum_start);
    u32 offset_at = bpf_core_field_offset(kernel->csum_offset) - first;
    u32 network_at = bpf_core_field_offset(kernel->network_header) - first;
    u8 fields[64]; /* the three are within 60 bytes: one read for all */

    if (has_kern_ctx) {
        kernel = bpf_cast_to_kern_ctx(skb);
        ret->start = kernel->csum_start;
        ret->offset = kernel->csum_offset;
        ret->network = kernel->network_header;
        return 0;
    }
    if (offset_at > sizeof fields - 2 || network_at > sizeof fields - 2 ||
        bpf_probe_read_kernel(fields, sizeof fields, (const void *)skb + first))
        return -1;
    ret->start = *(u16 *)fields;
    ret->offset = *(u16 *)(fields + offset_at);
    ret->network = *(u16 *)(fields + network_at);
    return 0;
}

/* Where a protocol's checksum is in its header; 0xffff: it has none. */
static __always_inline u32 sum_offset(const struct pkt *p) {
    switch (p->key.proto) {
    case IPPROTO_TCP:
        return 16;
    case IPPROTO_UDP:
        return 6;
    case IPPROTO_SCTP:
        return 8;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        return 2;
    default:
        return 0xffff;
    }
}

/* Changes a checksum in the packet by the difference of what it covers, whatever the kernel means
 * to do with it. UDP's zero stays, and no other sum becomes zero. */
static __always_inline int sum_change(struct __sk_buff *skb, u32 at, u32 from, u32 to, u32 size,
                                      u32 is_udp) {
    __be16 sum;

    if (is_udp && (bpf_skb_load_bytes(skb, at, &sum, 2) || !sum))
        return 0;
    if (bpf_l3_csum_replace(skb, at, from, to, size))
        return -1;
    if (is_udp && !bpf_skb_load_bytes(skb, at, &sum, 2) && !sum) {
        sum = 0xffff;
        return (int)bpf_skb_store_bytes(skb, at, &sum, 2, 0);
    }
    return 0;
}

/* 0, or the reason of a drop. Once p->l4_off and p->l4_header are known. */
static __always_inline int offload_check(struct __sk_buff *skb, struct pkt *p) {
    struct partial_sum sum;
    u32 from;

    if (partial_read(skb, &sum))
        return DROP_INTERNAL;
    if (p->kind == PKT_NS || p->fragment || sum.start < sum.network)
        return DROP_MALFORMED;
    from = ETH_LEN + (u32)sum.start - sum.network;
    p->sum_end = from + sum.offset + 2;
    if (from == p->l4_off && sum.offset == sum_offset(p)) {
        p->partial = PARTIAL_OWN; /* 1 */
        if (p->key.proto == IPPROTO_SCTP)
            p->may_split = 0; /* a CRC, which nobody here computes */
        return 0;
    }
    if (from < p->l4_off + p->l4_header || p->quotes)
        return DROP_MALFORMED;
    p->partial = PARTIAL_INSIDE; /* 2 */
    return 0;
}

#endif
