/* SPDX-License-Identifier: Apache-2.0 */
/* The oracle's reading of security groups and network ACLs. */
#include <stdio.h>
#include <string.h>

#include "model/network_acl.h"
#include "model/peering.h"
#include "model/prefix_list.h"
#include "model/security_group.h"
#include "model/vpc.h"
#include "rules/oracle.h"

enum { ICMP = 1, TCP = 6, UDP = 17, ICMPV6 = 58 };

/* ICMP has types and codes in its own family; in the other it is a protocol like any. */
static bool has_type(uint8_t protocol, uint8_t family) {
    return (protocol == ICMP && family == IP_V4) || (protocol == ICMPV6 && family == IP_V6);
}

/*
 * "Protocol", "port range" and "ICMP type and code" of a rule (VPC user guide, "Security group
 * rules"; EC2 API, IpPermission: -1 is all protocols, all types, all codes).
 */
static bool rule_covers(const struct sg_rule *r, const struct oracle_packet *p) {
    if (r->protocol == -1)
        return true;
    if (r->protocol != p->protocol)
        return false;
    if (r->protocol == ICMP || r->protocol == ICMPV6) {
        if (r->from == -1)
            return true;
        if (!has_type(p->protocol, p->src.family))
            return false;
        return r->from == p->icmp_type && (r->to == -1 || r->to == p->icmp_code);
    }
    if (r->protocol == TCP || r->protocol == UDP)
        return r->from == -1 || (r->from <= p->dport && p->dport <= r->to);
    return true;
}

struct asked {
    const struct index *ix;
    const struct network_interface *eni;
    const struct oracle_packet *packet;
    const struct ip *peer;
    const struct network_interface *peer_eni;
};

/* Any entry of the list's current version: "the rule applies to the latest" one. */
static bool list_names(const struct index *ix, struct scope scope, const char *id,
                       const struct ip *peer) {
    const struct prefix_list *pl = index_get(ix, KIND_PREFIX_LIST, scope, id);

    if (!pl)
        return false;
    list_each (struct prefix_entry, e, pl->entries)
        if (e->cidr.ip.family == peer->family && cidr_contains_ip(&e->cidr, peer))
            return true;
    return false;
}

/* A rule that names a group means interfaces of the same VPC; or, over a peering of the group's own
 * VPC and while that is active, those of the peer. */
static bool reaches(const struct security_group *g, const struct sg_rule *r,
                    const struct asked *a) {
    const struct peering *p;
    const struct vpc *peer;

    if (!r->peering_id)
        return strcmp(a->peer_eni->vpc_id, a->eni->vpc_id) == 0;
    if (strcmp(g->vpc_id, a->eni->vpc_id) != 0)
        return false;
    p = index_get(a->ix, KIND_PEERING, a->eni->o.scope, r->peering_id);
    peer = p ? peering_peer(a->ix, p, g->vpc_id) : NULL;
    return peer && strcmp(peer->o.id, a->peer_eni->vpc_id) == 0;
}

/* "Source" or "destination" of a rule: a CIDR, a prefix list, or a group: "traffic from the private
 * addresses of the network interfaces that are associated with the group". */
static bool rule_names(const struct security_group *g, const struct sg_rule *r,
                       const struct asked *a) {
    if (r->group_id)
        return a->peer_eni && strs_has(&a->peer_eni->groups, r->group_id) && reaches(g, r, a);
    if (r->prefix_list_id)
        return list_names(a->ix, a->eni->o.scope, r->prefix_list_id, a->peer);
    return r->cidr.ip.family == a->peer->family && cidr_contains_ip(&r->cidr, a->peer);
}

/* 0.0.0.0/0, or ::/0 for IPv6. */
static bool names_everybody(const struct sg_rule *r, uint8_t family) {
    return !r->group_id && !r->prefix_list_id && r->cidr.ip.family == family && r->cidr.len == 0;
}

/* "...for any port (0-65535)". */
static bool covers_all_ports(const struct sg_rule *r, uint8_t protocol) {
    if (r->protocol == -1)
        return true;
    return r->protocol == protocol && (r->from == -1 || (r->from == 0 && r->to == 65535));
}

/* Calls `fn` for the rules of one direction of all groups of the interface, until it says true. */
typedef bool rule_fn(const struct security_group *g, const struct sg_rule *r, const void *data);

static const struct sg_rule *first_rule(const struct index *ix, const struct network_interface *eni,
                                        bool egress, rule_fn *fn, const void *data) {
    list_each (char *, id, eni->groups) {
        const struct security_group *g = index_get(ix, KIND_SECURITY_GROUP, eni->o.scope, *id);

        if (!g)
            continue;
        list_each (struct sg_rule, r, g->rules)
            if (r->egress == egress && fn(g, r, data))
                return r;
    }
    return NULL;
}

static bool allows(const struct security_group *g, const struct sg_rule *r, const void *data) {
    const struct asked *a = data;

    return rule_covers(r, a->packet) && rule_names(g, r, a);
}

static bool allows_everybody(const struct security_group *g, const struct sg_rule *r,
                             const void *data) {
    const struct asked *a = data;

    return rule_covers(r, a->packet) && names_everybody(r, a->peer->family);
}

static bool allows_everything(const struct security_group *g, const struct sg_rule *r,
                              const void *data) {
    const struct asked *a = data;

    return covers_all_ports(r, a->packet->protocol) && names_everybody(r, a->peer->family);
}

/* "no rule of sg-..., sg-...": as many as there is room for. */
static void name_groups(const struct network_interface *eni, char ret_by[96]) {
    size_t len = (size_t)snprintf(ret_by, 96, "no rule of");

    list_each (char *, id, eni->groups)
        if (len + strlen(*id) + 2 < 96)
            len += (size_t)snprintf(ret_by + len, 96 - len, " %s", *id);
}

/*
 * "Security group connection tracking" (EC2 user guide), "Untracked connections": "If a security
 * group rule permits TCP or UDP flows for all traffic (0.0.0.0/0 or ::/0) and there is a
 * corresponding rule in the other direction that permits all response traffic (0.0.0.0/0 or ::/0)
 * for any port (0-65535), then that flow of traffic is not tracked". "ICMP traffic is always
 * tracked", and other protocols.
 */
bool oracle_groups(const struct index *ix, const struct network_interface *eni, bool egress,
                   const struct oracle_packet *packet, const struct ip *peer,
                   const struct network_interface *peer_eni, char ret_by[96],
                   enum oracle_tracking *ret_tracking) {
    const struct asked a = {
        .ix = ix, .eni = eni, .packet = packet, .peer = peer, .peer_eni = peer_eni};
    const struct sg_rule *r = first_rule(ix, eni, egress, allows, &a);

    *ret_tracking = ORACLE_TRACKED;
    snprintf(ret_by, 96, "%s", r && r->id ? r->id : "");
    if (!r) {
        name_groups(eni, ret_by);
        return false;
    }
    if ((packet->protocol == TCP || packet->protocol == UDP) &&
        first_rule(ix, eni, egress, allows_everybody, &a) &&
        first_rule(ix, eni, !egress, allows_everything, &a))
        *ret_tracking = ORACLE_UNTRACKED;
    return true;
}

/* Ports and types of an ACL's entry; what is not set is all of them, and so is -1. */
static bool entry_covers(const struct acl_entry *e, const struct oracle_packet *p) {
    if (e->protocol == -1)
        return true;
    if (e->protocol != p->protocol)
        return false;
    if (has_type(p->protocol, p->src.family) && e->icmp_type.set && e->icmp_type.v != -1)
        return e->icmp_type.v == p->icmp_type &&
               (!e->icmp_code.set || e->icmp_code.v == -1 || e->icmp_code.v == p->icmp_code);
    if ((p->protocol == TCP || p->protocol == UDP) && e->from.set)
        return e->from.v <= p->dport && p->dport <= e->to.v;
    return true;
}

/*
 * "Network ACL rules" (VPC user guide): "We evaluate the rules in order, starting with the lowest
 * numbered rule... As soon as a rule matches traffic, it's applied regardless of any
 * higher-numbered rule that might contradict it." The last, `*`, denies.
 */
bool oracle_acl(const struct index *ix, struct scope scope, const char *subnet_id, bool egress,
                const struct oracle_packet *packet, const struct ip *peer, char ret_by[96]) {
    const struct subnet *s = index_get(ix, KIND_SUBNET, scope, subnet_id);
    const struct network_acl *acl;
    const struct acl_entry *first = NULL;

    snprintf(ret_by, 96, "none");
    if (!s)
        return false;
    if (!s->acl_id)
        return true;
    snprintf(ret_by, 96, "%s: gone", s->acl_id);
    acl = index_get(ix, KIND_NETWORK_ACL, scope, s->acl_id);
    if (!acl)
        return false;
    list_each (struct acl_entry, e, acl->entries) {
        if (e->egress == egress && e->cidr.ip.family == peer->family &&
            cidr_contains_ip(&e->cidr, peer) && entry_covers(e, packet) &&
            (!first || e->number < first->number))
            first = e;
    }
    if (!first || first->number >= ACL_RULE_LAST)
        snprintf(ret_by, 96, "%s rule *", acl->o.id);
    else
        snprintf(ret_by, 96, "%s rule %lld", acl->o.id, (long long)first->number);
    return first && first->allow;
}
