/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The addresses of NAT gateways: elastic IPs of public ones, private addresses of private ones.
 *
 * EC2 lets the connections of an address that goes drain for up to MaxDrainDurationSeconds. Here an
 * address goes at once, whatever the duration.
 */
#include <stdlib.h>
#include <string.h>

#include "api/ec2/nat_gateway.h"

#define DRAIN_MAX 4000 /* seconds */

int nat_check_allocations(struct call *c, const struct list *ids) {
    for (uint32_t i = 0; i < ids->n; i++) {
        const char *id = list_str(*ids, i);

        if (strncmp(id, "eipalloc-", 9) != 0)
            return call_error(c, "InvalidElasticIpID.Malformed",
                              "The elastic-ip ID '%.64s' is malformed", id);
        if (!txn_get(c->txn, KIND_ADDRESS, c->scope, id))
            return call_error(c, "InvalidElasticIpID.NotFound",
                              "The elastic-ip ID '%.64s' does not exist", id);
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(id, list_str(*ids, k)) == 0)
                return call_error(c, "InvalidParameterValue",
                                  "The elastic IP address %s is named twice.", id);
    }
    return 0;
}

int nat_read_addresses(struct call *c, const struct list *texts, struct list *ret_addresses) {
    list_each (char *, text, *texts) {
        struct private_ip_param *a = list_add(ret_addresses, sizeof(*a));

        if (!a)
            return call_no_memory(c);
        if (ip_parse(*text, &a->ip) < 0 || a->ip.family != IP_V4)
            return call_error(c, "InvalidParameterValue",
                              "Value (%.64s) for parameter privateIpAddress is invalid. It is not "
                              "a valid IPv4 address.",
                              *text);
    }
    return 0;
}

int nat_associate(struct call *c, const char *eni_id, uint32_t first, const struct list *ids) {
    for (uint32_t i = 0; i < ids->n; i++) {
        const struct network_interface *eni =
            index_get(c->ix, KIND_NETWORK_INTERFACE, c->scope, eni_id);
        struct ip ip = list_at(eni->addresses, struct eni_address, first + i)->ip;

        if (address_associate(c, list_str(*ids, i), eni_id, &ip) < 0)
            return -1;
    }
    return 0;
}

static int add_address(struct list *to, const struct eni_address *a) {
    struct nat_address *n = list_add(to, sizeof(*n));

    if (!n || !str_set(&n->allocation_id, a->allocation_id) ||
        !str_set(&n->association_id, a->association_id))
        return -1;
    n->ip = a->ip;
    n->primary = a->primary;
    n->public_ip = a->public_ip;
    return 0;
}

int nat_take_addresses(struct call *c, struct nat_gateway *g) {
    const struct network_interface *eni =
        index_get(c->ix, KIND_NETWORK_INTERFACE, c->scope, g->eni_id);

    desc_clear_list(&nat_address_desc, &g->addresses);
    list_each (struct eni_address, a, eni->addresses)
        if (add_address(&g->addresses, a) < 0)
            return call_no_memory(c);
    return 0;
}

/* The gateway to change, if it is of this kind, and a copy of its interface. */
struct change {
    const struct nat_gateway *gateway;
    const struct subnet *subnet;
    struct network_interface *eni;
};

static int begin_change(struct call *c, const char *id, enum nat_connectivity connectivity,
                        struct change *ret) {
    const struct nat_gateway *g = nat_gateway_get(c, id);

    if (!g)
        return -1;
    if (g->state != NAT_AVAILABLE)
        return call_error(c, "IncorrectState", "The NAT gateway %s is not available.", g->o.id);
    if (g->connectivity != connectivity)
        return call_error(c, "UnsupportedOperation",
                          "This operation is for %s NAT gateways only, and %s is none.",
                          connectivity == NAT_PUBLIC ? "public" : "private", g->o.id);
    ret->gateway = g;
    ret->subnet = txn_get(c->txn, KIND_SUBNET, c->scope, g->subnet_id);
    ret->eni = txn_edit(c->txn, txn_get(c->txn, KIND_NETWORK_INTERFACE, c->scope, g->eni_id));
    return ret->subnet && ret->eni ? 0 : call_no_memory(c);
}

/* The gateway takes over what its interface has now; *ret_gateway. */
static int end_change(struct call *c, const struct change *change,
                      const struct nat_gateway **ret_gateway) {
    struct nat_gateway *g = txn_edit(c->txn, change->gateway);

    if (!g || nat_take_addresses(c, g) < 0)
        return call_no_memory(c);
    txn_put(c->txn, g);
    *ret_gateway = g;
    return 0;
}

static int answer(struct call *c, const struct nat_gateway *g, const struct list *addresses,
                  const char *status) {
    xml_text(&c->xml, "natGatewayId", g->o.id);
    nat_addresses_emit(&c->xml, g, addresses, status);
    return 0;
}

/* Those with number `first` and up. */
static int answer_added(struct call *c, const struct nat_gateway *g, uint32_t first,
                        const char *status) {
    struct list added = {.items = list_at(g->addresses, struct nat_address, first),
                         .n = g->addresses.n - first};

    return answer(c, g, &added, status);
}

struct address_params {
    char *id;
    struct list allocations, associations; /* ids */
    struct list addresses;                 /* as text */
    struct optint count, drain;
};
#define P struct address_params
#define ID FIELD(0, FT_STR, P, id, "NatGatewayId", .flags = FF_REQUIRED)
#define ADDRESSES(flags_) FIELD(0, FT_STRS, P, addresses, "PrivateIpAddress", .flags = (flags_))
#define DRAIN FIELD(0, FT_OPTINT, P, drain, "MaxDrainDurationSeconds", .min = 1, .max = DRAIN_MAX)
static const struct field associate_fields[] = {
    ID, FIELD(0, FT_STRS, P, allocations, "AllocationId", .flags = FF_REQUIRED), ADDRESSES(0)};
static const struct desc associate_desc = DESC("AssociateNatGatewayAddress", P, associate_fields);
static const struct field disassociate_fields[] = {
    ID, FIELD(0, FT_STRS, P, associations, "AssociationId", .flags = FF_REQUIRED), DRAIN};
static const struct desc disassociate_desc =
    DESC("DisassociateNatGatewayAddress", P, disassociate_fields);
static const struct field assign_fields[] = {
    ID, ADDRESSES(0), FIELD(0, FT_OPTINT, P, count, "PrivateIpAddressCount", .min = 1, .max = 31)};
static const struct desc assign_desc = DESC("AssignPrivateNatGatewayAddress", P, assign_fields);
static const struct field unassign_fields[] = {ID, ADDRESSES(FF_REQUIRED), DRAIN};
static const struct desc unassign_desc =
    DESC("UnassignPrivateNatGatewayAddress", P, unassign_fields);

/* `count` more addresses for the interface: those that the call names, or any. */
static int add_addresses(struct call *c, const struct address_params *p, struct change *change,
                         int64_t count) {
    struct network_interface *eni = change->eni;
    struct list named = {0};
    int r = nat_read_addresses(c, &p->addresses, &named);

    if (r == 0 && eni->addresses.n + count > NAT_ADDRESSES_MAX)
        r = call_error(c, "PrivateIpAddressLimitExceeded",
                       "A NAT gateway has %d addresses at most.", NAT_ADDRESSES_MAX);
    for (uint32_t i = 0; r == 0 && i < count; i++) {
        const struct ip *ip = named.n ? &list_at(named, struct private_ip_param, i)->ip : NULL;

        r = eni_add_address(c, eni, change->subnet, IP_V4, ip);
    }
    free(named.items);
    if (r == 0)
        txn_put(c->txn, eni);
    return r;
}

static int associate_address(struct call *c, const void *params) {
    const struct address_params *p = params;
    const struct nat_gateway *g;
    const struct internet_gateway *igw;
    struct change change;
    uint32_t first;

    if (begin_change(c, p->id, NAT_PUBLIC, &change) < 0 ||
        nat_check_allocations(c, &p->allocations) < 0)
        return -1;
    if (p->addresses.n && p->addresses.n != p->allocations.n)
        return call_error(c, "InvalidParameterCombination",
                          "There must be as many of PrivateIpAddress as of AllocationId.");
    list_each (char *, id, p->allocations) {
        const struct address *a = txn_get(c->txn, KIND_ADDRESS, c->scope, *id);

        if (a->association_id)
            return call_error(c, "Resource.AlreadyAssociated",
                              "resource %s is already associated with associate-id %s", *id,
                              a->association_id);
    }
    igw = vpc_gateway(c->ix, change.gateway->vpc_id);
    if (!igw)
        return call_error(c, "Gateway.NotAttached", "Network %s has no Internet gateway attached",
                          change.gateway->vpc_id);
    txn_touch(c->txn, igw);
    first = change.eni->addresses.n;
    if (add_addresses(c, p, &change, p->allocations.n) < 0 ||
        nat_associate(c, change.gateway->eni_id, first, &p->allocations) < 0 ||
        end_change(c, &change, &g) < 0)
        return -1;
    return answer_added(c, g, first, "associating");
}

static int assign_address(struct call *c, const void *params) {
    const struct address_params *p = params;
    const struct nat_gateway *g;
    struct change change;
    uint32_t first;

    if (begin_change(c, p->id, NAT_PRIVATE, &change) < 0)
        return -1;
    if (p->addresses.n && p->count.set)
        return call_error(c, "InvalidParameterCombination",
                          "PrivateIpAddress and PrivateIpAddressCount cannot be used together.");
    if (!p->addresses.n && !p->count.set)
        return call_error(c, "MissingParameter",
                          "The request must contain the parameter PrivateIpAddress or "
                          "PrivateIpAddressCount");
    first = change.eni->addresses.n;
    if (add_addresses(c, p, &change, p->count.set ? p->count.v : p->addresses.n) < 0 ||
        end_change(c, &change, &g) < 0)
        return -1;
    return answer_added(c, g, first, "assigning");
}

/* Takes address number i off the interface, and remembers it for the answer. */
static int take_off(struct call *c, struct change *change, uint32_t i, struct list *gone) {
    const struct eni_address *a = list_at(change->eni->addresses, struct eni_address, i);

    if (i == 0)
        return call_error(c, "InvalidParameterValue",
                          "The primary address of the NAT gateway %s cannot be taken away.",
                          change->gateway->o.id);
    if (add_address(gone, a) < 0)
        return call_no_memory(c);
    eni_cut_address(c, change->eni, IP_V4, i);
    return 0;
}

static int find_association(struct call *c, const struct change *change, const char *id,
                            uint32_t *ret_i) {
    for (*ret_i = 0; *ret_i < change->eni->addresses.n; ++*ret_i) {
        const struct eni_address *a = list_at(change->eni->addresses, struct eni_address, *ret_i);

        if (a->association_id && strcmp(a->association_id, id) == 0)
            return 0;
    }
    return call_error(c, "InvalidAssociationID.NotFound",
                      "The association ID '%.64s' does not exist", id);
}

static int find_ip(struct call *c, const struct change *change, const char *text, uint32_t *ret_i) {
    struct ip ip;

    if (ip_parse(text, &ip) < 0)
        ip = (struct ip){0};
    for (*ret_i = 0; *ret_i < change->eni->addresses.n; ++*ret_i)
        if (ip_equal(&list_at(change->eni->addresses, struct eni_address, *ret_i)->ip, &ip))
            return 0;
    return call_error(c, "InvalidParameterValue",
                      "Address %.64s is not an address of the NAT gateway %s.", text,
                      change->gateway->o.id);
}

/* What disassociation and unassignment have in common: `find` finds each of `names`. */
static int take_away(struct call *c, struct change *change, const struct list *names,
                     int (*find)(struct call *c, const struct change *change, const char *name,
                                 uint32_t *ret_i),
                     const char *status) {
    const struct nat_gateway *g;
    struct list gone = {0};
    uint32_t i;
    int r = 0;

    list_each (char *, name, *names)
        if (r == 0 && (r = find(c, change, *name, &i)) == 0)
            r = take_off(c, change, i, &gone);
    if (r == 0) {
        txn_put(c->txn, change->eni);
        r = end_change(c, change, &g);
    }
    if (r == 0)
        r = answer(c, g, &gone, status);
    desc_clear_list(&nat_address_desc, &gone);
    return r;
}

static int disassociate_address(struct call *c, const void *params) {
    const struct address_params *p = params;
    struct change change;

    if (begin_change(c, p->id, NAT_PUBLIC, &change) < 0)
        return -1;
    return take_away(c, &change, &p->associations, find_association, "disassociating");
}

static int unassign_address(struct call *c, const void *params) {
    const struct address_params *p = params;
    struct change change;

    if (begin_change(c, p->id, NAT_PRIVATE, &change) < 0)
        return -1;
    return take_away(c, &change, &p->addresses, find_ip, "unassigning");
}

static const struct action rows[] = {
    {"AssignPrivateNatGatewayAddress", &assign_desc, assign_address},
    {"AssociateNatGatewayAddress", &associate_desc, associate_address},
    {"DisassociateNatGatewayAddress", &disassociate_desc, disassociate_address},
    {"UnassignPrivateNatGatewayAddress", &unassign_desc, unassign_address},
};
ACTIONS(nat_gateway_address_actions, rows);
