/* SPDX-License-Identifier: Apache-2.0 */
/* DescribeSecurityGroupRules: rows in the order of their groups, then of their ids. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/actions.h"
#include "api/ec2/security_group_rule.h"
#include "base/cleanup.h"

DESCRIBE_PARAMS(describe_params, "SecurityGroupRuleId");

/* The caller's group that has the rule, or NULL. */
static const struct security_group *group_of_rule(const struct call *c, const char *id) {
    struct cursor cur;
    bool found = cursor_by_in(c->ix, &cur, KIND_SECURITY_GROUP, SG_BY_RULE, id, c->scope, NULL);

    return found ? cur.obj : NULL;
}

/* Appends a group to a list of pointers to such; NULL is passed by. 0 or an error. */
static int add_group(struct call *c, struct list *groups, const struct security_group *g) {
    const struct security_group **slot = g ? list_add(groups, sizeof(*slot)) : NULL;

    if (g && !slot)
        return call_no_memory(c);
    if (slot)
        *slot = g;
    return 0;
}

static bool is_exact(const struct filter *f, const char *name) {
    if (strcmp(f->name, name) != 0)
        return false;
    list_each (char *, v, f->values)
        if (strpbrk(*v, "*?\\"))
            return false;
    return true;
}

/*
 * The groups whose rules may be shown, where ids or a filter tell: an account may have 150,000
 * rules. 1: they are in *ret_groups, which the caller frees; 0: all may be; or an error.
 */
static int choose_groups(struct call *c, const struct list *ids, struct list *ret_groups) {
    list_each (char *, id, *ids) {
        const struct security_group *g = group_of_rule(c, *id);

        if (!g)
            return rule_not_found(c, *id);
        if (add_group(c, ret_groups, g) < 0)
            return -1;
    }
    if (ids->n)
        return 1;
    list_each (struct filter, f, *c->filters) {
        bool by_group = is_exact(f, "group-id");

        if (!by_group && !is_exact(f, "security-group-rule-id"))
            continue;
        list_each (char *, v, f->values)
            if (add_group(c, ret_groups,
                          by_group ? index_get(c->ix, KIND_SECURITY_GROUP, c->scope, *v)
                                   : group_of_rule(c, *v)) < 0)
                return -1;
        return 1;
    }
    return 0;
}

static int by_group_id(const void *a, const void *b) {
    return strcmp((*(struct security_group *const *)a)->o.id,
                  (*(struct security_group *const *)b)->o.id);
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

static void show_chosen(struct page *page, const struct list *groups, const struct list *ids) {
    const struct security_group **g = groups->items;

    if (groups->n)
        qsort(groups->items, groups->n, sizeof(*g), by_group_id);
    for (uint32_t i = 0; i < groups->n; i++)
        if ((!i || g[i] != g[i - 1]) && !show_rules_of(page, g[i], ids))
            break;
}

/* From the group on with which the page before ended: some of its rules may be left. */
static void show_all(struct page *page, const struct list *ids) {
    const struct call *c = page->c;
    const struct security_group *last;
    char id[ID_MAX + 1] = "";
    struct cursor cur;

    if (page->after)
        snprintf(id, sizeof(id), "%.*s", (int)strcspn(page->after, "/"), page->after);
    last = *id ? index_get(c->ix, KIND_SECURITY_GROUP, c->scope, id) : NULL;
    if (last && !show_rules_of(page, last, ids))
        return;
    for (bool more = cursor_in(c->ix, &cur, KIND_SECURITY_GROUP, c->scope, id); more;
         more = cursor_next(&cur))
        if (!show_rules_of(page, cur.obj, ids))
            break;
}

static int describe_security_group_rules(struct call *c, const void *params) {
    const struct describe_ids *p = params;
    _free_ char **sorted = calloc(p->ids.n + 1, sizeof(*sorted));
    const struct list ids = {.items = sorted, .n = p->ids.n};
    struct list groups = {0};
    struct page page;
    int chosen = sorted ? choose_groups(c, &p->ids, &groups) : call_no_memory(c);
    int r =
        chosen < 0 ? chosen : describe_begin(&page, c, &sg_rule_view_desc, "securityGroupRuleSet");

    if (r == 0) {
        for (uint32_t i = 0; i < ids.n; i++)
            sorted[i] = list_str(p->ids, i);
        qsort(sorted, ids.n, sizeof(*sorted), by_text);
        if (chosen)
            show_chosen(&page, &groups, &ids);
        else
            show_all(&page, &ids);
        r = describe_end(&page);
    }
    free(groups.items);
    return c->error_code ? -1 : r;
}

static const struct action rows[] = {
    {"DescribeSecurityGroupRules", &describe_params, describe_security_group_rules, ACT_FILTERS,
     "securityGroupRuleSet"},
};
ACTIONS(security_group_rule_show_actions, rows);
