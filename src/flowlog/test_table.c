/* SPDX-License-Identifier: Apache-2.0 */
/* The table against a list that is searched from its beginning: random records, few keys and many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "flowlog/table.h"

#define ROUNDS 20
#define RECORDS 3000

static unsigned seed;

static struct flowlog_record record(unsigned keys) {
    unsigned which = (unsigned)rand() % keys;
    struct flowlog_record r = {.key = {.family = 4,
                                       .protocol = 17,
                                       .action = (uint8_t)(1 + which % 2),
                                       .egress = which % 3 == 0,
                                       .sport = (uint16_t)(which / 7),
                                       .dport = 53},
                               .packets = 1 + (unsigned)rand() % 5,
                               .bytes = (unsigned)rand() % 9000,
                               .first_ns = (unsigned)rand(),
                               .tcp_flags = (uint8_t)(1u << rand() % 5),
                               .path = (uint8_t)(rand() % 9)};

    r.key.src.w[0] = which;
    r.last_ns = r.first_ns + (unsigned)rand() % 1000;
    return r;
}

static void naive_add(struct flowlog_record *list, unsigned *n, const struct flowlog_record *r) {
    unsigned i = 0;

    while (i < *n && memcmp(&list[i].key, &r->key, sizeof(r->key)) != 0)
        i++;
    if (i == *n) {
        list[(*n)++] = *r;
        return;
    }
    list[i].packets += r->packets;
    list[i].bytes += r->bytes;
    list[i].tcp_flags |= r->tcp_flags;
    if (r->first_ns < list[i].first_ns)
        list[i].first_ns = r->first_ns;
    if (r->last_ns >= list[i].last_ns) {
        list[i].last_ns = r->last_ns;
        list[i].path = r->path;
    }
}

static void test_twin(void **state) {
    static struct flowlog_record list[RECORDS];
    struct flowlog_table t = {0};

    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned n = 0, keys = round % 2 ? 50 : 100000, before;

        for (unsigned i = 0; i < RECORDS; i++) {
            struct flowlog_record r = record(keys);

            before = n;
            naive_add(list, &n, &r);
            assert_int_equal(flowlog_table_add(&t, seed, &r), n - before);
        }
        assert_int_equal(t.n, n);
        assert_memory_equal(t.records, list, n * sizeof(*list));
        flowlog_table_reset(&t, round % 3 ? n : 0);
        assert_int_equal(t.n, 0);
    }
    flowlog_table_free(&t);
    assert_int_equal(flowlog_table_bytes(&t), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_twin)};
    const char *given = getenv("SEED");

    seed = given ? (unsigned)atoi(given) : (unsigned)time(NULL);
    printf("SEED=%u\n", seed);
    srand(seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
