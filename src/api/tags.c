/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of any resource that can have them; those of rules belong to their group's object. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/actions.h"

struct tag_param {
    char *key;
    char *value;
};
static const struct field tag_param_fields[] = {
    FIELD(0, FT_STR, struct tag_param, key, "Key"),
    FIELD(0, FT_STR, struct tag_param, value, "Value"),
};
static const struct desc tag_param_desc = DESC("Tag", struct tag_param, tag_param_fields);

struct tags_params {
    struct list ids, tags;
};
static const struct field tags_fields[] = {
    FIELD(0, FT_STRS, struct tags_params, ids, "ResourceId", .flags = FF_REQUIRED),
    FIELD(0, FT_LIST, struct tags_params, tags, "Tag", .sub = &tag_param_desc),
};
static const struct desc tags_desc = DESC("Tags", struct tags_params, tags_fields);

/* The object that has the tags, and where they are in an edited copy of it. */
static struct list *find_tags(struct call *c, const char *id, void **ret_copy) {
    struct cursor cur;
    enum kind k = kind_by_id(id);

    if (strncmp(id, "sgr-", 4) == 0) {
        index_each_by(c->ix, cur, KIND_SECURITY_GROUP, SG_BY_RULE, id) {
            const struct security_group *g = cur.obj;
            struct security_group *n;

            if (g->o.scope.account != c->scope.account || g->o.scope.region != c->scope.region)
                continue;
            n = txn_edit(c->txn, g);
            *ret_copy = n;
            if (!n)
                return NULL;
            list_each (struct sg_rule, r, n->rules)
                if (strcmp(r->id, id) == 0)
                    return &r->tags;
        }
        call_error(c, "InvalidSecurityGroupRuleId.NotFound",
                   "The security group rule ID '%.64s' does not exist", id);
        return NULL;
    }
    if (k == KIND_NONE || !kind_info(k)->tags) {
        call_error(c, "InvalidID", "The ID '%.64s' is not valid", id);
        return NULL;
    }
    if (!call_get(c, k, id))
        return NULL;
    *ret_copy = txn_edit(c->txn, index_get(c->ix, k, c->scope, id));
    return *ret_copy ? obj_tags(*ret_copy) : NULL;
}

static int create_tags(struct call *c, const void *params) {
    const struct tags_params *p = params;

    if (!p->tags.n)
        return call_error(c, "MissingParameter", "The request must contain the parameter Tag");
    list_each (char *, id, p->ids) {
        void *copy = NULL;
        struct list *tags = find_tags(c, *id, &copy);

        if (!tags)
            return -1;
        list_each (struct tag_param, t, p->tags)
            if (tags_set(c, tags, t->key, t->value) < 0)
                return -1;
        txn_put(c->txn, copy);
    }
    return call_return_true(c);
}

/* Without a value: whatever it is; with one: only that tag. Without tags: all (EC2 API reference,
 * DeleteTags). */
static bool tag_goes(const struct list *which, const struct tag *t) {
    list_each (struct tag_param, w, *which) {
        if (w->key && strcmp(w->key, t->key) == 0 && (!w->value || strcmp(w->value, t->value) == 0))
            return true;
    }
    return !which->n;
}

static int delete_tags(struct call *c, const void *params) {
    const struct tags_params *p = params;

    list_each (char *, id, p->ids) {
        void *copy = NULL;
        struct list *tags = find_tags(c, *id, &copy);

        if (!tags)
            return -1;
        for (uint32_t i = 0; i < tags->n; i++) {
            struct tag *t = list_at(*tags, struct tag, i);

            if (tag_goes(&p->tags, t)) {
                desc_clear(&tag_desc, t);
                list_cut(tags, sizeof(*t), i--);
            }
        }
        txn_put(c->txn, copy);
    }
    return call_return_true(c);
}

/* DescribeTags: one row for each tag. */

struct tag_row {
    const char *resource_type, *resource_id;
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

static bool show_tags(struct page *page, enum kind k, const char *type, const char *id,
                      const struct list *tags) {
    list_each (struct tag, t, *tags) {
        struct tag_row row = {
            .resource_type = type, .resource_id = id, .tag = t, .tags = {.items = t, .n = 1}};
        char key[256];

        snprintf(key, sizeof(key), "%02d/%s/%s", (int)k, id, t->key);
        if (!describe_row(page, key, &row))
            return false;
    }
    return true;
}

static int describe_tags(struct call *c, const void *params) {
    struct page page;
    struct cursor cur;
    bool more = true;
    int r = describe_begin(&page, c, &row_desc, "tagSet");

    if (r < 0)
        return r;
    for (enum kind k = 1; more && k < KIND_COUNT; k++) {
        if (!kind_info(k)->tags)
            continue;
        index_each_in(c->ix, cur, k, c->scope) {
            const struct obj *o = cur.obj;

            more = show_tags(&page, k, kind_info(k)->resource_type, o->id, obj_tags(o));
            if (!more)
                break;
        }
    }
    index_each_in(c->ix, cur, KIND_SECURITY_GROUP, c->scope) {
        list_each (struct sg_rule, rule, ((const struct security_group *)cur.obj)->rules) {
            if (more)
                more = show_tags(&page, KIND_COUNT, "security-group-rule", rule->id, &rule->tags);
        }
    }
    return describe_end(&page);
}

static const struct action rows[] = {
    {"CreateTags", &tags_desc, create_tags},
    {"DeleteTags", &tags_desc, delete_tags},
    {"DescribeTags", NULL, describe_tags, ACT_FILTERS, "tagSet"},
};
ACTIONS(tag_actions, rows);
