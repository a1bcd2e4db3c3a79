/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of one interface in one window: equal keys become one record. An array with a hash table
 * of numbers beside it, both of which grow by themselves; whoever owns it holds it to a bound.
 */
#ifndef VPCD_FLOWLOG_TABLE_H
#define VPCD_FLOWLOG_TABLE_H

#include <stddef.h>

#include "flowlog/record.h"

struct flowlog_table {
    struct flowlog_record *records;
    uint32_t *slots; /* number of a record + 1; 0: free */
    uint32_t n, room, slot_mask;
};

/* `seed` is the same for all calls on one table, and nobody's who chooses the keys. 0: into a
 * record that was there, 1: into a new one, -ENOMEM: nothing changed. */
int flowlog_table_add(struct flowlog_table *t, uint64_t seed, const struct flowlog_record *r);

/* Empties it. Memory is kept where about as much will be needed again (`expect` records). */
void flowlog_table_reset(struct flowlog_table *t, uint32_t expect);
void flowlog_table_free(struct flowlog_table *t);
size_t flowlog_table_bytes(const struct flowlog_table *t);

#endif
