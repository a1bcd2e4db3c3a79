/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an account finds in a region at its first call there (VPC user guide, "Default VPCs"): a set
 * of DHCP options (dhcp_options.c), and a VPC 172.31.0.0/16 with an internet gateway, a route to it
 * in the main table, and a /20 in each zone that gives its instances public addresses.
 */
#include <stdio.h>
#include <string.h>

#include "api/actions.h"

const struct vpc *default_vpc(struct call *c) {
    struct cursor cur;

    index_each_in(c->ix, cur, KIND_VPC, c->scope) {
        const struct vpc *v = cur.obj;

        if (v->is_default) {
            txn_depend(c->txn, v);
            return v;
        }
    }
    return NULL;
}

static int make_gateway(struct call *c, const struct vpc *v) {
    struct internet_gateway *g = call_new(c, KIND_INTERNET_GATEWAY);
    struct route_table *t;
    struct route *r;

    if (!g)
        return call_no_memory(c);
    obj_set(&g->o, &g->vpc_id, v->o.id);
    txn_put(c->txn, g);
    t = txn_edit(c->txn, route_table_main(c->ix, v->o.id));
    r = t ? list_add(&t->routes, sizeof(*r)) : NULL;
    if (!r)
        return call_no_memory(c);
    r->origin = ROUTE_ORIGIN_CREATE;
    obj_set(&t->o, &r->target, g->o.id);
    cidr_parse("0.0.0.0/0", &r->cidr);
    txn_put(c->txn, t);
    return 0;
}

static int make_subnets(struct call *c, const struct vpc *v) {
    static const struct list none;
    static const struct cidr no_cidr6;

    for (unsigned i = 0; i < REGION_ZONES; i++) {
        struct cidr cidr = {.ip = ip_add(&v->cidr.ip, (int64_t)i * 4096), .len = 20};
        struct subnet *s, *n;
        char zone[32];

        s = subnet_create(c, v, zone_name(c->scope.region, i, zone), &cidr, &no_cidr6, &none);
        n = s ? txn_edit(c->txn, s) : NULL;
        if (!n)
            return -1;
        n->default_for_az = true;
        n->map_public_ip = true;
        txn_put(c->txn, n);
    }
    return 0;
}

int defaults_make(struct call *c) {
    static const struct list none;
    struct vpc_parts parts = {.is_default = true};
    const struct account *a;
    struct account *n;
    struct vpc *v;
    char id[16];

    snprintf(id, sizeof(id), "%012llu", (unsigned long long)c->scope.account);
    a = index_get(c->ix, KIND_ACCOUNT, (struct scope){0}, id);
    if (!a)
        return call_error(c, "AuthFailure", "The account does not exist any more");
    if (strs_has(&a->defaults, region_name(c->scope.region)))
        return 0;
    n = txn_edit(c->txn, a);
    if (!n || strs_add(&n->defaults, region_name(c->scope.region)) < 0)
        return call_no_memory(c);
    txn_put(c->txn, n);
    cidr_parse("172.31.0.0/16", &parts.cidr);
    v = vpc_create(c, &parts, &none);
    if (!v || make_gateway(c, v) < 0 || make_subnets(c, v) < 0)
        return -1;
    return 0;
}
