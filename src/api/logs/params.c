/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/logs/action.h"
#include "base/text.h"

static const struct logs_actions *const families[] = {
    &logs_event_actions,
    &logs_group_actions,
    &logs_stream_actions,
    &logs_tag_actions,
};

const struct logs_actions *const *logs_families(size_t *ret_n) {
    *ret_n = ARRAY_SIZE(families);
    return families;
}

const struct logs_action *logs_find_action(const char *name) {
    for (size_t i = 0; i < ARRAY_SIZE(families); i++)
        for (size_t k = 0; k < families[i]->n; k++)
            if (strcmp(families[i]->rows[k].name, name) == 0)
                return &families[i]->rows[k];
    return NULL;
}

int logs_error(struct logs_call *c, const char *code, const char *fmt, ...) {
    va_list ap;

    c->error_code = code;
    c->status = strcmp(code, "ServiceUnavailableException") == 0 ? 503
                : strcmp(code, "InternalFailure") == 0           ? 500
                                                                 : 400;
    va_start(ap, fmt);
    vsnprintf(c->message, sizeof(c->message), fmt, ap);
    va_end(ap);
    /* What was cut in the middle of a character. */
    for (size_t n = strlen(c->message); n && !utf8_valid(c->message); n--)
        c->message[n - 1] = 0;
    return -EINVAL;
}

int logs_failed(struct logs_call *c, int r, const char *what) {
    switch (r) {
    case -ENOENT:
        return logs_error(c, "ResourceNotFoundException", "The specified %s does not exist.", what);
    case -EEXIST:
        return logs_error(c, "ResourceAlreadyExistsException", "The specified %s already exists",
                          what);
    case -EDQUOT:
        return logs_error(c, "LimitExceededException", "Resource limit exceeded.");
    case -ENOSPC:
        return logs_error(c, "ServiceUnavailableException",
                          "The disk that keeps the log groups is full; nothing was changed.");
    case -EBUSY:
    case -ENOMEM:
        return logs_error(c, "ServiceUnavailableException",
                          "The service cannot complete the request; try again.");
    default:
        return logs_error(c, "ServiceUnavailableException",
                          "The log groups could not be read or written.");
    }
}

/* ---- names ---- */

#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static bool only(const char *text, const char *chars) {
    return text[strspn(text, chars)] == 0;
}

bool logs_group_name_ok(const char *text) {
    return *text && only(text, ALNUM "._/#-");
}

bool logs_stream_name_ok(const char *text) {
    return !strpbrk(text, ":*");
}

bool logs_identifier_ok(const char *text) {
    return only(text, ALNUM "_#+=/:,.@-*");
}

/* A group's name may hold '#', which the model leaves out. */
bool logs_arn_ok(const char *text) {
    return only(text, ALNUM "_#+=/:,.@-*");
}

int logs_name_of_arn(const struct logs_call *c, const char *arn, char out[LOGS_NAME_MAX + 1]) {
    char prefix[128];
    size_t n, len;

    snprintf(prefix, sizeof(prefix), "arn:aws:logs:%s:%012llu:log-group:", c->owner.region,
             (unsigned long long)c->owner.account);
    n = strlen(prefix);
    if (strncmp(arn, prefix, n) != 0)
        return -EINVAL;
    len = strcspn(arn + n, ":");
    if (!len || len > LOGS_NAME_MAX || (arn[n + len] && strcmp(arn + n + len, ":*") != 0))
        return -EINVAL;
    memcpy(out, arn + n, len);
    out[len] = 0;
    return 0;
}

json_t *logs_group_arn(const struct logs_call *c, const char *name, const char *suffix) {
    return json_sprintf("arn:aws:logs:%s:%012llu:log-group:%s%s", c->owner.region,
                        (unsigned long long)c->owner.account, name, suffix);
}

int logs_named_group(struct logs_call *c, struct log_group *ret_group) {
    const char *name = logs_text(c, "logGroupName"), *id = logs_text(c, "logGroupIdentifier");
    char from_arn[LOGS_NAME_MAX + 1];
    int r;

    if (name && id)
        return logs_invalid(c, "LogGroup name and LogGroup ARN are mutually exclusive parameters.");
    if (!name && !id)
        return logs_invalid(c, "Either logGroupName or logGroupIdentifier must be given.");
    if (id && strchr(id, ':')) {
        if (logs_name_of_arn(c, id, from_arn) < 0)
            return logs_failed(c, -ENOENT, "log group");
        id = from_arn;
    }
    r = logs_group_find(c->store, &c->owner, name ? name : id, ret_group);
    ret_group->name = NULL; /* may be of this frame */
    return r < 0 ? logs_failed(c, r, "log group") : 0;
}

int64_t logs_kept_since(const struct logs_call *c, const struct log_group *g) {
    return g->retention ? c->now - g->retention * 86400000LL : 0;
}

/* ---- members ---- */

const char *logs_text(const struct logs_call *c, const char *name) {
    return json_string_value(json_object_get(c->params, name));
}

int64_t logs_integer(const struct logs_call *c, const char *name, int64_t otherwise) {
    const json_t *v = json_object_get(c->params, name);

    return v ? json_integer_value(v) : otherwise;
}

bool logs_true(const struct logs_call *c, const char *name) {
    return json_is_true(json_object_get(c->params, name));
}

static int constraint(struct logs_call *c, const char *value, const char *name, const char *what) {
    return logs_invalid(c,
                        "1 validation error detected: Value '%.128s' at '%s' failed to satisfy "
                        "constraint: Member must %s",
                        value, name, what);
}

static int check_string(struct logs_call *c, const struct logs_member *m, const json_t *v) {
    const char *text = json_string_value(v);
    char what[160];
    size_t n;

    if (!text || !utf8_valid(text) || strlen(text) != json_string_length(v))
        return logs_error(c, "SerializationException",
                          "%s is no text, or has characters that no text of the API has", m->name);
    n = utf8_count(text);
    if ((int64_t)n < m->min || (m->max && (int64_t)n > m->max)) {
        snprintf(what, sizeof(what), "have length %s than or equal to %lld",
                 (int64_t)n < m->min ? "greater" : "less",
                 (long long)((int64_t)n < m->min ? m->min : m->max));
        return constraint(c, text, m->name, what);
    }
    if (m->check && !m->check(text)) {
        snprintf(what, sizeof(what), "satisfy regular expression pattern: %s", m->pattern);
        return constraint(c, text, m->name, what);
    }
    for (size_t i = 0; m->names; i++) {
        if (!m->names[i])
            return constraint(c, text, m->name, "satisfy enum value set");
        if (strcmp(m->names[i], text) == 0)
            break;
    }
    return 0;
}

static int check_integer(struct logs_call *c, const struct logs_member *m, const json_t *v) {
    char value[32], what[96];
    int64_t n = json_integer_value(v);

    if (!json_is_integer(v))
        return logs_error(c, "SerializationException", "%s is no whole number", m->name);
    if (n >= m->min && n <= m->max)
        return 0;
    snprintf(value, sizeof(value), "%lld", (long long)n);
    snprintf(what, sizeof(what), "have value %s than or equal to %lld",
             n < m->min ? "greater" : "less", (long long)(n < m->min ? m->min : m->max));
    return constraint(c, value, m->name, what);
}

static int check_count(struct logs_call *c, const struct logs_member *m, size_t n, size_t min) {
    char what[96];

    if (n >= min && n <= m->items)
        return 0;
    snprintf(what, sizeof(what), "have length %s than or equal to %zu",
             n < min ? "greater" : "less", n < min ? min : (size_t)m->items);
    return constraint(c, "[...]", m->name, what);
}

/* A message may be any text of JSON, which is UTF-8 without NUL. */
static int check_event(struct logs_call *c, const json_t *event) {
    static const struct logs_member time = MEMBER_TIME("timestamp", true);
    const json_t *t = json_object_get(event, "timestamp"), *m = json_object_get(event, "message");

    if (!json_is_object(event))
        return logs_error(c, "SerializationException", "logEvents is no list of events");
    if (!t || !m)
        return constraint(c, "null", t ? "logEvents.message" : "logEvents.timestamp",
                          "not be null");
    if (!json_is_string(m))
        return logs_error(c, "SerializationException", "message is no text");
    if (!json_string_length(m))
        return constraint(c, "", "logEvents.message", "have length greater than or equal to 1");
    return check_integer(c, &time, t);
}

static int check_member(struct logs_call *c, const struct logs_member *m, json_t *v) {
    const json_t *item;
    const char *key;
    size_t i;

    switch (m->type) {
    case LOGS_STRING:
        return check_string(c, m, v);
    case LOGS_INTEGER:
        return check_integer(c, m, v);
    case LOGS_BOOLEAN:
        return json_is_boolean(v) ? 0
                                  : logs_error(c, "SerializationException",
                                               "%s is neither true nor false", m->name);
    case LOGS_STRINGS:
    case LOGS_EVENTS:
        if (!json_is_array(v))
            return logs_error(c, "SerializationException", "%s is no list", m->name);
        if (check_count(c, m, json_array_size(v), m->type == LOGS_EVENTS || m->required) < 0)
            return -EINVAL;
        json_array_foreach(v, i, item) {
            if ((m->type == LOGS_EVENTS ? check_event(c, item) : check_string(c, m, item)) < 0)
                return -EINVAL;
        }
        return 0;
    case LOGS_TAGS:
        if (!json_is_object(v))
            return logs_error(c, "SerializationException", "%s is no map", m->name);
        if (check_count(c, m, json_object_size(v), 1) < 0)
            return -EINVAL;
        json_object_foreach(v, key, item) {
            static const struct logs_member value = {.name = "tags", .max = 256};

            if (!utf8_valid(key) || !*key || utf8_count(key) > 128)
                return constraint(c, "...", "tags", "have keys of 1 to 128 characters");
            if (strncasecmp(key, "aws:", 4) == 0)
                return logs_invalid(c, "Tag keys that begin with aws: are reserved.");
            if (check_string(c, &value, item) < 0)
                return -EINVAL;
        }
        return 0;
    }
    return 0;
}

int logs_check_params(struct logs_call *c, const struct logs_action *action) {
    const char *key;
    json_t *v;
    void *next;

    if (!json_is_object(c->params))
        return logs_error(c, "SerializationException", "The request's body is no JSON object.");
    for (size_t i = 0; i < action->n; i++) {
        const struct logs_member *m = &action->members[i];

        v = json_object_get(c->params, m->name);
        if (json_is_null(v)) {
            json_object_del(c->params, m->name); /* null is as good as absent */
            v = NULL;
        }
        if (!v && m->required)
            return constraint(c, "null", m->name, "not be null");
        if (v && check_member(c, m, v) < 0)
            return -EINVAL;
    }
    json_object_foreach_safe(c->params, next, key, v) {
        size_t i;

        for (i = 0; i < action->n && strcmp(action->members[i].name, key) != 0; i++)
            ;
        if (i == action->n)
            return logs_invalid(c, "The member '%.64s' is not offered for %s.", key, action->name);
    }
    return 0;
}
