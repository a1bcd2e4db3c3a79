/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an account finds in a region at its first call there (VPC user guide, "Default VPCs"): a set
 * of DHCP options (dhcp_options.c), and a VPC 172.31.0.0/16 with an internet gateway, a route to it
 * in the main table, and a /20 in each zone that gives its instances public addresses.
 */
#include <stdio.h>
#include <string.h>

#include "api/ec2/subnet.h"

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

/* A /20 of the default VPC that is a zone's default subnet; NULL with the call's error set. */
static const struct subnet *make_subnet(struct call *c, const struct vpc *v, unsigned zone,
                                        const struct cidr *cidr) {
    static const struct list none;
    static const struct cidr no_cidr6;
    char name[32];
    const struct subnet *s =
        subnet_create(c, v, zone_name(c->scope.region, zone, name), cidr, &no_cidr6, &none);
    struct subnet *n = s ? txn_edit(c->txn, s) : NULL;

    if (!n)
        return NULL;
    n->default_for_az = true;
    n->map_public_ip = true;
    txn_put(c->txn, n);
    return n;
}

static struct cidr block_of_20(const struct vpc *v, unsigned i) {
    return (struct cidr){.ip = ip_add(&v->cidr.ip, (int64_t)i * 4096), .len = 20};
}

/* The default VPC with all its parts; NULL with the call's error set. */
static const struct vpc *make_vpc(struct call *c) {
    static const struct list none;
    struct vpc_parts parts = {.is_default = true};
    const struct vpc *v;

    cidr_parse("172.31.0.0/16", &parts.cidr);
    v = vpc_create(c, &parts, &none);
    if (!v || make_gateway(c, v) < 0)
        return NULL;
    for (unsigned i = 0; i < REGION_ZONES; i++) {
        struct cidr cidr = block_of_20(v, i);

        if (!make_subnet(c, v, i, &cidr))
            return NULL;
    }
    return v;
}

const struct account *own_account(struct call *c) {
    char id[16];

    snprintf(id, sizeof(id), "%012llu", (unsigned long long)c->scope.account);
    return index_get(c->ix, KIND_ACCOUNT, (struct scope){0}, id);
}

int defaults_make(struct call *c) {
    const struct account *a = own_account(c);
    struct account *n;

    if (!a)
        return call_error(c, "AuthFailure", "The account does not exist any more");
    if (strs_has(&a->defaults, region_name(c->scope.region)))
        return 0;
    n = txn_edit(c->txn, a);
    if (!n || strs_add(&n->defaults, region_name(c->scope.region)) < 0)
        return call_no_memory(c);
    txn_put(c->txn, n);
    return make_vpc(c) ? 0 : -1;
}

static int create_default_vpc(struct call *c, const void *params) {
    const struct vpc *v;

    if (default_vpc(c))
        return call_error(c, "DefaultVpcAlreadyExists",
                          "A Default VPC already exists for this account in this region.");
    v = make_vpc(c);
    if (!v)
        return -1;
    /* Two calls at once make one; the account is what they have in common. */
    txn_touch(c->txn, own_account(c));
    xml_open(&c->xml, "vpc");
    xml_fields_as(&c->xml, &vpc_desc, &c->look, v, "state", "pending");
    xml_close(&c->xml, "vpc");
    return 0;
}

struct create_subnet {
    char *zone, *zone_id;
    uint8_t ipv6_native;
};
static const struct field create_subnet_fields[] = {
    FIELD(0, FT_STR, struct create_subnet, zone, "AvailabilityZone"),
    FIELD(0, FT_STR, struct create_subnet, zone_id, "AvailabilityZoneId"),
    FIELD(0, FT_TRI, struct create_subnet, ipv6_native, "Ipv6Native"),
};
static const struct desc create_subnet_desc =
    DESC("CreateDefaultSubnet", struct create_subnet, create_subnet_fields);

static bool is_free(struct call *c, const struct vpc *v, const struct cidr *cidr) {
    struct cursor cur;

    index_each_by(c->ix, cur, KIND_SUBNET, SUBNET_BY_VPC, v->o.id) {
        if (cidr_overlaps(&((const struct subnet *)cur.obj)->cidr, cidr))
            return false;
    }
    return true;
}

static int create_default_subnet(struct call *c, const void *params) {
    const struct create_subnet *p = params;
    const struct vpc *v = default_vpc(c);
    const struct subnet *s = NULL;
    struct cursor cur;
    char name[32];
    int zone;

    if (subnet_refuse_ipv6_native(c, p->ipv6_native) < 0)
        return -1;
    if (!p->zone && !p->zone_id)
        return call_error(c, "MissingParameter",
                          "The request must contain the parameter AvailabilityZone");
    zone = subnet_zone(c, p->zone, p->zone_id);
    if (zone < 0)
        return -1;
    if (!v)
        return call_error(c, "DefaultVpcDoesNotExist",
                          "No default VPC exists for this account in this region.");
    zone_name(c->scope.region, (unsigned)zone, name);
    index_each_by(c->ix, cur, KIND_SUBNET, SUBNET_BY_VPC, v->o.id) {
        const struct subnet *have = cur.obj;

        if (have->default_for_az && strcmp(have->zone, name) == 0)
            return call_error(c, "DefaultSubnetAlreadyExistsInAvailabilityZone",
                              "'%s' is already the default subnet in %s.", have->o.id, name);
    }
    for (unsigned i = 0; !s && i < 16; i++) {
        struct cidr cidr = block_of_20(v, i);

        if (is_free(c, v, &cidr) && !(s = make_subnet(c, v, (unsigned)zone, &cidr)))
            return -1;
    }
    if (!s)
        return call_error(c, "InsufficientCidrBlocks",
                          "The default VPC has no free block of /20 for a default subnet.");
    call_object(c, "subnet", s);
    return 0;
}

static const struct action rows[] = {
    {"CreateDefaultSubnet", &create_subnet_desc, create_default_subnet},
    {"CreateDefaultVpc", NULL, create_default_vpc},
};
ACTIONS(default_actions, rows);
