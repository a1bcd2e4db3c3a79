/* SPDX-License-Identifier: Apache-2.0 */
/* The committer's half of the embedded engine. Its theory of operation is at the head of sqlite.c.
 */
#include "store/sqlite_engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/sqlite_schema.h"

#define CHANGES_KEPT 100000

/* ---- statements ---- */

int sqlite_run(sqlite3_stmt *st) {
    int rc = sqlite3_step(st);

    sqlite3_reset(st);
    return sqlite_errno(rc);
}

static int bind_key(sqlite3_stmt *st, int at, const char *key) {
    return sqlite_errno(sqlite3_bind_text(st, at, key, -1, SQLITE_STATIC));
}

/* The version, 0 when the document is absent. */
static int read_version(struct sqlite_store *s, const char *key, uint64_t *ret_version) {
    sqlite3_stmt *st = s->st[ST_VERSION];
    int r = bind_key(st, 1, key);
    int rc;

    if (r < 0)
        return r;
    rc = sqlite3_step(st);
    r = sqlite_errno(rc);
    if (r == 0)
        *ret_version = rc == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(st, 0) : 0;
    sqlite3_reset(st);
    return r;
}

/* Adds the document as it is, or as absent, to the list. */
static int read_document(struct sqlite_store *s, const char *key, struct doc_list *list) {
    sqlite3_stmt *st = s->st[ST_GET];
    int r = bind_key(st, 1, key);
    int rc;

    if (r < 0)
        return r;
    rc = sqlite3_step(st);
    r = sqlite_errno(rc);
    if (r == 0 && rc == SQLITE_ROW)
        r = doc_list_add(list, key, (uint64_t)sqlite3_column_int64(st, 0),
                         sqlite3_column_blob(st, 1), (size_t)sqlite3_column_bytes(st, 1));
    else if (r == 0)
        r = doc_list_add(list, key, 0, NULL, 0);
    sqlite3_reset(st);
    return r;
}

/* ---- changes by others ---- */

int sqlite_log_bounds(struct sqlite_store *s, int64_t *ret_min, int64_t *ret_max) {
    sqlite3_stmt *st = s->st[ST_LOG_BOUNDS];
    int rc = sqlite3_step(st);

    if (rc == SQLITE_ROW) {
        *ret_min = sqlite3_column_int64(st, 0); /* NULL of an empty table reads as 0 */
        *ret_max = sqlite3_column_int64(st, 1);
    }
    sqlite3_reset(st);
    return sqlite_errno(rc);
}

/*
 * Inside a transaction of SQLite: adds the present state of what others changed after the cursor,
 * and yields the new cursor.
 */
static int read_others(struct sqlite_store *s, struct doc_list *list, int64_t *ret_cursor) {
    sqlite3_stmt *st = s->st[ST_OTHERS];
    int64_t min = 0, max = 0;
    int rc, r;

    r = sqlite_log_bounds(s, &min, &max);
    if (r < 0)
        return r;
    if (max <= s->cursor)
        return 0;
    if (min > s->cursor + 1)
        return -ESTALE;
    sqlite3_bind_int64(st, 1, s->cursor);
    sqlite3_bind_int64(st, 2, s->writer);
    while ((rc = sqlite3_step(st)) == SQLITE_ROW && r == 0)
        r = read_document(s, (const char *)sqlite3_column_text(st, 0), list);
    sqlite3_reset(st);
    if (r == 0)
        r = sqlite_errno(rc);
    if (r == 0)
        *ret_cursor = max;
    return r;
}

/* Shared: names what the transaction writes in the log. */
static int log_write(struct sqlite_store *s, const char *key) {
    sqlite3_stmt *st = s->st[ST_LOG];
    int r;

    sqlite3_bind_int64(st, 1, s->writer);
    r = bind_key(st, 2, key);
    return r < 0 ? r : sqlite_run(st);
}

/* Shared, at the end of a group: keeps the log in its bound, and takes our own rows as seen. */
static int log_finish(struct sqlite_store *s, int64_t *ret_cursor) {
    int64_t min = 0, max = 0;
    int r = sqlite_log_bounds(s, &min, &max);

    if (r < 0)
        return r;
    sqlite3_bind_int64(s->st[ST_LOG_TRIM], 1, max - CHANGES_KEPT);
    r = sqlite_run(s->st[ST_LOG_TRIM]);
    if (r == 0 && max > s->cursor)
        *ret_cursor = max;
    return r;
}

/* ---- applying ---- */

/* 0; -EAGAIN with the conflict and its documents noted in the transaction; or an error. */
static int txn_verify(struct sqlite_store *s, struct store_txn *t) {
    for (size_t i = 0; i < t->n; i++) {
        const struct store_op *op = &t->ops[i];
        uint64_t version = 0;
        int r = read_version(s, txn_key(t, op), &version);

        if (r == 0 && version != op->expect) {
            if (!t->conflicts.n)
                t->conflict = i;
            r = read_document(s, txn_key(t, op), &t->conflicts);
        }
        if (r < 0)
            return r;
    }
    return t->conflicts.n ? -EAGAIN : 0;
}

static int op_write(struct sqlite_store *s, const struct store_txn *t, const struct store_op *op) {
    sqlite3_stmt *st = s->st[op->kind == STORE_DELETE ? ST_DELETE
                             : op->expect             ? ST_UPDATE
                                                      : ST_INSERT];
    int r = bind_key(st, 1, txn_key(t, op));

    if (r == 0 && op->kind == STORE_PUT)
        r = sqlite_errno(sqlite3_bind_blob(st, 2, txn_value(t, op), (int)op->len, SQLITE_STATIC));
    if (r == 0)
        r = sqlite_run(st);
    if (r == 0 && s->shared)
        r = log_write(s, txn_key(t, op));
    return r;
}

static int txn_write(struct sqlite_store *s, const struct store_txn *t) {
    int r = 0;

    for (size_t i = 0; i < t->n && r == 0; i++)
        if (t->ops[i].kind != STORE_CHECK)
            r = op_write(s, t, &t->ops[i]);
    return r;
}

/* All transactions up to the first conflict, which is marked. Begun and not yet committed. */
static int group_apply(struct sqlite_store *s, struct store_txn *const *txns, size_t n,
                       size_t *ret_applied, int64_t *ret_cursor) {
    size_t i;
    int r = 0;

    if (s->shared)
        r = read_others(s, &txns[0]->others, ret_cursor);
    for (i = 0; i < n && r == 0; i++) {
        r = txn_verify(s, txns[i]);
        if (r == -EAGAIN) {
            txns[i]->status = r;
            r = 0;
            break;
        }
        if (r == 0)
            r = txn_write(s, txns[i]);
    }
    if (r == 0 && s->shared)
        r = log_finish(s, ret_cursor);
    if (r == 0)
        *ret_applied = i;
    return r;
}

/* As if the group had not been looked at. */
static void group_forget(struct store_txn *const *txns, size_t n) {
    for (size_t i = 0; i < n; i++) {
        doc_list_clear(&txns[i]->others);
        doc_list_clear(&txns[i]->conflicts);
        txns[i]->status = 0;
    }
}

static int group_commit(struct sqlite_store *s, struct store_txn *const *txns, size_t n,
                        size_t *ret_applied, char **ret_text) {
    int64_t cursor = s->cursor;
    size_t applied = 0;
    int r = sqlite_run(s->st[ST_BEGIN]);

    if (r == 0)
        r = group_apply(s, txns, n, &applied, &cursor);
    if (r == 0)
        r = sqlite_run(s->st[ST_COMMIT]);
    if (r == 0) {
        s->cursor = cursor;
        *ret_applied = applied;
        return 0;
    }
    group_forget(txns, n);
    *ret_text = strdup(r == -ESTALE ? "the log of changes was cut behind this reader"
                                    : sqlite3_errmsg(s->db));
    /* SQLite rolls back by itself after some errors. */
    if (!sqlite3_get_autocommit(s->db) && sqlite_run(s->st[ST_ROLLBACK]) < 0)
        r = -EIO;
    return r;
}

/* Whether the engine may go on after the error. */
static bool survivable(int error) {
    return error == -ENOSPC || error == -EBUSY || error == -ENOMEM;
}

size_t sqlite_commit(void *engine, struct store_txn *const *txns, size_t n) {
    struct sqlite_store *s = engine;
    _free_ char *text = NULL;
    size_t applied = 0;
    int r = group_commit(s, txns, n, &applied, &text);

    if (r == -ENOSPC && n > 1) {
        free(TAKE_PTR(text));
        r = group_commit(s, txns, 1, &applied, &text);
    }
    if (r == 0)
        return applied;
    txns[0]->status = r;
    txns[0]->text = TAKE_PTR(text);
    txns[0]->dead = !survivable(r);
    return 0;
}

void sqlite_poll(void *engine, struct store_txn *note) {
    struct sqlite_store *s = engine;
    int64_t cursor = s->cursor;
    int r = sqlite_run(s->st[ST_BEGIN]);

    if (r == 0)
        r = read_others(s, &note->others, &cursor);
    if (r == 0)
        r = sqlite_run(s->st[ST_COMMIT]);
    if (r == 0) {
        s->cursor = cursor;
        return;
    }
    doc_list_clear(&note->others);
    if (!survivable(r)) {
        note->dead = true;
        note->text = strdup(r == -ESTALE ? "the log of changes was cut behind this reader"
                                         : sqlite3_errmsg(s->db));
    }
    if (!sqlite3_get_autocommit(s->db))
        sqlite_run(s->st[ST_ROLLBACK]);
}
