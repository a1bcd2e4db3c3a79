/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file. What is deleted is marked first and taken away by logs_sweep, a little at a time: a
 * group of millions of events would else hold the file for seconds.
 *
 * `usage` is what each account takes up, kept beside the rows so that a limit costs one look.
 */
#include "logs/db.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"

#define APPLICATION_ID 0x76706c67 /* "vplg" */
#define SCHEMA_VERSION 1
#define BUSY_MS 5000

static const char schema[] =
    "CREATE TABLE groups (id INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL,"
    " region TEXT NOT NULL, name TEXT NOT NULL, created INTEGER NOT NULL,"
    " retention INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,"
    " deleted INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE UNIQUE INDEX groups_name ON groups (account, region, name) WHERE deleted = 0;"
    "CREATE INDEX groups_deleted ON groups (id) WHERE deleted = 1;"
    "CREATE INDEX groups_retention ON groups (id) WHERE retention > 0;"
    "CREATE TABLE tags (group_id INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,"
    " PRIMARY KEY (group_id, key)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE streams (id INTEGER PRIMARY KEY AUTOINCREMENT, group_id INTEGER NOT NULL,"
    " name TEXT NOT NULL, created INTEGER NOT NULL, first INTEGER NOT NULL DEFAULT -1,"
    " last INTEGER NOT NULL DEFAULT -1, ingested INTEGER NOT NULL DEFAULT -1,"
    " deleted INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE UNIQUE INDEX streams_name ON streams (group_id, name) WHERE deleted = 0;"
    "CREATE INDEX streams_last ON streams (group_id, last, name) WHERE deleted = 0;"
    "CREATE INDEX streams_deleted ON streams (id) WHERE deleted = 1;"
    "CREATE TABLE events (id INTEGER PRIMARY KEY AUTOINCREMENT, group_id INTEGER NOT NULL,"
    " stream_id INTEGER NOT NULL, time INTEGER NOT NULL, ingested INTEGER NOT NULL,"
    " message TEXT NOT NULL) STRICT;"
    "CREATE INDEX events_group ON events (group_id, time, id);"
    "CREATE INDEX events_stream ON events (stream_id, time, id);"
    "CREATE TABLE usage (account INTEGER PRIMARY KEY, bytes INTEGER NOT NULL DEFAULT 0,"
    " groups INTEGER NOT NULL DEFAULT 0, streams INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE TABLE batches (name TEXT PRIMARY KEY, object TEXT, done INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "CREATE INDEX batches_object ON batches (object);"
    "CREATE TABLE statuses (flow_log TEXT PRIMARY KEY, account INTEGER NOT NULL,"
    " region TEXT NOT NULL, message TEXT, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE INDEX statuses_version ON statuses (version);";

static int db_errno(int rc) {
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_CONSTRAINT:
        return -EEXIST;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_MISMATCH:
    case SQLITE_ERROR:
        return -EUCLEAN;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
        return -EACCES;
    default:
        return -EIO;
    }
}

static sqlite3_stmt *statement(struct logs *l, const char *sql, int *ret_r) {
    sqlite3_stmt *stmt = NULL;

    for (size_t i = 0; i < l->n_statements; i++)
        if (l->statements[i].sql == sql)
            return l->statements[i].stmt;
    if (l->n_statements == STATEMENTS_MAX) {
        *ret_r = -ENOMEM;
        return NULL;
    }
    *ret_r = db_errno(sqlite3_prepare_v3(l->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL));
    if (stmt) {
        l->statements[l->n_statements].sql = sql;
        l->statements[l->n_statements++].stmt = stmt;
    }
    return stmt;
}

static int bind(sqlite3_stmt *stmt, const char *types, va_list ap) {
    int rc = SQLITE_OK, at = 1;

    for (const char *t = types; *t && rc == SQLITE_OK; t++, at++) {
        if (*t == 'i') {
            rc = sqlite3_bind_int64(stmt, at, va_arg(ap, int64_t));
        } else {
            const char *text = va_arg(ap, const char *);

            rc = *t == 's' ? sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC)
                           : sqlite3_bind_text64(stmt, at, text, va_arg(ap, size_t), SQLITE_STATIC,
                                                 SQLITE_UTF8);
        }
    }
    return db_errno(rc);
}

int db_next(sqlite3_stmt *stmt) {
    int rc = sqlite3_step(stmt);

    return rc == SQLITE_ROW ? 1 : db_errno(rc);
}

void db_done(sqlite3_stmt *stmt) {
    if (!stmt)
        return;
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
}

static int query(struct logs *l, sqlite3_stmt **ret_stmt, const char *sql, const char *types,
                 va_list ap) {
    int r = 0;
    sqlite3_stmt *stmt = statement(l, sql, &r);

    *ret_stmt = stmt;
    if (!stmt)
        return r;
    r = bind(stmt, types, ap);
    return r < 0 ? r : db_next(stmt);
}

int db_query(struct logs *l, sqlite3_stmt **ret_stmt, const char *sql, const char *types, ...) {
    va_list ap;
    int r;

    va_start(ap, types);
    r = query(l, ret_stmt, sql, types, ap);
    va_end(ap);
    return r;
}

int db_exec(struct logs *l, const char *sql, const char *types, ...) {
    sqlite3_stmt *stmt;
    va_list ap;
    int r;

    va_start(ap, types);
    r = query(l, &stmt, sql, types, ap);
    va_end(ap);
    db_done(stmt);
    return r < 0 ? r : 0;
}

int db_int(struct logs *l, int64_t *ret, const char *sql, const char *types, ...) {
    sqlite3_stmt *stmt;
    va_list ap;
    int r;

    va_start(ap, types);
    r = query(l, &stmt, sql, types, ap);
    va_end(ap);
    if (r == 1)
        *ret = sqlite3_column_int64(stmt, 0);
    db_done(stmt);
    return r < 0 ? r : r == 0 ? -ENOENT : 0;
}

int db_begin(struct logs *l) {
    return db_exec(l, "BEGIN IMMEDIATE", "");
}

int db_end(struct logs *l, int r) {
    int end = db_exec(l, r == 0 ? "COMMIT" : "ROLLBACK", "");

    if (r == 0 && end < 0 && !sqlite3_get_autocommit(l->db))
        db_exec(l, "ROLLBACK", "");
    return r < 0 ? r : end;
}

int db_charge(struct logs *l, uint64_t account, int64_t bytes, int64_t groups, int64_t streams) {
    sqlite3_stmt *stmt;
    int r = db_query(l, &stmt,
                     "INSERT INTO usage (account, bytes, groups, streams) VALUES (?1, ?2, ?3, ?4)"
                     " ON CONFLICT (account) DO UPDATE SET bytes = bytes + ?2,"
                     " groups = groups + ?3, streams = streams + ?4"
                     " RETURNING bytes, groups, streams",
                     "iiii", (int64_t)account, bytes, groups, streams);

    if (r == 1) {
        r = 0;
        if ((bytes > 0 && (uint64_t)sqlite3_column_int64(stmt, 0) > l->limits.account_bytes) ||
            (groups > 0 && sqlite3_column_int64(stmt, 1) > l->limits.account_groups) ||
            (streams > 0 && sqlite3_column_int64(stmt, 2) > l->limits.account_streams))
            r = -EDQUOT;
    } else if (r == 0) {
        r = -EUCLEAN;
    }
    db_done(stmt);
    return r;
}

static int make_schema(struct logs *l, char *error) {
    char sql[128];
    int64_t version = 0, id = 0, tables = 0;
    int r = db_begin(l);

    if (r == 0)
        r = db_int(l, &version, "PRAGMA user_version", "");
    if (r == 0)
        r = db_int(l, &id, "PRAGMA application_id", "");
    if (r == 0)
        r = db_int(l, &tables, "SELECT count(*) FROM sqlite_schema", "");
    if (r == 0 && tables == 0) {
        snprintf(sql, sizeof(sql), "PRAGMA application_id = %d; PRAGMA user_version = %d",
                 APPLICATION_ID, SCHEMA_VERSION);
        r = db_errno(sqlite3_exec(l->db, schema, NULL, NULL, NULL));
        if (r == 0)
            r = db_errno(sqlite3_exec(l->db, sql, NULL, NULL, NULL));
    } else if (r == 0 && (id != APPLICATION_ID || version != SCHEMA_VERSION)) {
        snprintf(error, LOGS_ERROR, "the file has schema %lld of application %llx; this is %d",
                 (long long)version, (long long)id, SCHEMA_VERSION);
        r = -EUCLEAN;
    }
    if (r < 0 && !*error)
        snprintf(error, LOGS_ERROR, "%s", sqlite3_errmsg(l->db));
    return db_end(l, r);
}

int logs_open(const char *directory, const struct logs_limits *limits, struct logs **ret_logs,
              char *error) {
    struct logs *l = calloc(1, sizeof(*l));
    char path[4200];
    int rc, r;

    *error = 0;
    if (!l)
        return -ENOMEM;
    if (limits)
        l->limits = *limits;
    if (!l->limits.account_bytes)
        l->limits.account_bytes = 1ULL << 30;
    if (!l->limits.account_groups)
        l->limits.account_groups = 1000;
    if (!l->limits.account_streams)
        l->limits.account_streams = 100000;
    r = make_dirs(directory, 0700);
    snprintf(path, sizeof(path), "%s/logs.db", directory);
    if (r == 0) {
        rc = sqlite3_open_v2(path, &l->db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                                 SQLITE_OPEN_NOFOLLOW,
                             NULL);
        r = db_errno(rc);
    }
    if (r == 0) {
        sqlite3_busy_timeout(l->db, BUSY_MS);
        r = db_errno(sqlite3_exec(l->db,
                                  "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                                  "PRAGMA cache_size = -8192; PRAGMA journal_size_limit = 67108864;"
                                  "PRAGMA trusted_schema = OFF",
                                  NULL, NULL, NULL));
    }
    if (r == 0)
        r = make_schema(l, error);
    if (r < 0) {
        if (!*error && l->db)
            snprintf(error, LOGS_ERROR, "%s", sqlite3_errmsg(l->db));
        logs_close(l);
        return r;
    }
    *ret_logs = l;
    return 0;
}

void logs_close(struct logs *l) {
    if (!l)
        return;
    for (size_t i = 0; i < l->n_statements; i++)
        sqlite3_finalize(l->statements[i].stmt);
    sqlite3_close(l->db);
    free(l);
}
