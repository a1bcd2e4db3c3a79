/* SPDX-License-Identifier: Apache-2.0 */
/* The attributes of VPCs that are switched one at a time. */
#include <string.h>

#include "api/actions.h"

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
    if (p->dns_hostnames == TRI_TRUE && !v->dns_support)
        return call_error(c, "InvalidParameterValue",
                          "DNS hostnames can only be enabled in a VPC that has DNS support.");
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

struct tenancy_params {
    char *vpc_id, *tenancy;
};
static const struct field tenancy_fields[] = {
    FIELD(0, FT_STR, struct tenancy_params, vpc_id, "VpcId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct tenancy_params, tenancy, "InstanceTenancy", .flags = FF_REQUIRED),
};
static const struct desc tenancy_desc =
    DESC("ModifyVpcTenancy", struct tenancy_params, tenancy_fields);

/* It can only change dedicated to default, and no VPC here is dedicated. */
static int modify_vpc_tenancy(struct call *c, const void *params) {
    const struct tenancy_params *p = params;

    if (!call_get(c, KIND_VPC, p->vpc_id))
        return -1;
    if (strcmp(p->tenancy, "default") != 0)
        return call_error(c, "UnsupportedTenancy", "The tenancy value %.64s is not supported.",
                          p->tenancy);
    return call_error(c, "InvalidTenancy", "The tenancy of the vpc '%s' is default already.",
                      p->vpc_id);
}

static const struct action rows[] = {
    {"DescribeVpcAttribute", &vpc_attribute_desc, describe_vpc_attribute},
    {"ModifyVpcAttribute", &modify_vpc_desc, modify_vpc_attribute},
    {"ModifyVpcTenancy", &tenancy_desc, modify_vpc_tenancy},
};
ACTIONS(vpc_attribute_actions, rows);
