/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NAT gateways: made, deleted, described. Their addresses later on: nat_gateway_address.c.
 *
 * What is wrong with a request is an error. What stands in the way of a well-formed one makes a
 * gateway in the state `failed`, with the reason, as EC2 does (VPC user guide, "Troubleshoot NAT
 * gateways"): it has no interface, and goes away after an hour as deleted ones do.
 */
#include "api/ec2/nat_gateway.h"

#include <stdlib.h>
#include <string.h>

#include "api/sweep.h"
#include "base/cleanup.h"

struct create_params {
    char *subnet_id, *allocation_id, *connectivity;
    struct ip primary;
    struct list allocations; /* ids, for secondary addresses */
    struct list secondary;   /* addresses as text */
    struct optint secondary_count;
    struct list tag_specifications;
};
#define P struct create_params
static const struct field create_fields[] = {
    FIELD(0, FT_STR, P, subnet_id, "SubnetId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, P, allocation_id, "AllocationId"),
    FIELD(0, FT_STR, P, connectivity, "ConnectivityType"),
    FIELD(0, FT_IP, P, primary, "PrivateIpAddress"),
    FIELD(0, FT_STRS, P, allocations, "SecondaryAllocationId"),
    FIELD(0, FT_STRS, P, secondary, "SecondaryPrivateIpAddress"),
    FIELD(0, FT_OPTINT, P, secondary_count, "SecondaryPrivateIpAddressCount", .min = 1, .max = 31),
    TAG_SPECIFICATIONS(P),
};
static const struct desc create_desc = DESC("CreateNatGateway", P, create_fields);

/* What a creation is about, once its parameters are found good. */
struct plan {
    const struct subnet *subnet;
    uint8_t connectivity;
    struct list allocations; /* borrowed ids, the primary's first */
    struct list secondary;   /* struct private_ip_param */
    int64_t secondary_count; /* of addresses that nobody named */
};

static int read_connectivity(struct call *c, const struct create_params *p, struct plan *plan) {
    plan->connectivity = NAT_PUBLIC;
    if (p->connectivity && strcmp(p->connectivity, "private") == 0)
        plan->connectivity = NAT_PRIVATE;
    else if (p->connectivity && strcmp(p->connectivity, "public") != 0)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter connectivityType is invalid. It must be "
                          "public or private.",
                          p->connectivity);
    if (plan->connectivity == NAT_PRIVATE && (p->allocation_id || p->allocations.n))
        return call_error(c, "InvalidParameterCombination",
                          "A private NAT gateway has no elastic IP addresses.");
    if (plan->connectivity == NAT_PUBLIC && !p->allocation_id)
        return call_error(c, "MissingParameter",
                          "The request must contain the parameter AllocationId");
    if (plan->connectivity == NAT_PUBLIC && p->secondary_count.set)
        return call_error(c, "InvalidParameterCombination",
                          "SecondaryPrivateIpAddressCount is for private NAT gateways; a public "
                          "one has an address for each SecondaryAllocationId.");
    return 0;
}

static int read_addresses(struct call *c, const struct create_params *p, struct plan *plan) {
    const bool public = plan->connectivity == NAT_PUBLIC;

    if (nat_read_addresses(c, &p->secondary, &plan->secondary) < 0)
        return -1;
    if (public && p->secondary.n && p->secondary.n != p->allocations.n)
        return call_error(c, "InvalidParameterCombination",
                          "There must be as many of SecondaryPrivateIpAddress as of "
                          "SecondaryAllocationId.");
    if (p->secondary.n && p->secondary_count.set)
        return call_error(c, "InvalidParameterCombination",
                          "SecondaryPrivateIpAddress and SecondaryPrivateIpAddressCount cannot be "
                          "used together.");
    if (!p->secondary.n)
        plan->secondary_count = public ? p->allocations.n : p->secondary_count.v;
    if (1 + p->secondary.n + plan->secondary_count > NAT_ADDRESSES_MAX)
        return call_error(c, "PrivateIpAddressLimitExceeded",
                          "A NAT gateway has %d addresses at most.", NAT_ADDRESSES_MAX);
    if (!public)
        return 0;
    if (strs_add(&plan->allocations, p->allocation_id) < 0)
        return call_no_memory(c);
    list_each (char *, id, p->allocations)
        if (strs_add(&plan->allocations, *id) < 0)
            return call_no_memory(c);
    return nat_check_allocations(c, &plan->allocations);
}

static int check_quota(struct call *c, const struct subnet *s) {
    struct cursor cur;
    const int64_t max = limit_of(c->ix, c->scope.account, LIMIT_NAT_GATEWAYS);
    int64_t count = 0;

    index_each_in(c->ix, cur, KIND_NAT_GATEWAY, c->scope) {
        const struct nat_gateway *g = cur.obj;
        const struct subnet *its = g->eni_id && g->state != NAT_DELETED
                                       ? index_get(c->ix, KIND_SUBNET, c->scope, g->subnet_id)
                                       : NULL;

        count += its && strcmp(its->zone, s->zone) == 0;
    }
    if (count >= max)
        return call_error(c, "NatGatewayLimitExceeded",
                          "The maximum number of NAT gateways in %s has been reached: %lld.",
                          s->zone, (long long)max);
    return 0;
}

static void fail(struct nat_gateway *g, const char *code, const char *before, const char *id,
                 const char *after) {
    _buf_ struct buf message = BUF_INIT;

    buf_addf(&message, "%s%s%s", before, id, after);
    g->state = NAT_FAILED;
    obj_set(&g->o, &g->failure_code, code);
    obj_set(&g->o, &g->failure_message, buf_str(&message));
}

/* What stands in the way of the gateway, in the order in which EC2 finds it. */
static void find_obstacle(struct call *c, const struct plan *plan, struct nat_gateway *g) {
    const struct internet_gateway *igw = vpc_gateway(c->ix, g->vpc_id);

    if (plan->connectivity == NAT_PUBLIC && !igw) {
        fail(g, "Gateway.NotAttached", "Network ", g->vpc_id, " has no Internet gateway attached");
        return;
    }
    list_each (char *, id, plan->allocations) {
        const struct address *a = txn_get(c->txn, KIND_ADDRESS, c->scope, *id);

        if (a->association_id) {
            fail(g, "Resource.AlreadyAssociated", "Elastic IP address ", *id,
                 " is already associated");
            return;
        }
    }
    if (subnet_free(c->ix, plan->subnet) < 1 + plan->secondary.n + (uint64_t)plan->secondary_count)
        fail(g, "InsufficientFreeAddressesInSubnet",
             "Subnet has insufficient free addresses to create this NAT gateway", "", "");
    else if (plan->connectivity == NAT_PUBLIC)
        txn_touch(c->txn, igw); /* its detaching must not miss these addresses */
}

/* Elastic IPs that a failed gateway was to have. */
static int remember_allocations(struct call *c, const struct plan *plan, struct nat_gateway *g) {
    list_each (char *, id, plan->allocations) {
        struct nat_address *a = list_add(&g->addresses, sizeof(*a));

        if (!a || !str_set(&a->allocation_id, *id) || !str_set(&a->failure, g->failure_message))
            return call_no_memory(c);
        a->primary = g->addresses.n == 1;
    }
    return 0;
}

static int make_interface(struct call *c, const struct create_params *p, const struct plan *plan,
                          struct nat_gateway *g) {
    _buf_ struct buf description = BUF_INIT;
    struct eni_wish wish = {.subnet = plan->subnet,
                            .interface_type = "nat_gateway",
                            .primary = p->primary.family ? &p->primary : NULL,
                            .secondary = &plan->secondary,
                            .secondary_count = plan->secondary_count,
                            .addresses6_count = 0,
                            .requester_managed = true};
    const struct network_interface *eni;
    struct network_interface *copy;
    char id[64];

    buf_addf(&description, "Interface for NAT Gateway %s", g->o.id);
    wish.description = buf_str(&description);
    eni = eni_create(c, &wish);
    copy = eni ? txn_edit(c->txn, eni) : NULL;
    if (!copy)
        return c->error_code ? -1 : call_no_memory(c);
    obj_set(&copy->o, &copy->attachment_id, obj_make_id("ela-attach-", id));
    copy->device_index = 1;
    copy->attach_time = c->now;
    txn_put(c->txn, copy);
    obj_set(&g->o, &g->eni_id, copy->o.id);
    if (nat_associate(c, g->eni_id, 0, &plan->allocations) < 0)
        return -1;
    g->state = NAT_AVAILABLE;
    return nat_take_addresses(c, g);
}

static int create_planned(struct call *c, const struct create_params *p, const struct plan *plan) {
    struct nat_gateway *g = call_new(c, KIND_NAT_GATEWAY);
    int r;

    if (!g || call_tags(c, &p->tag_specifications, g) < 0)
        return -1;
    obj_set(&g->o, &g->vpc_id, plan->subnet->vpc_id);
    obj_set(&g->o, &g->subnet_id, plan->subnet->o.id);
    g->connectivity = plan->connectivity;
    g->created = c->now;
    if (g->o.no_memory)
        return call_no_memory(c);
    find_obstacle(c, plan, g);
    r = g->state == NAT_FAILED ? remember_allocations(c, plan, g) : make_interface(c, p, plan, g);
    if (r < 0)
        return r;
    txn_put(c->txn, g);
    if (g->state == NAT_FAILED)
        sweep_litter(api_sweeper(c->api), c->scope.account, sizeof(*g));
    xml_text(&c->xml, "clientToken", c->client_token);
    xml_open(&c->xml, "natGateway");
    /* The next Describe says what became of it. */
    xml_fields_as(&c->xml, &nat_gateway_desc, &c->look, g, "state", "pending");
    xml_close(&c->xml, "natGateway");
    return 0;
}

static int create_nat_gateway(struct call *c, const void *params) {
    static const enum kind taggable[] = {KIND_NAT_GATEWAY};
    const struct create_params *p = params;
    struct plan plan = {.subnet = call_get(c, KIND_SUBNET, p->subnet_id)};
    int r = -1;

    if (plan.subnet && read_connectivity(c, p, &plan) == 0 && read_addresses(c, p, &plan) == 0 &&
        call_tags_check(c, &p->tag_specifications, taggable, 1) == 0 &&
        check_quota(c, plan.subnet) == 0)
        r = create_planned(c, p, &plan);
    list_each (char *, id, plan.allocations)
        free(*id);
    free(plan.allocations.items);
    free(plan.secondary.items);
    return r;
}

const struct nat_gateway *nat_gateway_get(struct call *c, const char *id) {
    const struct nat_gateway *g = call_get(c, KIND_NAT_GATEWAY, id);

    if (!g || g->state != NAT_DELETED)
        return g;
    call_error(c, kind_info(KIND_NAT_GATEWAY)->not_found, "The NAT gateway %s was not found",
               g->o.id);
    return NULL;
}

static const struct field id_fields[] = {
    FIELD(0, FT_STR, struct one_id, id, "NatGatewayId", .flags = FF_REQUIRED),
};
static const struct desc id_desc = DESC("NatGatewayId", struct one_id, id_fields);

/* Its elastic IPs are free at once; routes to it stay, as blackholes. */
static int delete_nat_gateway(struct call *c, const void *params) {
    const struct one_id *p = params;
    const struct nat_gateway *g = nat_gateway_get(c, p->id);
    const struct network_interface *eni =
        g && g->eni_id ? txn_get(c->txn, KIND_NETWORK_INTERFACE, c->scope, g->eni_id) : NULL;
    struct nat_gateway *n = g ? txn_edit(c->txn, g) : NULL;

    if (!n)
        return -1;
    if (eni && eni_delete(c, eni) < 0)
        return -1;
    n->state = NAT_DELETED;
    n->deleted = c->now;
    txn_put(c->txn, n);
    sweep_litter(api_sweeper(c->api), c->scope.account, sizeof(*n));
    xml_text(&c->xml, "natGatewayId", n->o.id);
    return 0;
}

DESCRIBE_PARAMS(describe_params, "NatGatewayId");

static int describe_nat_gateways(struct call *c, const void *params) {
    const struct describe_ids *p = params;

    return describe(
        c, &(struct describe){.kind = KIND_NAT_GATEWAY, .ids = &p->ids, .set = "natGatewaySet"});
}

static const struct action rows[] = {
    {"CreateNatGateway", &create_desc, create_nat_gateway, ACT_TOKEN},
    {"DeleteNatGateway", &id_desc, delete_nat_gateway},
    {"DescribeNatGateways", &describe_params, describe_nat_gateways, ACT_FILTERS, "natGatewaySet"},
};
ACTIONS(nat_gateway_actions, rows);
