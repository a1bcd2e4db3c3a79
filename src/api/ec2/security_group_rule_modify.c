/* SPDX-License-Identifier: Apache-2.0 */
/* Changing rules that are there: what they match, and their descriptions. Their ids stay. */
#include <stdlib.h>
#include <string.h>

#include "api/actions.h"
#include "api/ec2/security_group_rule.h"

struct rule_update { /* SecurityGroupRuleUpdate */
    char *id;
    char *protocol;
    struct optint from, to;
    struct cidr cidr, cidr6;
    char *prefix_list_id, *group_id, *description;
};
#define U struct rule_update
static const struct field update_fields[] = {
    FIELD(0, FT_STR, U, id, "SecurityGroupRuleId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, U, protocol, "SecurityGroupRule.IpProtocol"),
    FIELD(0, FT_OPTINT, U, from, "SecurityGroupRule.FromPort"),
    FIELD(0, FT_OPTINT, U, to, "SecurityGroupRule.ToPort"),
    FIELD(0, FT_CIDR, U, cidr, "SecurityGroupRule.CidrIpv4"),
    FIELD(0, FT_CIDR, U, cidr6, "SecurityGroupRule.CidrIpv6"),
    FIELD(0, FT_STR, U, prefix_list_id, "SecurityGroupRule.PrefixListId"),
    FIELD(0, FT_STR, U, group_id, "SecurityGroupRule.ReferencedGroupId"),
    FIELD(0, FT_STR, U, description, "SecurityGroupRule.Description"),
};
static const struct desc update_desc = DESC("SecurityGroupRuleUpdate", U, update_fields);

struct modify_params {
    char *group_id;
    struct list updates;
};
static const struct field modify_fields[] = {
    FIELD(0, FT_STR, struct modify_params, group_id, "GroupId", .flags = FF_REQUIRED),
    FIELD(0, FT_LIST, struct modify_params, updates, "SecurityGroupRule", .flags = FF_REQUIRED,
          .sub = &update_desc),
};
static const struct desc modify_desc =
    DESC("ModifySecurityGroupRules", struct modify_params, modify_fields);

/* What the rule shall be; its kind of peer cannot change. */
static int update_wish(struct call *c, const struct security_group *g, const struct sg_rule *r,
                       const struct rule_update *u, struct rule_wish *w) {
    const struct group_param group = {.group_id = u->group_id, .description = u->description};
    int given = !!u->cidr.ip.family + !!u->cidr6.ip.family + !!u->prefix_list_id + !!u->group_id;

    if (!u->protocol)
        return call_error(c, "MissingParameter",
                          "The request must contain the parameter IpProtocol");
    if (given != 1)
        return call_error(c, given ? "InvalidParameterCombination" : "MissingParameter",
                          "A security group rule must have exactly one of CidrIpv4, CidrIpv6, "
                          "PrefixListId and ReferencedGroupId");
    if ((u->cidr.ip.family != 0) != (r->cidr.ip.family == IP_V4) ||
        (u->cidr6.ip.family != 0) != (r->cidr.ip.family == IP_V6) ||
        !u->prefix_list_id != !r->prefix_list_id || !u->group_id != !r->group_id)
        return call_error(c, "InvalidParameterValue",
                          "The type of source or destination of the security group rule '%s' "
                          "cannot be modified",
                          r->id);
    if (wish_ports(c, u->protocol, &u->from, &u->to, w) < 0)
        return -1;
    if (u->group_id)
        return wish_group(c, w, g, WISH_CHANGE, &group);
    if (u->prefix_list_id)
        return wish_prefix_list(c, w, g, WISH_CHANGE, u->prefix_list_id, u->description);
    return wish_cidr(c, w, u->cidr.ip.family ? &u->cidr : &u->cidr6, r->cidr.ip.family,
                     u->description);
}

static int update_rule(struct call *c, const struct security_group *g, struct security_group *n,
                       const struct rule_update *u) {
    struct sg_rule *r = rule_by_id(n, u->id);
    struct rule_wish w = {0};

    if (!r)
        return rule_not_found(c, u->id);
    if (update_wish(c, g, r, u, &w) < 0)
        return -1;
    wish_apply(n, &w, r->egress, r);
    return wish_refer(c, n, &w);
}

/* Once all are changed: two may have exchanged what they match. */
static int check_duplicates(struct call *c, const struct security_group *n) {
    list_each (struct sg_rule, r, n->rules) {
        const struct rule_wish w = {.protocol = r->protocol,
                                    .from = r->from,
                                    .to = r->to,
                                    .cidr = r->cidr,
                                    .prefix_list_id = r->prefix_list_id,
                                    .group_id = r->group_id};

        for (const struct sg_rule *e = n->rules.items; e < r; e++)
            if (wish_is(&w, r->egress, e))
                return rule_duplicate(c, &w, r->egress);
    }
    return 0;
}

static int modify_rules(struct call *c, const void *params) {
    const struct modify_params *p = params;
    const struct security_group *g = call_get(c, KIND_SECURITY_GROUP, p->group_id);
    struct security_group *n = g ? txn_edit(c->txn, g) : NULL;

    if (!n)
        return -1;
    list_each (struct rule_update, u, p->updates)
        for (const struct rule_update *e = p->updates.items; e < u; e++)
            if (strcmp(e->id, u->id) == 0)
                return call_error(c, "InvalidParameterValue",
                                  "The security group rule ID '%.64s' must not appear multiple "
                                  "times",
                                  u->id);
    list_each (struct rule_update, u, p->updates)
        if (update_rule(c, g, n, u) < 0)
            return -1;
    if (check_duplicates(c, n) < 0 || check_rules_count(c, n, false) < 0 ||
        check_rules_count(c, n, true) < 0)
        return -1;
    txn_put(c->txn, n);
    return call_return_true(c);
}

/* Descriptions, of rules named by what they match or by their ids. */

struct rule_description {
    char *id, *description;
};
static const struct field description_fields[] = {
    FIELD(0, FT_STR, struct rule_description, id, "SecurityGroupRuleId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct rule_description, description, "Description"),
};
static const struct desc description_desc =
    DESC("SecurityGroupRuleDescription", struct rule_description, description_fields);

struct describe_params {
    char *group_id, *group_name;
    struct list permissions, descriptions;
};
#define D struct describe_params
static const struct field describe_fields[] = {
    FIELD(0, FT_STR, D, group_id, "GroupId"),
    FIELD(0, FT_STR, D, group_name, "GroupName"),
    FIELD(0, FT_LIST, D, permissions, "IpPermissions", .sub = &permission_desc),
    FIELD(0, FT_LIST, D, descriptions, "SecurityGroupRuleDescription", .sub = &description_desc),
};
static const struct desc describe_desc =
    DESC("UpdateSecurityGroupRuleDescriptions", D, describe_fields);

static void set_description(struct security_group *n, struct sg_rule *r, const char *text) {
    obj_set(&n->o, &r->description, text && *text ? text : NULL);
}

static int describe_wish(struct call *c, struct security_group *n, const struct rule_wish *w,
                         bool egress) {
    char text[256];

    list_each (struct sg_rule, r, n->rules) {
        if (wish_is(w, egress, r)) {
            set_description(n, r, w->description);
            return 0;
        }
    }
    return call_error(c, "InvalidPermission.NotFound",
                      "The specified rule does not exist in this security group: %s",
                      wish_text(w, egress, text, sizeof(text)));
}

static int describe_rules(struct call *c, const struct describe_params *p, bool egress) {
    const struct security_group *g = rules_group(c, p->group_id, p->group_name);
    struct security_group *n = g ? txn_edit(c->txn, g) : NULL;
    struct list wishes = {0};
    int r;

    if (!n)
        return -1;
    if (!p->permissions.n == !p->descriptions.n)
        return call_error(c, p->permissions.n ? "InvalidParameterCombination" : "MissingParameter",
                          "The request must contain either ipPermissions or "
                          "securityGroupRuleDescriptions");
    r = permissions_wish(c, g, WISH_FIND, &p->permissions, NULL, &wishes);
    for (uint32_t i = 0; r == 0 && i < wishes.n; i++)
        r = describe_wish(c, n, list_at(wishes, struct rule_wish, i), egress);
    free(wishes.items);
    list_each (struct rule_description, d, p->descriptions) {
        struct sg_rule *rule = rule_by_id(n, d->id);

        if (r == 0 && (!rule || rule->egress != egress))
            r = rule_not_found(c, d->id);
        if (r == 0)
            r = check_rule_description(c, d->description);
        if (r == 0)
            set_description(n, rule, d->description);
    }
    if (r < 0)
        return r;
    txn_put(c->txn, n);
    return call_return_true(c);
}

static int describe_ingress(struct call *c, const void *params) {
    return describe_rules(c, params, false);
}

static int describe_egress(struct call *c, const void *params) {
    return describe_rules(c, params, true);
}

static const struct action rows[] = {
    {"ModifySecurityGroupRules", &modify_desc, modify_rules},
    {"UpdateSecurityGroupRuleDescriptionsEgress", &describe_desc, describe_egress},
    {"UpdateSecurityGroupRuleDescriptionsIngress", &describe_desc, describe_ingress},
};
ACTIONS(security_group_rule_modify_actions, rows);
