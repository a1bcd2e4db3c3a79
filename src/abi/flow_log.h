/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What the packet path tells of packets for flow logs: raw records. How they come about is told in
 * src/bpf/log.h, how to get them in src/dataplane/flow_log.h.
 *
 * A record tells of packets of one direction between two places: `near`, where they entered, and
 * `far`, where they were delivered; a NAT gateway may lie between, which has an interface of its
 * own with an ingress and an egress side. At each of these they were accepted, refused, or are not
 * recorded. No packet is in two records for the same place.
 *
 *  - LOG_FLOW: packets of a flow since it was last told. Accepted at near and far (those that are
 *    interfaces), and at both sides of the gateway. `key` is the tuple as they entered; src, dst,
 * sport, dport as they were delivered.
 *  - LOG_PACKETS: equal packets that belong to no entry of the flow table: refused ones, and ICMP
 *    that belongs to no query. For one place only, the others' actions are 0. Both tuples are the
 *    same, as that place sees them. Where the packet did not get as far, `far` is 0 and `flags` are
 *    those of the path so far.
 *  - LOG_LOST: what could not be kept of `near`, which may be a NAT gateway's key (log_at): so many
 *    packets and bytes as entered, in at least `records` records. Its log has a gap (SKIPDATA).
 *
 * ICMP has ports in a flow's tuple (flow.h); in LOG_PACKETS they are 0.
 */
#ifndef VPCD_ABI_FLOW_LOG_H
#define VPCD_ABI_FLOW_LOG_H

#include "abi/flow.h"

/* Part of the pins' names of all that is declared here. What has not been told yet is lost with a
 * change. */
#define LOG_LAYOUT 1

#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"

enum log_kind {
    LOG_FLOW = 1,
    LOG_PACKETS = 2,
    LOG_LOST = 3,
};

enum log_action {
    LOG_NONE = 0, /* not recorded there */
    LOG_ACCEPT = 1,
    LOG_REJECT = 2,
};

/* Where a packet is recorded. */
enum log_place {
    LOG_NEAR = 0,        /* the ENI that sent it: egress */
    LOG_FAR = 1,         /* the ENI that received it, or would have: ingress */
    LOG_GATEWAY = 2,     /* into a NAT gateway's own interface: ingress */
    LOG_GATEWAY_OUT = 3, /* out of it again: egress */
};

/* A NAT gateway among ENI numbers: the low half of its number is all that a flow has of it
 * (FLOW_GATEWAY_SHIFT), so two gateways may have one key. Their addresses tell them apart. */
#define LOG_GATEWAY_KEY 0x80000000u
#define LOG_GATEWAY_KEY_OF(number) (LOG_GATEWAY_KEY | ((number)&0xffffu))

struct log_record {
    __u64 first_ns, last_ns; /* CLOCK_MONOTONIC_COARSE of the first and last packet */
    __u64 packets;           /* segments on the wire, as they entered */
    __u64 bytes;             /* of IP, headers of each segment counted */
    __u64 far_packets;       /* as they were delivered: more where IPv4 was fragmented on the way */
    __u64 far_bytes;
    __u32 kind;                   /* enum log_kind */
    __u32 flags;                  /* enum flow_flags; bits 16 to 31: the gateway */
    __u32 near, far;              /* ENI numbers; 0: the uplink, or nobody yet */
    __u32 vpc, far_vpc;           /* the flow's; far_vpc 0: there is no second one */
    __u32 tcp_flags;              /* OR of FIN 1, SYN 2, RST 4, SYN-ACK 18 */
    __u32 records;                /* LOG_LOST */
    __u8 near_action, far_action; /* enum log_action */
    __u8 gateway_action, gateway_out_action;
    struct flow_key key;
    struct abi_addr src, dst;
    __be16 sport, dport;
    __u32 zero2;
};
_Static_assert(sizeof(struct log_record) == 168, "log_record");

/* --- Between the agent's half and the programs -------------------------------------------- */

#define LOG_KEYS_BYTES (4u << 20)    /* ring of keys: 74,898 halves of flows */
#define LOG_RECORDS_BYTES (8u << 20) /* ring of records: 47,662 */
#define LOG_BATCH 1024               /* halves that one run tells */
#define LOG_MAX_ENIS (1 << 17)
#define LOG_MAX_PACKETS (1 << 18) /* kinds of refused or single packets, of all ENIs */
/* ... of one in a window; LOG_PACKETS_SCARCE while half of the table is in use. */
#define LOG_PACKETS_PER_ENI 4096
#define LOG_PACKETS_SCARCE 256

/* log_state: one. Every packet looks at the first line of it, few change the second. */
struct log_state {
    __u32 epoch; /* 0: nobody on this host has a flow log. Another value: queue every key again */
    __u32 last;  /* the highest epoch so far */
    __u64 zero[7];
    __s64 packets_entries; /* in log_packets */
    __u64 full_ns;         /* the ring of keys was full: nobody tries again before */
    __u32 window;          /* of log_packets */
    __u32 lost;            /* something was, of somebody in log_enis */
};
_Static_assert(sizeof(struct log_state) == 88, "log_state");

/* log_enis: whose packets are recorded; the key is an ENI's number or LOG_GATEWAY_KEY_OF(). */
struct log_eni_value {
    __u32 window;                                 /* in which `entries` were made */
    __u32 entries;                                /* of log_packets */
    __u64 lost_records, lost_packets, lost_bytes; /* not told of yet */
};
_Static_assert(sizeof(struct log_eni_value) == 32, "log_eni_value");

/* log_packets: refused and single packets. */
struct log_packets_key {
    __u32 window;
    __u32 at;    /* as in log_enis */
    __u8 place;  /* enum log_place */
    __u8 action; /* enum log_action */
    __u8 family, proto;
    struct abi_addr src, dst;
    __be16 sport, dport;
};
_Static_assert(sizeof(struct log_packets_key) == 48, "log_packets_key");

struct log_packets_value {
    __u64 first_ns, last_ns;
    __u64 packets, bytes;
    __u32 tcp_flags;
    __u32 flags;
    __u32 near, far;
    __u32 vpc, far_vpc;
};
_Static_assert(sizeof(struct log_packets_value) == 56, "log_packets_value");

/* log_batch: what one run of flow_log_tell is to look at; it ends at a key without family. */
struct log_batch_value {
    struct flow_key key;
    __u32 quiet; /* counts as told: no record */
};
_Static_assert(sizeof(struct log_batch_value) == 48, "log_batch_value");

#pragma GCC diagnostic pop
#endif
