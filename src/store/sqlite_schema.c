/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite_schema.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

/*
 * A document is one row of an ordinary table with an index over the keys. (Clustered by key,
 * WITHOUT ROWID, a search that only passes a document of a megabyte copies it whole to compare its
 * key.) `changes` names what was written when several handles share the file (see sqlite.c), and is
 * empty otherwise.
 */
static const struct {
    const char *name, *sql;
} tables[] = {
    {"documents", "CREATE TABLE documents (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE,"
                  " version INTEGER NOT NULL, value BLOB NOT NULL) STRICT"},
    {"changes", "CREATE TABLE changes (seq INTEGER PRIMARY KEY, writer INTEGER NOT NULL,"
                " key TEXT NOT NULL) STRICT"},
};

/*
 * migrations[v] makes schema v + 1 out of schema v, in a transaction of its own. Schema 0 is an
 * empty file, for which today's tables are created at once: so entry 0 stays empty.
 */
static const char *const migrations[SQLITE_SCHEMA_VERSION] = {NULL};

int sqlite_errno(int rc) {
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
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_MISMATCH:
    case SQLITE_CONSTRAINT:
    case SQLITE_ERROR: /* our statements are fixed: the tables are not ours */
        return -EUCLEAN;
    case SQLITE_PERM:
    case SQLITE_READONLY:
        return -EACCES;
    default:
        return -EIO;
    }
}

static int sql_failed(sqlite3 *db, int rc, const char *what, char error[STORE_TEXT]) {
    snprintf(error, STORE_TEXT, "%s: %s", what, sqlite3_errmsg(db));
    return sqlite_errno(rc);
}

int sqlite_get_int(sqlite3 *db, const char *sql, int64_t *ret_value) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *ret_value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW ? 0 : rc == SQLITE_DONE ? -ENODATA : sqlite_errno(rc);
}

static int table_check(sqlite3 *db, const char *name, const char *sql, char error[STORE_TEXT]) {
    sqlite3_stmt *stmt = NULL;
    const char *found;
    int r = 0;
    int rc = sqlite3_prepare_v2(
        db, "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", -1, &stmt, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    found = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        r = sql_failed(db, rc, "reading the schema", error);
    } else if (!found || strcmp(found, sql) != 0) {
        snprintf(error, STORE_TEXT, "the table '%s' is not what schema %d says", name,
                 SQLITE_SCHEMA_VERSION);
        r = -EUCLEAN;
    }
    sqlite3_finalize(stmt);
    return r;
}

static int schema_create(sqlite3 *db, char error[STORE_TEXT]) {
    int rc = SQLITE_OK;

    for (size_t i = 0; i < ARRAY_SIZE(tables) && rc == SQLITE_OK; i++)
        rc = sqlite3_exec(db, tables[i].sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : sql_failed(db, rc, "creating the tables", error);
}

static int schema_migrate(sqlite3 *db, int64_t from, char error[STORE_TEXT]) {
    for (int64_t v = from; v < SQLITE_SCHEMA_VERSION; v++) {
        int rc = sqlite3_exec(db, migrations[v] ? migrations[v] : "", NULL, NULL, NULL);

        if (rc != SQLITE_OK)
            return sql_failed(db, rc, "migrating the tables", error);
    }
    return 0;
}

static int schema_stamp(sqlite3 *db, char error[STORE_TEXT]) {
    char sql[128];
    int rc;

    snprintf(sql, sizeof(sql), "PRAGMA application_id = %d; PRAGMA user_version = %d",
             SQLITE_APPLICATION_ID, SQLITE_SCHEMA_VERSION);
    rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : sql_failed(db, rc, "writing the schema's version", error);
}

/* Inside a transaction: whoever comes second sees what the first made. */
static int schema_prepare_locked(sqlite3 *db, char error[STORE_TEXT]) {
    int64_t id = 0, version = 0, n_tables = 0;
    int r;

    r = sqlite_get_int(db, "PRAGMA application_id", &id);
    if (r == 0)
        r = sqlite_get_int(db, "PRAGMA user_version", &version);
    if (r == 0)
        r = sqlite_get_int(db, "SELECT count(*) FROM sqlite_schema", &n_tables);
    if (r < 0) {
        snprintf(error, STORE_TEXT, "reading the schema: %s", sqlite3_errmsg(db));
        return r;
    }
    if (id != SQLITE_APPLICATION_ID && (id || version || n_tables)) {
        snprintf(error, STORE_TEXT, "a database, but not one of vpcd");
        return -ENOTSUP;
    }
    if (version > SQLITE_SCHEMA_VERSION) {
        snprintf(error, STORE_TEXT,
                 "written by a newer vpcd: its schema is %lld, this vpcd knows up to %d",
                 (long long)version, SQLITE_SCHEMA_VERSION);
        return -ENOTSUP;
    }
    if (version < SQLITE_SCHEMA_VERSION) {
        r = version == 0 ? schema_create(db, error) : schema_migrate(db, version, error);
        if (r == 0)
            r = schema_stamp(db, error);
    }
    for (size_t i = 0; i < ARRAY_SIZE(tables) && r == 0; i++)
        r = table_check(db, tables[i].name, tables[i].sql, error);
    return r;
}

int sqlite_schema_prepare(sqlite3 *db, char error[STORE_TEXT]) {
    int rc, r;

    rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return sql_failed(db, rc, "opening", error);
    r = schema_prepare_locked(db, error);
    if (r == 0) {
        rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
        if (rc == SQLITE_OK)
            return 0;
        r = sql_failed(db, rc, "writing the schema", error);
    }
    if (!sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return r;
}
