/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <event2/event.h>
#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "store/store.h"
#include "store/test_fault_vfs.h"

#define MAX_DONE 20000

/* A store in a directory of its own, and all that it ever reported, in order, as text. */
struct fixture {
    char dir[64], db[80];
    struct event_base *base;
    struct store *store, *other;
    struct buf log, other_log; /* "done 1 0;" "doc KEY VERSION VALUE;" "end;" */
    size_t done;
    int status[MAX_DONE];
    size_t resume_at; /* resume in the done function of this one */
    size_t completed;
};
static struct fixture F;

struct call {
    struct fixture *f;
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

static void on_done(void *arg, const struct store_result *result) {
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

static int ignore_doc(void *arg, const struct store_doc *doc) {
    return 0;
}

static int list_doc(void *arg, const struct store_doc *doc) {
    buf_addf(arg, "%s %d %.*s;", doc->key, (int)doc->version, (int)doc->len,
             (const char *)doc->value);
    return 0;
}

static struct store *open_store(bool shared, uint64_t max_bytes, struct buf *log) {
    struct store_options options = {
        .watch = on_watch, .watch_arg = log, .shared = shared, .max_bytes = max_bytes};
    char error[STORE_TEXT];
    struct store *s = NULL;

    if (store_open(F.base, "sqlite", F.db, &options, &s, error) < 0)
        fail_msg("%s", error);
    assert_int_equal(store_load(s, ignore_doc, NULL), 0);
    return s;
}

static int set_up(void **state) {
    F = (struct fixture){.dir = "/tmp/vpcd-store-XXXXXX"};
    if (!mkdtemp(F.dir))
        return -1;
    snprintf(F.db, sizeof(F.db), "%s/db", F.dir);
    F.base = event_base_new();
    return F.base ? 0 : -1;
}

static int tear_down(void **state) {
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

static struct store_txn *txn_in(struct buf *log, size_t id) {
    struct call *c = malloc(sizeof(*c));

    assert_non_null(c);
    *c = (struct call){.f = &F, .log = log, .id = id};
    return store_txn_new(on_done, c);
}

static struct store_txn *txn(size_t id) {
    return txn_in(&F.log, id);
}

static void put(struct store_txn *t, const char *key, uint64_t expect, const char *value) {
    store_txn_put(t, key, expect, value, strlen(value));
}

static void submit(struct store *s, struct store_txn *t) {
    assert_int_equal(store_submit(s, t), 0);
}

static void submit_put(size_t id, const char *key, uint64_t expect, const char *value) {
    struct store_txn *t = txn(id);

    put(t, key, expect, value);
    submit(F.store, t);
}

static void on_late(evutil_socket_t fd, short what, void *arg) {
    fail_msg("nothing happened for 20 s");
}

/* Runs the loop until `n` transactions were completed in all. */
static void wait_done(size_t n) {
    struct event *late = evtimer_new(F.base, on_late, NULL);
    struct timeval bound = {20, 0};

    evtimer_add(late, &bound);
    while (F.completed < n)
        event_base_loop(F.base, EVLOOP_ONCE);
    event_free(late);
}

/* Runs the loop until the log holds `text`. */
static void wait_log(struct buf *log, const char *text) {
    struct event *late = evtimer_new(F.base, on_late, NULL);
    struct timeval bound = {20, 0};

    evtimer_add(late, &bound);
    while (!strstr(buf_str(log), text))
        event_base_loop(F.base, EVLOOP_ONCE);
    event_free(late);
}

static void expect_log(struct buf *log, const char *text) {
    assert_string_equal(buf_str(log), text);
    buf_reset(log);
}

/* Closes, opens again and compares everything. */
static void expect_content(const char *text) {
    struct store_options options = {0};
    _buf_ struct buf all = BUF_INIT;
    char error[STORE_TEXT];

    store_close(F.store);
    F.store = NULL;
    assert_int_equal(store_open(F.base, "sqlite", F.db, &options, &F.store, error), 0);
    assert_int_equal(store_load(F.store, list_doc, &all), 0);
    assert_string_equal(buf_str(&all), text);
}

/* ---- versions, order, pipelining ---- */

static void versions(void **state) {
    struct store_txn *t;

    F.store = open_store(false, 0, &F.log);
    /* All at once, in flight together: each stands on the one before. */
    submit_put(1, "r/a/vpc/x", 0, "one");
    submit_put(2, "r/a/vpc/x", 1, "two");
    submit_put(3, "r/a/vpc/b", 0, "");
    t = txn(4);
    store_txn_delete(t, "r/a/vpc/x", 2);
    store_txn_check(t, "r/a/vpc/b", 1);
    store_txn_check(t, "r/a/vpc/none", 0);
    submit(F.store, t);
    submit_put(5, "r/a/vpc/x", 0, "again");
    submit(F.store, txn(6));
    wait_done(6);
    expect_log(&F.log, "done 1 0;done 2 0;done 3 0;done 4 0;done 5 0;done 6 0;");
    expect_content("r/a/vpc/b 1 ;r/a/vpc/x 1 again;");
}

static void a_failure_cancels_what_follows(void **state) {
    struct store_txn *t;

    F.store = open_store(false, 0, &F.log);
    submit_put(1, "k1", 0, "1");
    t = txn(2);
    put(t, "k2", 0, "2");
    put(t, "k1", 7, "2");
    store_txn_check(t, "k3", 1);
    submit(F.store, t);
    submit_put(3, "k3", 0, "3");
    wait_done(3);
    expect_log(&F.log, "done 1 0;doc k1 1 1;doc k3 0 ;end;done 2 -11 k1;done 3 -125;");
    /* Not resumed yet: cancelled, whatever it is, in order. */
    submit_put(4, "k4", 0, "4");
    submit(F.store, txn(5));
    wait_done(5);
    expect_log(&F.log, "done 4 -125;done 5 -125;");
    assert_int_equal(store_resume(F.store), 0);
    submit_put(6, "k6", 0, "6");
    wait_done(6);
    expect_log(&F.log, "done 6 0;");
    expect_content("k1 1 1;k6 1 6;");
}

/* Submits one more from inside the loop, behind a resume that comes with the failure. */
static void after_resume(evutil_socket_t fd, short what, void *arg) {
    submit_put(9, "k9", 0, "9");
}

static void resume_inside_the_failure(void **state) {
    struct store_stats stats;
    struct timeval now = {0, 0};

    F.store = open_store(false, 0, &F.log);
    assert_int_equal(store_resume(F.store), 0); /* nothing to resume: nothing happens */
    F.resume_at = 1;
    submit_put(1, "k", 5, "");
    for (size_t i = 2; i < 9; i++)
        submit_put(i, "other", 0, "");
    wait_done(1);
    event_base_once(F.base, -1, EV_TIMEOUT, after_resume, NULL, &now);
    wait_done(9);
    for (size_t i = 2; i < 9; i++)
        assert_int_equal(F.status[i], -ECANCELED);
    assert_int_equal(F.status[9], 0);
    stats = store_stats(F.store);
    assert_int_equal(stats.conflicts, 1);
    assert_int_equal(stats.canceled, 7);
    assert_int_equal(stats.txns, 1);
    assert_int_equal(stats.in_flight, 0);
    expect_content("k9 1 9;");
}

static void group_commit(void **state) {
    int before = atomic_load(&fault_vfs.wal_syncs);
    struct store_stats stats;
    char key[32];

    F.store = open_store(false, 0, &F.log);
    for (size_t i = 0; i < 4000; i++) {
        snprintf(key, sizeof(key), "k/%zu", i);
        submit_put(i, key, 0, "value");
    }
    wait_done(4000);
    stats = store_stats(F.store);
    assert_int_equal(stats.txns, 4000);
    assert_true(stats.commits < 400);
    assert_true(stats.largest_group >= 10);
    /* Each group waited for the disk, and they did not wait more often. */
    assert_true((uint64_t)(atomic_load(&fault_vfs.wal_syncs) - before) >= stats.commits);
    assert_true(atomic_load(&fault_vfs.wal_syncs) - before < 800);
}

static void acknowledged_is_synced(void **state) {
    F.store = open_store(false, 0, &F.log);
    for (size_t i = 0; i < 20; i++) {
        int before = atomic_load(&fault_vfs.wal_syncs);

        submit_put(i + 1, "k", i, "v");
        wait_done(i + 1);
        assert_true(atomic_load(&fault_vfs.wal_syncs) > before);
    }
}

static void closing_finishes(void **state) {
    F.store = open_store(false, 0, &F.log);
    for (size_t i = 0; i < 100; i++)
        submit_put(i, "k", i, "v");
    store_close(F.store);
    F.store = NULL;
    assert_int_equal(F.completed, 100);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(F.status[i], 0);
    F.store = open_store(false, 0, &F.log);
    expect_content("k 100 v;");
}

/* ---- limits ---- */

static void expect_refused(int error, void (*fill)(struct store_txn *t)) {
    struct store_txn *t = store_txn_new(on_done, NULL);

    fill(t);
    assert_int_equal(store_submit(F.store, t), error);
    assert_non_null(store_strerror(error));
}

static void fill_long_key(struct store_txn *t) {
    char key[STORE_KEY_MAX + 2];

    memset(key, 'k', sizeof(key) - 1);
    key[sizeof(key) - 1] = 0;
    put(t, key, 0, "");
}
static void fill_empty_key(struct store_txn *t) {
    put(t, "", 0, "");
}
static void fill_control_key(struct store_txn *t) {
    put(t, "a\nb", 0, "");
}
static void fill_big_value(struct store_txn *t) {
    _free_ char *value = calloc(1, STORE_VALUE_MAX + 1);

    store_txn_put(t, "k", 0, value, STORE_VALUE_MAX + 1);
}
static void fill_big_sum(struct store_txn *t) {
    _free_ char *value = calloc(1, STORE_VALUE_MAX);
    char key[32];

    for (int i = 0; i < 33; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        store_txn_put(t, key, 0, value, STORE_VALUE_MAX);
    }
}
static void fill_many(struct store_txn *t) {
    char key[32];

    for (int i = 0; i <= STORE_TXN_OPS_MAX; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        put(t, key, 0, "");
    }
}
static void fill_twice(struct store_txn *t) {
    put(t, "k", 0, "");
    store_txn_check(t, "k2", 0);
    store_txn_check(t, "k", 0);
}
static void fill_delete_absent(struct store_txn *t) {
    store_txn_delete(t, "k", 0);
}

static void limits(void **state) {
    _free_ char *value = calloc(1, STORE_VALUE_MAX);
    char key[STORE_KEY_MAX + 1];
    struct store_txn *t;

    F.store = open_store(false, 0, &F.log);
    expect_refused(-ENAMETOOLONG, fill_long_key);
    expect_refused(-EINVAL, fill_empty_key);
    expect_refused(-EINVAL, fill_control_key);
    expect_refused(-EINVAL, fill_delete_absent);
    expect_refused(-EMSGSIZE, fill_big_value);
    expect_refused(-EMSGSIZE, fill_big_sum);
    expect_refused(-E2BIG, fill_many);
    expect_refused(-ENOTUNIQ, fill_twice);
    assert_int_equal(store_submit(F.store, NULL), -ENOMEM);
    /* What is just within them works. */
    memset(key, 'k', STORE_KEY_MAX);
    key[STORE_KEY_MAX] = 0;
    t = txn(1);
    store_txn_put(t, key, 0, value, STORE_VALUE_MAX);
    submit(F.store, t);
    t = txn(2);
    for (int i = 0; i < STORE_TXN_OPS_MAX; i++) {
        snprintf(key, sizeof(key), "n%d", i);
        put(t, key, 0, "");
    }
    submit(F.store, t);
    wait_done(2);
    expect_log(&F.log, "done 1 0;done 2 0;");
}

static void too_much_in_flight(void **state) {
    struct store_limits l;
    size_t i;

    F.store = open_store(false, 0, &F.log);
    l = store_limits(F.store);
    assert_true(l.in_flight < MAX_DONE);
    for (i = 0; i < l.in_flight; i++)
        submit_put(i, "k", i, "v");
    assert_int_equal(store_submit(F.store, store_txn_new(on_done, NULL)), -EBUSY);
    wait_done(l.in_flight);
    for (i = 0; i < l.in_flight; i++)
        assert_int_equal(F.status[i], 0);
}

/* ---- opening ---- */

static void expect_open_error(int error, const char *text) {
    char message[STORE_TEXT];
    struct store *s = NULL;

    assert_int_equal(store_open(F.base, "sqlite", F.db, NULL, &s, message), error);
    assert_null(s);
    if (!strstr(message, text))
        fail_msg("'%s' is not in '%s'", text, message);
}

static void sql(const char *text) {
    char path[128];
    sqlite3 *db;

    snprintf(path, sizeof(path), "%s/vpcd.db", F.db);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void other_schemas_are_refused(void **state) {
    char error[STORE_TEXT];
    struct store *s = NULL;

    assert_int_equal(store_open(F.base, "etcd:http://x", F.db, NULL, &s, error), -ENOTSUP);
    store_close(open_store(false, 0, &F.log));
    sql("PRAGMA user_version = 2");
    expect_open_error(-ENOTSUP, "written by a newer vpcd: its schema is 2");
    sql("PRAGMA user_version = 1; ALTER TABLE documents ADD COLUMN more TEXT");
    expect_open_error(-EUCLEAN, "'documents' is not what schema 1 says");
    sql("PRAGMA application_id = 5");
    expect_open_error(-ENOTSUP, "not one of vpcd");
}

static void garbage_is_refused(void **state) {
    char path[128];
    FILE *f;

    assert_int_equal(mkdir(F.db, 0700), 0);
    snprintf(path, sizeof(path), "%s/vpcd.db", F.db);
    f = fopen(path, "w");
    for (int i = 0; i < 1000; i++)
        fputs("this is not a database ", f);
    fclose(f);
    expect_open_error(-EUCLEAN, "not a database");
}

static void one_process_only(void **state) {
    static const char *const files[] = {"vpcd.db", "vpcd.db-wal", "vpcd.db-shm", "lock"};
    mode_t mask = umask(0);
    struct stat st;
    char path[128];

    F.store = open_store(false, 0, &F.log);
    umask(mask);
    expect_open_error(-EBUSY, "is in use by process");
    submit_put(1, "k", 0, "v");
    wait_done(1);
    assert_int_equal(stat(F.db, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", F.db, files[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
}

static int stop_loading(void *arg, const struct store_doc *doc) {
    return -EDOM;
}

static void loading(void **state) {
    char error[STORE_TEXT];

    F.store = open_store(false, 0, &F.log);
    submit_put(1, "k", 0, "v");
    wait_done(1);
    assert_int_equal(store_load(F.store, ignore_doc, NULL), -EINVAL);
    store_close(F.store);
    F.store = NULL;
    assert_int_equal(store_open(F.base, "sqlite", F.db, NULL, &F.store, error), 0);
    assert_int_equal(store_submit(F.store, store_txn_new(on_done, NULL)), -EINVAL);
    assert_int_equal(store_load(F.store, stop_loading, NULL), -EDOM);
}

/* ---- faults ---- */

static void a_full_database(void **state) {
    _free_ char *value = calloc(1, STORE_VALUE_MAX);
    struct store_txn *t;

    F.store = open_store(false, 2 * 1024 * 1024, &F.log);
    F.resume_at = 3;
    submit_put(1, "small", 0, "v");
    wait_done(1);
    submit_put(2, "small2", 0, "v");
    t = txn(3);
    for (int i = 0; i < 3; i++)
        store_txn_put(t, i == 0 ? "a" : i == 1 ? "b" : "c", 0, value, STORE_VALUE_MAX);
    submit(F.store, t);
    submit_put(4, "small3", 0, "v");
    wait_done(4);
    expect_log(&F.log, "done 1 0;done 2 0;done 3 -28;done 4 -125;");
    assert_null(store_error(F.store));
    submit_put(5, "small4", 0, "v");
    wait_done(5);
    expect_log(&F.log, "done 5 0;");
    expect_content("small 1 v;small2 1 v;small4 1 v;");
}

static void a_full_disk(void **state) {
    F.store = open_store(false, 0, &F.log);
    submit_put(1, "k", 0, "v");
    wait_done(1);
    atomic_store(&fault_vfs.fail_write, true);
    submit_put(2, "k", 1, "w");
    submit_put(3, "k", 2, "w");
    wait_done(3);
    expect_log(&F.log, "done 1 0;done 2 -28;done 3 -125;");
    atomic_store(&fault_vfs.fail_write, false);
    assert_int_equal(store_resume(F.store), 0);
    submit_put(4, "k", 1, "x");
    wait_done(4);
    expect_log(&F.log, "done 4 0;");
    expect_content("k 2 x;");
}

static void a_failed_fsync_is_the_end(void **state) {
    F.store = open_store(false, 0, &F.log);
    submit_put(1, "k", 0, "v");
    wait_done(1);
    atomic_store(&fault_vfs.fail_sync, true);
    submit_put(2, "k", 1, "w");
    submit_put(3, "k", 2, "w");
    wait_done(3);
    atomic_store(&fault_vfs.fail_sync, false);
    expect_log(&F.log, "done 1 0;done 2 -5;done 3 -125;");
    assert_non_null(store_error(F.store));
    assert_int_equal(store_resume(F.store), -ENOTRECOVERABLE);
    assert_int_equal(store_submit(F.store, store_txn_new(on_done, NULL)), -ENOTRECOVERABLE);
}

/* ---- the second writer ---- */

static void second_writer(void **state) {
    struct store_txn *t;

    F.store = open_store(true, 0, &F.log);
    F.other = open_store(true, 0, &F.other_log);
    submit_put(1, "a", 0, "mine");
    wait_log(&F.other_log, "doc a 1 mine;end;");
    buf_reset(&F.other_log);
    expect_log(&F.log, "done 1 0;");
    t = txn_in(&F.other_log, 2);
    put(t, "a", 1, "theirs");
    put(t, "b", 0, "theirs");
    submit(F.other, t);
    wait_log(&F.log, "doc b 1 theirs;end;");
    expect_log(&F.log, "doc a 2 theirs;doc b 1 theirs;end;");
    wait_done(2);
    expect_log(&F.other_log, "done 2 0;");
    t = txn_in(&F.other_log, 3);
    store_txn_delete(t, "b", 1);
    submit(F.other, t);
    wait_log(&F.log, "end;");
    expect_log(&F.log, "doc b 0 ;end;");
}

/* Whoever is second has a conflict, and knows the winner's document before. */
static void writers_conflict(void **state) {
    struct store_txn *t;

    F.store = open_store(true, 0, &F.log);
    F.other = open_store(true, 0, &F.other_log);
    for (size_t i = 1; i <= 20; i++) {
        const char *won, *doc;

        F.completed = 0;
        buf_reset(&F.log);
        buf_reset(&F.other_log);
        t = txn(1);
        put(t, "k", i - 1, "x");
        submit(F.store, t);
        t = txn_in(&F.other_log, 2);
        put(t, "k", i - 1, "y");
        submit(F.other, t);
        wait_done(2);
        assert_true((F.status[1] == 0) != (F.status[2] == 0));
        assert_int_equal(F.status[F.status[1] ? 1 : 2], -EAGAIN);
        won = buf_str(F.status[1] ? &F.log : &F.other_log);
        doc = strstr(won, "doc k");
        assert_non_null(doc);
        assert_true(doc < strstr(won, "done"));
        assert_int_equal(store_resume(F.store), 0);
        assert_int_equal(store_resume(F.other), 0);
    }
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(versions),
        T(a_failure_cancels_what_follows),
        T(resume_inside_the_failure),
        T(group_commit),
        T(acknowledged_is_synced),
        T(closing_finishes),
        T(limits),
        T(too_much_in_flight),
        T(other_schemas_are_refused),
        T(garbage_is_refused),
        T(one_process_only),
        T(loading),
        T(a_full_database),
        T(a_full_disk),
        T(a_failed_fsync_is_the_end),
        T(second_writer),
        T(writers_conflict),
    };

    fault_vfs_register();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
