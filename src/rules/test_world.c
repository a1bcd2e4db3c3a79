/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/test_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "model/account.h"
#include "model/instance.h"
#include "model/network_acl.h"
#include "model/route_table.h"
#include "model/security_group.h"
#include "model/vpc.h"

#define ADDRESSES 12 /* of a subnet in use: few, so that packets and rules meet */

static void *must(void *p) {
    if (!p)
        abort();
    return p;
}

uint64_t world_seed(const char *test) {
    const char *text = getenv("TEST_SEED");
    uint64_t seed;

    if (text)
        seed = strtoull(text, NULL, 0);
    else
        random_bytes(&seed, sizeof(seed));
    printf("%s: TEST_SEED=0x%llx\n", test, (unsigned long long)seed);
    fflush(stdout);
    return seed;
}

uint32_t world_random(struct world *w, uint32_t below) {
    w->rng += 0x9e3779b97f4a7c15;
    uint64_t z = w->rng;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (uint32_t)((z ^ (z >> 31)) >> 32) % below;
}

bool world_chance(struct world *w, uint32_t percent) {
    return world_random(w, 100) < percent;
}

const void *world_pick(struct world *w, enum kind k) {
    size_t n = index_count(w->ix, k);
    struct cursor c;
    uint32_t i;

    if (!n)
        return NULL;
    i = world_random(w, (uint32_t)n);
    index_each_all(w->ix, c, k) {
        if (i-- == 0)
            return c.obj;
    }
    return NULL;
}

/* Changes: an object is put (the world takes the caller's reference) or taken out. */
static void record(struct world *w, void *old, void *new) {
    if (w->n_changes == w->cap_changes) {
        w->cap_changes = w->cap_changes ? w->cap_changes * 2 : 64;
        w->changes = must(reallocarray(w->changes, w->cap_changes, sizeof(*w->changes)));
    }
    w->changes[w->n_changes++] = (struct change){.old = old, .new = new};
}

static void put(struct world *w, void *obj) {
    void *old = NULL;

    if (index_put(w->ix, obj, &old) < 0)
        abort();
    record(w, old, obj);
}

static void take(struct world *w, const void *obj) {
    const struct obj *o = obj;
    enum kind k = o->kind;

    record(w, must(index_remove(w->ix, k, o->scope, o->id)), NULL);
}

void world_settle(struct world *w) {
    for (size_t i = 0; i < w->n_changes; i++) {
        obj_unref(w->changes[i].old);
        obj_unref(w->changes[i].new);
    }
    w->n_changes = 0;
}

static void *make(struct world *w, enum kind k) {
    char id[64];

    snprintf(id, sizeof(id), "%s%017x", kind_info(k)->prefix, w->next_id++);
    return must(obj_new(k, w->scope, id));
}

static void set(char **member, const char *s) {
    if (!str_set(member, s))
        abort();
}

static struct cidr cidr_of(const char *s) {
    struct cidr c;

    if (cidr_parse(s, &c) < 0)
        abort();
    return c;
}

static struct ip ip_of(const char *s) {
    struct ip ip;

    if (ip_parse(s, &ip) < 0)
        abort();
    return ip;
}

uint16_t world_port(struct world *w) {
    static const uint16_t borders[] = {0,   1,    22,   23,    79,    80,    81,   443,
                                       444, 1023, 1024, 32767, 32768, 65534, 65535};

    if (world_chance(w, 85))
        return borders[world_random(w, ARRAY_SIZE(borders))];
    return (uint16_t)world_random(w, 65536);
}

/* An address of an interface, or NULL's worth: of the pool or outside. */
static struct ip some_address(struct world *w, uint8_t family) {
    const struct network_interface *eni = world_pick(w, KIND_NETWORK_INTERFACE);

    if (eni && world_chance(w, 75)) {
        if (family == IP_V6 && eni->addresses6.n)
            return list_at(eni->addresses6, struct eni_address6, world_random(w, eni->addresses6.n))
                ->ip;
        if (family == IP_V4 && eni->addresses.n) {
            const struct eni_address *a =
                list_at(eni->addresses, struct eni_address, world_random(w, eni->addresses.n));

            return a->public_ip.family && world_chance(w, 40) ? a->public_ip : a->ip;
        }
    }
    if (family == IP_V6) {
        struct ip ip = ip_of(world_chance(w, 50) ? WORLD_OUTSIDE6 : "::ffff:10.0.0.4");

        /* An IPv4 address that exists, in the form of an IPv6 one. */
        if (ip.b[0] == 0) {
            struct ip four = some_address(w, IP_V4);

            memcpy(ip.b + 12, four.b, 4);
        }
        return ip;
    }
    switch (world_random(w, 4)) {
    case 0:
        return ip_of(WORLD_OUTSIDE);
    case 1:
        return ip_v4(0xcb007100 + world_random(w, 16));
    case 2:
        return ip_v4(0x0a000000 + world_random(w, 3) * 256 + world_random(w, 20));
    default:
        return ip_v4(world_random(w, UINT32_MAX));
    }
}

struct ip world_address(struct world *w, uint8_t family) {
    struct ip ip = some_address(w, family);

    return world_chance(w, 15) ? ip_add(&ip, (int64_t)world_random(w, 3) - 1) : ip;
}

static struct cidr some_cidr(struct world *w, uint8_t family) {
    static const uint8_t lens4[] = {0, 0, 8, 16, 22, 24, 28, 30, 31, 32, 32};
    static const uint8_t lens6[] = {0, 0, 32, 56, 63, 64, 80, 96, 120, 127, 128, 128};
    struct cidr c = {.ip = world_address(w, family)};

    c.len = family == IP_V4 ? lens4[world_random(w, ARRAY_SIZE(lens4))]
                            : lens6[world_random(w, ARRAY_SIZE(lens6))];
    if (world_chance(w, 10))
        c.len = (uint8_t)world_random(w, ip_bits(family) + 1);
    return cidr_mask(&c);
}

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

static void add_rule(struct world *w, struct security_group *g) {
    struct sg_rule *r = must(list_add(&g->rules, sizeof(*r)));
    char id[32];

    snprintf(id, sizeof(id), "sgr-%017x", w->next_id++);
    set(&r->id, id);
    r->egress = world_chance(w, 45);
    random_ports(w, r);
    switch (world_random(w, 10)) {
    case 0:
    case 1:
    case 2: {
        /* A group of any VPC: one of another matches nothing. */
        const struct security_group *peer = world_pick(w, KIND_SECURITY_GROUP);

        set(&r->group_id, peer ? peer->o.id : g->o.id);
        break;
    }
    case 3:
    case 4:
    case 5:
        r->cidr = some_cidr(w, IP_V6);
        break;
    case 6:
        r->cidr = cidr_of(world_chance(w, 50) ? "0.0.0.0/0" : "::/0");
        break;
    default:
        r->cidr = some_cidr(w, IP_V4);
        break;
    }
}

static void remove_rule(struct world *w, struct security_group *g) {
    uint32_t i;

    if (!g->rules.n)
        return;
    i = world_random(w, g->rules.n);
    {
        struct sg_rule *r = list_at(g->rules, struct sg_rule, i);

        free(r->id);
        free(r->group_id);
        list_cut(&g->rules, sizeof(*r), i);
    }
}

/* All protocols, all addresses of both families: AWS's default for egress. */
static void allow_all(struct world *w, struct security_group *g, bool egress) {
    static const char *const everywhere[] = {"0.0.0.0/0", "::/0"};

    for (int i = 0; i < 2; i++) {
        struct sg_rule *r = must(list_add(&g->rules, sizeof(*r)));
        char id[32];

        snprintf(id, sizeof(id), "sgr-%017x", w->next_id++);
        set(&r->id, id);
        r->egress = egress;
        r->protocol = r->from = r->to = -1;
        r->cidr = cidr_of(everywhere[i]);
    }
}

static void make_group(struct world *w, const char *vpc_id) {
    struct security_group *g = make(w, KIND_SECURITY_GROUP);
    uint32_t n = 1 + world_random(w, 7);

    set(&g->vpc_id, vpc_id);
    set(&g->name, g->o.id);
    put(w, g);
    g = must(obj_clone(g));
    if (world_chance(w, 50))
        allow_all(w, g, true);
    if (world_chance(w, 15))
        allow_all(w, g, false);
    while (n--)
        add_rule(w, g);
    put(w, g);
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
static int64_t intern(struct world *w, const char *vpc_id, const struct list *groups) {
    int64_t number = 1;
    struct sgset *s;
    struct cursor c;
    bool taken;
    char id[ID_MAX + 1];

    index_each_by(w->ix, c, KIND_SGSET, SGSET_BY_VPC, vpc_id) {
        if (same_groups(&((const struct sgset *)c.obj)->groups, groups)) {
            s = must(obj_clone(c.obj));
            s->users++;
            put(w, s);
            return s->number;
        }
    }
    do {
        sgset_id(vpc_id, number, id);
        taken = index_get(w->ix, KIND_SGSET, w->scope, id) != NULL;
        number += taken;
    } while (taken);
    s = must(obj_new(KIND_SGSET, w->scope, id));
    set(&s->vpc_id, vpc_id);
    s->number = number;
    s->users = 1;
    list_each (char *, g, *groups)
        if (strs_add(&s->groups, *g) < 0)
            abort();
    put(w, s);
    return number;
}

static void release(struct world *w, const char *vpc_id, int64_t number) {
    struct sgset *s;
    char id[ID_MAX + 1];

    sgset_id(vpc_id, number, id);
    s = must(obj_clone(must((void *)(uintptr_t)index_get(w->ix, KIND_SGSET, w->scope, id))));
    if (--s->users > 0) {
        put(w, s);
        return;
    }
    take(w, s);
    obj_unref(s);
}

static int str_cmp(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void choose_groups(struct world *w, struct network_interface *eni) {
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

        if (eni_find(eni, ip))
            return true;
        list_each (struct eni_address6, a, eni->addresses6)
            if (ip_equal(&a->ip, ip))
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

static bool new_public(struct world *w, struct ip *ret) {
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
        bool own = eni_find(eni, &ip) != NULL;

        list_each (struct eni_address6, a, eni->addresses6)
            own |= ip_equal(&a->ip, &ip);
        if (own || address_taken(w, eni->vpc_id, &ip))
            continue;
        *ret = ip;
        return true;
    }
    return false;
}

static bool add_address(struct world *w, struct network_interface *eni, uint8_t family) {
    const struct subnet *s = index_get(w->ix, KIND_SUBNET, w->scope, eni->subnet_id);
    const struct cidr *c6 = subnet_cidr6(s);
    struct ip ip;

    if (family == IP_V6) {
        if (!c6 || !new_address(w, eni, c6, &ip))
            return false;
        ((struct eni_address6 *)must(list_add(&eni->addresses6, sizeof(struct eni_address6))))->ip =
            ip;
        return true;
    }
    if (!new_address(w, eni, &s->cidr, &ip))
        return false;
    {
        struct eni_address *a = must(list_add(&eni->addresses, sizeof(*a)));

        a->ip = ip;
        a->primary = eni->addresses.n == 1;
        if (world_chance(w, 50) && new_public(w, &ip)) {
            a->public_ip = ip;
            list_each (struct eni_address, other, eni->addresses)
                if (other != a && ip_equal(&other->public_ip, &ip))
                    a->public_ip = (struct ip){0};
        }
    }
    return true;
}

static void attach(struct world *w, struct network_interface *eni) {
    struct instance *i = make(w, KIND_INSTANCE);

    i->state = INSTANCE_RUNNING;
    set(&i->vpc_id, eni->vpc_id);
    set(&eni->instance_id, i->o.id);
    put(w, i);
}

static void make_eni(struct world *w, const struct subnet *s) {
    struct network_interface *eni = make(w, KIND_NETWORK_INTERFACE);
    uint8_t mac[6] = {2, 0, 0, 0, (uint8_t)(w->next_id >> 8), (uint8_t)w->next_id};

    set(&eni->vpc_id, s->vpc_id);
    set(&eni->subnet_id, s->o.id);
    memcpy(eni->mac, mac, sizeof(mac));
    eni->source_dest_check = world_chance(w, 80);
    choose_groups(w, eni);
    if (!add_address(w, eni, IP_V4)) {
        obj_unref(eni);
        return;
    }
    if (world_chance(w, 30))
        add_address(w, eni, IP_V4);
    if (world_chance(w, 70))
        add_address(w, eni, IP_V6);
    if (world_chance(w, 10))
        add_address(w, eni, IP_V6);
    eni->sgset = intern(w, eni->vpc_id, &eni->groups);
    if (world_chance(w, 90))
        attach(w, eni);
    put(w, eni);
}

static void add_entry(struct network_acl *acl, int64_t number, bool egress, bool allow,
                      struct cidr cidr) {
    struct acl_entry *e = must(list_add(&acl->entries, sizeof(*e)));

    *e = (struct acl_entry){
        .number = number, .egress = egress, .allow = allow, .protocol = -1, .cidr = cidr};
}

static const struct network_acl *make_acl(struct world *w, const char *vpc_id) {
    struct network_acl *acl = make(w, KIND_NETWORK_ACL);

    set(&acl->vpc_id, vpc_id);
    acl->is_default = true;
    for (int egress = 0; egress < 2; egress++) {
        add_entry(acl, 100, egress, true, cidr_of("0.0.0.0/0"));
        add_entry(acl, 101, egress, true, cidr_of("::/0"));
        add_entry(acl, ACL_RULE_LAST, egress, false, cidr_of("0.0.0.0/0"));
        add_entry(acl, ACL_RULE_LAST, egress, false, cidr_of("::/0"));
    }
    put(w, acl);
    return acl;
}

static void add_route(struct world *w, struct route_table *t, struct cidr cidr, const char *target,
                      uint8_t origin) {
    struct route *r;

    /* The API refuses a second static route to the same destination. */
    list_each (struct route, other, t->routes)
        if (cidr_equal(&other->cidr, &cidr) && other->origin == origin)
            return;
    r = must(list_add(&t->routes, sizeof(*r)));
    r->cidr = cidr;
    r->origin = origin;
    set(&r->target, target);
}

/* A more specific route than local must be a whole subnet's; others are outside the VPC. */
static void add_random_route(struct world *w, struct route_table *t) {
    static const char *const destinations[] = {
        "0.0.0.0/0",       "::/0",         "198.51.100.0/24", "198.51.100.7/32", "203.0.113.0/24",
        "2001:db8:f::/48", "192.0.2.0/24", "203.0.113.4/30"};
    static const char *const elsewhere[] = {"nat-1", "eigw-1", "pcx-1",
                                            "tgw-1", "vgw-1",  "igw-gone"};
    const struct internet_gateway *igw = world_pick(w, KIND_INTERNET_GATEWAY);
    const struct network_interface *eni = world_pick(w, KIND_NETWORK_INTERFACE);
    const struct subnet *s = world_pick(w, KIND_SUBNET);
    const char *target = elsewhere[world_random(w, ARRAY_SIZE(elsewhere))];

    /* Through a middlebox: to another subnet of the VPC by way of an interface. */
    if (s && eni && strcmp(s->vpc_id, t->vpc_id) == 0 && strcmp(eni->vpc_id, t->vpc_id) == 0 &&
        world_chance(w, 40)) {
        const struct cidr *c6 = subnet_cidr6(s);

        add_route(w, t, c6 && world_chance(w, 50) ? *c6 : s->cidr, eni->o.id, ROUTE_ORIGIN_CREATE);
        return;
    }
    if (igw && world_chance(w, 75))
        target = igw->o.id;
    else if (eni && strcmp(eni->vpc_id, t->vpc_id) == 0 && world_chance(w, 60))
        target = eni->o.id;
    add_route(w, t, cidr_of(destinations[world_random(w, ARRAY_SIZE(destinations))]), target,
              world_chance(w, 85) ? ROUTE_ORIGIN_CREATE : ROUTE_ORIGIN_PROPAGATED);
}

static struct route_table *make_routes(struct world *w, const struct vpc *v, bool main) {
    struct route_table *t = make(w, KIND_ROUTE_TABLE);
    uint32_t n = world_random(w, 4);

    set(&t->vpc_id, v->o.id);
    add_route(w, t, v->cidr, "local", ROUTE_ORIGIN_CREATE_TABLE);
    list_each (struct cidr_association, a, v->cidrs6)
        add_route(w, t, a->cidr, "local", ROUTE_ORIGIN_CREATE_TABLE);
    while (n--)
        add_random_route(w, t);
    if (main) {
        struct route_association *a = must(list_add(&t->associations, sizeof(*a)));

        a->main = true;
    }
    put(w, t);
    return t;
}

static void dissociate(struct world *w, const char *subnet_id) {
    struct cursor c;
    struct route_table *t;

    if (!cursor_by(w->ix, &c, KIND_ROUTE_TABLE, RTB_BY_SUBNET, subnet_id))
        return;
    t = must(obj_clone(c.obj));
    for (uint32_t i = 0; i < t->associations.n; i++) {
        struct route_association *a = list_at(t->associations, struct route_association, i);

        if (!a->subnet_id || strcmp(a->subnet_id, subnet_id) != 0)
            continue;
        free(a->subnet_id);
        free(a->id);
        list_cut(&t->associations, sizeof(*a), i);
        break;
    }
    put(w, t);
}

static void associate(struct world *w, const struct route_table *table, const char *subnet_id) {
    struct route_table *t;
    struct route_association *a;

    dissociate(w, subnet_id);
    t = must(obj_clone(index_get(w->ix, KIND_ROUTE_TABLE, w->scope, table->o.id)));
    a = must(list_add(&t->associations, sizeof(*a)));
    set(&a->subnet_id, subnet_id);
    put(w, t);
}

static void make_subnet(struct world *w, const struct vpc *v) {
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
        s = make(w, KIND_SUBNET);
        set(&s->vpc_id, v->o.id);
        s->cidr = at;
        if (v->cidrs6.n && world_chance(w, 80)) {
            struct cidr_association *a = must(list_add(&s->cidrs6, sizeof(*a)));

            a->cidr = list_at(v->cidrs6, struct cidr_association, 0)->cidr;
            a->cidr.ip.b[7] = (uint8_t)i;
            a->cidr.len = 64;
        }
        if (cursor_by(w->ix, &c, KIND_NETWORK_ACL, ACL_BY_VPC, v->o.id))
            set(&s->acl_id, ((const struct obj *)c.obj)->id);
        put(w, s);
        if (world_chance(w, 50) && cursor_by(w->ix, &t, KIND_ROUTE_TABLE, RTB_BY_VPC, v->o.id))
            associate(w, t.obj, s->o.id);
        return;
    }
}

static void make_vpc(struct world *w) {
    struct vpc *v = make(w, KIND_VPC);
    uint32_t number = w->next_id, n;
    struct cidr_association *a;
    struct cursor c;

    v->cidr = cidr_of(world_chance(w, 75) ? "10.0.0.0/16" : "10.1.0.0/16");
    a = must(list_add(&v->cidrs, sizeof(*a)));
    a->cidr = v->cidr;
    if (world_chance(w, 85)) {
        a = must(list_add(&v->cidrs6, sizeof(*a)));
        a->cidr = cidr_of("2001:db8:0:0::/56");
        a->cidr.ip.b[5] = (uint8_t)(number >> 8);
        a->cidr.ip.b[6] = (uint8_t)number;
        a->cidr.ip.b[4] = 1;
    }
    put(w, v);
    make_acl(w, v->o.id);
    if (world_chance(w, 92)) {
        struct internet_gateway *igw = make(w, KIND_INTERNET_GATEWAY);

        if (world_chance(w, 92))
            set(&igw->vpc_id, v->o.id);
        put(w, igw);
    }
    for (n = 1 + world_random(w, 3); n; n--)
        make_group(w, v->o.id);
    make_routes(w, v, true);
    if (world_chance(w, 60))
        make_routes(w, v, false);
    for (n = 1 + world_random(w, 3); n; n--)
        make_subnet(w, v);
    index_each_by(w->ix, c, KIND_SUBNET, SUBNET_BY_VPC, v->o.id) {
        for (n = world_random(w, 5); n; n--)
            make_eni(w, c.obj);
    }
}

void world_make(struct world *w, uint64_t seed, bool plain_acls) {
    uint32_t n;

    *w = (struct world){
        .rng = seed, .next_id = 1, .scope = {.account = 1, .region = 1}, .plain_acls = plain_acls};
    w->ix = must(index_new());
    for (n = 1 + world_random(w, 3); n; n--)
        make_vpc(w);
    /* Rules and routes about what came later. */
    for (n = 6 + world_random(w, 20); n; n--) {
        struct security_group *g = must(obj_clone(world_pick(w, KIND_SECURITY_GROUP)));

        add_rule(w, g);
        put(w, g);
    }
    for (n = world_random(w, 4); n; n--) {
        struct route_table *t = must(obj_clone(world_pick(w, KIND_ROUTE_TABLE)));

        add_random_route(w, t);
        put(w, t);
    }
    world_settle(w);
}

void world_free(struct world *w) {
    world_settle(w);
    free(w->changes);
    index_free(w->ix);
}

static void delete_eni(struct world *w, const struct network_interface *eni) {
    const struct obj *i =
        eni->instance_id ? index_get(w->ix, KIND_INSTANCE, w->scope, eni->instance_id) : NULL;
    struct network_interface *keep = obj_ref(eni);

    take(w, eni);
    if (i)
        take(w, i);
    release(w, keep->vpc_id, keep->sgset);
    obj_unref(keep);
}

static void delete_all(struct world *w, enum kind k, uint16_t field, const char *value) {
    struct cursor c;

    while (cursor_by(w->ix, &c, k, field, value)) {
        if (k == KIND_NETWORK_INTERFACE)
            delete_eni(w, c.obj);
        else
            take(w, c.obj);
    }
}

static void delete_vpc(struct world *w, const struct vpc *v) {
    struct vpc *keep = obj_ref(v);
    struct cursor c;

    delete_all(w, KIND_NETWORK_INTERFACE, ENI_BY_VPC, keep->o.id);
    delete_all(w, KIND_SUBNET, SUBNET_BY_VPC, keep->o.id);
    delete_all(w, KIND_ROUTE_TABLE, RTB_BY_VPC, keep->o.id);
    delete_all(w, KIND_SECURITY_GROUP, SG_BY_VPC, keep->o.id);
    delete_all(w, KIND_NETWORK_ACL, ACL_BY_VPC, keep->o.id);
    if (cursor_by(w->ix, &c, KIND_INTERNET_GATEWAY, IGW_BY_VPC, keep->o.id)) {
        struct internet_gateway *igw = must(obj_clone(c.obj));

        set(&igw->vpc_id, NULL);
        put(w, igw);
    }
    take(w, keep);
    obj_unref(keep);
}

static void mutate_group(struct world *w, struct security_group *g) {
    if (world_chance(w, 55))
        add_rule(w, g);
    else
        remove_rule(w, g);
    put(w, g);
}

static void mutate_acl(struct world *w, struct network_acl *acl) {
    if (w->plain_acls || acl->entries.n > 8) {
        acl->entries.n = acl->entries.n > 8 ? 8 : acl->entries.n;
    } else {
        add_entry(acl, 50, world_chance(w, 50), false,
                  some_cidr(w, world_chance(w, 50) ? IP_V4 : IP_V6));
    }
    put(w, acl);
}

static void mutate_gateway(struct world *w, struct internet_gateway *igw) {
    const struct vpc *v = world_pick(w, KIND_VPC);
    struct cursor c;

    if (igw->vpc_id)
        set(&igw->vpc_id, NULL);
    else if (v && !cursor_by(w->ix, &c, KIND_INTERNET_GATEWAY, IGW_BY_VPC, v->o.id))
        set(&igw->vpc_id, v->o.id);
    put(w, igw);
}

static void mutate_routes(struct world *w, struct route_table *t) {
    if (world_chance(w, 60) || t->routes.n < 3) {
        add_random_route(w, t);
    } else {
        uint32_t i = t->routes.n - 1;
        struct route *r = list_at(t->routes, struct route, i);

        free(r->target);
        list_cut(&t->routes, sizeof(*r), i);
    }
    put(w, t);
}

static void mutate_association(struct world *w) {
    const struct subnet *s = world_pick(w, KIND_SUBNET);
    const struct route_table *t = world_pick(w, KIND_ROUTE_TABLE);

    if (!s || !t)
        return;
    if (strcmp(s->vpc_id, t->vpc_id) == 0)
        associate(w, t, s->o.id);
    else
        dissociate(w, s->o.id);
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
            to = must(obj_clone(c.obj));
        if (to)
            break;
    }
    if (!to)
        return;
    from = must(obj_clone(main));
    for (uint32_t i = 0; i < from->associations.n; i++) {
        struct route_association *a = list_at(from->associations, struct route_association, i);

        if (a->main) {
            list_cut(&from->associations, sizeof(*a), i);
            break;
        }
    }
    ((struct route_association *)must(
         list_add(&to->associations, sizeof(struct route_association))))
        ->main = true;
    put(w, from);
    put(w, to);
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
    to = must(obj_clone(other));
    if (from->addresses.n > 1 && strcmp(to->subnet_id, from->subnet_id) == 0) {
        struct eni_address *b = must(list_add(&to->addresses, sizeof(*b)));

        *b = (struct eni_address){.ip = a->ip, .public_ip = a->public_ip};
        list_cut(&from->addresses, sizeof(*a), from->addresses.n - 1);
    } else if (a->public_ip.family && to->addresses.n) {
        list_at(to->addresses, struct eni_address, 0)->public_ip = a->public_ip;
        a->public_ip = (struct ip){0};
    }
    if (world_chance(w, 50)) {
        put(w, from);
        put(w, to);
    } else {
        put(w, to);
        put(w, from);
    }
}

static void mutate_eni(struct world *w, struct network_interface *eni) {
    int64_t before = eni->sgset;

    switch (world_random(w, 6)) {
    case 0:
        choose_groups(w, eni);
        eni->sgset = intern(w, eni->vpc_id, &eni->groups);
        put(w, eni);
        release(w, eni->vpc_id, before);
        return;
    case 1:
        if (eni->instance_id)
            set(&eni->instance_id, NULL);
        else
            attach(w, eni);
        break;
    case 2:
        eni->source_dest_check = !eni->source_dest_check;
        break;
    case 3:
        add_address(w, eni, world_chance(w, 50) ? IP_V4 : IP_V6);
        break;
    case 4: {
        struct eni_address *a = list_at(eni->addresses, struct eni_address, 0);
        struct ip ip;

        if (a->public_ip.family)
            a->public_ip = (struct ip){0};
        else if (new_public(w, &ip))
            a->public_ip = ip;
        break;
    }
    default:
        mutate_move(w, eni);
        return;
    }
    put(w, eni);
}

void world_mutate_eni(struct world *w, const char *id) {
    const void *o = index_get(w->ix, KIND_NETWORK_INTERFACE, w->scope, id);

    if (o)
        mutate_eni(w, must(obj_clone(o)));
}

/* A random object to change, or NULL. */
static void *changeable(struct world *w, enum kind k) {
    const void *o = world_pick(w, k);

    return o ? must(obj_clone(o)) : NULL;
}

void world_mutate(struct world *w) {
    uint32_t what = world_random(w, 100);
    void *o;

    if (what < 3) {
        make_vpc(w);
    } else if (what < 5) {
        if (index_count(w->ix, KIND_VPC) > 1)
            delete_vpc(w, world_pick(w, KIND_VPC));
    } else if (what < 30) {
        if ((o = changeable(w, KIND_SECURITY_GROUP)))
            mutate_group(w, o);
    } else if (what < 60) {
        if ((o = changeable(w, KIND_NETWORK_INTERFACE)))
            mutate_eni(w, o);
    } else if (what < 68) {
        if (index_count(w->ix, KIND_SUBNET))
            make_eni(w, world_pick(w, KIND_SUBNET));
    } else if (what < 74) {
        if (index_count(w->ix, KIND_NETWORK_INTERFACE))
            delete_eni(w, world_pick(w, KIND_NETWORK_INTERFACE));
    } else if (what < 80) {
        if ((o = changeable(w, KIND_INTERNET_GATEWAY)))
            mutate_gateway(w, o);
    } else if (what < 86) {
        if ((o = changeable(w, KIND_ROUTE_TABLE)))
            mutate_routes(w, o);
    } else if (what < 92) {
        mutate_association(w);
    } else if (what < 94) {
        mutate_main(w);
    } else if (what < 97) {
        if (index_count(w->ix, KIND_VPC))
            make_subnet(w, world_pick(w, KIND_VPC));
    } else if ((o = changeable(w, KIND_NETWORK_ACL))) {
        mutate_acl(w, o);
    }
}
