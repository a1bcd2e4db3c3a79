/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ClassicLink ended in 2022, and clients still ask which VPCs have it: none (EC2 API reference,
 * "DescribeVpcClassicLink").
 */
#include "api/actions.h"

static bool get_disabled(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, "false");
    return true;
}

static const struct field link_fields[] = {
    {.type = FT_GET,
     .wire = "classicLinkEnabled",
     .filter = "is-classic-link-enabled",
     .get = get_disabled},
    FIELD(0, FT_LIST, struct vpc, tags, "tagSet", .filter = "", .sub = &tag_desc),
    {.type = FT_GET, .wire = "vpcId", .filter = "vpc-id", .get = get_id},
};
static const struct desc link_desc = DESC("ClassicLink", struct vpc, link_fields);

static const struct field dns_fields[] = {
    {.type = FT_GET, .wire = "classicLinkDnsSupported", .get = get_disabled},
    {.type = FT_GET, .wire = "vpcId", .get = get_id},
};
static const struct desc dns_desc = DESC("ClassicLink DNS", struct vpc, dns_fields);

DESCRIBE_PARAMS(link_params, "VpcId");
DESCRIBE_PARAMS(dns_params, "VpcIds");

static int describe_vpc_classic_link(struct call *c, const void *params) {
    const struct describe_ids *p = params;

    return describe(c, &(struct describe){
                           .kind = KIND_VPC, .ids = &p->ids, .set = "vpcSet", .view = &link_desc});
}

static int describe_vpc_classic_link_dns_support(struct call *c, const void *params) {
    const struct describe_ids *p = params;

    return describe(
        c, &(struct describe){.kind = KIND_VPC, .ids = &p->ids, .set = "vpcs", .view = &dns_desc});
}

static const struct action rows[] = {
    {"DescribeVpcClassicLink", &link_params, describe_vpc_classic_link, ACT_FILTERS, "vpcSet"},
    {"DescribeVpcClassicLinkDnsSupport", &dns_params, describe_vpc_classic_link_dns_support,
     ACT_FILTERS, "vpcs"},
};
ACTIONS(classic_link_actions, rows);
