/* SPDX-License-Identifier: Apache-2.0 */
#include "store/test_fixture.h"

#include <event2/event.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "store/test_fault_vfs.h"

struct fixture F;

struct call {
    struct buf *log;
    size_t id;
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    return remove(path);
}

static void on_watch(void *arg, const struct store_doc *docs, size_t n) {
    struct buf *log = arg;

    for (size_t i = 0; i < n; i++)
        buf_addf(log, "doc %s %d %.*s;", docs[i].key, (int)docs[i].version, (int)docs[i].len,
                 (const char *)docs[i].value);
    buf_adds(log, "end;");
}

void on_done(void *arg, const struct store_result *result) {
    struct call *c = arg;

    assert_non_null(result->text);
    assert_true((result->key != NULL) == (result->status == -EAGAIN));
    F.status[c->id] = result->status;
    F.completed++;
    buf_addf(c->log, "done %zu %d%s%s;", c->id, result->status, result->key ? " " : "",
             result->key ? result->key : "");
    if (F.resume_at && c->id == F.resume_at)
        assert_int_equal(store_resume(F.store), 0);
    free(c);
}

int ignore_doc(void *arg, const struct store_doc *doc) {
    return 0;
}

static int list_doc(void *arg, const struct store_doc *doc) {
    buf_addf(arg, "%s %d %.*s;", doc->key, (int)doc->version, (int)doc->len,
             (const char *)doc->value);
    return 0;
}

struct store *open_store(bool shared, uint64_t max_bytes, struct buf *log) {
    struct store_options options = {
        .watch = on_watch, .watch_arg = log, .shared = shared, .max_bytes = max_bytes};
    char error[STORE_TEXT];
    struct store *s = NULL;

    if (store_open(F.base, "sqlite", F.db, &options, &s, error) < 0)
        fail_msg("%s", error);
    assert_int_equal(store_load(s, ignore_doc, NULL), 0);
    return s;
}

int set_up(void **state) {
    F = (struct fixture){.dir = "/tmp/vpcd-store-XXXXXX"};
    if (!mkdtemp(F.dir))
        return -1;
    snprintf(F.db, sizeof(F.db), "%s/db", F.dir);
    F.base = event_base_new();
    return F.base ? 0 : -1;
}

int tear_down(void **state) {
    atomic_store(&fault_vfs.fail_sync, false);
    atomic_store(&fault_vfs.fail_write, false);
    store_close(F.store);
    store_close(F.other);
    event_base_free(F.base);
    buf_free(&F.log);
    buf_free(&F.other_log);
    nftw(F.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return 0;
}

struct store_txn *txn_in(struct buf *log, size_t id) {
    struct call *c = malloc(sizeof(*c));

    assert_non_null(c);
    *c = (struct call){.log = log, .id = id};
    return store_txn_new(on_done, c);
}

struct store_txn *txn(size_t id) {
    return txn_in(&F.log, id);
}

void put(struct store_txn *t, const char *key, uint64_t expect, const char *value) {
    store_txn_put(t, key, expect, value, strlen(value));
}

void submit(struct store *s, struct store_txn *t) {
    assert_int_equal(store_submit(s, t), 0);
}

void submit_put(size_t id, const char *key, uint64_t expect, const char *value) {
    struct store_txn *t = txn(id);

    put(t, key, expect, value);
    submit(F.store, t);
}

static void on_late(evutil_socket_t fd, short what, void *arg) {
    fail_msg("nothing happened for 20 s");
}

/* Runs the loop until `n` transactions were completed in all. */
void wait_done(size_t n) {
    struct event *late = evtimer_new(F.base, on_late, NULL);
    struct timeval bound = {20, 0};

    evtimer_add(late, &bound);
    while (F.completed < n)
        event_base_loop(F.base, EVLOOP_ONCE);
    event_free(late);
}

/* Runs the loop until the log holds `text`. */
void wait_log(struct buf *log, const char *text) {
    struct event *late = evtimer_new(F.base, on_late, NULL);
    struct timeval bound = {20, 0};

    evtimer_add(late, &bound);
    while (!strstr(buf_str(log), text))
        event_base_loop(F.base, EVLOOP_ONCE);
    event_free(late);
}

void expect_log(struct buf *log, const char *text) {
    assert_string_equal(buf_str(log), text);
    buf_reset(log);
}

/* Closes, opens again and compares everything. */
void expect_content(const char *text) {
    struct store_options options = {0};
    _buf_ struct buf all = BUF_INIT;
    char error[STORE_TEXT];

    store_close(F.store);
    F.store = NULL;
    assert_int_equal(store_open(F.base, "sqlite", F.db, &options, &F.store, error), 0);
    assert_int_equal(store_load(F.store, list_doc, &all), 0);
    assert_string_equal(buf_str(&all), text);
}
