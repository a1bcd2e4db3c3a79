/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instance types: how many interfaces and addresses each may have. The table is made from
 * data/instance-types.tsv. What is not about networks (processors, memory, disks) is not known here
 * and left out of the answers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/actions.h"
#include "base/cleanup.h"

static const struct instance_type types[] = {
#include "instance_types.inc"
};

static int by_name(const void *key, const void *row) {
    return strcmp(key, ((const struct instance_type *)row)->name);
}

const struct instance_type *instance_type_find(const char *name) {
    return bsearch(name, types, ARRAY_SIZE(types), sizeof(types[0]), by_name);
}

/* "All current generation instance types and the C3, R3, and I2 previous generation instance types
 * support IPv6" (EC2 user guide, "IPv6 addresses"): these others of before do not. */
static bool has_ipv6(const struct instance_type *t) {
    static const char *const without[] = {"c1.", "cr1.", "g2.", "hs1.", "m1.", "m2.", "m3.", "t1."};

    for (size_t i = 0; i < ARRAY_SIZE(without); i++)
        if (strncmp(t->name, without[i], strlen(without[i])) == 0)
            return false;
    return true;
}

int64_t instance_type_ipv6(const struct instance_type *t) {
    return has_ipv6(t) ? t->ips : 0;
}

bool instance_type_nitro(const struct instance_type *t) {
    return !t->hypervisor || strcmp(t->hypervisor, "nitro") == 0; /* bare metal has none */
}

/* Behind the generation's digit a `g` stands for Graviton ("m6g", "c7gn"; EC2 user guide, "Instance
 * type naming conventions"); the first of them was a1. */
static const char *architecture_of(const struct instance_type *t) {
    const char *generation = t->name + strcspn(t->name, "0123456789");
    const char *suffix = generation + strspn(generation, "0123456789");
    size_t n = strcspn(suffix, ".-");

    if (strncmp(t->name, "mac", 3) == 0)
        return strncmp(t->name, "mac1.", 5) == 0 ? "x86_64_mac" : "arm64_mac";
    return strncmp(t->name, "a1.", 3) == 0 || memchr(suffix, 'g', n) ? "arm64" : "x86_64";
}

static bool get_architecture(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, architecture_of(obj));
    return true;
}

static bool get_burstable(const struct look *look, const void *obj, struct buf *out) {
    const char *name = ((const struct instance_type *)obj)->name;

    buf_adds(out, name[0] == 't' && name[1] >= '1' && name[1] <= '9' ? "true" : "false");
    return true;
}

/* The Nitro System's interfaces are the Elastic Network Adapter. */
static bool get_ena(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, instance_type_nitro(obj) ? "required" : "unsupported");
    return true;
}

#define SAME(name_, text_)                                                                         \
    static bool get_##name_(const struct look *look, const void *obj, struct buf *out) {           \
        buf_adds(out, text_);                                                                      \
        return true;                                                                               \
    }
SAME(usage, "on-demand")
SAME(root_device, "ebs")
SAME(virtualization, "hvm")
SAME(no, "false")

static bool get_name(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, ((const struct instance_type *)obj)->name);
    return true;
}

static bool get_hypervisor(const struct look *look, const void *obj, struct buf *out) {
    const struct instance_type *t = obj;

    buf_adds(out, t->hypervisor ? t->hypervisor : "");
    return t->hypervisor;
}

static bool get_enis(const struct look *look, const void *obj, struct buf *out) {
    buf_addf(out, "%u", ((const struct instance_type *)obj)->enis);
    return true;
}

static bool get_ips(const struct look *look, const void *obj, struct buf *out) {
    buf_addf(out, "%u", ((const struct instance_type *)obj)->ips);
    return true;
}

static bool get_ipv6(const struct look *look, const void *obj, struct buf *out) {
    buf_addf(out, "%lld", (long long)instance_type_ipv6(obj));
    return true;
}

static bool get_ipv6_supported(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, has_ipv6(obj) ? "true" : "false");
    return true;
}

static bool get_cards(const struct look *look, const void *obj, struct buf *out) {
    buf_addf(out, "%u", ((const struct instance_type *)obj)->cards);
    return true;
}

static void emit_strings(struct xml *x, const char *set, const char *const *items) {
    xml_open(x, set);
    for (; *items; items++)
        xml_text(x, "item", *items);
    xml_close(x, set);
}

static void emit_supported(struct xml *x, const struct look *look, const void *obj) {
    emit_strings(x, "supportedUsageClasses", (const char *const[]){"on-demand", NULL});
    emit_strings(x, "supportedRootDeviceTypes", (const char *const[]){"ebs", NULL});
    emit_strings(x, "supportedVirtualizationTypes", (const char *const[]){"hvm", NULL});
    xml_open(x, "processorInfo");
    emit_strings(x, "supportedArchitectures", (const char *const[]){architecture_of(obj), NULL});
    xml_close(x, "processorInfo");
}

static const struct field network_fields[] = {
    {.type = FT_GET, .wire = "maximumNetworkInterfaces", .get = get_enis},
    {.type = FT_GET, .wire = "maximumNetworkCards", .get = get_cards},
    {.type = FT_GET, .wire = "ipv4AddressesPerInterface", .get = get_ips},
    {.type = FT_GET, .wire = "ipv6AddressesPerInterface", .get = get_ipv6},
    {.type = FT_GET, .wire = "ipv6Supported", .get = get_ipv6_supported},
    {.type = FT_GET, .wire = "enaSupport", .get = get_ena},
    {.type = FT_GET, .wire = "efaSupported", .get = get_no},
};
static const struct desc network_desc = DESC("network info", struct instance_type, network_fields);

static void emit_network(struct xml *x, const struct look *look, const void *obj) {
    xml_open(x, "networkInfo");
    xml_fields(x, &network_desc, look, obj);
    xml_close(x, "networkInfo");
}

static const struct field type_fields[] = {
    {.type = FT_GET, .wire = "instanceType", .filter = "instance-type", .get = get_name},
    {.type = FT_EMIT, .wire = "supportedUsageClasses", .emit = emit_supported},
    {.type = FT_GET, .filter = "supported-usage-class", .get = get_usage},
    {.type = FT_GET, .filter = "supported-root-device-type", .get = get_root_device},
    {.type = FT_GET, .filter = "supported-virtualization-type", .get = get_virtualization},
    {.type = FT_GET, .filter = "processor-info.supported-architecture", .get = get_architecture},
    {.type = FT_GET,
     .wire = "burstablePerformanceSupported",
     .filter = "burstable-performance-supported",
     .get = get_burstable},
    {.type = FT_GET,
     .wire = "hibernationSupported",
     .filter = "hibernation-supported|network-info.efa-supported",
     .get = get_no},
    {.type = FT_GET, .filter = "network-info.ena-support", .get = get_ena},
    FIELD(0, FT_BOOL, struct instance_type, bare_metal, "bareMetal", .filter = "bare-metal"),
    {.type = FT_GET, .wire = "hypervisor", .filter = "hypervisor", .get = get_hypervisor},
    {.type = FT_EMIT, .wire = "networkInfo", .emit = emit_network},
    /* What networkInfo holds, for filters. */
    {.type = FT_GET, .filter = "network-info.maximum-network-interfaces", .get = get_enis},
    {.type = FT_GET, .filter = "network-info.maximum-network-cards", .get = get_cards},
    {.type = FT_GET, .filter = "network-info.ipv4-addresses-per-interface", .get = get_ips},
    {.type = FT_GET, .filter = "network-info.ipv6-addresses-per-interface", .get = get_ipv6},
    {.type = FT_GET, .filter = "network-info.ipv6-supported", .get = get_ipv6_supported},
};
static const struct desc type_desc = DESC("instance type", struct instance_type, type_fields);

DESCRIBE_PARAMS(types_params, "InstanceType");

static int describe_instance_types(struct call *c, const void *params) {
    const struct describe_ids *p = params;
    _buf_ struct buf missing = BUF_INIT;
    struct page page;
    int r;

    list_each (char *, name, p->ids)
        if (!instance_type_find(*name))
            buf_addf(&missing, "%s%.64s", missing.len ? ", " : "", *name);
    if (missing.len)
        return call_error(c, "InvalidInstanceType",
                          "The following supplied instance types do not exist: [%s]",
                          buf_str(&missing));
    r = describe_begin(&page, c, &type_desc, "instanceTypeSet");
    if (r < 0)
        return r;
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (p->ids.n && !strs_has(&p->ids, types[i].name))
            continue;
        if (!describe_row(&page, types[i].name, &types[i]))
            break;
    }
    return describe_end(&page);
}

/* Where a type is offered: everywhere. */
struct offering {
    const struct instance_type *type;
    const char *location_type;
    const char *location;
};

static bool offering_type(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, ((const struct offering *)obj)->type->name);
    return true;
}

static bool offering_location_type(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, ((const struct offering *)obj)->location_type);
    return true;
}

static bool offering_location(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, ((const struct offering *)obj)->location);
    return true;
}

static const struct field offering_fields[] = {
    {.type = FT_GET, .wire = "instanceType", .filter = "instance-type", .get = offering_type},
    {.type = FT_GET, .wire = "locationType", .get = offering_location_type},
    {.type = FT_GET, .wire = "location", .filter = "location", .get = offering_location},
};
static const struct desc offering_desc = DESC("offering", struct offering, offering_fields);

struct offerings_params {
    char *location_type;
};
static const struct field offerings_fields[] = {
    FIELD(0, FT_STR, struct offerings_params, location_type, "LocationType"),
};
static const struct desc offerings_desc =
    DESC("DescribeInstanceTypeOfferings", struct offerings_params, offerings_fields);

static int describe_instance_type_offerings(struct call *c, const void *params) {
    const struct offerings_params *p = params;
    const char *kind = p->location_type ? p->location_type : "region";
    char locations[REGION_ZONES][32];
    unsigned n = REGION_ZONES;
    struct page page;
    int r;

    if (strcmp(kind, "region") == 0) {
        snprintf(locations[0], sizeof(locations[0]), "%s", region_name(c->scope.region));
        n = 1;
    } else if (strcmp(kind, "availability-zone") != 0 &&
               strcmp(kind, "availability-zone-id") != 0) {
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter locationType is invalid.", kind);
    }
    for (unsigned i = 0; n > 1 && i < n; i++)
        strcmp(kind, "availability-zone") == 0 ? zone_name(c->scope.region, i, locations[i])
                                               : zone_id(c->scope.region, i, locations[i]);
    r = describe_begin(&page, c, &offering_desc, "instanceTypeOfferingSet");
    if (r < 0)
        return r;
    for (size_t k = 0; k < n * ARRAY_SIZE(types) && !page.stop; k++) {
        struct offering row = {&types[k / n], kind, locations[k % n]};
        char key[128];

        /* A blank orders before every character of a name, as the table is ordered. */
        snprintf(key, sizeof(key), "%s %s", row.type->name, row.location);
        describe_row(&page, key, &row);
    }
    return describe_end(&page);
}

static const struct action rows[] = {
    {"DescribeInstanceTypeOfferings", &offerings_desc, describe_instance_type_offerings,
     ACT_FILTERS | ACT_GLOBAL, "instanceTypeOfferingSet"},
    {"DescribeInstanceTypes", &types_params, describe_instance_types, ACT_FILTERS | ACT_GLOBAL,
     "instanceTypeSet"},
};
ACTIONS(instance_type_actions, rows);
