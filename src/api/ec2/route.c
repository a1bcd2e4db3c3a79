/* SPDX-License-Identifier: Apache-2.0 */
/* Routes of a table. Which targets they may have: route_target.c. */
#include "api/ec2/route.h"

#include <stdio.h>
#include <string.h>

#include "api/ec2/prefix_list.h"

#define R struct route_params
static const struct field route_param_fields[] = {
    FIELD(0, FT_STR, R, table_id, "RouteTableId", .flags = FF_REQUIRED),
    FIELD(0, FT_CIDR, R, cidr, "DestinationCidrBlock"),
    FIELD(0, FT_CIDR, R, cidr6, "DestinationIpv6CidrBlock"),
    FIELD(0, FT_STR, R, prefix_list, "DestinationPrefixListId"),
    FIELD(0, FT_STR, R, gateway, "GatewayId"),
    FIELD(0, FT_STR, R, instance, "InstanceId"),
    FIELD(0, FT_STR, R, eni, "NetworkInterfaceId"),
    FIELD(0, FT_STR, R, nat, "NatGatewayId"),
    FIELD(0, FT_STR, R, egress_only, "EgressOnlyInternetGatewayId"),
    FIELD(0, FT_STR, R, peering, "VpcPeeringConnectionId"),
    FIELD(0, FT_STR, R, transit, "TransitGatewayId"),
    FIELD(0, FT_STR, R, endpoint, "VpcEndpointId"),
    FIELD(0, FT_STR, R, local_gateway, "LocalGatewayId"),
    FIELD(0, FT_STR, R, carrier, "CarrierGatewayId"),
    FIELD(0, FT_STR, R, core, "CoreNetworkArn"),
    FIELD(0, FT_TRI, R, local, "LocalTarget"),
};
static const struct desc route_param_desc = DESC("Route", R, route_param_fields);
static const struct desc delete_route_desc = {.name = "DeleteRoute",
                                              .size = sizeof(R),
                                              .fields = route_param_fields,
                                              .n_fields = 4,
                                              .unknown = -1};

static int read_destination(struct call *c, const struct route_params *p,
                            struct route_destination *ret) {
    int given = !!p->cidr.ip.family + !!p->cidr6.ip.family + !!p->prefix_list;

    *ret = (struct route_destination){0};
    if (!given)
        return call_error(c, "MissingParameter",
                          "The request must contain the parameter destinationCidrBlock or "
                          "destinationIpv6CidrBlock");
    if (given > 1)
        return call_error(c, "InvalidParameterCombination",
                          "Exactly one destination must be specified.");
    if (p->prefix_list) {
        ret->list = call_get(c, KIND_PREFIX_LIST, p->prefix_list);
        if (!ret->list)
            return -1;
        ret->cidr.ip.family = prefix_list_ip_family(ret->list);
        snprintf(ret->text, sizeof(ret->text), "%s", ret->list->o.id);
        return 0;
    }
    ret->cidr = cidr_mask(p->cidr.ip.family ? &p->cidr : &p->cidr6);
    cidr_format(&ret->cidr, ret->text);
    if (ret->cidr.ip.family != (p->cidr.ip.family ? IP_V4 : IP_V6))
        return call_error(
            c, "InvalidParameterValue",
            "Value (%s) for parameter destination is invalid. It is of the other address family.",
            ret->text);
    return 0;
}

/* The table's own route to the destination: what a gateway propagates is not touched by calls. */
static struct route *find_route(const struct route_table *t, const struct route_destination *d) {
    list_each (struct route, r, t->routes) {
        if (r->origin == ROUTE_ORIGIN_PROPAGATED || !r->prefix_list_id != !d->list)
            continue;
        if (d->list ? strcmp(r->prefix_list_id, d->list->o.id) == 0
                    : cidr_equal(&r->cidr, &d->cidr))
            return r;
    }
    return NULL;
}

static int add_route(struct call *c, const struct route_table *t, const struct route_destination *d,
                     const char *target) {
    static const struct cidr none;
    struct route_table *n = txn_edit(c->txn, t);
    struct route *r;

    if (!n)
        return call_no_memory(c);
    r = route_table_add_route(n, d->list ? &none : &d->cidr, target, ROUTE_ORIGIN_CREATE);
    if (!r)
        return call_no_memory(c);
    if (d->list) {
        /* The list counts this reference, and must not grow meanwhile. */
        if (!prefix_list_refer(c, d->list->o.id, KIND_ROUTE_TABLE))
            return -1;
        obj_set(&n->o, &r->prefix_list_id, d->list->o.id);
    }
    if (table_routes_count(c, n, NULL, 0) > ROUTES_MAX)
        return call_error(c, "RouteLimitExceeded",
                          "The maximum number of routes has been reached.");
    txn_put(c->txn, n);
    return 0;
}

static int create_route(struct call *c, const void *params) {
    const struct route_params *p = params;
    const struct route_table *t = call_get(c, KIND_ROUTE_TABLE, p->table_id);
    struct route_destination d;
    const struct route *have;
    const char *target;

    if (!t || read_destination(c, p, &d) < 0)
        return -1;
    if (p->local)
        return call_error(c, "UnknownParameter", "The parameter LocalTarget is not recognized");
    target = route_target(c, t, p);
    if (!target)
        return -1;
    have = find_route(t, &d);
    if (have && have->origin == ROUTE_ORIGIN_CREATE_TABLE)
        return call_error(c, "RouteAlreadyExists", "The route identified by %s already exists.",
                          d.text);
    if (route_check(c, t, &d, target) < 0)
        return -1;
    /* The same route again is fine; another target is not. */
    if (have && strcmp(have->target, target) != 0)
        return call_error(c, "RouteAlreadyExists", "The route identified by %s already exists.",
                          d.text);
    if (!have && add_route(c, t, &d, target) < 0)
        return -1;
    return call_return_true(c);
}

static int replace_route(struct call *c, const void *params) {
    const struct route_params *p = params;
    const struct route_table *t = call_get(c, KIND_ROUTE_TABLE, p->table_id);
    struct route_destination d;
    struct route_table *n;
    const struct route *r;
    const char *target;

    if (!t || read_destination(c, p, &d) < 0)
        return -1;
    r = find_route(t, &d);
    if (!r)
        return call_error(
            c, "InvalidParameterValue",
            "There is no route defined for '%s' in the route table. Use CreateRoute instead.",
            d.text);
    target = route_target(c, t, p);
    if (!target)
        return -1;
    if (strcmp(target, "local") == 0 && r->origin != ROUTE_ORIGIN_CREATE_TABLE)
        return call_error(c, "InvalidParameterValue",
                          "Only the local route can have the target local.");
    if (route_check(c, t, &d, target) < 0)
        return -1;
    n = txn_edit(c->txn, t);
    if (!n || !str_set(&find_route(n, &d)->target, target))
        return call_no_memory(c);
    txn_put(c->txn, n);
    return call_return_true(c);
}

static int delete_route(struct call *c, const void *params) {
    const struct route_params *p = params;
    const struct route_table *t = call_get(c, KIND_ROUTE_TABLE, p->table_id);
    struct route_destination d;
    struct route_table *n;
    const struct route *r;

    if (!t || read_destination(c, p, &d) < 0)
        return -1;
    r = find_route(t, &d);
    if (!r)
        return call_error(c, "InvalidRoute.NotFound",
                          "no route with destination-%s %s in route "
                          "table %s",
                          d.list ? "prefix-list-id" : "cidr-block", d.text, t->o.id);
    if (r->origin == ROUTE_ORIGIN_CREATE_TABLE)
        return call_error(c, "InvalidParameterValue",
                          "cannot remove local route %s in route table %s", d.text, t->o.id);
    n = txn_edit(c->txn, t);
    if (!n)
        return call_no_memory(c);
    route_table_cut_route(n, (uint32_t)(find_route(n, &d) - (struct route *)n->routes.items));
    txn_put(c->txn, n);
    return call_return_true(c);
}

static const struct action rows[] = {
    {"CreateRoute", &route_param_desc, create_route},
    {"DeleteRoute", &delete_route_desc, delete_route},
    {"ReplaceRoute", &route_param_desc, replace_route},
};
ACTIONS(route_actions, rows);
