/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judgement of a first packet, step by step. The numbers are those of the packet path's
 * contract (docs/PACKET-PATH.md); the code carries them.
 *
 *  1. A packet that nobody may send: impossible source, IPv4-mapped addresses, multicast,
 *     neighbour and router discovery that is not a question, DHCP (not served yet)
 *  2. ARP and neighbour solicitations: answered by the data plane, not judged here
 *  3. link-local services and addresses: none is served yet, and none is forwarded
 *  4. the source: MAC (before all that follows 1) and address are the interface's own; an address
 *     need not be with SourceDestCheck off. By the uplink: no address of ours, and none inside the
 *     receiver's VPC
 *  5. security groups of the sender, egress
 *  6. network ACL of the sender's subnet, when the packet leaves it
 *  7. route table of the sender's subnet; not asked between interfaces of one subnet
 *  8. the route's target. An internet gateway translates 1:1, and turns round what is for another
 *     public address
 *  9. network ACL of the receiver's subnet, when the packet enters it
 * 10. security groups of the receiver, ingress; then its destination check
 * 11. delivery: MTU. AWS's internet gateway has 1,500 for all; here what turns round in it is not
 *     held to that, as long as no ICMP error tells the sender
 * 12. the flow: `sender` and `receiver` say who tracks it
 *
 * A later packet of a flow goes the same steps, but for this:
 *
 *  - Groups that track the flow are not asked again, in neither direction: "an existing connection
 *    isn't interrupted" when its rule is removed. Groups that do not track it are asked again as
 * for its first packet: "an untracked flow is immediately interrupted if the rule that enables it
 * is removed". (EC2 user guide, "Security group connection tracking".)
 *  - Where it would now arrive elsewhere, or with other addresses, than the flow so far, it is the
 *    first packet of another flow.
 *  - Answers go back to whoever asked from outside, the host or beyond, whatever the uplink carries
 *    otherwise.
 *
 * An interface exists for packets while it is attached to an instance of this host. The address of
 * another one is nobody's.
 */
#include "rules/oracle.h"

#include <stdio.h>
#include <string.h>

#include "model/route_table.h"
#include "model/vpc.h"

#define INTERNET_MTU 1500

enum { ICMP = 1, TCP = 6, UDP = 17, ICMPV6 = 58 };

/* One judgement on its way. */
struct way {
    const struct index *ix;
    const struct oracle_host *host;
    const struct oracle_packet *p;
    const struct oracle_flow *flow; /* a later packet's; NULL: a first packet */
    bool reply;                     /* of that flow */
    struct oracle_verdict *v;
    const struct network_interface *to; /* the next hop's interface; NULL: the uplink */
    struct ip src, dst;                 /* as they leave the last translation */
    bool own;                           /* the source is the sender's own private address */
    bool crosses;                       /* it leaves one subnet and enters another place */
    bool internet;                      /* through an internet gateway */
};

static const struct oracle_host no_host;

/* Writes a question and its answer down. */
static enum drop_reason hop(struct way *w, uint8_t step, const char *question, const char *by,
                            enum drop_reason reason) {
    struct oracle_hop *h = &w->v->hops[w->v->n_hops];

    if (w->v->n_hops < ORACLE_HOPS) {
        w->v->n_hops++;
        h->step = step;
        h->question = question;
        h->passed = reason == DROP_NONE;
        snprintf(h->by, sizeof(h->by), "%s", by);
    }
    return reason;
}

static bool within(const struct ip *ip, const char *prefix) {
    struct cidr c;

    return cidr_parse(prefix, &c) == 0 && cidr_contains_ip(&c, ip);
}

static bool within_any(const struct ip *ip, const char *const *prefixes) {
    for (; *prefixes; prefixes++)
        if (within(ip, *prefixes))
            return true;
    return false;
}

static const char *const multicast[] = {"224.0.0.0/4", "255.255.255.255/32", "ff00::/8", NULL};
/* "This network" and loopback: never on a wire (RFC 6890). */
static const char *const host_only[] = {"0.0.0.0/8", "127.0.0.0/8", "::/128", "::1/128", NULL};
static const char *const link_local[] = {"169.254.0.0/16", "fe80::/10", NULL};
/* AWS: "packets to 169.254.168.0/22 and fd00:ec2::/32 are not forwarded". */
static const char *const services[] = {"169.254.0.0/16", "fe80::/10", "fd00:ec2::/32", NULL};
/* What is no address of the internet (RFC 6890). */
static const char *const not_global[] = {"0.0.0.0/8",      "10.0.0.0/8",     "100.64.0.0/10",
                                         "127.0.0.0/8",    "169.254.0.0/16", "172.16.0.0/12",
                                         "192.168.0.0/16", "240.0.0.0/4",    "::/64",
                                         "fc00::/7",       "fe80::/10",      NULL};

static bool is_here(const struct way *w, const struct network_interface *eni) {
    return eni->instance_id && (!w->host->on_host || w->host->on_host(w->host->data, w->ix, eni));
}

static bool has_private(const struct network_interface *eni, const struct ip *ip) {
    if (eni_find(eni, ip))
        return true;
    list_each (struct eni_address6, a, eni->addresses6)
        if (ip_equal(&a->ip, ip))
            return true;
    return false;
}

/* The interface of the VPC that has this private address; NULL: nobody. */
static const struct network_interface *find_private(const struct way *w, const char *vpc_id,
                                                    const struct ip *ip) {
    struct cursor c;

    index_each_by(w->ix, c, KIND_NETWORK_INTERFACE, ENI_BY_VPC, vpc_id) {
        if (is_here(w, c.obj) && has_private(c.obj, ip))
            return c.obj;
    }
    return NULL;
}

static const struct internet_gateway *gateway_of(const struct way *w, const char *vpc_id) {
    struct cursor c;

    return cursor_by(w->ix, &c, KIND_INTERNET_GATEWAY, IGW_BY_VPC, vpc_id) ? c.obj : NULL;
}

/*
 * The public address that stands for a private one, if any: "An internet gateway performs
 * one-to-one NAT" for IPv4; "IPv6 addresses are globally unique, and therefore public by default".
 */
static bool public_of(const struct way *w, const struct network_interface *eni,
                      const struct ip *private_ip, struct ip *ret) {
    const struct eni_address *a = eni_find(eni, private_ip);

    if (!gateway_of(w, eni->vpc_id))
        return false;
    *ret = private_ip->family == IP_V6 ? *private_ip : a ? a->public_ip : (struct ip){0};
    return ret->family != IP_NONE;
}

/* The interface behind a public address, and its private address. */
static const struct network_interface *find_public(const struct way *w, const struct ip *ip,
                                                   struct ip *ret_private) {
    struct ip public_ip;
    struct cursor c;

    index_each_all(w->ix, c, KIND_NETWORK_INTERFACE) {
        const struct network_interface *eni = c.obj;

        if (!is_here(w, eni))
            continue;
        list_each (struct eni_address, a, eni->addresses) {
            if (public_of(w, eni, &a->ip, &public_ip) && ip_equal(&public_ip, ip)) {
                *ret_private = a->ip;
                return eni;
            }
        }
        list_each (struct eni_address6, a, eni->addresses6) {
            if (public_of(w, eni, &a->ip, &public_ip) && ip_equal(&public_ip, ip)) {
                *ret_private = a->ip;
                return eni;
            }
        }
    }
    return NULL;
}

/* 1 */
static enum drop_reason malformed(const struct oracle_packet *p) {
    if (p->protocol == ICMPV6 && p->src.family == IP_V6) {
        switch (p->icmp_type) {
        case 130: /* multicast listener query, report, done, report of version 2 */
        case 131:
        case 132:
        case 143:
            return DROP_MLD;
        case 133:
            return DROP_ROUTER_SOLICITATION;
        case 134: /* router advertisement, redirect: only the router could say that */
        case 137:
            return DROP_SPOOFED_ARP;
        case 136:
            return DROP_ARP_UNKNOWN;
        default:
            break;
        }
    }
    if (p->protocol == UDP && p->src.family == IP_V4 && p->sport == 68 && p->dport == 67)
        return DROP_DHCP;
    if (p->protocol == UDP && p->src.family == IP_V6 && p->sport == 546 && p->dport == 547)
        return DROP_DHCP;
    if (within(&p->src, "::ffff:0:0/96") || within(&p->dst, "::ffff:0:0/96"))
        return DROP_MAPPED;
    if (within_any(&p->src, multicast) || within_any(&p->src, host_only))
        return DROP_BAD_SOURCE;
    if (within_any(&p->dst, multicast))
        return DROP_MULTICAST;
    if (within_any(&p->dst, host_only))
        return DROP_MALFORMED;
    return DROP_NONE;
}

/* 3 and the address's part of 4, for an interface that sends. */
static enum drop_reason check_sender(struct way *w) {
    const struct network_interface *from = w->p->from;
    char text[IP_TEXT];

    if (within_any(&w->p->dst, services))
        return hop(w, 3, "link-local services", ip_format(&w->p->dst, text), DROP_LINK_LOCAL);
    w->own = has_private(from, &w->p->src);
    if (w->own)
        return hop(w, 4, "source check", "own address", DROP_NONE);
    if (from->source_dest_check || within_any(&w->p->src, link_local))
        return hop(w, 4, "source check", ip_format(&w->p->src, text), DROP_SPOOFED_ADDRESS);
    return hop(w, 4, "source check", "SourceDestCheck is off", DROP_NONE);
}

/* The groups at the packet's sender, or at its receiver: for a reply, as the flow began there. */
static bool ask_groups(struct way *w, const struct network_interface *eni, bool at_sender,
                       const struct ip *peer, const struct network_interface *peer_eni,
                       char ret_by[96], enum oracle_tracking *ret_tracking) {
    struct oracle_packet first = *w->p;
    bool egress = at_sender;

    if (w->flow) {
        *ret_tracking = at_sender == !w->reply ? w->flow->sender : w->flow->receiver;
        snprintf(ret_by, 96, "tracked: not asked");
        if (*ret_tracking == ORACLE_TRACKED)
            return true;
    }
    if (w->flow && w->reply) {
        first.sport = w->p->dport;
        first.dport = w->p->sport;
        egress = !at_sender;
    }
    return oracle_groups(w->ix, eni, egress, &first, peer, peer_eni, ret_by, ret_tracking);
}

/* 5 */
static enum drop_reason egress_groups(struct way *w) {
    const struct network_interface *from = w->p->from;
    const struct network_interface *peer = find_private(w, from->vpc_id, &w->p->dst);
    char by[96];
    bool ok = ask_groups(w, from, true, &w->p->dst, peer, by, &w->v->sender);

    return hop(w, 5, "security groups of the sender, egress", by,
               ok ? DROP_NONE : DROP_GROUP_EGRESS);
}

/* 6 */
static enum drop_reason egress_acl(struct way *w) {
    char by[96];
    bool ok = oracle_acl(w->ix, w->p->from, true, w->p, &w->p->dst, by);

    return hop(w, 6, "network ACL of the sender's subnet, egress", by,
               ok ? DROP_NONE : DROP_ACL_EGRESS);
}

/*
 * 7. "Route priority" (VPC user guide): "we use the most specific route that matches the traffic
 *    (longest prefix match)". With the same prefix: local, then static, then propagated.
 */
static const struct route *find_route(const struct route_table *t, const struct ip *dst) {
    const struct route *best = NULL;

    list_each (struct route, r, t->routes) {
        if (r->cidr.ip.family != dst->family || !cidr_contains_ip(&r->cidr, dst))
            continue;
        if (!best || r->cidr.len > best->cidr.len ||
            (r->cidr.len == best->cidr.len && r->origin < best->origin))
            best = r;
    }
    return best;
}

static bool is_target(const struct route *r, const char *prefix) {
    return strncmp(r->target, prefix, strlen(prefix)) == 0;
}

/* 8, local: to whoever has the address. */
static enum drop_reason to_local(struct way *w) {
    const struct network_interface *from = w->p->from;
    const struct subnet *s = index_get(w->ix, KIND_SUBNET, from->o.scope, from->subnet_id);
    struct ip router = ip_add(&s->cidr.ip, 1);

    w->to = find_private(w, from->vpc_id, &w->p->dst);
    if (w->to)
        return hop(w, 8, "local", w->to->o.id, DROP_NONE);
    return hop(w, 8, "local", "", ip_equal(&w->p->dst, &router) ? DROP_TO_ROUTER : DROP_NO_ADDRESS);
}

/* 8, an interface: it receives the packet as it is, whatever its destination. */
static enum drop_reason to_interface(struct way *w, const struct route *r) {
    const struct network_interface *from = w->p->from;
    const struct network_interface *eni =
        index_get(w->ix, KIND_NETWORK_INTERFACE, from->o.scope, r->target);

    if (!eni || !eni->instance_id || eni == from)
        return hop(w, 8, "interface", r->target, DROP_BLACKHOLE);
    if (!is_here(w, eni))
        return hop(w, 8, "interface", r->target, DROP_NO_LINK);
    w->to = eni;
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

static const struct ip *host_address(const struct way *w, uint8_t family) {
    return family == IP_V4 ? &w->host->address4 : &w->host->address6;
}

static bool in_pool(const struct way *w, const struct ip *ip) {
    const struct cidr *pool = ip->family == IP_V4 ? &w->host->pool4 : &w->host->pool6;

    return pool->ip.family && cidr_contains_ip(pool, ip);
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

/* 8, an internet gateway. */
static enum drop_reason to_internet(struct way *w, const struct route *r) {
    const struct network_interface *from = w->p->from;
    struct ip public_ip, private_ip;

    if (!w->own || !public_of(w, from, &w->p->src, &public_ip))
        return hop(w, 8, "internet gateway", "no public address", DROP_NO_PUBLIC);
    w->internet = true;
    w->src = public_ip;
    w->to = find_public(w, &w->p->dst, &private_ip);
    if (w->to) {
        w->dst = private_ip;
        return hop(w, 8, "internet gateway, and back in", w->to->o.id, DROP_NONE);
    }
    return hop(w, 8, "internet gateway", r->target, to_uplink(w));
}

/* 7 and 8 */
static enum drop_reason follow_route(struct way *w) {
    const struct network_interface *from = w->p->from;
    const struct route_table *t = route_table_of_subnet(w->ix, from->vpc_id, from->subnet_id);
    const struct route *r = t ? find_route(t, &w->p->dst) : NULL;
    char by[96], text[CIDR_TEXT];

    if (!r)
        return hop(w, 7, "route table", t ? t->o.id : "none", DROP_NO_ROUTE);
    snprintf(by, sizeof(by), "%s: %s", t->o.id, cidr_format(&r->cidr, text));
    hop(w, 7, "route table", by, DROP_NONE);
    if (strcmp(r->target, "local") == 0)
        return to_local(w);
    if (is_target(r, "eni-"))
        return to_interface(w, r);
    if (is_target(r, "igw-")) {
        const struct internet_gateway *igw = gateway_of(w, from->vpc_id);

        if (!igw || strcmp(igw->o.id, r->target) != 0)
            return hop(w, 8, "internet gateway", r->target, DROP_BLACKHOLE);
        return to_internet(w, r);
    }
    /* Kinds of targets that exist, but not in this version. */
    if (is_target(r, "nat-") || is_target(r, "eigw-") || is_target(r, "pcx-") ||
        is_target(r, "vgw-"))
        return hop(w, 8, "target", r->target, DROP_ROUTE_KIND);
    return hop(w, 8, "target", r->target, DROP_BLACKHOLE);
}

/* 5 to 8: from an interface to the next hop. */
static enum drop_reason leave(struct way *w) {
    const struct network_interface *from = w->p->from;
    const struct network_interface *neighbour = find_private(w, from->vpc_id, &w->p->dst);
    enum drop_reason r = egress_groups(w);

    if (r)
        return r;
    /* "Traffic to another interface of the same subnet does not consult the route table." */
    if (neighbour && strcmp(neighbour->subnet_id, from->subnet_id) == 0) {
        w->to = neighbour;
        return hop(w, 7, "route table", "within the subnet: not asked", DROP_NONE);
    }
    w->crosses = true;
    r = egress_acl(w);
    return r ? r : follow_route(w);
}

/* 9 and 10: at the receiving interface. */
static enum drop_reason arrive(struct way *w) {
    const struct network_interface *sender = w->own && !w->internet ? w->p->from : NULL;
    enum drop_reason r = DROP_NONE;
    char by[96], text[IP_TEXT];
    bool ok;

    if (w->crosses) {
        ok = oracle_acl(w->ix, w->to, false, w->p, &w->src, by);
        r = hop(w, 9, "network ACL of the receiver's subnet, ingress", by,
                ok ? DROP_NONE : DROP_ACL_INGRESS);
    }
    if (r)
        return r;
    ok = ask_groups(w, w->to, false, &w->src, sender, by, &w->v->receiver);
    r = hop(w, 10, "security groups of the receiver, ingress", by,
            ok ? DROP_NONE : DROP_GROUP_INGRESS);
    if (r)
        return r;
    if (!w->to->source_dest_check)
        return hop(w, 10, "destination check", "SourceDestCheck is off", DROP_NONE);
    return hop(w, 10, "destination check", ip_format(&w->dst, text),
               has_private(w->to, &w->dst) ? DROP_NONE : DROP_NOT_DESTINATION);
}

/* Whether the address lies in one of the VPC's networks, or is somebody's there. */
static bool is_inside(const struct way *w, const struct network_interface *eni,
                      const struct ip *ip) {
    const struct vpc *v = index_get(w->ix, KIND_VPC, eni->o.scope, eni->vpc_id);

    if (find_private(w, eni->vpc_id, ip))
        return true;
    if (!v)
        return false;
    if (cidr_contains_ip(&v->cidr, ip))
        return true;
    list_each (struct cidr_association, a, v->cidrs)
        if (cidr_contains_ip(&a->cidr, ip))
            return true;
    list_each (struct cidr_association, a, v->cidrs6)
        if (cidr_contains_ip(&a->cidr, ip))
            return true;
    return false;
}

/* By the uplink: to a public address, from anything that is not ours. */
static enum drop_reason enter(struct way *w) {
    const struct ip *src = &w->p->src;
    char text[IP_TEXT];
    struct ip private_ip;

    ip_format(src, text);
    if (within_any(src, link_local) ||
        (in_pool(w, src) && !ip_equal(src, host_address(w, src->family))))
        return hop(w, 4, "source from outside", text, DROP_SPOOFED_ADDRESS);
    hop(w, 4, "source from outside", text, DROP_NONE);
    w->to = find_public(w, &w->p->dst, &private_ip);
    ip_format(&w->p->dst, text);
    if (!w->to)
        return hop(w, 8, "internet gateway", text, DROP_UPLINK_UNKNOWN);
    if (is_inside(w, w->to, src))
        return hop(w, 4, "source from outside", "inside the receiver's VPC", DROP_SPOOFED_ADDRESS);
    w->dst = private_ip;
    w->internet = true;
    w->crosses = true;
    return hop(w, 8, "internet gateway", w->to->o.id, DROP_NONE);
}

/* Whether the path ends elsewhere, or with other addresses, than the flow's. */
static bool goes_elsewhere(const struct way *w) {
    const struct oracle_flow *f = w->flow;

    if (w->reply)
        return w->to != f->first.from || !ip_equal(&w->src, &f->first.dst) ||
               !ip_equal(&w->dst, &f->first.src);
    return w->to != f->to || !ip_equal(&w->src, &f->src) || !ip_equal(&w->dst, &f->dst);
}

static enum drop_reason judge(struct way *w);

static enum drop_reason first_of_another(struct way *w) {
    struct way again = {
        .ix = w->ix, .host = w->host, .p = w->p, .v = w->v, .src = w->p->src, .dst = w->p->dst};
    enum drop_reason r;

    *w->v = (struct oracle_verdict){.anew = true};
    r = judge(&again);
    *w = again;
    return r;
}

static enum drop_reason judge(struct way *w) {
    enum drop_reason r = malformed(w->p);

    if (w->p->from && !is_here(w, w->p->from))
        return hop(w, 1, "the interface", w->p->from->o.id, DROP_NOT_READY);
    if (!w->p->from && !w->host->uplink)
        return hop(w, 1, "the uplink", "", DROP_NOT_READY);
    if (r)
        return hop(w, 1, "the packet", "", r);
    if (w->p->from) {
        if (memcmp(w->p->src_mac, w->p->from->mac, 6) != 0)
            return hop(w, 4, "source MAC", "", DROP_SPOOFED_MAC);
        r = check_sender(w);
        if (!r)
            r = leave(w);
    } else {
        r = enter(w);
    }
    if (!r && w->flow && goes_elsewhere(w))
        return first_of_another(w);
    if (!r && w->to)
        r = arrive(w);
    if (!r && w->internet && !(w->p->from && w->to) && w->p->length > INTERNET_MTU)
        return hop(w, 11, "MTU of the internet gateway", "1500", DROP_TOO_BIG);
    return r;
}

static void judge_all(struct way *w, struct oracle_verdict *ret) {
    *ret = (struct oracle_verdict){.reason = DROP_NONE};
    ret->reason = judge(w);
    ret->accepted = ret->reason == DROP_NONE;
    if (!ret->accepted) {
        ret->sender = ret->receiver = ORACLE_NO_ENI;
        return;
    }
    ret->to = w->to;
    ret->src = w->src;
    ret->dst = w->dst;
}

void oracle_judge(const struct index *ix, const struct oracle_host *host,
                  const struct oracle_packet *packet, struct oracle_verdict *ret) {
    struct way w = {.ix = ix,
                    .host = host ? host : &no_host,
                    .p = packet,
                    .v = ret,
                    .src = packet->src,
                    .dst = packet->dst};

    judge_all(&w, ret);
}

void oracle_judge_later(const struct index *ix, const struct oracle_host *host,
                        const struct oracle_flow *flow, const struct oracle_packet *packet,
                        bool reply, struct oracle_verdict *ret) {
    struct way w = {.ix = ix,
                    .host = host ? host : &no_host,
                    .p = packet,
                    .flow = flow,
                    .reply = reply,
                    .v = ret,
                    .src = packet->src,
                    .dst = packet->dst};

    judge_all(&w, ret);
}
