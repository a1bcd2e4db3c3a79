/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the engine share: opening (sqlite.c), loading (sqlite_load.c), applying
 * (sqlite_commit.c). */
#ifndef VPCD_STORE_SQLITE_ENGINE_H
#define VPCD_STORE_SQLITE_ENGINE_H

#include <sqlite3.h>

#include "store/engine.h"
#include "store/pipeline.h"

enum statement {
    ST_BEGIN,
    ST_COMMIT,
    ST_ROLLBACK,
    ST_PLACES,
    ST_LOAD,
    ST_VERSION,
    ST_GET,
    ST_INSERT,
    ST_UPDATE,
    ST_DELETE,
    ST_LOG,
    ST_LOG_TRIM,
    ST_OTHERS,
    ST_LOG_BOUNDS,
    N_STATEMENTS,
};

struct sqlite_store {
    struct store store;
    struct pipeline *pipeline;
    sqlite3 *db;
    sqlite3_stmt *st[N_STATEMENTS];
    int lock_fd;
    bool shared, loaded;
    int64_t writer; /* shared: this handle's number */
    int64_t cursor; /* shared: the last row of `changes` that was looked at */
};

/* Runs a statement that yields no rows; 0 or -errno. */
int sqlite_run(sqlite3_stmt *st);

/* The first and the last row of the log of changes; 0 and 0 when it is empty. */
int sqlite_log_bounds(struct sqlite_store *s, int64_t *ret_min, int64_t *ret_max);

/* All documents, and where the changes of others begin. */
int sqlite_load(struct store *store, store_load_fn *fn, void *arg);

/* For the pipeline: a group of transactions, and a look at what others wrote. */
size_t sqlite_commit(void *engine, struct store_txn *const *txns, size_t n);
void sqlite_poll(void *engine, struct store_txn *note);

#endif
