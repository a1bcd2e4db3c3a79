/* SPDX-License-Identifier: Apache-2.0 */
/* DescribeSecurityGroupRules: rows in the order of their groups, then of their ids. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/actions.h"
#include "api/security_group_rule.h"
#include "base/cleanup.h"

DESCRIBE_PARAMS(describe_params, "SecurityGroupRuleId");

static int rule_exists(struct call *c, const char *id) {
    struct cursor cur;

    index_each_by(c->ix, cur, KIND_SECURITY_GROUP, SG_BY_RULE, id) {
        const struct obj *o = cur.obj;

        if (o->scope.account == c->scope.account && o->scope.region == c->scope.region)
            return 0;
    }
    return rule_not_found(c, id);
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
    {"DescribeSecurityGroupRules", &describe_params, describe_security_group_rules, ACT_FILTERS,
     "securityGroupRuleSet"},
};
ACTIONS(security_group_rule_show_actions, rows);
