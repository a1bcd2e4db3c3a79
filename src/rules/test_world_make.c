/* SPDX-License-Identifier: Apache-2.0 */
/* A world from nothing. */
#include "rules/test_world_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "model/account.h"
#include "model/instance.h"

#define ADDRESSES 12 /* of a subnet in use: few, so that packets and rules meet */

static void random_ports(struct world *w, struct sg_rule *r) {
    static const int64_t protocols[] = {-1, -1, 6, 6, 6, 6, 17, 17, 17, 1, 1, 58, 58, 47, 132, 0};
    static const uint8_t types[] = {0, 3, 8, 13, 128, 129, 1, 255};
    uint16_t a = world_port(w), b = world_port(w);

    r->protocol = protocols[world_random(w, ARRAY_SIZE(protocols))];
    r->from = r->to = -1;
    if (r->protocol == 1 || r->protocol == 58) {
        if (world_chance(w, 70))
            r->from = types[world_random(w, ARRAY_SIZE(types))];
        if (r->from >= 0 && world_chance(w, 50))
            r->to = world_random(w, 3);
    } else if (r->protocol == 6 || r->protocol == 17) {
        bool all = world_chance(w, 25);

        r->from = all ? 0 : a < b ? a : b;
        r->to = all ? 65535 : a < b ? b : a;
    }
}

void world_add_rule(struct world *w, struct security_group *g) {
    struct sg_rule *r = world_must(list_add(&g->rules, sizeof(*r)));
    char id[32];

    snprintf(id, sizeof(id), "sgr-%017x", w->next_id++);
    world_set(&r->id, id);
    r->egress = world_chance(w, 45);
    random_ports(w, r);
    if (world_chance(w, 12)) {
        const struct prefix_list *pl = world_pick(w, KIND_PREFIX_LIST);

        world_set(&r->prefix_list_id, pl ? pl->o.id : "pl-gone");
        return;
    }
    switch (world_random(w, 10)) {
    case 0:
    case 1:
    case 2: {
        /* A group of any VPC: one of another matches nothing. */
        const struct security_group *peer = world_pick(w, KIND_SECURITY_GROUP);

        world_set(&r->group_id, peer ? peer->o.id : g->o.id);
        if (world_chance(w, 50))
            world_name_peer(w, g, r);
        break;
    }
    case 3:
    case 4:
    case 5:
        r->cidr = world_some_cidr(w, IP_V6);
        break;
    case 6:
        r->cidr = world_cidr(world_chance(w, 50) ? "0.0.0.0/0" : "::/0");
        break;
    default:
        r->cidr = world_some_cidr(w, IP_V4);
        break;
    }
}

void world_remove_rule(struct world *w, struct security_group *g) {
    uint32_t i;

    if (!g->rules.n)
        return;
    i = world_random(w, g->rules.n);
    {
        struct sg_rule *r = list_at(g->rules, struct sg_rule, i);

        free(r->id);
        free(r->group_id);
        free(r->prefix_list_id);
        free(r->group_vpc);
        free(r->peering_id);
        list_cut(&g->rules, sizeof(*r), i);
    }
}

/* All protocols, all addresses of both families: AWS's default for egress. */
static void allow_all(struct world *w, struct security_group *g, bool egress) {
    static const char *const everywhere[] = {"0.0.0.0/0", "::/0"};

    for (int i = 0; i < 2; i++) {
        struct sg_rule *r = world_must(list_add(&g->rules, sizeof(*r)));
        char id[32];

        snprintf(id, sizeof(id), "sgr-%017x", w->next_id++);
        world_set(&r->id, id);
        r->egress = egress;
        r->protocol = r->from = r->to = -1;
        r->cidr = world_cidr(everywhere[i]);
    }
}

/* Rules about nobody, so many in each direction and family that those behind them have their bits
 * in later words. Three such groups stay below the limit. */
static void fill_words(struct world *w, struct security_group *g, uint32_t n) {
    for (uint32_t i = 0; i < n * 4; i++) {
        struct sg_rule *r = world_must(list_add(&g->rules, sizeof(*r)));

        world_set(&r->id, "sgr-filler");
        r->egress = i & 1;
        r->protocol = 6;
        r->from = r->to = 7 + i % 3;
        r->cidr = world_cidr(i & 2 ? "172.31.0.0/32" : "fd99::/128");
        r->cidr.ip = ip_add(&r->cidr.ip, i);
    }
}

static void make_group(struct world *w, const char *vpc_id) {
    struct security_group *g = world_object(w, KIND_SECURITY_GROUP);
    uint32_t n = 1 + world_random(w, 7);

    world_set(&g->vpc_id, vpc_id);
    world_set(&g->name, g->o.id);
    world_put(w, g);
    g = world_must(obj_clone(g));
    if (world_chance(w, 3))
        fill_words(w, g, world_random(w, 320));
    if (world_chance(w, 50))
        allow_all(w, g, true);
    if (world_chance(w, 15))
        allow_all(w, g, false);
    while (n--)
        world_add_rule(w, g);
    world_put(w, g);
}

static bool same_groups(const struct list *a, const struct list *b) {
    if (a->n != b->n)
        return false;
    for (uint32_t i = 0; i < a->n; i++)
        if (strcmp(list_str(*a, i), list_str(*b, i)) != 0)
            return false;
    return true;
}

/* The number of this set of groups, made when it is new: the lowest that is free, so that numbers
 * come back with other groups. */
int64_t world_intern(struct world *w, const char *vpc_id, const struct list *groups) {
    int64_t number = 1;
    struct sgset *s;
    struct cursor c;
    bool taken;
    char id[ID_MAX + 1];

    index_each_by(w->ix, c, KIND_SGSET, SGSET_BY_VPC, vpc_id) {
        if (same_groups(&((const struct sgset *)c.obj)->groups, groups)) {
            s = world_must(obj_clone(c.obj));
            s->users++;
            world_put(w, s);
            return s->number;
        }
    }
    do {
        sgset_id(vpc_id, number, id);
        taken = index_get(w->ix, KIND_SGSET, w->scope, id) != NULL;
        number += taken;
    } while (taken);
    s = world_must(obj_new(KIND_SGSET, w->scope, id));
    world_set(&s->vpc_id, vpc_id);
    s->number = number;
    s->users = 1;
    list_each (char *, g, *groups)
        if (strs_add(&s->groups, *g) < 0)
            abort();
    world_put(w, s);
    return number;
}

void world_release(struct world *w, const char *vpc_id, int64_t number) {
    struct sgset *s;
    char id[ID_MAX + 1];

    sgset_id(vpc_id, number, id);
    s = world_must(
        obj_clone(world_must((void *)(uintptr_t)index_get(w->ix, KIND_SGSET, w->scope, id))));
    if (--s->users > 0) {
        world_put(w, s);
        return;
    }
    world_take(w, s);
    obj_unref(s);
}

static int str_cmp(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void world_choose_groups(struct world *w, struct network_interface *eni) {
    uint32_t want = 1 + world_random(w, 3);
    struct cursor c;

    list_each (char *, g, eni->groups)
        free(*g);
    eni->groups.n = 0;
    index_each_by(w->ix, c, KIND_SECURITY_GROUP, SG_BY_VPC, eni->vpc_id) {
        const struct obj *g = c.obj;

        if ((world_chance(w, 50) || !eni->groups.n) && eni->groups.n < want)
            if (strs_add(&eni->groups, g->id) < 0)
                abort();
    }
    if (!eni->groups.n)
        abort();
    qsort(eni->groups.items, eni->groups.n, sizeof(char *), str_cmp);
}

static bool address_taken(struct world *w, const char *vpc_id, const struct ip *ip) {
    struct cursor c;

    index_each_by(w->ix, c, KIND_NETWORK_INTERFACE, ENI_BY_VPC, vpc_id) {
        const struct network_interface *eni = c.obj;

        if (eni_find(eni, ip) || eni_prefix_of(eni, ip))
            return true;
    }
    return false;
}

static bool public_taken(struct world *w, const struct ip *ip) {
    struct cursor c;

    index_each_all(w->ix, c, KIND_NETWORK_INTERFACE) {
        list_each (struct eni_address, a, ((const struct network_interface *)c.obj)->addresses)
            if (ip_equal(&a->public_ip, ip))
                return true;
    }
    return false;
}

bool world_new_public(struct world *w, struct ip *ret) {
    for (int i = 0; i < 20; i++) {
        struct ip ip = ip_v4(0xcb007102 + world_random(w, 14));

        if (public_taken(w, &ip))
            continue;
        *ret = ip;
        return true;
    }
    return false;
}

/* A free address of the subnet; the interface under change is not in the index. */
static bool new_address(struct world *w, const struct network_interface *eni,
                        const struct cidr *within, struct ip *ret) {
    for (int i = 0; i < 20; i++) {
        struct ip ip = ip_add(&within->ip, 4 + world_random(w, ADDRESSES));

        if (eni_find(eni, &ip) || address_taken(w, eni->vpc_id, &ip))
            continue;
        *ret = ip;
        return true;
    }
    return false;
}

bool world_add_address(struct world *w, struct network_interface *eni, uint8_t family) {
    const struct subnet *s = index_get(w->ix, KIND_SUBNET, w->scope, eni->subnet_id);
    const struct cidr *c6 = subnet_cidr6(s);
    struct ip ip;

    if (family == IP_V6) {
        if (!c6 || !new_address(w, eni, c6, &ip))
            return false;
        ((struct eni_address *)world_must(list_add(&eni->addresses6, sizeof(struct eni_address))))
            ->ip = ip;
        return true;
    }
    if (!new_address(w, eni, &s->cidr, &ip))
        return false;
    {
        struct eni_address *a = world_must(list_add(&eni->addresses, sizeof(*a)));

        a->ip = ip;
        a->primary = eni->addresses.n == 1;
        if (world_chance(w, 50) && world_new_public(w, &ip)) {
            a->public_ip = ip;
            list_each (struct eni_address, other, eni->addresses)
                if (other != a && ip_equal(&other->public_ip, &ip))
                    a->public_ip = (struct ip){0};
        }
    }
    return true;
}

/* One of three that lie beside the addresses of the subnet. */
bool world_add_prefix(struct world *w, struct network_interface *eni, uint8_t family) {
    const struct subnet *s = index_get(w->ix, KIND_SUBNET, w->scope, eni->subnet_id);
    const struct cidr *c6 = subnet_cidr6(s);
    int64_t n = 1 + world_random(w, 3);
    struct cidr c;

    if (family == IP_V6 && !c6)
        return false;
    c = family == IP_V4 ? (struct cidr){.ip = ip_add(&s->cidr.ip, n << 4), .len = ENI_PREFIX4_LEN}
                        : (struct cidr){.ip = ip_add(&c6->ip, n << 48), .len = ENI_PREFIX6_LEN};
    if (!cidr_contains(family == IP_V4 ? &s->cidr : c6, &c) || eni_prefix_of(eni, &c.ip) ||
        address_taken(w, eni->vpc_id, &c.ip))
        return false;
    ((struct eni_prefix *)world_must(
         list_add(eni_prefixes(eni, family), sizeof(struct eni_prefix))))
        ->cidr = c;
    return true;
}

void world_attach(struct world *w, struct network_interface *eni) {
    struct instance *i = world_object(w, KIND_INSTANCE);

    i->state = INSTANCE_RUNNING;
    world_set(&i->vpc_id, eni->vpc_id);
    world_set(&eni->instance_id, i->o.id);
    world_put(w, i);
}

void world_make_eni(struct world *w, const struct subnet *s) {
    struct network_interface *eni = world_object(w, KIND_NETWORK_INTERFACE);
    uint8_t mac[6] = {2, 0, 0, 0, (uint8_t)(w->next_id >> 8), (uint8_t)w->next_id};

    world_set(&eni->vpc_id, s->vpc_id);
    world_set(&eni->subnet_id, s->o.id);
    memcpy(eni->mac, mac, sizeof(mac));
    eni->source_dest_check = world_chance(w, 80);
    if (world_chance(w, 40))
        eni->tracking = (struct eni_tracking){.tcp_established = 60 + world_random(w, 900),
                                              .udp_stream = 60 + world_random(w, 121),
                                              .udp = 30 + world_random(w, 31)};
    world_choose_groups(w, eni);
    if (!world_add_address(w, eni, IP_V4)) {
        obj_unref(eni);
        return;
    }
    if (world_chance(w, 30))
        world_add_address(w, eni, IP_V4);
    if (world_chance(w, 70))
        world_add_address(w, eni, IP_V6);
    if (world_chance(w, 10))
        world_add_address(w, eni, IP_V6);
    if (world_chance(w, 15))
        world_add_prefix(w, eni, IP_V4);
    if (world_chance(w, 15))
        world_add_prefix(w, eni, IP_V6);
    eni->sgset = world_intern(w, eni->vpc_id, &eni->groups);
    if (world_chance(w, 90))
        world_attach(w, eni);
    world_put(w, eni);
}

void world_make_subnet(struct world *w, const struct vpc *v) {
    struct cidr whole = v->cidr;
    struct subnet *s;
    struct cursor c, t;

    for (uint32_t i = 0; i < 4; i++) {
        struct cidr at = {.ip = ip_add(&whole.ip, 256 * i), .len = 24};
        bool taken = false;

        index_each_by(w->ix, c, KIND_SUBNET, SUBNET_BY_VPC, v->o.id) taken |=
            cidr_equal(&((const struct subnet *)c.obj)->cidr, &at);
        if (taken)
            continue;
        s = world_object(w, KIND_SUBNET);
        world_set(&s->vpc_id, v->o.id);
        s->cidr = at;
        if (v->cidrs6.n && world_chance(w, 80)) {
            struct cidr_association *a = world_must(list_add(&s->cidrs6, sizeof(*a)));

            a->cidr = list_at(v->cidrs6, struct cidr_association, 0)->cidr;
            a->cidr.ip.b[7] = (uint8_t)i;
            a->cidr.len = 64;
        }
        world_choose_acl(w, s);
        world_put(w, s);
        if (world_chance(w, 50) && cursor_by(w->ix, &t, KIND_ROUTE_TABLE, RTB_BY_VPC, v->o.id))
            world_associate(w, t.obj, s->o.id);
        return;
    }
}

void world_make_vpc(struct world *w) {
    struct vpc *v = world_object(w, KIND_VPC);
    uint32_t number = w->next_id, n;
    struct cidr_association *a;
    struct cursor c;

    v->cidr = world_cidr(world_chance(w, 75) ? "10.0.0.0/16" : "10.1.0.0/16");
    a = world_must(list_add(&v->cidrs, sizeof(*a)));
    a->cidr = v->cidr;
    if (world_chance(w, 85)) {
        a = world_must(list_add(&v->cidrs6, sizeof(*a)));
        a->cidr = world_cidr("2001:db8:0:0::/56");
        a->cidr.ip.b[5] = (uint8_t)(number >> 8);
        a->cidr.ip.b[6] = (uint8_t)number;
        a->cidr.ip.b[4] = 1;
    }
    world_put(w, v);
    for (n = 1 + world_chance(w, 60); n; n--)
        world_make_acl(w, v->o.id);
    if (world_chance(w, 92)) {
        struct internet_gateway *igw = world_object(w, KIND_INTERNET_GATEWAY);

        if (world_chance(w, 92))
            world_set(&igw->vpc_id, v->o.id);
        world_put(w, igw);
        if (world_chance(w, 35))
            world_make_edge(w, v, igw->o.id);
    }
    for (n = 1 + world_random(w, 3); n; n--)
        make_group(w, v->o.id);
    world_make_routes(w, v, true);
    if (world_chance(w, 60))
        world_make_routes(w, v, false);
    for (n = 1 + world_random(w, 3); n; n--)
        world_make_subnet(w, v);
    index_each_by(w->ix, c, KIND_SUBNET, SUBNET_BY_VPC, v->o.id) {
        for (n = world_random(w, 5); n; n--)
            world_make_eni(w, c.obj);
    }
}

void world_make(struct world *w, uint64_t seed) {
    uint32_t n;

    *w = (struct world){.rng = seed, .next_id = 1, .scope = {.account = 1, .region = 1}};
    w->ix = world_must(index_new());
    for (n = world_random(w, 4); n; n--)
        world_make_list(w);
    for (n = 1 + world_random(w, 3); n; n--)
        world_make_vpc(w);
    world_make_gateways(w);
    /* Rules and routes about what came later. */
    for (n = 6 + world_random(w, 20); n; n--) {
        struct security_group *g = world_must(obj_clone(world_pick(w, KIND_SECURITY_GROUP)));

        world_add_rule(w, g);
        world_put(w, g);
    }
    for (n = world_random(w, 9); n; n--) {
        struct route_table *t = world_must(obj_clone(world_pick(w, KIND_ROUTE_TABLE)));

        world_add_random_route(w, t);
        world_put(w, t);
    }
    world_settle(w);
}

void world_free(struct world *w) {
    world_settle(w);
    free(w->changes);
    index_free(w->ix);
}
