/* SPDX-License-Identifier: Apache-2.0 */
#include "model/network_interface.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "model/index.h"
#include "model/regions.h"
#include "model/security_group.h"
#include "model/vpc.h"
#include "model/xml.h"

void eni_weigh(const void *obj, int64_t ret_weights[WEIGHTS]) {
    const struct network_interface *eni = obj;

    ret_weights[WEIGHT_PRIVATE_IPS] =
        eni->addresses.n + ((int64_t)eni->prefixes.n << (32 - ENI_PREFIX4_LEN));
    ret_weights[WEIGHT_PUBLIC_IPS] = 0;
    list_each (struct eni_address, a, eni->addresses)
        ret_weights[WEIGHT_PUBLIC_IPS] += a->public_ip.family && !a->allocation_id;
}

const struct eni_address *eni_primary(const struct network_interface *eni) {
    return eni->addresses.n ? list_at(eni->addresses, struct eni_address, 0) : NULL;
}

struct list *eni_addresses(const struct network_interface *eni, uint8_t family) {
    return (struct list *)(uintptr_t)(family == IP_V4 ? &eni->addresses : &eni->addresses6);
}

struct list *eni_prefixes(const struct network_interface *eni, uint8_t family) {
    return (struct list *)(uintptr_t)(family == IP_V4 ? &eni->prefixes : &eni->prefixes6);
}

struct eni_address *eni_find(const struct network_interface *eni, const struct ip *ip) {
    list_each (struct eni_address, a, *eni_addresses(eni, ip->family))
        if (ip_equal(&a->ip, ip))
            return a;
    return NULL;
}

const struct eni_prefix *eni_prefix_of(const struct network_interface *eni, const struct ip *ip) {
    list_each (struct eni_prefix, p, *eni_prefixes(eni, ip->family))
        if (cidr_contains_ip(&p->cidr, ip))
            return p;
    return NULL;
}

char *private_dns_name(uint16_t region, const struct ip *ip, char *out) {
    const uint8_t *b = ip->b;

    if (strcmp(region_name(region), "us-east-1") == 0)
        snprintf(out, 96, "ip-%u-%u-%u-%u.ec2.internal", b[0], b[1], b[2], b[3]);
    else
        snprintf(out, 96, "ip-%u-%u-%u-%u.%s.compute.internal", b[0], b[1], b[2], b[3],
                 region_name(region));
    return out;
}

char *public_dns_name(uint16_t region, const struct ip *ip, char *out) {
    const uint8_t *b = ip->b;

    if (strcmp(region_name(region), "us-east-1") == 0)
        snprintf(out, 96, "ec2-%u-%u-%u-%u.compute-1.amazonaws.com", b[0], b[1], b[2], b[3]);
    else
        snprintf(out, 96, "ec2-%u-%u-%u-%u.%s.compute.amazonaws.com", b[0], b[1], b[2], b[3],
                 region_name(region));
    return out;
}

/* A VPC without DNS hostnames gives no public names (VPC user guide, "DNS attributes"). */
static bool has_public_names(const struct look *look, const struct network_interface *eni) {
    const struct vpc *v = index_get(look->ix, KIND_VPC, eni->o.scope, eni->vpc_id);

    return v && v->dns_hostnames;
}

/* An instance shows less of it than its interface does. */
static void emit_association(struct xml *x, const struct look *look,
                             const struct network_interface *eni, const struct eni_address *a,
                             bool in_instance) {
    char text[96];

    if (!a || !a->public_ip.family)
        return;
    xml_open(x, "association");
    xml_text(x, "publicIp", ip_format(&a->public_ip, text));
    xml_text(x, "publicDnsName",
             has_public_names(look, eni) ? public_dns_name(eni->o.scope.region, &a->public_ip, text)
                                         : "");
    if (a->allocation_id)
        xml_textf(x, "ipOwnerId", "%012llu", (unsigned long long)eni->o.scope.account);
    else
        xml_text(x, "ipOwnerId", "amazon");
    if (!in_instance) {
        xml_text(x, "allocationId", a->allocation_id);
        xml_text(x, "associationId", a->association_id);
    }
    xml_close(x, "association");
}

static void emit_primary_association(struct xml *x, const struct look *look, const void *obj) {
    emit_association(x, look, obj, eni_primary(obj), false);
}

static void emit_association_in_instance(struct xml *x, const struct look *look, const void *obj) {
    emit_association(x, look, obj, eni_primary(obj), true);
}

static void emit_all_addresses(struct xml *x, const struct look *look,
                               const struct network_interface *eni, bool in_instance) {
    char text[96];

    xml_open(x, "privateIpAddressesSet");
    list_each (struct eni_address, a, eni->addresses) {
        xml_open(x, "item");
        xml_text(x, "privateIpAddress", ip_format(&a->ip, text));
        xml_text(x, "privateDnsName", private_dns_name(eni->o.scope.region, &a->ip, text));
        xml_bool(x, "primary", a->primary);
        emit_association(x, look, eni, a, in_instance);
        xml_close(x, "item");
    }
    xml_close(x, "privateIpAddressesSet");
}

static void emit_addresses(struct xml *x, const struct look *look, const void *obj) {
    emit_all_addresses(x, look, obj, false);
}

static void emit_addresses_in_instance(struct xml *x, const struct look *look, const void *obj) {
    emit_all_addresses(x, look, obj, true);
}

void eni_emit_groups(struct xml *x, const struct look *look, const void *obj) {
    const struct network_interface *eni = obj;

    xml_open(x, "groupSet");
    list_each (char *, id, eni->groups) {
        const struct security_group *g =
            index_get(look->ix, KIND_SECURITY_GROUP, eni->o.scope, *id);

        xml_open(x, "item");
        xml_text(x, "groupId", *id);
        xml_text(x, "groupName", g ? g->name : NULL);
        xml_close(x, "item");
    }
    xml_close(x, "groupSet");
}

static void emit_attachment_fields(struct xml *x, const struct network_interface *eni) {
    static const struct field time = FIELD(0, FT_TIME, struct network_interface, attach_time, NULL);
    struct buf out = BUF_INIT;

    xml_text(x, "attachmentId", eni->attachment_id);
    xml_textf(x, "deviceIndex", "%lld", (long long)eni->device_index);
    xml_text(x, "networkCardIndex", "0");
    xml_text(x, "status", "attached");
    field_text(&time, NULL, eni, &out);
    xml_text(x, "attachTime", buf_str(&out));
    buf_free(&out);
    xml_bool(x, "deleteOnTermination", eni->delete_on_termination);
}

/* In use by an instance, or by a gateway, which is nobody's instance. */
static bool attached(const struct network_interface *eni) {
    return eni->instance_id || eni->requester_managed;
}

static bool get_attachment_owner(const struct look *look, const void *obj, struct buf *out) {
    if (((const struct network_interface *)obj)->requester_managed)
        buf_adds(out, "amazon-aws");
    else
        get_owner_id(look, obj, out);
    return attached(obj);
}

static void emit_attachment(struct xml *x, const struct look *look, const void *obj) {
    const struct network_interface *eni = obj;
    _buf_ struct buf owner = BUF_INIT;

    if (!get_attachment_owner(look, obj, &owner))
        return;
    xml_open(x, "attachment");
    xml_text(x, "instanceId", eni->instance_id);
    xml_text(x, "instanceOwnerId", buf_str(&owner));
    emit_attachment_fields(x, eni);
    xml_close(x, "attachment");
}

static void emit_attachment_in_instance(struct xml *x, const struct look *look, const void *obj) {
    xml_open(x, "attachment");
    emit_attachment_fields(x, obj);
    xml_close(x, "attachment");
}

static bool get_status(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, attached(obj) ? "in-use" : "available");
    return true;
}

static bool get_attachment_status(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, "attached");
    return attached(obj);
}

static bool get_device_index(const struct look *look, const void *obj, struct buf *out) {
    const struct network_interface *eni = obj;

    buf_addf(out, "%lld", (long long)eni->device_index);
    return attached(eni);
}

static bool get_delete_on_termination(const struct look *look, const void *obj, struct buf *out) {
    const struct network_interface *eni = obj;

    buf_adds(out, eni->delete_on_termination ? "true" : "false");
    return attached(eni);
}

/* Who asked for an interface that its account may not change. */
static bool get_requester(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, "amazon-aws");
    return ((const struct network_interface *)obj)->requester_managed;
}

static bool get_private_ip(const struct look *look, const void *obj, struct buf *out) {
    const struct eni_address *a = eni_primary(obj);
    char text[IP_TEXT];

    buf_adds(out, a ? ip_format(&a->ip, text) : "");
    return a;
}

static bool get_private_dns(const struct look *look, const void *obj, struct buf *out) {
    const struct eni_address *a = eni_primary(obj);
    char text[96];

    if (a)
        buf_adds(out, private_dns_name(((const struct obj *)obj)->scope.region, &a->ip, text));
    return a;
}

static bool get_group_names(const struct look *look, const void *obj, struct buf *out) {
    const struct network_interface *eni = obj;
    bool any = false;

    list_each (char *, id, eni->groups) {
        const struct security_group *g =
            index_get(look->ix, KIND_SECURITY_GROUP, eni->o.scope, *id);

        if (g) {
            buf_add(out, g->name, strlen(g->name) + 1);
            any = true;
        }
    }
    return any;
}

static bool get_zone_id(const struct look *look, const void *obj, struct buf *out) {
    const struct network_interface *eni = obj;
    int zone = eni->zone ? zone_by_name(eni->o.scope.region, eni->zone) : -1;
    char text[32];

    if (zone < 0)
        return false;
    buf_adds(out, zone_id(eni->o.scope.region, (unsigned)zone, text));
    return true;
}

/* Whom the public addresses belong to: the account, or "amazon" for those given at launch. */
static bool get_ip_owners(const struct look *look, const void *obj, struct buf *out) {
    const struct network_interface *eni = obj;
    bool any = false;

    list_each (struct eni_address, a, eni->addresses) {
        if (!a->public_ip.family)
            continue;
        if (a->allocation_id)
            get_owner_id(look, obj, out);
        else
            buf_adds(out, "amazon");
        buf_addc(out, 0);
        any = true;
    }
    return any;
}

static bool get_public_names(const struct look *look, const void *obj, struct buf *out) {
    const struct network_interface *eni = obj;
    char text[96];
    bool any = false;

    if (!has_public_names(look, eni))
        return false;
    list_each (struct eni_address, a, eni->addresses) {
        if (!a->public_ip.family)
            continue;
        public_dns_name(eni->o.scope.region, &a->public_ip, text);
        buf_add(out, text, strlen(text) + 1);
        any = true;
    }
    return any;
}

static bool get_managed(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, "false"); /* by an operator: nobody is one here */
    return true;
}

static const struct field address_fields[] = {
    FIELD(1, FT_IP, struct eni_address, ip, "privateIpAddress", .filter = "private-ip-address"),
    FIELD(2, FT_BOOL, struct eni_address, primary, "primary", .filter = "primary"),
    FIELD(3, FT_IP, struct eni_address, public_ip, NULL, .filter = "association.public-ip",
          .flags = FF_INDEXED),
    FIELD(4, FT_STR, struct eni_address, allocation_id, NULL,
          .filter = "association.allocation-id"),
    FIELD(5, FT_STR, struct eni_address, association_id, NULL,
          .filter = "association.association-id"),
};
static const struct desc eni_address_desc =
    DESC_STORED("address", struct eni_address, address_fields);

/* The same addresses under the filter names "association.*", which leave the list's name out. */
static const struct field association_filter_fields[] = {
    FIELD(0, FT_IP, struct eni_address, public_ip, NULL, .filter = "public-ip"),
    FIELD(0, FT_STR, struct eni_address, allocation_id, NULL, .filter = "allocation-id"),
    FIELD(0, FT_STR, struct eni_address, association_id, NULL, .filter = "association-id"),
};
static const struct desc association_filter_desc =
    DESC("association", struct eni_address, association_filter_fields);

static const struct field address6_fields[] = {
    FIELD(1, FT_IP, struct eni_address, ip, "ipv6Address", .filter = "ipv6-address",
          .flags = FF_INDEXED),
    FIELD(2, FT_BOOL, struct eni_address, primary, "isPrimaryIpv6"),
};
static const struct desc eni_address6_desc =
    DESC_STORED("IPv6 address", struct eni_address, address6_fields);

static const struct field prefix4_fields[] = {
    FIELD(1, FT_CIDR, struct eni_prefix, cidr, "ipv4Prefix"),
};
static const struct desc prefix4_desc = DESC_STORED("prefix", struct eni_prefix, prefix4_fields);

static const struct field prefix6_fields[] = {
    FIELD(1, FT_CIDR, struct eni_prefix, cidr, "ipv6Prefix"),
};
static const struct desc prefix6_desc =
    DESC_STORED("IPv6 prefix", struct eni_prefix, prefix6_fields);

static void emit_tracking(struct xml *x, const struct look *look, const void *obj) {
    const struct eni_tracking *t = &((const struct network_interface *)obj)->tracking;

    if (!t->tcp_established && !t->udp_stream && !t->udp)
        return;
    xml_open(x, "connectionTrackingConfiguration");
    if (t->tcp_established)
        xml_textf(x, "tcpEstablishedTimeout", "%lld", (long long)t->tcp_established);
    if (t->udp_stream)
        xml_textf(x, "udpStreamTimeout", "%lld", (long long)t->udp_stream);
    if (t->udp)
        xml_textf(x, "udpTimeout", "%lld", (long long)t->udp);
    xml_close(x, "connectionTrackingConfiguration");
}

#define ENI struct network_interface
#define GET(wire_, filter_, get_)                                                                  \
    { .type = FT_GET, .wire = (wire_), .filter = (filter_), .get = (get_) }
#define EMIT(wire_, emit_)                                                                         \
    { .type = FT_EMIT, .wire = (wire_), .emit = (emit_) }

/*
 * The rows that the whole description of an interface and what an instance shows of it have in
 * common. N(number) is the number of a stored field, or 0 in a view.
 */
#define COMMON_FIELDS(N)                                                                           \
    GET("networkInterfaceId", "network-interface-id", get_id),                                     \
        FIELD(N(ENI_BY_SUBNET), FT_STR, ENI, subnet_id, "subnetId", .filter = "subnet-id",         \
              .flags = FF_INDEXED | FF_COUNTED),                                                   \
        FIELD(N(ENI_BY_VPC), FT_STR, ENI, vpc_id, "vpcId", .filter = "vpc-id",                     \
              .flags = FF_INDEXED),                                                                \
        FIELD(N(4), FT_STR, ENI, description, "description", .filter = "description"),             \
        GET("ownerId", "owner-id", get_owner_id), GET("status", "status", get_status),             \
        FIELD(N(5), FT_MAC, ENI, mac, "macAddress", .filter = "mac-address"),                      \
        GET("privateIpAddress", "private-ip-address", get_private_ip),                             \
        GET("privateDnsName", "private-dns-name", get_private_dns),                                \
        FIELD(N(9), FT_BOOL, ENI, source_dest_check, "sourceDestCheck",                            \
              .filter = "source-dest-check"),                                                      \
        EMIT("groupSet", eni_emit_groups),                                                         \
        FIELD(N(7), FT_LIST, ENI, addresses6, "ipv6AddressesSet", .filter = "ipv6-addresses",      \
              .sub = &eni_address6_desc),                                                          \
        FIELD(N(20), FT_LIST, ENI, prefixes, "ipv4PrefixSet", .sub = &prefix4_desc,                \
              .flags = FF_SKIP_EMPTY),                                                             \
        FIELD(N(21), FT_LIST, ENI, prefixes6, "ipv6PrefixSet", .sub = &prefix6_desc,               \
              .flags = FF_SKIP_EMPTY),                                                             \
        EMIT("connectionTrackingConfiguration", emit_tracking),                                    \
        FIELD(N(11), FT_STR, ENI, interface_type, "interfaceType", .filter = "interface-type")
#define STORED(number_) (number_)
#define SHOWN(number_) 0

/* What DescribeNetworkInterfaces shows; the stored desc. */
static const struct field eni_fields[] = {
    COMMON_FIELDS(STORED),
    FIELD(3, FT_STR, ENI, zone, "availabilityZone", .filter = "availability-zone"),
    GET(NULL, "availability-zone-id", get_zone_id),
    GET("requesterId", "requester-id", get_requester),
    FIELD(10, FT_BOOL, ENI, requester_managed, "requesterManaged", .filter = "requester-managed"),
    EMIT("attachment", emit_attachment),
    EMIT("association", emit_primary_association),
    EMIT("privateIpAddressesSet", emit_addresses),
    FIELD(6, FT_LIST, ENI, addresses, NULL, .filter = "addresses", .sub = &eni_address_desc),
    FIELD(0, FT_LIST, ENI, addresses, NULL, .filter = "association",
          .sub = &association_filter_desc),
    GET(NULL, "association.ip-owner-id|addresses.association.owner-id", get_ip_owners),
    GET(NULL, "association.public-dns-name", get_public_names),
    FIELD(ENI_BY_GROUP, FT_STRS, ENI, groups, NULL, .filter = "group-id", .flags = FF_INDEXED),
    GET(NULL, "group-name", get_group_names),
    GET(NULL, "operator.managed", get_managed),
    FIELD(12, FT_INT, ENI, sgset, NULL),
    FIELD(ENI_BY_INSTANCE, FT_STR, ENI, instance_id, NULL, .filter = "attachment.instance-id",
          .flags = FF_INDEXED),
    FIELD(ENI_BY_ATTACHMENT, FT_STR, ENI, attachment_id, NULL, .filter = "attachment.attachment-id",
          .flags = FF_INDEXED),
    FIELD(15, FT_INT, ENI, device_index, NULL),
    FIELD(16, FT_TIME, ENI, attach_time, NULL, .filter = "attachment.attach-time"),
    FIELD(17, FT_BOOL, ENI, delete_on_termination, NULL),
    FIELD(19, FT_BOOL, ENI, auto_public, NULL),
    FIELD(22, FT_INT, ENI, tracking.tcp_established, NULL),
    FIELD(23, FT_INT, ENI, tracking.udp_stream, NULL),
    FIELD(24, FT_INT, ENI, tracking.udp, NULL),
    GET(NULL, "attachment.status", get_attachment_status),
    GET(NULL, "attachment.instance-owner-id", get_attachment_owner),
    GET(NULL, "attachment.device-index", get_device_index),
    GET(NULL, "attachment.delete-on-termination", get_delete_on_termination),
    FIELD(18, FT_LIST, ENI, tags, "tagSet", .filter = "", .sub = &tag_desc),
};
const struct desc network_interface_desc = DESC_STORED("network interface", ENI, eni_fields);

/* What an instance shows of its interfaces. */
static const struct field eni_in_instance_fields[] = {
    COMMON_FIELDS(SHOWN),
    EMIT("attachment", emit_attachment_in_instance),
    EMIT("association", emit_association_in_instance),
    EMIT("privateIpAddressesSet", emit_addresses_in_instance),
};
const struct desc eni_in_instance_desc = DESC("network interface", ENI, eni_in_instance_fields);
