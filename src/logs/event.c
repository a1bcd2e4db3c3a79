/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "logs/db.h"

#define SWEEP_ROWS 2000
#define DAY_MS 86400000LL

int events_put(struct logs *l, const struct logs_owner *o, int64_t group, int64_t stream,
               const struct log_event *events, size_t n, int64_t now) {
    int64_t bytes = 0, first = INT64_MAX, last = -1, found;
    int r = db_int(l, &found,
                   "SELECT s.id FROM streams s JOIN groups g ON g.id = s.group_id"
                   " WHERE s.id = ? AND s.deleted = 0 AND g.deleted = 0",
                   "i", stream);

    for (size_t i = 0; i < n && r == 0; i++) {
        const struct log_event *e = &events[i];

        bytes += (int64_t)e->len + LOGS_EVENT_OVERHEAD;
        first = e->at.time < first ? e->at.time : first;
        last = e->at.time > last ? e->at.time : last;
        r = db_exec(l,
                    "INSERT INTO events (group_id, stream_id, time, ingested, message)"
                    " VALUES (?, ?, ?, ?, ?)",
                    "iiiib", group, stream, e->at.time, now, e->message, e->len);
    }
    if (r < 0 || !n)
        return r;
    r = db_exec(l,
                "UPDATE streams SET ingested = ?2, last = max(last, ?4),"
                " first = CASE WHEN first < 0 THEN ?3 ELSE min(first, ?3) END WHERE id = ?1",
                "iiii", stream, now, first, last);
    if (r == 0)
        r = db_exec(l, "UPDATE groups SET bytes = bytes + ? WHERE id = ?", "ii", bytes, group);
    return r < 0 ? r : db_charge(l, o->account, bytes, 0, 0);
}

int logs_put(struct logs *l, const struct logs_owner *o, int64_t group, int64_t stream,
             const struct log_event *events, size_t n, int64_t now) {
    int r = db_begin(l);

    return r < 0 ? r : db_end(l, events_put(l, o, group, stream, events, n, now));
}

#define SELECT_EVENTS                                                                              \
    "SELECT e.id, e.time, e.ingested, e.message, s.name FROM events e"                             \
    " JOIN streams s ON s.id = e.stream_id AND s.deleted = 0 WHERE "
#define RANGE " AND e.time >= ?2 AND e.time < ?3 "
#define FORWARD "AND (e.time, e.id) > (?4, ?5) ORDER BY e.time, e.id"
#define BACKWARD "AND (e.time, e.id) < (?4, ?5) ORDER BY e.time DESC, e.id DESC"

static int select_events(struct logs *l, sqlite3_stmt **ret, const struct log_event_query *q) {
    struct log_position at = q->has_after ? q->after
                             : q->backward
                                 ? (struct log_position){.time = INT64_MAX, .id = INT64_MAX}
                                 : (struct log_position){.time = -1, .id = -1};
    int64_t from = q->from, until = q->until;

    /* What lies before the place is not looked at again: the range begins there. */
    if (q->has_after && !q->backward && at.time > from)
        from = at.time;
    if (q->has_after && q->backward && at.time < until)
        until = at.time == INT64_MAX ? at.time : at.time + 1;
    if (q->stream)
        return q->backward ? db_query(l, ret, SELECT_EVENTS "e.stream_id = ?1" RANGE BACKWARD,
                                      "iiiii", q->stream, from, until, at.time, at.id)
                           : db_query(l, ret, SELECT_EVENTS "e.stream_id = ?1" RANGE FORWARD,
                                      "iiiii", q->stream, from, until, at.time, at.id);
    return q->backward ? db_query(l, ret, SELECT_EVENTS "e.group_id = ?1" RANGE BACKWARD, "iiiii",
                                  q->group, from, until, at.time, at.id)
                       : db_query(l, ret, SELECT_EVENTS "e.group_id = ?1" RANGE FORWARD, "iiiii",
                                  q->group, from, until, at.time, at.id);
}

int logs_events(struct logs *l, const struct log_event_query *q,
                int (*fn)(void *arg, const struct log_event *event), void *arg) {
    sqlite3_stmt *s;
    int answer = 0, r = select_events(l, &s, q);

    for (; r == 1; r = db_next(s)) {
        struct log_event e = {
            .at = {.id = sqlite3_column_int64(s, 0), .time = sqlite3_column_int64(s, 1)},
            .ingested = sqlite3_column_int64(s, 2),
            .message = (const char *)sqlite3_column_text(s, 3),
            .len = (size_t)sqlite3_column_bytes(s, 3),
            .stream = (const char *)sqlite3_column_text(s, 4),
        };

        answer = e.message && e.stream ? fn(arg, &e) : -ENOMEM;
        if (answer)
            break;
    }
    db_done(s);
    return r < 0 ? r : answer;
}

/* ---- what goes away ---- */

/* Deletes the events that `sql` (with LIMIT) returns the sizes of. 1 when there may be more. */
static int sweep_events(struct logs *l, const char *sql, uint64_t account, int64_t group,
                        int64_t key, int64_t time) {
    int64_t bytes = 0, n = 0;
    sqlite3_stmt *s;
    int r = db_query(l, &s, sql, "iii", key, time, (int64_t)SWEEP_ROWS);

    for (; r == 1; r = db_next(s), n++)
        bytes += sqlite3_column_int64(s, 0) + LOGS_EVENT_OVERHEAD;
    db_done(s);
    if (r < 0 || n == 0)
        return r;
    r = db_exec(l, "UPDATE groups SET bytes = bytes - ? WHERE id = ?", "ii", bytes, group);
    if (r == 0)
        r = db_charge(l, account, -bytes, 0, 0);
    return r < 0 ? r : n == SWEEP_ROWS;
}

static const char delete_of_group[] =
    "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE group_id = ?1 AND time < ?2"
    " ORDER BY time LIMIT ?3) RETURNING length(CAST(message AS BLOB))";
static const char delete_of_stream[] =
    "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE stream_id = ?1 AND time < ?2"
    " ORDER BY time LIMIT ?3) RETURNING length(CAST(message AS BLOB))";

struct victim {
    int64_t id, group, retention;
    uint64_t account;
};

static int find_victim(struct logs *l, const char *sql, int64_t above, struct victim *ret) {
    sqlite3_stmt *s;
    int r = db_query(l, &s, sql, "i", above);

    if (r == 1)
        *ret = (struct victim){
            .id = sqlite3_column_int64(s, 0),
            .group = sqlite3_column_int64(s, 1),
            .account = (uint64_t)sqlite3_column_int64(s, 2),
            .retention = sqlite3_column_int64(s, 3),
        };
    db_done(s);
    return r;
}

static int sweep_group(struct logs *l) {
    struct victim v;
    int64_t streams;
    int r = find_victim(l,
                        "SELECT id, id, account, 0 FROM groups WHERE deleted = 1 AND id > ?"
                        " ORDER BY id LIMIT 1",
                        -1, &v);

    if (r <= 0)
        return r;
    r = sweep_events(l, delete_of_group, v.account, v.id, v.id, INT64_MAX);
    if (r != 0)
        return r;
    r = db_exec(l,
                "DELETE FROM streams WHERE id IN (SELECT id FROM streams WHERE group_id = ?"
                " LIMIT 2000)",
                "i", v.id);
    streams = sqlite3_changes(l->db);
    if (r == 0 && streams)
        r = db_charge(l, v.account, 0, 0, -streams);
    if (r < 0 || streams)
        return r < 0 ? r : 1;
    r = db_exec(l, "DELETE FROM tags WHERE group_id = ?", "i", v.id);
    if (r == 0)
        r = db_exec(l, "DELETE FROM groups WHERE id = ?", "i", v.id);
    return r < 0 ? r : 1;
}

static int sweep_stream(struct logs *l) {
    struct victim v;
    int r = find_victim(l,
                        "SELECT s.id, s.group_id, g.account, 0 FROM streams s"
                        " JOIN groups g ON g.id = s.group_id"
                        " WHERE s.deleted = 1 AND s.id > ? ORDER BY s.id LIMIT 1",
                        -1, &v);

    if (r <= 0)
        return r;
    r = sweep_events(l, delete_of_stream, v.account, v.group, v.id, INT64_MAX);
    if (r != 0)
        return r;
    r = db_exec(l, "DELETE FROM streams WHERE id = ?", "i", v.id);
    if (r == 0)
        r = db_charge(l, v.account, 0, 0, -1);
    return r < 0 ? r : 1;
}

static int sweep_expired(struct logs *l, int64_t now) {
    struct victim v = {.id = -1};
    int r;

    while ((r = find_victim(l,
                            "SELECT id, id, account, retention FROM groups"
                            " WHERE retention > 0 AND id > ? AND deleted = 0 ORDER BY id LIMIT 1",
                            v.id, &v)) == 1) {
        r = sweep_events(l, delete_of_group, v.account, v.id, v.id, now - v.retention * DAY_MS);
        if (r != 0)
            return r;
    }
    return r;
}

int logs_sweep(struct logs *l, int64_t now) {
    int r = db_begin(l), more;

    if (r < 0)
        return r;
    more = sweep_group(l);
    if (more == 0)
        more = sweep_stream(l);
    if (more == 0)
        more = sweep_expired(l, now);
    r = db_end(l, more < 0 ? more : 0);
    return r < 0 ? r : more;
}
