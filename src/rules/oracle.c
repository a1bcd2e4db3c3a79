/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judgement of a first packet, step by step. The numbers are those of the packet path's
 * contract (docs/PACKET-PATH.md); the code carries them.
 *
 *  1. A packet that nobody may send: impossible source, IPv4-mapped addresses, multicast,
 *     neighbour and router discovery that is not a question, DHCP but a client's
 *  2. ARP and neighbour solicitations: answered by the data plane, not judged here
 *  3. link-local services (oracle_service.c); other addresses of the link are not forwarded
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
 * 11. delivery: MTU, 9,001 inside the VPC and 1,500 through the internet gateway, for what turns
 * round in it as well. "Packets that are larger are fragmented, or dropped if DF is set" (EC2 user
 * guide, "MTU"): IPv4 that leaves may be fragmented; the sender of what is dropped is told
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
 * An ICMP error belongs to a flow when it quotes one of its packets as that was delivered to
 * whoever sends the error (so there must have been one in that direction), and goes to that
 * packet's sender. Then it goes where the flow's next packet in that direction would, by the flow's
 * translation; the flow's tracking counts for it, since an ICMP error "is part of the tracked
 * connection". Network ACLs are stateless: they are asked about the error itself ("Path MTU
 * Discovery" in the VPC user guide wants a rule for ICMP type 3 code 4). The source check, too: a
 * router on the way may report. An error of a flow that would end elsewhere now is one like any
 * other, and so is whatever quotes nothing known.
 *
 * An interface exists for packets while it is attached to an instance of this host. The address of
 * another one is nobody's.
 */
#include "rules/oracle_private.h"

#include <stdio.h>
#include <string.h>

#define INTERNET_MTU 1500
#define VPC_MTU 9001

static const struct oracle_host no_host;

/* Writes a question and its answer down. */
enum drop_reason hop(struct way *w, uint8_t step, const char *question, const char *by,
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

/* A client's question, or a server's answer: from an instance neither is forwarded. */
static bool is_dhcp(const struct oracle_packet *p, uint16_t client, uint16_t server,
                    uint8_t family) {
    return p->protocol == UDP && p->src.family == family &&
           ((p->sport == client && p->dport == server) ||
            (p->sport == server && p->dport == client));
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
    if (is_dhcp(p, 68, 67, IP_V4) || is_dhcp(p, 546, 547, IP_V6))
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

    if (asks_link(w))
        return to_service(w, DROP_LINK_LOCAL);
    w->own = has_private(from, &w->p->src);
    if (w->self != w->p && !has_private(from, &w->self->src) &&
        (from->source_dest_check || within_any(&w->self->src, link_local)))
        return hop(w, 4, "source check", ip_format(&w->self->src, text), DROP_SPOOFED_ADDRESS);
    if (w->own)
        return hop(w, 4, "source check", "own address", DROP_NONE);
    if (from->source_dest_check || within_any(&w->p->src, link_local))
        return hop(w, 4, "source check", ip_format(&w->p->src, text), DROP_SPOOFED_ADDRESS);
    return hop(w, 4, "source check", "SourceDestCheck is off", DROP_NONE);
}

const struct ip *source_now(const struct way *w) {
    return ip_equal(&w->src, &w->p->src) ? &w->self->src : &w->src;
}

/* The groups at the packet's sender, or at its receiver: for a reply, as the flow began there. */
bool ask_groups(struct way *w, const struct network_interface *eni, bool at_sender,
                const struct ip *peer, const struct network_interface *peer_eni, char ret_by[96],
                enum oracle_tracking *ret_tracking) {
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

/* The question of an interface that is not here. */
static const char *where_text(const struct network_interface *eni) {
    return eni->instance_id ? "the interface's instance is on this host"
                            : "the interface is attached to an instance";
}

/* 9 and 10: at the receiving interface. */
static enum drop_reason arrive(struct way *w) {
    const struct network_interface *sender =
        w->own && !w->internet && !w->translated ? w->p->from : NULL;
    enum drop_reason r = DROP_NONE;
    char by[96], text[IP_TEXT];
    bool ok;

    if (!is_here(w, w->to))
        return hop(w, 9, where_text(w->to), w->to->o.id, DROP_NO_LINK);
    if (w->crosses)
        r = ask_acl(w, 9, "network ACL of the receiver's subnet, ingress", w->to->o.scope,
                    w->to->subnet_id, false, source_now(w));
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

/* Whether a source from outside is one that the receiver would answer by a peering (then it means
 * somebody there) or by an egress-only gateway (then nothing begins outside). */
static enum drop_reason leads_elsewhere(struct way *w, const struct network_interface *to,
                                        const struct ip *src) {
    const struct route_table *t = route_table_of_subnet(w->ix, to->vpc_id, to->subnet_id);
    const struct route *r = find_route(w, t, src);

    if (!r || !route_is_active(w->ix, t, r))
        return DROP_NONE;
    if (is_target(r, "pcx-"))
        return hop(w, 4, "source from outside", r->target, DROP_SPOOFED_ADDRESS);
    if (is_target(r, "eigw-") && !is_answer_inward(w))
        return hop(w, 8, "egress-only internet gateway", r->target, DROP_EGRESS_ONLY);
    return DROP_NONE;
}

/* A source from outside that means somebody inside. */
static enum drop_reason pretends(struct way *w, const struct ip *src) {
    if (is_inside(w, w->to, src))
        return hop(w, 4, "source from outside", "inside the receiver's VPC", DROP_SPOOFED_ADDRESS);
    return leads_elsewhere(w, w->to, src);
}

/* To a gateway that keeps state: an answer comes from where the flow went, but an error from
 * whoever reports it. */
static enum drop_reason check_reporter(struct way *w, const struct ip *src, enum drop_reason r) {
    return r || w->self == w->p ? r : pretends(w, src);
}

/* By the uplink: to a public address, from anything that is not ours. */
static enum drop_reason enter(struct way *w) {
    const struct ip *src = &w->self->src;
    const struct nat_gateway *nat;
    char text[IP_TEXT];
    struct ip private_ip;
    enum drop_reason r;

    ip_format(src, text);
    if (within_any(src, link_local) ||
        (in_pool(w, src) && !ip_equal(src, host_address(w, src->family))))
        return hop(w, 4, "source from outside", text, DROP_SPOOFED_ADDRESS);
    hop(w, 4, "source from outside", text, DROP_NONE);
    if (is_answer_inward(w))
        return check_reporter(w, src, answer_egress_only(w));
    w->to = find_public(w, &w->p->dst, &private_ip);
    ip_format(&w->p->dst, text);
    nat = w->to ? NULL : nat_with(w, NULL, &w->p->dst);
    if (nat) {
        w->internet = true;
        return check_reporter(w, src, answer_nat(w, nat, false));
    }
    if (!w->to)
        return hop(w, 8, "internet gateway", text, DROP_UPLINK_UNKNOWN);
    r = pretends(w, src);
    if (r)
        return r;
    w->dst = private_ip;
    w->internet = true;
    w->crosses = true;
    hop(w, 8, "internet gateway", w->to->o.id, DROP_NONE);
    return edge(w);
}

/* Whether the path ends elsewhere, with other addresses or through another gateway, than the
 * flow's. */
static bool goes_elsewhere(const struct way *w) {
    const struct oracle_flow *f = w->flow;

    if (strcmp(w->gateway ? w->gateway : "", f->gateway) != 0)
        return true;
    if (w->reply)
        return w->to != f->first.from || !ip_equal(&w->src, &f->first.dst) ||
               !ip_equal(&w->dst, &f->first.src);
    return w->to != f->to || !ip_equal(&w->src, &f->src) || !ip_equal(&w->dst, &f->dst);
}

static enum drop_reason judge(struct way *w);

static enum drop_reason first_of_another(struct way *w) {
    struct way again = {.ix = w->ix,
                        .host = w->host,
                        .p = w->self,
                        .self = w->self,
                        .v = w->v,
                        .src = w->self->src,
                        .dst = w->self->dst};
    enum drop_reason r;

    *w->v = (struct oracle_verdict){.anew = true};
    r = judge(&again);
    *w = again;
    return r;
}

/* 11 */
static enum drop_reason check_size(struct way *w) {
    uint32_t mtu = w->internet || !w->to ? INTERNET_MTU : VPC_MTU;
    bool cut = w->self->may_fragment && w->self->src.family == IP_V4 && w->p->from &&
               mtu == INTERNET_MTU && w->self->length <= VPC_MTU;

    if (w->self->length <= mtu || cut)
        return DROP_NONE;
    return hop(w, 11, "MTU of the way", mtu == INTERNET_MTU ? "1500" : "9001", DROP_TOO_BIG);
}

static enum drop_reason judge(struct way *w) {
    enum drop_reason r = malformed(w->self);

    if (w->p->from && !is_here(w, w->p->from))
        return hop(w, 1, where_text(w->p->from), w->p->from->o.id, DROP_NOT_READY);
    if (!w->p->from && !w->host->uplink)
        return hop(w, 1, "the uplink", "", DROP_NOT_READY);
    if (r && !(w->p->from && (r == DROP_DHCP || r == DROP_ROUTER_SOLICITATION)))
        return hop(w, 1, "the packet", "", r);
    if (w->p->from) {
        if (memcmp(w->p->src_mac, w->p->from->mac, 6) != 0)
            return hop(w, 4, "source MAC", "", DROP_SPOOFED_MAC);
        r = r ? to_service(w, r) : check_sender(w);
        if (!r && w->v->service)
            return DROP_NONE;
        if (!r)
            r = leave(w);
    } else {
        r = enter(w);
    }
    if (!r && w->flow && goes_elsewhere(w))
        return first_of_another(w);
    if (!r && w->to)
        r = arrive(w);
    return r ? r : check_size(w);
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
    ret->src = *source_now(w);
    ret->dst = w->dst;
    snprintf(ret->gateway, sizeof(ret->gateway), "%s", w->gateway ? w->gateway : "");
}

void oracle_judge(const struct index *ix, const struct oracle_host *host,
                  const struct oracle_packet *packet, struct oracle_verdict *ret) {
    struct way w = {.ix = ix,
                    .host = host ? host : &no_host,
                    .p = packet,
                    .self = packet,
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
                    .self = packet,
                    .flow = flow,
                    .reply = reply,
                    .v = ret,
                    .src = packet->src,
                    .dst = packet->dst};

    judge_all(&w, ret);
}

static bool is_query(const struct oracle_packet *p) {
    return p->protocol == (p->src.family == IP_V4 ? ICMP : ICMPV6);
}

/* The packet that answers this one. A query's identifier is its answer's. */
static struct oracle_packet answer_to(const struct oracle_packet *p) {
    struct oracle_packet r = *p;

    r.src = p->dst;
    r.dst = p->src;
    if (is_query(p)) {
        r.icmp_type = p->icmp_type == 8 ? 0 : p->icmp_type == 13 ? 14 : 129;
        return r;
    }
    r.sport = p->dport;
    r.dport = p->sport;
    return r;
}

/* Whether `quoted` is a packet of the flow as whoever sends the error got it, and the error goes to
 * whoever that packet came from. Nobody got a reply that was never sent. */
static bool quotes_flow(const struct oracle_flow *f, const struct oracle_packet *error,
                        const struct oracle_packet *quoted, bool reply) {
    struct oracle_packet got = f->first;

    got.src = f->src;
    got.dst = f->dst;
    if (f->nat_port)
        got.sport = f->nat_port;
    if (!reply)
        got = answer_to(&f->first);
    if ((!reply && !f->replied) || error->from != (reply ? f->to : f->first.from) ||
        quoted->protocol != got.protocol || !ip_equal(&quoted->src, &got.src) ||
        !ip_equal(&quoted->dst, &got.dst) || !ip_equal(&error->dst, &quoted->src))
        return false;
    if (is_query(&got))
        return quoted->sport == got.sport && quoted->icmp_type == got.icmp_type &&
               quoted->icmp_code == got.icmp_code;
    if (got.protocol != TCP && got.protocol != UDP)
        return true;
    return quoted->sport == got.sport && quoted->dport == got.dport;
}

void oracle_judge_error(const struct index *ix, const struct oracle_host *host,
                        const struct oracle_flow *flow, const struct oracle_packet *error,
                        const struct oracle_packet *quoted, bool reply,
                        struct oracle_verdict *ret) {
    struct oracle_packet of = answer_to(quoted);
    struct way w = {.ix = ix,
                    .host = host ? host : &no_host,
                    .p = &of,
                    .self = error,
                    .flow = flow,
                    .reply = reply,
                    .v = ret,
                    .src = of.src,
                    .dst = of.dst};

    of.from = error->from;
    memcpy(of.src_mac, error->src_mac, sizeof(of.src_mac));
    if (quotes_flow(flow, error, quoted, reply)) {
        judge_all(&w, ret);
        return;
    }
    oracle_judge(ix, host, error, ret);
    ret->anew = true;
}
