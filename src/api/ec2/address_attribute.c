/* SPDX-License-Identifier: Apache-2.0 */
/* The reverse DNS names of elastic IPs. */
#include <ctype.h>
#include <string.h>

#include "api/actions.h"

#define DOMAIN_NAME_MAX 253
#define LABEL_MAX 63

/* Labels of letters, digits and hyphens, with dots between; a dot at the end is fine. */
static bool is_domain_name(const char *s) {
    size_t label = 0, dots = 0;

    if (strlen(s) > DOMAIN_NAME_MAX + 1)
        return false;
    for (const char *p = s; *p; p++) {
        if (*p == '.') {
            if (!label || p[-1] == '-')
                return false;
            label = 0;
            dots += p[1] != 0;
        } else if (isalnum((unsigned char)*p) || (*p == '-' && label)) {
            if (++label > LABEL_MAX)
                return false;
        } else {
            return false;
        }
    }
    return dots && s[strlen(s) - 1] != '-';
}

/* The reply shows what is in force at once: nobody has to look the name up first. */
static int set_name(struct call *c, const char *allocation_id, const char *name) {
    const struct address *have = call_get(c, KIND_ADDRESS, allocation_id);
    struct address *a = have ? txn_edit(c->txn, have) : NULL;

    if (!a)
        return have ? call_no_memory(c) : -1;
    obj_set(&a->o, &a->domain_name, name);
    txn_put(c->txn, a);
    xml_open(&c->xml, "address");
    xml_fields(&c->xml, &address_attribute_desc, &c->look, a);
    xml_close(&c->xml, "address");
    return 0;
}

struct modify_address {
    char *allocation_id, *domain_name;
};
static const struct field modify_fields[] = {
    FIELD(0, FT_STR, struct modify_address, allocation_id, "AllocationId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct modify_address, domain_name, "DomainName", .flags = FF_REQUIRED,
          .max = DOMAIN_NAME_MAX + 1),
};
static const struct desc modify_desc =
    DESC("ModifyAddressAttribute", struct modify_address, modify_fields);

static int modify_address_attribute(struct call *c, const void *params) {
    const struct modify_address *p = params;

    if (!is_domain_name(p->domain_name))
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter domainName is invalid. It is not a valid "
                          "domain name.",
                          p->domain_name);
    return set_name(c, p->allocation_id, p->domain_name);
}

static int check_attribute(struct call *c, const char *attribute) {
    if (attribute && strcmp(attribute, "domain-name") != 0)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter attribute is invalid. Unknown attribute.",
                          attribute);
    return 0;
}

struct reset_address {
    char *allocation_id, *attribute;
};
static const struct field reset_fields[] = {
    FIELD(0, FT_STR, struct reset_address, allocation_id, "AllocationId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct reset_address, attribute, "Attribute", .flags = FF_REQUIRED),
};
static const struct desc reset_desc =
    DESC("ResetAddressAttribute", struct reset_address, reset_fields);

static int reset_address_attribute(struct call *c, const void *params) {
    const struct reset_address *p = params;

    return check_attribute(c, p->attribute) < 0 ? -1 : set_name(c, p->allocation_id, NULL);
}

struct addresses_attribute {
    struct list ids;
    char *attribute;
};
static const struct field addresses_attribute_fields[] = {
    FIELD(0, FT_STRS, struct addresses_attribute, ids, "AllocationId"),
    FIELD(0, FT_STR, struct addresses_attribute, attribute, "Attribute"),
};
static const struct desc addresses_attribute_desc =
    DESC("DescribeAddressesAttribute", struct addresses_attribute, addresses_attribute_fields);

static int describe_addresses_attribute(struct call *c, const void *params) {
    const struct addresses_attribute *p = params;

    if (check_attribute(c, p->attribute) < 0)
        return -1;
    return describe(c, &(struct describe){.kind = KIND_ADDRESS,
                                          .ids = &p->ids,
                                          .set = "addressSet",
                                          .view = &address_attribute_desc});
}

static const struct action rows[] = {
    {"DescribeAddressesAttribute", &addresses_attribute_desc, describe_addresses_attribute,
     ACT_PAGES, "addressSet"},
    {"ModifyAddressAttribute", &modify_desc, modify_address_attribute},
    {"ResetAddressAttribute", &reset_desc, reset_address_attribute},
};
ACTIONS(address_attribute_actions, rows);
