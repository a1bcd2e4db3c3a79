/* SPDX-License-Identifier: Apache-2.0 */
/* What the calls on routes and on tables' associations have in common. */
#ifndef VPCD_API_ROUTE_H
#define VPCD_API_ROUTE_H

#include "api/actions.h"
#include "model/prefix_list.h"

/* The parameters of CreateRoute and ReplaceRoute; DeleteRoute has the first four. */
struct route_params {
    char *table_id;
    struct cidr cidr, cidr6;
    char *prefix_list;
    char *gateway, *instance, *eni, *nat, *egress_only, *peering, *transit, *endpoint,
        *local_gateway, *carrier, *core;
    uint8_t local; /* enum tri */
};

struct route_destination {
    struct cidr cidr;               /* without host bits; or */
    const struct prefix_list *list; /* whose family the CIDR has */
    char text[CIDR_TEXT];           /* for messages: the CIDR, or the list's id */
};

/* route_target.c */
/*
 * The target that the parameters name, as the id in struct route; "local" for LocalTarget. It is
 * the caller's, of the table's VPC, and one that can be a target. Valid while the call runs; NULL
 * with the call's error set.
 */
const char *route_target(struct call *c, const struct route_table *t, const struct route_params *p);
/* Whether a route to that destination may have that target. 0 or an error. */
int route_check(struct call *c, const struct route_table *t, const struct route_destination *d,
                const char *target);
/* Whether the table may be a gateway's: its routes, and what they may become. 0 or an error. */
int route_table_check_edge(struct call *c, const struct route_table *t);

#endif
