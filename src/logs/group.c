/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "logs/db.h"

#define TAGS_MAX 50

int group_make(struct logs *l, const struct logs_owner *o, const char *name, int64_t now,
               int64_t *ret_id) {
    int r = db_exec(l, "INSERT INTO groups (account, region, name, created) VALUES (?, ?, ?, ?)",
                    "issi", (int64_t)o->account, o->region, name, now);

    if (r < 0)
        return r;
    *ret_id = sqlite3_last_insert_rowid(l->db);
    return db_charge(l, o->account, 0, 1, 0);
}

int logs_group_create(struct logs *l, const struct logs_owner *o, const char *name, int64_t now,
                      int64_t *ret_id) {
    int64_t id = 0;
    int r = db_begin(l);

    if (r < 0)
        return r;
    r = db_end(l, group_make(l, o, name, now, &id));
    if (r == 0 && ret_id)
        *ret_id = id;
    return r;
}

int logs_group_find(struct logs *l, const struct logs_owner *o, const char *name,
                    struct log_group *ret_group) {
    sqlite3_stmt *s;
    int r = db_query(l, &s,
                     "SELECT id, created, retention, bytes FROM groups"
                     " WHERE account = ? AND region = ? AND name = ? AND deleted = 0",
                     "iss", (int64_t)o->account, o->region, name);

    if (r == 1)
        *ret_group = (struct log_group){
            .id = sqlite3_column_int64(s, 0),
            .created = sqlite3_column_int64(s, 1),
            .retention = sqlite3_column_int64(s, 2),
            .bytes = sqlite3_column_int64(s, 3),
            .name = name,
        };
    db_done(s);
    return r < 0 ? r : r == 0 ? -ENOENT : 0;
}

/* Changed rows: 0 or -ENOENT. */
static int changed_one(struct logs *l, int r) {
    return r < 0 ? r : sqlite3_changes(l->db) ? 0 : -ENOENT;
}

int logs_group_delete(struct logs *l, const struct logs_owner *o, const char *name) {
    int r = db_begin(l);

    if (r < 0)
        return r;
    r = changed_one(l, db_exec(l,
                               "UPDATE groups SET deleted = 1 WHERE account = ? AND region = ?"
                               " AND name = ? AND deleted = 0",
                               "iss", (int64_t)o->account, o->region, name));
    if (r == 0)
        r = db_charge(l, o->account, 0, -1, 0);
    return db_end(l, r);
}

int logs_account_delete(struct logs *l, uint64_t account) {
    int r = db_begin(l);

    if (r < 0)
        return r;
    r = db_exec(l, "UPDATE groups SET deleted = 1 WHERE account = ? AND deleted = 0", "i",
                (int64_t)account);
    if (r == 0)
        r = db_exec(l, "UPDATE usage SET groups = 0 WHERE account = ?", "i", (int64_t)account);
    return db_end(l, r);
}

int logs_group_retain(struct logs *l, const struct logs_owner *o, const char *name, int64_t days) {
    return changed_one(l, db_exec(l,
                                  "UPDATE groups SET retention = ? WHERE account = ? AND region = ?"
                                  " AND name = ? AND deleted = 0",
                                  "iiss", days, (int64_t)o->account, o->region, name));
}

int logs_groups(struct logs *l, const struct logs_owner *o, const char *prefix, const char *after,
                int (*fn)(void *arg, const struct log_group *group), void *arg) {
    size_t n = strlen(prefix);
    sqlite3_stmt *s;
    int r, answer = 0;

    /* Names compare as bytes, so those of a prefix stand together. */
    r = db_query(l, &s,
                 "SELECT id, created, retention, bytes, name FROM groups WHERE account = ?"
                 " AND region = ? AND name >= ? AND name > ? AND deleted = 0 ORDER BY name",
                 "isss", (int64_t)o->account, o->region, prefix, after);
    for (; r == 1; r = db_next(s)) {
        struct log_group g = {
            .id = sqlite3_column_int64(s, 0),
            .created = sqlite3_column_int64(s, 1),
            .retention = sqlite3_column_int64(s, 2),
            .bytes = sqlite3_column_int64(s, 3),
            .name = (const char *)sqlite3_column_text(s, 4),
        };

        if (!g.name) {
            r = -ENOMEM;
            break;
        }
        if (strncmp(g.name, prefix, n) != 0)
            break;
        answer = fn(arg, &g);
        if (answer)
            break;
    }
    db_done(s);
    return r < 0 ? r : answer;
}

int logs_tag(struct logs *l, int64_t group, const char *const *keys, const char *const *values,
             size_t n) {
    int64_t count = 0;
    int r = db_begin(l);

    if (r < 0)
        return r;
    for (size_t i = 0; i < n && r == 0; i++)
        r = values && values[i]
                ? db_exec(l, "INSERT OR REPLACE INTO tags (group_id, key, value) VALUES (?, ?, ?)",
                          "iss", group, keys[i], values[i])
                : db_exec(l, "DELETE FROM tags WHERE group_id = ? AND key = ?", "is", group,
                          keys[i]);
    if (r == 0)
        r = db_int(l, &count, "SELECT count(*) FROM tags WHERE group_id = ?", "i", group);
    return db_end(l, r == 0 && count > TAGS_MAX ? -EDQUOT : r);
}

int logs_tags(struct logs *l, int64_t group,
              int (*fn)(void *arg, const char *key, const char *value), void *arg) {
    sqlite3_stmt *s;
    int answer = 0;
    int r =
        db_query(l, &s, "SELECT key, value FROM tags WHERE group_id = ? ORDER BY key", "i", group);

    for (; r == 1 && answer == 0; r = db_next(s)) {
        const char *key = (const char *)sqlite3_column_text(s, 0);
        const char *value = (const char *)sqlite3_column_text(s, 1);

        answer = key && value ? fn(arg, key, value) : -ENOMEM;
    }
    db_done(s);
    return r < 0 ? r : answer;
}
