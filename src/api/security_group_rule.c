/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of security groups: authorize, revoke, modify, describe. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/actions.h"
#include "base/cleanup.h"

struct range_param {
    struct cidr cidr;
    char *description;
};
static const struct field range4_fields[] = {
    FIELD(0, FT_CIDR, struct range_param, cidr, "CidrIp", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct range_param, description, "Description", .max = 255),
};
static const struct desc range4_desc = DESC("IpRange", struct range_param, range4_fields);
static const struct field range6_fields[] = {
    FIELD(0, FT_CIDR, struct range_param, cidr, "CidrIpv6", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct range_param, description, "Description", .max = 255),
};
static const struct desc range6_desc = DESC("Ipv6Range", struct range_param, range6_fields);

struct group_param {
    char *group_id, *name, *user_id, *vpc_id, *description, *status, *peering;
};
static const struct field group_fields[] = {
    FIELD(0, FT_STR, struct group_param, group_id, "GroupId"),
    FIELD(0, FT_STR, struct group_param, name, "GroupName"),
    FIELD(0, FT_STR, struct group_param, user_id, "UserId"),
    FIELD(0, FT_STR, struct group_param, vpc_id, "VpcId"),
    FIELD(0, FT_STR, struct group_param, description, "Description", .max = 255),
    FIELD(0, FT_STR, struct group_param, status, "PeeringStatus"),
    FIELD(0, FT_STR, struct group_param, peering, "VpcPeeringConnectionId"),
};
static const struct desc group_desc = DESC("UserIdGroupPair", struct group_param, group_fields);

struct prefix_list_param {
    char *id, *description;
};
static const struct field prefix_list_fields[] = {
    FIELD(0, FT_STR, struct prefix_list_param, id, "PrefixListId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct prefix_list_param, description, "Description", .max = 255),
};
static const struct desc prefix_list_desc =
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
    FIELD(0, FT_LIST, struct permission, prefix_lists, "PrefixListIds", .sub = &prefix_list_desc),
};
static const struct desc permission_desc =
    DESC("IpPermission", struct permission, permission_fields);

struct rules_params {
    char *group_id, *group_name;
    struct list permissions;
    struct list rule_ids;
    /* The flat form: one permission, one CIDR or group. */
    char *protocol;
    struct optint from, to;
    struct cidr cidr;
    char *source_name, *source_owner;
    struct list tag_specifications;
};
#define R struct rules_params
#define COMMON_FIELDS                                                                              \
    FIELD(0, FT_STR, R, group_id, "GroupId"), FIELD(0, FT_STR, R, group_name, "GroupName"),        \
        FIELD(0, FT_LIST, R, permissions, "IpPermissions", .sub = &permission_desc),               \
        FIELD(0, FT_STR, R, protocol, "IpProtocol"), FIELD(0, FT_OPTINT, R, from, "FromPort"),     \
        FIELD(0, FT_OPTINT, R, to, "ToPort"), FIELD(0, FT_CIDR, R, cidr, "CidrIp"),                \
        FIELD(0, FT_STR, R, source_name, "SourceSecurityGroupName"),                               \
        FIELD(0, FT_STR, R, source_owner, "SourceSecurityGroupOwnerId")
static const struct field authorize_fields[] = {COMMON_FIELDS, TAG_SPECIFICATIONS(R)};
static const struct desc authorize_desc = DESC("AuthorizeSecurityGroup", R, authorize_fields);
static const struct field revoke_fields[] = {COMMON_FIELDS,
                                             FIELD(0, FT_STRS, R, rule_ids, "SecurityGroupRuleId")};
static const struct desc revoke_desc = DESC("RevokeSecurityGroup", R, revoke_fields);

/* One row of what a call asks for: a rule without an id. Strings are borrowed from the parameters.
 */
struct wish {
    int64_t protocol, from, to;
    struct cidr cidr;
    const char *group_id;
    int64_t group_owner;
    const char *description;
    bool unknown; /* to be revoked, but not there */
};

static int check_ports(struct call *c, const char *protocol, const struct optint *from,
                       const struct optint *to, struct wish *w) {
    if (sg_protocol_parse(protocol, &w->protocol) < 0)
        return call_error(
            c, "InvalidPermission.Malformed",
            "Unsupported IP protocol \"%.64s\"  - supported: [tcp, udp, icmp, icmpv6] or a number.",
            protocol);
    w->from = w->to = SG_RULE_ANY;
    if (!sg_protocol_has_ports(w->protocol))
        return 0; /* ports mean nothing there; EC2 takes and ignores them */
    if (w->protocol == 1 || w->protocol == 58) {
        if (!from->set && !to->set)
            return 0;
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
    } else {
        if (!from->set || !to->set)
            return call_error(
                c, "InvalidParameterValue",
                "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.");
        if (from->v == -1 && to->v == -1) {
            w->from = 0;
            w->to = 65535;
            return 0;
        }
        if (from->v < 0 || from->v > 65535 || to->v < 0 || to->v > 65535)
            return call_error(c, "InvalidParameterValue", "TCP/UDP port (%lld) out of range",
                              (long long)(from->v < 0 || from->v > 65535 ? from->v : to->v));
        if (from->v > to->v)
            return call_error(c, "InvalidParameterValue", "Invalid TCP/UDP port range (%lld:%lld)",
                              (long long)from->v, (long long)to->v);
    }
    w->from = from->v;
    w->to = to->v;
    return 0;
}

static int add_wish(struct call *c, struct list *wishes, const struct wish *w) {
    struct wish *n = list_add(wishes, sizeof(*n));

    if (!n)
        return call_no_memory(c);
    *n = *w;
    return 0;
}

static int add_range(struct call *c, struct list *wishes, struct wish w,
                     const struct range_param *r, uint8_t family) {
    char text[CIDR_TEXT];

    if (r->cidr.ip.family != family)
        return call_error(c, "InvalidParameterValue", "CIDR block %s is malformed",
                          cidr_format(&r->cidr, text));
    /* EC2 keeps the network and drops the bits behind the prefix. */
    w.cidr = cidr_mask(&r->cidr);
    w.description = r->description;
    return add_wish(c, wishes, &w);
}

static int add_group(struct call *c, struct list *wishes, struct wish w,
                     const struct security_group *g, const struct group_param *p) {
    const struct security_group *peer;

    if (p->group_id)
        peer = call_get(c, KIND_SECURITY_GROUP, p->group_id);
    else if (p->name)
        peer = security_group_named(c, p->name);
    else
        return call_error(c, "MissingParameter", "A group pair must name a GroupId or GroupName");
    if (!peer)
        return -1;
    if (strcmp(peer->vpc_id, g->vpc_id) != 0)
        return call_error(c, "InvalidGroup.NotFound",
                          "You have specified two resources that belong to different networks.");
    w.group_id = peer->o.id;
    w.group_owner = (int64_t)peer->o.scope.account;
    w.description = p->description;
    return add_wish(c, wishes, &w);
}

static int add_permission(struct call *c, struct list *wishes, const struct security_group *g,
                          const struct permission *p) {
    struct wish w = {0};

    if (check_ports(c, p->protocol, &p->from, &p->to, &w) < 0)
        return -1;
    if (p->prefix_lists.n)
        return call_error(c, "InvalidPrefixListID.NotFound",
                          "The prefix list ID '%.64s' does not exist",
                          list_at(p->prefix_lists, struct prefix_list_param, 0)->id);
    if (!p->ranges.n && !p->ranges6.n && !p->groups.n)
        return call_error(c, "InvalidParameterValue",
                          "Invalid value '' for IP permissions: a permission must name at least "
                          "one source or destination.");
    list_each (struct group_param, gp, p->groups)
        if (add_group(c, wishes, w, g, gp) < 0)
            return -1;
    list_each (struct range_param, r, p->ranges)
        if (add_range(c, wishes, w, r, IP_V4) < 0)
            return -1;
    list_each (struct range_param, r, p->ranges6)
        if (add_range(c, wishes, w, r, IP_V6) < 0)
            return -1;
    return 0;
}

/* All rows that the call asks for, from either form. */
static int collect(struct call *c, struct list *wishes, const struct security_group *g,
                   const struct rules_params *p) {
    bool flat = p->protocol || p->cidr.ip.family || p->source_name;
    struct wish w = {0};

    if (flat && p->permissions.n)
        return call_error(c, "InvalidParameterCombination",
                          "The parameter ipPermissions may not be used with the flat parameters");
    list_each (struct permission, perm, p->permissions)
        if (add_permission(c, wishes, g, perm) < 0)
            return -1;
    if (!flat)
        return 0;
    if (p->source_name) {
        struct group_param source = {.name = p->source_name};
        struct optint all_from = p->from, all_to = p->to;

        if (!all_from.set)
            all_from = all_to = (struct optint){.v = -1, .set = true};
        if (check_ports(c, p->protocol ? p->protocol : "-1", &all_from, &all_to, &w) < 0)
            return -1;
        return add_group(c, wishes, w, g, &source);
    }
    if (!p->protocol || !p->cidr.ip.family)
        return call_error(c, "MissingParameter",
                          "The request must contain the parameters ipProtocol and cidrIp");
    if (check_ports(c, p->protocol, &p->from, &p->to, &w) < 0)
        return -1;
    return add_range(c, wishes, w, &(struct range_param){.cidr = p->cidr}, IP_V4);
}

static bool wish_is(const struct wish *w, bool egress, const struct sg_rule *r) {
    return r->egress == egress && r->protocol == w->protocol && r->from == w->from &&
           r->to == w->to && cidr_equal(&r->cidr, &w->cidr) && !r->prefix_list_id &&
           (w->group_id ? r->group_id && strcmp(r->group_id, w->group_id) == 0 : !r->group_id);
}

static char *wish_text(const struct wish *w, bool egress, char *out, size_t size) {
    char protocol[16], peer[64];

    if (w->group_id)
        snprintf(peer, sizeof(peer), "group: %s", w->group_id);
    else
        cidr_format(&w->cidr, peer);
    snprintf(out, size, "peer: %s, %s, from port: %lld, to port: %lld, ALLOW%s", peer,
             sg_protocol_name(w->protocol, protocol), (long long)w->from, (long long)w->to,
             egress ? ", egress" : "");
    return out;
}

static const struct security_group *find_group(struct call *c, const struct rules_params *p) {
    if (!p->group_id && !p->group_name) {
        call_error(c, "MissingParameter",
                   "The request must contain the parameter groupName or groupId");
        return NULL;
    }
    return p->group_id ? call_get(c, KIND_SECURITY_GROUP, p->group_id)
                       : security_group_named(c, p->group_name);
}

static void show_rule(struct call *c, const struct security_group *g, const struct sg_rule *r) {
    struct sg_rule_view view = {.group = g, .rule = r, .tags = r->tags};

    xml_open(&c->xml, "item");
    xml_fields(&c->xml, &sg_rule_view_desc, &c->look, &view);
    xml_close(&c->xml, "item");
}

/* Rules are counted for each direction and family; one that names a group counts in both. */
static int check_quota(struct call *c, const struct security_group *g, bool egress) {
    unsigned v4 = 0, v6 = 0;

    list_each (struct sg_rule, r, g->rules) {
        if (r->egress != egress)
            continue;
        v4 += sg_rule_family(r) != IP_V6;
        v6 += sg_rule_family(r) != IP_V4;
    }
    if (v4 > SG_RULES_MAX || v6 > SG_RULES_MAX)
        return call_error(c, "RulesPerSecurityGroupLimitExceeded",
                          "The maximum number of rules per security group has been reached.");
    return 0;
}

static int authorize_wishes(struct call *c, const struct security_group *g,
                            const struct list *wishes, bool egress,
                            const struct list *tag_specifications) {
    struct security_group *n = txn_edit(c->txn, g);
    uint32_t first = g->rules.n;
    char text[256];

    if (!n)
        return call_no_memory(c);
    list_each (struct wish, w, *wishes) {
        struct sg_rule *r;

        list_each (struct sg_rule, have, n->rules) {
            if (!wish_is(w, egress, have))
                continue;
            if (have >= list_at(n->rules, struct sg_rule, first))
                return call_error(c, "InvalidParameterValue",
                                  "The same permission must not appear multiple times");
            return call_error(c, "InvalidPermission.Duplicate",
                              "the specified rule \"%s\" already exists",
                              wish_text(w, egress, text, sizeof(text)));
        }
        r = security_group_add_rule(n);
        if (!r)
            return call_no_memory(c);
        r->egress = egress;
        r->protocol = w->protocol;
        r->from = w->from;
        r->to = w->to;
        r->cidr = w->cidr;
        r->group_owner = w->group_owner;
        obj_set(&n->o, &r->group_id, w->group_id);
        /* Not a group that another writer is deleting. */
        if (w->group_id && strcmp(w->group_id, g->o.id) != 0)
            txn_touch(c->txn, index_get(c->ix, KIND_SECURITY_GROUP, c->scope, w->group_id));
        obj_set(&n->o, &r->description, w->description);
        list_each (struct tag_specification, s, *tag_specifications) {
            list_each (struct tag, t, s->tags)
                if (tags_set(c, &r->tags, t->key, t->value) < 0)
                    return -1;
        }
    }
    if (check_quota(c, n, egress) < 0)
        return -1;
    txn_put(c->txn, n);
    call_return_true(c);
    xml_open(&c->xml, "securityGroupRuleSet");
    for (uint32_t i = first; i < n->rules.n; i++)
        show_rule(c, n, list_at(n->rules, struct sg_rule, i));
    xml_close(&c->xml, "securityGroupRuleSet");
    return 0;
}

static int authorize(struct call *c, const struct rules_params *p, bool egress) {
    const struct security_group *g = find_group(c, p);
    struct list wishes = {0};
    int r;

    if (!g)
        return -1;
    list_each (struct tag_specification, s, p->tag_specifications) {
        if (!s->resource_type || strcmp(s->resource_type, "security-group-rule") != 0)
            return call_error(c, "InvalidParameterValue",
                              "'%.64s' is not a valid taggable resource type for this operation.",
                              s->resource_type ? s->resource_type : "");
    }
    r = collect(c, &wishes, g, p);
    if (r == 0 && !wishes.n)
        r = call_error(c, "MissingParameter",
                       "The request must contain the parameter ipPermissions");
    if (r == 0)
        r = authorize_wishes(c, g, &wishes, egress, &p->tag_specifications);
    free(wishes.items);
    return r;
}

static int authorize_ingress(struct call *c, const void *params) {
    return authorize(c, params, false);
}

static int authorize_egress(struct call *c, const void *params) {
    return authorize(c, params, true);
}

static void rule_cut(struct security_group *g, uint32_t i) {
    struct sg_rule *r = list_at(g->rules, struct sg_rule, i);

    free(r->id);
    free(r->prefix_list_id);
    free(r->group_id);
    free(r->group_vpc);
    free(r->peering_id);
    free(r->description);
    desc_clear_list(&tag_desc, &r->tags);
    free(r->unknown.data);
    list_cut(&g->rules, sizeof(*r), i);
}

/*
 * A rule that is not there is an error, and then nothing is removed; but in a default VPC it is
 * only told (EC2 API reference, RevokeSecurityGroupIngress).
 */
static int revoke_wishes(struct call *c, struct security_group *n, const struct list *wishes,
                         bool egress) {
    const struct vpc *v = index_get(c->ix, KIND_VPC, c->scope, n->vpc_id);
    char text[256];

    list_each (struct wish, w, *wishes) {
        w->unknown = true;
        for (uint32_t i = 0; i < n->rules.n; i++) {
            if (wish_is(w, egress, list_at(n->rules, struct sg_rule, i))) {
                rule_cut(n, i--);
                w->unknown = false;
            }
        }
        if (w->unknown && !(v && v->is_default))
            return call_error(c, "InvalidPermission.NotFound",
                              "The specified rule does not exist in this security group: %s",
                              wish_text(w, egress, text, sizeof(text)));
    }
    return 0;
}

static void show_unknown(struct call *c, const struct list *wishes) {
    char text[CIDR_TEXT];

    xml_open(&c->xml, "unknownIpPermissionSet");
    list_each (struct wish, w, *wishes) {
        bool v4 = w->cidr.ip.family == IP_V4;

        if (!w->unknown)
            continue;
        xml_open(&c->xml, "item");
        xml_text(&c->xml, "ipProtocol", sg_protocol_name(w->protocol, text));
        if (sg_protocol_has_ports(w->protocol)) {
            xml_textf(&c->xml, "fromPort", "%lld", (long long)w->from);
            xml_textf(&c->xml, "toPort", "%lld", (long long)w->to);
        }
        xml_open(&c->xml, w->group_id ? "groups" : v4 ? "ipRanges" : "ipv6Ranges");
        xml_open(&c->xml, "item");
        if (w->group_id) {
            xml_textf(&c->xml, "userId", "%012lld", (long long)w->group_owner);
            xml_text(&c->xml, "groupId", w->group_id);
        } else {
            xml_text(&c->xml, v4 ? "cidrIp" : "cidrIpv6", cidr_format(&w->cidr, text));
        }
        xml_close(&c->xml, "item");
        xml_close(&c->xml, w->group_id ? "groups" : v4 ? "ipRanges" : "ipv6Ranges");
        xml_close(&c->xml, "item");
    }
    xml_close(&c->xml, "unknownIpPermissionSet");
}

static int revoke_ids(struct call *c, struct security_group *n, const struct list *ids,
                      bool egress) {
    list_each (char *, id, *ids) {
        bool found = false;

        for (uint32_t i = 0; i < n->rules.n && !found; i++) {
            const struct sg_rule *r = list_at(n->rules, struct sg_rule, i);

            if (strcmp(r->id, *id) == 0 && r->egress == egress) {
                rule_cut(n, i);
                found = true;
            }
        }
        if (!found)
            return call_error(c, "InvalidSecurityGroupRuleId.NotFound",
                              "The security group rule ID '%.64s' does not exist", *id);
    }
    return 0;
}

static int revoke_rules(struct call *c, const struct rules_params *p, bool egress) {
    const struct security_group *g = find_group(c, p);
    struct security_group *n = g ? txn_edit(c->txn, g) : NULL;
    struct list wishes = {0};
    int r;

    if (!n)
        return -1;
    r = collect(c, &wishes, g, p);
    if (r == 0 && !wishes.n && !p->rule_ids.n)
        r = call_error(
            c, "MissingParameter",
            "The request must contain the parameter ipPermissions or securityGroupRuleIds");
    if (r == 0)
        r = revoke_wishes(c, n, &wishes, egress);
    if (r == 0)
        r = revoke_ids(c, n, &p->rule_ids, egress);
    if (r == 0) {
        txn_put(c->txn, n);
        call_return_true(c);
        show_unknown(c, &wishes);
    }
    free(wishes.items);
    return r;
}

static int revoke_ingress(struct call *c, const void *params) {
    return revoke_rules(c, params, false);
}

static int revoke_egress(struct call *c, const void *params) {
    return revoke_rules(c, params, true);
}

/* DescribeSecurityGroupRules: rows in the order of their groups, then of their ids. */

DESCRIBE_PARAMS(describe_params, "SecurityGroupRuleId");

static int rule_exists(struct call *c, const char *id) {
    struct cursor cur;

    if (strncmp(id, "sgr-", 4) != 0)
        return call_error(c, "InvalidSecurityGroupRuleId.Malformed",
                          "Invalid id: \"%.64s\" (expecting \"sgr-...\")", id);
    index_each_by(c->ix, cur, KIND_SECURITY_GROUP, SG_BY_RULE, id) {
        const struct obj *o = cur.obj;

        if (o->scope.account == c->scope.account && o->scope.region == c->scope.region)
            return 0;
    }
    return call_error(c, "InvalidSecurityGroupRuleId.NotFound",
                      "The security group rule ID '%.64s' does not exist", id);
}

static int by_rule_id(const void *a, const void *b) {
    return strcmp((*(struct sg_rule *const *)a)->id, (*(struct sg_rule *const *)b)->id);
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* `ids` are sorted: there may be 1,000 of them, and 150,000 rules. */
static bool is_wanted(const struct list *ids, const char *id) {
    return !ids->n || bsearch(&id, ids->items, ids->n, sizeof(id), by_text);
}

/* The group's rules in the order of their ids, so that a page can go on behind one that is gone. */
static bool show_rules_of(struct page *page, const struct security_group *g,
                          const struct list *ids) {
    _free_ const struct sg_rule **sorted = calloc(g->rules.n + 1, sizeof(*sorted));
    char key[128];

    if (!sorted) {
        call_no_memory(page->c);
        return false;
    }
    for (uint32_t i = 0; i < g->rules.n; i++)
        sorted[i] = list_at(g->rules, struct sg_rule, i);
    qsort(sorted, g->rules.n, sizeof(*sorted), by_rule_id);
    for (uint32_t i = 0; i < g->rules.n; i++) {
        struct sg_rule_view view = {.group = g, .rule = sorted[i], .tags = sorted[i]->tags};

        snprintf(key, sizeof(key), "%s/%s", g->o.id, sorted[i]->id);
        if (is_wanted(ids, sorted[i]->id) && !describe_row(page, key, &view))
            return false;
    }
    return true;
}

static int describe_security_group_rules(struct call *c, const void *params) {
    const struct describe_ids *p = params;
    _free_ char **sorted = calloc(p->ids.n + 1, sizeof(*sorted));
    const struct list ids = {.items = sorted, .n = p->ids.n};
    struct page page;
    struct cursor cur;
    int r;

    if (!sorted)
        return call_no_memory(c);
    list_each (char *, id, p->ids)
        if (rule_exists(c, *id) < 0)
            return -1;
    for (uint32_t i = 0; i < ids.n; i++)
        sorted[i] = list_str(p->ids, i);
    qsort(sorted, ids.n, sizeof(*sorted), by_text);
    r = describe_begin(&page, c, &sg_rule_view_desc, "securityGroupRuleSet");
    if (r < 0)
        return r;
    index_each_in(c->ix, cur, KIND_SECURITY_GROUP, c->scope) {
        if (!show_rules_of(&page, cur.obj, &ids))
            break;
    }
    r = describe_end(&page);
    return c->error_code ? -1 : r;
}

static const struct action rows[] = {
    {"AuthorizeSecurityGroupEgress", &authorize_desc, authorize_egress},
    {"AuthorizeSecurityGroupIngress", &authorize_desc, authorize_ingress},
    {"DescribeSecurityGroupRules", &describe_params, describe_security_group_rules, ACT_FILTERS,
     "securityGroupRuleSet"},
    {"RevokeSecurityGroupEgress", &revoke_desc, revoke_egress},
    {"RevokeSecurityGroupIngress", &revoke_desc, revoke_ingress},
};
ACTIONS(security_group_rule_actions, rows);
