/* SPDX-License-Identifier: Apache-2.0 */
/* Internet gateways. */
#include <string.h>

#include "api/ec2/gateway.h"

struct create_params {
    struct list tag_specifications;
};
static const struct field create_fields[] = {TAG_SPECIFICATIONS(struct create_params)};
static const struct desc create_desc =
    DESC("CreateInternetGateway", struct create_params, create_fields);

static int create_internet_gateway(struct call *c, const void *params) {
    static const enum kind taggable[] = {KIND_INTERNET_GATEWAY};
    const struct create_params *p = params;
    struct internet_gateway *g;

    if ((int64_t)index_count_in(c->ix, KIND_INTERNET_GATEWAY, c->scope) >=
        limit_of(c->ix, c->scope.account, LIMIT_INTERNET_GATEWAYS))
        return call_error(c, "InternetGatewayLimitExceeded",
                          "The maximum number of internet gateways has been reached.");
    if (call_tags_check(c, &p->tag_specifications, taggable, 1) < 0)
        return -1;
    g = call_new(c, KIND_INTERNET_GATEWAY);
    if (call_tags(c, &p->tag_specifications, g) < 0)
        return -1;
    txn_put(c->txn, g);
    call_object(c, "internetGateway", g);
    return 0;
}

struct gateway_params {
    char *gateway_id, *vpc_id;
};
static const struct field gateway_fields[] = {
    FIELD(0, FT_STR, struct gateway_params, gateway_id, "InternetGatewayId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct gateway_params, vpc_id, "VpcId", .flags = FF_REQUIRED),
};
static const struct desc gateway_vpc_desc =
    DESC("InternetGateway", struct gateway_params, gateway_fields);
static const struct desc gateway_desc = {.name = "InternetGatewayId",
                                         .size = sizeof(struct gateway_params),
                                         .fields = gateway_fields,
                                         .n_fields = 1,
                                         .unknown = -1};

static int delete_internet_gateway(struct call *c, const void *params) {
    const struct gateway_params *p = params;
    const struct internet_gateway *g = call_get(c, KIND_INTERNET_GATEWAY, p->gateway_id);

    if (!g)
        return -1;
    if (g->vpc_id)
        return call_error(c, "DependencyViolation",
                          "The internetGateway '%s' has dependencies and cannot be deleted.",
                          g->o.id);
    txn_delete(c->txn, g);
    return call_return_true(c);
}

static int set_vpc(struct call *c, const struct internet_gateway *g, const char *vpc_id) {
    struct internet_gateway *n = txn_edit(c->txn, g);

    if (!n)
        return -1;
    obj_set(&n->o, &n->vpc_id, vpc_id);
    txn_put(c->txn, n);
    return call_return_true(c);
}

static int attach_internet_gateway(struct call *c, const void *params) {
    const struct gateway_params *p = params;
    const struct internet_gateway *g = call_get(c, KIND_INTERNET_GATEWAY, p->gateway_id);
    const struct vpc *v = g ? call_get(c, KIND_VPC, p->vpc_id) : NULL;

    if (!v)
        return -1;
    if (g->vpc_id)
        return call_error(c, "Resource.AlreadyAssociated",
                          "resource %s is already attached to network %s", g->o.id, g->vpc_id);
    if (vpc_gateway(c->ix, v->o.id))
        return call_error(c, "InvalidParameterValue",
                          "Network %s already has an internet gateway attached", v->o.id);
    /* A VPC has one gateway: two attachments at once must not both commit. */
    txn_touch(c->txn, v);
    return set_vpc(c, g, v->o.id);
}

static int detach_internet_gateway(struct call *c, const void *params) {
    const struct gateway_params *p = params;
    const struct internet_gateway *g = call_get(c, KIND_INTERNET_GATEWAY, p->gateway_id);
    const struct vpc *v = g ? call_get(c, KIND_VPC, p->vpc_id) : NULL;
    struct cursor cur;

    if (!v)
        return -1;
    if (!g->vpc_id || strcmp(g->vpc_id, v->o.id) != 0)
        return call_error(c, "Gateway.NotAttached", "resource %s is not attached to network %s",
                          g->o.id, v->o.id);
    if (gateway_check_detach(c, g->o.id) < 0)
        return -1;
    index_each_by(c->ix, cur, KIND_NETWORK_INTERFACE, ENI_BY_VPC, v->o.id) {
        list_each (struct eni_address, a, ((const struct network_interface *)cur.obj)->addresses) {
            if (a->public_ip.family)
                return call_error(
                    c, "DependencyViolation",
                    "Network %s has some mapped public address(es). Please unmap those public "
                    "address(es) before detaching the gateway.",
                    v->o.id);
        }
    }
    txn_touch(c->txn, v);
    return set_vpc(c, g, NULL);
}

DESCRIBE_PARAMS(describe_params, "InternetGatewayId");

static int describe_internet_gateways(struct call *c, const void *params) {
    const struct describe_ids *p = params;

    return describe(c, &(struct describe){.kind = KIND_INTERNET_GATEWAY,
                                          .ids = &p->ids,
                                          .set = "internetGatewaySet"});
}

static const struct action rows[] = {
    {"AttachInternetGateway", &gateway_vpc_desc, attach_internet_gateway},
    {"CreateInternetGateway", &create_desc, create_internet_gateway},
    {"DeleteInternetGateway", &gateway_desc, delete_internet_gateway},
    {"DescribeInternetGateways", &describe_params, describe_internet_gateways, ACT_FILTERS,
     "internetGatewaySet"},
    {"DetachInternetGateway", &gateway_vpc_desc, detach_internet_gateway},
};
ACTIONS(internet_gateway_actions, rows);
