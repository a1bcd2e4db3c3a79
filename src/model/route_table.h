/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VPCD_MODEL_ROUTE_TABLE_H
#define VPCD_MODEL_ROUTE_TABLE_H

#include "model/object.h"

enum route_origin {
    ROUTE_ORIGIN_CREATE_TABLE = 1, /* the local routes */
    ROUTE_ORIGIN_CREATE,
    ROUTE_ORIGIN_PROPAGATED,
};

struct route {
    struct cidr cidr; /* or a prefix list: */
    char *prefix_list_id;
    char *target;   /* "local", igw-, eni-, nat-, eigw-, pcx-, vgw-, tgw-, vpce- */
    uint8_t origin; /* enum route_origin */
    struct blob unknown;
};

struct route_association {
    char *id;        /* rtbassoc-... */
    char *subnet_id; /* or a gateway, or neither: the main one */
    char *gateway_id;
    bool main;
    struct blob unknown;
};

struct route_table {
    struct obj o;
    char *vpc_id;
    struct list routes;       /* struct route */
    struct list associations; /* struct route_association */
    struct list propagating;  /* ids of virtual private gateways whose routes it takes */
    struct list tags;
    struct blob unknown;
};

enum {
    RTB_BY_VPC = 1,
    RTB_BY_PREFIX_LIST = 2 * 256 + 2,
    RTB_BY_TARGET = 2 * 256 + 3,
    RTB_BY_PROPAGATING = 5,
    RTB_BY_ASSOCIATION = 3 * 256 + 1,
    RTB_BY_SUBNET = 3 * 256 + 2,
    RTB_BY_GATEWAY = 3 * 256 + 3,
};

extern const struct desc route_table_desc;

/* The table that a subnet uses: its own association's, or the VPC's main one. NULL only for a
 * broken state. */
const struct route_table *route_table_of_subnet(const struct index *ix, const char *vpc_id,
                                                const char *subnet_id);
const struct route_table *route_table_main(const struct index *ix, const char *vpc_id);
/* Changing the lists of a table that is being edited. Items are cut by their place. */
struct route *route_table_find_route(const struct route_table *t, const struct cidr *cidr);
/* NULL, and the object is marked, when memory is short. */
struct route *route_table_add_route(struct route_table *t, const struct cidr *cidr,
                                    const char *target, uint8_t origin);
void route_table_cut_route(struct route_table *t, uint32_t i);
void route_table_cut_association(struct route_table *t, uint32_t i);
/* Takes a subnet's association out. */
void route_table_disassociate(struct route_table *t, const char *subnet_id);
/* Takes no more routes of that gateway: those it has go. */
void route_table_stop_propagation(struct route_table *t, const char *gateway_id);
/* Whether a gateway is associated with it. */
bool route_table_is_edge(const struct route_table *t);

/* False when the route's target is gone: the route is a blackhole. */
bool route_is_active(const struct index *ix, const struct route_table *t, const struct route *r);

#endif
