/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of any resource that can have them; those of rules belong to their group's object. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/ec2/instance_options.h"

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
        if (kind_by_id(*id) == KIND_INSTANCE && metadata_tags_check(c, copy) < 0)
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

static const struct action rows[] = {
    {"CreateTags", &tags_desc, create_tags},
    {"DeleteTags", &tags_desc, delete_tags},
};
ACTIONS(tag_actions, rows);
