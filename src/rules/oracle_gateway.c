/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Step 8 where the target keeps state or leads into another VPC.
 *
 * A NAT gateway (VPC user guide, "NAT gateways") stands in a subnet. What goes out through it:
 *
 *  a. enters the gateway's subnet: its network ACL, unless the sender is in it
 *  b. is TCP, UDP or an echo request of IPv4. TCP in the middle of a connection that the gateway
 *     does not know is answered with a reset
 *  c. leaves with an address of the gateway: within its subnet as it is, else by the ACL and the
 *     route table of that subnet. By an internet gateway only where the connectivity type is
 *     public, and then with the public address; not through a second gateway of these kinds
 *  d. has the source that the flow had, while the gateway has it; a new flow that which the sum of
 *     the bytes of the sender's address selects. (Which one AWS takes is not documented.)
 *
 * Answers go the same way back, and nothing else may come: "prevents the internet from initiating a
 * connection with those instances". Likewise behind an egress-only internet gateway.
 *
 * Flows through these gateways are always tracked (EC2 user guide, "Security group connection
 * tracking").
 */
#include <string.h>

#include "model/gateway.h"
#include "rules/oracle_private.h"

static bool same(const char *a, const char *b) {
    return a && b && strcmp(a, b) == 0;
}

/* The n-th address that is in use; NULL: there are not so many. */
static const struct nat_address *nat_source(const struct nat_gateway *nat, unsigned n) {
    list_each (struct nat_address, a, nat->addresses)
        if (!a->failure && n-- == 0)
            return a;
    return NULL;
}

static unsigned nat_sources(const struct nat_gateway *nat) {
    unsigned n = 0;

    while (nat_source(nat, n))
        n++;
    return n;
}

bool nat_works(const struct nat_gateway *nat) {
    return nat->state == NAT_AVAILABLE && nat_source(nat, 0);
}

/* The address as it is seen outside of the gateway. */
static struct ip seen(const struct way *w, const struct nat_address *a) {
    return w->internet ? a->public_ip : a->ip;
}

const struct nat_gateway *nat_with(const struct way *w, const char *vpc_id, const struct ip *ip) {
    struct cursor c;

    index_each_all(w->ix, c, KIND_NAT_GATEWAY) {
        const struct nat_gateway *nat = c.obj;
        const struct nat_address *a;

        if (nat->state != NAT_AVAILABLE || (vpc_id && !same(nat->vpc_id, vpc_id)))
            continue;
        if (!vpc_id && (nat->connectivity != NAT_PUBLIC || !gateway_of(w, nat->vpc_id)))
            continue;
        for (unsigned n = 0; (a = nat_source(nat, n)); n++)
            if (ip_equal(vpc_id ? &a->ip : &a->public_ip, ip))
                return nat;
    }
    return NULL;
}

static void tracks(struct way *w) {
    if (w->v->sender == ORACLE_UNTRACKED)
        w->v->sender = ORACLE_TRACKED;
}

/* b */
static enum drop_reason nat_accepts(const struct way *w) {
    const struct oracle_packet *p = w->p;

    if (p->src.family != IP_V4 || (p->protocol != TCP && p->protocol != UDP && p->protocol != ICMP))
        return DROP_NAT_PROTOCOL;
    if (p->protocol == ICMP && w->self == w->p && p->icmp_type != 8)
        return DROP_NAT_PROTOCOL;
    return p->protocol == TCP && p->midway && !w->flow ? DROP_NAT_RESET : DROP_NONE;
}

/* c, through the gateway's own subnet to the next hop. */
static enum drop_reason nat_leave(struct way *w, const struct nat_gateway *nat) {
    const struct ip *dst = &w->p->dst;
    const struct network_interface *owner = find_private(w, nat->vpc_id, dst), *eni;
    const struct internet_gateway *igw;
    const struct route *r;
    const struct peering *p;
    const struct vpc *peer;
    enum drop_reason reason;

    w->crosses = !owner || !same(owner->subnet_id, nat->subnet_id);
    w->to = owner;
    if (!w->crosses)
        return hop(w, 7, "route table", "within the gateway's subnet: not asked", DROP_NONE);
    reason = ask_acl(w, 6, "network ACL of the NAT gateway's subnet, egress", nat->o.scope,
                     nat->subnet_id, true, dst);
    if (reason)
        return reason;
    r = ask_routes(w, nat->vpc_id, nat->subnet_id, dst);
    if (!r)
        return DROP_NO_ROUTE;
    if (same(r->target, "local"))
        return hop(w, 8, "local", "", w->to ? DROP_NONE : DROP_NO_ADDRESS);
    if (is_target(r, "eni-")) {
        eni = index_get(w->ix, KIND_NETWORK_INTERFACE, nat->o.scope, r->target);
        if (!eni || !is_running(w, eni) || eni == w->p->from)
            return hop(w, 8, "interface", r->target, DROP_BLACKHOLE);
        w->to = eni;
        return hop(w, 8, "interface", r->target, is_here(w, eni) ? DROP_NONE : DROP_NO_LINK);
    }
    if (is_target(r, "pcx-")) {
        p = index_get(w->ix, KIND_PEERING, nat->o.scope, r->target);
        peer = p ? peering_peer(w->ix, p, nat->vpc_id) : NULL;
        w->to = peer ? find_private(w, peer->o.id, dst) : NULL;
        return hop(w, 8, "peering", r->target,
                   !peer   ? DROP_BLACKHOLE
                   : w->to ? DROP_NONE
                           : DROP_NO_ADDRESS);
    }
    igw = gateway_of(w, nat->vpc_id);
    if (igw && same(igw->o.id, r->target)) {
        if (nat->connectivity != NAT_PUBLIC)
            return hop(w, 8, "internet gateway", "private connectivity", DROP_NO_PUBLIC);
        return cross_internet(w, r->target);
    }
    if (is_target(r, "vgw-"))
        return to_vpn(w, r);
    return hop(w, 8, "target behind a NAT gateway", r->target,
               route_is_active(w->ix, route_table_of_subnet(w->ix, nat->vpc_id, nat->subnet_id), r)
                   ? DROP_ROUTE_KIND
                   : DROP_BLACKHOLE);
}

/* d */
static void nat_choose(struct way *w, const struct nat_gateway *nat) {
    const struct nat_address *a;
    unsigned sum = 0;

    if (w->flow && !w->reply && same(w->flow->gateway, nat->o.id)) {
        for (unsigned n = 0; (a = nat_source(nat, n)); n++) {
            struct ip ip = seen(w, a);

            if (ip_equal(&ip, &w->flow->src)) {
                w->src = ip;
                return;
            }
        }
    }
    for (int i = 0; i < 4; i++)
        sum += w->p->src.b[i];
    w->src = seen(w, nat_source(nat, sum % nat_sources(nat)));
}

enum drop_reason to_nat(struct way *w, const struct route *r) {
    const struct network_interface *from = w->p->from;
    const struct nat_gateway *nat = index_get(w->ix, KIND_NAT_GATEWAY, from->o.scope, r->target);
    enum drop_reason reason = DROP_NONE;

    if (!nat || !nat_works(nat) || !same(nat->vpc_id, from->vpc_id))
        return hop(w, 8, "NAT gateway", r->target, DROP_BLACKHOLE);
    if (!same(nat->subnet_id, from->subnet_id))
        reason = ask_acl(w, 9, "network ACL of the NAT gateway's subnet, ingress", nat->o.scope,
                         nat->subnet_id, false, &w->self->src);
    if (reason)
        return reason;
    reason = hop(w, 8, "NAT gateway", nat->o.id, nat_accepts(w));
    if (reason)
        return reason;
    w->gateway = nat->o.id;
    w->translated = true;
    reason = nat_leave(w, nat);
    if (reason)
        return reason;
    nat_choose(w, nat);
    tracks(w);
    return DROP_NONE;
}

/* Step c on the way back: to whoever began. */
static enum drop_reason nat_return(struct way *w, const struct nat_gateway *nat) {
    const struct network_interface *owner = find_private(w, nat->vpc_id, &w->dst);
    enum drop_reason reason;
    const struct route *r;

    w->crosses = !owner || !same(owner->subnet_id, nat->subnet_id);
    w->to = owner;
    if (w->crosses) {
        reason = ask_acl(w, 6, "network ACL of the NAT gateway's subnet, egress", nat->o.scope,
                         nat->subnet_id, true, &w->dst);
        if (reason)
            return reason;
        r = ask_routes(w, nat->vpc_id, nat->subnet_id, &w->dst);
        if (r && is_target(r, "eni-") &&
            route_is_active(w->ix, route_table_of_subnet(w->ix, nat->vpc_id, nat->subnet_id), r))
            w->to = index_get(w->ix, KIND_NETWORK_INTERFACE, nat->o.scope, r->target);
        else if (!r || !same(r->target, "local"))
            w->to = NULL;
    }
    return hop(w, 8, "back to who began", w->to ? w->to->o.id : "nobody",
               w->to && w->to == w->flow->first.from ? DROP_NONE : DROP_NAT_UNSOLICITED);
}

enum drop_reason answer_nat(struct way *w, const struct nat_gateway *nat, bool inside) {
    const struct oracle_flow *f = w->flow;
    enum drop_reason reason = DROP_NONE;

    if (!inside)
        reason = ask_acl(w, 9, "network ACL of the NAT gateway's subnet, ingress", nat->o.scope,
                         nat->subnet_id, false, source_now(w));
    if (reason)
        return reason;
    if (!f || !w->reply || !same(f->gateway, nat->o.id) ||
        (w->self == w->p && !ip_equal(&w->src, &f->first.dst)))
        return hop(w, 8, "NAT gateway", "no answer to a flow of its own", DROP_NAT_UNSOLICITED);
    hop(w, 8, "NAT gateway", nat->o.id, DROP_NONE);
    w->gateway = nat->o.id;
    w->translated = true;
    w->dst = f->first.src;
    if (w->self == w->p) {
        w->behind = *w->self;
        w->behind.dport = f->first.sport;
        w->self = &w->behind;
        w->p = &w->behind;
    }
    return nat_return(w, nat);
}

enum drop_reason to_egress_only(struct way *w, const struct route *r) {
    const struct network_interface *from = w->p->from;
    const struct egress_only_gateway *g =
        index_get(w->ix, KIND_EGRESS_ONLY_GATEWAY, from->o.scope, r->target);

    if (!g || !same(g->vpc_id, from->vpc_id))
        return hop(w, 8, "egress-only internet gateway", r->target, DROP_BLACKHOLE);
    if (!w->own || w->p->src.family != IP_V6)
        return hop(w, 8, "egress-only internet gateway", r->target, DROP_NO_PUBLIC);
    if (w->flow && w->reply)
        return hop(w, 8, "egress-only internet gateway", "it began outside", DROP_EGRESS_ONLY);
    hop(w, 8, "egress-only internet gateway", g->o.id, DROP_NONE);
    w->gateway = g->o.id;
    tracks(w);
    return cross_internet(w, r->target);
}

bool answers_egress_only(const struct way *w, const struct network_interface *eni,
                         const struct ip *ip) {
    const struct route_table *t = route_table_of_subnet(w->ix, eni->vpc_id, eni->subnet_id);
    const struct route *r = find_route(w, t, ip);

    return r && is_target(r, "eigw-") && route_is_active(w->ix, t, r);
}

bool is_answer_inward(const struct way *w) {
    return w->flow && w->reply && strncmp(w->flow->gateway, "eigw-", 5) == 0;
}

enum drop_reason answer_egress_only(struct way *w) {
    const struct network_interface *inside = w->flow->first.from;
    const struct egress_only_gateway *g;

    if (!inside || !is_here(w, inside))
        return hop(w, 8, "egress-only internet gateway", "nobody is there", DROP_NO_LINK);
    g = index_get(w->ix, KIND_EGRESS_ONLY_GATEWAY, inside->o.scope, w->flow->gateway);
    if (!g || !same(g->vpc_id, inside->vpc_id) ||
        find_private(w, inside->vpc_id, &w->p->dst) != inside)
        return hop(w, 8, "egress-only internet gateway", w->flow->gateway, DROP_EGRESS_ONLY);
    w->gateway = g->o.id;
    w->internet = w->crosses = true;
    w->to = inside;
    return hop(w, 8, "egress-only internet gateway", g->o.id, DROP_NONE);
}

enum drop_reason to_peering(struct way *w, const struct route *r) {
    const struct network_interface *from = w->p->from;
    const struct peering *p = index_get(w->ix, KIND_PEERING, from->o.scope, r->target);
    const struct vpc *peer = p ? peering_peer(w->ix, p, from->vpc_id) : NULL;
    const struct nat_gateway *nat;

    if (!peer)
        return hop(w, 8, "peering", r->target, DROP_BLACKHOLE);
    /* "VPC peering does not support transitive peering relationships": nobody's packets but those
     * of this VPC's own interfaces. */
    if (!find_private(w, from->vpc_id, &w->self->src))
        return hop(w, 8, "peering", "a source of no interface here", DROP_SPOOFED_ADDRESS);
    w->to = find_private(w, peer->o.id, &w->p->dst);
    if (w->to)
        return hop(w, 8, "peering", r->target, DROP_NONE);
    nat = nat_with(w, peer->o.id, &w->p->dst);
    return nat ? answer_nat(w, nat, false) : hop(w, 8, "peering", r->target, DROP_NO_ADDRESS);
}
