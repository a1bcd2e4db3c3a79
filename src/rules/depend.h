/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which units to compile again when an object changes. A unit is what compile.h compiles at once;
 * it is named by the object that it is made of.
 */
#ifndef VPCD_RULES_DEPEND_H
#define VPCD_RULES_DEPEND_H

#include "model/index.h"

enum unit_kind {
    UNIT_RULES,  /* of a group set */
    UNIT_ROUTES, /* of a route table */
    UNIT_ACL,    /* of a network ACL */
    UNIT_SUBNET,
    UNIT_ENI,
    UNIT_NAT,
    UNIT_EGRESS_GATEWAY,
    UNIT_VPC,
    UNIT_KINDS,
};

enum kind unit_object_kind(enum unit_kind k);

/* Called for each unit, perhaps more than once; `scope` and `id` name its object, which may be
 * gone. 0 or -errno, which ends the walk. */
typedef int depend_fn(void *data, enum unit_kind kind, struct scope scope, const char *id);

/* The units that an object's change concerns: `old` NULL when it is new, `new` when it is gone. The
 * index is the one after the change. Returns what `fn` returned. */
int depend_on_object(const struct index *ix, const struct obj *old, const struct obj *new,
                     depend_fn *fn, void *data);

/* The units that name the table number of this one, to be compiled again when it has another:
 * interfaces of a group set, subnets of a route table or an ACL. */
int depend_on_table(const struct index *ix, const struct obj *o, depend_fn *fn, void *data);

#endif
