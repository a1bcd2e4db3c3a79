/* SPDX-License-Identifier: Apache-2.0 */
/* Which route table a subnet uses, and which one a gateway of the VPC (an edge table). */
#include <string.h>

#include "api/ec2/gateway.h"
#include "api/ec2/route.h"

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

static int associated(struct call *c, const char *element, const char *association_id) {
    xml_text(&c->xml, element, association_id);
    xml_open(&c->xml, "associationState");
    xml_text(&c->xml, "state", "associated");
    xml_close(&c->xml, "associationState");
    return 0;
}

/* What the association is with: a subnet or a gateway of the table's VPC. */
struct partner {
    const struct obj *obj;
    const char *subnet_id, *gateway_id;
    uint16_t field; /* RTB_BY_SUBNET or RTB_BY_GATEWAY */
};

static int find_subnet(struct call *c, const struct route_table *t, const char *id,
                       struct partner *ret) {
    const struct subnet *s = call_get(c, KIND_SUBNET, id);

    if (!s)
        return -1;
    if (strcmp(s->vpc_id, t->vpc_id) != 0)
        return call_error(c, "InvalidParameterValue",
                          "Route table %s and subnet %s belong to different networks", t->o.id,
                          s->o.id);
    *ret = (struct partner){.obj = &s->o, .subnet_id = s->o.id, .field = RTB_BY_SUBNET};
    return 0;
}

static int find_gateway(struct call *c, const struct route_table *t, const char *id,
                        struct partner *ret) {
    const struct internet_gateway *igw = NULL;
    const struct vpn_gateway *vgw = NULL;
    const char *vpc_id;

    if (strncmp(id, "igw-", 4) == 0)
        igw = call_get(c, KIND_INTERNET_GATEWAY, id);
    else if (strncmp(id, "vgw-", 4) == 0)
        vgw = vpn_gateway_get(c, id);
    else
        return call_error(c, "InvalidGatewayID.NotFound", "The gateway ID '%.64s' does not exist",
                          id);
    if (!igw && !vgw)
        return -1;
    vpc_id = igw ? igw->vpc_id : vgw->vpc_id;
    if (!vpc_id)
        return call_error(c, "Gateway.NotAttached", "resource %s is not attached to network %s", id,
                          t->vpc_id);
    if (strcmp(vpc_id, t->vpc_id) != 0)
        return call_error(c, "InvalidParameterValue",
                          "Route table %s and gateway %s belong to different networks", t->o.id,
                          id);
    *ret = (struct partner){.obj = igw ? &igw->o : &vgw->o, .field = RTB_BY_GATEWAY};
    ret->gateway_id = ret->obj->id;
    return route_table_check_edge(c, t);
}

static bool is_with(const struct route_association *a, const struct partner *p) {
    const char *id = p->subnet_id ? a->subnet_id : a->gateway_id;

    return id && strcmp(id, p->obj->id) == 0;
}

static int associate_route_table(struct call *c, const void *params) {
    const struct associate_params *p = params;
    const struct route_table *t = call_get(c, KIND_ROUTE_TABLE, p->table_id);
    struct route_association *a;
    struct partner partner = {0};
    struct route_table *n;
    struct cursor cur;
    char id[64];

    if (!t)
        return -1;
    if (!p->subnet_id == !p->gateway_id)
        return call_error(c, p->subnet_id ? "InvalidParameterCombination" : "MissingParameter",
                          "The request must contain exactly one of the parameters subnetId and "
                          "gatewayId");
    if ((p->subnet_id ? find_subnet(c, t, p->subnet_id, &partner)
                      : find_gateway(c, t, p->gateway_id, &partner)) < 0)
        return -1;
    if (cursor_by(c->ix, &cur, KIND_ROUTE_TABLE, partner.field, partner.obj->id)) {
        if (cur.obj != t)
            return call_error(c, "Resource.AlreadyAssociated",
                              "the specified association for route table %s conflicts with an "
                              "existing association",
                              t->o.id);
        list_each (struct route_association, have, t->associations)
            if (is_with(have, &partner))
                return associated(c, "associationId", have->id);
    }
    n = txn_edit(c->txn, t);
    a = n ? list_add(&n->associations, sizeof(*a)) : NULL;
    if (!a || !str_set(&a->id, obj_make_id("rtbassoc-", id)) ||
        !str_set(&a->subnet_id, partner.subnet_id) || !str_set(&a->gateway_id, partner.gateway_id))
        return call_no_memory(c);
    txn_put(c->txn, n);
    /* It has one table: two associations at once must not both commit, nor its detaching. */
    txn_touch(c->txn, partner.obj);
    return associated(c, "associationId", id);
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
    route_table_cut_association(n, i);
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
    if (list_at(from->associations, struct route_association, i)->gateway_id &&
        route_table_check_edge(c, to) < 0)
        return -1;
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
    return associated(c, "newAssociationId", id);
}

static const struct action rows[] = {
    {"AssociateRouteTable", &associate_desc, associate_route_table},
    {"DisassociateRouteTable", &disassociate_desc, disassociate_route_table},
    {"ReplaceRouteTableAssociation", &replace_association_desc, replace_route_table_association},
};
ACTIONS(route_association_actions, rows);
