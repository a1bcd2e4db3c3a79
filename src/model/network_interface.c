/* SPDX-License-Identifier: Apache-2.0 */
#include "model/network_interface.h"

#include <stdio.h>
#include <string.h>

#include "model/index.h"
#include "model/regions.h"
#include "model/security_group.h"
#include "model/vpc.h"
#include "model/xml.h"

const struct eni_address *eni_primary(const struct network_interface *eni) {
    return eni->addresses.n ? list_at(eni->addresses, struct eni_address, 0) : NULL;
}

struct eni_address *eni_find(const struct network_interface *eni, const struct ip *ip) {
    list_each (struct eni_address, a, eni->addresses)
        if (ip_equal(&a->ip, ip))
            return a;
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

/* An instance shows less of it than its interface does. */
static void emit_association(struct xml *x, const struct network_interface *eni,
                             const struct eni_address *a, bool in_instance) {
    char text[96];

    if (!a || !a->public_ip.family)
        return;
    xml_open(x, "association");
    xml_text(x, "publicIp", ip_format(&a->public_ip, text));
    xml_text(x, "publicDnsName", public_dns_name(eni->o.scope.region, &a->public_ip, text));
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
    emit_association(x, obj, eni_primary(obj), false);
}

static void emit_association_in_instance(struct xml *x, const struct look *look, const void *obj) {
    emit_association(x, obj, eni_primary(obj), true);
}

static void emit_all_addresses(struct xml *x, const struct network_interface *eni,
                               bool in_instance) {
    char text[96];

    xml_open(x, "privateIpAddressesSet");
    list_each (struct eni_address, a, eni->addresses) {
        xml_open(x, "item");
        xml_text(x, "privateIpAddress", ip_format(&a->ip, text));
        xml_text(x, "privateDnsName", private_dns_name(eni->o.scope.region, &a->ip, text));
        xml_bool(x, "primary", a->primary);
        emit_association(x, eni, a, in_instance);
        xml_close(x, "item");
    }
    xml_close(x, "privateIpAddressesSet");
}

static void emit_addresses(struct xml *x, const struct look *look, const void *obj) {
    emit_all_addresses(x, obj, false);
}

static void emit_addresses_in_instance(struct xml *x, const struct look *look, const void *obj) {
    emit_all_addresses(x, obj, true);
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

static void emit_attachment(struct xml *x, const struct look *look, const void *obj) {
    const struct network_interface *eni = obj;

    if (!eni->instance_id)
        return;
    xml_open(x, "attachment");
    xml_text(x, "instanceId", eni->instance_id);
    xml_textf(x, "instanceOwnerId", "%012llu", (unsigned long long)eni->o.scope.account);
    emit_attachment_fields(x, eni);
    xml_close(x, "attachment");
}

static void emit_attachment_in_instance(struct xml *x, const struct look *look, const void *obj) {
    xml_open(x, "attachment");
    emit_attachment_fields(x, obj);
    xml_close(x, "attachment");
}

static bool get_status(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, ((const struct network_interface *)obj)->instance_id ? "in-use" : "available");
    return true;
}

static bool get_attachment_status(const struct look *look, const void *obj, struct buf *out) {
    if (!((const struct network_interface *)obj)->instance_id)
        return false;
    buf_adds(out, "attached");
    return true;
}

static bool get_attachment_owner(const struct look *look, const void *obj, struct buf *out) {
    return ((const struct network_interface *)obj)->instance_id && get_owner_id(look, obj, out);
}

static bool get_device_index(const struct look *look, const void *obj, struct buf *out) {
    const struct network_interface *eni = obj;

    buf_addf(out, "%lld", (long long)eni->device_index);
    return eni->instance_id;
}

static bool get_delete_on_termination(const struct look *look, const void *obj, struct buf *out) {
    const struct network_interface *eni = obj;

    buf_adds(out, eni->delete_on_termination ? "true" : "false");
    return eni->instance_id;
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

static const struct field address_fields[] = {
    FIELD(1, FT_IP, struct eni_address, ip, "privateIpAddress", .filter = "private-ip-address"),
    FIELD(2, FT_BOOL, struct eni_address, primary, "primary", .filter = "primary"),
    FIELD(3, FT_IP, struct eni_address, public_ip, NULL, .filter = "association.public-ip"),
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
    FIELD(1, FT_IP, struct eni_address6, ip, "ipv6Address", .filter = "ipv6-address"),
};
static const struct desc eni_address6_desc =
    DESC_STORED("IPv6 address", struct eni_address6, address6_fields);

static void emit_primary_marks(struct xml *x, const struct look *look, const void *obj) {
    const struct network_interface *eni = obj;
    char text[IP_TEXT];

    xml_open(x, "ipv6AddressesSet");
    list_each (struct eni_address6, a, eni->addresses6) {
        xml_open(x, "item");
        xml_text(x, "ipv6Address", ip_format(&a->ip, text));
        xml_close(x, "item");
    }
    xml_close(x, "ipv6AddressesSet");
}

#define ENI struct network_interface
/* What DescribeNetworkInterfaces shows; the stored desc. */
static const struct field eni_fields[] = {
    {.type = FT_GET, .wire = "networkInterfaceId", .filter = "network-interface-id", .get = get_id},
    FIELD(ENI_BY_VPC, FT_STR, ENI, vpc_id, "vpcId", .filter = "vpc-id", .flags = FF_INDEXED),
    FIELD(ENI_BY_SUBNET, FT_STR, ENI, subnet_id, "subnetId", .filter = "subnet-id",
          .flags = FF_INDEXED),
    FIELD(3, FT_STR, ENI, zone, "availabilityZone", .filter = "availability-zone"),
    FIELD(4, FT_STR, ENI, description, "description", .filter = "description"),
    {.type = FT_GET, .wire = "ownerId", .filter = "owner-id", .get = get_owner_id},
    FIELD(10, FT_BOOL, ENI, requester_managed, "requesterManaged", .filter = "requester-managed"),
    {.type = FT_GET, .wire = "status", .filter = "status", .get = get_status},
    FIELD(5, FT_MAC, ENI, mac, "macAddress", .filter = "mac-address"),
    {.type = FT_GET,
     .wire = "privateIpAddress",
     .filter = "private-ip-address",
     .get = get_private_ip},
    {.type = FT_GET,
     .wire = "privateDnsName",
     .filter = "private-dns-name",
     .get = get_private_dns},
    FIELD(9, FT_BOOL, ENI, source_dest_check, "sourceDestCheck", .filter = "source-dest-check"),
    {.type = FT_EMIT, .wire = "groupSet", .emit = eni_emit_groups},
    {.type = FT_EMIT, .wire = "attachment", .emit = emit_attachment},
    {.type = FT_EMIT, .wire = "association", .emit = emit_primary_association},
    {.type = FT_EMIT, .wire = "privateIpAddressesSet", .emit = emit_addresses},
    {.type = FT_EMIT, .wire = "ipv6AddressesSet", .emit = emit_primary_marks},
    FIELD(11, FT_STR, ENI, interface_type, "interfaceType", .filter = "interface-type"),
    FIELD(6, FT_LIST, ENI, addresses, NULL, .filter = "addresses", .sub = &eni_address_desc),
    FIELD(0, FT_LIST, ENI, addresses, NULL, .filter = "association",
          .sub = &association_filter_desc),
    FIELD(7, FT_LIST, ENI, addresses6, NULL, .filter = "ipv6-addresses", .sub = &eni_address6_desc),
    FIELD(ENI_BY_GROUP, FT_STRS, ENI, groups, NULL, .filter = "group-id", .flags = FF_INDEXED),
    {.type = FT_GET, .filter = "group-name", .get = get_group_names},
    FIELD(12, FT_INT, ENI, sgset, NULL),
    FIELD(ENI_BY_INSTANCE, FT_STR, ENI, instance_id, NULL, .filter = "attachment.instance-id",
          .flags = FF_INDEXED),
    FIELD(ENI_BY_ATTACHMENT, FT_STR, ENI, attachment_id, NULL, .filter = "attachment.attachment-id",
          .flags = FF_INDEXED),
    FIELD(15, FT_INT, ENI, device_index, NULL),
    FIELD(16, FT_TIME, ENI, attach_time, NULL, .filter = "attachment.attach-time"),
    FIELD(17, FT_BOOL, ENI, delete_on_termination, NULL),
    FIELD(19, FT_BOOL, ENI, auto_public, NULL),
    {.type = FT_GET, .filter = "attachment.status", .get = get_attachment_status},
    {.type = FT_GET, .filter = "attachment.instance-owner-id", .get = get_attachment_owner},
    {.type = FT_GET, .filter = "attachment.device-index", .get = get_device_index},
    {.type = FT_GET,
     .filter = "attachment.delete-on-termination",
     .get = get_delete_on_termination},
    FIELD(18, FT_LIST, ENI, tags, "tagSet", .filter = "", .sub = &tag_desc),
};
const struct desc network_interface_desc = {
    .name = "network interface",
    .size = sizeof(ENI),
    .fields = eni_fields,
    .n_fields = sizeof(eni_fields) / sizeof(eni_fields[0]),
    .unknown = offsetof(ENI, unknown),
};

/* What an instance shows of its interfaces. */
static const struct field eni_in_instance_fields[] = {
    {.type = FT_GET, .wire = "networkInterfaceId", .filter = "network-interface-id", .get = get_id},
    FIELD(0, FT_STR, ENI, subnet_id, "subnetId", .filter = "subnet-id"),
    FIELD(0, FT_STR, ENI, vpc_id, "vpcId", .filter = "vpc-id"),
    FIELD(0, FT_STR, ENI, description, "description", .filter = "description"),
    {.type = FT_GET, .wire = "ownerId", .filter = "owner-id", .get = get_owner_id},
    {.type = FT_GET, .wire = "status", .filter = "status", .get = get_status},
    FIELD(0, FT_MAC, ENI, mac, "macAddress", .filter = "mac-address"),
    {.type = FT_GET,
     .wire = "privateIpAddress",
     .filter = "private-ip-address",
     .get = get_private_ip},
    {.type = FT_GET,
     .wire = "privateDnsName",
     .filter = "private-dns-name",
     .get = get_private_dns},
    FIELD(0, FT_BOOL, ENI, source_dest_check, "sourceDestCheck", .filter = "source-dest-check"),
    {.type = FT_EMIT, .wire = "groupSet", .emit = eni_emit_groups},
    {.type = FT_EMIT, .wire = "attachment", .emit = emit_attachment_in_instance},
    {.type = FT_EMIT, .wire = "association", .emit = emit_association_in_instance},
    {.type = FT_EMIT, .wire = "privateIpAddressesSet", .emit = emit_addresses_in_instance},
    {.type = FT_EMIT, .wire = "ipv6AddressesSet", .emit = emit_primary_marks},
    FIELD(0, FT_STR, ENI, interface_type, "interfaceType"),
    FIELD(0, FT_LIST, ENI, addresses, NULL, .filter = "addresses", .sub = &eni_address_desc),
    FIELD(0, FT_LIST, ENI, addresses, NULL, .filter = "association",
          .sub = &association_filter_desc),
    FIELD(0, FT_LIST, ENI, addresses6, NULL, .filter = "ipv6-addresses", .sub = &eni_address6_desc),
    FIELD(0, FT_STRS, ENI, groups, NULL, .filter = "group-id"),
    {.type = FT_GET, .filter = "group-name", .get = get_group_names},
    FIELD(0, FT_STR, ENI, attachment_id, NULL, .filter = "attachment.attachment-id"),
    {.type = FT_GET, .filter = "attachment.device-index", .get = get_device_index},
};
const struct desc eni_in_instance_desc = DESC("network interface", ENI, eni_in_instance_fields);

static bool get_address_instance(const struct look *look, const void *obj, struct buf *out) {
    const struct address *a = obj;
    const struct network_interface *eni =
        a->eni_id ? index_get(look->ix, KIND_NETWORK_INTERFACE, a->o.scope, a->eni_id) : NULL;

    if (!eni || !eni->instance_id)
        return false;
    buf_adds(out, eni->instance_id);
    return true;
}

static bool get_address_owner(const struct look *look, const void *obj, struct buf *out) {
    return ((const struct address *)obj)->eni_id && get_owner_id(look, obj, out);
}

static bool get_domain(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, "vpc");
    return true;
}

static bool get_pool(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, "amazon");
    return true;
}

static bool get_region(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, region_name(((const struct obj *)obj)->scope.region));
    return true;
}

static const struct field allocation_fields[] = {
    FIELD(1, FT_IP, struct address, public_ip, "publicIp", .filter = "public-ip"),
    {.type = FT_GET, .wire = "allocationId", .filter = "allocation-id", .get = get_id},
    FIELD(ADDRESS_BY_ASSOCIATION, FT_STR, struct address, association_id, "associationId",
          .filter = "association-id", .flags = FF_INDEXED),
    {.type = FT_GET, .wire = "domain", .filter = "domain", .get = get_domain},
    {.type = FT_GET, .wire = "instanceId", .filter = "instance-id", .get = get_address_instance},
    FIELD(ADDRESS_BY_ENI, FT_STR, struct address, eni_id, "networkInterfaceId",
          .filter = "network-interface-id", .flags = FF_INDEXED),
    {.type = FT_GET,
     .wire = "networkInterfaceOwnerId",
     .filter = "network-interface-owner-id",
     .get = get_address_owner},
    FIELD(4, FT_IP, struct address, private_ip, "privateIpAddress", .filter = "private-ip-address"),
    {.type = FT_GET, .wire = "publicIpv4Pool", .get = get_pool},
    {.type = FT_GET,
     .wire = "networkBorderGroup",
     .filter = "network-border-group",
     .get = get_region},
    FIELD(5, FT_LIST, struct address, tags, "tagSet", .filter = "", .sub = &tag_desc),
};
const struct desc address_desc = DESC_STORED("address", struct address, allocation_fields);
