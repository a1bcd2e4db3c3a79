/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The flow table's key and value. How the table works is told in src/bpf/flow.h.
 *
 * FLOW_LAYOUT is part of the pin names of all that holds flows. Whoever changes a struct here (or
 * the meaning of a field) adds a layout number, keeps the older struct beside it, and teaches
 * src/bpf/migrate.h to read it; then running flows survive the change.
 *
 * Layout 2 is in use. Layout 3 exists for the tests: the same facts in another order and with a
 * field more.
 */
#ifndef VPCD_ABI_FLOW_H
#define VPCD_ABI_FLOW_H

#include <linux/types.h>

#ifndef FLOW_LAYOUT
#define FLOW_LAYOUT 2
#endif

#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"

/* Network order; IPv4 in the first four bytes, the rest zero. The family stands beside it. */
struct abi_addr {
    union {
        __u8 b[16];
        __u32 w[4];
    };
};

/*
 * The 5-tuple as the packet had it when it entered, and where it entered.
 * ICMP queries: the request has sport = identifier and dport = type << 8 | code, the reply the two
 * exchanged with the request's type, and is_reply = 1: the two numbers may be equal. Other
 * protocols without ports: both 0.
 */
struct flow_key {
    __u32 eni;   /* 0: the uplink */
    __u8 family; /* 4 or 6 */
    __u8 proto;
    __u16 is_reply; /* ICMP only */
    struct abi_addr src, dst;
    __be16 sport, dport;
};
_Static_assert(sizeof(struct flow_key) == 44, "flow_key");

/*
 * The state of a flow: bits that are only ever added (atomic OR), the same in both halves. The
 * highest of OPEN.. tells which idle time holds; neither: half open. Both FIN bits are as CLOSING.
 */
enum flow_state {
    FLOW_REPLIED = 1 << 0, /* the responder answered */
    FLOW_OPEN = 1 << 1,    /* and the initiator went on: established, or a UDP stream */
    FLOW_CLOSING = 1 << 2, /* RST, or FIN from both sides */
    FLOW_DEAD = 1 << 3,    /* its path ended: a miss, and deleted after a grace period */
    FLOW_FIN_FORWARD = 1 << 4,
    FLOW_FIN_REVERSE = 1 << 5,
};

enum flow_flags {
    FLOW_FORWARD = 1 << 0,     /* this half is the initiator's direction */
    FLOW_TRACKED_SRC = 1 << 1, /* tracked by the groups of the ENI where its packets enter */
    FLOW_TRACKED_DST = 1 << 2, /* ... of the ENI to which they are delivered */
    FLOW_UNTRACKED = 1 << 3,   /* some side is an ENI that does not track it: gen_sg counts */
    FLOW_SNAT = 1 << 4,        /* the source becomes new_src */
    FLOW_DNAT = 1 << 5,        /* the destination becomes new_dst */
    FLOW_INTERNET = 1 << 6,    /* through an internet gateway: groups do not count */
    FLOW_TO_PEER = 1 << 7,     /* deliver with bpf_redirect_peer; else with bpf_redirect */
    FLOW_NAT = 1 << 8,         /* through a NAT gateway: one port changes, too */
    FLOW_EGRESS_ONLY = 1 << 9, /* through an egress-only internet gateway */
};
/* Of a flow through one of these two: the low half of the gateway's number. A gateway that has
 * another's address does not go on with its flows. */
#define FLOW_GATEWAY_SHIFT 16

/* What the fast path needs of the decision, copied as a whole under `seq`. */
struct flow_verdict {
    __u32 vpc;     /* whose generations count */
    __u32 gen_net; /* as they were before the path was computed; 0: never computed */
    __u32 gen_sg;
    __u32 far_vpc; /* a second VPC whose generations count; 0: none */
    __u32 far_gen_net, far_gen_sg;
    __u32 far;     /* receiving ENI; 0: the uplink */
    __u32 ifindex; /* next hop */
    __u32 flags;   /* enum flow_flags */
    __u8 dst_mac[6], src_mac[6];
    struct abi_addr new_src, new_dst;
    __be16 new_sport, new_dport; /* ICMP: the identifier; 0: stays */
};
_Static_assert(sizeof(struct flow_verdict) == 84, "flow_verdict");

/* Idle times in milliseconds, by state. */
struct flow_timeouts {
    __u32 half_ms, open_ms, closing_ms;
};

/* Where a flow is counted: the slot of a ring (src/bpf/quota.h). */
struct flow_slot {
    __u32 eni;   /* 0: not counted */
    __u32 index; /* class << 28 | slot */
};

/* What flow logs were told of this half, and what is needed to tell the rest: src/bpf/log.h. */
struct flow_told {
    __u32 epoch;          /* as log_state's: its key is in the queue */
    __u32 lock;           /* 1: somebody tells; who deletes it never lets go */
    __u64 first_ns;       /* of the first packet since it was told; 0: none since */
    __u64 seen_ns;        /* of its last packet, where last_ns is not */
    __u64 packets, bytes; /* so much was told */
    __u64 pieces;         /* not told yet: so many more were delivered than entered (split.h), */
    __u64 piece_bytes;    /* with so many bytes of headers */
    __u32 tcp_flags;      /* told once */
    __u32 zero;
};
_Static_assert(sizeof(struct flow_told) == 64, "flow_told");

struct flow_value_1 {
    __u32 seq;
    __u32 state;
    struct flow_verdict verdict;
    struct flow_key partner;
    __u64 last_ns;
    __u64 start_ns;
    __u64 packets;
    __u64 bytes;
    struct flow_timeouts timeouts;
    struct flow_slot near, distant;
    __u32 tcp_flags;
};
_Static_assert(sizeof(struct flow_value_1) == 200, "flow_value_1");

/* `told` begins in the cache line in which every packet counts. */
struct flow_value_2 {
    __u32 seq;   /* odd: being rewritten or deleted */
    __u32 state; /* enum flow_state */
    struct flow_verdict verdict;
    struct flow_key partner; /* the other half */
    __u64 last_ns;           /* CLOCK_MONOTONIC_COARSE of this half's last packet, or its death */
    __u64 start_ns;
    __u64 packets; /* as segments on the wire; never reset */
    __u64 bytes;   /* of IP, headers of each segment counted; never reset; behind `packets` */
    struct flow_timeouts timeouts;
    struct flow_slot near, distant; /* the entering ENI's slot, the far ENI's */
    __u32 tcp_flags; /* OR of FIN 1, SYN 2, RST 4, SYN-ACK 18; those that were told are in `told` */
    struct flow_told told;
};
_Static_assert(sizeof(struct flow_value_2) == 264, "flow_value_2");

struct flow_value_3 {
    __u64 packets, bytes;
    __u64 last_ns, start_ns;
    __u64 migrated_ns; /* when it came from the older table; 0: it was born here */
    struct flow_key partner;
    __u32 tcp_flags;
    struct flow_told told;
    struct flow_slot near, distant;
    struct flow_verdict verdict;
    struct flow_timeouts timeouts;
    __u32 state;
    __u32 seq;
};
_Static_assert(sizeof(struct flow_value_3) == 272, "flow_value_3");

#if FLOW_LAYOUT == 2
#define flow_value flow_value_2
#define flow_value_before flow_value_1
#else
#define flow_value flow_value_3
#define flow_value_before flow_value_2
#endif

#pragma GCC diagnostic pop
#endif
