/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data plane's maps as tests hold them: a plain array, searched from its beginning, and the
 * numbers that the agent would keep. Longest-prefix lookups look at every entry.
 */
#ifndef VPCD_RULES_TEST_MAPS_H
#define VPCD_RULES_TEST_MAPS_H

#include "rules/plan.h"

struct test_number {
    enum number_kind kind;
    char id[64];
};

/* The number of things[i] is i + 1. */
struct test_numbers {
    struct test_number *things;
    uint32_t n, cap;
    uint32_t last_table;
};

struct test_maps {
    struct test_numbers *numbers;
    struct entries all;
    struct plan *plan; /* of test_plan_new() */
    struct entries later;
    size_t n_ops;
    size_t capacity[ENTRY_MAPS]; /* 0: without end */
    size_t puts[ENTRY_MAPS];
    size_t account_entries; /* as in plan_callbacks; for test_maps_restart() */
    size_t n_problems;
    int problem; /* the last one */
    /* When set, called before each operation is carried out. */
    void (*watch)(struct test_maps *m, const struct plan_op *op);
    void *watch_data;
};

void test_numbers_free(struct test_numbers *n);
uint32_t test_number(struct test_numbers *n, enum number_kind kind, const char *id);

/* A planner for these maps; `m->plan` is it. */
void test_maps_init(struct test_maps *m, struct test_numbers *numbers);
void test_maps_restart(struct test_maps *m); /* another planner, the same content */
void test_maps_free(struct test_maps *m);

/* Carries operations out; data is a struct test_maps. Delayed ones wait for test_maps_grace(). */
int test_maps_emit(void *data, const struct plan_op *op);
void test_maps_grace(struct test_maps *m);

size_t test_maps_count(const struct test_maps *m, enum entry_map map);
const void *test_maps_find(const struct test_maps *m, enum entry_map map, const void *key);
/* The longest prefix that matches; the key's first member is its length, of the bits behind it. */
const void *test_maps_longest(const struct test_maps *m, enum entry_map map, const void *key);

#endif
