/* SPDX-License-Identifier: Apache-2.0 */
#include "model/nat_gateway.h"

#include "model/vpc.h"
#include "model/xml.h"

static const char *const states[] = {"",         "pending", "failed", "available",
                                     "deleting", "deleted", NULL};
static const char *const connectivities[] = {"", "public", "private", NULL};

static const struct field address_fields[] = {
    FIELD(1, FT_IP, struct nat_address, ip, NULL),
    FIELD(2, FT_BOOL, struct nat_address, primary, NULL),
    FIELD(3, FT_IP, struct nat_address, public_ip, NULL),
    FIELD(4, FT_STR, struct nat_address, allocation_id, NULL),
    FIELD(5, FT_STR, struct nat_address, association_id, NULL),
    FIELD(6, FT_STR, struct nat_address, failure, NULL),
};
const struct desc nat_address_desc =
    DESC_STORED("NAT gateway address", struct nat_address, address_fields);

void nat_addresses_emit(struct xml *x, const struct nat_gateway *g, const struct list *addresses,
                        const char *status) {
    char text[IP_TEXT];

    xml_open(x, "natGatewayAddressSet");
    list_each (struct nat_address, a, *addresses) {
        xml_open(x, "item");
        xml_text(x, "allocationId", a->allocation_id);
        xml_text(x, "networkInterfaceId", g->eni_id);
        if (a->ip.family)
            xml_text(x, "privateIp", ip_format(&a->ip, text));
        if (a->public_ip.family)
            xml_text(x, "publicIp", ip_format(&a->public_ip, text));
        xml_text(x, "associationId", a->association_id);
        xml_bool(x, "isPrimary", a->primary);
        xml_text(x, "failureMessage", a->failure);
        xml_text(x, "status", status ? status : a->failure ? "failed" : "succeeded");
        xml_close(x, "item");
    }
    xml_close(x, "natGatewayAddressSet");
}

static void emit_addresses(struct xml *x, const struct look *look, const void *obj) {
    const struct nat_gateway *g = obj;

    nat_addresses_emit(x, g, &g->addresses, NULL);
}

static const struct field nat_gateway_fields[] = {
    {.type = FT_GET, .wire = "natGatewayId", .filter = "nat-gateway-id", .get = get_id},
    FIELD(NAT_BY_VPC, FT_STR, struct nat_gateway, vpc_id, "vpcId", .filter = "vpc-id",
          .flags = FF_INDEXED),
    FIELD(NAT_BY_SUBNET, FT_STR, struct nat_gateway, subnet_id, "subnetId", .filter = "subnet-id",
          .flags = FF_INDEXED),
    FIELD(NAT_BY_ENI, FT_STR, struct nat_gateway, eni_id, NULL, .flags = FF_INDEXED),
    FIELD(4, FT_ENUM, struct nat_gateway, state, "state", .filter = "state", .names = states),
    FIELD(5, FT_ENUM, struct nat_gateway, connectivity, "connectivityType",
          .names = connectivities),
    FIELD(6, FT_STR, struct nat_gateway, failure_code, "failureCode"),
    FIELD(7, FT_STR, struct nat_gateway, failure_message, "failureMessage"),
    FIELD(8, FT_TIME, struct nat_gateway, created, "createTime"),
    FIELD(9, FT_TIME, struct nat_gateway, deleted, "deleteTime"),
    FIELD(10, FT_LIST, struct nat_gateway, addresses, NULL, .sub = &nat_address_desc),
    {.type = FT_EMIT, .wire = "natGatewayAddressSet", .emit = emit_addresses},
    FIELD(11, FT_LIST, struct nat_gateway, tags, "tagSet", .filter = "", .sub = &tag_desc),
};
const struct desc nat_gateway_desc =
    DESC_STORED("NAT gateway", struct nat_gateway, nat_gateway_fields);
