/* SPDX-License-Identifier: Apache-2.0 */
/* Statements on the file of the log groups, prepared once for a handle. */
#ifndef VPCD_LOGS_DB_H
#define VPCD_LOGS_DB_H

#include <sqlite3.h>

#include "logs/logs.h"

#define STATEMENTS_MAX 64

struct logs {
    sqlite3 *db;
    struct logs_limits limits;
    struct {
        const char *sql; /* a literal: known by its address */
        sqlite3_stmt *stmt;
    } statements[STATEMENTS_MAX];
    size_t n_statements;
};

/*
 * Binds and makes the first step. `types` has a letter for each parameter: i int64_t, s text (NULL:
 * null), b bytes of text (pointer, then size_t). 1: there is a row, 0: there is none, else -errno.
 * *ret_stmt is to be given to db_done, whatever the answer.
 */
int db_query(struct logs *l, sqlite3_stmt **ret_stmt, const char *sql, const char *types, ...);
int db_next(sqlite3_stmt *stmt);
void db_done(sqlite3_stmt *stmt);
/* For statements without an answer. 0 or -errno. */
int db_exec(struct logs *l, const char *sql, const char *types, ...);
/* The first column of the first row; -ENOENT when there is none. */
int db_int(struct logs *l, int64_t *ret, const char *sql, const char *types, ...);

int db_begin(struct logs *l);
/* Commits when r is 0, else rolls back; r, or what the commit failed with. */
int db_end(struct logs *l, int r);

/* Inside a transaction: the account's use of these grows. -EDQUOT beyond its limits. */
int db_charge(struct logs *l, uint64_t account, int64_t bytes, int64_t groups, int64_t streams);

/* What the public calls of these names do, inside a transaction of the caller. */
int group_make(struct logs *l, const struct logs_owner *o, const char *name, int64_t now,
               int64_t *ret_id);
int stream_make(struct logs *l, const struct logs_owner *o, int64_t group, const char *name,
                int64_t now, int64_t *ret_id);
int events_put(struct logs *l, const struct logs_owner *o, int64_t group, int64_t stream,
               const struct log_event *events, size_t n, int64_t now);

#endif
