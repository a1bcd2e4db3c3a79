/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EC2-Classic and ClassicLink ended in 2022 (EC2 user guide, "EC2-Classic"), and clients still ask
 * who has them: nobody. What would begin or end something is refused as in a region that never had
 * EC2-Classic.
 */
#include <string.h>

#include "api/actions.h"

static int not_available(struct call *c) {
    return call_error(c, "UnsupportedOperation",
                      "The functionality you requested is not available in this region.");
}

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

/* Linked instances: there are none. */
DESCRIBE_PARAMS(linked_params, "InstanceId");

static bool keep_none(struct call *c, const void *obj, void *arg) {
    return false;
}

static const struct field linked_fields[] = {
    {.type = FT_GET, .wire = "instanceId", .filter = "instance-id", .get = get_id},
    {.type = FT_GET, .filter = "vpc-id|group-id", .get = get_disabled},
    FIELD(0, FT_LIST, struct instance, tags, "tagSet", .filter = "", .sub = &tag_desc),
};
static const struct desc linked_desc = DESC("ClassicLink instance", struct instance, linked_fields);

static int describe_classic_link_instances(struct call *c, const void *params) {
    const struct describe_ids *p = params;

    return describe(c, &(struct describe){.kind = KIND_INSTANCE,
                                          .ids = &p->ids,
                                          .set = "instancesSet",
                                          .view = &linked_desc,
                                          .keep = keep_none});
}

struct link_instance {
    char *vpc_id, *instance_id;
    struct list groups;
};
static const struct field link_instance_fields[] = {
    FIELD(0, FT_STR, struct link_instance, vpc_id, "VpcId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct link_instance, instance_id, "InstanceId", .flags = FF_REQUIRED),
    FIELD(0, FT_STRS, struct link_instance, groups, "SecurityGroupId", .flags = FF_REQUIRED),
};
static const struct desc attach_desc =
    DESC("AttachClassicLinkVpc", struct link_instance, link_instance_fields);
static const struct desc detach_desc = {.name = "DetachClassicLinkVpc",
                                        .size = sizeof(struct link_instance),
                                        .fields = link_instance_fields,
                                        .n_fields = 2,
                                        .unknown = -1};

/* Only an instance of EC2-Classic can be linked. */
static int attach_classic_link_vpc(struct call *c, const void *params) {
    const struct link_instance *p = params;

    if (!call_get(c, KIND_VPC, p->vpc_id) || !call_get(c, KIND_INSTANCE, p->instance_id))
        return -1;
    return call_error(c, "InvalidInstanceID.NotLinkable", "The instance '%s' is not linkable.",
                      p->instance_id);
}

static int detach_classic_link_vpc(struct call *c, const void *params) {
    const struct link_instance *p = params;

    if (!call_get(c, KIND_VPC, p->vpc_id) || !call_get(c, KIND_INSTANCE, p->instance_id))
        return -1;
    return call_error(c, "InvalidParameterValue",
                      "The instance '%s' is not linked to the vpc '%s'.", p->instance_id,
                      p->vpc_id);
}

struct vpc_id {
    char *vpc_id;
};
static const struct field vpc_id_fields[] = {
    FIELD(0, FT_STR, struct vpc_id, vpc_id, "VpcId", .flags = FF_REQUIRED),
};
static const struct desc vpc_id_desc = DESC("VpcId", struct vpc_id, vpc_id_fields);

static int enable_classic_link(struct call *c, const void *params) {
    const struct vpc_id *p = params;

    return call_get(c, KIND_VPC, p->vpc_id) ? not_available(c) : -1;
}

/* It is disabled. */
static int disable_classic_link(struct call *c, const void *params) {
    const struct vpc_id *p = params;

    return call_get(c, KIND_VPC, p->vpc_id) ? call_return_true(c) : -1;
}

/* Addresses that move between EC2-Classic and VPCs: there are none. */

static const struct address *find_address(struct call *c, const char *text) {
    struct cursor cur;
    struct ip ip;

    if (ip_parse(text, &ip) == 0) {
        index_each_in(c->ix, cur, KIND_ADDRESS, c->scope) {
            const struct address *a = cur.obj;

            if (ip_equal(&a->public_ip, &ip))
                return a;
        }
    }
    call_error(c, "InvalidAddress.NotFound", "Address '%.64s' not found.", text);
    return NULL;
}

DESCRIBE_PARAMS(moving_params, "PublicIp");

static const struct field moving_fields[] = {
    {.type = FT_GET, .filter = "moving-status", .get = get_disabled},
};
static const struct desc moving_desc = DESC("moving address", struct address, moving_fields);

static int describe_moving_addresses(struct call *c, const void *params) {
    const struct describe_ids *p = params;
    struct page page;

    list_each (char *, ip, p->ids) {
        if (!find_address(c, *ip))
            return -1;
    }
    return describe_begin(&page, c, &moving_desc, "movingAddressStatusSet") < 0
               ? -1
               : describe_end(&page);
}

struct public_ip {
    char *ip;
};
static const struct field public_ip_fields[] = {
    FIELD(0, FT_STR, struct public_ip, ip, "PublicIp", .flags = FF_REQUIRED),
};
static const struct desc public_ip_desc = DESC("PublicIp", struct public_ip, public_ip_fields);

static int move_address(struct call *c, const void *params) {
    const struct public_ip *p = params;

    return find_address(c, p->ip) ? not_available(c) : -1;
}

static const struct action rows[] = {
    {"AttachClassicLinkVpc", &attach_desc, attach_classic_link_vpc},
    {"DescribeClassicLinkInstances", &linked_params, describe_classic_link_instances, ACT_FILTERS,
     "instancesSet"},
    {"DescribeMovingAddresses", &moving_params, describe_moving_addresses, ACT_FILTERS,
     "movingAddressStatusSet"},
    {"DescribeVpcClassicLink", &link_params, describe_vpc_classic_link, ACT_FILTER, "vpcSet"},
    {"DescribeVpcClassicLinkDnsSupport", &dns_params, describe_vpc_classic_link_dns_support,
     ACT_PAGES, "vpcs"},
    {"DetachClassicLinkVpc", &detach_desc, detach_classic_link_vpc},
    {"DisableVpcClassicLink", &vpc_id_desc, disable_classic_link},
    {"DisableVpcClassicLinkDnsSupport", &vpc_id_desc, disable_classic_link},
    {"EnableVpcClassicLink", &vpc_id_desc, enable_classic_link},
    {"EnableVpcClassicLinkDnsSupport", &vpc_id_desc, enable_classic_link},
    {"MoveAddressToVpc", &public_ip_desc, move_address},
    {"RestoreAddressToClassic", &public_ip_desc, move_address},
};
ACTIONS(classic_link_actions, rows);
