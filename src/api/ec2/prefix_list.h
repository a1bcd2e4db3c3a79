/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the families share about managed prefix lists: references, and what these count in the
 * resource that has them.
 *
 * A reference counts as many rules or routes as the list may ever have entries (VPC user guide,
 * "Managed prefix lists"). So a list's maximum size may only grow where all its references have
 * room. Who adds a reference touches the list, and who grows a list depends on all that refer to
 * it: of two such calls at once, one runs again.
 */
#ifndef VPCD_API_PREFIX_LIST_H
#define VPCD_API_PREFIX_LIST_H

#include "api/call.h"
#include "model/prefix_list.h"
#include "model/route_table.h"
#include "model/security_group.h"

/* VPC user guide, "Amazon VPC quotas" */
enum {
    PREFIX_LISTS_MAX = 100,             /* in a region */
    PREFIX_LIST_ENTRIES_MAX = 1000,     /* of a list */
    PREFIX_LIST_VERSIONS_MAX = 1000,    /* of a list: the oldest goes */
    PREFIX_LIST_REFERENCES_MAX = 5000,  /* of a list, by resources of one type */
    PREFIX_LIST_HISTORY_MAX = 20000,    /* entries in all former versions: bounds memory */
    PREFIX_LIST_CALL_ENTRIES_MAX = 100, /* of one call */
};

/*
 * The caller's list for a new reference by an object of this kind (KIND_SECURITY_GROUP or
 * KIND_ROUTE_TABLE): checked, and touched. NULL with the call's error set.
 */
const struct prefix_list *prefix_list_refer(struct call *c, const char *id, enum kind referrer);

/*
 * How many rules of a family a group has in one direction, and how many routes a table has beyond
 * its local ones; a list counts its maximum size. The call depends on the lists. `grown` (or NULL)
 * counts `max` instead of its own.
 */
int64_t group_rules_count(struct call *c, const struct security_group *g, bool egress,
                          uint8_t family, const struct prefix_list *grown, int64_t max);
int64_t table_routes_count(struct call *c, const struct route_table *t,
                           const struct prefix_list *grown, int64_t max);

/* The entries of one version: the list's own, or a former one's. NULL with the error set. */
const struct list *prefix_list_entries_of(struct call *c, const struct prefix_list *pl,
                                          int64_t version);

/* Whether anything refers to the list. */
bool prefix_list_in_use(struct call *c, const struct prefix_list *pl);
/* Appends the ids, ", " between them, of the first ten resources without room for `max` entries. */
void prefix_list_no_room(struct call *c, const struct prefix_list *pl, int64_t max,
                         struct buf *out);

#endif
