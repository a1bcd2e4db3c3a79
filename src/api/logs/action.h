/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The actions of CloudWatch Logs, and what their handlers work with.
 *
 * An action is one row: its name, the table of its members, its handler. Handlers run on a thread
 * of their own (wire.h): they may wait for the disk, and touch nothing but the call.
 */
#ifndef VPCD_API_LOGS_ACTION_H
#define VPCD_API_LOGS_ACTION_H

#include <jansson.h>

#include "base/cleanup.h"
#include "logs/logs.h"

enum member_type {
    LOGS_STRING,
    LOGS_INTEGER,
    LOGS_BOOLEAN,
    LOGS_STRINGS, /* a list; the bounds of `max` are those of each text, `items` those of the list
                   */
    LOGS_TAGS,    /* a map of texts */
    LOGS_EVENTS,  /* a list of {timestamp, message} */
};

struct logs_member {
    const char *name;
    enum member_type type;
    bool required;
    int64_t min, max;                /* characters, or the number itself */
    uint32_t items;                  /* of lists and maps, at most */
    bool (*check)(const char *text); /* NULL: any text */
    const char *pattern;             /* what `check` asks for, as the service model writes it */
    const char *const *names;        /* of an enumeration, NULL at the end */
};

struct logs_call;

struct logs_action {
    const char *name;
    const struct logs_member *members;
    size_t n;
    int (*run)(struct logs_call *c);
};

struct logs_actions {
    const struct logs_action *rows;
    size_t n;
};

#define LOGS_ACTION(name_, members_, run_)                                                         \
    { (name_), (members_), ARRAY_SIZE(members_), (run_) }

struct logs_call {
    struct logs *store;
    struct logs_owner owner;
    json_t *params; /* checked by the action's table */
    json_t *reply;  /* an object; the handler adds to it */
    int64_t now;    /* milliseconds */
    /* The error, once logs_error was called: */
    const char *error_code;
    int status;
    char message[512];
};

/* Returns -EINVAL, for `return logs_error(...)`. */
int logs_error(struct logs_call *c, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
#define logs_invalid(c, ...) logs_error(c, "InvalidParameterException", __VA_ARGS__)
/* The error for what a call of logs/logs.h answered; `what` names what -ENOENT or -EEXIST is about:
 * "log group", "log stream". */
int logs_failed(struct logs_call *c, int r, const char *what);

/* Members of the call; NULL, or `otherwise`, when it is not there. */
const char *logs_text(const struct logs_call *c, const char *name);
int64_t logs_integer(const struct logs_call *c, const char *name, int64_t otherwise);
bool logs_true(const struct logs_call *c, const char *name);

/* The group that logGroupName or logGroupIdentifier names. 0 or an error. */
int logs_named_group(struct logs_call *c, struct log_group *ret_group);
/* The name within an ARN of a group of the caller ("...:log-group:NAME", also with ":*"), copied
 * into `out`; 0, or -EINVAL when it is none, or another account's or region's. */
int logs_name_of_arn(const struct logs_call *c, const char *arn, char out[LOGS_NAME_MAX + 1]);
/* The group's ARN without the final ":*". */
json_t *logs_group_arn(const struct logs_call *c, const char *name, const char *suffix);
/* From when on events of the group may be shown: what has expired is gone, swept or not. */
int64_t logs_kept_since(const struct logs_call *c, const struct log_group *g);

bool logs_group_name_ok(const char *text);
bool logs_stream_name_ok(const char *text);
bool logs_identifier_ok(const char *text);
bool logs_arn_ok(const char *text);

#define LOGS_GROUP_PATTERN "[\\.\\-_/#A-Za-z0-9]+"
#define LOGS_STREAM_PATTERN "[^:*]*"
#define LOGS_IDENTIFIER_PATTERN "[\\w#+=/:,.@-]*"
#define MEMBER_GROUP(name_, required_)                                                             \
    {                                                                                              \
        .name = (name_), .type = LOGS_STRING, .required = (required_), .min = 1,                   \
        .max = LOGS_NAME_MAX, .check = logs_group_name_ok, .pattern = LOGS_GROUP_PATTERN           \
    }
#define MEMBER_STREAM(name_, required_)                                                            \
    {                                                                                              \
        .name = (name_), .type = LOGS_STRING, .required = (required_), .min = 1,                   \
        .max = LOGS_NAME_MAX, .check = logs_stream_name_ok, .pattern = LOGS_STREAM_PATTERN         \
    }
#define MEMBER_IDENTIFIER(name_)                                                                   \
    {                                                                                              \
        .name = (name_), .type = LOGS_STRING, .min = 1, .max = 2048, .check = logs_identifier_ok,  \
        .pattern = LOGS_IDENTIFIER_PATTERN                                                         \
    }
#define MEMBER_TOKEN                                                                               \
    { .name = "nextToken", .type = LOGS_STRING, .min = 1, .max = 4096 }
#define MEMBER_LIMIT(max_)                                                                         \
    { .name = "limit", .type = LOGS_INTEGER, .min = 1, .max = (max_) }
#define MEMBER_BOOLEAN(name_)                                                                      \
    { .name = (name_), .type = LOGS_BOOLEAN }
#define MEMBER_TIME(name_, required_)                                                              \
    { .name = (name_), .type = LOGS_INTEGER, .required = (required_), .min = 0, .max = INT64_MAX }

extern const struct logs_actions logs_event_actions;
extern const struct logs_actions logs_group_actions;
extern const struct logs_actions logs_stream_actions;
extern const struct logs_actions logs_tag_actions;

/* All families, *ret_n of them. */
const struct logs_actions *const *logs_families(size_t *ret_n);
const struct logs_action *logs_find_action(const char *name);

/* The call's members by the action's table: 0 or an error. */
int logs_check_params(struct logs_call *c, const struct logs_action *action);

#endif
