/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/test_maps.h"
#include "rules/test_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void test_numbers_free(struct test_numbers *n) {
    free(n->things);
    *n = (struct test_numbers){0};
}

uint32_t test_number(struct test_numbers *n, enum number_kind kind, const char *id) {
    for (uint32_t i = 0; i < n->n; i++)
        if (n->things[i].kind == kind && strcmp(n->things[i].id, id) == 0)
            return i + 1;
    if (n->n == n->cap) {
        n->cap = n->cap ? n->cap * 2 : 64;
        n->things = reallocarray(n->things, n->cap, sizeof(*n->things));
        if (!n->things)
            abort();
    }
    n->things[n->n].kind = kind;
    snprintf(n->things[n->n].id, sizeof(n->things[n->n].id), "%s", id);
    return ++n->n;
}

static int number_of(void *data, enum number_kind kind, const char *id, uint32_t *ret) {
    *ret = test_number(((struct test_maps *)data)->numbers, kind, id);
    return 0;
}

static int table_new(void *data, uint32_t *ret) {
    *ret = ++((struct test_maps *)data)->numbers->last_table;
    return 0;
}

static struct vpc_value vpc_now(void *data, uint32_t vpc) {
    const struct vpc_value *v = test_maps_find(data, ENTRY_VPCS, &vpc);

    return v ? *v : (struct vpc_value){0};
}

static int each(void *data, enum entry_map map,
                int (*fn)(const void *key, const void *value, void *arg), void *arg) {
    const struct test_maps *m = data;
    int r = 0;

    for (size_t i = 0; i < m->all.n && r == 0; i++)
        if (m->all.e[i].map == map)
            r = fn(m->all.e[i].key, m->all.e[i].value, arg);
    return r;
}

static int get(void *data, enum entry_map map, const void *key, void *ret_value) {
    const void *value = test_maps_find(data, map, key);

    if (!value)
        return -ENOENT;
    memcpy(ret_value, value, entry_map_info(map)->value_len);
    return 0;
}

static void problem(void *data, const struct obj *o, int error, const char *what) {
    struct test_maps *m = data;

    m->n_problems++;
    m->problem = error;
}

void test_maps_init(struct test_maps *m, struct test_numbers *numbers) {
    *m = (struct test_maps){.numbers = numbers};
    test_maps_restart(m);
}

void test_maps_restart(struct test_maps *m) {
    const struct plan_callbacks callbacks = {.number_of = number_of,
                                             .table_new = table_new,
                                             .vpc_now = vpc_now,
                                             .on_host = world_on_host,
                                             .each = each,
                                             .get = get,
                                             .problem = problem,
                                             .account_entries = m->account_entries,
                                             .data = m};

    plan_free(m->plan);
    entries_free(&m->later);
    m->plan = plan_new(&callbacks);
    if (!m->plan)
        abort();
}

void test_maps_free(struct test_maps *m) {
    plan_free(m->plan);
    entries_free(&m->all);
    entries_free(&m->later);
}

static struct entry *find(const struct test_maps *m, enum entry_map map, const void *key) {
    for (size_t i = 0; i < m->all.n; i++)
        if (m->all.e[i].map == map &&
            memcmp(m->all.e[i].key, key, entry_map_info(map)->key_len) == 0)
            return &m->all.e[i];
    return NULL;
}

const void *test_maps_find(const struct test_maps *m, enum entry_map map, const void *key) {
    struct entry *e = find(m, map, key);

    return e ? e->value : NULL;
}

size_t test_maps_count(const struct test_maps *m, enum entry_map map) {
    size_t n = 0;

    for (size_t i = 0; i < m->all.n; i++)
        n += m->all.e[i].map == map;
    return n;
}

static bool bits_match(const uint8_t *a, const uint8_t *b, uint32_t bits) {
    for (uint32_t i = 0; i < bits; i++)
        if ((a[i / 8] ^ b[i / 8]) >> (7 - i % 8) & 1)
            return false;
    return true;
}

const void *test_maps_longest(const struct test_maps *m, enum entry_map map, const void *key) {
    const struct entry *best = NULL;
    uint32_t want, have, best_len = 0;

    memcpy(&want, key, sizeof(want));
    for (size_t i = 0; i < m->all.n; i++) {
        const struct entry *e = &m->all.e[i];

        memcpy(&have, e->key, sizeof(have));
        if (e->map != map || have > want || (best && have <= best_len) ||
            !bits_match(e->key + sizeof(have), (const uint8_t *)key + sizeof(have), have))
            continue;
        best = e;
        best_len = have;
    }
    return best ? best->value : NULL;
}

static void drop(struct test_maps *m, struct entry *e) {
    if (e)
        *e = m->all.e[--m->all.n];
}

static void sweep(struct test_maps *m, enum entry_map map) {
    for (size_t i = 0; i < m->all.n;) {
        if (m->all.e[i].map == map && !plan_owns(m->plan, map, m->all.e[i].key))
            drop(m, &m->all.e[i]);
        else
            i++;
    }
}

int test_maps_emit(void *data, const struct plan_op *op) {
    struct test_maps *m = data;
    static const uint8_t none[ENTRY_KEY_MAX];
    uint8_t number[ENTRY_KEY_MAX] = {0};
    struct entry *e;

    if (m->watch)
        m->watch(m, op);
    m->n_ops++;
    switch (op->kind) {
    case PLAN_PUT:
        /* Nothing under a table's number is put twice; test_plan would see it. */
        e = entry_map_info(op->map)->direct ? find(m, op->map, op->key) : NULL;
        m->puts[op->map]++;
        if (e)
            memcpy(e->value, op->value, entry_map_info(op->map)->value_len);
        else if (m->capacity[op->map] && test_maps_count(m, op->map) >= m->capacity[op->map])
            return -ENOSPC;
        else
            entries_add(&m->all, op->map, op->key, op->value);
        return 0;
    case PLAN_DELETE:
        drop(m, find(m, op->map, op->key));
        return 0;
    case PLAN_DROP_LATER:
        memcpy(number, op->key, sizeof(uint32_t));
        entries_add(&m->later, op->map, number, (uint8_t[ENTRY_VALUE_MAX]){1});
        return 0;
    case PLAN_SWEEP:
        sweep(m, op->map);
        return 0;
    case PLAN_SWEEP_LATER:
        entries_add(&m->later, op->map, none, (uint8_t[ENTRY_VALUE_MAX]){0});
        return 0;
    }
    return -1;
}

static uint32_t entry_number(const struct entry *e) {
    uint32_t table;

    memcpy(&table, e->key, sizeof(table));
    return table;
}

void test_maps_grace(struct test_maps *m) {
    for (size_t i = 0; i < m->later.n; i++) {
        const struct entry *e = &m->later.e[i];

        if (e->value[0])
            plan_drop(m->plan, entry_number(e), test_maps_emit, m);
        else
            sweep(m, e->map);
    }
    entries_free(&m->later);
}
