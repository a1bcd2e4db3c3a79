/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load: every document once.
 *
 * The table stands in the file as its rows were written, and a walk in the order of the keys looks
 * each of them up somewhere else: of three million that took nine times as long as a walk along the
 * file. But the caller builds an ordered index, and wants that order. So the keys' index is walked
 * first, which holds the rows' numbers, and then the table; each document is told its place.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "store/sqlite_engine.h"
#include "store/sqlite_schema.h"

struct row {
    int64_t id;
    size_t place;
};

struct places {
    struct row *rows; /* first in the order of the keys, then of the ids */
    size_t n, room;
};

static int by_id(const void *a, const void *b) {
    int64_t x = ((const struct row *)a)->id, y = ((const struct row *)b)->id;

    return x < y ? -1 : x > y;
}

static int add_place(struct places *p, int64_t id) {
    if (p->n == p->room) {
        size_t room = p->room ? 2 * p->room : 1024;
        struct row *rows = reallocarray(p->rows, room, sizeof(*rows));

        if (!rows)
            return -ENOMEM;
        p->rows = rows;
        p->room = room;
    }
    p->rows[p->n] = (struct row){.id = id, .place = p->n};
    p->n++;
    return 0;
}

static int read_places(struct sqlite_store *s, struct places *p) {
    sqlite3_stmt *st = s->st[ST_PLACES];
    int rc = SQLITE_DONE, r = 0;

    while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW)
        r = add_place(p, sqlite3_column_int64(st, 0));
    sqlite3_reset(st);
    if (p->n)
        qsort(p->rows, p->n, sizeof(*p->rows), by_id);
    return r < 0 ? r : sqlite_errno(rc);
}

static int read_rows(struct sqlite_store *s, const struct places *p, store_load_fn *fn, void *arg) {
    sqlite3_stmt *st = s->st[ST_LOAD];
    int rc = SQLITE_DONE, r = 0;

    for (size_t i = 0; r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW; i++) {
        struct store_doc doc = {.key = (const char *)sqlite3_column_text(st, 1),
                                .version = (uint64_t)sqlite3_column_int64(st, 2),
                                .value = sqlite3_column_blob(st, 3),
                                .len = (size_t)sqlite3_column_bytes(st, 3)};

        if (i >= p->n || p->rows[i].id != sqlite3_column_int64(st, 0)) {
            r = -EBADMSG; /* the index of the keys is not that of the table */
            break;
        }
        doc.place = p->rows[i].place;
        r = doc.key ? fn(arg, &doc) : -ENOMEM;
    }
    sqlite3_reset(st);
    return r < 0 ? r : sqlite_errno(rc);
}

static int read_all(struct sqlite_store *s, store_load_fn *fn, void *arg) {
    struct places places = {0};
    int r = read_places(s, &places);

    if (r == 0)
        r = read_rows(s, &places, fn, arg);
    free(places.rows);
    return r;
}

int sqlite_load(struct store *store, store_load_fn *fn, void *arg) {
    struct sqlite_store *s = (struct sqlite_store *)store;
    int64_t min;
    int r;

    if (s->loaded)
        return -EINVAL;
    /* One transaction, so that the documents and the cursor are of one state. */
    r = sqlite_run(s->st[ST_BEGIN]);
    if (r == 0)
        r = sqlite_log_bounds(s, &min, &s->cursor);
    if (r == 0)
        r = read_all(s, fn, arg);
    if (!sqlite3_get_autocommit(s->db) && sqlite_run(s->st[ST_COMMIT]) < 0 && r == 0)
        r = -EIO;
    if (r == 0)
        r = pipeline_start(s->pipeline);
    s->loaded = r == 0;
    return r;
}
