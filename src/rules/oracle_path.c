/* SPDX-License-Identifier: Apache-2.0 */
/* Steps 5 to 8: the sender's groups, its subnet's ACL and route table, and the route's target. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "model/gateway.h"
#include "model/prefix_list.h"
#include "rules/oracle_private.h"

/* The other VPC, where the route for the packet leads through a peering; NULL: it does not. */
static const struct vpc *peer_vpc(const struct way *w) {
    const struct network_interface *from = w->p->from;
    const struct route *r =
        find_route(w, route_table_of_subnet(w->ix, from->vpc_id, from->subnet_id), &w->p->dst);
    const struct peering *p;

    if (!r || !is_target(r, "pcx-"))
        return NULL;
    p = index_get(w->ix, KIND_PEERING, from->o.scope, r->target);
    return p ? peering_peer(w->ix, p, from->vpc_id) : NULL;
}

static bool in_subnet(const struct network_interface *eni, const char *subnet_id) {
    return eni && strcmp(eni->subnet_id, subnet_id) == 0;
}

/* 5. A group that a rule names is looked for where the packet would go. */
static enum drop_reason egress_groups(struct way *w) {
    const struct network_interface *from = w->p->from;
    const struct network_interface *peer = find_private(w, from->vpc_id, &w->p->dst);
    const struct vpc *other = in_subnet(peer, from->subnet_id) ? NULL : peer_vpc(w);
    char by[96];
    bool ok;

    if (other)
        peer = find_private(w, other->o.id, &w->p->dst);
    ok = ask_groups(w, from, true, &w->p->dst, peer, by, &w->v->sender);
    return hop(w, 5, "security groups of the sender, egress", by,
               ok ? DROP_NONE : DROP_GROUP_EGRESS);
}

enum drop_reason ask_acl(struct way *w, uint8_t step, const char *question, struct scope scope,
                         const char *subnet_id, bool egress, const struct ip *peer) {
    char by[96];
    bool ok = oracle_acl(w->ix, scope, subnet_id, egress, w->self, peer, by);

    return hop(w, step, question, by, ok ? DROP_NONE : egress ? DROP_ACL_EGRESS : DROP_ACL_INGRESS);
}

/* 6 */
static enum drop_reason egress_acl(struct way *w) {
    return ask_acl(w, 6, "network ACL of the sender's subnet, egress", w->p->from->o.scope,
                   w->p->from->subnet_id, true, &w->p->dst);
}

/* A route's length of prefix for a destination, by its CIDR or by an entry of its prefix list; -1:
 * it is not for it. */
static int reach_of(const struct way *w, const struct route_table *t, const struct route *r,
                    const struct ip *dst) {
    const struct prefix_list *pl;
    int best = -1;

    if (!r->prefix_list_id)
        return r->cidr.ip.family == dst->family && cidr_contains_ip(&r->cidr, dst) ? r->cidr.len
                                                                                   : -1;
    pl = index_get(w->ix, KIND_PREFIX_LIST, t->o.scope, r->prefix_list_id);
    if (!pl)
        return -1;
    list_each (struct prefix_entry, e, pl->entries)
        if (e->cidr.ip.family == dst->family && cidr_contains_ip(&e->cidr, dst) &&
            e->cidr.len > best)
            best = e->cidr.len;
    return best;
}

/* "...static routes take priority", "the route with the CIDR block takes priority" over a prefix
 * list, and "the route that references the prefix list takes priority" over a propagated one. */
static int priority(const struct route *r) {
    switch (r->origin) {
    case ROUTE_ORIGIN_CREATE_TABLE:
        return 0;
    case ROUTE_ORIGIN_CREATE:
        return r->prefix_list_id ? 2 : 1;
    default:
        return 3;
    }
}

/*
 * 7. "Route priority" (VPC user guide): "we use the most specific route that matches the traffic
 *    (longest prefix match)". With the same prefix: local, then static, by prefix list, propagated.
 */
const struct route *find_route(const struct way *w, const struct route_table *t,
                               const struct ip *dst) {
    const struct route *best = NULL;
    int reach = -1;

    if (!t)
        return NULL;
    list_each (struct route, r, t->routes) {
        int mine = reach_of(w, t, r, dst);

        if (mine < reach || mine < 0 || (best && mine == reach && priority(r) >= priority(best)))
            continue;
        best = r;
        reach = mine;
    }
    return best;
}

bool is_target(const struct route *r, const char *prefix) {
    return strncmp(r->target, prefix, strlen(prefix)) == 0;
}

/* "rtb-...: 10.0.2.0/24"; without a route the table alone, and perhaps there is none. */
static const char *route_text(const struct route_table *t, const struct route *r,
                              char ret_text[96]) {
    char cidr[CIDR_TEXT];

    snprintf(ret_text, 96, "%s%s%s", t ? t->o.id : "none", r ? ": " : "",
             !r                  ? ""
             : r->prefix_list_id ? r->prefix_list_id
                                 : cidr_format(&r->cidr, cidr));
    return ret_text;
}

/* Whoever would have the address, if the interface were attached. */
static const char *idle_owner(const struct way *w, const char *vpc_id, char ret_text[96]) {
    struct cursor c;

    ret_text[0] = 0;
    index_each_by(w->ix, c, KIND_NETWORK_INTERFACE, ENI_BY_VPC, vpc_id) {
        const struct network_interface *eni = c.obj;

        if (has_private(eni, &w->p->dst))
            snprintf(ret_text, 96, "%s is %s", eni->o.id,
                     eni->instance_id ? "not on this host" : "not attached to an instance");
    }
    return ret_text;
}

/* 8, local: to whoever has the address. */
static enum drop_reason to_local(struct way *w) {
    const struct network_interface *from = w->p->from;
    const struct subnet *s = index_get(w->ix, KIND_SUBNET, from->o.scope, from->subnet_id);
    struct ip router = ip_add(&s->cidr.ip, 1);

    const struct nat_gateway *nat;
    char by[96];

    w->to = find_private(w, from->vpc_id, &w->p->dst);
    if (w->to)
        return hop(w, 8, "local", w->to->o.id, DROP_NONE);
    nat = nat_with(w, from->vpc_id, &w->p->dst);
    if (nat)
        return answer_nat(w, nat, false);
    return hop(w, 8, "local", idle_owner(w, from->vpc_id, by),
               ip_equal(&w->p->dst, &router) ? DROP_TO_ROUTER : DROP_NO_ADDRESS);
}

/* 8, an interface: it receives the packet as it is, whatever its destination. */
static enum drop_reason to_interface(struct way *w, const struct route *r) {
    const struct network_interface *from = w->p->from;
    const struct network_interface *eni =
        index_get(w->ix, KIND_NETWORK_INTERFACE, from->o.scope, r->target);

    if (!eni || !is_running(w, eni) || eni == from)
        return hop(w, 8, "interface", r->target, DROP_BLACKHOLE);
    w->to = eni; /* arrive() asks whether it is here */
    return hop(w, 8, "interface", r->target, DROP_NONE);
}

/* A service of the host itself, at its end of the uplink. */
static bool host_allows(const struct way *w) {
    const struct oracle_packet *p = w->p;

    if (w->host->open)
        return true;
    if (p->protocol == ICMP || p->protocol == ICMPV6)
        return p->icmp_type == (p->src.family == IP_V4 ? 8 : 128) &&
               p->protocol == (p->src.family == IP_V4 ? ICMP : ICMPV6);
    return (p->protocol == TCP || p->protocol == UDP) && w->host->allows &&
           w->host->allows(w->host->data, p->protocol, p->dport);
}

/* What the uplink carries: to the host itself, and beyond it where that is wanted. */
static enum drop_reason to_uplink(struct way *w) {
    const struct ip *dst = &w->p->dst;

    if (!w->host->uplink)
        return DROP_NO_UPLINK;
    if (w->reply) /* it goes where its question came from */
        return DROP_NONE;
    if (ip_equal(dst, host_address(w, dst->family)))
        return host_allows(w) ? DROP_NONE : DROP_UPLINK_PORT;
    if (in_pool(w, dst) || !w->host->anywhere || within_any(dst, not_global) ||
        (w->host->is_own && w->host->is_own(w->host->data, dst)))
        return DROP_UPLINK_DESTINATION;
    return DROP_NONE;
}

/*
 * 8, inward. "Gateway route tables" (VPC user guide): "you can associate a route table with an
 * internet gateway ... to control the routing path of traffic entering your VPC": local, or an
 * interface.
 */
enum drop_reason edge(struct way *w) {
    const struct internet_gateway *igw = gateway_of(w, w->to->vpc_id);
    const struct route_table *t;
    const struct network_interface *eni;
    const struct route *r;
    struct cursor c;
    char by[96];

    if (!igw || !cursor_by(w->ix, &c, KIND_ROUTE_TABLE, RTB_BY_GATEWAY, igw->o.id))
        return DROP_NONE;
    t = c.obj;
    if (strcmp(t->vpc_id, w->to->vpc_id) != 0)
        return DROP_NONE;
    r = find_route(w, t, &w->dst);
    hop(w, 7, "route table of the internet gateway", route_text(t, r, by), r ? 0 : DROP_NO_ROUTE);
    if (!r)
        return DROP_NO_ROUTE;
    if (strcmp(r->target, "local") == 0)
        return DROP_NONE;
    eni = index_get(w->ix, KIND_NETWORK_INTERFACE, t->o.scope, r->target);
    if (!is_target(r, "eni-"))
        return hop(w, 8, "target", r->target,
                   route_is_active(w->ix, t, r) ? DROP_ROUTE_KIND : DROP_BLACKHOLE);
    if (!eni || !is_running(w, eni))
        return hop(w, 8, "interface", r->target, DROP_BLACKHOLE);
    w->to = eni;
    return hop(w, 8, "interface", r->target, DROP_NONE);
}

enum drop_reason cross_internet(struct way *w, const char *by) {
    const struct nat_gateway *nat;
    struct ip private_ip;

    w->internet = true;
    if (is_answer_inward(w))
        return answer_egress_only(w);
    w->to = find_public(w, &w->p->dst, &private_ip);
    if (w->to) {
        w->dst = private_ip;
        if (answers_egress_only(w, w->to, source_now(w)))
            return hop(w, 8, "internet gateway, and back in", w->to->o.id, DROP_EGRESS_ONLY);
        hop(w, 8, "internet gateway, and back in", w->to->o.id, DROP_NONE);
        return edge(w);
    }
    nat = nat_with(w, NULL, &w->p->dst);
    if (nat && w->translated)
        return hop(w, 8, "another NAT gateway", nat->o.id, DROP_NAT_UNSOLICITED);
    if (nat)
        return answer_nat(w, nat, false);
    return hop(w, 8, strncmp(by, "eigw-", 5) == 0 ? "the internet" : "internet gateway",
               strncmp(by, "eigw-", 5) == 0 ? "" : by, to_uplink(w));
}

/* 8, an internet gateway. */
static enum drop_reason to_internet(struct way *w, const struct route *r) {
    const struct network_interface *from = w->p->from;
    const struct internet_gateway *igw = gateway_of(w, from->vpc_id);
    struct ip public_ip;

    if (!igw || strcmp(igw->o.id, r->target) != 0)
        return hop(w, 8, "internet gateway", r->target, DROP_BLACKHOLE);
    /* Who forwards for others sends with their addresses. */
    if (!w->own)
        from = find_private(w, from->vpc_id, &w->p->src);
    if (!from || !public_of(w, from, &w->p->src, &public_ip))
        return hop(w, 8, "internet gateway", "no public address", DROP_NO_PUBLIC);
    w->src = public_ip;
    return cross_internet(w, r->target);
}

/* 8, a virtual private gateway. There are no VPN connections: what it gets goes nowhere. */
enum drop_reason to_vpn(struct way *w, const struct route *r) {
    const struct network_interface *from = w->p->from;
    const struct vpn_gateway *g = index_get(w->ix, KIND_VPN_GATEWAY, from->o.scope, r->target);

    return hop(w, 8, "virtual private gateway", r->target,
               g && g->vpc_id && strcmp(g->vpc_id, from->vpc_id) == 0 ? DROP_NO_VPN
                                                                      : DROP_BLACKHOLE);
}

const struct route *ask_routes(struct way *w, const char *vpc_id, const char *subnet_id,
                               const struct ip *dst) {
    const struct route_table *t = route_table_of_subnet(w->ix, vpc_id, subnet_id);
    const struct route *r = find_route(w, t, dst);
    char by[96];

    hop(w, 7, "route table", route_text(t, r, by), r ? DROP_NONE : DROP_NO_ROUTE);
    return r;
}

/* 7 and 8 */
static enum drop_reason follow_route(struct way *w) {
    static const struct {
        const char *target;
        enum drop_reason (*go)(struct way *w, const struct route *r);
    } targets[] = {
        {"eni-", to_interface}, {"igw-", to_internet},     {"nat-", to_nat},
        {"pcx-", to_peering},   {"eigw-", to_egress_only}, {"vgw-", to_vpn},
    };
    const struct network_interface *from = w->p->from;
    const struct route *r = ask_routes(w, from->vpc_id, from->subnet_id, &w->p->dst);

    if (!r)
        return DROP_NO_ROUTE;
    if (strcmp(r->target, "local") == 0)
        return to_local(w);
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
        if (is_target(r, targets[i].target))
            return targets[i].go(w, r);
    /* A kind of target that does not exist here. */
    return hop(w, 8, "target", r->target, DROP_BLACKHOLE);
}

/* Whether the route leads to somebody in the sender's own subnet: a middlebox, a NAT gateway. */
static bool stays(const struct way *w, const struct route *r) {
    const struct network_interface *from = w->p->from;
    const struct network_interface *eni =
        index_get(w->ix, KIND_NETWORK_INTERFACE, from->o.scope, r->target);
    const struct nat_gateway *nat = index_get(w->ix, KIND_NAT_GATEWAY, from->o.scope, r->target);

    if (nat)
        return nat_works(nat) && strcmp(nat->subnet_id, from->subnet_id) == 0;
    return eni && is_here(w, eni) && is_running(w, eni) &&
           strcmp(eni->subnet_id, from->subnet_id) == 0;
}

/* 5 to 8: from an interface to the next hop. */
enum drop_reason leave(struct way *w) {
    const struct network_interface *from = w->p->from;
    const struct network_interface *neighbour = find_private(w, from->vpc_id, &w->p->dst);
    const struct route_table *t = route_table_of_subnet(w->ix, from->vpc_id, from->subnet_id);
    const struct route *route = find_route(w, t, &w->p->dst);
    const struct nat_gateway *nat;
    enum drop_reason r = egress_groups(w);

    if (r)
        return r;
    /* "Traffic to another interface of the same subnet does not consult the route table." */
    if (in_subnet(neighbour, from->subnet_id)) {
        w->to = neighbour;
        return hop(w, 7, "route table", "within the subnet: not asked", DROP_NONE);
    }
    nat = neighbour ? NULL : nat_with(w, from->vpc_id, &w->p->dst);
    if (nat && strcmp(nat->subnet_id, from->subnet_id) == 0)
        return answer_nat(w, nat, true);
    /* "Network ACLs ... control traffic entering or leaving a subnet": where it stays, none does.
     */
    w->crosses = !route || !stays(w, route);
    if (w->crosses)
        r = egress_acl(w);
    return r ? r : follow_route(w);
}
