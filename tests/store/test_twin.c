/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random transactions, right and wrong ones, many in flight, against a twin: an array of versions
 * and values. The twin knows at the moment of submitting what the store must answer, because the
 * order of applying is the order of submitting.
 */
#include "helper.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "store/store.h"

#define KEYS 24
#define TXNS 20000
#define MAX_OPS 6
#define MAX_IN_FLIGHT 64

struct twin_doc {
    uint64_t version;
    uint32_t value, len; /* the value is this number, again and again */
};

static struct {
    struct event_base *base;
    struct store *store;
    struct twin_doc docs[KEYS];
    bool halted;            /* the twin's: a failure was submitted and not resumed */
    bool failure_delivered; /* the store's: resume would do something */
    size_t submitted, completed, conflicts;
    struct buf seen; /* documents that the watch reported since the last completion */
} T;

struct expected {
    size_t id;
    int status;
    char key[16];
    struct buf docs;
};

static char *key_of(uint32_t k, char out[16]) {
    snprintf(out, 16, "r/a/k/%02u", k);
    return out;
}

static void value_of(uint32_t value, uint32_t len, struct buf *out) {
    for (uint32_t i = 0; i < len; i++)
        buf_addc(out, (char)('a' + (value + i) % 26));
}

/* One document as text: that is how the twin and the store are compared. */
static void describe(struct buf *out, const char *key, uint64_t version, const void *value,
                     size_t len) {
    buf_addf(out, "%s %d %zu:", key, (int)version, len);
    buf_add(out, value, len);
    buf_adds(out, "\n");
}

static void describe_twin(struct buf *out, uint32_t k) {
    _buf_ struct buf value = BUF_INIT;
    char key[16];

    if (T.docs[k].version)
        value_of(T.docs[k].value, T.docs[k].len, &value);
    describe(out, key_of(k, key), T.docs[k].version, value.data, value.len);
}

static void on_watch(void *arg, const struct store_doc *docs, size_t n) {
    for (size_t i = 0; i < n; i++)
        describe(&T.seen, docs[i].key, docs[i].version, docs[i].value, docs[i].len);
}

static void resume(void) {
    assert_int_equal(store_resume(T.store), 0);
    T.failure_delivered = false;
    T.halted = false;
}

static void on_done(void *arg, const struct store_result *result) {
    struct expected *e = arg;

    assert_int_equal(e->id, T.completed++);
    assert_int_equal(result->status, e->status);
    assert_string_equal(buf_str(&T.seen), buf_str(&e->docs));
    buf_reset(&T.seen);
    if (result->status == -EAGAIN) {
        assert_string_equal(result->key, e->key);
        T.conflicts++;
        T.failure_delivered = true;
        if (random_below(2))
            resume();
    }
    buf_free(&e->docs);
    free(e);
}

/* Applies the writes to the twin; they were all expected rightly. */
static void twin_apply(const struct twin_doc *writes, const uint32_t *keys, size_t n) {
    for (size_t i = 0; i < n; i++)
        T.docs[keys[i]] = writes[i];
}

static void submit_random(void) {
    struct expected *e = calloc(1, sizeof(*e));
    struct store_txn *t = store_txn_new(on_done, e);
    struct twin_doc writes[MAX_OPS];
    uint32_t keys[MAX_OPS], n_writes = 0, n = random_below(MAX_OPS + 1);
    uint32_t first = random_below(KEYS), step = 1 + random_below(3);

    e->id = T.submitted++;
    e->status = T.halted ? -ECANCELED : 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t k = (first + i * step) % KEYS, kind = random_below(3);
        struct twin_doc new = {0}, *doc = &T.docs[k];
        uint64_t expect = doc->version;
        char key[16];

        if (random_below(100) == 0)
            expect = random_below(4);
        if (expect != doc->version && !T.halted) {
            if (!e->key[0])
                key_of(k, e->key);
            e->status = -EAGAIN;
            describe_twin(&e->docs, k);
        }
        key_of(k, key);
        if (kind == 0) {
            store_txn_check(t, key, expect);
            continue;
        }
        if (kind == 1 && expect) {
            store_txn_delete(t, key, expect);
        } else {
            _buf_ struct buf value = BUF_INIT;

            new = (struct twin_doc){expect + 1, random_below(1000),
                                    random_below(random_below(50) ? 300 : 100000)};
            value_of(new.value, new.len, &value);
            store_txn_put(t, key, expect, value.data, value.len);
        }
        writes[n_writes] = new;
        keys[n_writes++] = k;
    }
    if (e->status == 0)
        twin_apply(writes, keys, n_writes);
    if (e->status == -EAGAIN)
        T.halted = true;
    assert_int_equal(store_submit(T.store, t), 0);
}

static int add_doc(void *arg, const struct store_doc *doc) {
    describe(arg, doc->key, doc->version, doc->value, doc->len);
    return 0;
}

static void on_late(evutil_socket_t fd, short what, void *arg) {
    fail_msg("nothing happened for 60 s");
}

/* A load comes in no order; the places tell the keys'. */
static struct buf loaded[KEYS];

static int add_loaded(void *arg, const struct store_doc *doc) {
    assert_in_range(doc->place, 0, KEYS - 1);
    assert_int_equal(loaded[doc->place].len, 0);
    return add_doc(&loaded[doc->place], doc);
}

static void twin(void **state) {
    struct store_options options = {.watch = on_watch};
    _buf_ struct buf want = BUF_INIT, have = BUF_INIT;
    struct timeval bound = {60, 0};
    char dir[32], db[64], error[STORE_TEXT];
    struct event *late;

    temp_dir_make(dir);
    snprintf(db, sizeof(db), "%s/db", dir);
    T.base = event_base_new();
    late = evtimer_new(T.base, on_late, NULL);
    evtimer_add(late, &bound);
    assert_int_equal(store_open(T.base, "sqlite", db, &options, &T.store, error), 0);
    assert_int_equal(store_load(T.store, add_doc, &have), 0);
    while (T.completed < TXNS) {
        uint32_t burst = random_below(40);

        for (uint32_t i = 0; i < burst && T.submitted < TXNS; i++)
            submit_random();
        if (T.failure_delivered && random_below(3) == 0)
            resume();
        event_base_loop(T.base, T.submitted < TXNS && T.submitted - T.completed < MAX_IN_FLIGHT
                                    ? EVLOOP_NONBLOCK
                                    : EVLOOP_ONCE);
    }
    event_free(late);
    store_close(T.store);
    assert_int_equal(store_open(T.base, "sqlite", db, NULL, &T.store, error), 0);
    assert_int_equal(store_load(T.store, add_loaded, NULL), 0);
    for (uint32_t i = 0; i < KEYS; i++) {
        buf_add(&have, loaded[i].data, loaded[i].len);
        buf_free(&loaded[i]);
    }
    for (uint32_t k = 0; k < KEYS; k++)
        if (T.docs[k].version)
            describe_twin(&want, k);
    assert_string_equal(buf_str(&have), buf_str(&want));
    printf("%zu transactions, %zu conflicts\n", T.completed, T.conflicts);
    assert_true(T.conflicts > 50);
    store_close(T.store);
    event_base_free(T.base);
    buf_free(&T.seen);
    temp_dir_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(twin)};

    random_seed_print();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
