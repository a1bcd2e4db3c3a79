/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table `dependencies` below is the whole truth; each row is applied to the object before and
 * after its change. Through the index a row sees only the state after it. That is enough: whatever
 * went away in the same revision is itself an object that changed, and names its own units.
 *
 * Not in the table, because no unit is made of it: a group's name in the rules of others (rules
 * name sets' numbers, and sets know their groups), an elastic IP's allocation (the interface
 * carries the address), DHCP options.
 */
#include "rules/depend.h"

#include <string.h>

#include "model/account.h"
#include "model/nat_gateway.h"
#include "model/network_acl.h"
#include "model/network_interface.h"
#include "model/peering.h"
#include "model/route_table.h"
#include "model/security_group.h"
#include "model/vpc.h"

struct walk {
    const struct index *ix;
    depend_fn *fn;
    void *data;
};

static const enum kind object_kinds[] = {
    [UNIT_RULES] = KIND_SGSET,
    [UNIT_ROUTES] = KIND_ROUTE_TABLE,
    [UNIT_ACL] = KIND_NETWORK_ACL,
    [UNIT_SUBNET] = KIND_SUBNET,
    [UNIT_ENI] = KIND_NETWORK_INTERFACE,
    [UNIT_NAT] = KIND_NAT_GATEWAY,
    [UNIT_EGRESS_GATEWAY] = KIND_EGRESS_ONLY_GATEWAY,
    [UNIT_VPC] = KIND_VPC,
};
_Static_assert(sizeof(object_kinds) / sizeof(object_kinds[0]) == UNIT_KINDS, "a row for each");

enum kind unit_object_kind(enum unit_kind k) {
    return object_kinds[k];
}

static int unit(const struct walk *w, enum unit_kind kind, const struct obj *o) {
    return w->fn(w->data, kind, o->scope, o->id);
}

/* All units whose objects have this value in an indexed field. */
static int units_by(const struct walk *w, enum unit_kind kind, uint16_t field, const char *value) {
    struct cursor c;
    int r = 0;

    if (!value)
        return 0;
    index_each_by(w->ix, c, object_kinds[kind], field, value) {
        if ((r = unit(w, kind, c.obj)) < 0)
            break;
    }
    return r;
}

static int own_rules(const struct walk *w, const struct obj *o) {
    return unit(w, UNIT_RULES, o);
}
static int own_routes(const struct walk *w, const struct obj *o) {
    return unit(w, UNIT_ROUTES, o);
}
static int own_acl(const struct walk *w, const struct obj *o) {
    return unit(w, UNIT_ACL, o);
}
static int own_subnet(const struct walk *w, const struct obj *o) {
    return unit(w, UNIT_SUBNET, o);
}
static int own_eni(const struct walk *w, const struct obj *o) {
    return unit(w, UNIT_ENI, o);
}
static int own_nat(const struct walk *w, const struct obj *o) {
    return unit(w, UNIT_NAT, o);
}
static int own_egress_gateway(const struct walk *w, const struct obj *o) {
    return unit(w, UNIT_EGRESS_GATEWAY, o);
}
static int own_vpc(const struct walk *w, const struct obj *o) {
    return unit(w, UNIT_VPC, o);
}

static int subnets_of_acl(const struct walk *w, const struct obj *o) {
    return units_by(w, UNIT_SUBNET, SUBNET_BY_ACL, o->id);
}

static int subnets_of_routes(const struct walk *w, const struct obj *o) {
    const struct route_table *t = (const struct route_table *)o;
    int r = 0;

    list_each (struct route_association, a, t->associations) {
        if (r < 0)
            break;
        if (a->main || a->gateway_id)
            r = units_by(w, UNIT_SUBNET, SUBNET_BY_VPC, t->vpc_id);
        else if (a->subnet_id)
            r = w->fn(w->data, UNIT_SUBNET, o->scope, a->subnet_id);
    }
    return r;
}

static int routes_to(const struct walk *w, const struct obj *o) {
    return units_by(w, UNIT_ROUTES, RTB_BY_TARGET, o->id);
}

static int subnets_of_vpc(const struct walk *w, const struct obj *o) {
    return units_by(w, UNIT_SUBNET, SUBNET_BY_VPC, o->id);
}

static int subnets_of_gateway(const struct walk *w, const struct obj *o) {
    return units_by(w, UNIT_SUBNET, SUBNET_BY_VPC, ((const struct internet_gateway *)o)->vpc_id);
}

static int enis_of_gateway(const struct walk *w, const struct obj *o) {
    return units_by(w, UNIT_ENI, ENI_BY_VPC, ((const struct internet_gateway *)o)->vpc_id);
}

static int nats_of_gateway(const struct walk *w, const struct obj *o) {
    return units_by(w, UNIT_NAT, NAT_BY_VPC, ((const struct internet_gateway *)o)->vpc_id);
}

/* Routes by way of its interfaces: they are blackholes while it is stopped. */
static int routes_by_instance(const struct walk *w, const struct obj *o) {
    struct cursor c;
    int r = 0;

    index_each_by(w->ix, c, KIND_NETWORK_INTERFACE, ENI_BY_INSTANCE, o->id) {
        if ((r = routes_to(w, c.obj)) < 0)
            break;
    }
    return r;
}

static int enis_of_instance(const struct walk *w, const struct obj *o) {
    return units_by(w, UNIT_ENI, ENI_BY_INSTANCE, o->id);
}

static int sets_with_group(const struct walk *w, const struct obj *o) {
    return units_by(w, UNIT_RULES, SGSET_BY_GROUP, o->id);
}

/* Sets with a group whose rules have this value in an indexed field. */
static int sets_with_rules(const struct walk *w, uint16_t field, const char *value) {
    struct cursor c;
    int r = 0;

    index_each_by(w->ix, c, KIND_SECURITY_GROUP, field, value) {
        if ((r = sets_with_group(w, c.obj)) < 0)
            break;
    }
    return r;
}

/* Sets with a group whose rules name a group of this set. */
static int sets_that_name(const struct walk *w, const struct obj *o) {
    const struct sgset *set = (const struct sgset *)o;
    int r = 0;

    list_each (char *, id, set->groups)
        r = r < 0 ? r : sets_with_rules(w, SG_BY_REFERENCE, *id);
    return r;
}

static int sets_that_list(const struct walk *w, const struct obj *o) {
    return sets_with_rules(w, SG_BY_PREFIX_LIST, o->id);
}

/* Sets with a group whose rules name a peer's group by this peering. */
static int sets_by_peering(const struct walk *w, const struct obj *o) {
    return sets_with_rules(w, SG_BY_PEERING, o->id);
}

/* Routes and rules that go by a connection of this VPC. */
static int peerings_of_vpc(const struct walk *w, const struct obj *o) {
    static const uint16_t sides[] = {PEERING_BY_REQUESTER, PEERING_BY_ACCEPTER};
    struct cursor c;
    int r = 0;

    for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++) {
        index_each_by(w->ix, c, KIND_PEERING, sides[i], o->id) {
            if ((r = routes_to(w, c.obj)) < 0 || (r = sets_by_peering(w, c.obj)) < 0)
                return r;
        }
    }
    return r;
}

static int routes_that_list(const struct walk *w, const struct obj *o) {
    return units_by(w, UNIT_ROUTES, RTB_BY_PREFIX_LIST, o->id);
}

static int enis_of_set(const struct walk *w, const struct obj *o) {
    const struct sgset *set = (const struct sgset *)o;
    struct cursor c;
    int r = 0;

    if (!set->groups.n)
        return 0;
    index_each_by(w->ix, c, KIND_NETWORK_INTERFACE, ENI_BY_GROUP, list_str(set->groups, 0)) {
        const struct network_interface *eni = c.obj;

        if (eni->sgset != set->number || strcmp(eni->vpc_id, set->vpc_id) != 0)
            continue;
        if ((r = unit(w, UNIT_ENI, c.obj)) < 0)
            break;
    }
    return r;
}

/* clang-format off */
static const struct {
    enum kind kind;                                         /* of the object that changed */
    int (*units)(const struct walk *w, const struct obj *o);
    const char *why;
} dependencies[] = {
    {KIND_VPC,               own_vpc,           "it has generations"},
    {KIND_VPC,               peerings_of_vpc,   "a connection is none without it"},
    {KIND_VPC,               subnets_of_vpc,    "whether its resolver answers"},
    {KIND_SUBNET,            own_subnet,        "its prefixes and ACL"},
    {KIND_NETWORK_ACL,       own_acl,           "its entries"},
    {KIND_NETWORK_ACL,       subnets_of_acl,    "they do without its table while it allows all"},
    {KIND_PREFIX_LIST,       sets_that_list,    "rules that name it"},
    {KIND_PREFIX_LIST,       routes_that_list,  "routes that name it"},
    {KIND_ROUTE_TABLE,       own_routes,        "its routes"},
    {KIND_ROUTE_TABLE,       subnets_of_routes, "which table is theirs, or their gateway's"},
    {KIND_INTERNET_GATEWAY,  enis_of_gateway,   "public addresses need an attached gateway"},
    {KIND_INTERNET_GATEWAY,  subnets_of_gateway,"its route table counts while it is attached"},
    {KIND_INTERNET_GATEWAY,  routes_to,         "blackhole without it"},
    {KIND_INTERNET_GATEWAY,  nats_of_gateway,   "their public addresses, too"},
    {KIND_NAT_GATEWAY,       own_nat,           "its addresses"},
    {KIND_NAT_GATEWAY,       routes_to,         "blackhole without it"},
    {KIND_EGRESS_ONLY_GATEWAY, own_egress_gateway, "who has one"},
    {KIND_EGRESS_ONLY_GATEWAY, routes_to,       "blackhole without it"},
    {KIND_VPN_GATEWAY,       routes_to,         "blackhole while it is not attached"},
    {KIND_PEERING,           routes_to,         "they name the other VPC, while it is active"},
    {KIND_PEERING,           sets_by_peering,   "their rules name groups of the other VPC"},
    {KIND_SECURITY_GROUP,    sets_with_group,   "their rules are its rules"},
    {KIND_SGSET,             own_rules,         "its rules"},
    {KIND_SGSET,             sets_that_name,    "a rule that names a group lists the sets with it"},
    {KIND_SGSET,             enis_of_set,       "they name its table"},
    {KIND_NETWORK_INTERFACE, own_eni,           "its addresses, groups and flags"},
    {KIND_NETWORK_INTERFACE, routes_to,         "blackhole while it is detached"},
    {KIND_INSTANCE,          routes_by_instance, "blackhole while it is stopped"},
    {KIND_INSTANCE,          enis_of_instance,  "whether it is on this host"},
};
/* clang-format on */

/* A set's count of users changes all the time and is in no entry. */
static bool same_set(const struct obj *old, const struct obj *new) {
    const struct sgset *a = (const struct sgset *)old, *b = (const struct sgset *)new;

    if (old->kind != KIND_SGSET || a->number != b->number || a->groups.n != b->groups.n)
        return false;
    for (uint32_t i = 0; i < a->groups.n; i++)
        if (strcmp(list_str(a->groups, i), list_str(b->groups, i)) != 0)
            return false;
    return true;
}

int depend_on_object(const struct index *ix, const struct obj *old, const struct obj *new,
                     depend_fn *fn, void *data) {
    const struct walk w = {.ix = ix, .fn = fn, .data = data};
    const struct obj *o = new ? new : old;
    int r = 0;

    if (!o || (old && new &&same_set(old, new)))
        return 0;
    for (size_t i = 0; i < sizeof(dependencies) / sizeof(dependencies[0]); i++) {
        if (dependencies[i].kind != o->kind)
            continue;
        if (old && (r = dependencies[i].units(&w, old)) < 0)
            return r;
        if (new && (r = dependencies[i].units(&w, new)) < 0)
            return r;
    }
    return r;
}

int depend_on_table(const struct index *ix, const struct obj *o, depend_fn *fn, void *data) {
    const struct walk w = {.ix = ix, .fn = fn, .data = data};

    if (o->kind == KIND_SGSET)
        return enis_of_set(&w, o);
    return o->kind == KIND_NETWORK_ACL ? subnets_of_acl(&w, o) : subnets_of_routes(&w, o);
}
