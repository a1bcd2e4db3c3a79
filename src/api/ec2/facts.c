/* SPDX-License-Identifier: Apache-2.0 */
/* Regions, zones, account attributes, and the smallest honest answers about what is not networking.
 */
#include <stdio.h>
#include <string.h>

#include "api/ec2/instance_ops.h"

struct region_row {
    uint16_t region;
};

static bool region_row_name(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, region_name(((const struct region_row *)obj)->region));
    return true;
}

static bool region_row_endpoint(const struct look *look, const void *obj, struct buf *out) {
    buf_addf(out, "ec2.%s.amazonaws.com", region_name(((const struct region_row *)obj)->region));
    return true;
}

static bool region_row_opt_in(const struct look *look, const void *obj, struct buf *out) {
    /* Regions that AWS has one opt in to are ready here. */
    buf_adds(out, region_opt_in(((const struct region_row *)obj)->region) ? "opted-in"
                                                                          : "opt-in-not-required");
    return true;
}

static const struct field region_fields[] = {
    {.type = FT_GET, .wire = "regionName", .filter = "region-name", .get = region_row_name},
    {.type = FT_GET, .wire = "regionEndpoint", .filter = "endpoint", .get = region_row_endpoint},
    {.type = FT_GET, .wire = "optInStatus", .filter = "opt-in-status", .get = region_row_opt_in},
};
static const struct desc region_desc = DESC("region", struct region_row, region_fields);

struct regions_params {
    struct list names;
    uint8_t all;
};
static const struct field regions_fields[] = {
    FIELD(0, FT_STRS, struct regions_params, names, "RegionName"),
    FIELD(0, FT_TRI, struct regions_params, all, "AllRegions"),
};
static const struct desc regions_desc =
    DESC("DescribeRegions", struct regions_params, regions_fields);

static int describe_regions(struct call *c, const void *params) {
    const struct regions_params *p = params;
    struct page page;
    int r;

    list_each (char *, name, p->names) {
        uint16_t region = region_by_name(*name);

        if (!region || !api_serves(c->api, region))
            return call_error(c, "InvalidParameterValue", "Invalid region provided: %.64s", *name);
    }
    r = describe_begin(&page, c, &region_desc, "regionInfo");
    if (r < 0)
        return r;
    for (uint16_t i = 1; i <= region_count(); i++) {
        struct region_row row = {.region = i};

        if (api_serves(c->api, i) && (!p->names.n || strs_has(&p->names, region_name(i))))
            describe_row(&page, region_name(i), &row);
    }
    return describe_end(&page);
}

struct zone_row {
    uint16_t region;
    unsigned zone;
};

static bool zone_row_name(const struct look *look, const void *obj, struct buf *out) {
    const struct zone_row *z = obj;
    char text[32];

    buf_adds(out, zone_name(z->region, z->zone, text));
    return true;
}

static bool zone_row_id(const struct look *look, const void *obj, struct buf *out) {
    const struct zone_row *z = obj;
    char text[32];

    buf_adds(out, zone_id(z->region, z->zone, text));
    return true;
}

static bool zone_row_region(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, region_name(((const struct zone_row *)obj)->region));
    return true;
}

static bool zone_row_available(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, "available");
    return true;
}

static bool zone_row_type(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, "availability-zone");
    return true;
}

static bool zone_row_opt_in(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, "opt-in-not-required");
    return true;
}

/* What only local zones and wavelength zones have. */
static bool zone_row_nothing(const struct look *look, const void *obj, struct buf *out) {
    return false;
}

static void zone_row_messages(struct xml *x, const struct look *look, const void *obj) {
    xml_text(x, "messageSet", "");
}

static const struct field zone_fields[] = {
    {.type = FT_GET, .wire = "zoneName", .filter = "zone-name", .get = zone_row_name},
    {.type = FT_GET, .wire = "zoneId", .filter = "zone-id", .get = zone_row_id},
    {.type = FT_GET, .wire = "zoneState", .filter = "state", .get = zone_row_available},
    {.type = FT_GET, .wire = "regionName", .filter = "region-name", .get = zone_row_region},
    {.type = FT_GET, .wire = "groupName", .filter = "group-name", .get = zone_row_region},
    {.type = FT_GET, .wire = "networkBorderGroup", .get = zone_row_region},
    {.type = FT_GET, .wire = "zoneType", .filter = "zone-type", .get = zone_row_type},
    {.type = FT_GET, .wire = "optInStatus", .filter = "opt-in-status", .get = zone_row_opt_in},
    {.type = FT_EMIT, .wire = "messageSet", .emit = zone_row_messages},
    {.type = FT_GET,
     .filter = "message|parent-zoneID|parent-zoneName|parent-zone-id|parent-zone-name",
     .get = zone_row_nothing},
};
static const struct desc zone_desc = DESC("zone", struct zone_row, zone_fields);

struct zones_params {
    struct list names, ids;
    uint8_t all;
};
static const struct field zones_fields[] = {
    FIELD(0, FT_STRS, struct zones_params, names, "ZoneName"),
    FIELD(0, FT_STRS, struct zones_params, ids, "ZoneId"),
    FIELD(0, FT_TRI, struct zones_params, all, "AllAvailabilityZones"),
};
static const struct desc zones_desc =
    DESC("DescribeAvailabilityZones", struct zones_params, zones_fields);

static int describe_availability_zones(struct call *c, const void *params) {
    const struct zones_params *p = params;
    const struct list *given[] = {&p->names, &p->ids};
    struct page page;
    char name[32], id[32];
    int r;

    for (int i = 0; i < 2; i++) {
        list_each (char *, zone, *given[i]) {
            if (zone_by_name(c->scope.region, *zone) < 0)
                return call_error(c, "InvalidParameterValue", "Invalid availability zone: [%.64s]",
                                  *zone);
        }
    }
    r = describe_begin(&page, c, &zone_desc, "availabilityZoneInfo");
    if (r < 0)
        return r;
    for (unsigned i = 0; i < REGION_ZONES; i++) {
        struct zone_row row = {.region = c->scope.region, .zone = i};

        zone_name(c->scope.region, i, name);
        zone_id(c->scope.region, i, id);
        if ((!p->names.n || strs_has(&p->names, name)) && (!p->ids.n || strs_has(&p->ids, id)))
            describe_row(&page, name, &row);
    }
    return describe_end(&page);
}

struct zone_group {
    char *name, *status;
};
static const struct field zone_group_fields[] = {
    FIELD(0, FT_STR, struct zone_group, name, "GroupName", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct zone_group, status, "OptInStatus", .flags = FF_REQUIRED),
};
static const struct desc zone_group_desc =
    DESC("ModifyAvailabilityZoneGroup", struct zone_group, zone_group_fields);

/* One can opt in to local zones and wavelength zones, of which there are none. */
static int modify_availability_zone_group(struct call *c, const void *params) {
    const struct zone_group *p = params;

    if (strcmp(p->status, "opted-in") != 0 && strcmp(p->status, "not-opted-in") != 0)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter optInStatus is invalid. It must be opted-in "
                          "or not-opted-in.",
                          p->status);
    return call_error(c, "InvalidParameterValue",
                      "Value (%.64s) for parameter groupName is invalid. There is no such group of "
                      "zones that one opts in to.",
                      p->name);
}

struct attributes_params {
    struct list names;
};
static const struct field attributes_fields[] = {
    FIELD(0, FT_STRS, struct attributes_params, names, "AttributeName"),
};
static const struct desc attributes_desc =
    DESC("DescribeAccountAttributes", struct attributes_params, attributes_fields);

static int describe_account_attributes(struct call *c, const void *params) {
    const struct attributes_params *p = params;
    const struct vpc *v = default_vpc(c);
    char number[8][16];
    const struct {
        const char *name, *value;
    } rows[] = {
        {"supported-platforms", "VPC"}, {"default-vpc", v ? v->o.id : "none"},
        {"max-instances", number[0]},   {"vpc-max-security-groups-per-interface", number[1]},
        {"max-elastic-ips", number[2]}, {"vpc-max-elastic-ips", number[2]},
    };

    snprintf(number[0], sizeof(number[0]), "%u", instances_limit(api_config(c->api)));
    snprintf(number[1], sizeof(number[1]), "%lld", (long long)interface_groups_max(c));
    snprintf(number[2], sizeof(number[2]), "%d", ADDRESSES_MAX);
    list_each (char *, name, p->names) {
        bool known = false;

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
            known |= strcmp(rows[i].name, *name) == 0;
        if (!known)
            return call_error(c, "InvalidParameterValue",
                              "Value (%.64s) for parameter attributeName is invalid. Unknown "
                              "attribute.",
                              *name);
    }
    xml_open(&c->xml, "accountAttributeSet");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (p->names.n && !strs_has(&p->names, rows[i].name))
            continue;
        xml_open(&c->xml, "item");
        xml_text(&c->xml, "attributeName", rows[i].name);
        xml_open(&c->xml, "attributeValueSet");
        xml_open(&c->xml, "item");
        xml_text(&c->xml, "attributeValue", rows[i].value);
        xml_close(&c->xml, "item");
        xml_close(&c->xml, "attributeValueSet");
        xml_close(&c->xml, "item");
    }
    xml_close(&c->xml, "accountAttributeSet");
    return 0;
}

/* There are no volumes: the disks of an instance are its host's business. */
DESCRIBE_PARAMS(volumes_params, "VolumeId");

static int describe_volumes(struct call *c, const void *params) {
    const struct describe_ids *p = params;

    if (p->ids.n)
        return call_error(c, "InvalidVolume.NotFound", "The volume '%.64s' does not exist.",
                          list_str(p->ids, 0));
    xml_text(&c->xml, "volumeSet", "");
    return 0;
}

static const struct action rows[] = {
    {"DescribeAccountAttributes", &attributes_desc, describe_account_attributes},
    {"DescribeAvailabilityZones", &zones_desc, describe_availability_zones, ACT_FILTER,
     "availabilityZoneInfo"},
    {"DescribeRegions", &regions_desc, describe_regions, ACT_FILTER, "regionInfo"},
    {"DescribeVolumes", &volumes_params, describe_volumes, ACT_FILTERS, "volumeSet"},
    {"ModifyAvailabilityZoneGroup", &zone_group_desc, modify_availability_zone_group},
};
ACTIONS(fact_actions, rows);
