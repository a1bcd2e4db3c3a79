/* SPDX-License-Identifier: Apache-2.0 */
/* NAT gateways, egress-only gateways and peerings of random worlds, and their changes. */
#include "rules/test_world_private.h"

#include <stdlib.h>
#include <string.h>

#include "model/gateway.h"
#include "model/nat_gateway.h"
#include "model/peering.h"

/* Whether a gateway that is not deleted has the address: public, or private in the VPC. */
static bool nat_has(const struct world *w, const char *vpc_id, const struct ip *ip) {
    struct cursor c;

    index_each_all(w->ix, c, KIND_NAT_GATEWAY) {
        const struct nat_gateway *nat = c.obj;

        if (nat->state == NAT_DELETED || (vpc_id && strcmp(nat->vpc_id, vpc_id) != 0))
            continue;
        list_each (struct nat_address, a, nat->addresses)
            if (ip_equal(vpc_id ? &a->ip : &a->public_ip, ip))
                return true;
    }
    return false;
}

static void add_nat_address(struct world *w, struct nat_gateway *nat, const struct subnet *s) {
    struct ip ip = ip_add(&s->cidr.ip, 40 + world_random(w, 40));
    struct ip public_ip = ip_v4(0xcb007114 + world_random(w, 20));
    struct nat_address *a;

    if (nat_has(w, nat->vpc_id, &ip) || nat_has(w, NULL, &public_ip))
        return;
    list_each (struct nat_address, have, nat->addresses)
        if (ip_equal(&have->ip, &ip) || ip_equal(&have->public_ip, &public_ip))
            return;
    a = world_must(list_add(&nat->addresses, sizeof(*a)));
    a->ip = ip;
    if (nat->connectivity == NAT_PUBLIC)
        a->public_ip = public_ip;
}

void world_make_nat(struct world *w, const struct vpc *v) {
    const struct subnet *s = world_pick_by(w, KIND_SUBNET, SUBNET_BY_VPC, v->o.id);
    struct nat_gateway *nat;

    if (!s)
        return;
    nat = world_object(w, KIND_NAT_GATEWAY);
    world_set(&nat->vpc_id, v->o.id);
    world_set(&nat->subnet_id, s->o.id);
    nat->state = NAT_AVAILABLE;
    nat->connectivity = world_chance(w, 70) ? NAT_PUBLIC : NAT_PRIVATE;
    for (uint32_t n = 1 + world_random(w, 3); n; n--)
        add_nat_address(w, nat, s);
    world_put(w, nat);
}

/* Where it can be used: the gateway's subnet leads out, another one of the VPC to the gateway. */
static void use_nat(struct world *w, const struct nat_gateway *nat) {
    const struct subnet *s = world_pick_by(w, KIND_SUBNET, SUBNET_BY_VPC, nat->vpc_id);
    const struct route_table *out = route_table_of_subnet(w->ix, nat->vpc_id, nat->subnet_id);
    struct route_table *t;
    struct cursor c;

    if (!out || strcmp(s->o.id, nat->subnet_id) == 0)
        return;
    if (cursor_by(w->ix, &c, KIND_INTERNET_GATEWAY, IGW_BY_VPC, nat->vpc_id)) {
        t = world_must(obj_clone(out));
        world_add_route(w, t, world_cidr("0.0.0.0/0"), ((const struct obj *)c.obj)->id,
                        ROUTE_ORIGIN_CREATE);
        world_put(w, t);
    }
    t = world_object(w, KIND_ROUTE_TABLE);
    world_set(&t->vpc_id, nat->vpc_id);
    world_add_route(w, t,
                    ((const struct vpc *)index_get(w->ix, KIND_VPC, w->scope, nat->vpc_id))->cidr,
                    "local", ROUTE_ORIGIN_CREATE_TABLE);
    world_add_route(w, t, world_cidr("0.0.0.0/0"), nat->o.id, ROUTE_ORIGIN_CREATE);
    world_put(w, t);
    world_associate(w, t, s->o.id);
}

static void make_egress_only(struct world *w, const struct vpc *v) {
    struct egress_only_gateway *g;
    struct cursor c;

    if (cursor_by(w->ix, &c, KIND_EGRESS_ONLY_GATEWAY, EIGW_BY_VPC, v->o.id))
        return;
    g = world_object(w, KIND_EGRESS_ONLY_GATEWAY);
    world_set(&g->vpc_id, v->o.id);
    world_put(w, g);
}

static void make_vpn_gateway(struct world *w, const struct vpc *v) {
    struct vpn_gateway *g;
    struct cursor c;

    if (cursor_by(w->ix, &c, KIND_VPN_GATEWAY, VGW_BY_VPC, v->o.id))
        return;
    g = world_object(w, KIND_VPN_GATEWAY);
    world_set(&g->vpc_id, v->o.id);
    world_put(w, g);
}

static void make_peering(struct world *w) {
    const struct vpc *a = world_pick(w, KIND_VPC), *b = world_pick(w, KIND_VPC);
    struct peering *p;

    if (a == b)
        return;
    p = world_object(w, KIND_PEERING);
    world_set(&p->requester.vpc_id, a->o.id);
    world_set(&p->requester.account, "000000000001");
    world_set(&p->requester.region, "us-east-1");
    world_set(&p->accepter.vpc_id, b->o.id);
    world_set(&p->accepter.account, "000000000001");
    world_set(&p->accepter.region, "us-east-1");
    p->status = world_chance(w, 85) ? PEERING_ACTIVE : PEERING_PENDING;
    world_put(w, p);
}

void world_make_gateways(struct world *w) {
    struct cursor c;

    index_each_all(w->ix, c, KIND_VPC) {
        if (world_chance(w, 70))
            world_make_nat(w, c.obj);
        if (world_chance(w, 50))
            make_egress_only(w, c.obj);
        if (world_chance(w, 50))
            make_vpn_gateway(w, c.obj);
    }
    index_each_all(w->ix, c, KIND_NAT_GATEWAY) use_nat(w, c.obj);
    for (int i = 0; i < 3; i++)
        make_peering(w);
}

const char *world_gateway_target(struct world *w, const char *vpc_id, struct cidr *to) {
    const struct nat_gateway *nat;
    const struct peering *p;
    const struct vpc *peer;
    const struct obj *g;

    switch (world_random(w, 4)) {
    case 0:
    case 1:
        nat = world_pick_by(w, KIND_NAT_GATEWAY, NAT_BY_VPC, vpc_id);
        if (!nat || world_chance(w, 3))
            nat = world_pick(w, KIND_NAT_GATEWAY);
        if (world_chance(w, 70))
            *to = world_cidr("0.0.0.0/0");
        return nat ? nat->o.id : NULL;
    case 2:
        g = world_pick_by(w, KIND_EGRESS_ONLY_GATEWAY, EIGW_BY_VPC, vpc_id);
        if (world_chance(w, 90))
            *to = world_cidr("::/0");
        return g ? g->id : NULL;
    default:
        p = world_pick(w, KIND_PEERING);
        peer = p && peering_other(p, vpc_id) ? peering_peer(w->ix, p, vpc_id) : NULL;
        if (!peer)
            return p && world_chance(w, 10) ? p->o.id : NULL;
        if (peer->cidrs6.n && world_chance(w, 50))
            *to = list_at(peer->cidrs6, struct cidr_association, 0)->cidr;
        else if (world_chance(w, 80))
            *to = peer->cidr;
        return p->o.id;
    }
}

void world_name_peer(struct world *w, const struct security_group *g, struct sg_rule *r) {
    const struct peering *p = world_pick(w, KIND_PEERING);
    const struct peering_side *other = p ? peering_other(p, g->vpc_id) : NULL;
    const struct security_group *named;

    named = other ? world_pick_by(w, KIND_SECURITY_GROUP, SG_BY_VPC, other->vpc_id) : NULL;
    if (!named)
        return;
    world_set(&r->group_id, named->o.id);
    world_set(&r->group_vpc, other->vpc_id);
    world_set(&r->peering_id, p->o.id);
}

/* Deleted, or made anew, or replaced by one that has its addresses. */
static void mutate_nat(struct world *w, struct nat_gateway *nat) {
    const struct subnet *s = index_get(w->ix, KIND_SUBNET, w->scope, nat->subnet_id);
    struct nat_gateway *other;

    switch (world_random(w, 4)) {
    case 0:
        nat->state = nat->state == NAT_AVAILABLE ? NAT_DELETING : nat->state;
        break;
    case 1: /* replaced */
        if (nat->state == NAT_DELETED)
            break;
        other = world_object(w, KIND_NAT_GATEWAY);
        world_set(&other->vpc_id, nat->vpc_id);
        world_set(&other->subnet_id, nat->subnet_id);
        other->state = NAT_AVAILABLE;
        other->connectivity = nat->connectivity;
        list_each (struct nat_address, a, nat->addresses) {
            struct nat_address *b = world_must(list_add(&other->addresses, sizeof(*b)));

            b->ip = a->ip;
            b->public_ip = a->public_ip;
        }
        nat->state = NAT_DELETED;
        world_put(w, nat);
        world_put(w, other);
        return;
    case 2:
        if (nat->addresses.n > 1)
            list_cut(&nat->addresses, sizeof(struct nat_address), world_random(w, 2));
        break;
    default:
        if (s && nat->addresses.n < 4 && nat->state != NAT_DELETED)
            add_nat_address(w, nat, s);
        break;
    }
    world_put(w, nat);
}

/* Attached, and not. */
static void mutate_vpn_gateway(struct world *w, const struct vpc *v) {
    const struct vpn_gateway *g = world_pick(w, KIND_VPN_GATEWAY);
    struct vpn_gateway *changed;

    if (v && (!g || world_chance(w, 50))) {
        make_vpn_gateway(w, v);
        return;
    }
    if (!g)
        return;
    changed = world_must(obj_clone(g));
    world_set(&changed->vpc_id, NULL);
    world_put(w, changed);
}

void world_mutate_gateway(struct world *w) {
    const struct vpc *v = world_pick(w, KIND_VPC);
    const struct nat_gateway *nat = world_pick(w, KIND_NAT_GATEWAY);
    const struct obj *g = world_pick(w, KIND_EGRESS_ONLY_GATEWAY);
    const struct peering *p = world_pick(w, KIND_PEERING);
    struct peering *changed;

    switch (world_random(w, 8)) {
    case 0:
        if (v)
            world_make_nat(w, v);
        break;
    case 1:
        if (v)
            make_egress_only(w, v);
        break;
    case 2:
        if (g)
            world_take(w, g);
        break;
    case 3:
        make_peering(w);
        break;
    case 4:
        if (!p)
            break;
        changed = world_must(obj_clone(p));
        changed->status = p->status == PEERING_ACTIVE ? PEERING_DELETED : PEERING_ACTIVE;
        world_put(w, changed);
        break;
    case 5:
        mutate_vpn_gateway(w, v);
        break;
    default:
        if (nat)
            mutate_nat(w, world_must(obj_clone(nat)));
        break;
    }
}
