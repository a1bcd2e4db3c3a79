/* SPDX-License-Identifier: Apache-2.0 */
/* VPCs; their CIDR blocks are in vpc_cidr.c. */
#include <stdio.h>
#include <string.h>

#include "api/ec2/flow_log.h"
#include "api/ec2/gateway.h"
#include "api/limits.h"
#include "api/ec2/vpc_cidr.h"

const struct network_acl *vpc_default_acl(const struct index *ix, const char *vpc_id) {
    struct cursor cur;

    index_each_by(ix, cur, KIND_NETWORK_ACL, ACL_BY_VPC, vpc_id) {
        if (((const struct network_acl *)cur.obj)->is_default)
            return cur.obj;
    }
    return NULL;
}

const struct security_group *vpc_default_group(const struct index *ix, const char *vpc_id) {
    struct cursor cur;

    index_each_by(ix, cur, KIND_SECURITY_GROUP, SG_BY_VPC, vpc_id) {
        const struct security_group *g = cur.obj;

        if (strcmp(g->name, "default") == 0)
            return g;
    }
    return NULL;
}

const struct internet_gateway *vpc_gateway(const struct index *ix, const char *vpc_id) {
    struct cursor cur;

    return cursor_by(ix, &cur, KIND_INTERNET_GATEWAY, IGW_BY_VPC, vpc_id) ? cur.obj : NULL;
}

static struct network_acl *default_acl_create(struct call *c, const struct vpc *v) {
    struct network_acl *a = call_new(c, KIND_NETWORK_ACL);

    if (!a)
        return NULL;
    obj_set(&a->o, &a->vpc_id, v->o.id);
    a->is_default = true;
    /* IPv6 entries exist in a VPC that has IPv6. */
    for (int egress = 0; egress < 2; egress++)
        if (!network_acl_add_base(a, egress, IP_V4, true) ||
            (v->cidrs6.n && !network_acl_add_base(a, egress, IP_V6, true)))
            return NULL;
    txn_put(c->txn, a);
    return a;
}

struct vpc *vpc_create(struct call *c, const struct vpc_parts *parts,
                       const struct list *tag_specifications) {
    struct vpc *v = call_new(c, KIND_VPC);
    const struct dhcp_options *options;

    if (!v || call_tags(c, tag_specifications, v) < 0)
        return NULL;
    if ((int64_t)index_count_in(c->ix, KIND_VPC, c->scope) >=
        limit_of(c->ix, c->scope.account, LIMIT_VPCS)) {
        call_error(c, "VpcLimitExceeded", "The maximum number of VPCs has been reached.");
        return NULL;
    }
    v->cidr = parts->cidr;
    if (!vpc_add_cidr(c, v, &parts->cidr) || (parts->amazon_ipv6 && !vpc_add_ipv6(c, v)))
        return NULL;
    v->is_default = parts->is_default;
    v->dns_support = true;
    v->dns_hostnames = parts->is_default;
    obj_set(&v->o, &v->tenancy, "default");
    options = dhcp_options_default(c);
    if (!options)
        return NULL;
    obj_set(&v->o, &v->dhcp_options_id, options->o.id);
    txn_put(c->txn, v);
    if (!default_acl_create(c, v) || !route_table_create(c, v, true, NULL) ||
        !security_group_create(c, v, "default", "default VPC security group", NULL))
        return NULL;
    return v;
}

struct create_vpc {
    struct vpc_cidr_params cidrs;
    char *tenancy;
    struct list tag_specifications;
};
static const struct field create_vpc_fields[] = {
    VPC_CIDR_PARAMS(struct create_vpc, cidrs),
    FIELD(0, FT_STR, struct create_vpc, tenancy, "InstanceTenancy"),
    TAG_SPECIFICATIONS(struct create_vpc),
};
static const struct desc create_vpc_desc = DESC("CreateVpc", struct create_vpc, create_vpc_fields);

static int create_vpc(struct call *c, const void *params) {
    const struct create_vpc *p = params;
    static const enum kind taggable[] = {KIND_VPC};
    struct vpc_parts parts = {.cidr = cidr_mask(&p->cidrs.cidr),
                              .amazon_ipv6 = p->cidrs.amazon_ipv6 == TRI_TRUE};
    struct vpc *v;

    if (vpc_check_cidr_params(c, &p->cidrs) < 0)
        return -1;
    if (!parts.cidr.ip.family)
        return call_error(c, "MissingParameter",
                          "The request must contain the parameter CidrBlock");
    if (p->tenancy && strcmp(p->tenancy, "default") != 0)
        return call_error(
            c, "InvalidParameterValue",
            "Value (%s) for parameter instanceTenancy is invalid. Only 'default' is offered.",
            p->tenancy);
    if (call_tags_check(c, &p->tag_specifications, taggable, 1) < 0)
        return -1;
    v = vpc_create(c, &parts, &p->tag_specifications);
    if (!v)
        return c->error_code ? -1 : call_no_memory(c);
    xml_open(&c->xml, "vpc");
    /* EC2 answers `pending`; the next Describe says `available`. */
    xml_fields_as(&c->xml, &vpc_desc, &c->look, v, "state", "pending");
    xml_close(&c->xml, "vpc");
    return 0;
}

struct vpc_id {
    char *vpc_id;
};
static const struct field vpc_id_fields[] = {
    FIELD(0, FT_STR, struct vpc_id, vpc_id, "VpcId", .flags = FF_REQUIRED),
};
static const struct desc vpc_id_desc = DESC("VpcId", struct vpc_id, vpc_id_fields);

/* What keeps a VPC from being deleted (EC2 API reference, DeleteVpc). */
static bool vpc_in_use(struct call *c, const char *id) {
    struct cursor cur;

    if (cursor_by(c->ix, &cur, KIND_SUBNET, SUBNET_BY_VPC, id) || gateways_in_vpc(c, id) ||
        cursor_by(c->ix, &cur, KIND_NETWORK_INTERFACE, ENI_BY_VPC, id) ||
        cursor_by(c->ix, &cur, KIND_SECURITY_GROUP, SG_BY_ASSOCIATION, id))
        return true;
    index_each_by(c->ix, cur, KIND_SECURITY_GROUP, SG_BY_VPC, id) {
        if (strcmp(((const struct security_group *)cur.obj)->name, "default") != 0)
            return true;
    }
    index_each_by(c->ix, cur, KIND_ROUTE_TABLE, RTB_BY_VPC, id) {
        if (cur.obj != route_table_main(c->ix, id))
            return true;
    }
    index_each_by(c->ix, cur, KIND_NETWORK_ACL, ACL_BY_VPC, id) {
        if (!((const struct network_acl *)cur.obj)->is_default)
            return true;
    }
    return false;
}

static int delete_vpc(struct call *c, const void *params) {
    const struct vpc_id *p = params;
    const struct vpc *v = call_get(c, KIND_VPC, p->vpc_id);
    const struct security_group *g;
    char claim[ID_MAX];

    if (!v)
        return -1;
    if (vpc_in_use(c, p->vpc_id))
        return call_error(c, "DependencyViolation",
                          "The vpc '%s' has dependencies and cannot be deleted.", p->vpc_id);
    if (peerings_end(c, v) < 0)
        return -1;
    g = vpc_default_group(c->ix, p->vpc_id);
    snprintf(claim, sizeof(claim), "sg-name/%s/default", p->vpc_id);
    txn_release(c->txn, c->scope, claim);
    txn_delete(c->txn, g);
    txn_delete(c->txn, vpc_default_acl(c->ix, p->vpc_id));
    txn_delete(c->txn, route_table_main(c->ix, p->vpc_id));
    list_each (struct cidr_association, a, v->cidrs6)
        vpc_release_ipv6(c, &a->cidr);
    flow_logs_drop(c, v->o.id);
    txn_delete(c->txn, v);
    return call_return_true(c);
}

DESCRIBE_PARAMS(describe_vpcs_params, "VpcId");

static int describe_vpcs(struct call *c, const void *params) {
    const struct describe_ids *p = params;

    return describe(c, &(struct describe){.kind = KIND_VPC, .ids = &p->ids, .set = "vpcSet"});
}

static const struct action rows[] = {
    {"CreateVpc", &create_vpc_desc, create_vpc},
    {"DeleteVpc", &vpc_id_desc, delete_vpc},
    {"DescribeVpcs", &describe_vpcs_params, describe_vpcs, ACT_FILTERS, "vpcSet"},
};
ACTIONS(vpc_actions, rows);
