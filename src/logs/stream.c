/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "logs/db.h"

int stream_make(struct logs *l, const struct logs_owner *o, int64_t group, const char *name,
                int64_t now, int64_t *ret_id) {
    int64_t found;
    /* The group may have been deleted since it was looked for. */
    int r = db_int(l, &found, "SELECT id FROM groups WHERE id = ? AND deleted = 0", "i", group);

    if (r == 0)
        r = db_exec(l, "INSERT INTO streams (group_id, name, created) VALUES (?, ?, ?)", "isi",
                    group, name, now);
    if (r < 0)
        return r;
    *ret_id = sqlite3_last_insert_rowid(l->db);
    return db_charge(l, o->account, 0, 0, 1);
}

int logs_stream_create(struct logs *l, const struct logs_owner *o, int64_t group, const char *name,
                       int64_t now, int64_t *ret_id) {
    int64_t id = 0;
    int r = db_begin(l);

    if (r < 0)
        return r;
    r = db_end(l, stream_make(l, o, group, name, now, &id));
    if (r == 0 && ret_id)
        *ret_id = id;
    return r;
}

/* The account's count of streams follows when the stream is swept. */
int logs_stream_delete(struct logs *l, int64_t group, const char *name) {
    int r = db_exec(l,
                    "UPDATE streams SET deleted = 1 WHERE group_id = ? AND name = ?"
                    " AND deleted = 0",
                    "is", group, name);

    return r < 0 ? r : sqlite3_changes(l->db) ? 0 : -ENOENT;
}

static struct log_stream stream_of(sqlite3_stmt *s) {
    return (struct log_stream){
        .id = sqlite3_column_int64(s, 0),
        .created = sqlite3_column_int64(s, 1),
        .first = sqlite3_column_int64(s, 2),
        .last = sqlite3_column_int64(s, 3),
        .ingested = sqlite3_column_int64(s, 4),
        .name = (const char *)sqlite3_column_text(s, 5),
    };
}

#define COLUMNS "SELECT id, created, first, last, ingested, name FROM streams WHERE group_id = ?1 "

int logs_stream_find(struct logs *l, int64_t group, const char *name, struct log_stream *ret) {
    sqlite3_stmt *s;
    int r = db_query(l, &s, COLUMNS "AND name = ?2 AND deleted = 0", "is", group, name);

    if (r == 1) {
        *ret = stream_of(s);
        ret->name = name;
    }
    db_done(s);
    return r < 0 ? r : r == 0 ? -ENOENT : 0;
}

int logs_streams(struct logs *l, const struct log_stream_query *q,
                 int (*fn)(void *arg, const struct log_stream *stream), void *arg) {
    const char *prefix = q->prefix ? q->prefix : "";
    size_t n = strlen(prefix);
    sqlite3_stmt *s;
    int r, answer = 0;

    if (q->by_time)
        r = q->descending
                ? db_query(l, &s,
                           COLUMNS "AND deleted = 0 AND (?2 IS NULL OR (last, name) < (?3, ?2))"
                                   " ORDER BY last DESC, name DESC",
                           "isi", q->group, q->after_name, q->after_time)
                : db_query(l, &s,
                           COLUMNS "AND deleted = 0 AND (?2 IS NULL OR (last, name) > (?3, ?2))"
                                   " ORDER BY last, name",
                           "isi", q->group, q->after_name, q->after_time);
    else
        r = q->descending
                ? db_query(l, &s,
                           COLUMNS "AND deleted = 0 AND (?2 IS NULL OR name < ?2)"
                                   " AND substr(name, 1, length(?3)) = ?3 ORDER BY name DESC",
                           "iss", q->group, q->after_name, prefix)
                : db_query(l, &s,
                           COLUMNS "AND deleted = 0 AND name >= ?3 AND (?2 IS NULL OR name > ?2)"
                                   " ORDER BY name",
                           "iss", q->group, q->after_name, prefix);
    for (; r == 1; r = db_next(s)) {
        struct log_stream stream = stream_of(s);

        if (!stream.name) {
            r = -ENOMEM;
            break;
        }
        if (strncmp(stream.name, prefix, n) != 0)
            break;
        answer = fn(arg, &stream);
        if (answer)
            break;
    }
    db_done(s);
    return r < 0 ? r : answer;
}
