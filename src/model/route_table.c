/* SPDX-License-Identifier: Apache-2.0 */
#include "model/route_table.h"

#include <stdlib.h>
#include <string.h>

#include "model/gateway.h"
#include "model/index.h"
#include "model/instance.h"
#include "model/nat_gateway.h"
#include "model/network_interface.h"
#include "model/peering.h"
#include "model/vpc.h"
#include "model/xml.h"

static const char *const origins[] = {"", "CreateRouteTable", "CreateRoute",
                                      "EnableVgwRoutePropagation", NULL};

static bool has_prefix(const char *s, const char *prefix) {
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool same(const char *a, const char *b) {
    return a && strcmp(a, b) == 0;
}

/* An interface of an instance. AWS shows a blackhole once that is stopped or terminated, not while
 * it is on its way there. */
static bool runs(const struct index *ix, const struct network_interface *eni) {
    const struct instance *i =
        eni->instance_id ? index_get(ix, KIND_INSTANCE, eni->o.scope, eni->instance_id) : NULL;

    return i && i->state != INSTANCE_STOPPED && i->state != INSTANCE_TERMINATED;
}

bool route_is_active(const struct index *ix, const struct route_table *t, const struct route *r) {
    enum kind k = kind_by_id(r->target);
    const void *target = k ? index_get(ix, k, t->o.scope, r->target) : NULL;

    if (strcmp(r->target, "local") == 0)
        return true;
    if (!target)
        return false;
    switch (k) {
    case KIND_INTERNET_GATEWAY:
        return same(((const struct internet_gateway *)target)->vpc_id, t->vpc_id);
    case KIND_EGRESS_ONLY_GATEWAY:
        return same(((const struct egress_only_gateway *)target)->vpc_id, t->vpc_id);
    case KIND_VPN_GATEWAY:
        return same(((const struct vpn_gateway *)target)->vpc_id, t->vpc_id);
    case KIND_NETWORK_INTERFACE:
        return runs(ix, target);
    case KIND_NAT_GATEWAY:
        return ((const struct nat_gateway *)target)->state == NAT_AVAILABLE;
    case KIND_PEERING:
        return peering_peer(ix, target, t->vpc_id);
    default:
        return false;
    }
}

const struct route_table *route_table_main(const struct index *ix, const char *vpc_id) {
    struct cursor c;

    index_each_by(ix, c, KIND_ROUTE_TABLE, RTB_BY_VPC, vpc_id) {
        list_each (struct route_association, a, ((const struct route_table *)c.obj)->associations) {
            if (a->main)
                return c.obj;
        }
    }
    return NULL;
}

const struct route_table *route_table_of_subnet(const struct index *ix, const char *vpc_id,
                                                const char *subnet_id) {
    struct cursor c;

    if (cursor_by(ix, &c, KIND_ROUTE_TABLE, RTB_BY_SUBNET, subnet_id))
        return c.obj;
    return route_table_main(ix, vpc_id);
}

void route_table_cut_route(struct route_table *t, uint32_t i) {
    struct route *r = list_at(t->routes, struct route, i);

    free(r->prefix_list_id);
    free(r->target);
    free(r->unknown.data);
    list_cut(&t->routes, sizeof(*r), i);
}

void route_table_cut_association(struct route_table *t, uint32_t i) {
    struct route_association *a = list_at(t->associations, struct route_association, i);

    free(a->id);
    free(a->subnet_id);
    free(a->gateway_id);
    free(a->unknown.data);
    list_cut(&t->associations, sizeof(*a), i);
}

void route_table_disassociate(struct route_table *t, const char *subnet_id) {
    for (uint32_t i = 0; i < t->associations.n; i++) {
        struct route_association *a = list_at(t->associations, struct route_association, i);

        if (a->subnet_id && strcmp(a->subnet_id, subnet_id) == 0)
            route_table_cut_association(t, i--);
    }
}

void route_table_stop_propagation(struct route_table *t, const char *gateway_id) {
    for (uint32_t i = 0; i < t->routes.n; i++) {
        const struct route *r = list_at(t->routes, struct route, i);

        if (r->origin == ROUTE_ORIGIN_PROPAGATED && strcmp(r->target, gateway_id) == 0)
            route_table_cut_route(t, i--);
    }
    for (uint32_t i = 0; i < t->propagating.n; i++) {
        if (strcmp(list_str(t->propagating, i), gateway_id) != 0)
            continue;
        free(list_str(t->propagating, i));
        list_cut(&t->propagating, sizeof(char *), i--);
    }
}

bool route_table_is_edge(const struct route_table *t) {
    list_each (struct route_association, a, t->associations)
        if (a->gateway_id)
            return true;
    return false;
}

struct route *route_table_find_route(const struct route_table *t, const struct cidr *cidr) {
    list_each (struct route, r, t->routes) {
        if (!r->prefix_list_id && cidr_equal(&r->cidr, cidr))
            return r;
    }
    return NULL;
}

struct route *route_table_add_route(struct route_table *t, const struct cidr *cidr,
                                    const char *target, uint8_t origin) {
    struct route *r = list_add(&t->routes, sizeof(*r));

    if (!r || !str_set(&r->target, target)) {
        t->o.no_memory = true;
        return NULL;
    }
    r->cidr = *cidr;
    r->origin = origin;
    return r;
}

/* Which member of a route names its target, by the target's id. */
static const struct {
    const char *prefix, *element, *filter;
} targets[] = {
    {"local", "gatewayId", "route.gateway-id"},
    {"igw-", "gatewayId", "route.gateway-id"},
    {"vgw-", "gatewayId", "route.gateway-id"},
    {"vpce-", "gatewayId", "route.gateway-id"},
    {"eni-", "networkInterfaceId", "route.network-interface-id"},
    {"nat-", "natGatewayId", "route.nat-gateway-id"},
    {"eigw-", "egressOnlyInternetGatewayId", "route.egress-only-internet-gateway-id"},
    {"pcx-", "vpcPeeringConnectionId", "route.vpc-peering-connection-id"},
    {"tgw-", "transitGatewayId", "route.transit-gateway-id"},
};

static void emit_routes(struct xml *x, const struct look *look, const void *obj) {
    const struct route_table *t = obj;
    char text[CIDR_TEXT];

    xml_open(x, "routeSet");
    list_each (struct route, r, t->routes) {
        xml_open(x, "item");
        if (r->cidr.ip.family == IP_V4)
            xml_text(x, "destinationCidrBlock", cidr_format(&r->cidr, text));
        else if (r->cidr.ip.family == IP_V6)
            xml_text(x, "destinationIpv6CidrBlock", cidr_format(&r->cidr, text));
        xml_text(x, "destinationPrefixListId", r->prefix_list_id);
        for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
            if (has_prefix(r->target, targets[i].prefix))
                xml_text(x, targets[i].element, r->target);
        if (has_prefix(r->target, "eni-")) {
            const struct network_interface *eni =
                index_get(look->ix, KIND_NETWORK_INTERFACE, t->o.scope, r->target);

            if (eni && eni->instance_id) {
                xml_text(x, "instanceId", eni->instance_id);
                xml_textf(x, "instanceOwnerId", "%012llu", (unsigned long long)t->o.scope.account);
            }
        }
        xml_text(x, "origin", origins[r->origin]);
        xml_text(x, "state", route_is_active(look->ix, t, r) ? "active" : "blackhole");
        xml_close(x, "item");
    }
    xml_close(x, "routeSet");
}

/* All targets of the filter's kind, divided by NUL. */
static bool get_targets(const struct route_table *t, const char *filter, struct buf *out) {
    bool any = false;

    list_each (struct route, r, t->routes) {
        for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
            if (strcmp(targets[i].filter, filter) == 0 &&
                has_prefix(r->target, targets[i].prefix)) {
                buf_add(out, r->target, strlen(r->target) + 1);
                any = true;
            }
        }
    }
    return any;
}

static bool get_gateways(const struct look *look, const void *obj, struct buf *out) {
    return get_targets(obj, "route.gateway-id", out);
}

static bool get_nats(const struct look *look, const void *obj, struct buf *out) {
    return get_targets(obj, "route.nat-gateway-id", out);
}

static bool get_peerings(const struct look *look, const void *obj, struct buf *out) {
    return get_targets(obj, "route.vpc-peering-connection-id", out);
}

static bool get_transits(const struct look *look, const void *obj, struct buf *out) {
    return get_targets(obj, "route.transit-gateway-id", out);
}

static bool get_egress_only(const struct look *look, const void *obj, struct buf *out) {
    return get_targets(obj, "route.egress-only-internet-gateway-id", out);
}

static bool get_instances(const struct look *look, const void *obj, struct buf *out) {
    const struct route_table *t = obj;
    bool any = false;

    list_each (struct route, r, t->routes) {
        const struct network_interface *eni =
            index_get(look->ix, KIND_NETWORK_INTERFACE, t->o.scope, r->target);

        if (eni && eni->instance_id) {
            buf_add(out, eni->instance_id, strlen(eni->instance_id) + 1);
            any = true;
        }
    }
    return any;
}

static bool get_cidrs(const struct route_table *t, uint8_t family, struct buf *out) {
    char text[CIDR_TEXT];
    bool any = false;

    list_each (struct route, r, t->routes) {
        if (r->cidr.ip.family == family) {
            cidr_format(&r->cidr, text);
            buf_add(out, text, strlen(text) + 1);
            any = true;
        }
    }
    return any;
}

static bool get_cidrs4(const struct look *look, const void *obj, struct buf *out) {
    return get_cidrs(obj, IP_V4, out);
}

static bool get_cidrs6(const struct look *look, const void *obj, struct buf *out) {
    return get_cidrs(obj, IP_V6, out);
}

static bool get_states(const struct look *look, const void *obj, struct buf *out) {
    const struct route_table *t = obj;

    list_each (struct route, r, t->routes) {
        const char *state = route_is_active(look->ix, t, r) ? "active" : "blackhole";

        buf_add(out, state, strlen(state) + 1);
    }
    return t->routes.n != 0;
}

static const struct field route_fields[] = {
    FIELD(1, FT_CIDR, struct route, cidr, NULL),
    FIELD(2, FT_STR, struct route, prefix_list_id, NULL, .filter = "destination-prefix-list-id",
          .flags = FF_INDEXED),
    FIELD(3, FT_STR, struct route, target, NULL, .flags = FF_INDEXED),
    FIELD(4, FT_ENUM, struct route, origin, NULL, .filter = "origin", .names = origins),
};
static const struct desc route_desc = DESC_STORED("route", struct route, route_fields);

static void emit_association_state(struct xml *x, const struct look *look, const void *obj) {
    xml_open(x, "associationState");
    xml_text(x, "state", "associated");
    xml_close(x, "associationState");
}

static const struct field association_fields[] = {
    FIELD(1, FT_STR, struct route_association, id, "routeTableAssociationId",
          .filter = "route-table-association-id", .flags = FF_INDEXED),
    FIELD(2, FT_STR, struct route_association, subnet_id, "subnetId", .filter = "subnet-id",
          .flags = FF_INDEXED),
    FIELD(3, FT_STR, struct route_association, gateway_id, "gatewayId", .filter = "gateway-id",
          .flags = FF_INDEXED),
    FIELD(4, FT_BOOL, struct route_association, main, "main", .filter = "main"),
    {.type = FT_EMIT, .wire = "associationState", .emit = emit_association_state},
};
static const struct desc association_desc =
    DESC_STORED("association", struct route_association, association_fields);

static void emit_associations(struct xml *x, const struct look *look, const void *obj) {
    const struct route_table *t = obj;

    xml_open(x, "associationSet");
    list_each (struct route_association, a, t->associations) {
        xml_open(x, "item");
        xml_text(x, "routeTableId", t->o.id);
        xml_fields(x, &association_desc, look, a);
        xml_close(x, "item");
    }
    xml_close(x, "associationSet");
    xml_open(x, "propagatingVgwSet");
    list_each (char *, id, t->propagating) {
        xml_open(x, "item");
        xml_text(x, "gatewayId", *id);
        xml_close(x, "item");
    }
    xml_close(x, "propagatingVgwSet");
}

static bool get_association_table(const struct look *look, const void *obj, struct buf *out) {
    return ((const struct route_table *)obj)->associations.n && get_id(look, obj, out);
}

static const struct field route_table_fields[] = {
    {.type = FT_GET, .wire = "routeTableId", .filter = "route-table-id", .get = get_id},
    FIELD(RTB_BY_VPC, FT_STR, struct route_table, vpc_id, "vpcId", .filter = "vpc-id",
          .flags = FF_INDEXED | FF_COUNTED),
    {.type = FT_GET, .wire = "ownerId", .filter = "owner-id", .get = get_owner_id},
    FIELD(2, FT_LIST, struct route_table, routes, NULL, .filter = "route", .sub = &route_desc),
    FIELD(3, FT_LIST, struct route_table, associations, NULL, .filter = "association",
          .sub = &association_desc),
    {.type = FT_EMIT, .wire = "routeSet", .emit = emit_routes},
    {.type = FT_EMIT, .wire = "associationSet", .emit = emit_associations},
    {.type = FT_GET, .filter = "association.route-table-id", .get = get_association_table},
    {.type = FT_GET, .filter = "route.destination-cidr-block", .get = get_cidrs4},
    {.type = FT_GET, .filter = "route.destination-ipv6-cidr-block", .get = get_cidrs6},
    {.type = FT_GET, .filter = "route.gateway-id", .get = get_gateways},
    {.type = FT_GET, .filter = "route.nat-gateway-id", .get = get_nats},
    {.type = FT_GET, .filter = "route.vpc-peering-connection-id", .get = get_peerings},
    {.type = FT_GET, .filter = "route.transit-gateway-id", .get = get_transits},
    {.type = FT_GET, .filter = "route.egress-only-internet-gateway-id", .get = get_egress_only},
    {.type = FT_GET, .filter = "route.instance-id", .get = get_instances},
    {.type = FT_GET, .filter = "route.state", .get = get_states},
    FIELD(RTB_BY_PROPAGATING, FT_STRS, struct route_table, propagating, NULL, .flags = FF_INDEXED),
    FIELD(4, FT_LIST, struct route_table, tags, "tagSet", .filter = "", .sub = &tag_desc),
};
const struct desc route_table_desc =
    DESC_STORED("route table", struct route_table, route_table_fields);
