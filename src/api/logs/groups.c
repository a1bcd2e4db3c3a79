/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "api/logs/action.h"

#define PAGE 50

static const struct logs_member create_members[] = {
    MEMBER_GROUP("logGroupName", true),
    {.name = "tags", .type = LOGS_TAGS, .items = 50},
};

static int create_group(struct logs_call *c) {
    const json_t *tags = json_object_get(c->params, "tags");
    const char *keys[50], *values[50], *name = logs_text(c, "logGroupName"), *key;
    const json_t *value;
    int64_t id;
    size_t n = 0;
    int r = logs_group_create(c->store, &c->owner, name, c->now, &id);

    if (r < 0)
        return logs_failed(c, r, "log group");
    json_object_foreach((json_t *)(uintptr_t)tags, key, value) {
        keys[n] = key;
        values[n++] = json_string_value(value);
    }
    r = n ? logs_tag(c->store, id, keys, values, n) : 0;
    if (r < 0) {
        logs_group_delete(c->store, &c->owner, name);
        return logs_failed(c, r, "log group");
    }
    return 0;
}

static const struct logs_member delete_members[] = {
    MEMBER_GROUP("logGroupName", true),
};

static int delete_group(struct logs_call *c) {
    int r = logs_group_delete(c->store, &c->owner, logs_text(c, "logGroupName"));

    return r < 0 ? logs_failed(c, r, "log group") : 0;
}

static const struct logs_member retain_members[] = {
    MEMBER_GROUP("logGroupName", true),
    {.name = "retentionInDays", .type = LOGS_INTEGER, .required = true, .max = INT32_MAX},
};

static int retain(struct logs_call *c) {
    static const int allowed[] = {1,   3,   5,   7,   14,   30,   60,   90,   120,  150,  180,
                                  365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653};
    int64_t days = logs_integer(c, "retentionInDays", 0);
    int r;

    for (size_t i = 0; i < ARRAY_SIZE(allowed); i++) {
        if (allowed[i] != days)
            continue;
        r = logs_group_retain(c->store, &c->owner, logs_text(c, "logGroupName"), days);
        return r < 0 ? logs_failed(c, r, "log group") : 0;
    }
    return logs_invalid(c,
                        "1 validation error detected: Value '%lld' at 'retentionInDays' failed to "
                        "satisfy constraint: Member must satisfy enum value set: [1, 3, 5, 7, 14, "
                        "30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, "
                        "2922, 3288, 3653]",
                        (long long)days);
}

static int keep_for_ever(struct logs_call *c) {
    int r = logs_group_retain(c->store, &c->owner, logs_text(c, "logGroupName"), 0);

    return r < 0 ? logs_failed(c, r, "log group") : 0;
}

static const struct logs_member describe_members[] = {
    MEMBER_GROUP("logGroupNamePrefix", false),
    {.name = "logGroupNamePattern", .type = LOGS_STRING, .max = LOGS_NAME_MAX},
    MEMBER_TOKEN,
    MEMBER_LIMIT(PAGE),
};

struct listing {
    struct logs_call *c;
    const char *pattern;
    int64_t left;
    json_t *list;
    char last[LOGS_NAME_MAX + 1];
};

static int add_group(void *arg, const struct log_group *g) {
    struct listing *l = arg;
    json_t *row;

    if (l->pattern && !strstr(g->name, l->pattern))
        return 0;
    if (!l->left) {
        json_object_set_new(l->c->reply, "nextToken", json_string(l->last));
        return 1;
    }
    l->left--;
    snprintf(l->last, sizeof(l->last), "%s", g->name);
    row = json_pack("{s:s,s:I,s:i,s:o,s:I}", "logGroupName", g->name, "creationTime",
                    (json_int_t)g->created, "metricFilterCount", 0, "arn",
                    logs_group_arn(l->c, g->name, ":*"), "storedBytes", (json_int_t)g->bytes);
    if (g->retention)
        json_object_set_new(row, "retentionInDays", json_integer(g->retention));
    return json_array_append_new(l->list, row) < 0 ? -ENOMEM : 0;
}

static int describe_groups(struct logs_call *c) {
    const char *prefix = logs_text(c, "logGroupNamePrefix"), *token = logs_text(c, "nextToken");
    struct listing l = {.c = c,
                        .pattern = logs_text(c, "logGroupNamePattern"),
                        .left = logs_integer(c, "limit", PAGE)};
    int r;

    if (prefix && l.pattern)
        return logs_invalid(c, "LogGroup name prefix and LogGroup name pattern are mutually "
                               "exclusive parameters.");
    if (token && !logs_group_name_ok(token))
        return logs_invalid(c, "The specified nextToken is invalid.");
    l.list = json_array();
    json_object_set_new(c->reply, "logGroups", l.list);
    r = logs_groups(c->store, &c->owner, prefix ? prefix : "", token ? token : "", add_group, &l);
    return r < 0 ? logs_failed(c, r, "log group") : 0;
}

static const struct logs_action rows[] = {
    LOGS_ACTION("CreateLogGroup", create_members, create_group),
    LOGS_ACTION("DeleteLogGroup", delete_members, delete_group),
    LOGS_ACTION("DescribeLogGroups", describe_members, describe_groups),
    LOGS_ACTION("PutRetentionPolicy", retain_members, retain),
    LOGS_ACTION("DeleteRetentionPolicy", delete_members, keep_for_ever),
};
const struct logs_actions logs_group_actions = {rows, ARRAY_SIZE(rows)};
