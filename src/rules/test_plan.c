/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The planner. Its twin is a full rebuild: whatever random changes a random world goes through, the
 * maps hold what a planner that starts on the present world would write. Besides, each operation is
 * watched while it is carried out, for what plan.c promises of the order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "model/account.h"
#include "model/network_interface.h"
#include "model/security_group.h"
#include "rules/test_maps.h"
#include "rules/test_world.h"

static uint64_t seed;

/* The entries under a table number, as if it were 0. */
static struct entries content(const struct test_maps *m, uint32_t table) {
    struct entries es = ENTRIES_INIT;

    for (size_t i = 0; i < m->all.n; i++) {
        struct entry e = m->all.e[i];

        if (entry_map_info(e.map)->direct || entry_table(&e) != table)
            continue;
        entry_set_table(&e, 0);
        entries_add(&es, e.map, e.key, e.value);
    }
    entries_sort(&es);
    return es;
}

static bool same_content(const struct test_maps *a, uint32_t ta, const struct test_maps *b,
                         uint32_t tb) {
    _entries_ struct entries x = content(a, ta), y = content(b, tb);

    return !ta == !tb && entries_equal(&x, &y);
}

/* The same value, but for the numbers of tables, which must have the same content. */
static bool same_value(const struct test_maps *a, const struct entry *e, const struct test_maps *b,
                       const void *other) {
    struct eni_value x, y;
    struct subnet_value s, t;

    switch (e->map) {
    case ENTRY_VPCS:
        return true;
    case ENTRY_ENIS:
        memcpy(&x, e->value, sizeof(x));
        memcpy(&y, other, sizeof(y));
        if (!same_content(a, x.sg_table, b, y.sg_table))
            return false;
        x.sg_table = y.sg_table;
        return memcmp(&x, &y, sizeof(x)) == 0;
    case ENTRY_SUBNETS:
        memcpy(&s, e->value, sizeof(s));
        memcpy(&t, other, sizeof(t));
        if (!same_content(a, s.route_table, b, t.route_table) ||
            !same_content(a, s.acl_in, b, t.acl_in) || !same_content(a, s.acl_out, b, t.acl_out))
            return false;
        s.route_table = t.route_table;
        s.acl_in = t.acl_in;
        s.acl_out = t.acl_out;
        return memcmp(&s, &t, sizeof(s)) == 0;
    case ENTRY_EDGES: /* a table's number and nothing else */
        return same_content(a, *(const uint32_t *)(const void *)e->value, b,
                            *(const uint32_t *)other);
    default:
        return memcmp(e->value, other, entry_map_info(e->map)->value_len) == 0;
    }
}

static bool same_maps(const struct test_maps *a, const struct test_maps *b) {
    size_t count[2][ENTRY_MAPS] = {0};

    for (size_t i = 0; i < a->all.n; i++)
        count[0][a->all.e[i].map]++;
    for (size_t i = 0; i < b->all.n; i++)
        count[1][b->all.e[i].map]++;
    for (int map = 0; map < ENTRY_MAPS; map++) {
        if (count[0][map] != count[1][map]) {
            printf("%s: %zu entries, and %zu in the twin\n", entry_map_info(map)->name,
                   count[0][map], count[1][map]);
            return false;
        }
    }
    for (size_t i = 0; i < a->all.n; i++) {
        const struct entry *e = &a->all.e[i];
        const void *other;

        if (!entry_map_info(e->map)->direct)
            continue;
        other = test_maps_find(b, e->map, e->key);
        if (!other || !same_value(a, e, b, other)) {
            printf("%s: an entry %s\n", entry_map_info(e->map)->name,
                   other ? "differs" : "is not in the twin");
            return false;
        }
    }
    return true;
}

/* What is seen of one list of operations. */
struct watched {
    int step;                       /* of plan.c's list */
    struct entries named;           /* table numbers that an entry names */
    struct entries net, sg, bumped; /* VPCs: something changed; their generations did */
};

static void note(struct entries *es, uint32_t number) {
    uint8_t key[ENTRY_KEY_MAX] = {0};

    memcpy(key, &number, sizeof(number));
    entries_add(es, ENTRY_ENIS, key, (uint8_t[ENTRY_VALUE_MAX]){0});
}

static bool noted(const struct entries *es, uint32_t number) {
    for (size_t i = 0; i < es->n; i++)
        if (memcmp(es->e[i].key, &number, sizeof(number)) == 0)
            return true;
    return false;
}

static uint32_t u32_at(const void *p, size_t offset) {
    uint32_t v;

    memcpy(&v, (const char *)p + offset, sizeof(v));
    return v;
}

/* The VPC in whose traffic the entry counts. */
static uint32_t vpc_of(const struct test_maps *m, const struct plan_op *op, const void *value) {
    switch (op->map) {
    case ENTRY_ADDRS:
        return u32_at(op->key, offsetof(struct addr_key, vpc));
    case ENTRY_ENIS:
        return u32_at(value, offsetof(struct eni_value, vpc));
    case ENTRY_SUBNETS:
        return u32_at(value, offsetof(struct subnet_value, vpc));
    case ENTRY_EDGES: /* what its subnet says of the VPC */
        value = test_maps_find(m, ENTRY_SUBNETS, op->key);
        return value ? u32_at(value, offsetof(struct subnet_value, vpc)) : 0;
    default:
        return u32_at(value, offsetof(struct public_value, vpc));
    }
}

static void watch_change(struct watched *w, const struct test_maps *m, const struct plan_op *op,
                         const void *before) {
    const void *after = op->kind == PLAN_PUT ? op->value : NULL;

    if (before)
        note(&w->net, vpc_of(m, op, before));
    if (after)
        note(&w->net, vpc_of(m, op, after));
    if (op->map != ENTRY_ENIS)
        return;
    if (!before || !after)
        note(&w->sg, vpc_of(m, op, before ? before : after));
    else if (u32_at(before, offsetof(struct eni_value, sg_table)) !=
             u32_at(after, offsetof(struct eni_value, sg_table)))
        note(&w->sg, vpc_of(m, op, after));
}

static void watch(struct test_maps *m, const struct plan_op *op) {
    struct watched *w = m->watch_data;
    bool direct = entry_map_info(op->map)->direct;
    const void *before =
        op->key && op->kind != PLAN_DROP_LATER ? test_maps_find(m, op->map, op->key) : NULL;
    int step;

    if (op->kind == PLAN_DROP_LATER || op->kind == PLAN_SWEEP_LATER) {
        step = 6;
        assert_false(direct);
    } else if (op->map == ENTRY_VPCS) {
        step = 5;
        if (op->kind == PLAN_PUT)
            note(&w->bumped, u32_at(op->key, 0));
        if (op->kind == PLAN_PUT && before)
            assert_memory_not_equal(before, op->value, sizeof(struct vpc_value));
    } else if (!direct) {
        step = 1;
        assert_int_equal(op->kind, PLAN_PUT);
        /* Invisible: nobody named the number yet, in this list or before. */
        assert_false(noted(&w->named, u32_at(op->key, entry_map_info(op->map)->table_at)));
    } else if (op->kind == PLAN_DELETE) {
        step = op->map == ENTRY_ADDRS || op->map == ENTRY_PUBLICS ? 2 : 4;
        assert_non_null(before);
    } else {
        step = op->kind == PLAN_PUT ? 3 : 4;
    }
    assert_true(step >= w->step);
    w->step = step;
    if (!direct || op->map == ENTRY_VPCS || !op->key)
        return;
    if (op->kind == PLAN_PUT && before)
        assert_memory_not_equal(before, op->value, entry_map_info(op->map)->value_len);
    watch_change(w, m, op, before);
    if (op->kind == PLAN_PUT && op->map == ENTRY_ENIS)
        note(&w->named, u32_at(op->value, offsetof(struct eni_value, sg_table)));
    if (op->kind == PLAN_PUT && op->map == ENTRY_EDGES)
        note(&w->named, u32_at(op->value, 0));
    if (op->kind == PLAN_PUT && op->map == ENTRY_SUBNETS) {
        note(&w->named, u32_at(op->value, offsetof(struct subnet_value, route_table)));
        note(&w->named, u32_at(op->value, offsetof(struct subnet_value, acl_in)));
        note(&w->named, u32_at(op->value, offsetof(struct subnet_value, acl_out)));
    }
}

/* All changes of the world, in an order of their own. */
static void apply(struct world *w, struct test_maps *m) {
    struct watched seen = {0};

    for (size_t i = 0; i < w->n_changes; i++)
        assert_int_equal(plan_change(m->plan, w->ix, w->changes[i].old, w->changes[i].new), 0);
    m->watch = watch;
    m->watch_data = &seen;
    assert_int_equal(plan_flush(m->plan, w->ix, test_maps_emit, m), 0);
    m->watch = NULL;
    m->watch_data = NULL;
    for (size_t i = 0; i < seen.net.n; i++) {
        uint32_t vpc = u32_at(seen.net.e[i].key, 0);

        assert_true(noted(&seen.bumped, vpc) || !test_maps_find(m, ENTRY_VPCS, &vpc));
    }
    entries_free(&seen.named);
    entries_free(&seen.net);
    entries_free(&seen.sg);
    entries_free(&seen.bumped);
    world_settle(w);
}

static int add_put(void *data, const struct plan_op *op) {
    entries_add(data, op->map, op->key, op->value);
    return 0;
}

/* plan_each() and plan_owns() tell what is in the maps. */
static void check_memory(const struct test_maps *m) {
    static const uint8_t any[ENTRY_VALUE_MAX];
    _entries_ struct entries said = ENTRIES_INIT, there = ENTRIES_INIT;

    assert_int_equal(plan_each(m->plan, add_put, &said), 0);
    for (size_t i = 0; i < said.n; i++)
        if (said.e[i].map == ENTRY_VPCS)
            memset(said.e[i].value, 0, sizeof(said.e[i].value));
    for (size_t i = 0; i < m->all.n; i++) {
        bool vpc = m->all.e[i].map == ENTRY_VPCS;

        entries_add(&there, m->all.e[i].map, m->all.e[i].key, vpc ? any : m->all.e[i].value);
        assert_true(plan_owns(m->plan, m->all.e[i].map, m->all.e[i].key));
    }
    entries_sort(&said);
    entries_sort(&there);
    assert_true(entries_equal(&said, &there));
}

static void check_twin(struct world *w, struct test_maps *m) {
    struct test_maps twin;
    bool same;

    test_maps_grace(m);
    test_maps_init(&twin, m->numbers);
    assert_int_equal(plan_full(twin.plan, w->ix, test_maps_emit, &twin), 0);
    test_maps_grace(&twin);
    same = same_maps(m, &twin);
    if (!same)
        world_print(w);
    assert_true(same);
    test_maps_free(&twin);
    check_memory(m);
}

static int fail_at(void *data, const struct plan_op *op) {
    struct test_maps *m = data;

    return m->n_ops == 5 ? -5 /* EIO */ : test_maps_emit(data, op);
}

/* Others add to generations too: attaching a device does. */
static void add_generations(struct world *w, struct test_maps *m) {
    for (size_t i = 0; i < m->all.n; i++) {
        struct vpc_value v;

        if (m->all.e[i].map != ENTRY_VPCS || world_chance(w, 50))
            continue;
        memcpy(&v, m->all.e[i].value, sizeof(v));
        v.gen_net++;
        memcpy(m->all.e[i].value, &v, sizeof(v));
    }
}

static void one_world(uint64_t world_seed_) {
    struct test_numbers numbers = {0};
    struct test_maps m;
    struct world w;

    world_make(&w, world_seed_);
    test_maps_init(&m, &numbers);
    assert_int_equal(plan_flush(m.plan, w.ix, test_maps_emit, &m), -116 /* ESTALE */);
    assert_int_equal(plan_full(m.plan, w.ix, test_maps_emit, &m), 0);
    check_twin(&w, &m);
    for (int round = 0; round < 12; round++) {
        uint32_t n = 1 + world_random(&w, 4);
        int r;

        while (n--)
            world_mutate(&w);
        add_generations(&w, &m);
        switch (world_random(&w, 8)) {
        case 0: /* the agent starts anew on maps that others filled */
            world_settle(&w);
            test_maps_restart(&m);
            assert_int_equal(plan_full(m.plan, w.ix, test_maps_emit, &m), 0);
            break;
        case 1: /* an operation fails */
            for (size_t i = 0; i < w.n_changes; i++)
                plan_change(m.plan, w.ix, w.changes[i].old, w.changes[i].new);
            m.n_ops = 0;
            r = plan_flush(m.plan, w.ix, fail_at, &m);
            if (r < 0) {
                assert_int_equal(r, -5);
                assert_int_equal(plan_flush(m.plan, w.ix, test_maps_emit, &m), -116);
                assert_int_equal(plan_full(m.plan, w.ix, test_maps_emit, &m), 0);
            }
            world_settle(&w);
            break;
        default:
            apply(&w, &m);
            break;
        }
        check_twin(&w, &m);
    }
    m.n_ops = 0;
    assert_int_equal(plan_flush(m.plan, w.ix, test_maps_emit, &m), 0);
    assert_int_equal(m.n_ops, 0); /* nothing changed */
    test_maps_free(&m);
    test_numbers_free(&numbers);
    world_free(&w);
}

static void test_twin(void **state) {
    int worlds = getenv("TEST_WORLDS") ? atoi(getenv("TEST_WORLDS")) : 60;

    for (int i = 0; i < worlds; i++)
        one_world(seed + (uint64_t)i);
}

/* A set with more rules than the data plane holds allows nothing, and says so. */
static int problems;

static void count_problem(void *data, const struct obj *o, int error, const char *what) {
    assert_int_equal(o->kind, KIND_SGSET);
    assert_int_equal(error, -7 /* E2BIG */);
    problems++;
}

static int number_one(void *data, enum number_kind kind, const char *id, uint32_t *ret) {
    *ret = 1;
    return 0;
}

static int table_next(void *data, uint32_t *ret) {
    static uint32_t last;

    *ret = ++last;
    return 0;
}

static int count_put(void *data, const struct plan_op *op) {
    *(int *)data += op->kind == PLAN_PUT && op->map <= ENTRY_RULE_SETS;
    return 0;
}

static void test_too_many(void **state) {
    const struct plan_callbacks callbacks = {
        .number_of = number_one, .table_new = table_next, .problem = count_problem};
    struct plan *p = plan_new(&callbacks);
    struct index *ix = index_new();
    struct scope scope = {.account = 1, .region = 1};
    struct security_group *g = obj_new(KIND_SECURITY_GROUP, scope, "sg-1");
    char id[ID_MAX + 1];
    struct sgset *s = obj_new(KIND_SGSET, scope, sgset_id("vpc-1", 1, id));
    struct network_interface *eni = obj_new(KIND_NETWORK_INTERFACE, scope, "eni-1");
    int puts = 0;

    for (uint32_t i = 0; i < RULE_BITS; i++) {
        struct sg_rule *r = list_add(&g->rules, sizeof(*r));

        r->protocol = 6;
        r->from = r->to = i;
        r->cidr = (struct cidr){.ip = ip_v4(i << 16), .len = 16};
    }
    str_set(&s->vpc_id, "vpc-1");
    s->number = 1;
    strs_add(&s->groups, "sg-1");
    str_set(&eni->vpc_id, "vpc-1");
    str_set(&eni->subnet_id, "subnet-1");
    str_set(&eni->instance_id, "i-1");
    eni->sgset = 1;
    strs_add(&eni->groups, "sg-1");
    index_put(ix, s, NULL);
    index_put(ix, g, NULL);
    index_put(ix, eni, NULL);
    assert_int_equal(plan_full(p, ix, count_put, &puts), 0);
    assert_int_equal(problems, 0);
    assert_true(puts > 2 * RULE_BITS);

    struct security_group *more = obj_clone(g);
    struct sg_rule *r = list_add(&more->rules, sizeof(*r));

    r->protocol = -1;
    r->from = r->to = -1;
    r->cidr = (struct cidr){.ip = ip_v4(0)};
    index_put(ix, more, NULL);
    puts = 0;
    assert_int_equal(plan_change(p, ix, &g->o, &more->o), 0);
    assert_int_equal(plan_flush(p, ix, count_put, &puts), 0);
    assert_int_equal(problems, 1);
    assert_int_equal(puts, 0);
    obj_unref(g);
    obj_unref(more);
    obj_unref(s);
    obj_unref(eni);
    index_free(ix);
    plan_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_twin),
                                       cmocka_unit_test(test_too_many)};

    seed = world_seed("plan");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
