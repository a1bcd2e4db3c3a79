/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ledger of packets, by where they are recorded: one for what a test sent, one for what the
 * records of flow logs tell. Both must be equal, line by line.
 */
#ifndef VPCD_TESTS_BPF_LEDGER_H
#define VPCD_TESTS_BPF_LEDGER_H

#include "abi/flow_log.h"
#include "world.h"

struct line {
    uint32_t at; /* as in log_enis */
    uint8_t place, action, family, proto;
    struct abi_addr src, dst;
    uint16_t sport, dport; /* network order; ICMP: 0 */
    uint32_t tcp_flags;
    uint64_t packets, bytes;
};

struct ledger {
    struct line *lines;
    size_t n, room;
};

void ledger_free(struct ledger *l);
/* What a frame shows; `frame` begins with its Ethernet header. */
struct line line_of(const uint8_t *frame, size_t len, uint32_t gso_size);
void ledger_add(struct ledger *l, uint32_t at, uint8_t place, uint8_t action, struct line line);
/* A record's lines. LOG_LOST: none. */
void ledger_record(struct ledger *l, const struct log_record *r);
/* Adds up equal lines and sorts them. */
void ledger_sum(struct ledger *l);
/* Fails the test with the first differences. */
void ledger_compare(struct ledger *sent, struct ledger *told, int line);

#endif
