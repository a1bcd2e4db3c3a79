/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "logs/db.h"

static int deliver(struct logs *l, const struct logs_owner *o, const char *group,
                   const char *stream, const char *batch, const struct log_event *events, size_t n,
                   int64_t now) {
    int64_t found, group_id, stream_id;
    int r = db_int(l, &found, "SELECT 1 FROM batches WHERE name = ?", "s", batch);

    if (r != -ENOENT)
        return r;
    r = db_int(l, &group_id,
               "SELECT id FROM groups WHERE account = ? AND region = ? AND name = ?"
               " AND deleted = 0",
               "iss", (int64_t)o->account, o->region, group);
    if (r == -ENOENT)
        r = group_make(l, o, group, now, &group_id);
    if (r == 0)
        r = db_int(l, &stream_id,
                   "SELECT id FROM streams WHERE group_id = ? AND name = ? AND deleted = 0", "is",
                   group_id, stream);
    if (r == -ENOENT)
        r = stream_make(l, o, group_id, stream, now, &stream_id);
    if (r == 0)
        r = events_put(l, o, group_id, stream_id, events, n, now);
    return r < 0 ? r : db_exec(l, "INSERT INTO batches (name, done) VALUES (?, 1)", "s", batch);
}

int logs_deliver(struct logs *l, const struct logs_owner *o, const char *group, const char *stream,
                 const char *batch, const struct log_event *events, size_t n, int64_t now) {
    int r = db_begin(l);

    return r < 0 ? r : db_end(l, deliver(l, o, group, stream, batch, events, n, now));
}

int logs_forget(struct logs *l, const char *const *batches, size_t n) {
    int r = db_begin(l);

    if (r < 0)
        return r;
    for (size_t i = 0; i < n && r == 0; i++)
        r = db_exec(l, "DELETE FROM batches WHERE name = ?", "s", batches[i]);
    return db_end(l, r);
}

int logs_plan(struct logs *l, const char *object, const char *const *batches, size_t n) {
    int r = db_begin(l);

    if (r < 0)
        return r;
    for (size_t i = 0; i < n && r == 0; i++)
        r = db_exec(l, "INSERT INTO batches (name, object, done) VALUES (?, ?, 0)", "ss",
                    batches[i], object);
    return db_end(l, r);
}

int logs_plan_done(struct logs *l, const char *object) {
    return db_exec(l, "UPDATE batches SET done = 1 WHERE object = ?", "s", object);
}

int logs_known(struct logs *l,
               int (*fn)(void *arg, const char *batch, const char *object, bool done), void *arg) {
    sqlite3_stmt *s;
    int answer = 0;
    int r = db_query(l, &s, "SELECT name, object, done FROM batches ORDER BY name", "");

    for (; r == 1 && answer == 0; r = answer == 0 ? db_next(s) : r) {
        const char *name = (const char *)sqlite3_column_text(s, 0);

        answer = name ? fn(arg, name, (const char *)sqlite3_column_text(s, 1),
                           sqlite3_column_int64(s, 2) != 0)
                      : -ENOMEM;
    }
    db_done(s);
    return r < 0 ? r : answer;
}

/* A version above all others, so that who knows the last one finds what is newer. */
int logs_status_set(struct logs *l, const char *flow_log, const struct logs_owner *o,
                    const char *message) {
    return db_exec(l,
                   "INSERT INTO statuses (flow_log, account, region, message, version)"
                   " VALUES (?1, ?2, ?3, ?4, (SELECT ifnull(max(version), 0) + 1 FROM statuses))"
                   " ON CONFLICT (flow_log) DO UPDATE SET message = excluded.message,"
                   " version = excluded.version WHERE message IS NOT excluded.message",
                   "siss", flow_log, (int64_t)o->account, o->region, message);
}

int logs_status_drop(struct logs *l, const char *flow_log) {
    return db_exec(l, "DELETE FROM statuses WHERE flow_log = ?", "s", flow_log);
}

int logs_statuses(struct logs *l, int64_t *version,
                  int (*fn)(void *arg, const struct logs_owner *o, const char *flow_log,
                            const char *message),
                  void *arg) {
    sqlite3_stmt *s;
    int answer = 0;
    int r = db_query(l, &s,
                     "SELECT flow_log, account, region, message, version FROM statuses"
                     " WHERE version > ? ORDER BY version",
                     "i", *version);

    while (r == 1 && answer == 0) {
        struct logs_owner o = {
            .account = (uint64_t)sqlite3_column_int64(s, 1),
            .region = (const char *)sqlite3_column_text(s, 2),
        };
        const char *flow_log = (const char *)sqlite3_column_text(s, 0);

        if (!o.region || !flow_log)
            answer = -ENOMEM;
        else
            answer = fn(arg, &o, flow_log, (const char *)sqlite3_column_text(s, 3));
        if (answer == 0) {
            *version = sqlite3_column_int64(s, 4);
            r = db_next(s);
        }
    }
    db_done(s);
    return r < 0 ? r : answer;
}
