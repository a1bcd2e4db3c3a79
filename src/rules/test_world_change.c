/* SPDX-License-Identifier: Apache-2.0 */
/* Random changes of a world. */
#include "rules/test_world_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/gateway.h"
#include "model/instance.h"
#include "model/nat_gateway.h"

static void delete_eni(struct world *w, const struct network_interface *eni) {
    const struct obj *i =
        eni->instance_id ? index_get(w->ix, KIND_INSTANCE, w->scope, eni->instance_id) : NULL;
    struct network_interface *keep = obj_ref(eni);

    world_take(w, eni);
    if (i)
        world_take(w, i);
    world_release(w, keep->vpc_id, keep->sgset);
    obj_unref(keep);
}

static void delete_all(struct world *w, enum kind k, uint16_t field, const char *value) {
    struct cursor c;

    while (cursor_by(w->ix, &c, k, field, value)) {
        if (k == KIND_NETWORK_INTERFACE)
            delete_eni(w, c.obj);
        else
            world_take(w, c.obj);
    }
}

static void delete_vpc(struct world *w, const struct vpc *v) {
    struct vpc *keep = obj_ref(v);
    struct cursor c;

    delete_all(w, KIND_NETWORK_INTERFACE, ENI_BY_VPC, keep->o.id);
    delete_all(w, KIND_NAT_GATEWAY, NAT_BY_VPC, keep->o.id);
    delete_all(w, KIND_EGRESS_ONLY_GATEWAY, EIGW_BY_VPC, keep->o.id);
    delete_all(w, KIND_SUBNET, SUBNET_BY_VPC, keep->o.id);
    delete_all(w, KIND_ROUTE_TABLE, RTB_BY_VPC, keep->o.id);
    delete_all(w, KIND_SECURITY_GROUP, SG_BY_VPC, keep->o.id);
    delete_all(w, KIND_NETWORK_ACL, ACL_BY_VPC, keep->o.id);
    if (cursor_by(w->ix, &c, KIND_INTERNET_GATEWAY, IGW_BY_VPC, keep->o.id)) {
        struct internet_gateway *igw = world_must(obj_clone(c.obj));

        world_set(&igw->vpc_id, NULL);
        world_put(w, igw);
    }
    world_take(w, keep);
    obj_unref(keep);
}

static void mutate_group(struct world *w, struct security_group *g) {
    if (world_chance(w, 55))
        world_add_rule(w, g);
    else
        world_remove_rule(w, g);
    world_put(w, g);
}

static void mutate_gateway(struct world *w, struct internet_gateway *igw) {
    const struct vpc *v = world_pick(w, KIND_VPC);
    struct cursor c;

    if (igw->vpc_id)
        world_set(&igw->vpc_id, NULL);
    else if (v && !cursor_by(w->ix, &c, KIND_INTERNET_GATEWAY, IGW_BY_VPC, v->o.id))
        world_set(&igw->vpc_id, v->o.id);
    world_put(w, igw);
}

static void mutate_routes(struct world *w, struct route_table *t) {
    if (world_chance(w, 60) || t->routes.n < 3) {
        world_add_random_route(w, t);
    } else {
        uint32_t i = t->routes.n - 1;
        struct route *r = list_at(t->routes, struct route, i);

        free(r->target);
        free(r->prefix_list_id);
        list_cut(&t->routes, sizeof(*r), i);
    }
    world_put(w, t);
}

static void mutate_association(struct world *w) {
    const struct subnet *s = world_pick(w, KIND_SUBNET);
    const struct route_table *t = world_pick(w, KIND_ROUTE_TABLE);

    if (!s || !t)
        return;
    if (strcmp(s->vpc_id, t->vpc_id) == 0)
        world_associate(w, t, s->o.id);
    else
        world_dissociate(w, s->o.id);
}

/* Which table is the main one: both change in one revision. */
static void mutate_main(struct world *w) {
    const struct vpc *v = world_pick(w, KIND_VPC);
    const struct route_table *main = v ? route_table_main(w->ix, v->o.id) : NULL;
    struct route_table *from, *to = NULL;
    struct cursor c;

    if (!main)
        return;
    index_each_by(w->ix, c, KIND_ROUTE_TABLE, RTB_BY_VPC, v->o.id) {
        if (c.obj != main)
            to = world_must(obj_clone(c.obj));
        if (to)
            break;
    }
    if (!to)
        return;
    from = world_must(obj_clone(main));
    for (uint32_t i = 0; i < from->associations.n; i++) {
        struct route_association *a = list_at(from->associations, struct route_association, i);

        if (a->main) {
            list_cut(&from->associations, sizeof(*a), i);
            break;
        }
    }
    ((struct route_association *)world_must(
         list_add(&to->associations, sizeof(struct route_association))))
        ->main = true;
    world_put(w, from);
    world_put(w, to);
}

/* A public address, or a secondary private one, goes from one interface to another. */
static void mutate_move(struct world *w, struct network_interface *from) {
    const struct network_interface *other = world_pick(w, KIND_NETWORK_INTERFACE);
    struct network_interface *to;
    struct eni_address *a = NULL;

    if (other->o.id && strcmp(other->o.id, from->o.id) != 0 && from->addresses.n)
        a = list_at(from->addresses, struct eni_address, from->addresses.n - 1);
    if (!a) {
        obj_unref(from);
        return;
    }
    to = world_must(obj_clone(other));
    if (from->addresses.n > 1 && strcmp(to->subnet_id, from->subnet_id) == 0) {
        struct eni_address *b = world_must(list_add(&to->addresses, sizeof(*b)));

        *b = (struct eni_address){.ip = a->ip, .public_ip = a->public_ip};
        list_cut(&from->addresses, sizeof(*a), from->addresses.n - 1);
    } else if (a->public_ip.family && to->addresses.n) {
        list_at(to->addresses, struct eni_address, 0)->public_ip = a->public_ip;
        a->public_ip = (struct ip){0};
    }
    if (world_chance(w, 50)) {
        world_put(w, from);
        world_put(w, to);
    } else {
        world_put(w, to);
        world_put(w, from);
    }
}

/* An instance by way of whose interface a route leads, or NULL. */
static const struct instance *middlebox(struct world *w) {
    const struct route_table *t = world_pick(w, KIND_ROUTE_TABLE);
    const struct network_interface *eni = NULL;

    if (!t)
        return NULL;
    list_each (struct route, r, t->routes)
        if (strncmp(r->target, "eni-", 4) == 0)
            eni = index_get(w->ix, KIND_NETWORK_INTERFACE, w->scope, r->target);
    return eni && eni->instance_id ? index_get(w->ix, KIND_INSTANCE, w->scope, eni->instance_id)
                                   : NULL;
}

/* Stopped, or to another host, and back. */
static void mutate_instance(struct world *w, struct instance *i) {
    if (world_chance(w, 50)) {
        i->state = i->state == INSTANCE_RUNNING ? INSTANCE_STOPPED : INSTANCE_RUNNING;
        world_put(w, i);
        return;
    }
    world_set(&i->host, i->host ? NULL : "elsewhere");
    world_put(w, i);
}

static void mutate_eni(struct world *w, struct network_interface *eni) {
    int64_t before = eni->sgset;

    switch (world_random(w, 7)) {
    case 0:
        world_choose_groups(w, eni);
        eni->sgset = world_intern(w, eni->vpc_id, &eni->groups);
        world_put(w, eni);
        world_release(w, eni->vpc_id, before);
        return;
    case 1:
        if (eni->instance_id)
            world_set(&eni->instance_id, NULL);
        else
            world_attach(w, eni);
        break;
    case 2:
        eni->source_dest_check = !eni->source_dest_check;
        eni->tracking.udp = 30 + world_random(w, 31);
        eni->tracking.tcp_established = world_chance(w, 50) ? 0 : 60 + world_random(w, 1000);
        break;
    case 3:
        world_add_address(w, eni, world_chance(w, 50) ? IP_V4 : IP_V6);
        break;
    case 4: {
        struct eni_address *a = list_at(eni->addresses, struct eni_address, 0);
        struct ip ip;

        if (a->public_ip.family)
            a->public_ip = (struct ip){0};
        else if (world_new_public(w, &ip))
            a->public_ip = ip;
        break;
    }
    case 5: {
        uint8_t family = world_chance(w, 50) ? IP_V4 : IP_V6;
        struct list *prefixes = eni_prefixes(eni, family);

        if (prefixes->n)
            list_cut(prefixes, sizeof(struct eni_prefix), 0);
        else
            world_add_prefix(w, eni, family);
        break;
    }
    default:
        mutate_move(w, eni);
        return;
    }
    world_put(w, eni);
}

void world_mutate_eni(struct world *w, const char *id) {
    const void *o = index_get(w->ix, KIND_NETWORK_INTERFACE, w->scope, id);

    if (o)
        mutate_eni(w, world_must(obj_clone(o)));
}

/* A random object to change, or NULL. */
static void *changeable(struct world *w, enum kind k) {
    const void *o = world_pick(w, k);

    return o ? world_must(obj_clone(o)) : NULL;
}

void world_mutate(struct world *w) {
    uint32_t what = world_random(w, 100);
    void *o;

    if (world_chance(w, 10)) {
        world_mutate_gateway(w);
    } else if (what < 2) {
        world_make_vpc(w);
    } else if (what < 4) {
        if (index_count(w->ix, KIND_VPC) > 1)
            delete_vpc(w, world_pick(w, KIND_VPC));
    } else if (what < 27) {
        if ((o = changeable(w, KIND_SECURITY_GROUP)))
            mutate_group(w, o);
    } else if (what < 58) {
        if ((o = changeable(w, KIND_NETWORK_INTERFACE)))
            mutate_eni(w, o);
    } else if (what < 65) {
        if (index_count(w->ix, KIND_SUBNET))
            world_make_eni(w, world_pick(w, KIND_SUBNET));
    } else if (what < 71) {
        if (index_count(w->ix, KIND_NETWORK_INTERFACE))
            delete_eni(w, world_pick(w, KIND_NETWORK_INTERFACE));
    } else if (what < 76) {
        if ((o = changeable(w, KIND_INTERNET_GATEWAY)))
            mutate_gateway(w, o);
    } else if (what < 82) {
        if ((o = changeable(w, KIND_ROUTE_TABLE)))
            mutate_routes(w, o);
    } else if (what < 85) {
        mutate_association(w);
    } else if (what < 87) {
        mutate_main(w);
    } else if (what < 88) {
        if (index_count(w->ix, KIND_VPC))
            world_make_subnet(w, world_pick(w, KIND_VPC));
    } else if (what < 91) {
        const struct instance *i = world_chance(w, 60) ? middlebox(w) : NULL;

        if ((o = i ? world_must(obj_clone(i)) : changeable(w, KIND_INSTANCE)))
            mutate_instance(w, o);
    } else if (what < 94) {
        world_mutate_list(w);
    } else {
        world_mutate_acl(w);
    }
}
