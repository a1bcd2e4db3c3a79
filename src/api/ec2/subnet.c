/* SPDX-License-Identifier: Apache-2.0 */
/* Subnets. */
#include <stdio.h>
#include <string.h>

#include "api/ec2/flow_log.h"
#include "api/limits.h"
#include "api/ec2/subnet.h"
#include "api/ec2/vpc_cidr.h"

static int bad_range(struct call *c, const struct cidr *cidr) {
    char text[CIDR_TEXT];

    return call_error(c, "InvalidSubnet.Range", "The CIDR '%s' is invalid.",
                      cidr_format(cidr, text));
}

static bool is_inside(const struct list *associations, const struct cidr *cidr) {
    list_each (struct cidr_association, a, *associations)
        if (cidr_contains(&a->cidr, cidr))
            return true;
    return false;
}

static bool conflicts(const struct subnet *s, const struct cidr *cidr) {
    const struct cidr *own = cidr->ip.family == IP_V4 ? &s->cidr : subnet_cidr6(s);

    return own && cidr_overlaps(own, cidr);
}

static int check_conflicts(struct call *c, const struct vpc *v, const struct cidr *cidr) {
    struct cursor cur;
    char text[CIDR_TEXT];

    index_each_by(c->ix, cur, KIND_SUBNET, SUBNET_BY_VPC, v->o.id) {
        if (conflicts(cur.obj, cidr))
            return call_error(c, "InvalidSubnet.Conflict",
                              "The CIDR '%s' conflicts with another subnet",
                              cidr_format(cidr, text));
    }
    return 0;
}

int subnet_check_cidr(struct call *c, const struct vpc *v, const struct cidr *cidr) {
    bool v4 = cidr->ip.family == IP_V4;

    if ((v4 ? cidr->len < 16 || cidr->len > 28 : cidr->len != 64) ||
        !is_inside(v4 ? &v->cidrs : &v->cidrs6, cidr))
        return bad_range(c, cidr);
    return check_conflicts(c, v, cidr);
}

int subnet_zone(struct call *c, const char *zone, const char *zone_id) {
    const char *wanted = zone ? zone : zone_id, *region = region_name(c->scope.region);
    int i = wanted ? zone_by_name(c->scope.region, wanted) : 0;

    if (zone && zone_id)
        return call_error(c, "InvalidParameterCombination",
                          "Only one of AvailabilityZone and AvailabilityZoneId may be specified");
    if (i < 0)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter availabilityZone is invalid. Subnets can "
                          "currently only be created in the following availability zones: %sa, "
                          "%sb, %sc.",
                          wanted, region, region, region);
    return i;
}

const struct cidr_association *subnet_add_cidr6(struct call *c, struct subnet *s,
                                                const struct cidr *cidr) {
    struct cidr_association *a = list_add(&s->cidrs6, sizeof(*a));
    char id[64];

    if (!a || !str_set(&a->id, obj_make_id("subnet-cidr-assoc-", id))) {
        call_no_memory(c);
        return NULL;
    }
    a->cidr = *cidr;
    return a;
}

struct subnet *subnet_create(struct call *c, const struct vpc *v, const char *zone,
                             const struct cidr *cidr, const struct cidr *cidr6,
                             const struct list *tag_specifications) {
    struct subnet *s;
    char id[64];

    if (subnet_check_cidr(c, v, cidr) < 0 ||
        (cidr6->ip.family && subnet_check_cidr(c, v, cidr6) < 0))
        return NULL;
    if ((int64_t)index_count_by(c->ix, KIND_SUBNET, SUBNET_BY_VPC, v->o.id) >=
        limit_of(c->ix, c->scope.account, LIMIT_SUBNETS)) {
        call_error(c, "SubnetLimitExceeded", "The maximum number of subnets has been reached.");
        return NULL;
    }
    s = call_new(c, KIND_SUBNET);
    if (!s || call_tags(c, tag_specifications, s) < 0)
        return NULL;
    obj_set(&s->o, &s->vpc_id, v->o.id);
    obj_set(&s->o, &s->zone, zone);
    s->cidr = *cidr;
    if (cidr6->ip.family && !subnet_add_cidr6(c, s, cidr6))
        return NULL;
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
    char *outpost, *ipam4, *ipam6;
    struct optint len4, len6;
    uint8_t ipv6_native;
    struct list tag_specifications;
};
static const struct field create_subnet_fields[] = {
    FIELD(0, FT_STR, struct create_subnet, vpc_id, "VpcId", .flags = FF_REQUIRED),
    FIELD(0, FT_CIDR, struct create_subnet, cidr, "CidrBlock"),
    FIELD(0, FT_CIDR, struct create_subnet, cidr6, "Ipv6CidrBlock"),
    FIELD(0, FT_STR, struct create_subnet, zone, "AvailabilityZone"),
    FIELD(0, FT_STR, struct create_subnet, zone_id, "AvailabilityZoneId"),
    FIELD(0, FT_STR, struct create_subnet, outpost, "OutpostArn"),
    FIELD(0, FT_TRI, struct create_subnet, ipv6_native, "Ipv6Native"),
    FIELD(0, FT_STR, struct create_subnet, ipam4, "Ipv4IpamPoolId"),
    FIELD(0, FT_STR, struct create_subnet, ipam6, "Ipv6IpamPoolId"),
    FIELD(0, FT_OPTINT, struct create_subnet, len4, "Ipv4NetmaskLength"),
    FIELD(0, FT_OPTINT, struct create_subnet, len6, "Ipv6NetmaskLength"),
    TAG_SPECIFICATIONS(struct create_subnet),
};
static const struct desc create_subnet_desc =
    DESC("CreateSubnet", struct create_subnet, create_subnet_fields);

int subnet_refuse_ipv6_native(struct call *c, uint8_t wanted) {
    if (wanted != TRI_TRUE)
        return 0;
    return call_error(c, "UnsupportedOperation", "IPv6-only subnets are not offered.");
}

static int check_create(struct call *c, const struct create_subnet *p) {
    char text[CIDR_TEXT];

    if (subnet_refuse_ipv6_native(c, p->ipv6_native) < 0 ||
        check_ipam_params(c, p->ipam4, &p->len4, p->ipam6, &p->len6) < 0)
        return -1;
    if (p->outpost)
        return call_error(c, "UnsupportedOperation", "There are no Outposts.");
    if (!p->cidr.ip.family)
        return call_error(c, "MissingParameter",
                          "The request must contain the parameter CidrBlock");
    if (p->cidr.ip.family != IP_V4 || p->cidr6.ip.family == IP_V4)
        return call_error(c, "InvalidParameterValue",
                          "Value (%s) for parameter %s is invalid. This is not a valid CIDR block.",
                          cidr_format(p->cidr.ip.family != IP_V4 ? &p->cidr : &p->cidr6, text),
                          p->cidr.ip.family != IP_V4 ? "cidrBlock" : "ipv6CidrBlock");
    return 0;
}

static int create_subnet(struct call *c, const void *params) {
    const struct create_subnet *p = params;
    static const enum kind taggable[] = {KIND_SUBNET};
    const struct vpc *v = call_get(c, KIND_VPC, p->vpc_id);
    struct cidr cidr = cidr_mask(&p->cidr), cidr6 = cidr_mask(&p->cidr6);
    struct subnet *s;
    char zone[32];
    int i;

    if (!v || check_create(c, p) < 0 || (i = subnet_zone(c, p->zone, p->zone_id)) < 0 ||
        call_tags_check(c, &p->tag_specifications, taggable, 1) < 0)
        return -1;
    s = subnet_create(c, v, zone_name(c->scope.region, (unsigned)i, zone), &cidr, &cidr6,
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
    flow_logs_drop(c, s->o.id);
    txn_delete(c->txn, s);
    return call_return_true(c);
}

DESCRIBE_PARAMS(describe_subnets_params, "SubnetId");

static int describe_subnets(struct call *c, const void *params) {
    const struct describe_ids *p = params;

    return describe(c, &(struct describe){.kind = KIND_SUBNET, .ids = &p->ids, .set = "subnetSet"});
}

static const struct action rows[] = {
    {"CreateSubnet", &create_subnet_desc, create_subnet},
    {"DeleteSubnet", &subnet_id_desc, delete_subnet},
    {"DescribeSubnets", &describe_subnets_params, describe_subnets, ACT_FILTERS, "subnetSet"},
};
ACTIONS(subnet_actions, rows);
