/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/logs/action.h"

#define PAGE 50

static const struct logs_member name_members[] = {
    MEMBER_GROUP("logGroupName", true),
    MEMBER_STREAM("logStreamName", true),
};

static int create_stream(struct logs_call *c) {
    struct log_group g;
    int r;

    if (logs_named_group(c, &g) < 0)
        return -EINVAL;
    r = logs_stream_create(c->store, &c->owner, g.id, logs_text(c, "logStreamName"), c->now, NULL);
    return r < 0 ? logs_failed(c, r, r == -ENOENT ? "log group" : "log stream") : 0;
}

static int delete_stream(struct logs_call *c) {
    struct log_group g;
    int r;

    if (logs_named_group(c, &g) < 0)
        return -EINVAL;
    r = logs_stream_delete(c->store, g.id, logs_text(c, "logStreamName"));
    return r < 0 ? logs_failed(c, r, "log stream") : 0;
}

static const char *const orders[] = {"LogStreamName", "LastEventTime", NULL};

static const struct logs_member describe_members[] = {
    MEMBER_GROUP("logGroupName", false),
    MEMBER_IDENTIFIER("logGroupIdentifier"),
    MEMBER_STREAM("logStreamNamePrefix", false),
    {.name = "orderBy", .type = LOGS_STRING, .names = orders},
    MEMBER_BOOLEAN("descending"),
    MEMBER_TOKEN,
    MEMBER_LIMIT(PAGE),
};

struct listing {
    struct logs_call *c;
    const char *group; /* its name */
    int64_t left;
    json_t *list;
    struct log_stream last;
    char *last_name;
};

static int add_stream(void *arg, const struct log_stream *s) {
    struct listing *l = arg;
    json_t *row;

    if (!l->left) {
        json_object_set_new(
            l->c->reply, "nextToken",
            json_sprintf("%lld/%s", (long long)l->last.last, l->last_name ? l->last_name : ""));
        return 1;
    }
    l->left--;
    l->last = *s;
    free(l->last_name);
    l->last_name = strdup(s->name);
    row = json_pack("{s:s,s:I,s:o,s:i}", "logStreamName", s->name, "creationTime",
                    (json_int_t)s->created, "arn",
                    json_sprintf("arn:aws:logs:%s:%012llu:log-group:%s:log-stream:%s",
                                 l->c->owner.region, (unsigned long long)l->c->owner.account,
                                 l->group, s->name),
                    "storedBytes", 0);
    if (s->last >= 0) {
        json_object_set_new(row, "firstEventTimestamp", json_integer(s->first));
        json_object_set_new(row, "lastEventTimestamp", json_integer(s->last));
        json_object_set_new(row, "lastIngestionTime", json_integer(s->ingested));
    }
    /* Of no use any more, but clients wait for it. */
    json_object_set_new(row, "uploadSequenceToken", json_sprintf("%056" PRId64, s->id));
    return l->last_name && json_array_append_new(l->list, row) == 0 ? 0 : -ENOMEM;
}

/* The group's name, as it is part of a stream's ARN. */
static int group_name(struct logs_call *c, char out[LOGS_NAME_MAX + 1]) {
    const char *name = logs_text(c, "logGroupName");

    if (!name)
        name = logs_text(c, "logGroupIdentifier");
    if (strchr(name, ':'))
        return logs_name_of_arn(c, name, out);
    snprintf(out, LOGS_NAME_MAX + 1, "%s", name);
    return 0;
}

static int describe_streams(struct logs_call *c) {
    const char *order = logs_text(c, "orderBy"), *token = logs_text(c, "nextToken");
    struct log_stream_query q = {
        .by_time = order && strcmp(order, "LastEventTime") == 0,
        .descending = logs_true(c, "descending"),
        .prefix = logs_text(c, "logStreamNamePrefix"),
    };
    char name[LOGS_NAME_MAX + 1];
    struct listing l = {.c = c, .group = name, .left = logs_integer(c, "limit", PAGE)};
    struct log_group g;
    char *end;
    int r;

    if (q.by_time && q.prefix)
        return logs_invalid(c, "Cannot order by LastEventTime with a logStreamNamePrefix.");
    if (logs_named_group(c, &g) < 0 || group_name(c, name) < 0)
        return -EINVAL;
    if (token) {
        q.after_time = strtoll(token, &end, 10);
        if (*end != '/' || !end[1] || !logs_stream_name_ok(end + 1))
            return logs_invalid(c, "The specified nextToken is invalid.");
        q.after_name = end + 1;
    }
    q.group = g.id;
    l.list = json_array();
    json_object_set_new(c->reply, "logStreams", l.list);
    r = logs_streams(c->store, &q, add_stream, &l);
    free(l.last_name);
    return r < 0 ? logs_failed(c, r, "log stream") : 0;
}

static const struct logs_action rows[] = {
    LOGS_ACTION("CreateLogStream", name_members, create_stream),
    LOGS_ACTION("DeleteLogStream", name_members, delete_stream),
    LOGS_ACTION("DescribeLogStreams", describe_members, describe_streams),
};
const struct logs_actions logs_stream_actions = {rows, ARRAY_SIZE(rows)};
