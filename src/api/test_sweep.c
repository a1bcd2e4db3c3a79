/* SPDX-License-Identifier: Apache-2.0 */
/* What goes away with time, and what goes sooner because an account has too much of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/sweep.h"
#include "api/test_calls.h"

#define BATCH 2000 /* of one transaction */
#define HOUR (3600 * 1000ll)

/* Objects number `first` on; number 0 is `oldest` ms old, each a millisecond younger than the one
 * before. */
struct batch {
    enum kind kind;
    int first, n;
    int64_t oldest;
    size_t bytes;
    bool live;
};

static char *name(enum kind k, int i, char out[32]) {
    snprintf(out, 32, k == KIND_TOKEN ? "X/%05d" : "i-%017d", i);
    return out;
}

static int make(struct call *c, void *arg) {
    const struct batch *b = arg;
    char id[32];

    for (int i = b->first; i < b->first + b->n; i++) {
        struct obj *o = txn_new(c->txn, b->kind, calls_scope, name(b->kind, i, id));
        int64_t time = c->now - b->oldest + i;

        if (b->kind == KIND_TOKEN) {
            struct token *t = (struct token *)o;

            t->created = time;
            t->reply = (struct blob){.data = calloc(1, b->bytes + 1), .len = (uint32_t)b->bytes};
        } else {
            struct instance *in = (struct instance *)o;

            in->state = b->live ? INSTANCE_RUNNING : INSTANCE_TERMINATED;
            in->terminated = time;
        }
        txn_put(c->txn, o);
    }
    return 0;
}

static void make_all(enum kind k, int n, int64_t oldest, size_t bytes, bool live) {
    int batch = bytes ? 1 : BATCH;

    for (int i = 0; i < n; i += batch) {
        struct batch b = {k, i, n - i < batch ? n - i : batch, oldest, bytes, live};
        struct calls_ask a = {.run = make, .arg = &b};

        calls_ask(&a);
    }
}

static bool there(enum kind k, int i) {
    char id[32];

    return index_get(calls_index(), k, calls_scope, name(k, i, id));
}

static int remove_all(struct call *c, void *arg) {
    static const enum kind kinds[] = {KIND_TOKEN, KIND_INSTANCE};
    struct cursor cur;

    for (size_t k = 0; k < 2; k++)
        for (int n = 0; n < BATCH && cursor_in(c->ix, &cur, kinds[k], calls_scope, NULL); n++)
            txn_delete(c->txn, cur.obj);
    return 0;
}

static int clean(void **s) {
    while (index_count(calls_index(), KIND_TOKEN) || index_count(calls_index(), KIND_INSTANCE)) {
        struct calls_ask a = {.run = remove_all};

        calls_ask(&a);
    }
    return 0;
}

static int nothing(struct call *c, void *arg) {
    return 0;
}

/* All calls so far are done, and what they asked for after. */
static void wait_for_calls(void) {
    for (int i = 0; i < 2; i++) {
        struct calls_ask a = {.run = nothing};

        calls_ask(&a);
    }
}

static void on_step(void *arg, bool more) {
    *(int *)arg = more;
}

/* Steps until there is no more to do; returns how many that took, none of which deleted too much.
 */
static int sweep(void) {
    int steps = 0, more = 1;

    for (; more == 1; steps++) {
        size_t before =
            index_count(calls_index(), KIND_TOKEN) + index_count(calls_index(), KIND_INSTANCE);

        more = -1;
        api_sweep(calls_api(), on_step, &more);
        wait_for_calls();
        assert_int_not_equal(more, -1);
        assert_in_range(before - index_count(calls_index(), KIND_TOKEN) -
                            index_count(calls_index(), KIND_INSTANCE),
                        0, SWEEP_MAX);
    }
    return steps;
}

static void test_times(void **s) {
    make_all(KIND_TOKEN, 2, 24 * HOUR + 1, 0, false); /* the second one has its time to the ms */
    make_all(KIND_INSTANCE, 1, 2 * HOUR, 0, false);
    sweep();
    assert_false(there(KIND_TOKEN, 0));
    assert_false(there(KIND_INSTANCE, 0));
    make_all(KIND_TOKEN, 1, 23 * HOUR, 0, false);
    make_all(KIND_INSTANCE, 1, HOUR / 2, 0, false);
    sweep();
    assert_true(there(KIND_TOKEN, 0));
    assert_true(there(KIND_INSTANCE, 0));
}

static void test_instances_in_use_stay(void **s) {
    make_all(KIND_INSTANCE, 3, 48 * HOUR, 0, true);
    sweep();
    assert_true(there(KIND_INSTANCE, 0) && there(KIND_INSTANCE, 2));
}

static void test_steps_repeat_until_nothing_is_left(void **s) {
    make_all(KIND_TOKEN, 2 * SWEEP_MAX + 10, 48 * HOUR, 0, false);
    make_all(KIND_INSTANCE, SWEEP_MAX, 48 * HOUR, 0, false);
    assert_in_range(sweep(), 4, 6);
    assert_int_equal(index_count(calls_index(), KIND_TOKEN), 0);
    assert_int_equal(index_count(calls_index(), KIND_INSTANCE), 0);
}

static void test_the_oldest_go_where_there_are_too_many(void **s) {
    make_all(KIND_INSTANCE, TERMINATED_MAX + 20, HOUR / 2, 0, false);
    make_all(KIND_TOKEN, TOKENS_MAX + 30, HOUR, 0, false);
    sweep();
    assert_int_equal(index_count(calls_index(), KIND_INSTANCE), TERMINATED_MAX);
    assert_false(there(KIND_INSTANCE, 19));
    assert_true(there(KIND_INSTANCE, 20));
    assert_int_equal(index_count(calls_index(), KIND_TOKEN), TOKENS_MAX);
    assert_false(there(KIND_TOKEN, 29));
    assert_true(there(KIND_TOKEN, 30));
}

static void test_the_oldest_go_where_they_are_too_large(void **s) {
    const int fit = SWEEP_BYTES_MAX / 500000;

    make_all(KIND_TOKEN, fit + 5, HOUR, 500000, false);
    sweep();
    assert_int_equal(index_count(calls_index(), KIND_TOKEN), fit);
    assert_false(there(KIND_TOKEN, 4));
    assert_true(there(KIND_TOKEN, 5));
}

static void test_litter_is_swept_without_waiting(void **s) {
    struct sweep *w = api_sweeper(calls_api());

    make_all(KIND_INSTANCE, TERMINATED_MAX + SWEEP_MAX + 20, HOUR / 2, 0, false);
    for (int i = 0; i < SWEEP_LITTER - 1; i++)
        sweep_litter(w, calls_scope.account, 0);
    sweep_due(w);
    wait_for_calls();
    assert_true(there(KIND_INSTANCE, 0)); /* its turn has not come */
    sweep_litter(w, calls_scope.account, 0);
    sweep_due(w);
    wait_for_calls(); /* more than one step deletes */
    assert_int_equal(index_count(calls_index(), KIND_INSTANCE), TERMINATED_MAX);
    assert_true(there(KIND_INSTANCE, TERMINATED_MAX + SWEEP_MAX + 19));
}

#define T(name) cmocka_unit_test_teardown(name, clean)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_times),
        T(test_instances_in_use_stay),
        T(test_steps_repeat_until_nothing_is_left),
        T(test_the_oldest_go_where_there_are_too_many),
        T(test_the_oldest_go_where_they_are_too_large),
        T(test_litter_is_swept_without_waiting),
    };

    return cmocka_run_group_tests_name("sweep", tests, calls_setup, calls_teardown);
}
