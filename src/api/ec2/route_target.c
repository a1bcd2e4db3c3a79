/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which targets a route may have (VPC user guide, "Configure route tables").
 *
 *  1. One parameter names the target. It is the caller's own, and of the table's VPC; a peering has
 *     that VPC at one end. A gateway that no longer works cannot become a target; a peering that is
 *     still asked for can, and is a blackhole until then.
 *  2. An egress-only gateway is for IPv6, a NAT gateway for IPv4.
 *  3. Nobody takes over the link-local services.
 *  4. Within the VPC's own blocks a route is for a whole subnet, or is the local route itself, and
 *     leads to an interface or a NAT gateway.
 *  5. The table of a gateway leads nowhere but into the VPC, to interfaces.
 */
#include <string.h>

#include "api/ec2/eni.h"
#include "api/ec2/gateway.h"
#include "api/ec2/route.h"

static bool has_prefix(const char *s, const char *prefix) {
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

static int check_network(struct call *c, const struct route_table *t, const char *what,
                         const char *id, const char *vpc_id) {
    if (vpc_id && strcmp(vpc_id, t->vpc_id) == 0)
        return 0;
    return call_error(c, "InvalidParameterValue",
                      "route table %s and %s %s belong to different networks", t->o.id, what, id);
}

static const char *not_found(struct call *c, const char *code, const char *what, const char *id) {
    call_error(c, code, "The %s ID '%.64s' does not exist", what, id);
    return NULL;
}

static const char *find_gateway(struct call *c, const struct route_table *t, const char *id) {
    const struct internet_gateway *igw;
    const struct vpn_gateway *vgw;
    const char *vpc_id;

    if (has_prefix(id, "igw-")) {
        igw = call_get(c, KIND_INTERNET_GATEWAY, id);
        if (!igw)
            return NULL;
        vpc_id = igw->vpc_id;
    } else if (has_prefix(id, "vgw-")) {
        vgw = vpn_gateway_get(c, id);
        if (!vgw)
            return NULL;
        vpc_id = vgw->vpc_id;
    } else {
        return not_found(c, "InvalidGatewayID.NotFound", "gateway", id);
    }
    return check_network(c, t, "network gateway", id, vpc_id) < 0 ? NULL : id;
}

static const char *find_interface(struct call *c, const struct route_table *t, const char *id) {
    const struct network_interface *eni = call_get(c, KIND_NETWORK_INTERFACE, id);

    if (!eni || check_network(c, t, "interface", id, eni->vpc_id) < 0)
        return NULL;
    if (eni->requester_managed) {
        call_error(c, "InvalidParameterValue",
                   "The interface %s belongs to a gateway. Name the gateway as the target.", id);
        return NULL;
    }
    return eni->o.id;
}

static const char *find_instance(struct call *c, const struct route_table *t, const char *id) {
    const struct instance *i = call_get(c, KIND_INSTANCE, id);
    const struct network_interface *eni = i ? eni_only(c, i) : NULL;

    return eni ? find_interface(c, t, eni->o.id) : NULL;
}

static const char *find_nat(struct call *c, const struct route_table *t, const char *id) {
    const struct nat_gateway *g = txn_get(c->txn, KIND_NAT_GATEWAY, c->scope, id);

    if (!g || g->state != NAT_AVAILABLE)
        return not_found(c, "InvalidNatGatewayID.NotFound", "natGateway", id);
    return check_network(c, t, "NAT gateway", id, g->vpc_id) < 0 ? NULL : id;
}

static const char *find_egress_only(struct call *c, const struct route_table *t, const char *id) {
    const struct egress_only_gateway *g = txn_get(c->txn, KIND_EGRESS_ONLY_GATEWAY, c->scope, id);

    if (!g)
        return not_found(c, "InvalidGatewayID.NotFound", "eigw", id);
    return check_network(c, t, "egress-only internet gateway", id, g->vpc_id) < 0 ? NULL : id;
}

static const char *find_peering(struct call *c, const struct route_table *t, const char *id) {
    const struct peering *p = txn_get(c->txn, KIND_PEERING, c->scope, id);
    enum peering_status status = p ? peering_status(p, c->now) : 0;

    if (status != PEERING_ACTIVE && status != PEERING_PENDING)
        return not_found(c, "InvalidVpcPeeringConnectionID.NotFound", "vpcPeeringConnection", id);
    return check_network(c, t, "VPC peering connection", id,
                         peering_other(p, t->vpc_id) ? t->vpc_id : NULL) < 0
               ? NULL
               : id;
}

/* Each code as EC2 answers for an id that is not there: those targets cannot exist here. */
static const char *find_transit(struct call *c, const struct route_table *t, const char *id) {
    return not_found(c, "InvalidTransitGatewayID.NotFound", "transitGateway", id);
}

static const char *find_endpoint(struct call *c, const struct route_table *t, const char *id) {
    return not_found(c, "InvalidVpcEndpointId.NotFound", "vpcEndpoint", id);
}

static const char *find_local_gateway(struct call *c, const struct route_table *t, const char *id) {
    return not_found(c, "InvalidLocalGatewayID.NotFound", "localGateway", id);
}

static const char *find_carrier(struct call *c, const struct route_table *t, const char *id) {
    return not_found(c, "InvalidCarrierGatewayID.NotFound", "carrierGateway", id);
}

static const char *find_core(struct call *c, const struct route_table *t, const char *id) {
    call_error(c, "InvalidParameterValue",
               "Value (%.128s) for parameter coreNetworkArn is invalid. There is no such core "
               "network.",
               id);
    return NULL;
}

const char *route_target(struct call *c, const struct route_table *t,
                         const struct route_params *p) {
    const struct {
        const char *id;
        const char *(*find)(struct call *c, const struct route_table *t, const char *id);
    } all[] = {
        {p->gateway, find_gateway},
        {p->instance, find_instance},
        {p->eni, find_interface},
        {p->nat, find_nat},
        {p->egress_only, find_egress_only},
        {p->peering, find_peering},
        {p->transit, find_transit},
        {p->endpoint, find_endpoint},
        {p->local_gateway, find_local_gateway},
        {p->carrier, find_carrier},
        {p->core, find_core},
    };
    int given = p->local == TRI_TRUE, which = -1;

    for (int i = 0; i < (int)(sizeof(all) / sizeof(all[0])); i++) {
        if (all[i].id) {
            given++;
            which = i;
        }
    }
    if (given != 1) {
        call_error(c, given ? "InvalidParameterCombination" : "MissingParameter",
                   "The request must contain exactly one of gatewayId, instanceId, "
                   "networkInterfaceId, natGatewayId, egressOnlyInternetGatewayId, "
                   "vpcPeeringConnectionId or transitGatewayId");
        return NULL;
    }
    return which < 0 ? "local" : all[which].find(c, t, all[which].id);
}

/* 2 */
static int check_family(struct call *c, const struct route_destination *d, const char *target) {
    if (has_prefix(target, "eigw-") && d->cidr.ip.family != IP_V6)
        return call_error(c, "InvalidParameterValue",
                          "The egress-only internet gateway %s is for IPv6 destinations only.",
                          target);
    if (has_prefix(target, "nat-") && d->cidr.ip.family != IP_V4)
        return call_error(c, "InvalidParameterValue",
                          "The NAT gateway %s is for IPv4 destinations only: NAT64 is not offered.",
                          target);
    return 0;
}

/* 3. "You can't add a route that is an exact match or a subset of" these. */
static int check_services(struct call *c, const struct route_destination *d) {
    static const char *const ranges[] = {"169.254.168.0/22", "fd00:ec2::/32"};
    struct cidr range;

    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
        if (cidr_parse(ranges[i], &range) == 0 && cidr_contains(&range, &d->cidr))
            return call_error(c, "InvalidParameterValue",
                              "The destination CIDR block %s is within %s, which is reserved.",
                              d->text, ranges[i]);
    return 0;
}

static bool within_vpc(const struct vpc *v, const struct cidr *cidr) {
    list_each (struct cidr_association, a, *(cidr->ip.family == IP_V4 ? &v->cidrs : &v->cidrs6))
        if (cidr_contains(&a->cidr, cidr))
            return true;
    return false;
}

static bool is_whole_block(struct call *c, const struct vpc *v, const struct cidr *cidr) {
    struct cursor cur;

    list_each (struct cidr_association, a, *(cidr->ip.family == IP_V4 ? &v->cidrs : &v->cidrs6))
        if (cidr_equal(&a->cidr, cidr))
            return true;
    index_each_by(c->ix, cur, KIND_SUBNET, SUBNET_BY_VPC, v->o.id) {
        const struct subnet *s = cur.obj;
        const struct cidr *cidr6 = subnet_cidr6(s);

        if (cidr_equal(&s->cidr, cidr) || (cidr6 && cidr_equal(cidr6, cidr)))
            return true;
    }
    return false;
}

/* 4 */
static int check_inside(struct call *c, const struct vpc *v, const struct cidr *cidr,
                        const char *target) {
    char text[CIDR_TEXT];

    if (!within_vpc(v, cidr))
        return 0;
    if (!has_prefix(target, "eni-") && !has_prefix(target, "nat-") && strcmp(target, "local") != 0)
        return call_error(c, "InvalidParameterValue",
                          "The destination CIDR block %s is equal to or more specific than one of "
                          "this VPC's CIDR blocks. This route can target only an interface, an "
                          "instance or a NAT gateway.",
                          cidr_format(cidr, text));
    if (!is_whole_block(c, v, cidr))
        return call_error(c, "InvalidParameterValue",
                          "The destination CIDR block %s is more specific than one of this VPC's "
                          "CIDR blocks. It must be the CIDR block of a subnet.",
                          cidr_format(cidr, text));
    return 0;
}

/* 5 */
static int check_edge(struct call *c, const struct route_table *t, const struct vpc *v,
                      const struct cidr *cidr, const char *list, const char *target) {
    char text[CIDR_TEXT];

    if (list)
        return call_error(c, "InvalidParameterValue",
                          "Route table %s cannot be a gateway's with a route to a prefix list.",
                          t->o.id);
    if (!within_vpc(v, cidr))
        return call_error(c, "InvalidParameterValue",
                          "Route table %s cannot be a gateway's with a route to %s, which is "
                          "outside the CIDR blocks of the VPC.",
                          t->o.id, cidr_format(cidr, text));
    if (strcmp(target, "local") != 0 && !has_prefix(target, "eni-"))
        return call_error(c, "InvalidParameterValue",
                          "Route table %s cannot be a gateway's with %s as a target. It can be "
                          "only local or an interface.",
                          t->o.id, target);
    return 0;
}

int route_table_check_edge(struct call *c, const struct route_table *t) {
    const struct vpc *v = txn_get(c->txn, KIND_VPC, c->scope, t->vpc_id);

    if (t->propagating.n)
        return call_error(c, "InvalidParameterValue",
                          "Route table %s takes propagated routes and cannot be a gateway's.",
                          t->o.id);
    list_each (struct route, r, t->routes)
        if (check_edge(c, t, v, &r->cidr, r->prefix_list_id, r->target) < 0)
            return -1;
    return 0;
}

int route_check(struct call *c, const struct route_table *t, const struct route_destination *d,
                const char *target) {
    const struct vpc *v = txn_get(c->txn, KIND_VPC, c->scope, t->vpc_id);

    if (check_family(c, d, target) < 0 ||
        (route_table_is_edge(t) &&
         check_edge(c, t, v, &d->cidr, d->list ? d->list->o.id : NULL, target) < 0))
        return -1;
    if (!d->list)
        return check_services(c, d) < 0 ? -1 : check_inside(c, v, &d->cidr, target);
    list_each (struct prefix_entry, e, d->list->entries)
        if (check_inside(c, v, &e->cidr, target) < 0)
            return -1;
    return 0;
}
