/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual private gateways, and the route tables that take their routes. No tunnel ends here. */
#include <stdlib.h>
#include <string.h>

#include "api/ec2/gateway.h"
#include "api/sweep.h"

#define VPN_TYPE "ipsec.1"
/* Private autonomous system numbers of two and of four bytes (RFC 6996), as EC2 takes them. */
#define ASN_DEFAULT 64512
#define ASN_LAST 65534
#define ASN4_FIRST 4200000000
#define ASN4_LAST 4294967294

int vpn_type_check(struct call *c, const char *type) {
    if (strcmp(type, VPN_TYPE) != 0)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter type is invalid. The only type is %s.", type,
                          VPN_TYPE);
    return 0;
}

struct create_params {
    char *type, *zone;
    struct optint asn;
    struct list tag_specifications;
};
static const struct field create_fields[] = {
    FIELD(0, FT_STR, struct create_params, type, "Type", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct create_params, zone, "AvailabilityZone"),
    FIELD(0, FT_OPTINT, struct create_params, asn, "AmazonSideAsn", .min = 1, .max = ASN4_LAST),
    TAG_SPECIFICATIONS(struct create_params),
};
static const struct desc create_desc =
    DESC("CreateVpnGateway", struct create_params, create_fields);

static int check_create(struct call *c, const struct create_params *p) {
    static const enum kind taggable[] = {KIND_VPN_GATEWAY};
    const int64_t asn = p->asn.v;
    struct cursor cur;
    int64_t count = 0;

    if (vpn_type_check(c, p->type) < 0)
        return -1;
    if (p->asn.set && (asn < ASN_DEFAULT || asn > ASN_LAST) &&
        (asn < ASN4_FIRST || asn > ASN4_LAST))
        return call_error(c, "InvalidParameterValue",
                          "Value (%lld) for parameter amazonSideAsn is invalid. Private ASNs are "
                          "%d to %d and %lld to %lld.",
                          (long long)asn, ASN_DEFAULT, ASN_LAST, (long long)ASN4_FIRST,
                          (long long)ASN4_LAST);
    if (p->zone && zone_by_name(c->scope.region, p->zone) < 0)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter availabilityZone is invalid.", p->zone);
    index_each_in(c->ix, cur, KIND_VPN_GATEWAY, c->scope) {
        count += !((const struct vpn_gateway *)cur.obj)->deleted;
    }
    if (count >= limit_of(c->ix, c->scope.account, LIMIT_VPN_GATEWAYS))
        return call_error(c, "VpnGatewayLimitExceeded",
                          "The maximum number of virtual private gateways has been reached.");
    return call_tags_check(c, &p->tag_specifications, taggable, 1);
}

static int create_vpn_gateway(struct call *c, const void *params) {
    const struct create_params *p = params;
    struct vpn_gateway *g;

    if (check_create(c, p) < 0)
        return -1;
    g = call_new(c, KIND_VPN_GATEWAY);
    if (!g || call_tags(c, &p->tag_specifications, g) < 0)
        return -1;
    obj_set(&g->o, &g->type, p->type);
    obj_set(&g->o, &g->zone, p->zone);
    g->amazon_side_asn = p->asn.set ? p->asn.v : ASN_DEFAULT;
    txn_put(c->txn, g);
    call_object(c, "vpnGateway", g);
    return 0;
}

const struct vpn_gateway *vpn_gateway_get(struct call *c, const char *id) {
    const struct vpn_gateway *g = call_get(c, KIND_VPN_GATEWAY, id);

    if (!g || !g->deleted)
        return g;
    call_error(c, kind_info(KIND_VPN_GATEWAY)->not_found, "The vpnGateway ID '%s' does not exist",
               g->o.id);
    return NULL;
}

static const struct field id_fields[] = {
    FIELD(0, FT_STR, struct one_id, id, "VpnGatewayId", .flags = FF_REQUIRED),
};
static const struct desc id_desc = DESC("VpnGatewayId", struct one_id, id_fields);

static int delete_vpn_gateway(struct call *c, const void *params) {
    const struct one_id *p = params;
    const struct vpn_gateway *g = vpn_gateway_get(c, p->id);
    struct vpn_gateway *n;

    if (!g)
        return -1;
    if (g->vpc_id)
        return call_error(c, "IncorrectState",
                          "The vpnGateway '%s' is attached to network %s. Detach it first.",
                          g->o.id, g->vpc_id);
    n = txn_edit(c->txn, g);
    if (!n)
        return call_no_memory(c);
    n->deleted = c->now;
    obj_set(&n->o, &n->last_vpc_id, NULL);
    txn_put(c->txn, n);
    sweep_litter(api_sweeper(c->api), c->scope.account, sizeof(*n));
    return call_return_true(c);
}

struct attach_params {
    char *gateway_id, *vpc_id;
};
static const struct field attach_fields[] = {
    FIELD(0, FT_STR, struct attach_params, gateway_id, "VpnGatewayId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct attach_params, vpc_id, "VpcId", .flags = FF_REQUIRED),
};
static const struct desc attach_desc = DESC("VpnGateway", struct attach_params, attach_fields);

/* The gateway is the VPC's, or nobody's, from now on. */
static int set_vpc(struct call *c, const struct vpn_gateway *g, const char *vpc_id) {
    struct vpn_gateway *n = txn_edit(c->txn, g);

    if (!n)
        return call_no_memory(c);
    obj_set(&n->o, &n->last_vpc_id, g->vpc_id);
    obj_set(&n->o, &n->vpc_id, vpc_id);
    txn_put(c->txn, n);
    return 0;
}

static int attach_vpn_gateway(struct call *c, const void *params) {
    const struct attach_params *p = params;
    const struct vpn_gateway *g = vpn_gateway_get(c, p->gateway_id);
    const struct vpc *v = g ? call_get(c, KIND_VPC, p->vpc_id) : NULL;
    struct cursor cur;

    if (!v)
        return -1;
    if (g->vpc_id && strcmp(g->vpc_id, v->o.id) != 0)
        return call_error(c, "VpnGatewayAttachmentLimitExceeded",
                          "The virtual private gateway %s is attached to network %s already.",
                          g->o.id, g->vpc_id);
    if (!g->vpc_id) {
        if (cursor_by(c->ix, &cur, KIND_VPN_GATEWAY, VGW_BY_VPC, v->o.id))
            return call_error(c, "InvalidVpcState",
                              "Network %s already has a virtual private gateway attached to it.",
                              v->o.id);
        /* A VPC has one: two attachments at once must not both commit. */
        txn_touch(c->txn, v);
        if (set_vpc(c, g, v->o.id) < 0)
            return -1;
    }
    xml_open(&c->xml, "attachment");
    xml_text(&c->xml, "vpcId", v->o.id);
    xml_text(&c->xml, "state", g->vpc_id ? "attached" : "attaching");
    xml_close(&c->xml, "attachment");
    return 0;
}

/* No table of the VPC takes the gateway's routes any more. */
static int stop_propagation(struct call *c, const char *gateway_id) {
    struct cursor cur;

    while (cursor_by_in(c->ix, &cur, KIND_ROUTE_TABLE, RTB_BY_PROPAGATING, gateway_id, c->scope,
                        NULL)) {
        struct route_table *t = txn_edit(c->txn, cur.obj);

        if (!t)
            return call_no_memory(c);
        route_table_stop_propagation(t, gateway_id);
        txn_put(c->txn, t);
    }
    return 0;
}

static int detach_vpn_gateway(struct call *c, const void *params) {
    const struct attach_params *p = params;
    const struct vpn_gateway *g = vpn_gateway_get(c, p->gateway_id);
    const struct vpc *v = g ? call_get(c, KIND_VPC, p->vpc_id) : NULL;

    if (!v)
        return -1;
    if (!g->vpc_id || strcmp(g->vpc_id, v->o.id) != 0)
        return call_error(c, "InvalidVpnGatewayAttachment.NotFound",
                          "The attachment with vpn gateway ID '%s' and vpc ID '%s' does not exist",
                          g->o.id, v->o.id);
    if (gateway_check_detach(c, g->o.id) < 0)
        return -1;
    txn_touch(c->txn, v);
    if (stop_propagation(c, g->o.id) < 0 || set_vpc(c, g, NULL) < 0)
        return -1;
    return call_return_true(c);
}

DESCRIBE_PARAMS(describe_params, "VpnGatewayId");

static int describe_vpn_gateways(struct call *c, const void *params) {
    const struct describe_ids *p = params;

    return describe(
        c, &(struct describe){.kind = KIND_VPN_GATEWAY, .ids = &p->ids, .set = "vpnGatewaySet"});
}

struct propagation_params {
    char *gateway_id, *table_id;
};
static const struct field propagation_fields[] = {
    FIELD(0, FT_STR, struct propagation_params, gateway_id, "GatewayId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct propagation_params, table_id, "RouteTableId", .flags = FF_REQUIRED),
};
static const struct desc propagation_desc =
    DESC("VgwRoutePropagation", struct propagation_params, propagation_fields);

static int enable_propagation(struct call *c, const void *params) {
    const struct propagation_params *p = params;
    const struct route_table *t = call_get(c, KIND_ROUTE_TABLE, p->table_id);
    const struct vpn_gateway *g = t ? vpn_gateway_get(c, p->gateway_id) : NULL;
    struct route_table *n;

    if (!g)
        return -1;
    if (!g->vpc_id || strcmp(g->vpc_id, t->vpc_id) != 0)
        return call_error(c, "Gateway.NotAttached", "resource %s is not attached to network %s",
                          g->o.id, t->vpc_id);
    if (strs_has(&t->propagating, g->o.id))
        return call_return_true(c);
    if (route_table_is_edge(t))
        return call_error(c, "InvalidParameterValue",
                          "Route table %s is associated with a gateway and cannot take propagated "
                          "routes.",
                          t->o.id);
    n = txn_edit(c->txn, t);
    if (!n || strs_add(&n->propagating, g->o.id) < 0)
        return call_no_memory(c);
    txn_put(c->txn, n);
    txn_touch(c->txn, g); /* its detaching must not miss this table */
    return call_return_true(c);
}

static int disable_propagation(struct call *c, const void *params) {
    const struct propagation_params *p = params;
    const struct route_table *t = call_get(c, KIND_ROUTE_TABLE, p->table_id);
    const struct vpn_gateway *g = t ? vpn_gateway_get(c, p->gateway_id) : NULL;
    struct route_table *n = g ? txn_edit(c->txn, t) : NULL;

    if (!n)
        return -1;
    route_table_stop_propagation(n, g->o.id);
    txn_put(c->txn, n);
    return call_return_true(c);
}

static const struct action rows[] = {
    {"AttachVpnGateway", &attach_desc, attach_vpn_gateway},
    {"CreateVpnGateway", &create_desc, create_vpn_gateway},
    {"DeleteVpnGateway", &id_desc, delete_vpn_gateway},
    {"DescribeVpnGateways", &describe_params, describe_vpn_gateways, ACT_FILTER, "vpnGatewaySet"},
    {"DetachVpnGateway", &attach_desc, detach_vpn_gateway},
    {"DisableVgwRoutePropagation", &propagation_desc, disable_propagation},
    {"EnableVgwRoutePropagation", &propagation_desc, enable_propagation},
};
ACTIONS(vpn_gateway_actions, rows);
