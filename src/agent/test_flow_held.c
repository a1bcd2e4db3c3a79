/* SPDX-License-Identifier: Apache-2.0 */
/* The file that outlives the agent: what one left, the next one tells, and no more than that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/flow_held.h"

static char path[64], told[4096];

static void note(const char *id, unsigned pace, int64_t since, void *arg) {
    size_t n = strlen(told);

    snprintf(told + n, sizeof(told) - n, "%s/%u/%lld ", id ? id : "all", pace, (long long)since);
}

/* Another agent opens it; what it tells is in `told`. */
static struct flow_held *next_agent(struct flow_held *before) {
    struct flow_held *h;

    flow_held_close(before); /* nothing more than a death would do */
    assert_int_equal(flow_held_open(path, &h), 0);
    told[0] = 0;
    flow_held_cut(h, note, NULL);
    return h;
}

static int setup(void **state) {
    int fd;

    strcpy(path, "/tmp/flow-held-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0 && close(fd) == 0);
    return 0;
}

static int teardown(void **state) {
    return unlink(path);
}

static void test_deaths(void **state) {
    struct flow_held *h = next_agent(NULL);

    assert_string_equal(told, "");
    assert_int_equal(flow_held_set(h, "eni-1", 0, 100), 0);
    assert_int_equal(flow_held_set(h, "eni-1", 1, 90), 0);
    assert_int_equal(flow_held_set(h, "eni-2", 0, 110), 0);
    assert_int_equal(flow_held_set(h, "eni-2", 0, 0), 0);
    assert_int_equal(flow_held_set(h, "eni-3", 1, 120), 0);
    h = next_agent(h);
    assert_string_equal(told, "eni-1/0/100 eni-1/1/90 eni-3/1/120 ");
    /* It dies before it could tell of eni-3; eni-1's fast logs were told. */
    assert_int_equal(flow_held_set(h, "eni-1", 0, 100), 0);
    assert_int_equal(flow_held_set(h, "eni-1", 0, 0), 0);
    h = next_agent(h);
    assert_string_equal(told, "eni-1/1/90 eni-3/1/120 ");
    flow_held_tidy(h); /* nobody knows them any more */
    h = next_agent(h);
    assert_string_equal(told, "");
    flow_held_close(h);
}

static void test_death_in_a_read(void **state) {
    struct flow_held *h = next_agent(NULL);

    flow_held_read_begins(h);
    flow_held_read_done(h, 500);
    h = next_agent(h);
    assert_string_equal(told, "");
    flow_held_read_begins(h);
    h = next_agent(h);
    assert_string_equal(told, "all/0/500 all/1/500 ");
    flow_held_close(h);
}

static void test_many(void **state) {
    struct flow_held *h = next_agent(NULL);
    char id[32];

    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 5000; i++) {
            snprintf(id, sizeof(id), "eni-%d", i);
            assert_int_equal(flow_held_set(h, id, 0, 1 + i), 0);
        }
        for (int i = 0; i < 5000; i++) {
            snprintf(id, sizeof(id), "eni-%d", i);
            if (i != 4321 || round == 0)
                assert_int_equal(flow_held_set(h, id, 0, 0), 0);
        }
    }
    h = next_agent(h);
    assert_string_equal(told, "eni-4321/0/4322 ");
    flow_held_close(h);
}

static void test_not_ours(void **state) {
    FILE *f = fopen(path, "w");
    struct flow_held *h;

    assert_non_null(f);
    for (int i = 0; i < 100000; i++)
        fputc('x', f);
    assert_int_equal(fclose(f), 0);
    h = next_agent(NULL);
    assert_string_equal(told, "");
    flow_held_close(h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_deaths, setup, teardown),
        cmocka_unit_test_setup_teardown(test_death_in_a_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_ours, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
