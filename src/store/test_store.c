/* SPDX-License-Identifier: Apache-2.0 */
#include "store/test_fixture.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/test_fault_vfs.h"

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
        T(a_full_database),
        T(a_full_disk),
        T(a_failed_fsync_is_the_end),
        T(second_writer),
        T(writers_conflict),
    };

    fault_vfs_register();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
