/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables that the data plane's maps hold when plan_full() begins, so that those which are as
 * they should be are kept: a restart needs no second room for them. Private to the planner.
 */
#ifndef VPCD_RULES_HELD_H
#define VPCD_RULES_HELD_H

#include "rules/plan.h"

struct held_table {
    uint32_t table;
    size_t entries;
};

struct held {
    struct held_table *t; /* ordered by number */
    size_t n, cap;
};

/* 0 or -errno. Without the callbacks `each` and `get`: nothing is held. */
int held_read(struct held *h, const struct plan_callbacks *callbacks);
void held_free(struct held *h);
/* Whether exactly these entries (written with the number 0) are under the number. */
bool held_is(const struct held *h, const struct plan_callbacks *callbacks, uint32_t table,
             const struct entries *es);

#endif
