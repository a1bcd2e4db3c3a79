/* SPDX-License-Identifier: Apache-2.0 */
/* Security groups; their rules are in security_group_rule.c. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/actions.h"
#include "api/limits.h"
#include "base/text.h"

#define GROUP_NAME_MAX 255

/* A name is unique in its VPC, whatever the case of its letters. */
static char *name_claim(const char *vpc_id, const char *given, char *out) {
    char hex[33], name[GROUP_NAME_MAX + 1];
    size_t n = 0;
    uint64_t h[2] = {14695981039346656037u, 1099511628211u};

    for (; given[n] && n < GROUP_NAME_MAX; n++)
        name[n] = (char)tolower((unsigned char)given[n]);
    name[n] = 0;
    /* Names may be longer than an id may be, and hold any character: short ones stand as they are.
     */
    if (strlen(name) <= 64 && !strchr(name, '/')) {
        snprintf(out, ID_MAX + 1, "sg-name/%s/%.64s", vpc_id, name);
        return out;
    }
    for (const char *s = name; *s; s++) {
        h[0] = (h[0] ^ (uint8_t)*s) * 1099511628211u;
        h[1] = (h[1] + (uint8_t)*s) * 6364136223846793005u + 1442695040888963407u;
    }
    hex_format(h, sizeof(h), hex);
    snprintf(out, ID_MAX + 1, "sg-name/%s//%s", vpc_id, hex);
    return out;
}

struct sg_rule *security_group_add_rule(struct security_group *g) {
    struct sg_rule *r = list_add(&g->rules, sizeof(*r));
    char id[64];

    if (!r || !str_set(&r->id, obj_make_id("sgr-", id))) {
        g->o.no_memory = true;
        return NULL;
    }
    return r;
}

static void allow_all(struct security_group *g, bool egress, const char *group_id,
                      const char *cidr) {
    struct sg_rule *r = security_group_add_rule(g);

    if (!r)
        return;
    r->egress = egress;
    r->protocol = r->from = r->to = SG_RULE_ANY;
    if (cidr) {
        cidr_parse(cidr, &r->cidr);
    } else {
        r->group_owner = (int64_t)g->o.scope.account;
        obj_set(&g->o, &r->group_id, group_id);
    }
}

static bool is_all_out4(const struct sg_rule *r) {
    return r->egress && r->protocol == SG_RULE_ANY && r->cidr.ip.family == IP_V4 && !r->cidr.len;
}

int security_groups_open_ipv6(struct call *c, const struct vpc *v) {
    const struct obj *after = NULL;
    struct cursor cur;

    /* The index changes at each step, so the walk begins anew behind what it did. */
    while (cursor_by_in(c->ix, &cur, KIND_SECURITY_GROUP, SG_BY_VPC, v->o.id, c->scope,
                        after ? after->id : NULL)) {
        const struct security_group *g = cur.obj;
        uint32_t egress = 0, all = 0;
        struct security_group *n;

        after = &g->o;
        list_each (struct sg_rule, r, g->rules) {
            egress += r->egress;
            all += is_all_out4(r);
        }
        if (egress != 1 || all != 1)
            continue;
        n = txn_edit(c->txn, g);
        if (!n)
            return call_no_memory(c);
        allow_all(n, true, NULL, "::/0");
        txn_put(c->txn, n);
        after = &n->o;
    }
    return 0;
}

struct security_group *security_group_create(struct call *c, const struct vpc *v, const char *name,
                                             const char *description,
                                             const struct list *tag_specifications) {
    static const struct list none;
    struct security_group *g = call_new(c, KIND_SECURITY_GROUP);
    char claim[ID_MAX + 1];

    if (!g || call_tags(c, tag_specifications ? tag_specifications : &none, g) < 0)
        return NULL;
    if (!txn_claim(c->txn, c->scope, name_claim(v->o.id, name, claim), g->o.id)) {
        call_error(c, "InvalidGroup.Duplicate",
                   "The security group '%s' already exists for VPC '%s'", name, v->o.id);
        return NULL;
    }
    obj_set(&g->o, &g->name, name);
    obj_set(&g->o, &g->description, description);
    obj_set(&g->o, &g->vpc_id, v->o.id);
    /* New groups let all out; a VPC's default group also lets its own members in. */
    if (strcmp(name, "default") == 0)
        allow_all(g, false, g->o.id, NULL);
    allow_all(g, true, NULL, "0.0.0.0/0");
    if (v->cidrs6.n)
        allow_all(g, true, NULL, "::/0");
    txn_put(c->txn, g);
    /* Not in a VPC that another writer is deleting. */
    txn_touch(c->txn, v);
    return g;
}

/* a-z, A-Z, 0-9, spaces, and ._-:/()#,@[]+=&;{}!$* (EC2 API reference, CreateSecurityGroup) */
static bool valid_text(const char *s) {
    if (!*s || strlen(s) > GROUP_NAME_MAX)
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr(" ._-:/()#,@[]+=&;{}!$*", *s))
            return false;
    return true;
}

struct create_group {
    char *name, *description, *vpc_id;
    struct list tag_specifications;
};
static const struct field create_fields[] = {
    FIELD(0, FT_STR, struct create_group, name, "GroupName", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct create_group, description, "GroupDescription", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct create_group, vpc_id, "VpcId"),
    TAG_SPECIFICATIONS(struct create_group),
};
static const struct desc create_desc =
    DESC("CreateSecurityGroup", struct create_group, create_fields);

/* Checked, and without the spaces at its end; `out` holds GROUP_NAME_MAX + 1. */
static int settle_name(struct call *c, const char *name, char *out) {
    size_t n;

    if (!valid_text(name))
        return call_error(
            c, "InvalidParameterValue",
            "Value (%.64s) for parameter GroupName is invalid. Character sets beyond ASCII are not "
            "supported.",
            name);
    if (strncasecmp(name, "sg-", 3) == 0)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter GroupName is invalid. Group names may not "
                          "be in the format sg-*.",
                          name);
    if (strcasecmp(name, "default") == 0)
        return call_error(c, "InvalidGroup.Reserved",
                          "Cannot create a group with the reserved name 'default'");
    for (n = strlen(name); n && name[n - 1] == ' ';)
        n--;
    snprintf(out, GROUP_NAME_MAX + 1, "%.*s", (int)n, name);
    if (!n)
        return call_error(c, "InvalidParameterValue",
                          "Value () for parameter GroupName is invalid. The name is empty.");
    return 0;
}

static int create_security_group(struct call *c, const void *params) {
    static const enum kind taggable[] = {KIND_SECURITY_GROUP};
    const struct create_group *p = params;
    const struct vpc *v = p->vpc_id ? call_get(c, KIND_VPC, p->vpc_id) : default_vpc(c);
    struct security_group *g;
    char name[GROUP_NAME_MAX + 1];

    if (!v)
        return c->error_code ? -1
                             : call_error(c, "VPCIdNotSpecified", "No default VPC for this user");
    if (settle_name(c, p->name, name) < 0)
        return -1;
    if (!valid_text(p->description))
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter GroupDescription is invalid. Character sets "
                          "beyond ASCII are "
                          "not supported.",
                          p->description);
    if (call_tags_check(c, &p->tag_specifications, taggable, 1) < 0)
        return -1;
    if ((int64_t)index_count_in(c->ix, KIND_SECURITY_GROUP, c->scope) >=
        limit_of(c->ix, c->scope.account, LIMIT_SECURITY_GROUPS))
        return call_error(c, "SecurityGroupLimitExceeded",
                          "The maximum number of security groups has been reached.");
    g = security_group_create(c, v, name, p->description, &p->tag_specifications);
    if (!g)
        return -1;
    call_return_true(c);
    xml_text(&c->xml, "groupId", g->o.id);
    xml_textf(&c->xml, "securityGroupArn", "arn:aws:ec2:%s:%012llu:security-group/%s",
              region_name(c->scope.region), (unsigned long long)c->scope.account, g->o.id);
    xml_open(&c->xml, "tagSet");
    list_each (struct tag, t, g->tags) {
        xml_open(&c->xml, "item");
        xml_fields(&c->xml, &tag_desc, &c->look, t);
        xml_close(&c->xml, "item");
    }
    xml_close(&c->xml, "tagSet");
    return 0;
}

struct delete_group {
    char *group_id, *name;
};
static const struct field delete_fields[] = {
    FIELD(0, FT_STR, struct delete_group, group_id, "GroupId"),
    FIELD(0, FT_STR, struct delete_group, name, "GroupName"),
};
static const struct desc delete_desc =
    DESC("DeleteSecurityGroup", struct delete_group, delete_fields);

int64_t security_group_rules_max(const struct call *c) {
    int64_t max = limit_of(c->ix, c->scope.account, LIMIT_SECURITY_GROUP_RULES);

    return max < 1 ? 1 : max > ENI_RULES_MAX ? ENI_RULES_MAX : max;
}

int64_t interface_groups_max(const struct call *c) {
    int64_t max = ENI_RULES_MAX / security_group_rules_max(c);

    return max < ENI_GROUPS_MAX ? max : ENI_GROUPS_MAX;
}

/* A name means a group of the default VPC. */
const struct security_group *security_group_named(struct call *c, const char *name) {
    const struct vpc *v = default_vpc(c);
    struct cursor cur;

    if (v) {
        index_each_by(c->ix, cur, KIND_SECURITY_GROUP, SG_BY_VPC, v->o.id) {
            if (strcmp(((const struct security_group *)cur.obj)->name, name) == 0) {
                txn_depend(c->txn, cur.obj);
                return cur.obj;
            }
        }
    }
    call_error(c, "InvalidGroup.NotFound",
               "The security group '%.128s' does not exist in default VPC '%s'", name,
               v ? v->o.id : "none");
    return NULL;
}

static int delete_security_group(struct call *c, const void *params) {
    const struct delete_group *p = params;
    const struct security_group *g;
    struct cursor cur;
    char claim[ID_MAX + 1];

    if (!p->group_id && !p->name)
        return call_error(c, "MissingParameter",
                          "The request must contain the parameter GroupName or GroupId");
    g = p->group_id ? call_get(c, KIND_SECURITY_GROUP, p->group_id)
                    : security_group_named(c, p->name);
    if (!g)
        return -1;
    if (strcmp(g->name, "default") == 0)
        return call_error(
            c, "CannotDelete",
            "the specified group: \"%s\" name: \"default\" cannot be deleted by a user", g->o.id);
    if (g->vpcs.n || cursor_by(c->ix, &cur, KIND_NETWORK_INTERFACE, ENI_BY_GROUP, g->o.id))
        return call_error(c, "DependencyViolation", "resource %s has a dependent object", g->o.id);
    index_each_by(c->ix, cur, KIND_SECURITY_GROUP, SG_BY_REFERENCE, g->o.id) {
        const struct security_group *other = cur.obj;

        /* Rules of peered VPCs do not keep it: they become stale. */
        if (other != g && strcmp(other->vpc_id, g->vpc_id) == 0)
            return call_error(c, "DependencyViolation", "resource %s has a dependent object",
                              g->o.id);
    }
    txn_release(c->txn, c->scope, name_claim(g->vpc_id, g->name, claim));
    txn_delete(c->txn, g);
    call_return_true(c);
    if (p->group_id)
        xml_text(&c->xml, "groupId", p->group_id);
    return 0;
}

struct describe_groups {
    struct list ids, names;
};
static const struct field describe_fields[] = {
    FIELD(0, FT_STRS, struct describe_groups, ids, "GroupId"),
    FIELD(0, FT_STRS, struct describe_groups, names, "GroupName"),
};
static const struct desc describe_desc =
    DESC("DescribeSecurityGroups", struct describe_groups, describe_fields);

static bool has_name(struct call *c, const void *obj, void *arg) {
    const struct security_group *g = obj;
    const struct describe_groups *p = arg;
    const struct vpc *v = p->names.n ? default_vpc(c) : NULL;

    return !p->names.n || (v && strcmp(g->vpc_id, v->o.id) == 0 && strs_has(&p->names, g->name));
}

static int describe_security_groups(struct call *c, const void *params) {
    const struct describe_groups *p = params;

    list_each (char *, name, p->names) {
        if (!security_group_named(c, *name))
            return -1;
    }
    return describe(c, &(struct describe){.kind = KIND_SECURITY_GROUP,
                                          .ids = &p->ids,
                                          .set = "securityGroupInfo",
                                          .keep = has_name,
                                          .arg = (void *)(uintptr_t)p});
}

static const struct action rows[] = {
    {"CreateSecurityGroup", &create_desc, create_security_group},
    {"DeleteSecurityGroup", &delete_desc, delete_security_group},
    {"DescribeSecurityGroups", &describe_desc, describe_security_groups, ACT_FILTERS,
     "securityGroupInfo"},
};
ACTIONS(security_group_actions, rows);
