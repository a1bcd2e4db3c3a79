/* SPDX-License-Identifier: Apache-2.0 */
/* Adding rules to security groups and removing them. */
#include "api/ec2/security_group_rule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/actions.h"
#include "api/ec2/prefix_list.h"
#include "base/cleanup.h"

struct rules_params {
    char *group_id, *group_name;
    struct list permissions;
    struct list rule_ids;
    struct flat_permission flat;
    struct list tag_specifications;
};
#define R struct rules_params
#define COMMON_FIELDS                                                                              \
    FIELD(0, FT_STR, R, group_id, "GroupId"), FIELD(0, FT_STR, R, group_name, "GroupName"),        \
        FIELD(0, FT_LIST, R, permissions, "IpPermissions", .sub = &permission_desc),               \
        FLAT_FIELDS(R, flat)
static const struct field authorize_fields[] = {COMMON_FIELDS, TAG_SPECIFICATIONS(R)};
static const struct desc authorize_desc = DESC("AuthorizeSecurityGroup", R, authorize_fields);
static const struct field revoke_fields[] = {COMMON_FIELDS,
                                             FIELD(0, FT_STRS, R, rule_ids, "SecurityGroupRuleId")};
static const struct desc revoke_desc = DESC("RevokeSecurityGroup", R, revoke_fields);

const struct security_group *rules_group(struct call *c, const char *id, const char *name) {
    if (!id && !name) {
        call_error(c, "MissingParameter",
                   "The request must contain the parameter groupName or groupId");
        return NULL;
    }
    return id ? call_get(c, KIND_SECURITY_GROUP, id) : security_group_named(c, name);
}

static bool same_text(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

bool wish_is(const struct rule_wish *w, bool egress, const struct sg_rule *r) {
    return r->egress == egress && r->protocol == w->protocol && r->from == w->from &&
           r->to == w->to && cidr_equal(&r->cidr, &w->cidr) &&
           same_text(r->prefix_list_id, w->prefix_list_id) && same_text(r->group_id, w->group_id);
}

char *wish_text(const struct rule_wish *w, bool egress, char *out, size_t size) {
    char protocol[16], peer[ID_MAX + 16];

    if (w->group_id)
        snprintf(peer, sizeof(peer), "group: %s", w->group_id);
    else if (w->prefix_list_id)
        snprintf(peer, sizeof(peer), "prefix list: %.64s", w->prefix_list_id);
    else
        cidr_format(&w->cidr, peer);
    snprintf(out, size, "peer: %s, %s, from port: %lld, to port: %lld, ALLOW%s", peer,
             sg_protocol_name(w->protocol, protocol), (long long)w->from, (long long)w->to,
             egress ? ", egress" : "");
    return out;
}

void wish_apply(struct security_group *g, const struct rule_wish *w, bool egress,
                struct sg_rule *r) {
    r->egress = egress;
    r->protocol = w->protocol;
    r->from = w->from;
    r->to = w->to;
    r->cidr = w->cidr;
    r->group_owner = w->group_owner;
    obj_set(&g->o, &r->group_id, w->group_id);
    obj_set(&g->o, &r->group_vpc, w->group_vpc);
    obj_set(&g->o, &r->peering_id, w->peering_id);
    obj_set(&g->o, &r->prefix_list_id, w->prefix_list_id);
    obj_set(&g->o, &r->description, w->description && *w->description ? w->description : NULL);
}

int wish_refer(struct call *c, const struct security_group *g, const struct rule_wish *w) {
    if (w->prefix_list_id)
        return prefix_list_refer(c, w->prefix_list_id, KIND_SECURITY_GROUP) ? 0 : -1;
    /* Not a group that another writer is deleting; one of a peered VPC may go at any time. */
    if (w->group_id && !w->peering_id && strcmp(w->group_id, g->o.id) != 0)
        txn_touch(c->txn, index_get(c->ix, KIND_SECURITY_GROUP, c->scope, w->group_id));
    return 0;
}

struct sg_rule *rule_by_id(const struct security_group *g, const char *id) {
    list_each (struct sg_rule, r, g->rules)
        if (strcmp(r->id, id) == 0)
            return r;
    return NULL;
}

int rule_not_found(struct call *c, const char *id) {
    if (strncmp(id, "sgr-", 4) != 0)
        return call_error(c, "InvalidSecurityGroupRuleId.Malformed",
                          "Invalid id: \"%.64s\" (expecting \"sgr-...\")", id);
    return call_error(c, "InvalidSecurityGroupRuleId.NotFound",
                      "The security group rule ID '%.64s' does not exist", id);
}

int rule_duplicate(struct call *c, const struct rule_wish *w, bool egress) {
    char text[256];

    return call_error(c, "InvalidPermission.Duplicate", "the specified rule \"%s\" already exists",
                      wish_text(w, egress, text, sizeof(text)));
}

static int rules_limit(struct call *c) {
    return call_error(c, "RulesPerSecurityGroupLimitExceeded",
                      "The maximum number of rules per security group has been reached.");
}

int check_rules_count(struct call *c, const struct security_group *g, bool egress) {
    int64_t max = security_group_rules_max(c);

    if (group_rules_count(c, g, egress, IP_V4, NULL, 0) > max ||
        group_rules_count(c, g, egress, IP_V6, NULL, 0) > max)
        return rules_limit(c);
    return 0;
}

static void show_rule(struct call *c, const struct security_group *g, const struct sg_rule *r) {
    struct sg_rule_view view = {.group = g, .rule = r, .tags = r->tags};

    xml_open(&c->xml, "item");
    xml_fields(&c->xml, &sg_rule_view_desc, &c->look, &view);
    xml_close(&c->xml, "item");
}

/* `first`: where the rules of this call begin. */
static int authorize_wish(struct call *c, struct security_group *n, const struct rule_wish *w,
                          bool egress, uint32_t first, const struct list *tag_specifications) {
    struct sg_rule *r;

    list_each (struct sg_rule, have, n->rules) {
        if (!wish_is(w, egress, have))
            continue;
        if (have >= list_at(n->rules, struct sg_rule, first))
            return call_error(c, "InvalidParameterValue",
                              "The same permission must not appear multiple times");
        return rule_duplicate(c, w, egress);
    }
    r = security_group_add_rule(n);
    if (!r)
        return call_no_memory(c);
    wish_apply(n, w, egress, r);
    list_each (struct tag_specification, s, *tag_specifications)
        list_each (struct tag, t, s->tags)
            if (tags_set(c, &r->tags, t->key, t->value) < 0)
                return -1;
    return 0;
}

static bool is_first_of_peer(const struct list *wishes, const struct rule_wish *w) {
    for (const struct rule_wish *e = wishes->items; e < w; e++)
        if (same_text(e->group_id, w->group_id) && same_text(e->prefix_list_id, w->prefix_list_id))
            return false;
    return true;
}

static int authorize_wishes(struct call *c, const struct security_group *g,
                            const struct list *wishes, bool egress,
                            const struct list *tag_specifications) {
    struct security_group *n = txn_edit(c->txn, g);
    uint32_t first = g->rules.n;

    if (!n)
        return call_no_memory(c);
    /* Each counts in one family at least: a call may ask for thousands. */
    if (wishes->n > 2 * security_group_rules_max(c))
        return rules_limit(c);
    list_each (struct rule_wish, w, *wishes)
        if (authorize_wish(c, n, w, egress, first, tag_specifications) < 0 ||
            (is_first_of_peer(wishes, w) && wish_refer(c, n, w) < 0))
            return -1;
    if (check_rules_count(c, n, egress) < 0)
        return -1;
    txn_put(c->txn, n);
    call_return_true(c);
    xml_open(&c->xml, "securityGroupRuleSet");
    for (uint32_t i = first; i < n->rules.n; i++)
        show_rule(c, n, list_at(n->rules, struct sg_rule, i));
    xml_close(&c->xml, "securityGroupRuleSet");
    return 0;
}

static int check_tag_specifications(struct call *c, const struct list *specifications) {
    list_each (struct tag_specification, s, *specifications) {
        if (!s->resource_type || strcmp(s->resource_type, "security-group-rule") != 0)
            return call_error(c, "InvalidParameterValue",
                              "'%.64s' is not a valid taggable resource type for this operation.",
                              s->resource_type ? s->resource_type : "");
        if (!s->tags.n)
            return call_error(c, "InvalidParameterValue",
                              "Tag specification must have at least one tag");
    }
    return 0;
}

static int authorize(struct call *c, const struct rules_params *p, bool egress) {
    const struct security_group *g = rules_group(c, p->group_id, p->group_name);
    struct list wishes = {0};
    int r;

    if (!g || check_tag_specifications(c, &p->tag_specifications) < 0)
        return -1;
    r = permissions_wish(c, g, WISH_ADD, &p->permissions, &p->flat, &wishes);
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

/* Takes the rule out, and tells of it (RevokedSecurityGroupRule has fewer members than a rule). */
static void revoke_rule(struct call *c, struct security_group *g, uint32_t i) {
    const struct sg_rule *r = list_at(g->rules, struct sg_rule, i);
    struct xml *x = &c->xml;

    xml_open(x, "item");
    xml_text(x, "securityGroupRuleId", r->id);
    xml_text(x, "groupId", g->o.id);
    sg_rule_emit(x, r);
    xml_text(x, "referencedGroupId", r->group_id);
    xml_text(x, "description", r->description);
    xml_close(x, "item");
    desc_clear(&sg_rule_desc, list_at(g->rules, struct sg_rule, i));
    list_cut(&g->rules, sizeof(struct sg_rule), i);
}

/*
 * A rule that is not there is an error, and then nothing is removed; but in a default VPC it is
 * only told (EC2 API reference, RevokeSecurityGroupIngress).
 */
static int revoke_wishes(struct call *c, struct security_group *n, const struct list *wishes,
                         bool egress) {
    const struct vpc *v = index_get(c->ix, KIND_VPC, c->scope, n->vpc_id);
    char text[256];

    list_each (struct rule_wish, w, *wishes) {
        w->unknown = true;
        for (uint32_t i = 0; i < n->rules.n; i++) {
            if (wish_is(w, egress, list_at(n->rules, struct sg_rule, i))) {
                revoke_rule(c, n, i--);
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
    list_each (struct rule_wish, w, *wishes) {
        bool v4 = w->cidr.ip.family == IP_V4;
        const char *set = w->group_id         ? "groups"
                          : w->prefix_list_id ? "prefixListIds"
                          : v4                ? "ipRanges"
                                              : "ipv6Ranges";

        if (!w->unknown)
            continue;
        xml_open(&c->xml, "item");
        xml_text(&c->xml, "ipProtocol", sg_protocol_name(w->protocol, text));
        if (sg_protocol_has_ports(w->protocol)) {
            xml_textf(&c->xml, "fromPort", "%lld", (long long)w->from);
            xml_textf(&c->xml, "toPort", "%lld", (long long)w->to);
        }
        xml_open(&c->xml, set);
        xml_open(&c->xml, "item");
        if (w->group_id) {
            xml_textf(&c->xml, "userId", "%012lld", (long long)w->group_owner);
            xml_text(&c->xml, "groupId", w->group_id);
        } else if (w->prefix_list_id) {
            xml_text(&c->xml, "prefixListId", w->prefix_list_id);
        } else {
            xml_text(&c->xml, v4 ? "cidrIp" : "cidrIpv6", cidr_format(&w->cidr, text));
        }
        xml_close(&c->xml, "item");
        xml_close(&c->xml, set);
        xml_close(&c->xml, "item");
    }
    xml_close(&c->xml, "unknownIpPermissionSet");
}

static int revoke_ids(struct call *c, struct security_group *n, const struct list *ids,
                      bool egress) {
    list_each (char *, id, *ids) {
        const struct sg_rule *r = rule_by_id(n, *id);

        if (!r || r->egress != egress)
            return rule_not_found(c, *id);
        revoke_rule(c, n, (uint32_t)(r - (const struct sg_rule *)n->rules.items));
    }
    return 0;
}

static int revoke_rules(struct call *c, const struct rules_params *p, bool egress) {
    const struct security_group *g = rules_group(c, p->group_id, p->group_name);
    struct security_group *n = g ? txn_edit(c->txn, g) : NULL;
    struct list wishes = {0};
    int r;

    if (!n)
        return -1;
    r = permissions_wish(c, g, WISH_FIND, &p->permissions, &p->flat, &wishes);
    if (r == 0 && !wishes.n && !p->rule_ids.n)
        r = call_error(
            c, "MissingParameter",
            "The request must contain the parameter ipPermissions or securityGroupRuleIds");
    xml_open(&c->xml, "revokedSecurityGroupRuleSet");
    if (r == 0)
        r = revoke_wishes(c, n, &wishes, egress);
    if (r == 0)
        r = revoke_ids(c, n, &p->rule_ids, egress);
    xml_close(&c->xml, "revokedSecurityGroupRuleSet");
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

static const struct action rows[] = {
    {"AuthorizeSecurityGroupEgress", &authorize_desc, authorize_egress},
    {"AuthorizeSecurityGroupIngress", &authorize_desc, authorize_ingress},
    {"RevokeSecurityGroupEgress", &revoke_desc, revoke_egress},
    {"RevokeSecurityGroupIngress", &revoke_desc, revoke_ingress},
};
ACTIONS(security_group_rule_actions, rows);
