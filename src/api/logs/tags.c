/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of log groups, by the group's ARN and by its name. */
#include <errno.h>
#include <string.h>

#include "api/logs/action.h"

#define MEMBER_ARN                                                                                 \
    {                                                                                              \
        .name = "resourceArn", .type = LOGS_STRING, .required = true, .min = 1, .max = 1011,       \
        .check = logs_arn_ok, .pattern = "[\\w+=/:,.@-]*"                                          \
    }
#define MEMBER_TAGS                                                                                \
    { .name = "tags", .type = LOGS_TAGS, .required = true, .items = 50 }
#define MEMBER_KEYS(name_)                                                                         \
    { .name = (name_), .type = LOGS_STRINGS, .required = true, .min = 1, .max = 128, .items = 50 }

static const struct logs_member list_members[] = {MEMBER_ARN};
static const struct logs_member tag_members[] = {MEMBER_ARN, MEMBER_TAGS};
static const struct logs_member untag_members[] = {MEMBER_ARN, MEMBER_KEYS("tagKeys")};
static const struct logs_member list_group_members[] = {MEMBER_GROUP("logGroupName", true)};
static const struct logs_member tag_group_members[] = {MEMBER_GROUP("logGroupName", true),
                                                       MEMBER_TAGS};
static const struct logs_member untag_group_members[] = {MEMBER_GROUP("logGroupName", true),
                                                         MEMBER_KEYS("tags")};

static int find(struct logs_call *c, struct log_group *ret) {
    const char *arn = logs_text(c, "resourceArn"), *name = logs_text(c, "logGroupName");
    char from_arn[LOGS_NAME_MAX + 1];
    int r;

    if (arn && logs_name_of_arn(c, arn, from_arn) < 0)
        return logs_failed(c, -ENOENT, "log group");
    r = logs_group_find(c->store, &c->owner, arn ? from_arn : name, ret);
    return r < 0 ? logs_failed(c, r, "log group") : 0;
}

static int add_tag(void *arg, const char *key, const char *value) {
    return json_object_set_new(arg, key, json_string(value)) < 0 ? -ENOMEM : 0;
}

static int list_tags(struct logs_call *c) {
    json_t *tags = json_object();
    struct log_group g;
    int r;

    json_object_set_new(c->reply, "tags", tags);
    if (find(c, &g) < 0)
        return -EINVAL;
    r = logs_tags(c->store, g.id, add_tag, tags);
    return r < 0 ? logs_failed(c, r, "log group") : 0;
}

static int change(struct logs_call *c, const char *const *keys, const char *const *values,
                  size_t n) {
    struct log_group g;
    int r;

    if (find(c, &g) < 0)
        return -EINVAL;
    r = logs_tag(c->store, g.id, keys, values, n);
    if (r == -EDQUOT)
        return logs_error(c, "TooManyTagsException", "A resource can have no more than 50 tags.");
    return r < 0 ? logs_failed(c, r, "log group") : 0;
}

static int tag(struct logs_call *c) {
    const char *keys[50], *values[50], *key;
    const json_t *value;
    size_t n = 0;

    json_object_foreach(json_object_get(c->params, "tags"), key, value) {
        keys[n] = key;
        values[n++] = json_string_value(value);
    }
    return change(c, keys, values, n);
}

static int untag(struct logs_call *c) {
    const json_t *list = json_object_get(c->params, "tagKeys"), *key;
    const char *keys[50];
    size_t i;

    if (!list)
        list = json_object_get(c->params, "tags");
    json_array_foreach(list, i, key) keys[i] = json_string_value(key);
    return change(c, keys, NULL, json_array_size(list));
}

static const struct logs_action rows[] = {
    LOGS_ACTION("ListTagsForResource", list_members, list_tags),
    LOGS_ACTION("TagResource", tag_members, tag),
    LOGS_ACTION("UntagResource", untag_members, untag),
    LOGS_ACTION("ListTagsLogGroup", list_group_members, list_tags),
    LOGS_ACTION("TagLogGroup", tag_group_members, tag),
    LOGS_ACTION("UntagLogGroup", untag_group_members, untag),
};
const struct logs_actions logs_tag_actions = {rows, ARRAY_SIZE(rows)};
