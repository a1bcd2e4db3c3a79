/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a peering connection, whose two objects (model/peering.h) change together. */
#ifndef VPCD_API_PEERING_H
#define VPCD_API_PEERING_H

#include "api/ec2/gateway.h"

/* The requester's object and the accepter's, to change and to put with peering_put. [1] is NULL
 * where one object is for both; either is where the side sees nothing of the connection. */
struct peering_both {
    struct peering *side[2];
};
int peering_edit(struct call *c, const struct peering *p, struct peering_both *ret);
void peering_put(struct call *c, const struct peering_both *both);

/* Sets the status and its words, "%s" in them being `account`. */
void peering_set(const struct peering_both *both, enum peering_status status, const char *words,
                 const char *account);
/* The same for an end: `by` is the side that ended it, 0 or 1. */
int peering_end(struct call *c, const struct peering *p, enum peering_status status,
                const char *words, int by);

/* 0: the caller's account and region are the requester's; 1: the accepter's (or both). */
bool peering_is_side(const struct call *c, const struct peering *p, int side);
/* Whether CIDRs of the two overlap, of either family. */
bool vpcs_overlap(const struct vpc *a, const struct vpc *b);

/* Walks the connections of a VPC, as its own account sees them.
 *
 *     peering_each(c, v, it, p) { ... }
 */
struct peering_walk {
    struct cursor cur;
    int side;
    const struct vpc *vpc;
};
const struct peering *peering_first(const struct call *c, const struct vpc *v,
                                    struct peering_walk *w);
const struct peering *peering_next(const struct call *c, struct peering_walk *w);
#define peering_each(c_, v_, walk_, p_)                                                            \
    for (const struct peering *p_ = peering_first(c_, v_, &(walk_)); p_;                           \
         p_ = peering_next(c_, &(walk_)))

#endif
