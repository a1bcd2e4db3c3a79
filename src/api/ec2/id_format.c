/* SPDX-License-Identifier: Apache-2.0 */
/* Whether ids are long: all are, and nobody can have it otherwise (EC2 user guide, "Resource IDs").
 */
#include <stdio.h>
#include <string.h>

#include "api/actions.h"
#include "base/cleanup.h"

/* The types of resources whose ids were short once. */
static const char *const types[] = {
    "bundle",
    "conversion-task",
    "customer-gateway",
    "dhcp-options",
    "elastic-ip-allocation",
    "elastic-ip-association",
    "export-task",
    "flow-log",
    "image",
    "import-task",
    "instance",
    "internet-gateway",
    "network-acl",
    "network-acl-association",
    "network-interface",
    "network-interface-attachment",
    "prefix-list",
    "reservation",
    "route-table",
    "route-table-association",
    "security-group",
    "snapshot",
    "subnet",
    "subnet-cidr-block-association",
    "volume",
    "vpc",
    "vpc-cidr-block-association",
    "vpc-endpoint",
    "vpc-peering-connection",
    "vpn-connection",
    "vpn-gateway",
};

struct id_format {
    char *principal, *resource;
    uint8_t use_long; /* enum tri */
};
static const struct field format_fields[] = {
    FIELD(0, FT_STR, struct id_format, principal, "PrincipalArn", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct id_format, resource, "Resource", .flags = FF_REQUIRED),
    FIELD(0, FT_TRI, struct id_format, use_long, "UseLongIds", .flags = FF_REQUIRED),
};
static const struct field asked_fields[] = {
    FIELD(0, FT_STR, struct id_format, resource, "Resource"),
    FIELD(0, FT_STR, struct id_format, principal, "PrincipalArn", .flags = FF_REQUIRED),
};
/* Without the principal, and without both. */
static const struct desc modify_identity_desc =
    DESC("ModifyIdentityIdFormat", struct id_format, format_fields);
static const struct desc modify_desc = {.name = "ModifyIdFormat",
                                        .size = sizeof(struct id_format),
                                        .fields = format_fields + 1,
                                        .n_fields = 2,
                                        .unknown = -1};
static const struct desc describe_identity_desc =
    DESC("DescribeIdentityIdFormat", struct id_format, asked_fields);
static const struct desc describe_desc = {.name = "DescribeIdFormat",
                                          .size = sizeof(struct id_format),
                                          .fields = asked_fields,
                                          .n_fields = 1,
                                          .unknown = -1};

static int check_type(struct call *c, const char *type) {
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (strcmp(types[i], type) == 0)
            return 0;
    return call_error(c, "InvalidResourceType.Unknown",
                      "The resource type '%.64s' is not supported or is not valid.", type);
}

/* The only identity of an account is its root. */
static int check_principal(struct call *c, const char *arn) {
    char root[64];

    snprintf(root, sizeof(root), "arn:aws:iam::%012llu:root", (unsigned long long)c->scope.account);
    if (strcmp(arn, "all") == 0 || strcmp(arn, root) == 0)
        return 0;
    return call_error(c, "InvalidTargetArn.Unknown",
                      "The principal '%.128s' is not valid or does not exist.", arn);
}

static int show(struct call *c, const char *type) {
    if (type && check_type(c, type) < 0)
        return -1;
    xml_open(&c->xml, "statusSet");
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (type && strcmp(types[i], type) != 0)
            continue;
        xml_open(&c->xml, "item");
        xml_text(&c->xml, "resource", types[i]);
        xml_bool(&c->xml, "useLongIds", true);
        xml_close(&c->xml, "item");
    }
    xml_close(&c->xml, "statusSet");
    return 0;
}

static int describe_id_format(struct call *c, const void *params) {
    const struct id_format *p = params;

    if (p->principal && check_principal(c, p->principal) < 0)
        return -1;
    return show(c, p->resource);
}

static int describe_aggregate_id_format(struct call *c, const void *params) {
    xml_bool(&c->xml, "useLongIdsAggregated", true);
    return show(c, NULL);
}

struct principals_params {
    struct list resources;
};
static const struct field principals_fields[] = {
    FIELD(0, FT_STRS, struct principals_params, resources, "Resource"),
};
static const struct desc principals_desc =
    DESC("DescribePrincipalIdFormat", struct principals_params, principals_fields);
static const struct desc no_filters = {.name = "principal"};

/* Those who have a setting of their own. */
static int describe_principal_id_format(struct call *c, const void *params) {
    const struct principals_params *p = params;
    struct page page;

    list_each (char *, type, p->resources) {
        if (check_type(c, *type) < 0)
            return -1;
    }
    return describe_begin(&page, c, &no_filters, "principalSet") < 0 ? -1 : describe_end(&page);
}

static int modify_id_format(struct call *c, const void *params) {
    const struct id_format *p = params;

    if ((p->principal && check_principal(c, p->principal) < 0) ||
        (strcmp(p->resource, "all-current") != 0 && check_type(c, p->resource) < 0))
        return -1;
    if (p->use_long != TRI_TRUE)
        return call_error(c, "InvalidParameterValue",
                          "Value (false) for parameter useLongIds is invalid. All ids are long.");
    return call_return_true(c);
}

static const struct action rows[] = {
    {"DescribeAggregateIdFormat", NULL, describe_aggregate_id_format},
    {"DescribeIdFormat", &describe_desc, describe_id_format},
    {"DescribeIdentityIdFormat", &describe_identity_desc, describe_id_format},
    {"DescribePrincipalIdFormat", &principals_desc, describe_principal_id_format, ACT_PAGES,
     "principalSet"},
    {"ModifyIdFormat", &modify_desc, modify_id_format},
    {"ModifyIdentityIdFormat", &modify_identity_desc, modify_id_format},
};
ACTIONS(id_format_actions, rows);
