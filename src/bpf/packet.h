/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What is known of the packet on its way: `struct pkt`, one a CPU, filled by the stages in order.
 *
 * A stage returns 0 to go on, or the reason of a drop. The few of the fast path are inlined. The
 * others are global functions, so that the verifier checks each on its own and its work is a sum
 * and not a product (627,000 of its million steps as static functions, 19,000 so). Each gets
 * `struct pkt` by itself: kernel 6.1 takes no key of a map from memory that came as an argument.
 * Headers are copied before they are looked at (load_header), so they cannot change under us.
 */
#ifndef VPCD_BPF_PACKET_H
#define VPCD_BPF_PACKET_H

#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "abi/event.h"
#include "bpf/tables.h"

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s64 s64;

#define STAGE __attribute__((noinline))
#define READ_ONCE(x) (*(volatile typeof(x) *)&(x))
#define barrier() asm volatile("" ::: "memory")

#define ETH_LEN 14
#define FAMILY_V4 4
#define FAMILY_V6 6
#define UPLINK_MTU 1500
#define GUARD_MARK 0x76706364 /* "vpcd": what the data plane itself sends out (guard.bpf.c) */

enum pkt_kind {
    PKT_FLOW = 0, /* belongs to a flow: looked up and remembered */
    PKT_REPLY,    /* may belong to a flow, opens none */
    PKT_ONCE,     /* judged by the rules each time: ICMP that belongs to no query */
    PKT_ARP,
    PKT_NS, /* neighbour solicitation */
};

/* A checksum that is not there yet (offload.h). */
enum partial {
    PARTIAL_NONE = 0,
    PARTIAL_OWN,    /* the packet's own */
    PARTIAL_INSIDE, /* of a packet inside this one */
};

enum fragment {
    FRAGMENT_NONE = 0, /* a whole packet */
    FRAGMENT_FIRST,
    FRAGMENT_LATER, /* no transport header: ports are the first one's */
};

/* Stage 8 has several parts, one after another and not one within another: the verifier takes no
 * more than eight calls deep. */
enum next_stage {
    NEXT_NONE = 0, /* the path is found */
    NEXT_NAT,
    NEXT_INTERNET,
    NEXT_EDGE,
    NEXT_ANSWER_NAT,
    NEXT_ANSWER_EGRESS_ONLY,
};

/* A piece of a datagram (fragment.h). */
struct frag {
    u32 off, end; /* in bytes, within the datagram */
    u32 more;
    u32 id;
    u32 fits; /* after the pieces so far */
    u8 named; /* IPv4's protocol */
    struct fragment_entry first;
};

struct mac {
    union {
        u8 b[6];
        u16 w[3];
    };
};

struct frame_start {
    struct mac dst, src;
    __be16 proto;
};

struct pkt {
    struct flow_key key; /* .eni by the hook, the rest by parse */

    /* parse.h */
    u32 kind;      /* enum pkt_kind */
    u32 l4_off;    /* of the transport header */
    u32 l4_header; /* its length, as far as it is looked at; 0: a protocol without ports */
    u32 partial;   /* enum partial */
    u32 sum_end;   /* where such a checksum ends; 0: there is none */
    u32 may_split; /* IPv4 that may be fragmented, and can be (split.h) */
    struct iphdr split_ip;
    u32 fragment; /* enum fragment; then `frag` is valid */
    struct frag frag;
    u32 ip_len;   /* of the IP packet, before segmentation */
    u32 wire_len; /* of its largest segment */
    u32 segments;
    __be16 rule_port;       /* what a rule's port means: destination port, or type << 8 | code */
    __be16 rule_port_reply; /* the same of the opposite direction */
    u8 tcp_flags;
    struct mac eth_src, eth_dst;
    u8 icmp_type;
    /* What this packet itself is, for those who ask every single one (source check, ACLs). An ICMP
     * error that belongs to a flow has that flow's key; for all others these are as in the key. */
    u8 wire_proto;
    __be16 wire_port; /* as rule_port */
    struct abi_addr wire_src;
    u32 quotes;    /* an ICMP error, which may belong to the flow that it quotes */
    u32 error;     /* it does: `key` is the half by which it goes (error.h) */
    u32 quote_off; /* of the quoted IP header; valid with `error` */
    u32 quote_l4;
    struct flow_key outer; /* what the key was before */

    /* The interface where it entered, and the receiver. */
    u32 vpc;
    u32 subnet;
    u32 ifindex;
    u32 src_set; /* group set of the source address, 0 if not the sender's own */
    u32 dst_eni; /* ENI that has the destination address, 0: none in this VPC */
    u32 dst_set; /* its group set, a number of: */
    u32 dst_vpc;
    u32 same_subnet; /* sender and destination */
    u32 crosses;     /* a subnet's border, last: it leaves the sender's, or comes from outside */
    u32 route_kind;  /* enum route_kind, what the route table says; 0: no route */
    u32 route_target;
    u32 service;    /* enum service_what */
    u32 next;       /* enum next_stage */
    u32 next_vpc;   /* ANSWER_NAT: whose private address the destination is; 0: a public one */
    u32 nat;        /* NAT gateway through which it leaves; 0: none */
    u32 own_source; /* the source is a private address of the sender */
    u32 has_public; /* the source, whosever it is, has this public address: */
    struct abi_addr src_public;
    u32 far_subnet;

    u64 now; /* CLOCK_MONOTONIC_COARSE */

    /* flow.h: the entry as it was found. */
    u32 known;  /* it lives: `state`, `was` and `was_partner` are valid */
    u32 state;  /* enum flow_state */
    u32 turned; /* it lives, but this packet begins another in its place */
    struct flow_verdict was;
    struct flow_key was_partner;
    /* The decision, by the slow path or copied from the entry. */
    struct flow_verdict v;
    struct flow_key partner;
    struct flow_timeouts timeouts;
    struct flow_slot near, distant;
    u32 near_judged, far_judged; /* enum judgement */
    u32 counted;                 /* by the slow path, in a flow entry */
    u32 log_place;               /* enum log_place: how far it got (log_packets.h) */
    u32 log_gateway;             /* the NAT gateway that it reached; 0: none */
    u32 reply_untracked;         /* as part of a flow from the other side, nobody would track it */

    /* Room for what does not fit a stack. */
    struct flow_value value;
    struct flow_key other;
    struct flow_key victim;
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct pkt);
} scratch SEC(".maps");

static __always_inline struct pkt *pkt_get(void) {
    u32 zero = 0;

    return bpf_map_lookup_elem(&scratch, &zero);
}

static __always_inline struct config_value *config_get(void) {
    u32 zero = 0;

    return bpf_map_lookup_elem(&config, &zero);
}

static __always_inline struct flow_total_value *flow_total_get(void) {
    u32 zero = 0;

    return bpf_map_lookup_elem(&flow_total, &zero);
}

/* `n` entries more in `flows`, or less. */
static __always_inline void flow_total_add(s64 n) {
    struct flow_total_value *total = flow_total_get();

    if (total)
        __sync_fetch_and_add(&total->entries, n);
}

static __always_inline struct eni_stats_value *stats_of(u32 eni) {
    struct eni_key key = {.eni = eni};

    return bpf_map_lookup_elem(&eni_stats, &key);
}

/*
 * A second copy of the programs, loaded with dry_run set and attached to nothing, answers what
 * would become of a first packet (dataplane_try). It knows no flows, writes no map and sends
 * nothing; what it decides is left in dry_result. In the programs of the packet path this is a
 * constant 0.
 */
const volatile __u8 dry_run = 0;
struct dry_result dry_result;

/* Counts the reason; what a hook returns for a packet that ends here. */
static __always_inline int pkt_drop(u32 reason) {
    u64 *count = bpf_map_lookup_elem(&drops, &reason);

    if (dry_run)
        dry_result.reason = reason;
    else if (count)
        *count += 1;
    return TC_ACT_SHOT;
}

/* Whether this interface's drop is one of the few in this second that are told of. */
static __always_inline int drop_is_told(u32 eni, u64 now) {
    u32 slot = eni & (DROP_BUDGETS - 1);
    struct drop_budget *b = bpf_map_lookup_elem(&drop_budgets, &slot);
    u64 second = now >> 30;

    if (!b)
        return 0;
    if (b->second != second) {
        b->second = second;
        b->told = 0;
    }
    return b->told++ < DROP_EVENTS_A_SECOND;
}

/* As pkt_drop, once the packet was parsed: whoever listens is told of it, within a bound. */
static __always_inline int pkt_refuse(const struct pkt *p, u32 reason) {
    struct drop_event *e;
    u64 now;

    if (!dry_run) {
        now = bpf_ktime_get_coarse_ns();
        e = drop_is_told(p->key.eni, now) ? bpf_ringbuf_reserve(&drop_events, sizeof *e, 0) : 0;
        if (e) {
            e->ns = now;
            e->reason = reason;
            e->ip_len = p->ip_len;
            e->rule = p->rule_port;
            e->tcp_flags = p->tcp_flags;
            e->zero = 0;
            e->key = p->key;
            bpf_ringbuf_submit(e, 0);
        }
    }
    return pkt_drop(reason);
}

/*
 * Copies what is at `off` of the packet into *to, a header whose type says how it is aligned. 0, or
 * not 0 when the packet ends before. Nearly always it lies in the skb's linear part and costs a few
 * loads; where it is paged, the kernel's helper gathers it. `off` is below 0x8000.
 */
#define load_header(skb, off, to)                                                                  \
    ({                                                                                             \
        const u8 *data_ = (const u8 *)(long)(skb)->data + (off);                                   \
        const u8 *end_ = (const u8 *)(long)(skb)->data_end;                                        \
        int failed_ = 0;                                                                           \
        if (data_ + sizeof *(to) <= end_)                                                          \
            *(to) = *(const typeof(*(to)) *)data_;                                                 \
        else                                                                                       \
            failed_ = bpf_skb_load_bytes(skb, off, to, sizeof *(to)) != 0;                         \
        failed_;                                                                                   \
    })

/* AWS: "NAT gateways support ... fragmented packets for UDP", and not for TCP and ICMP. */
static __always_inline int nat_refuses_fragment(const struct pkt *p) {
    return p->fragment && p->key.proto != IPPROTO_UDP;
}

static __always_inline int mac_equal(const u8 *a, const u8 *b) {
    return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]) |
            (a[5] ^ b[5])) == 0;
}

static __always_inline int addr_equal(const struct abi_addr *a, const struct abi_addr *b) {
    return a->w[0] == b->w[0] && a->w[1] == b->w[1] && a->w[2] == b->w[2] && a->w[3] == b->w[3];
}

static __always_inline int addr_is_zero(const struct abi_addr *a) {
    return (a->w[0] | a->w[1] | a->w[2] | a->w[3]) == 0;
}

static __always_inline int addr_has_prefix(const struct abi_addr *a, const struct abi_addr *net,
                                           u32 len) {
    u32 different = 0;

#pragma unroll
    for (u32 i = 0; i < 4; i++) {
        u32 bits = len > 32 * i ? len - 32 * i : 0;
        u32 mask = bits == 0 ? 0 : bits >= 32 ? ~0u : ~0u << (32 - bits);
        different |= (a->w[i] ^ net->w[i]) & bpf_htonl(mask);
    }
    return different == 0;
}

/* What the opposite direction's key has: queries of ICMP are answered by replies. */
static __always_inline u16 is_reply_of(const struct flow_key *key) {
    if (key->proto == (key->family == FAMILY_V4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
        return !key->is_reply;
    return 0;
}

static __always_inline int flow_key_equal(const struct flow_key *a, const struct flow_key *b) {
    return a->eni == b->eni && a->family == b->family && a->proto == b->proto &&
           a->is_reply == b->is_reply && a->sport == b->sport && a->dport == b->dport &&
           addr_equal(&a->src, &b->src) && addr_equal(&a->dst, &b->dst);
}

#endif
