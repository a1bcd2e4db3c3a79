/* SPDX-License-Identifier: Apache-2.0 */
/* Route tables; routes are in route.c, associations in route_association.c. */
#include <stdlib.h>
#include <string.h>

#include "api/actions.h"
#include "api/limits.h"

static bool vpc_has_cidr(const struct vpc *v, const struct cidr *cidr) {
    const struct list *lists[] = {&v->cidrs, &v->cidrs6};

    for (size_t i = 0; i < 2; i++)
        list_each (struct cidr_association, a, *lists[i])
            if (cidr_equal(&a->cidr, cidr))
                return true;
    return false;
}

/* One local route for each CIDR of the VPC. What is there keeps its place and its target. */
static void sync_local(struct route_table *t, const struct vpc *v) {
    const struct list *lists[] = {&v->cidrs, &v->cidrs6};

    for (uint32_t i = 0; i < t->routes.n; i++) {
        const struct route *r = list_at(t->routes, struct route, i);

        if (r->origin == ROUTE_ORIGIN_CREATE_TABLE && !vpc_has_cidr(v, &r->cidr))
            route_table_cut_route(t, i--);
    }
    for (size_t i = 0; i < 2; i++)
        list_each (struct cidr_association, a, *lists[i])
            if (!route_table_find_route(t, &a->cidr))
                route_table_add_route(t, &a->cidr, "local", ROUTE_ORIGIN_CREATE_TABLE);
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

static int create_route_table(struct call *c, const void *params) {
    static const enum kind taggable[] = {KIND_ROUTE_TABLE};
    const struct in_vpc_params *p = params;
    const struct vpc *v = call_get(c, KIND_VPC, p->vpc_id);
    struct route_table *t;

    if (!v || call_tags_check(c, &p->tag_specifications, taggable, 1) < 0)
        return -1;
    if ((int64_t)index_count_by(c->ix, KIND_ROUTE_TABLE, RTB_BY_VPC, v->o.id) >=
        limit_of(c->ix, c->scope.account, LIMIT_ROUTE_TABLES))
        return call_error(c, "RouteTableLimitExceeded",
                          "The maximum number of route tables has been reached.");
    t = route_table_create(c, v, false, &p->tag_specifications);
    if (!t)
        return -1;
    call_object(c, "routeTable", t);
    xml_text(&c->xml, "clientToken", c->client_token);
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

static const struct action rows[] = {
    {"CreateRouteTable", &in_vpc_desc, create_route_table, ACT_TOKEN},
    {"DeleteRouteTable", &table_id_desc, delete_route_table},
    {"DescribeRouteTables", &describe_params, describe_route_tables, ACT_FILTERS, "routeTableSet",
     .page_max = 100},
};
ACTIONS(route_table_actions, rows);
