/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and writing events.
 *
 * GetLogEvents: a token names a place between two events of the stream, "f/TIME/ID" to go on to the
 * newer, "b/TIME/ID" to the older ones. A page that has nothing answers with the token that it was
 * asked with, so that a client sees the end.
 *
 * FilterLogEvents looks at events for at most SCAN_NS a call; what it did not get to is behind a
 * token, also when the page is empty.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/logs/action.h"
#include "base/io.h"
#include "logs/pattern.h"

#define PAGE_EVENTS 10000
#define PAGE_BYTES (1024 * 1024)
#define UPLOAD_BYTES 1048576
#define EVENT_BYTES (256 * 1024)
#define FUTURE_MS (2 * 3600000LL)
#define PAST_MS (14 * 86400000LL)
#define SPAN_MS 86400000LL
#define SCAN_NS 100000000ULL
#define STREAMS_MAX 100

/* ---- PutLogEvents ---- */

static const struct logs_member put_members[] = {
    MEMBER_GROUP("logGroupName", true),
    MEMBER_STREAM("logStreamName", true),
    {.name = "logEvents", .type = LOGS_EVENTS, .required = true, .items = PAGE_EVENTS},
    {.name = "sequenceToken", .type = LOGS_STRING, .min = 1, .max = 256},
};

/* Reads the events; those that are too old or too new are at both ends, for they are in order. */
static int read_events(struct logs_call *c, const struct log_group *g, struct log_event *events,
                       size_t n, size_t *ret_first, size_t *ret_end) {
    const json_t *list = json_object_get(c->params, "logEvents");
    int64_t kept = logs_kept_since(c, g), last = 0, first_time = 0;
    size_t bytes = 0, expired = 0, old = 0, end = n;

    for (size_t i = 0; i < n; i++) {
        const json_t *e = json_array_get(list, i), *m = json_object_get(e, "message");

        events[i].at.time = json_integer_value(json_object_get(e, "timestamp"));
        events[i].message = json_string_value(m);
        events[i].len = json_string_length(m);
        bytes += events[i].len + LOGS_EVENT_OVERHEAD;
        if (events[i].len + LOGS_EVENT_OVERHEAD > EVENT_BYTES)
            return logs_invalid(c, "Log event too large: %zu bytes exceeds limit of %d",
                                events[i].len + LOGS_EVENT_OVERHEAD, EVENT_BYTES);
        if (i == 0)
            first_time = events[i].at.time;
        if (events[i].at.time < last)
            return logs_invalid(c, "Log events in a single PutLogEvents request must be in "
                                   "chronological order.");
        last = events[i].at.time;
        expired += last < kept;
        old += last < c->now - PAST_MS;
        end -= last > c->now + FUTURE_MS;
    }
    if (bytes > UPLOAD_BYTES)
        return logs_invalid(c, "Upload too large: %zu bytes exceeds limit of %d", bytes,
                            UPLOAD_BYTES);
    if (last - first_time > SPAN_MS)
        return logs_invalid(c, "The batch of log events in a single PutLogEvents request cannot "
                               "span more than 24 hours.");
    if (old || expired || end < n) {
        json_t *info = json_object();

        if (end < n)
            json_object_set_new(info, "tooNewLogEventStartIndex", json_integer((json_int_t)end));
        if (old)
            json_object_set_new(info, "tooOldLogEventEndIndex", json_integer((json_int_t)old));
        if (expired)
            json_object_set_new(info, "expiredLogEventEndIndex", json_integer((json_int_t)expired));
        json_object_set_new(c->reply, "rejectedLogEventsInfo", info);
    }
    *ret_first = old > expired ? old : expired;
    *ret_end = end;
    return 0;
}

static int put_events(struct logs_call *c) {
    size_t n = json_array_size(json_object_get(c->params, "logEvents")), first = 0, end = 0;
    _free_ struct log_event *events = calloc(n, sizeof(*events));
    struct log_stream s;
    struct log_group g;
    int r;

    if (!events)
        return logs_failed(c, -ENOMEM, "");
    if (logs_named_group(c, &g) < 0)
        return -EINVAL;
    r = logs_stream_find(c->store, g.id, logs_text(c, "logStreamName"), &s);
    if (r < 0)
        return logs_failed(c, r, "log stream");
    if (read_events(c, &g, events, n, &first, &end) < 0)
        return -EINVAL;
    if (first < end) {
        r = logs_put(c->store, &c->owner, g.id, s.id, events + first, end - first, c->now);
        if (r < 0)
            return logs_failed(c, r, "log stream");
    }
    json_object_set_new(c->reply, "nextSequenceToken", json_sprintf("%056" PRId64, s.id));
    return 0;
}

/* ---- GetLogEvents ---- */

static const struct logs_member get_members[] = {
    MEMBER_GROUP("logGroupName", false),
    MEMBER_IDENTIFIER("logGroupIdentifier"),
    MEMBER_STREAM("logStreamName", true),
    MEMBER_TIME("startTime", false),
    MEMBER_TIME("endTime", false),
    MEMBER_TOKEN,
    MEMBER_LIMIT(PAGE_EVENTS),
    MEMBER_BOOLEAN("startFromHead"),
    MEMBER_BOOLEAN("unmask"), /* nothing is masked */
};

struct page {
    json_t *list;
    int64_t left;
    size_t bytes;
    struct log_position first, last; /* in the order of reading */
};

static int add_event(void *arg, const struct log_event *e) {
    struct page *p = arg;
    json_t *row;

    if (!p->left || p->bytes + e->len + LOGS_EVENT_OVERHEAD > PAGE_BYTES)
        return 1;
    p->left--;
    p->bytes += e->len + LOGS_EVENT_OVERHEAD;
    row = json_pack("{s:I,s:o,s:I}", "timestamp", (json_int_t)e->at.time, "message",
                    json_stringn(e->message, e->len), "ingestionTime", (json_int_t)e->ingested);
    if (json_array_size(p->list) == 0)
        p->first = e->at;
    p->last = e->at;
    return json_array_append_new(p->list, row) < 0 ? -ENOMEM : 0;
}

static void reverse(json_t *list) {
    size_t n = json_array_size(list);

    for (size_t i = 0; i < n / 2; i++) {
        json_t *a = json_incref(json_array_get(list, i));

        json_array_set(list, i, json_array_get(list, n - 1 - i));
        json_array_set_new(list, n - 1 - i, a);
    }
}

static void set_token(struct logs_call *c, const char *name, char direction,
                      struct log_position at) {
    json_object_set_new(
        c->reply, name,
        json_sprintf("%c/%lld/%lld", direction, (long long)at.time, (long long)at.id));
}

/* "f/TIME/ID" */
static bool read_token(const char *token, char *ret_direction, struct log_position *ret_at) {
    long long time, id;
    int n = 0;

    if ((*token != 'f' && *token != 'b') ||
        sscanf(token + 1, "/%19lld/%19lld%n", &time, &id, &n) != 2 || token[1 + n] || time < 0 ||
        id < 0)
        return false;
    *ret_direction = *token;
    *ret_at = (struct log_position){.time = time, .id = id};
    return true;
}

static int get_events(struct logs_call *c) {
    const char *token = logs_text(c, "nextToken");
    struct log_event_query q = {.until = logs_integer(c, "endTime", INT64_MAX)};
    struct page p = {.left = logs_integer(c, "limit", PAGE_EVENTS)};
    char direction = logs_true(c, "startFromHead") ? 'f' : 'b';
    struct log_stream s;
    struct log_group g;
    int r;

    if (logs_named_group(c, &g) < 0)
        return -EINVAL;
    r = logs_stream_find(c->store, g.id, logs_text(c, "logStreamName"), &s);
    if (r < 0)
        return logs_failed(c, r, "log stream");
    if (token) {
        if (!read_token(token, &direction, &q.after))
            return logs_invalid(c, "The specified nextToken is invalid.");
        q.has_after = true;
    }
    q.from = logs_integer(c, "startTime", 0);
    if (q.from < logs_kept_since(c, &g))
        q.from = logs_kept_since(c, &g);
    q.group = g.id;
    q.stream = s.id;
    q.backward = direction == 'b';
    p.list = json_array();
    json_object_set_new(c->reply, "events", p.list);
    r = logs_events(c->store, &q, add_event, &p);
    if (r < 0)
        return logs_failed(c, r, "log stream");
    if (q.backward)
        reverse(p.list);
    if (json_array_size(p.list)) {
        set_token(c, "nextForwardToken", 'f', q.backward ? p.first : p.last);
        set_token(c, "nextBackwardToken", 'b', q.backward ? p.last : p.first);
    } else if (!token) {
        set_token(c, "nextForwardToken", 'f', (struct log_position){0});
        set_token(c, "nextBackwardToken", 'b', (struct log_position){0});
    } else {
        /* The same one; the other one stands on the other side of the event at this place. */
        struct log_position other = q.after;

        other.id += q.backward ? (other.id > 0 ? -1 : 0) : 1;
        set_token(c, "nextForwardToken", 'f', q.backward ? other : q.after);
        set_token(c, "nextBackwardToken", 'b', q.backward ? q.after : other);
    }
    return 0;
}

/* ---- FilterLogEvents ---- */

static const struct logs_member filter_members[] = {
    MEMBER_GROUP("logGroupName", false),
    MEMBER_IDENTIFIER("logGroupIdentifier"),
    {.name = "logStreamNames",
     .type = LOGS_STRINGS,
     .required = false,
     .min = 1,
     .max = LOGS_NAME_MAX,
     .items = STREAMS_MAX,
     .check = logs_stream_name_ok,
     .pattern = LOGS_STREAM_PATTERN},
    MEMBER_STREAM("logStreamNamePrefix", false),
    MEMBER_TIME("startTime", false),
    MEMBER_TIME("endTime", false),
    {.name = "filterPattern", .type = LOGS_STRING, .max = PATTERN_MAX},
    MEMBER_TOKEN,
    MEMBER_LIMIT(PAGE_EVENTS),
    MEMBER_BOOLEAN("interleaved"), /* it always is */
    MEMBER_BOOLEAN("unmask"),
};

struct filtering {
    struct page page;
    const struct pattern *pattern;
    const char *prefix;
    const json_t *names;
    struct log_position seen;
    uint64_t deadline;
    unsigned looked;
    bool more;
};

static bool wants_stream(const struct filtering *f, const char *name) {
    const json_t *v;
    size_t i;

    if (f->prefix)
        return strncmp(name, f->prefix, strlen(f->prefix)) == 0;
    if (!f->names)
        return true;
    json_array_foreach(f->names, i, v) if (strcmp(json_string_value(v), name) == 0) return true;
    return false;
}

static int look_at_event(void *arg, const struct log_event *e) {
    struct filtering *f = arg;
    struct page *p = &f->page;
    json_t *row;

    if (!p->left || p->bytes + e->len + LOGS_EVENT_OVERHEAD > PAGE_BYTES ||
        (++f->looked % 128 == 0 && mono_ns() > f->deadline)) {
        f->more = true;
        return 1;
    }
    f->seen = e->at;
    if (!wants_stream(f, e->stream) || !pattern_match(f->pattern, e->message, e->len))
        return 0;
    p->left--;
    p->bytes += e->len + LOGS_EVENT_OVERHEAD;
    row = json_pack("{s:s,s:I,s:o,s:I,s:o}", "logStreamName", e->stream, "timestamp",
                    (json_int_t)e->at.time, "message", json_stringn(e->message, e->len),
                    "ingestionTime", (json_int_t)e->ingested, "eventId",
                    json_sprintf("%028" PRId64 "%028" PRId64, e->at.time, e->at.id));
    return json_array_append_new(p->list, row) < 0 ? -ENOMEM : 0;
}

/* All streams that are named must be there; of one alone the events need no others looked at. */
static int find_streams(struct logs_call *c, const struct log_group *g, const json_t *names,
                        int64_t *ret_stream) {
    struct log_stream s;
    const json_t *v;
    size_t i;
    int r;

    json_array_foreach(names, i, v) {
        r = logs_stream_find(c->store, g->id, json_string_value(v), &s);
        if (r < 0)
            return logs_failed(c, r, "log stream");
        if (json_array_size(names) == 1)
            *ret_stream = s.id;
    }
    return 0;
}

static int parse_pattern(struct logs_call *c, struct pattern **ret) {
    const char *text = logs_text(c, "filterPattern"), *why;
    int r = pattern_parse(text ? text : "", ret, &why);

    if (r == -ENOTSUP)
        return logs_invalid(c, "Invalid filter pattern: patterns for JSON ({}) and regular "
                               "expressions (%%%%) are not offered");
    if (r == -EINVAL)
        return logs_invalid(c, "Invalid filter pattern: %s", why);
    return r < 0 ? logs_failed(c, r, "") : 0;
}

static int filter_with(struct logs_call *c, struct filtering *f) {
    const char *token = logs_text(c, "nextToken");
    int64_t end = logs_integer(c, "endTime", INT64_MAX - 1);
    struct log_event_query q = {.from = logs_integer(c, "startTime", 0),
                                .until = end == INT64_MAX ? end : end + 1};
    struct log_group g;
    char direction;
    int r;

    if (q.from > end)
        return logs_invalid(c, "startTime must not be later than endTime.");
    f->names = json_object_get(c->params, "logStreamNames");
    f->prefix = logs_text(c, "logStreamNamePrefix");
    if (f->names && f->prefix)
        return logs_invalid(c, "logStreamNames and logStreamNamePrefix are mutually exclusive.");
    if (logs_named_group(c, &g) < 0 || find_streams(c, &g, f->names, &q.stream) < 0)
        return -EINVAL;
    if (token) {
        if (!read_token(token, &direction, &q.after) || direction != 'f')
            return logs_invalid(c, "The specified nextToken is invalid.");
        q.has_after = true;
        f->seen = q.after;
    }
    if (q.from < logs_kept_since(c, &g))
        q.from = logs_kept_since(c, &g);
    q.group = g.id;
    f->page.left = logs_integer(c, "limit", PAGE_EVENTS);
    f->page.list = json_array();
    f->deadline = mono_ns() + SCAN_NS;
    json_object_set_new(c->reply, "events", f->page.list);
    json_object_set_new(c->reply, "searchedLogStreams", json_array());
    r = logs_events(c->store, &q, look_at_event, f);
    if (r < 0)
        return logs_failed(c, r, "log group");
    if (f->more)
        set_token(c, "nextToken", 'f', f->seen);
    return 0;
}

static int filter_events(struct logs_call *c) {
    struct filtering f = {.more = false};
    struct pattern *pattern = NULL;
    int r = parse_pattern(c, &pattern);

    if (r < 0)
        return r;
    f.pattern = pattern;
    r = filter_with(c, &f);
    pattern_free(pattern);
    return r;
}

static const struct logs_action rows[] = {
    LOGS_ACTION("FilterLogEvents", filter_members, filter_events),
    LOGS_ACTION("GetLogEvents", get_members, get_events),
    LOGS_ACTION("PutLogEvents", put_members, put_events),
};
const struct logs_actions logs_event_actions = {rows, ARRAY_SIZE(rows)};
