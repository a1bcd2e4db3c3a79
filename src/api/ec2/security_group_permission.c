/* SPDX-License-Identifier: Apache-2.0 */
/* Permissions as clients send them, to wishes. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "api/actions.h"
#include "api/ec2/security_group_rule.h"
#include "base/text.h"

#define DESCRIPTION_MAX 255

struct range_param {
    struct cidr cidr;
    char *description;
};
static const struct field range4_fields[] = {
    FIELD(0, FT_CIDR, struct range_param, cidr, "CidrIp", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct range_param, description, "Description"),
};
static const struct desc range4_desc = DESC("IpRange", struct range_param, range4_fields);
static const struct field range6_fields[] = {
    FIELD(0, FT_CIDR, struct range_param, cidr, "CidrIpv6", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct range_param, description, "Description"),
};
static const struct desc range6_desc = DESC("Ipv6Range", struct range_param, range6_fields);

static const struct field group_fields[] = {
    FIELD(0, FT_STR, struct group_param, group_id, "GroupId"),
    FIELD(0, FT_STR, struct group_param, name, "GroupName"),
    FIELD(0, FT_STR, struct group_param, user_id, "UserId"),
    FIELD(0, FT_STR, struct group_param, vpc_id, "VpcId"),
    FIELD(0, FT_STR, struct group_param, description, "Description"),
    /* Taken, so that what a Describe call showed can be sent back; it asks for nothing. */
    FIELD(0, FT_STR, struct group_param, status, "PeeringStatus"),
    FIELD(0, FT_STR, struct group_param, peering, "VpcPeeringConnectionId"),
};
static const struct desc group_desc = DESC("UserIdGroupPair", struct group_param, group_fields);

struct prefix_list_param {
    char *id, *description;
};
static const struct field prefix_list_fields[] = {
    FIELD(0, FT_STR, struct prefix_list_param, id, "PrefixListId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct prefix_list_param, description, "Description"),
};
static const struct desc prefix_list_param_desc =
    DESC("PrefixListId", struct prefix_list_param, prefix_list_fields);

struct permission {
    char *protocol;
    struct optint from, to;
    struct list ranges, ranges6, groups, prefix_lists;
};
static const struct field permission_fields[] = {
    FIELD(0, FT_STR, struct permission, protocol, "IpProtocol", .flags = FF_REQUIRED),
    FIELD(0, FT_OPTINT, struct permission, from, "FromPort"),
    FIELD(0, FT_OPTINT, struct permission, to, "ToPort"),
    FIELD(0, FT_LIST, struct permission, ranges, "IpRanges", .sub = &range4_desc),
    FIELD(0, FT_LIST, struct permission, ranges6, "Ipv6Ranges", .sub = &range6_desc),
    FIELD(0, FT_LIST, struct permission, groups, "Groups", .sub = &group_desc),
    FIELD(0, FT_LIST, struct permission, prefix_lists, "PrefixListIds",
          .sub = &prefix_list_param_desc),
};
const struct desc permission_desc = DESC("IpPermission", struct permission, permission_fields);

int check_rule_description(struct call *c, const char *description) {
    static const char allowed[] = " ._-:/()#,@[]+=&;{}!$*";
    const char *s = description ? description : "";

    if (strlen(s) <= DESCRIPTION_MAX)
        for (; isalnum((unsigned char)*s) || (*s && strchr(allowed, *s));)
            s++;
    if (*s)
        return call_error(c, "InvalidParameterValue",
                          "Invalid rule description. Valid descriptions are strings less than 256 "
                          "characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*");
    return 0;
}

/* The type is in `from`, the code in `to`. */
static int icmp_ports(struct call *c, const struct optint *from, const struct optint *to) {
    if (!from->set || !to->set)
        return call_error(c, "MissingParameter",
                          "Both fromPort (the ICMP type) and toPort (the code) must be given.");
    if (from->v < -1 || from->v > 255)
        return call_error(c, "InvalidParameterValue", "ICMP type (%lld) out of range",
                          (long long)from->v);
    if (to->v < -1 || to->v > 255)
        return call_error(c, "InvalidParameterValue", "ICMP code (%lld) out of range",
                          (long long)to->v);
    if (from->v == -1 && to->v != -1)
        return call_error(c, "InvalidParameterValue",
                          "The ICMP code must be -1 where the type is -1");
    return 0;
}

static int transport_ports(struct call *c, const struct optint *from, const struct optint *to) {
    if (!from->set || !to->set)
        return call_error(
            c, "InvalidParameterValue",
            "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.");
    if (from->v == -1 && to->v == -1)
        return 0;
    if (from->v < 0 || from->v > 65535 || to->v < 0 || to->v > 65535)
        return call_error(c, "InvalidParameterValue", "TCP/UDP port (%lld) out of range",
                          (long long)(from->v < 0 || from->v > 65535 ? from->v : to->v));
    if (from->v > to->v)
        return call_error(c, "InvalidParameterValue", "Invalid TCP/UDP port range (%lld:%lld)",
                          (long long)from->v, (long long)to->v);
    return 0;
}

int wish_ports(struct call *c, const char *protocol, const struct optint *from,
               const struct optint *to, struct rule_wish *w) {
    bool icmp;

    if (sg_protocol_parse(protocol, &w->protocol) < 0)
        return call_error(
            c, "InvalidPermission.Malformed",
            "Unsupported IP protocol \"%.64s\"  - supported: [tcp, udp, icmp, icmpv6] or a number.",
            protocol);
    w->from = w->to = SG_RULE_ANY;
    if (!sg_protocol_has_ports(w->protocol))
        return 0; /* ports mean nothing there; EC2 takes and ignores them */
    icmp = w->protocol == 1 || w->protocol == 58;
    if (icmp && !from->set && !to->set)
        return 0;
    if ((icmp ? icmp_ports : transport_ports)(c, from, to) < 0)
        return -1;
    w->from = from->v;
    w->to = to->v;
    if (!icmp && w->from == -1) {
        w->from = 0;
        w->to = 65535;
    }
    return 0;
}

int wish_cidr(struct call *c, struct rule_wish *w, const struct cidr *cidr, uint8_t family,
              const char *description) {
    char text[CIDR_TEXT];

    if (cidr->ip.family != family)
        return call_error(c, "InvalidParameterValue", "CIDR block %s is malformed",
                          cidr_format(cidr, text));
    /* EC2 keeps the network and drops the bits behind the prefix. */
    w->cidr = cidr_mask(cidr);
    w->description = description;
    return check_rule_description(c, description);
}

int wish_prefix_list(struct call *c, struct rule_wish *w, const struct security_group *g,
                     enum wish_use use, const char *id, const char *description) {
    w->prefix_list_id = id;
    w->description = description;
    if (use != WISH_FIND && !call_get(c, KIND_PREFIX_LIST, id))
        return -1;
    return check_rule_description(c, description);
}

static int no_such_group(struct call *c, const char *id) {
    const struct kind_info *info = kind_info(KIND_SECURITY_GROUP);

    return call_error(c, info->not_found, "The %s ID '%.128s' does not exist", info->name, id);
}

/* The rule that names this group already, in either direction; or NULL. */
static const struct sg_rule *rule_that_names(const struct security_group *g, const char *id) {
    list_each (struct sg_rule, r, g->rules)
        if (r->group_id && strcmp(r->group_id, id) == 0)
            return r;
    return NULL;
}

static int owner_of(struct call *c, const char *user_id, uint64_t *ret_owner) {
    int64_t number;

    *ret_owner = c->scope.account;
    if (!user_id || !*user_id)
        return 0;
    if (strlen(user_id) != 12 || int_parse(user_id, 1, ACCOUNT_MAX, &number) < 0)
        return call_error(c, "InvalidUserID.Malformed", "Invalid user id: \"%.64s\"", user_id);
    *ret_owner = (uint64_t)number;
    return 0;
}

/* The group that a new rule shall name, of the same VPC or of a peered one. Another account's group
 * is there only where an active connection joins its VPC with this one. */
static int find_peer(struct call *c, struct rule_wish *w, const struct security_group *g,
                     enum wish_use use, const struct group_param *p, uint64_t owner) {
    bool own = owner == c->scope.account;
    const struct security_group *peer = NULL;
    const struct peering *peering = NULL;

    if (p->group_id)
        peer = peered_group(c, g, p->group_id, use == WISH_CHANGE ? ANY_ACCOUNT : owner, &peering);
    if (!peer && !own)
        return no_such_group(c, p->group_id ? p->group_id : p->name);
    if (!peer)
        peer = p->group_id ? call_get(c, KIND_SECURITY_GROUP, p->group_id)
                           : security_group_named(c, p->name);
    if (!peer)
        return -1;
    if ((!peering && strcmp(peer->vpc_id, g->vpc_id) != 0) ||
        (p->vpc_id && strcmp(p->vpc_id, peer->vpc_id) != 0) ||
        (p->peering && (!peering || strcmp(p->peering, peering->o.id) != 0)))
        return call_error(c, "InvalidGroup.NotFound",
                          "You have specified two resources that belong to different networks.");
    w->group_id = peer->o.id;
    w->group_owner = (int64_t)peer->o.scope.account;
    w->group_vpc = peering ? peer->vpc_id : NULL;
    w->peering_id = peering ? peering->o.id : NULL;
    return 0;
}

int wish_group(struct call *c, struct rule_wish *w, const struct security_group *g,
               enum wish_use use, const struct group_param *p) {
    const struct sg_rule *named;
    uint64_t owner;

    w->description = p->description;
    if (!p->group_id && !p->name)
        return call_error(c, "MissingParameter", "A group pair must name a GroupId or GroupName");
    if (check_rule_description(c, p->description) < 0 || owner_of(c, p->user_id, &owner) < 0)
        return -1;
    /* What a rule names may be gone; it is found all the same. */
    named = use != WISH_ADD && p->group_id ? rule_that_names(g, p->group_id) : NULL;
    if (!named)
        return find_peer(c, w, g, use, p, owner);
    w->group_id = named->group_id;
    w->group_owner = named->group_owner;
    w->group_vpc = named->group_vpc;
    w->peering_id = named->peering_id;
    return 0;
}

static int add_wish(struct call *c, struct list *wishes, const struct rule_wish *w) {
    struct rule_wish *n = list_add(wishes, sizeof(*n));

    if (!n)
        return call_no_memory(c);
    *n = *w;
    return 0;
}

static int add_permission(struct call *c, const struct security_group *g, enum wish_use use,
                          const struct permission *p, struct list *wishes) {
    struct rule_wish ports = {0}, w;

    if (wish_ports(c, p->protocol, &p->from, &p->to, &ports) < 0)
        return -1;
    if (!p->ranges.n && !p->ranges6.n && !p->groups.n && !p->prefix_lists.n)
        return call_error(c, "InvalidParameterValue",
                          "Invalid value '' for IP permissions: a permission must name at least "
                          "one source or destination.");
    list_each (struct group_param, gp, p->groups) {
        w = ports;
        if (wish_group(c, &w, g, use, gp) < 0 || add_wish(c, wishes, &w) < 0)
            return -1;
    }
    for (int i = 0; i < 2; i++) {
        list_each (struct range_param, r, *(i ? &p->ranges6 : &p->ranges)) {
            w = ports;
            if (wish_cidr(c, &w, &r->cidr, i ? IP_V6 : IP_V4, r->description) < 0 ||
                add_wish(c, wishes, &w) < 0)
                return -1;
        }
    }
    list_each (struct prefix_list_param, l, p->prefix_lists) {
        w = ports;
        if (wish_prefix_list(c, &w, g, use, l->id, l->description) < 0 ||
            add_wish(c, wishes, &w) < 0)
            return -1;
    }
    return 0;
}

static int add_flat(struct call *c, const struct security_group *g, enum wish_use use,
                    const struct flat_permission *p, struct list *wishes) {
    const struct group_param source = {.name = p->source_name, .user_id = p->source_owner};
    struct rule_wish w = {0};
    int r;

    if (p->source_name && (p->cidr.ip.family || p->protocol || p->from.set || p->to.set))
        return call_error(c, "InvalidParameterCombination",
                          "The parameter sourceSecurityGroupName may not be used with ipProtocol, "
                          "fromPort, toPort or cidrIp");
    if (!p->source_name && (!p->protocol || !p->cidr.ip.family || p->source_owner))
        return call_error(c, "MissingParameter",
                          "The request must contain the parameters ipProtocol and cidrIp");
    /* A group's members may send anything. */
    r = p->source_name ? wish_ports(c, "-1", &p->from, &p->to, &w)
                       : wish_ports(c, p->protocol, &p->from, &p->to, &w);
    if (r == 0)
        r = p->source_name ? wish_group(c, &w, g, use, &source)
                           : wish_cidr(c, &w, &p->cidr, IP_V4, NULL);
    return r < 0 ? r : add_wish(c, wishes, &w);
}

int permissions_wish(struct call *c, const struct security_group *g, enum wish_use use,
                     const struct list *permissions, const struct flat_permission *flat,
                     struct list *wishes) {
    bool is_flat = flat && (flat->protocol || flat->from.set || flat->to.set ||
                            flat->cidr.ip.family || flat->source_name || flat->source_owner);

    if (is_flat && permissions->n)
        return call_error(c, "InvalidParameterCombination",
                          "The parameter ipPermissions may not be used with the flat parameters");
    list_each (struct permission, p, *permissions)
        if (add_permission(c, g, use, p, wishes) < 0)
            return -1;
    return is_flat ? add_flat(c, g, use, flat, wishes) : 0;
}
