/* SPDX-License-Identifier: Apache-2.0 */
/* Route tables of a random world, and who uses them. */
#include "rules/test_world_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "model/gateway.h"

static void add_list_route(struct world *w, struct route_table *t, const char *target) {
    const struct prefix_list *pl = world_pick(w, KIND_PREFIX_LIST);
    struct route *r;

    if (!pl)
        return;
    list_each (struct route, other, t->routes)
        if (other->prefix_list_id && strcmp(other->prefix_list_id, pl->o.id) == 0)
            return;
    r = world_must(list_add(&t->routes, sizeof(*r)));
    r->origin = ROUTE_ORIGIN_CREATE;
    world_set(&r->prefix_list_id, pl->o.id);
    world_set(&r->target, target);
}

void world_add_route(struct world *w, struct route_table *t, struct cidr cidr, const char *target,
                     uint8_t origin) {
    struct route *r;

    /* The API refuses a second static route to the same destination. */
    list_each (struct route, other, t->routes)
        if (!other->prefix_list_id && cidr_equal(&other->cidr, &cidr) && other->origin == origin)
            return;
    r = world_must(list_add(&t->routes, sizeof(*r)));
    r->cidr = cidr;
    r->origin = origin;
    world_set(&r->target, target);
}

/* One that a virtual private gateway brings, to where another route leads already: that one decides
 * ("Route priority": static ones before propagated ones), also where it goes by a prefix list. */
static void add_propagated(struct world *w, struct route_table *t, struct cidr to) {
    const struct vpn_gateway *g = world_pick(w, KIND_VPN_GATEWAY);
    const struct route *other = list_at(t->routes, struct route, world_random(w, t->routes.n));
    const struct prefix_list *pl =
        other->prefix_list_id ? index_get(w->ix, KIND_PREFIX_LIST, w->scope, other->prefix_list_id)
                              : NULL;

    if (!other->prefix_list_id && other->origin == ROUTE_ORIGIN_CREATE)
        to = other->cidr;
    if (pl && pl->entries.n)
        to = list_at(pl->entries, struct prefix_entry, world_random(w, pl->entries.n))->cidr;
    world_add_route(w, t, to, g ? g->o.id : "vgw-gone", ROUTE_ORIGIN_PROPAGATED);
}

static bool is_edge(const struct route_table *t) {
    list_each (struct route_association, a, t->associations)
        if (a->gateway_id)
            return true;
    return false;
}

/* A more specific route than local must be a whole subnet's; others are outside the VPC. */
void world_add_random_route(struct world *w, struct route_table *t) {
    static const char *const destinations[] = {
        "0.0.0.0/0",       "::/0",         "198.51.100.0/24", "198.51.100.7/32", "203.0.113.0/24",
        "2001:db8:f::/48", "192.0.2.0/24", "203.0.113.4/30"};
    static const char *const elsewhere[] = {"nat-1", "eigw-1", "pcx-1",
                                            "tgw-1", "vgw-1",  "igw-gone"};
    struct cidr to = world_cidr(destinations[world_random(w, ARRAY_SIZE(destinations))]);
    const struct internet_gateway *igw = world_pick(w, KIND_INTERNET_GATEWAY);
    const struct network_interface *eni = world_pick(w, KIND_NETWORK_INTERFACE);
    const struct subnet *s = world_pick(w, KIND_SUBNET);
    const struct obj *vpn;
    const char *target = elsewhere[world_random(w, ARRAY_SIZE(elsewhere))], *gateway;

    /* Through a middlebox: to another subnet of the VPC by way of an interface. */
    if (s && eni && strcmp(s->vpc_id, t->vpc_id) == 0 && strcmp(eni->vpc_id, t->vpc_id) == 0 &&
        (world_chance(w, 40) || is_edge(t))) {
        const struct cidr *c6 = subnet_cidr6(s);

        world_add_route(w, t, c6 && world_chance(w, 50) ? *c6 : s->cidr, eni->o.id,
                        ROUTE_ORIGIN_CREATE);
        return;
    }
    if (is_edge(t)) /* nothing else is for it */
        return;
    if (world_chance(w, 20)) {
        add_propagated(w, t, to);
        return;
    }
    if (world_chance(w, 45) && (gateway = world_gateway_target(w, t->vpc_id, &to)))
        target = gateway;
    else if (igw && world_chance(w, 75))
        target = igw->o.id;
    else if (eni && strcmp(eni->vpc_id, t->vpc_id) == 0 && world_chance(w, 60))
        target = eni->o.id;
    if (world_chance(w, 20)) {
        add_list_route(w, t, target);
        return;
    }
    if (world_chance(w, 10) && (vpn = world_pick(w, KIND_VPN_GATEWAY)))
        target = vpn->id;
    world_add_route(w, t, to, target, ROUTE_ORIGIN_CREATE);
}

static void add_local(struct world *w, struct route_table *t, const struct vpc *v) {
    world_add_route(w, t, v->cidr, "local", ROUTE_ORIGIN_CREATE_TABLE);
    list_each (struct cidr_association, a, v->cidrs6)
        world_add_route(w, t, a->cidr, "local", ROUTE_ORIGIN_CREATE_TABLE);
}

void world_make_routes(struct world *w, const struct vpc *v, bool main) {
    struct route_table *t = world_object(w, KIND_ROUTE_TABLE);
    uint32_t n = world_random(w, 4);

    world_set(&t->vpc_id, v->o.id);
    add_local(w, t, v);
    while (n--)
        world_add_random_route(w, t);
    if (main) {
        struct route_association *a = world_must(list_add(&t->associations, sizeof(*a)));

        a->main = true;
    }
    world_put(w, t);
}

/* The route table of an internet gateway: local, and later whole subnets by way of interfaces. */
void world_make_edge(struct world *w, const struct vpc *v, const char *gateway_id) {
    struct route_table *t = world_object(w, KIND_ROUTE_TABLE);
    struct route_association *a;

    world_set(&t->vpc_id, v->o.id);
    add_local(w, t, v);
    a = world_must(list_add(&t->associations, sizeof(*a)));
    world_set(&a->gateway_id, gateway_id);
    world_put(w, t);
}

void world_dissociate(struct world *w, const char *subnet_id) {
    struct cursor c;
    struct route_table *t;

    if (!cursor_by(w->ix, &c, KIND_ROUTE_TABLE, RTB_BY_SUBNET, subnet_id))
        return;
    t = world_must(obj_clone(c.obj));
    for (uint32_t i = 0; i < t->associations.n; i++) {
        struct route_association *a = list_at(t->associations, struct route_association, i);

        if (!a->subnet_id || strcmp(a->subnet_id, subnet_id) != 0)
            continue;
        free(a->subnet_id);
        free(a->id);
        list_cut(&t->associations, sizeof(*a), i);
        break;
    }
    world_put(w, t);
}

void world_associate(struct world *w, const struct route_table *table, const char *subnet_id) {
    struct route_table *t;
    struct route_association *a;

    world_dissociate(w, subnet_id);
    t = world_must(obj_clone(index_get(w->ix, KIND_ROUTE_TABLE, w->scope, table->o.id)));
    a = world_must(list_add(&t->associations, sizeof(*a)));
    world_set(&a->subnet_id, subnet_id);
    world_put(w, t);
}
