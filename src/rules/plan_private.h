/* SPDX-License-Identifier: Apache-2.0 */
/* The planner's state, and what its files share. */
#ifndef VPCD_RULES_PLAN_PRIVATE_H
#define VPCD_RULES_PLAN_PRIVATE_H

#include "rules/batch.h"
#include "rules/held.h"
#include "rules/plan.h"
#include "rules/published.h"
#include "rules/room.h"

struct plan {
    struct plan_callbacks callbacks;
    struct published is;
    struct room room;
    struct held held; /* of plan_full(): what the maps hold */
    uint64_t round;   /* of flushes */
    bool stale;
    /* Of the flush that goes on. */
    plan_emit_fn *emit;
    void *emit_data;
};

/* A depend_fn; data is the plan. */
int plan_mark(void *data, enum unit_kind kind, struct scope scope, const char *id);

/* Whether the data plane said that it has no room: a matter of one unit, not of the plan. */
bool plan_no_room(int error);
/* The unit is not in force as it should be, for want of room; told once. */
void plan_lacks(struct plan *p, struct unit *u, const struct obj *o, int error, const char *what);

/* Who uses what, for the dirty interfaces and subnets; marks what begins or ceases to be used. */
int uses_flush(struct plan *p, const struct index *ix);

/* Step 1, and step 6 into the batch: tables of the dirty units. */
int tables_flush(struct plan *p, const struct index *ix, struct batch *b);

#endif
