/* SPDX-License-Identifier: Apache-2.0 */
/* Subnets and their attributes. */
#include <stdio.h>
#include <string.h>

#include "api/actions.h"
#include "api/limits.h"

static int check_cidrs(struct call *c, const struct vpc *v, const struct cidr *cidr,
                       const struct cidr *cidr6) {
    struct cursor cur;
    bool inside = false, inside6 = !cidr6->ip.family;
    char text[CIDR_TEXT];
    int64_t count = 0;

    if (cidr->ip.family != IP_V4 || cidr->len < 16 || cidr->len > 28 || !cidr_is_canonical(cidr))
        return call_error(c, "InvalidSubnet.Range", "The CIDR '%s' is invalid.",
                          cidr_format(cidr, text));
    list_each (struct cidr_association, a, v->cidrs)
        inside |= cidr_contains(&a->cidr, cidr);
    if (!inside)
        return call_error(c, "InvalidSubnet.Range", "The CIDR '%s' is invalid.",
                          cidr_format(cidr, text));
    if (cidr6->ip.family &&
        (cidr6->ip.family != IP_V6 || cidr6->len != 64 || !cidr_is_canonical(cidr6)))
        return call_error(c, "InvalidSubnet.Range", "The CIDR '%s' is invalid.",
                          cidr_format(cidr6, text));
    list_each (struct cidr_association, a, v->cidrs6)
        inside6 |= cidr_contains(&a->cidr, cidr6);
    if (!inside6)
        return call_error(c, "InvalidSubnet.Range", "The CIDR '%s' is invalid.",
                          cidr_format(cidr6, text));
    index_each_by(c->ix, cur, KIND_SUBNET, SUBNET_BY_VPC, v->o.id) {
        const struct subnet *s = cur.obj;
        const struct cidr *other6 = subnet_cidr6(s);

        count++;
        if (cidr_overlaps(&s->cidr, cidr))
            return call_error(c, "InvalidSubnet.Conflict",
                              "The CIDR '%s' conflicts with another subnet",
                              cidr_format(cidr, text));
        if (other6 && cidr6->ip.family && cidr_overlaps(other6, cidr6))
            return call_error(c, "InvalidSubnet.Conflict",
                              "The CIDR '%s' conflicts with another subnet",
                              cidr_format(cidr6, text));
    }
    if (count >= limit_of(c->ix, c->scope.account, LIMIT_SUBNETS))
        return call_error(c, "SubnetLimitExceeded",
                          "The maximum number of subnets has been reached.");
    return 0;
}

struct subnet *subnet_create(struct call *c, const struct vpc *v, const char *zone,
                             const struct cidr *cidr, const struct cidr *cidr6,
                             const struct list *tag_specifications) {
    struct subnet *s;
    char id[64];

    if (check_cidrs(c, v, cidr, cidr6) < 0)
        return NULL;
    s = call_new(c, KIND_SUBNET);
    if (!s || call_tags(c, tag_specifications, s) < 0)
        return NULL;
    obj_set(&s->o, &s->vpc_id, v->o.id);
    obj_set(&s->o, &s->zone, zone);
    s->cidr = *cidr;
    if (cidr6->ip.family) {
        struct cidr_association *a = list_add(&s->cidrs6, sizeof(*a));

        if (!a || !str_set(&a->id, obj_make_id("subnet-cidr-assoc-", id)))
            return NULL;
        a->cidr = *cidr6;
    }
    obj_set(&s->o, &s->hostname_type, "ip-name");
    obj_set(&s->o, &s->acl_id, vpc_default_acl(c->ix, v->o.id)->o.id);
    obj_set(&s->o, &s->acl_association_id, obj_make_id("aclassoc-", id));
    txn_put(c->txn, s);
    /* Two subnets that overlap must not both come to be, whoever writes them. */
    txn_touch(c->txn, v);
    return s;
}

struct create_subnet {
    char *vpc_id;
    struct cidr cidr, cidr6;
    char *zone, *zone_id;
    struct list tag_specifications;
};
static const struct field create_subnet_fields[] = {
    FIELD(0, FT_STR, struct create_subnet, vpc_id, "VpcId", .flags = FF_REQUIRED),
    FIELD(0, FT_CIDR, struct create_subnet, cidr, "CidrBlock", .flags = FF_REQUIRED),
    FIELD(0, FT_CIDR, struct create_subnet, cidr6, "Ipv6CidrBlock"),
    FIELD(0, FT_STR, struct create_subnet, zone, "AvailabilityZone"),
    FIELD(0, FT_STR, struct create_subnet, zone_id, "AvailabilityZoneId"),
    TAG_SPECIFICATIONS(struct create_subnet),
};
static const struct desc create_subnet_desc =
    DESC("CreateSubnet", struct create_subnet, create_subnet_fields);

static int create_subnet(struct call *c, const void *params) {
    const struct create_subnet *p = params;
    static const enum kind taggable[] = {KIND_SUBNET};
    const struct vpc *v = call_get(c, KIND_VPC, p->vpc_id);
    const char *wanted = p->zone ? p->zone : p->zone_id;
    struct subnet *s;
    char zone[32];
    int i = 0;

    if (!v)
        return -1;
    if (p->zone && p->zone_id)
        return call_error(c, "InvalidParameterCombination",
                          "Only one of AvailabilityZone and AvailabilityZoneId may be specified");
    if (wanted && (i = zone_by_name(c->scope.region, wanted)) < 0)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter availabilityZone is invalid. Subnets can "
                          "currently only be "
                          "created in the following availability zones: %sa, %sb, %sc.",
                          wanted, region_name(c->scope.region), region_name(c->scope.region),
                          region_name(c->scope.region));
    if (call_tags_check(c, &p->tag_specifications, taggable, 1) < 0)
        return -1;
    s = subnet_create(c, v, zone_name(c->scope.region, (unsigned)i, zone), &p->cidr, &p->cidr6,
                      &p->tag_specifications);
    if (!s)
        return c->error_code ? -1 : call_no_memory(c);
    call_object(c, "subnet", s);
    return 0;
}

struct subnet_id {
    char *subnet_id;
};
static const struct field subnet_id_fields[] = {
    FIELD(0, FT_STR, struct subnet_id, subnet_id, "SubnetId", .flags = FF_REQUIRED),
};
static const struct desc subnet_id_desc = DESC("SubnetId", struct subnet_id, subnet_id_fields);

static int delete_subnet(struct call *c, const void *params) {
    const struct subnet_id *p = params;
    const struct subnet *s = call_get(c, KIND_SUBNET, p->subnet_id);
    struct cursor cur;

    if (!s)
        return -1;
    if (cursor_by(c->ix, &cur, KIND_NETWORK_INTERFACE, ENI_BY_SUBNET, s->o.id))
        return call_error(c, "DependencyViolation",
                          "The subnet '%s' has dependencies and cannot be deleted.", s->o.id);
    /* Its association with a route table goes with it. */
    if (cursor_by(c->ix, &cur, KIND_ROUTE_TABLE, RTB_BY_SUBNET, s->o.id)) {
        struct route_table *t = txn_edit(c->txn, cur.obj);

        if (!t)
            return call_no_memory(c);
        route_table_disassociate(t, s->o.id);
        txn_put(c->txn, t);
    }
    subnet_reservations_delete(c, s->o.id);
    txn_delete(c->txn, s);
    return call_return_true(c);
}

DESCRIBE_PARAMS(describe_subnets_params, "SubnetId");

static int describe_subnets(struct call *c, const void *params) {
    const struct describe_ids *p = params;

    return describe(c, &(struct describe){.kind = KIND_SUBNET, .ids = &p->ids, .set = "subnetSet"});
}

struct modify_subnet {
    char *subnet_id;
    uint8_t map_public_ip, assign_ipv6, dns64, name_a, name_aaaa;
    char *hostname_type;
};
static const struct field modify_subnet_fields[] = {
    FIELD(0, FT_STR, struct modify_subnet, subnet_id, "SubnetId", .flags = FF_REQUIRED),
    FIELD(0, FT_TRI, struct modify_subnet, map_public_ip, "MapPublicIpOnLaunch.Value"),
    FIELD(0, FT_TRI, struct modify_subnet, assign_ipv6, "AssignIpv6AddressOnCreation.Value"),
    FIELD(0, FT_TRI, struct modify_subnet, dns64, "EnableDns64.Value"),
    FIELD(0, FT_TRI, struct modify_subnet, name_a, "EnableResourceNameDnsARecordOnLaunch.Value"),
    FIELD(0, FT_TRI, struct modify_subnet, name_aaaa,
          "EnableResourceNameDnsAAAARecordOnLaunch.Value"),
    FIELD(0, FT_STR, struct modify_subnet, hostname_type, "PrivateDnsHostnameTypeOnLaunch"),
};
static const struct desc modify_subnet_desc =
    DESC("ModifySubnetAttribute", struct modify_subnet, modify_subnet_fields);

static void set_bool(bool *dst, uint8_t tri) {
    if (tri)
        *dst = tri == TRI_TRUE;
}

static int modify_subnet_attribute(struct call *c, const void *params) {
    const struct modify_subnet *p = params;
    const struct subnet *s = call_get(c, KIND_SUBNET, p->subnet_id);
    int given = !!p->map_public_ip + !!p->assign_ipv6 + !!p->dns64 + !!p->name_a + !!p->name_aaaa +
                !!p->hostname_type;
    struct subnet *n;

    if (!s)
        return -1;
    if (given != 1)
        return call_error(c, "InvalidParameterCombination",
                          "Exactly one attribute must be specified.");
    if (p->hostname_type && strcmp(p->hostname_type, "ip-name") != 0 &&
        strcmp(p->hostname_type, "resource-name") != 0)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter privateDnsHostnameTypeOnLaunch is invalid. "
                          "It must be ip-name "
                          "or resource-name.",
                          p->hostname_type);
    if (p->assign_ipv6 == TRI_TRUE && !subnet_cidr6(s))
        return call_error(c, "InvalidParameterValue",
                          "Invalid value 'true' for assignIpv6AddressOnCreation. Subnet must have "
                          "IPv6 CIDR block "
                          "associated first.");
    n = txn_edit(c->txn, s);
    if (!n)
        return call_no_memory(c);
    set_bool(&n->map_public_ip, p->map_public_ip);
    set_bool(&n->assign_ipv6, p->assign_ipv6);
    set_bool(&n->dns64, p->dns64);
    set_bool(&n->resource_name_dns_a, p->name_a);
    set_bool(&n->resource_name_dns_aaaa, p->name_aaaa);
    if (p->hostname_type)
        obj_set(&n->o, &n->hostname_type, p->hostname_type);
    txn_put(c->txn, n);
    return call_return_true(c);
}

static const struct action rows[] = {
    {"CreateSubnet", &create_subnet_desc, create_subnet},
    {"DeleteSubnet", &subnet_id_desc, delete_subnet},
    {"DescribeSubnets", &describe_subnets_params, describe_subnets, ACT_FILTERS, "subnetSet"},
    {"ModifySubnetAttribute", &modify_subnet_desc, modify_subnet_attribute},
};
ACTIONS(subnet_actions, rows);
