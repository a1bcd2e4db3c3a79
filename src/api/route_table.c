/* SPDX-License-Identifier: Apache-2.0 */
/* Route tables, their routes and associations. */
#include <stdlib.h>
#include <string.h>

#include "api/actions.h"

static void routes_clear_at(struct route_table *t, uint32_t i) {
    struct route *r = list_at(t->routes, struct route, i);

    free(r->prefix_list_id);
    free(r->target);
    free(r->unknown.data);
    list_cut(&t->routes, sizeof(*r), i);
}

static void association_cut(struct route_table *t, uint32_t i) {
    struct route_association *a = list_at(t->associations, struct route_association, i);

    free(a->id);
    free(a->subnet_id);
    free(a->gateway_id);
    free(a->unknown.data);
    list_cut(&t->associations, sizeof(*a), i);
}

void route_table_disassociate(struct route_table *t, const char *subnet_id) {
    for (uint32_t i = 0; i < t->associations.n; i++) {
        struct route_association *a = list_at(t->associations, struct route_association, i);

        if (a->subnet_id && strcmp(a->subnet_id, subnet_id) == 0)
            association_cut(t, i--);
    }
}

static struct route *route_find(const struct route_table *t, const struct cidr *cidr) {
    list_each (struct route, r, t->routes) {
        if (!r->prefix_list_id && cidr_equal(&r->cidr, cidr))
            return r;
    }
    return NULL;
}

static struct route *route_add(struct route_table *t, const struct cidr *cidr, const char *target,
                               uint8_t origin) {
    struct route *r = list_add(&t->routes, sizeof(*r));

    if (!r || !str_set(&r->target, target)) {
        t->o.no_memory = true;
        return NULL;
    }
    r->cidr = *cidr;
    r->origin = origin;
    return r;
}

/* Local routes first, in the order of the VPC's CIDRs. */
static void sync_local(struct route_table *t, const struct vpc *v) {
    for (uint32_t i = 0; i < t->routes.n; i++)
        if (list_at(t->routes, struct route, i)->origin == ROUTE_ORIGIN_CREATE_TABLE)
            routes_clear_at(t, i--);
    list_each (struct cidr_association, a, v->cidrs)
        route_add(t, &a->cidr, "local", ROUTE_ORIGIN_CREATE_TABLE);
    list_each (struct cidr_association, a, v->cidrs6)
        route_add(t, &a->cidr, "local", ROUTE_ORIGIN_CREATE_TABLE);
}

int route_tables_sync_local(struct call *c, const struct vpc *v) {
    struct cursor cur;
    struct list ids = {0};
    int r = 0;

    /* The index must not change during the walk. */
    index_each_by(c->ix, cur, KIND_ROUTE_TABLE, RTB_BY_VPC, v->o.id) {
        if (strs_add(&ids, ((const struct obj *)cur.obj)->id) < 0)
            r = call_no_memory(c);
    }
    list_each (char *, id, ids) {
        struct route_table *t = txn_edit(c->txn, txn_get(c->txn, KIND_ROUTE_TABLE, c->scope, *id));

        if (t) {
            sync_local(t, v);
            txn_put(c->txn, t);
        }
        free(*id);
    }
    free(ids.items);
    return r;
}

struct route_table *route_table_create(struct call *c, const struct vpc *v, bool main,
                                       const struct list *tag_specifications) {
    static const struct list none;
    struct route_table *t = call_new(c, KIND_ROUTE_TABLE);
    char id[64];

    if (!t || call_tags(c, tag_specifications ? tag_specifications : &none, t) < 0)
        return NULL;
    obj_set(&t->o, &t->vpc_id, v->o.id);
    sync_local(t, v);
    if (main) {
        struct route_association *a = list_add(&t->associations, sizeof(*a));

        if (!a || !str_set(&a->id, obj_make_id("rtbassoc-", id)))
            return NULL;
        a->main = true;
    }
    txn_put(c->txn, t);
    /* Not in a VPC that another writer is deleting. */
    txn_touch(c->txn, v);
    return t;
}

struct create_route_table {
    char *vpc_id;
    struct list tag_specifications;
};
static const struct field create_fields[] = {
    FIELD(0, FT_STR, struct create_route_table, vpc_id, "VpcId", .flags = FF_REQUIRED),
    TAG_SPECIFICATIONS(struct create_route_table),
};
static const struct desc create_desc =
    DESC("CreateRouteTable", struct create_route_table, create_fields);

static int create_route_table(struct call *c, const void *params) {
    static const enum kind taggable[] = {KIND_ROUTE_TABLE};
    const struct create_route_table *p = params;
    const struct vpc *v = call_get(c, KIND_VPC, p->vpc_id);
    struct route_table *t;
    struct cursor cur;
    size_t count = 0;

    if (!v || call_tags_check(c, &p->tag_specifications, taggable, 1) < 0)
        return -1;
    index_each_by(c->ix, cur, KIND_ROUTE_TABLE, RTB_BY_VPC, v->o.id) count++;
    if (count >= ROUTE_TABLES_MAX)
        return call_error(c, "RouteTableLimitExceeded",
                          "The maximum number of route tables has been reached.");
    t = route_table_create(c, v, false, &p->tag_specifications);
    if (!t)
        return -1;
    call_object(c, "routeTable", t);
    return 0;
}

struct table_id {
    char *table_id;
};
static const struct field table_id_fields[] = {
    FIELD(0, FT_STR, struct table_id, table_id, "RouteTableId", .flags = FF_REQUIRED),
};
static const struct desc table_id_desc = DESC("RouteTableId", struct table_id, table_id_fields);

static int delete_route_table(struct call *c, const void *params) {
    const struct table_id *p = params;
    const struct route_table *t = call_get(c, KIND_ROUTE_TABLE, p->table_id);

    if (!t)
        return -1;
    if (t->associations.n)
        return call_error(c, "DependencyViolation",
                          "The routeTable '%s' has dependencies and cannot be deleted.", t->o.id);
    txn_delete(c->txn, t);
    return call_return_true(c);
}

DESCRIBE_PARAMS(describe_params, "RouteTableId");

static int describe_route_tables(struct call *c, const void *params) {
    const struct describe_ids *p = params;

    return describe(
        c, &(struct describe){.kind = KIND_ROUTE_TABLE, .ids = &p->ids, .set = "routeTableSet"});
}

/* CreateRoute, ReplaceRoute, DeleteRoute */

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
    have = route_find(t, &cidr);
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
    route_add(n, &cidr, target, ROUTE_ORIGIN_CREATE);
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
    r = route_find(t, &cidr);
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
    r = route_find(n, &cidr);
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
    if (!route_find(t, &cidr))
        return call_error(c, "InvalidRoute.NotFound",
                          "no route with destination-cidr-block %s in route table %s",
                          cidr_format(&cidr, text), t->o.id);
    if (route_find(t, &cidr)->origin == ROUTE_ORIGIN_CREATE_TABLE)
        return call_error(c, "InvalidParameterValue",
                          "cannot remove local route %s in route table %s",
                          cidr_format(&cidr, text), t->o.id);
    n = txn_edit(c->txn, t);
    if (!n)
        return -1;
    routes_clear_at(n, (uint32_t)(route_find(n, &cidr) - (struct route *)n->routes.items));
    txn_put(c->txn, n);
    return call_return_true(c);
}

/* Associations */

struct associate_params {
    char *table_id, *subnet_id, *gateway_id;
};
static const struct field associate_fields[] = {
    FIELD(0, FT_STR, struct associate_params, table_id, "RouteTableId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct associate_params, subnet_id, "SubnetId"),
    FIELD(0, FT_STR, struct associate_params, gateway_id, "GatewayId"),
};
static const struct desc associate_desc =
    DESC("AssociateRouteTable", struct associate_params, associate_fields);

static int associated(struct call *c, const char *association_id) {
    xml_text(&c->xml, "associationId", association_id);
    xml_open(&c->xml, "associationState");
    xml_text(&c->xml, "state", "associated");
    xml_close(&c->xml, "associationState");
    return 0;
}

static int associate_route_table(struct call *c, const void *params) {
    const struct associate_params *p = params;
    const struct route_table *t = call_get(c, KIND_ROUTE_TABLE, p->table_id);
    struct route_association *a;
    const struct subnet *s;
    struct route_table *n;
    struct cursor cur;
    char id[64];

    if (!t)
        return -1;
    if (p->gateway_id)
        return call_error(c, "UnsupportedOperation",
                          "Edge route tables of gateways are not offered.");
    if (!p->subnet_id)
        return call_error(c, "MissingParameter",
                          "The request must contain the parameter subnetId or gatewayId");
    s = call_get(c, KIND_SUBNET, p->subnet_id);
    if (!s)
        return -1;
    if (strcmp(s->vpc_id, t->vpc_id) != 0)
        return call_error(c, "InvalidParameterValue",
                          "Route table %s and subnet %s belong to different networks", t->o.id,
                          s->o.id);
    if (cursor_by(c->ix, &cur, KIND_ROUTE_TABLE, RTB_BY_SUBNET, s->o.id)) {
        const struct route_table *other = cur.obj;

        if (other != t)
            return call_error(c, "Resource.AlreadyAssociated",
                              "the specified association for route table %s conflicts with an "
                              "existing association",
                              t->o.id);
        list_each (struct route_association, have, t->associations) {
            if (have->subnet_id && strcmp(have->subnet_id, s->o.id) == 0)
                return associated(c, have->id);
        }
    }
    n = txn_edit(c->txn, t);
    a = n ? list_add(&n->associations, sizeof(*a)) : NULL;
    if (!a || !str_set(&a->id, obj_make_id("rtbassoc-", id)) || !str_set(&a->subnet_id, s->o.id))
        return call_no_memory(c);
    txn_put(c->txn, n);
    /* A subnet has one table: two associations at once must not both commit. */
    txn_touch(c->txn, s);
    return associated(c, id);
}

struct association_params {
    char *association_id, *table_id;
};
static const struct field association_fields[] = {
    FIELD(0, FT_STR, struct association_params, association_id, "AssociationId",
          .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct association_params, table_id, "RouteTableId", .flags = FF_REQUIRED),
};
static const struct desc replace_association_desc =
    DESC("ReplaceRouteTableAssociation", struct association_params, association_fields);
static const struct desc disassociate_desc = {.name = "DisassociateRouteTable",
                                              .size = sizeof(struct association_params),
                                              .fields = association_fields,
                                              .n_fields = 1,
                                              .unknown = -1};

/* The caller's table that has the association, and its place in it; NULL after an error was set. */
static const struct route_table *find_association(struct call *c, const char *id, uint32_t *ret_i) {
    struct cursor cur;

    index_each_by(c->ix, cur, KIND_ROUTE_TABLE, RTB_BY_ASSOCIATION, id) {
        const struct route_table *t = cur.obj;

        if (t->o.scope.account != c->scope.account || t->o.scope.region != c->scope.region)
            continue;
        for (uint32_t i = 0; i < t->associations.n; i++) {
            if (strcmp(list_at(t->associations, struct route_association, i)->id, id) == 0) {
                *ret_i = i;
                txn_depend(c->txn, t);
                return t;
            }
        }
    }
    call_error(c, "InvalidAssociationID.NotFound", "The association ID '%.64s' does not exist", id);
    return NULL;
}

static int disassociate_route_table(struct call *c, const void *params) {
    const struct association_params *p = params;
    uint32_t i;
    const struct route_table *t = find_association(c, p->association_id, &i);
    struct route_table *n;

    if (!t)
        return -1;
    if (list_at(t->associations, struct route_association, i)->main)
        return call_error(c, "InvalidParameterValue",
                          "cannot disassociate the main route table association %s",
                          p->association_id);
    n = txn_edit(c->txn, t);
    if (!n)
        return -1;
    association_cut(n, i);
    txn_put(c->txn, n);
    return call_return_true(c);
}

static int replace_route_table_association(struct call *c, const void *params) {
    const struct association_params *p = params;
    uint32_t i;
    const struct route_table *to = call_get(c, KIND_ROUTE_TABLE, p->table_id);
    const struct route_table *from = to ? find_association(c, p->association_id, &i) : NULL;
    struct route_table *a, *b;
    struct route_association *moved;
    char id[64];

    if (!from)
        return -1;
    if (strcmp(from->vpc_id, to->vpc_id) != 0)
        return call_error(c, "InvalidParameterValue",
                          "Route table %s and association %s belong to different networks",
                          to->o.id, p->association_id);
    if (from == to)
        return call_error(c, "InvalidParameterValue",
                          "The association %s is with route table %s already", p->association_id,
                          to->o.id);
    a = txn_edit(c->txn, from);
    b = txn_edit(c->txn, to);
    moved = a && b ? list_add(&b->associations, sizeof(*moved)) : NULL;
    if (!moved)
        return call_no_memory(c);
    /* The same subnet (or the main role) under a new id. */
    *moved = *list_at(a->associations, struct route_association, i);
    list_cut(&a->associations, sizeof(*moved), i);
    if (!str_set(&moved->id, obj_make_id("rtbassoc-", id)))
        return call_no_memory(c);
    txn_put(c->txn, a);
    txn_put(c->txn, b);
    xml_text(&c->xml, "newAssociationId", id);
    xml_open(&c->xml, "associationState");
    xml_text(&c->xml, "state", "associated");
    xml_close(&c->xml, "associationState");
    return 0;
}

static const struct action rows[] = {
    {"AssociateRouteTable", &associate_desc, associate_route_table},
    {"CreateRoute", &route_param_desc, create_route},
    {"CreateRouteTable", &create_desc, create_route_table, ACT_TOKEN},
    {"DeleteRoute", &delete_route_desc, delete_route},
    {"DeleteRouteTable", &table_id_desc, delete_route_table},
    {"DescribeRouteTables", &describe_params, describe_route_tables, ACT_FILTERS, "routeTableSet"},
    {"DisassociateRouteTable", &disassociate_desc, disassociate_route_table},
    {"ReplaceRoute", &route_param_desc, replace_route},
    {"ReplaceRouteTableAssociation", &replace_association_desc, replace_route_table_association},
};
ACTIONS(route_table_actions, rows);
