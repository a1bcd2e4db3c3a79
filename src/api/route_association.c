/* SPDX-License-Identifier: Apache-2.0 */
/* Which route table a subnet uses. */
#include <string.h>

#include "api/actions.h"

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
    {"DisassociateRouteTable", &disassociate_desc, disassociate_route_table},
    {"ReplaceRouteTableAssociation", &replace_association_desc, replace_route_table_association},
};
ACTIONS(route_association_actions, rows);
