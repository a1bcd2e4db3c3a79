/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of DHCP options, and which one a VPC has (VPC user guide, "DHCP option sets"). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/actions.h"
#include "base/cleanup.h"
#include "base/text.h"

static int add_option(struct call *c, struct dhcp_options *d, const char *key, const char *value) {
    struct dhcp_option *o = list_add(&d->options, sizeof(*o));

    if (!o || !str_set(&o->key, key) || strs_add(&o->values, value) < 0)
        return call_no_memory(c);
    return 0;
}

const struct dhcp_options *dhcp_options_default(struct call *c) {
    struct dhcp_options *d;
    const char *region = region_name(c->scope.region);
    struct cursor cur;
    char domain[96];

    index_each_in(c->ix, cur, KIND_DHCP_OPTIONS, c->scope) {
        const struct dhcp_options *have = cur.obj;

        if (have->is_default)
            return have;
    }
    d = call_new(c, KIND_DHCP_OPTIONS);
    if (!d)
        return NULL;
    d->is_default = true;
    if (strcmp(region, "us-east-1") == 0)
        snprintf(domain, sizeof(domain), "ec2.internal");
    else
        snprintf(domain, sizeof(domain), "%s.compute.internal", region);
    if (add_option(c, d, "domain-name", domain) < 0 ||
        add_option(c, d, "domain-name-servers", "AmazonProvidedDNS") < 0)
        return NULL;
    txn_put(c->txn, d);
    /* Two calls at once make one; the account is what they have in common. */
    txn_touch(c->txn, own_account(c));
    return d;
}

/* What may be said of an option, by its key (EC2 API reference, CreateDhcpOptions). */

static bool is_address(const char *v, uint8_t family) {
    struct ip ip;

    return ip_parse(v, &ip) == 0 && ip.family == family;
}

static bool ok_name(const char *v, unsigned *n4, unsigned *n6) {
    size_t n = strlen(v);

    ++*n4;
    /* Several domains may stand in it, divided by spaces. */
    return n && n <= 255 &&
           strspn(v, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_. ") == n;
}

static bool ok_address(const char *v, unsigned *n4, unsigned *n6) {
    bool v6 = is_address(v, IP_V6);

    ++*(v6 ? n6 : n4);
    return v6 || is_address(v, IP_V4);
}

static bool ok_name_server(const char *v, unsigned *n4, unsigned *n6) {
    if (strcmp(v, "AmazonProvidedDNS") != 0)
        return ok_address(v, n4, n6);
    ++*n4;
    return true;
}

static bool ok_node_type(const char *v, unsigned *n4, unsigned *n6) {
    ++*n4;
    return strlen(v) == 1 && strchr("1248", *v);
}

static bool ok_lease_time(const char *v, unsigned *n4, unsigned *n6) {
    int64_t seconds;

    ++*n4;
    return int_parse(v, 140, INT32_MAX, &seconds) == 0;
}

static const struct option_rule {
    const char *key;
    bool (*ok)(const char *value, unsigned *n4, unsigned *n6);
    unsigned max4, max6; /* values in all, and IPv6 addresses besides */
} rules[] = {
    {"domain-name", ok_name, 1, 0},
    {"domain-name-servers", ok_name_server, 4, 4},
    {"ntp-servers", ok_address, 4, 4},
    {"netbios-name-servers", ok_address, 4, 0},
    {"netbios-node-type", ok_node_type, 1, 0},
    {"ipv6-address-preferred-lease-time", ok_lease_time, 1, 0},
};

struct option_param {
    char *key;
    struct list values;
};
static const struct field option_fields[] = {
    FIELD(0, FT_STR, struct option_param, key, "Key"),
    FIELD(0, FT_STRS, struct option_param, values, "Value"),
};
static const struct desc option_desc =
    DESC("DhcpConfiguration", struct option_param, option_fields);

struct create_params {
    struct list options;
    struct list tag_specifications;
};
static const struct field create_fields[] = {
    FIELD(0, FT_LIST, struct create_params, options, "DhcpConfiguration", .sub = &option_desc,
          .flags = FF_REQUIRED),
    TAG_SPECIFICATIONS(struct create_params),
};
static const struct desc create_desc =
    DESC("CreateDhcpOptions", struct create_params, create_fields);

static const struct option_rule *find_rule(const char *key) {
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        if (key && strcmp(rules[i].key, key) == 0)
            return &rules[i];
    return NULL;
}

/* A value may be several, divided by commas. */
static int add_values(struct call *c, const struct option_rule *rule, struct dhcp_option *o,
                      const char *text, unsigned *n4, unsigned *n6) {
    _free_ char *copy = strdup(text);
    char *rest = copy, *v;

    if (!copy)
        return call_no_memory(c);
    while ((v = strsep(&rest, ","))) {
        v += strspn(v, " ");
        if (!rule->ok(v, n4, n6) || *n4 > rule->max4 || *n6 > rule->max6)
            return call_error(c, "InvalidParameterValue",
                              "Value (%.128s) for parameter %s is invalid. %s", v, rule->key,
                              *n4 > rule->max4 || *n6 > rule->max6
                                  ? "The option has too many values."
                                  : "It is not a valid value of this option.");
        if (strs_add(&o->values, v) < 0)
            return call_no_memory(c);
    }
    return 0;
}

static int add_given(struct call *c, struct dhcp_options *d, const struct option_param *p) {
    const struct option_rule *rule = find_rule(p->key);
    struct dhcp_option *o;
    unsigned n4 = 0, n6 = 0;

    if (!rule)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter key is invalid. Unknown DHCP option",
                          p->key ? p->key : "");
    list_each (struct dhcp_option, have, d->options)
        if (strcmp(have->key, p->key) == 0)
            return call_error(c, "InvalidParameterValue", "The option %s is given twice", p->key);
    if (!p->values.n)
        return call_error(c, "MissingParameter", "The option %s has no value", p->key);
    o = list_add(&d->options, sizeof(*o));
    if (!o || !str_set(&o->key, p->key))
        return call_no_memory(c);
    list_each (char *, v, p->values) {
        if (add_values(c, rule, o, *v, &n4, &n6) < 0)
            return -1;
    }
    return 0;
}

static int create_dhcp_options(struct call *c, const void *params) {
    static const enum kind taggable[] = {KIND_DHCP_OPTIONS};
    const struct create_params *p = params;
    struct dhcp_options *d;

    if (call_tags_check(c, &p->tag_specifications, taggable, 1) < 0)
        return -1;
    if (index_count_in(c->ix, KIND_DHCP_OPTIONS, c->scope) >= DHCP_OPTIONS_MAX)
        return call_error(c, "DhcpOptionsLimitExceeded",
                          "The maximum number of DHCP options sets has been reached.");
    d = call_new(c, KIND_DHCP_OPTIONS);
    if (!d || call_tags(c, &p->tag_specifications, d) < 0)
        return -1;
    list_each (struct option_param, o, p->options) {
        if (add_given(c, d, o) < 0)
            return -1;
    }
    txn_put(c->txn, d);
    call_object(c, "dhcpOptions", d);
    return 0;
}

struct options_id {
    char *options_id, *vpc_id;
};
static const struct field options_id_fields[] = {
    FIELD(0, FT_STR, struct options_id, options_id, "DhcpOptionsId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct options_id, vpc_id, "VpcId", .flags = FF_REQUIRED),
};
static const struct desc associate_desc =
    DESC("AssociateDhcpOptions", struct options_id, options_id_fields);
static const struct desc delete_desc = {.name = "DeleteDhcpOptions",
                                        .size = sizeof(struct options_id),
                                        .fields = options_id_fields,
                                        .n_fields = 1,
                                        .unknown = -1};

static int delete_dhcp_options(struct call *c, const void *params) {
    const struct options_id *p = params;
    const struct dhcp_options *d = call_get(c, KIND_DHCP_OPTIONS, p->options_id);
    struct cursor cur;

    if (!d) {
        /* EC2 has two codes for the same; this call answers with the other one. */
        if (strcmp(c->error_code, kind_info(KIND_DHCP_OPTIONS)->not_found) == 0)
            c->error_code = "InvalidDhcpOptionsID.NotFound";
        return -1;
    }
    index_each_in(c->ix, cur, KIND_VPC, c->scope) {
        if (strcmp(((const struct vpc *)cur.obj)->dhcp_options_id, d->o.id) == 0)
            return call_error(c, "DependencyViolation",
                              "The dhcpOptions '%s' has dependencies and cannot be deleted.",
                              d->o.id);
    }
    txn_delete(c->txn, d);
    return call_return_true(c);
}

static int associate_dhcp_options(struct call *c, const void *params) {
    const struct options_id *p = params;
    const struct vpc *v = call_get(c, KIND_VPC, p->vpc_id);
    const struct dhcp_options *d = NULL;
    struct vpc *n;

    if (!v)
        return -1;
    if (strcmp(p->options_id, "default") != 0) {
        d = call_get(c, KIND_DHCP_OPTIONS, p->options_id);
        if (!d)
            return -1;
    }
    n = txn_edit(c->txn, v);
    if (!n)
        return call_no_memory(c);
    obj_set(&n->o, &n->dhcp_options_id, p->options_id);
    txn_put(c->txn, n);
    /* Not one that another writer is deleting. */
    if (d)
        txn_touch(c->txn, d);
    return call_return_true(c);
}

DESCRIBE_PARAMS(describe_params, "DhcpOptionsId");

static int describe_dhcp_options(struct call *c, const void *params) {
    const struct describe_ids *p = params;

    return describe(
        c, &(struct describe){.kind = KIND_DHCP_OPTIONS, .ids = &p->ids, .set = "dhcpOptionsSet"});
}

static const struct action rows[] = {
    {"AssociateDhcpOptions", &associate_desc, associate_dhcp_options},
    {"CreateDhcpOptions", &create_desc, create_dhcp_options},
    {"DeleteDhcpOptions", &delete_desc, delete_dhcp_options},
    {"DescribeDhcpOptions", &describe_params, describe_dhcp_options, ACT_FILTERS, "dhcpOptionsSet"},
};
ACTIONS(dhcp_options_actions, rows);
