/* SPDX-License-Identifier: Apache-2.0 */
/* The token buckets of accounts, at times that the test says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api/throttle.h"

#define MS UINT64_C(1000000)
#define S (1000 * MS)

/* How many tokens there are at once. */
static int count(struct throttle *t, uint64_t account, uint64_t now) {
    int n = 0;

    while (n < 1000 && throttle_take(t, account, now))
        n++;
    return n;
}

static void tokens_come_with_time(void **state) {
    struct throttle *t = throttle_new(10, 20);

    assert_int_equal(count(t, 1, 0), 20);
    assert_int_equal(count(t, 2, 0), 20);
    assert_int_equal(count(t, 1, S), 10);
    assert_int_equal(count(t, 1, 100 * S), 20);
    throttle_free(t);
}

static void no_limit(void **state) {
    struct throttle *t = throttle_new(0, 0);

    assert_int_equal(count(t, 1, 0), 1000);
    throttle_charge(t, 1, 100 * S);
    assert_int_equal(count(t, 1, 0), 1000);
    throttle_free(t);
}

static void long_calls_cost_more(void **state) {
    struct throttle *t = throttle_new(100, 100);

    assert_true(throttle_take(t, 1, 0));
    throttle_charge(t, 1, CALL_FREE_NS);
    assert_int_equal(count(t, 1, 0), 99);
    /* 100 ms, twice as many tokens as come in that time. */
    assert_true(throttle_take(t, 1, S));
    throttle_charge(t, 1, CALL_FREE_NS + 100 * MS);
    assert_int_equal(count(t, 1, S), 79);
    /* The debt has a bound, and is paid by waiting. */
    throttle_charge(t, 1, 1000 * S);
    assert_int_equal(count(t, 1, S + S), 0);
    assert_int_equal(count(t, 1, 2 * S + 500 * MS), 50);
    /* Nobody else pays. */
    assert_int_equal(count(t, 2, S), 100);
    throttle_charge(t, 3, 1000 * S);
    assert_int_equal(count(t, 3, S), 100);
    throttle_free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_come_with_time),
        cmocka_unit_test(no_limit),
        cmocka_unit_test(long_calls_cost_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
