/* SPDX-License-Identifier: Apache-2.0 */
/* What the compiler cannot check of the ABI: each drop reason is told, once, in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "abi/maps.h"

struct row {
    int number;
    const char *name, *sentence;
};
static const struct row rows[] = {
#define ROW(number, symbol, name, sentence) {number, name, sentence},
    DROP_REASONS(ROW)
#undef ROW
};

static void test_drop_reasons(void **state) {
    assert_int_equal(sizeof rows / sizeof rows[0], DROP_COUNT);
    for (int i = 0; i < DROP_COUNT; i++) {
        assert_int_equal(rows[i].number, i);
        size_t len = strlen(rows[i].sentence);
        assert_true(len > 10 && rows[i].sentence[len - 1] == '.');
        for (int j = 0; j < i; j++)
            assert_string_not_equal(rows[i].name, rows[j].name);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_drop_reasons)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
