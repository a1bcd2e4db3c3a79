/* SPDX-License-Identifier: Apache-2.0 */
/* Egress-only internet gateways. */
#include "api/ec2/gateway.h"

static int create_gateway(struct call *c, const void *params) {
    static const enum kind taggable[] = {KIND_EGRESS_ONLY_GATEWAY};
    const struct in_vpc_params *p = params;
    const struct vpc *v = call_get(c, KIND_VPC, p->vpc_id);
    struct egress_only_gateway *g;
    struct cursor cur;

    if (!v || call_tags_check(c, &p->tag_specifications, taggable, 1) < 0)
        return -1;
    if (cursor_by(c->ix, &cur, KIND_EGRESS_ONLY_GATEWAY, EIGW_BY_VPC, v->o.id))
        return call_error(c, "InvalidParameterValue",
                          "Network %s already has an egress-only internet gateway attached",
                          v->o.id);
    g = call_new(c, KIND_EGRESS_ONLY_GATEWAY);
    if (!g || call_tags(c, &p->tag_specifications, g) < 0)
        return -1;
    obj_set(&g->o, &g->vpc_id, v->o.id);
    txn_put(c->txn, g);
    txn_touch(c->txn, v); /* a VPC has one, and it keeps the VPC from being deleted */
    xml_text(&c->xml, "clientToken", c->client_token);
    call_object(c, "egressOnlyInternetGateway", g);
    return 0;
}

static const struct field id_fields[] = {
    FIELD(0, FT_STR, struct one_id, id, "EgressOnlyInternetGatewayId", .flags = FF_REQUIRED),
};
static const struct desc id_desc = DESC("EgressOnlyInternetGatewayId", struct one_id, id_fields);

/* Routes to it stay, as blackholes. */
static int delete_gateway(struct call *c, const void *params) {
    const struct one_id *p = params;
    const struct egress_only_gateway *g = call_get(c, KIND_EGRESS_ONLY_GATEWAY, p->id);

    if (!g)
        return -1;
    txn_delete(c->txn, g);
    xml_bool(&c->xml, "returnCode", true);
    return 0;
}

DESCRIBE_PARAMS(describe_params, "EgressOnlyInternetGatewayId");

static int describe_gateways(struct call *c, const void *params) {
    const struct describe_ids *p = params;

    return describe(c, &(struct describe){.kind = KIND_EGRESS_ONLY_GATEWAY,
                                          .ids = &p->ids,
                                          .set = "egressOnlyInternetGatewaySet"});
}

static const struct action rows[] = {
    {"CreateEgressOnlyInternetGateway", &in_vpc_desc, create_gateway, ACT_TOKEN},
    {"DeleteEgressOnlyInternetGateway", &id_desc, delete_gateway},
    {"DescribeEgressOnlyInternetGateways", &describe_params, describe_gateways, ACT_FILTERS,
     "egressOnlyInternetGatewaySet", .page_max = 255},
};
ACTIONS(egress_only_gateway_actions, rows);
