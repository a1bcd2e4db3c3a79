/* SPDX-License-Identifier: Apache-2.0 */
#include "model/vpc.h"

#include <string.h>

#include "model/index.h"
#include "model/network_interface.h"
#include "model/regions.h"
#include "model/xml.h"

bool get_owner_id(const struct look *look, const void *obj, struct buf *out) {
    buf_addf(out, "%012llu", (unsigned long long)((const struct obj *)obj)->scope.account);
    return true;
}

bool get_id(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, ((const struct obj *)obj)->id);
    return true;
}

static bool get_available(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, "available");
    return true;
}

static bool get_associated(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, "associated");
    return true;
}

static void emit_associated(struct xml *x, const char *element) {
    xml_open(x, element);
    xml_text(x, "state", "associated");
    xml_close(x, element);
}

static void emit_state4(struct xml *x, const struct look *look, const void *obj) {
    emit_associated(x, "cidrBlockState");
}

static void emit_state6(struct xml *x, const struct look *look, const void *obj) {
    emit_associated(x, "ipv6CidrBlockState");
    xml_text(x, "ipSource", "amazon");
    xml_text(x, "ipv6AddressAttribute", "public");
}

static bool get_pool6(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, "Amazon");
    return true;
}

static const struct field cidr4_fields[] = {
    FIELD(1, FT_STR, struct cidr_association, id, "associationId", .filter = "association-id",
          .flags = FF_INDEXED),
    FIELD(2, FT_CIDR, struct cidr_association, cidr, "cidrBlock", .filter = "cidr-block"),
    {.type = FT_EMIT, .wire = "cidrBlockState", .emit = emit_state4},
    {.type = FT_GET, .filter = "state", .get = get_associated},
};
const struct desc cidr4_desc = DESC_STORED("cidr", struct cidr_association, cidr4_fields);

static const struct field cidr6_fields[] = {
    FIELD(1, FT_STR, struct cidr_association, id, "associationId", .filter = "association-id",
          .flags = FF_INDEXED),
    FIELD(2, FT_CIDR, struct cidr_association, cidr, "ipv6CidrBlock", .filter = "ipv6-cidr-block"),
    {.type = FT_EMIT, .wire = "ipv6CidrBlockState", .emit = emit_state6},
    FIELD(3, FT_STR, struct cidr_association, border_group, "networkBorderGroup"),
    {.type = FT_GET, .wire = "ipv6Pool", .filter = "ipv6-pool", .get = get_pool6},
    {.type = FT_GET, .filter = "state", .get = get_associated},
};
const struct desc cidr6_desc = DESC_STORED("cidr6", struct cidr_association, cidr6_fields);

/* The same as a subnet shows it. */
static const struct field subnet_cidr6_fields[] = {
    FIELD(1, FT_STR, struct cidr_association, id, "associationId", .filter = "association-id",
          .flags = FF_INDEXED),
    FIELD(2, FT_CIDR, struct cidr_association, cidr, "ipv6CidrBlock", .filter = "ipv6-cidr-block"),
    {.type = FT_EMIT, .wire = "ipv6CidrBlockState", .emit = emit_state6},
    {.type = FT_GET, .filter = "state", .get = get_associated},
};
static const struct desc subnet_cidr6_desc =
    DESC_STORED("subnet cidr6", struct cidr_association, subnet_cidr6_fields);

static const struct field vpc_fields[] = {
    FIELD(1, FT_CIDR, struct vpc, cidr, "cidrBlock", .filter = "cidr|cidr-block|cidrBlock"),
    FIELD(2, FT_STR, struct vpc, dhcp_options_id, "dhcpOptionsId",
          .filter = "dhcp-options-id|dhcpOptionsId"),
    {.type = FT_GET, .wire = "state", .filter = "state", .get = get_available},
    {.type = FT_GET, .wire = "vpcId", .filter = "vpc-id", .get = get_id},
    {.type = FT_GET, .wire = "ownerId", .filter = "owner-id", .get = get_owner_id},
    FIELD(3, FT_STR, struct vpc, tenancy, "instanceTenancy"),
    FIELD(4, FT_LIST, struct vpc, cidrs6, "ipv6CidrBlockAssociationSet",
          .filter = "ipv6-cidr-block-association", .sub = &cidr6_desc),
    FIELD(5, FT_LIST, struct vpc, cidrs, "cidrBlockAssociationSet",
          .filter = "cidr-block-association", .sub = &cidr4_desc),
    FIELD(6, FT_BOOL, struct vpc, is_default, "isDefault", .filter = "is-default|isDefault"),
    FIELD(7, FT_BOOL, struct vpc, dns_support, NULL),
    FIELD(8, FT_BOOL, struct vpc, dns_hostnames, NULL),
    FIELD(9, FT_BOOL, struct vpc, network_address_usage_metrics, NULL),
    FIELD(11, FT_INT, struct vpc, sgset_last, NULL),
    FIELD(10, FT_LIST, struct vpc, tags, "tagSet", .filter = "", .sub = &tag_desc),
};
const struct desc vpc_desc = DESC_STORED("vpc", struct vpc, vpc_fields);

bool subnet_reserves(const struct subnet *s, const struct ip *ip) {
    struct ip first, last;

    if (ip->family == IP_V6) {
        /* The same for IPv6: the first four addresses and the last of the prefix. */
        const struct cidr *c = subnet_cidr6(s);

        if (!c)
            return true;
        first = c->ip;
        last = cidr_last(c);
    } else {
        first = s->cidr.ip;
        last = cidr_last(&s->cidr);
    }
    for (int i = 0; i < 4; i++) {
        struct ip r = ip_add(&first, i);

        if (ip_equal(&r, ip))
            return true;
    }
    return ip_equal(&last, ip);
}

const struct cidr *subnet_cidr6(const struct subnet *s) {
    return s->cidrs6.n ? &list_at(s->cidrs6, struct cidr_association, 0)->cidr : NULL;
}

uint64_t subnet_free(const struct index *ix, const struct subnet *s) {
    return cidr_size(&s->cidr) - 5 -
           (uint64_t)index_sum_by(ix, KIND_NETWORK_INTERFACE, ENI_BY_SUBNET, s->o.id,
                                  WEIGHT_PRIVATE_IPS);
}

static bool get_free(const struct look *look, const void *obj, struct buf *out) {
    buf_addf(out, "%llu", (unsigned long long)subnet_free(look->ix, obj));
    return true;
}

static bool get_zone_id(const struct look *look, const void *obj, struct buf *out) {
    const struct subnet *s = obj;
    int zone = zone_by_name(s->o.scope.region, s->zone);
    char text[32];

    buf_adds(out, zone_id(s->o.scope.region, (unsigned)zone, text));
    return true;
}

static bool get_arn(const struct look *look, const void *obj, struct buf *out) {
    const struct subnet *s = obj;

    buf_addf(out, "arn:aws:ec2:%s:%012llu:subnet/%s", region_name(s->o.scope.region),
             (unsigned long long)s->o.scope.account, s->o.id);
    return true;
}

static bool get_false(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, "false");
    return true;
}

/* What only a subnet on an Outpost has. */
static bool get_nothing(const struct look *look, const void *obj, struct buf *out) {
    return false;
}

static void emit_name_options(struct xml *x, const struct look *look, const void *obj) {
    const struct subnet *s = obj;

    xml_open(x, "privateDnsNameOptionsOnLaunch");
    xml_text(x, "hostnameType", s->hostname_type);
    xml_bool(x, "enableResourceNameDnsARecord", s->resource_name_dns_a);
    xml_bool(x, "enableResourceNameDnsAAAARecord", s->resource_name_dns_aaaa);
    xml_close(x, "privateDnsNameOptionsOnLaunch");
}

static const struct field subnet_fields[] = {
    FIELD(SUBNET_BY_VPC, FT_STR, struct subnet, vpc_id, "vpcId", .filter = "vpc-id",
          .flags = FF_INDEXED | FF_COUNTED),
    {.type = FT_GET, .wire = "subnetId", .filter = "subnet-id", .get = get_id},
    {.type = FT_GET, .wire = "subnetArn", .filter = "subnet-arn", .get = get_arn},
    {.type = FT_GET, .wire = "state", .filter = "state", .get = get_available},
    {.type = FT_GET, .wire = "ownerId", .filter = "owner-id", .get = get_owner_id},
    FIELD(2, FT_STR, struct subnet, zone, "availabilityZone",
          .filter = "availability-zone|availabilityZone"),
    {.type = FT_GET,
     .wire = "availabilityZoneId",
     .filter = "availability-zone-id|availabilityZoneId",
     .get = get_zone_id},
    {.type = FT_GET,
     .wire = "availableIpAddressCount",
     .filter = "available-ip-address-count",
     .get = get_free},
    FIELD(3, FT_CIDR, struct subnet, cidr, "cidrBlock", .filter = "cidr-block|cidr|cidrBlock"),
    FIELD(4, FT_LIST, struct subnet, cidrs6, "ipv6CidrBlockAssociationSet",
          .filter = "ipv6-cidr-block-association", .sub = &subnet_cidr6_desc),
    FIELD(5, FT_BOOL, struct subnet, default_for_az, "defaultForAz",
          .filter = "default-for-az|defaultForAz"),
    FIELD(6, FT_BOOL, struct subnet, map_public_ip, "mapPublicIpOnLaunch",
          .filter = "map-public-ip-on-launch"),
    FIELD(7, FT_BOOL, struct subnet, assign_ipv6, "assignIpv6AddressOnCreation"),
    {.type = FT_GET, .wire = "ipv6Native", .filter = "ipv6-native", .get = get_false},
    {.type = FT_GET,
     .wire = "mapCustomerOwnedIpOnLaunch",
     .filter = "map-customer-owned-ip-on-launch",
     .get = get_false},
    {.type = FT_GET,
     .filter = "customer-owned-ipv4-pool|enable-lni-at-device-index|outpost-arn",
     .get = get_nothing},
    FIELD(8, FT_BOOL, struct subnet, dns64, "enableDns64", .filter = "enable-dns64"),
    FIELD(9, FT_BOOL, struct subnet, resource_name_dns_a, NULL,
          .filter = "private-dns-name-options-on-launch.enable-resource-name-dns-a-record"),
    FIELD(10, FT_BOOL, struct subnet, resource_name_dns_aaaa, NULL,
          .filter = "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record"),
    FIELD(11, FT_STR, struct subnet, hostname_type, NULL,
          .filter = "private-dns-name-options-on-launch.hostname-type"),
    FIELD(12, FT_LIST, struct subnet, tags, "tagSet", .filter = "", .sub = &tag_desc),
    FIELD(SUBNET_BY_ACL_ASSOCIATION, FT_STR, struct subnet, acl_association_id, NULL,
          .flags = FF_INDEXED),
    FIELD(SUBNET_BY_ACL, FT_STR, struct subnet, acl_id, NULL, .flags = FF_INDEXED),
    {.type = FT_EMIT, .wire = "privateDnsNameOptionsOnLaunch", .emit = emit_name_options},
};
const struct desc subnet_desc = DESC_STORED("subnet", struct subnet, subnet_fields);

static void emit_attachment(struct xml *x, const struct look *look, const void *obj) {
    const struct internet_gateway *g = obj;

    xml_open(x, "attachmentSet");
    if (g->vpc_id) {
        xml_open(x, "item");
        xml_text(x, "vpcId", g->vpc_id);
        xml_text(x, "state", "available");
        xml_close(x, "item");
    }
    xml_close(x, "attachmentSet");
}

static bool get_attached(const struct look *look, const void *obj, struct buf *out) {
    if (!((const struct internet_gateway *)obj)->vpc_id)
        return false;
    buf_adds(out, "available");
    return true;
}

static const struct field internet_gateway_fields[] = {
    {.type = FT_GET, .wire = "internetGatewayId", .filter = "internet-gateway-id", .get = get_id},
    FIELD(IGW_BY_VPC, FT_STR, struct internet_gateway, vpc_id, NULL, .filter = "attachment.vpc-id",
          .flags = FF_INDEXED),
    {.type = FT_GET, .filter = "attachment.state", .get = get_attached},
    {.type = FT_EMIT, .wire = "attachmentSet", .emit = emit_attachment},
    {.type = FT_GET, .wire = "ownerId", .filter = "owner-id", .get = get_owner_id},
    FIELD(2, FT_LIST, struct internet_gateway, tags, "tagSet", .filter = "", .sub = &tag_desc),
};
const struct desc internet_gateway_desc =
    DESC_STORED("internet gateway", struct internet_gateway, internet_gateway_fields);

static void emit_values(struct xml *x, const struct look *look, const void *obj) {
    xml_open(x, "valueSet");
    list_each (char *, v, ((const struct dhcp_option *)obj)->values) {
        xml_open(x, "item");
        xml_text(x, "value", *v);
        xml_close(x, "item");
    }
    xml_close(x, "valueSet");
}

static const struct field dhcp_option_fields[] = {
    FIELD(1, FT_STR, struct dhcp_option, key, "key", .filter = "key"),
    FIELD(2, FT_STRS, struct dhcp_option, values, NULL, .filter = "value"),
    {.type = FT_EMIT, .wire = "valueSet", .emit = emit_values},
};
static const struct desc dhcp_option_desc =
    DESC_STORED("dhcp option", struct dhcp_option, dhcp_option_fields);

static const struct field dhcp_options_fields[] = {
    {.type = FT_GET, .wire = "dhcpOptionsId", .filter = "dhcp-options-id", .get = get_id},
    {.type = FT_GET, .wire = "ownerId", .filter = "owner-id", .get = get_owner_id},
    FIELD(1, FT_LIST, struct dhcp_options, options, "dhcpConfigurationSet", .filter = "",
          .sub = &dhcp_option_desc),
    FIELD(3, FT_BOOL, struct dhcp_options, is_default, NULL),
    FIELD(2, FT_LIST, struct dhcp_options, tags, "tagSet", .filter = "", .sub = &tag_desc),
};
const struct desc dhcp_options_desc =
    DESC_STORED("DHCP options", struct dhcp_options, dhcp_options_fields);

const struct list *dhcp_option_values(const struct index *ix, const struct vpc *vpc,
                                      const char *key) {
    const struct dhcp_options *d =
        vpc->dhcp_options_id ? index_get(ix, KIND_DHCP_OPTIONS, vpc->o.scope, vpc->dhcp_options_id)
                             : NULL;

    if (!d)
        return NULL;
    list_each (struct dhcp_option, o, d->options)
        if (o->key && strcmp(o->key, key) == 0)
            return &o->values;
    return NULL;
}
