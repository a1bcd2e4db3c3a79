/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One list of operations behind step 1, gathered whole before the first is emitted. The steps, and
 * what an observer sees between them, are told at the head of plan.c. Private to the planner.
 */
#ifndef VPCD_RULES_BATCH_H
#define VPCD_RULES_BATCH_H

#include "rules/plan.h"

struct batch {
    struct entries unreachable; /* step 2 */
    struct entries publish;     /* step 3 */
    struct entries gone;        /* step 4 */
    struct entries generations; /* step 5, put */
    struct entries ended;       /* step 5, VPCs that are gone */
    struct entries later;       /* step 6: one of each table, with its number */
};

void batch_free(struct batch *b);
bool batch_failed(const struct batch *b); /* memory was short for some part */
/* Brings each part into the order in which it is emitted. */
void batch_sort(struct batch *b);

/* Emits all steps; `full`: with the sweeps of plan_full(). 0 or what emit returned. */
int batch_emit(const struct batch *b, bool full, plan_emit_fn *emit, void *data);
/* Puts in the order of the array; deletes in the reverse, so that who names goes before the named.
 */
int batch_emit_all(const struct entries *es, enum plan_op_kind kind, plan_emit_fn *emit,
                   void *data);

#endif
