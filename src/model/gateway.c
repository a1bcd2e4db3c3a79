/* SPDX-License-Identifier: Apache-2.0 */
#include "model/gateway.h"

#include "model/vpc.h"
#include "model/xml.h"

static void emit_attachment(struct xml *x, const char *set, const char *vpc_id, const char *state) {
    xml_open(x, set);
    if (vpc_id) {
        xml_open(x, "item");
        xml_text(x, "vpcId", vpc_id);
        xml_text(x, "state", state);
        xml_close(x, "item");
    }
    xml_close(x, set);
}

static void emit_egress_attachment(struct xml *x, const struct look *look, const void *obj) {
    emit_attachment(x, "attachmentSet", ((const struct egress_only_gateway *)obj)->vpc_id,
                    "attached");
}

static const struct field egress_only_fields[] = {
    {.type = FT_GET, .wire = "egressOnlyInternetGatewayId", .get = get_id},
    FIELD(EIGW_BY_VPC, FT_STR, struct egress_only_gateway, vpc_id, NULL, .flags = FF_INDEXED),
    {.type = FT_EMIT, .wire = "attachmentSet", .emit = emit_egress_attachment},
    FIELD(2, FT_LIST, struct egress_only_gateway, tags, "tagSet", .filter = "", .sub = &tag_desc),
};
const struct desc egress_only_gateway_desc =
    DESC_STORED("egress-only internet gateway", struct egress_only_gateway, egress_only_fields);

static bool get_vgw_state(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, ((const struct vpn_gateway *)obj)->deleted ? "deleted" : "available");
    return true;
}

static bool get_attachment_state(const struct look *look, const void *obj, struct buf *out) {
    const struct vpn_gateway *g = obj;

    buf_adds(out, g->vpc_id ? "attached" : "detached");
    return g->vpc_id || g->last_vpc_id;
}

static bool get_attachment_vpc(const struct look *look, const void *obj, struct buf *out) {
    const struct vpn_gateway *g = obj;
    const char *id = g->vpc_id ? g->vpc_id : g->last_vpc_id;

    buf_adds(out, id ? id : "");
    return id;
}

static void emit_vgw_attachment(struct xml *x, const struct look *look, const void *obj) {
    const struct vpn_gateway *g = obj;

    emit_attachment(x, "attachments", g->vpc_id ? g->vpc_id : g->last_vpc_id,
                    g->vpc_id ? "attached" : "detached");
}

static const struct field vpn_gateway_fields[] = {
    {.type = FT_GET, .wire = "vpnGatewayId", .filter = "vpn-gateway-id", .get = get_id},
    {.type = FT_GET, .wire = "state", .filter = "state", .get = get_vgw_state},
    FIELD(1, FT_STR, struct vpn_gateway, type, "type", .filter = "type"),
    FIELD(2, FT_STR, struct vpn_gateway, zone, "availabilityZone", .filter = "availability-zone"),
    FIELD(3, FT_INT, struct vpn_gateway, amazon_side_asn, "amazonSideAsn",
          .filter = "amazon-side-asn"),
    FIELD(VGW_BY_VPC, FT_STR, struct vpn_gateway, vpc_id, NULL, .flags = FF_INDEXED),
    FIELD(5, FT_STR, struct vpn_gateway, last_vpc_id, NULL),
    FIELD(6, FT_TIME, struct vpn_gateway, deleted, NULL),
    {.type = FT_EMIT, .wire = "attachments", .emit = emit_vgw_attachment},
    {.type = FT_GET, .filter = "attachment.state", .get = get_attachment_state},
    {.type = FT_GET, .filter = "attachment.vpc-id", .get = get_attachment_vpc},
    FIELD(7, FT_LIST, struct vpn_gateway, tags, "tagSet", .filter = "", .sub = &tag_desc),
};
const struct desc vpn_gateway_desc =
    DESC_STORED("VPN gateway", struct vpn_gateway, vpn_gateway_fields);

static bool get_cgw_state(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, ((const struct customer_gateway *)obj)->deleted ? "deleted" : "available");
    return true;
}

static const struct field customer_gateway_fields[] = {
    {.type = FT_GET, .wire = "customerGatewayId", .filter = "customer-gateway-id", .get = get_id},
    {.type = FT_GET, .wire = "state", .filter = "state", .get = get_cgw_state},
    FIELD(1, FT_STR, struct customer_gateway, type, "type", .filter = "type"),
    FIELD(2, FT_IP, struct customer_gateway, ip, "ipAddress", .filter = "ip-address"),
    FIELD(3, FT_INT, struct customer_gateway, bgp_asn, "bgpAsn", .filter = "bgp-asn"),
    FIELD(4, FT_STR, struct customer_gateway, certificate_arn, "certificateArn"),
    FIELD(5, FT_STR, struct customer_gateway, device_name, "deviceName"),
    FIELD(6, FT_TIME, struct customer_gateway, deleted, NULL),
    FIELD(7, FT_LIST, struct customer_gateway, tags, "tagSet", .filter = "", .sub = &tag_desc),
};
const struct desc customer_gateway_desc =
    DESC_STORED("customer gateway", struct customer_gateway, customer_gateway_fields);
