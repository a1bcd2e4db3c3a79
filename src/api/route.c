/* SPDX-License-Identifier: Apache-2.0 */
/* Routes of a table. */
#include <string.h>

#include "api/actions.h"

struct route_params {
    char *table_id;
    struct cidr cidr, cidr6;
    char *prefix_list;
    char *gateway, *instance, *eni, *nat, *egress_only, *peering, *transit, *endpoint,
        *local_gateway, *carrier, *core;
    uint8_t local;
};
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

static int route_destination(struct call *c, const struct route_params *p, struct cidr *ret) {
    int given = !!p->cidr.ip.family + !!p->cidr6.ip.family + !!p->prefix_list;
    char text[CIDR_TEXT];

    if (!given)
        return call_error(c, "MissingParameter",
                          "The request must contain the parameter destinationCidrBlock or "
                          "destinationIpv6CidrBlock");
    if (given > 1)
        return call_error(c, "InvalidParameterCombination",
                          "Exactly one destination must be specified.");
    if (p->prefix_list)
        return call_error(c, "InvalidPrefixListID.NotFound",
                          "The prefix list ID '%.64s' does not exist", p->prefix_list);
    *ret = cidr_mask(p->cidr.ip.family ? &p->cidr : &p->cidr6);
    if (ret->ip.family != (p->cidr.ip.family ? IP_V4 : IP_V6))
        return call_error(
            c, "InvalidParameterValue",
            "Value (%s) for parameter destination is invalid. It is of the other address family.",
            cidr_format(ret, text));
    return 0;
}

/* The route's target as an id that the packet path can use, checked; copied into ret (64 bytes). */
static int route_target(struct call *c, const struct route_table *t, const struct route_params *p,
                        const char **ret) {
    const char *const all[] = {p->gateway,       p->instance, p->eni,     p->nat,
                               p->egress_only,   p->peering,  p->transit, p->endpoint,
                               p->local_gateway, p->carrier,  p->core};
    const struct internet_gateway *g;
    const struct network_interface *eni;
    struct cursor cur;
    int given = 0;

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        given += all[i] != NULL;
    if (given + (p->local == TRI_TRUE) != 1)
        return call_error(
            c, given ? "InvalidParameterCombination" : "MissingParameter",
            "The request must contain exactly one of gatewayId, instanceId, networkInterfaceId, "
            "natGatewayId, egressOnlyInternetGatewayId, vpcPeeringConnectionId or "
            "transitGatewayId");
    if (p->gateway && strncmp(p->gateway, "igw-", 4) == 0) {
        g = call_get(c, KIND_INTERNET_GATEWAY, p->gateway);
        if (!g)
            return -1;
        if (!g->vpc_id || strcmp(g->vpc_id, t->vpc_id) != 0)
            return call_error(c, "InvalidParameterValue",
                              "route table %s and network gateway %s belong to different networks",
                              t->o.id, g->o.id);
        *ret = g->o.id;
        return 0;
    }
    if (p->eni) {
        eni = call_get(c, KIND_NETWORK_INTERFACE, p->eni);
        if (!eni)
            return -1;
        if (strcmp(eni->vpc_id, t->vpc_id) != 0)
            return call_error(c, "InvalidParameterValue",
                              "route table %s and interface %s belong to different networks",
                              t->o.id, eni->o.id);
        *ret = eni->o.id;
        return 0;
    }
    if (p->instance) {
        const struct instance *i = call_get(c, KIND_INSTANCE, p->instance);
        size_t n = 0;

        if (!i)
            return -1;
        index_each_by(c->ix, cur, KIND_NETWORK_INTERFACE, ENI_BY_INSTANCE, i->o.id) {
            eni = cur.obj;
            *ret = eni->o.id;
            n++;
        }
        if (n != 1)
            return call_error(c, "InvalidInstanceID",
                              "There are %zu interfaces attached to instance '%s'. Please "
                              "specify an interface ID for the operation instead.",
                              n, i->o.id);
        return 0;
    }
    /* Each code as EC2 answers for an id that is not there: those gateways cannot exist here. */
    if (p->nat)
        return call_error(c, "InvalidNatGatewayID.NotFound",
                          "The natGateway ID '%.64s' does not exist", p->nat);
    if (p->peering)
        return call_error(c, "InvalidVpcPeeringConnectionID.NotFound",
                          "The vpcPeeringConnection ID '%.64s' does not exist", p->peering);
    if (p->egress_only)
        return call_error(c, "InvalidGatewayID.NotFound", "The eigw ID '%.64s' does not exist",
                          p->egress_only);
    if (p->transit)
        return call_error(c, "InvalidTransitGatewayID.NotFound",
                          "The transitGateway ID '%.64s' does not exist", p->transit);
    if (p->gateway)
        return call_error(c, "InvalidGatewayID.NotFound", "The gateway ID '%.64s' does not exist",
                          p->gateway);
    return call_error(c, "UnsupportedOperation", "Routes to this kind of target are not offered.");
}

/* How the destination stands to the VPC's own CIDRs (VPC user guide, "Route priority" and "Subnet
 * route tables"). */
static int check_destination(struct call *c, const struct route_table *t, const struct cidr *cidr,
                             const char *target) {
    const struct vpc *v = txn_get(c->txn, KIND_VPC, c->scope, t->vpc_id);
    const struct list *own = cidr->ip.family == IP_V4 ? &v->cidrs : &v->cidrs6;
    char text[CIDR_TEXT];
    struct cursor cur;

    list_each (struct cidr_association, a, *own) {
        if (!cidr_contains(&a->cidr, cidr))
            continue;
        /* More specific than local: a whole subnet's CIDR, to an interface or a NAT gateway. */
        if (strncmp(target, "eni-", 4) == 0) {
            index_each_by(c->ix, cur, KIND_SUBNET, SUBNET_BY_VPC, t->vpc_id) {
                const struct subnet *s = cur.obj;
                const struct cidr *cidr6 = subnet_cidr6(s);

                if (cidr_equal(&s->cidr, cidr) || (cidr6 && cidr_equal(cidr6, cidr)))
                    return 0;
            }
        }
        return call_error(c, "InvalidParameterValue",
                          "The destination CIDR block %s is equal to or more specific than one of "
                          "this VPC's CIDR "
                          "blocks. This route can target only an interface or an instance.",
                          cidr_format(cidr, text));
    }
    return 0;
}

static int create_route(struct call *c, const void *params) {
    const struct route_params *p = params;
    const struct route_table *t = call_get(c, KIND_ROUTE_TABLE, p->table_id);
    const char *target;
    struct route_table *n;
    struct route *have;
    struct cidr cidr;
    char text[CIDR_TEXT];

    if (!t || route_destination(c, p, &cidr) < 0)
        return -1;
    if (p->local == TRI_TRUE)
        return call_error(c, "UnknownParameter", "The parameter LocalTarget is not recognized");
    if (route_target(c, t, p, &target) < 0 || check_destination(c, t, &cidr, target) < 0)
        return -1;
    have = route_table_find_route(t, &cidr);
    /* The same route again is fine; another target is not. */
    if (have && have->origin == ROUTE_ORIGIN_CREATE && strcmp(have->target, target) == 0)
        return call_return_true(c);
    if (have)
        return call_error(c, "RouteAlreadyExists", "The route identified by %s already exists.",
                          cidr_format(&cidr, text));
    if (t->routes.n >= ROUTES_MAX)
        return call_error(c, "RouteLimitExceeded",
                          "The maximum number of routes has been reached.");
    n = txn_edit(c->txn, t);
    if (!n)
        return -1;
    route_table_add_route(n, &cidr, target, ROUTE_ORIGIN_CREATE);
    txn_put(c->txn, n);
    return call_return_true(c);
}

static int replace_route(struct call *c, const void *params) {
    const struct route_params *p = params;
    const struct route_table *t = call_get(c, KIND_ROUTE_TABLE, p->table_id);
    const char *target;
    struct route_table *n;
    struct route *r;
    struct cidr cidr;
    char text[CIDR_TEXT];

    if (!t || route_destination(c, p, &cidr) < 0)
        return -1;
    r = route_table_find_route(t, &cidr);
    if (!r)
        return call_error(
            c, "InvalidParameterValue",
            "There is no route defined for '%s' in the route table. Use CreateRoute instead.",
            cidr_format(&cidr, text));
    if (r->origin == ROUTE_ORIGIN_CREATE_TABLE)
        return call_error(c, "InvalidParameterValue", "The local route %s cannot be replaced.",
                          cidr_format(&cidr, text));
    if (p->local == TRI_TRUE)
        return call_error(c, "InvalidParameterValue",
                          "Only the local route can have the target local.");
    if (route_target(c, t, p, &target) < 0 || check_destination(c, t, &cidr, target) < 0)
        return -1;
    n = txn_edit(c->txn, t);
    if (!n)
        return -1;
    r = route_table_find_route(n, &cidr);
    if (!str_set(&r->target, target))
        return call_no_memory(c);
    txn_put(c->txn, n);
    return call_return_true(c);
}

static int delete_route(struct call *c, const void *params) {
    const struct route_params *p = params;
    const struct route_table *t = call_get(c, KIND_ROUTE_TABLE, p->table_id);
    struct route_table *n;
    struct cidr cidr;
    char text[CIDR_TEXT];

    if (!t || route_destination(c, p, &cidr) < 0)
        return -1;
    if (!route_table_find_route(t, &cidr))
        return call_error(c, "InvalidRoute.NotFound",
                          "no route with destination-cidr-block %s in route table %s",
                          cidr_format(&cidr, text), t->o.id);
    if (route_table_find_route(t, &cidr)->origin == ROUTE_ORIGIN_CREATE_TABLE)
        return call_error(c, "InvalidParameterValue",
                          "cannot remove local route %s in route table %s",
                          cidr_format(&cidr, text), t->o.id);
    n = txn_edit(c->txn, t);
    if (!n)
        return -1;
    route_table_cut_route(
        n, (uint32_t)(route_table_find_route(n, &cidr) - (struct route *)n->routes.items));
    txn_put(c->txn, n);
    return call_return_true(c);
}

static const struct action rows[] = {
    {"CreateRoute", &route_param_desc, create_route},
    {"DeleteRoute", &delete_route_desc, delete_route},
    {"ReplaceRoute", &route_param_desc, replace_route},
};
ACTIONS(route_actions, rows);
