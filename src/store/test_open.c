/* SPDX-License-Identifier: Apache-2.0 */
#include "store/test_fixture.h"

#include <errno.h>
#include <event2/event.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"

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

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(limits),
        T(too_much_in_flight),
        T(other_schemas_are_refused),
        T(garbage_is_refused),
        T(one_process_only),
        T(loading),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
