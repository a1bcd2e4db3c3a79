/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DescribeTags: one row for each tag, in the order of
 *
 *     KIND/ID/HASH              what has tags of its own
 *     99/GROUP/RULE/HASH        rules, which belong to their group's object
 *
 * HASH is of the tag's key: a row's place does not depend on what other tags are there, so pages
 * neither miss nor double one while tags come and go. A page begins where the last one ended; where
 * ids are asked for (as tools do for each thing that they look at), only those are looked up.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/actions.h"

#define RULES 99 /* stands for the kind of rules: behind all kinds */
_Static_assert(KIND_COUNT < RULES, "a kind has more than two digits");

struct tag_row {
    const char *resource_type, *resource_id;
    uint64_t hash;
    const struct tag *tag;
    struct list tags; /* that one, borrowed, for the filter tag:KEY */
};

static bool row_type(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, ((const struct tag_row *)obj)->resource_type);
    return true;
}

static bool row_id(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, ((const struct tag_row *)obj)->resource_id);
    return true;
}

static bool row_key(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, ((const struct tag_row *)obj)->tag->key);
    return true;
}

static bool row_value(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, ((const struct tag_row *)obj)->tag->value);
    return true;
}

static const struct field row_fields[] = {
    {.type = FT_GET, .wire = "resourceId", .filter = "resource-id", .get = row_id},
    {.type = FT_GET, .wire = "resourceType", .filter = "resource-type", .get = row_type},
    {.type = FT_GET, .wire = "key", .filter = "key", .get = row_key},
    {.type = FT_GET, .wire = "value", .filter = "value", .get = row_value},
    FIELD(0, FT_LIST, struct tag_row, tags, NULL, .sub = &tag_desc),
};
static const struct desc row_desc = DESC("tag", struct tag_row, row_fields);

static uint64_t hash_key(const char *key) {
    uint64_t h = 14695981039346656037u; /* FNV-1a */

    for (; *key; key++)
        h = (h ^ (uint8_t)*key) * 1099511628211u;
    return h;
}

static int by_hash(const void *a, const void *b) {
    const struct tag_row *x = a, *y = b;

    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* The tags of one thing; `place` orders things. */
static bool show_tags(struct page *page, const char *place, const char *type, const char *id,
                      const struct list *tags) {
    struct tag_row rows[TAGS_MAX];
    size_t n = 0;

    list_each (struct tag, t, *tags) {
        if (n == TAGS_MAX)
            break;
        rows[n++] = (struct tag_row){.resource_type = type,
                                     .resource_id = id,
                                     .hash = hash_key(t->key),
                                     .tag = t,
                                     .tags = {.items = t, .n = 1}};
    }
    qsort(rows, n, sizeof(*rows), by_hash);
    for (size_t i = 0; i < n; i++) {
        char key[256];

        snprintf(key, sizeof(key), "%s/%016llx", place, (unsigned long long)rows[i].hash);
        if (!describe_row(page, key, &rows[i]))
            return false;
    }
    return true;
}

static bool show_object(struct page *page, const struct obj *o) {
    char place[ID_MAX + 8];

    snprintf(place, sizeof(place), "%02u/%s", o->kind, o->id);
    return show_tags(page, place, kind_info(o->kind)->resource_type, o->id, obj_tags(o));
}

static int by_rule_id(const void *a, const void *b) {
    return strcmp((*(struct sg_rule *const *)a)->id, (*(struct sg_rule *const *)b)->id);
}

static bool show_rule(struct page *page, const struct security_group *g, const struct sg_rule *r) {
    char place[2 * ID_MAX];

    snprintf(place, sizeof(place), "%02u/%s/%s", RULES, g->o.id, r->id);
    return show_tags(page, place, "security-group-rule", r->id, &r->tags);
}

static bool show_rules(struct page *page, const struct obj *o) {
    const struct security_group *g = (const struct security_group *)o;
    const struct sg_rule **rules = calloc(g->rules.n + 1, sizeof(*rules));
    size_t n = 0;
    bool more = rules;

    list_each (struct sg_rule, r, g->rules) {
        if (rules && r->tags.n)
            rules[n++] = r;
    }
    if (n)
        qsort(rules, n, sizeof(*rules), by_rule_id);
    for (size_t i = 0; more && i < n; i++)
        more = show_rule(page, g, rules[i]);
    free(rules);
    return more;
}

/* What a kind has, from where the last page ended (`from`, an id or NULL). */
static bool show_kind(struct page *page, enum kind k, const char *from,
                      bool (*show)(struct page *page, const struct obj *o)) {
    struct call *c = page->c;
    const struct obj *first = from ? index_get(c->ix, k, c->scope, from) : NULL;
    struct cursor cur;
    bool more = !first || show(page, first);

    for (bool there = more && cursor_in(c->ix, &cur, k, c->scope, from); there && more;
         there = cursor_next(&cur))
        more = show(page, cur.obj);
    return more;
}

/* False when a filter by type cannot let anything of this type pass. */
static bool type_wanted(const struct call *c, const char *type) {
    list_each (struct filter, f, *c->filters) {
        bool any = strcmp(f->name, "resource-type") != 0;

        list_each (char *, v, f->values)
            any |= strpbrk(*v, "*?\\") || strcmp(*v, type) == 0;
        if (!any)
            return false;
    }
    return true;
}

static void show_all(struct page *page) {
    int number = 0;
    char id[ID_MAX + 1] = "";

    if (page->after && sscanf(page->after, "%2d/%127[^/]", &number, id) != 2)
        number = 0;
    for (enum kind k = 1; k < KIND_COUNT; k++)
        if ((int)k >= number && kind_info(k)->tags &&
            type_wanted(page->c, kind_info(k)->resource_type))
            if (!show_kind(page, k, (int)k == number ? id : NULL, show_object))
                return;
    if (type_wanted(page->c, "security-group-rule"))
        show_kind(page, KIND_SECURITY_GROUP, number == RULES ? id : NULL, show_rules);
}

/* The ids of a filter by them, in order; NULL: no such filter, or one with wildcards. */
static const struct list *wanted_ids(const struct call *c) {
    list_each (struct filter, f, *c->filters) {
        bool plain = strcmp(f->name, "resource-id") == 0;

        list_each (char *, v, f->values)
            plain = plain && !strpbrk(*v, "*?\\");
        if (plain)
            return &f->values;
    }
    return NULL;
}

struct found {
    const struct obj *o; /* what has the tags, or the group of the rule */
    const struct sg_rule *rule;
    char place[2 * ID_MAX];
};

static bool find(const struct call *c, const char *id, struct found *f) {
    enum kind k = kind_by_id(id);
    struct cursor cur;

    *f = (struct found){0};
    if (k != KIND_NONE && kind_info(k)->tags)
        f->o = index_get(c->ix, k, c->scope, id);
    if (f->o)
        snprintf(f->place, sizeof(f->place), "%02u/%s", k, id);
    if (cursor_by_in(c->ix, &cur, KIND_SECURITY_GROUP, SG_BY_RULE, id, c->scope, NULL)) {
        f->o = cur.obj;
        list_each (struct sg_rule, r, ((const struct security_group *)f->o)->rules)
            if (strcmp(r->id, id) == 0)
                f->rule = r;
        snprintf(f->place, sizeof(f->place), "%02u/%s/%s", RULES, f->o->id, id);
    }
    return f->o;
}

static int by_place(const void *a, const void *b) {
    return strcmp(((const struct found *)a)->place, ((const struct found *)b)->place);
}

static int show_ids(struct page *page, const struct list *ids) {
    struct found *found = calloc(ids->n + 1, sizeof(*found));
    size_t n = 0;
    bool more = true;

    if (!found)
        return call_no_memory(page->c);
    list_each (char *, id, *ids)
        if (find(page->c, *id, &found[n]))
            n++;
    if (n)
        qsort(found, n, sizeof(*found), by_place);
    for (size_t i = 0; more && i < n; i++) {
        if (i && strcmp(found[i].place, found[i - 1].place) == 0)
            continue; /* asked for twice */
        more = found[i].rule
                   ? show_rule(page, (const struct security_group *)found[i].o, found[i].rule)
                   : show_object(page, found[i].o);
    }
    free(found);
    return 0;
}

static int describe_tags(struct call *c, const void *params) {
    const struct list *ids = wanted_ids(c);
    struct page page;
    int r = describe_begin(&page, c, &row_desc, "tagSet");

    if (r < 0)
        return r;
    if (ids)
        r = show_ids(&page, ids);
    else
        show_all(&page);
    return r < 0 ? r : describe_end(&page);
}

static const struct action rows[] = {
    {"DescribeTags", NULL, describe_tags, ACT_FILTERS, "tagSet"},
};
ACTIONS(tag_row_actions, rows);
