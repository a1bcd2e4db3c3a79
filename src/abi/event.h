/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the BPF programs tell of single packets: the records of the ring `drop_events`. */
#ifndef VPCD_ABI_EVENT_H
#define VPCD_ABI_EVENT_H

#include "abi/flow.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"

/* Part of the ring's pin name: raise it when the struct changes. */
#define EVENT_LAYOUT 1
#define DROP_EVENTS_BYTES (256 * 1024)
/* So many drops of one interface are told of in a second by each CPU; all are counted. */
#define DROP_EVENTS_A_SECOND 16
#define DROP_BUDGETS 1024 /* interfaces whose numbers are equal modulo this share a budget */

/* A packet that was dropped after it was parsed. */
struct drop_event {
    __u64 ns;       /* CLOCK_MONOTONIC */
    __u32 reason;   /* enum drop_reason */
    __u32 ip_len;   /* before segmentation */
    __be16 rule;    /* destination port, or ICMP's type << 8 | code */
    __u8 tcp_flags; /* as on the wire */
    __u8 zero;
    struct flow_key key;
};
_Static_assert(sizeof(struct drop_event) == 64, "drop_event");

struct drop_budget {
    __u64 second;
    __u64 told;
};

/* What a dry run (packet.h) decided. */
struct dry_result {
    __u32 reason; /* enum drop_reason; 0: it would go on, by `verdict` */
    struct flow_verdict verdict;
    __u32 service; /* enum service_what; not 0: it is answered there, and `verdict` is not valid */
};

#pragma GCC diagnostic pop
#endif
