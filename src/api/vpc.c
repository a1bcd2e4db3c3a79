/* SPDX-License-Identifier: Apache-2.0 */
/* VPCs and their attributes. */
#include <stdio.h>
#include <string.h>

#include "api/gateway.h"
#include "api/limits.h"

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

static char *ipv6_claim(const struct cidr *c, char *out) {
    char text[CIDR_TEXT];

    snprintf(out, ID_MAX, "ipv6/%s", cidr_format(c, text));
    return out;
}

bool vpc_allocate_ipv6(struct call *c, const char *vpc_id, struct cidr *ret_cidr) {
    const struct cidr *pool = &api_config(c->api)->ipv6_pool;
    struct cidr candidate = {.ip = pool->ip, .len = 56};
    struct scope global = {0};
    char claim[ID_MAX];
    uint64_t n = pool->len >= 56 ? 1 : (uint64_t)1 << (56 - pool->len);

    /* The first /56 is the host's. */
    for (uint64_t i = 1; i < n; i++) {
        /* Bytes 0 to 6 count /56 prefixes. */
        for (int b = 6, carry = 1; b >= 0 && carry; b--)
            carry = ++candidate.ip.b[b] == 0;
        if (txn_claim(c->txn, global, ipv6_claim(&candidate, claim), vpc_id)) {
            *ret_cidr = candidate;
            return true;
        }
    }
    call_error(c, "InsufficientCidrBlocks", "The pool of IPv6 prefixes is used up");
    return false;
}

static int add_cidr(struct call *c, struct list *list, const char *prefix,
                    const struct cidr *cidr) {
    struct cidr_association *a = list_add(list, sizeof(*a));
    char id[64];

    if (!a || !str_set(&a->id, obj_make_id(prefix, id)))
        return call_no_memory(c);
    a->cidr = *cidr;
    return 0;
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
    struct cidr cidr6;

    if (!v || call_tags(c, tag_specifications, v) < 0)
        return NULL;
    if ((int64_t)index_count_in(c->ix, KIND_VPC, c->scope) >=
        limit_of(c->ix, c->scope.account, LIMIT_VPCS)) {
        call_error(c, "VpcLimitExceeded", "The maximum number of VPCs has been reached.");
        return NULL;
    }
    v->cidr = parts->cidr;
    if (add_cidr(c, &v->cidrs, "vpc-cidr-assoc-", &parts->cidr) < 0)
        return NULL;
    if (parts->amazon_ipv6 && (!vpc_allocate_ipv6(c, v->o.id, &cidr6) ||
                               add_cidr(c, &v->cidrs6, "vpc-cidr-assoc-", &cidr6) < 0))
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
    struct cidr cidr;
    char *tenancy;
    uint8_t amazon_ipv6;
    struct list tag_specifications;
};
static const struct field create_vpc_fields[] = {
    FIELD(0, FT_CIDR, struct create_vpc, cidr, "CidrBlock", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct create_vpc, tenancy, "InstanceTenancy"),
    FIELD(0, FT_TRI, struct create_vpc, amazon_ipv6, "AmazonProvidedIpv6CidrBlock"),
    TAG_SPECIFICATIONS(struct create_vpc),
};
static const struct desc create_vpc_desc = DESC("CreateVpc", struct create_vpc, create_vpc_fields);

static int create_vpc(struct call *c, const void *params) {
    const struct create_vpc *p = params;
    static const enum kind taggable[] = {KIND_VPC};
    struct vpc_parts parts = {.cidr = cidr_mask(&p->cidr),
                              .amazon_ipv6 = p->amazon_ipv6 == TRI_TRUE};
    struct vpc *v;
    char text[CIDR_TEXT];

    if (p->cidr.ip.family != IP_V4)
        return call_error(
            c, "InvalidParameterValue",
            "Value (%s) for parameter cidrBlock is invalid. This is not a valid CIDR block.",
            cidr_format(&p->cidr, text));
    if (p->cidr.len < 16 || p->cidr.len > 28)
        return call_error(c, "InvalidVpc.Range", "The CIDR '%s' is invalid.",
                          cidr_format(&p->cidr, text));
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
    g = vpc_default_group(c->ix, p->vpc_id);
    snprintf(claim, sizeof(claim), "sg-name/%s/default", p->vpc_id);
    txn_release(c->txn, c->scope, claim);
    txn_delete(c->txn, g);
    txn_delete(c->txn, vpc_default_acl(c->ix, p->vpc_id));
    txn_delete(c->txn, route_table_main(c->ix, p->vpc_id));
    list_each (struct cidr_association, a, v->cidrs6)
        txn_release(c->txn, (struct scope){0}, ipv6_claim(&a->cidr, claim));
    txn_delete(c->txn, v);
    return call_return_true(c);
}

DESCRIBE_PARAMS(describe_vpcs_params, "VpcId");

static int describe_vpcs(struct call *c, const void *params) {
    const struct describe_ids *p = params;

    return describe(c, &(struct describe){.kind = KIND_VPC, .ids = &p->ids, .set = "vpcSet"});
}

struct vpc_attribute {
    char *vpc_id;
    char *attribute;
};
static const struct field vpc_attribute_fields[] = {
    FIELD(0, FT_STR, struct vpc_attribute, vpc_id, "VpcId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct vpc_attribute, attribute, "Attribute", .flags = FF_REQUIRED),
};
static const struct desc vpc_attribute_desc =
    DESC("DescribeVpcAttribute", struct vpc_attribute, vpc_attribute_fields);

static int describe_vpc_attribute(struct call *c, const void *params) {
    const struct vpc_attribute *p = params;
    const struct vpc *v = call_get(c, KIND_VPC, p->vpc_id);
    bool value;

    if (!v)
        return -1;
    if (strcmp(p->attribute, "enableDnsSupport") == 0)
        value = v->dns_support;
    else if (strcmp(p->attribute, "enableDnsHostnames") == 0)
        value = v->dns_hostnames;
    else if (strcmp(p->attribute, "enableNetworkAddressUsageMetrics") == 0)
        value = v->network_address_usage_metrics;
    else
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter attribute is invalid. Unknown attribute.",
                          p->attribute);
    xml_text(&c->xml, "vpcId", v->o.id);
    xml_open(&c->xml, p->attribute);
    xml_bool(&c->xml, "value", value);
    xml_close(&c->xml, p->attribute);
    return 0;
}

struct modify_vpc {
    char *vpc_id;
    uint8_t dns_support, dns_hostnames, metrics;
};
static const struct field modify_vpc_fields[] = {
    FIELD(0, FT_STR, struct modify_vpc, vpc_id, "VpcId", .flags = FF_REQUIRED),
    FIELD(0, FT_TRI, struct modify_vpc, dns_support, "EnableDnsSupport.Value"),
    FIELD(0, FT_TRI, struct modify_vpc, dns_hostnames, "EnableDnsHostnames.Value"),
    FIELD(0, FT_TRI, struct modify_vpc, metrics, "EnableNetworkAddressUsageMetrics.Value"),
};
static const struct desc modify_vpc_desc =
    DESC("ModifyVpcAttribute", struct modify_vpc, modify_vpc_fields);

static int modify_vpc_attribute(struct call *c, const void *params) {
    const struct modify_vpc *p = params;
    const struct vpc *v = call_get(c, KIND_VPC, p->vpc_id);
    int given = (p->dns_support != 0) + (p->dns_hostnames != 0) + (p->metrics != 0);
    struct vpc *n;

    if (!v)
        return -1;
    if (given != 1)
        return call_error(c, "InvalidParameterCombination",
                          "Exactly one attribute must be specified.");
    n = txn_edit(c->txn, v);
    if (!n)
        return call_no_memory(c);
    if (p->dns_support)
        n->dns_support = p->dns_support == TRI_TRUE;
    if (p->dns_hostnames)
        n->dns_hostnames = p->dns_hostnames == TRI_TRUE;
    if (p->metrics)
        n->network_address_usage_metrics = p->metrics == TRI_TRUE;
    txn_put(c->txn, n);
    return call_return_true(c);
}

static const struct action rows[] = {
    {"CreateVpc", &create_vpc_desc, create_vpc},
    {"DeleteVpc", &vpc_id_desc, delete_vpc},
    {"DescribeVpcAttribute", &vpc_attribute_desc, describe_vpc_attribute},
    {"DescribeVpcs", &describe_vpcs_params, describe_vpcs, ACT_FILTERS, "vpcSet"},
    {"ModifyVpcAttribute", &modify_vpc_desc, modify_vpc_attribute},
};
ACTIONS(vpc_actions, rows);
