/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts the model into force: changes go through the planner (rules/plan.h), its operations into the
 * data plane's maps, in their order; deletions that must wait are kept until their time.
 */
#ifndef VPCD_AGENT_ENFORCE_H
#define VPCD_AGENT_ENFORCE_H

#include <event2/event.h>

#include "dataplane/dataplane.h"
#include "model/index.h"

struct enforce;

int enforce_new(struct event_base *base, struct dataplane *dp, struct enforce **ret_enforce);
void enforce_free(struct enforce *e);

void enforce_change(struct enforce *e, const struct index *ix, const struct obj *old,
                    const struct obj *new);

/* The noted changes, or (the first time, `full`, and after any error) everything. 0: in force, or
 * will be after a short pause, but for what lacks room. Otherwise it was said in the log, and it is
 * tried again by itself. */
int enforce_flush(struct enforce *e, const struct index *ix, bool full);
/* How many sets, route tables, interfaces... are not in force for want of room: each allows nothing
 * until there is some, and was named in the log. */
size_t enforce_lacking(const struct enforce *e);

#endif
