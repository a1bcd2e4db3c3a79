/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The planner when the maps are full. Tenants are accounts 1, 2...: each has a VPC with one group,
 * one set and one interface that runs, and as many rules as the test wants: rule n is TCP port 2n,
 * one entry of rule_ports each.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "base/cleanup.h"
#include "model/account.h"
#include "model/network_interface.h"
#include "model/route_table.h"
#include "model/security_group.h"
#include "model/vpc.h"
#include "rules/test_maps.h"

struct town {
    struct index *ix;
    struct test_numbers numbers;
    struct test_maps m;
};

static struct scope scope_of(unsigned tenant) {
    return (struct scope){.account = tenant, .region = 1};
}

static const char *name(const char *what, unsigned tenant) {
    static char names[8][64];
    static unsigned next;
    char *n = names[next++ % ARRAY_SIZE(names)];

    snprintf(n, sizeof(names[0]), "%s-%u", what, tenant);
    return n;
}

/* Puts the object, telling the planner. */
static void put(struct town *t, void *obj) {
    struct obj *o = obj;
    void *old = NULL;

    assert_int_equal(index_put(t->ix, o, &old), 0);
    assert_int_equal(plan_change(t->m.plan, t->ix, old, o), 0);
    obj_unref(old);
    obj_unref(o);
}

/* The tenant's rules are `n` ports, beginning with `first`. */
static void rules(struct town *t, unsigned tenant, unsigned first, unsigned n) {
    struct security_group *g = obj_new(KIND_SECURITY_GROUP, scope_of(tenant), name("sg", tenant));

    str_set(&g->vpc_id, name("vpc", tenant));
    for (unsigned i = 0; i < n; i++) {
        struct sg_rule *r = list_add(&g->rules, sizeof(*r));

        r->protocol = 6;
        r->from = r->to = 2 * (first + i);
        r->cidr = (struct cidr){.ip = ip_v4(0x0a000000), .len = 8};
    }
    put(t, g);
}

static void plug(struct town *t, unsigned tenant, bool plugged) {
    struct network_interface *eni =
        obj_new(KIND_NETWORK_INTERFACE, scope_of(tenant), name("eni", tenant));
    struct eni_address *a = list_add(&eni->addresses, sizeof(*a));

    a->ip = ip_v4(0x0a000005);
    a->primary = true;
    str_set(&eni->vpc_id, name("vpc", tenant));
    str_set(&eni->subnet_id, name("subnet", tenant));
    if (plugged)
        str_set(&eni->instance_id, name("i", tenant));
    eni->sgset = 1;
    strs_add(&eni->groups, name("sg", tenant));
    put(t, eni);
}

static void settle(struct town *t, unsigned tenant, unsigned n_rules, bool plugged) {
    struct vpc *v = obj_new(KIND_VPC, scope_of(tenant), name("vpc", tenant));
    struct subnet *s = obj_new(KIND_SUBNET, scope_of(tenant), name("subnet", tenant));
    struct route_table *rt = obj_new(KIND_ROUTE_TABLE, scope_of(tenant), name("rtb", tenant));
    struct route_association *main = list_add(&rt->associations, sizeof(*main));
    struct route *r = list_add(&rt->routes, sizeof(*r));
    char id[ID_MAX + 1];
    struct sgset *set = obj_new(KIND_SGSET, scope_of(tenant), sgset_id(name("vpc", tenant), 1, id));

    str_set(&s->vpc_id, v->o.id);
    s->cidr = (struct cidr){.ip = ip_v4(0x0a000000), .len = 24};
    str_set(&rt->vpc_id, v->o.id);
    main->main = true;
    r->cidr = (struct cidr){.ip = ip_v4(0x0a000000), .len = 16};
    str_set(&r->target, "local");
    str_set(&set->vpc_id, v->o.id);
    set->number = 1;
    strs_add(&set->groups, name("sg", tenant));
    put(t, v);
    put(t, s);
    put(t, rt);
    put(t, set);
    rules(t, tenant, 0, n_rules);
    plug(t, tenant, plugged);
}

static void town_make(struct town *t, size_t capacity, size_t account_entries) {
    *t = (struct town){.ix = index_new()};
    test_maps_init(&t->m, &t->numbers);
    t->m.capacity[ENTRY_RULE_PORTS] = capacity;
    t->m.account_entries = account_entries;
    test_maps_restart(&t->m);
    assert_int_equal(plan_full(t->m.plan, t->ix, test_maps_emit, &t->m), 0);
}

static void town_free(struct town *t) {
    test_maps_free(&t->m);
    test_numbers_free(&t->numbers);
    index_free(t->ix);
}

static void flush(struct town *t) {
    assert_int_equal(plan_flush(t->m.plan, t->ix, test_maps_emit, &t->m), 0);
}

static uint32_t table_of(const struct town *t, unsigned tenant) {
    struct eni_key key = {test_number((struct test_numbers *)(uintptr_t)&t->numbers, NUMBER_ENI,
                                      name("eni", tenant))};
    const struct eni_value *v = test_maps_find(&t->m, ENTRY_ENIS, &key);
    uint32_t table;

    assert_non_null(v);
    memcpy(&table, (const char *)v + offsetof(struct eni_value, sg_table), sizeof(table));
    return table;
}

/* How many ports the tenant's interface allows now. */
static size_t allowed(const struct town *t, unsigned tenant) {
    uint32_t table = table_of(t, tenant);
    size_t n = 0;

    for (size_t i = 0; table && i < t->m.all.n; i++) {
        const struct entry *e = &t->m.all.e[i];

        n += e->map == ENTRY_RULE_PORTS && entry_table(e) == table;
    }
    return n;
}

/* One tenant wants more than there is; the others do not notice. */
static void test_others_go_on(void **state) {
    struct town t;

    town_make(&t, 100, 0);
    settle(&t, 1, 10, true);
    settle(&t, 2, 200, true);
    settle(&t, 3, 10, true);
    flush(&t);
    assert_int_equal(allowed(&t, 1), 10);
    assert_int_equal(allowed(&t, 3), 10);
    assert_int_equal(table_of(&t, 2), 0);
    assert_int_equal(test_maps_count(&t.m, ENTRY_RULE_PORTS), 20); /* nothing half written stays */
    assert_int_equal(plan_lacking(t.m.plan), 1);
    assert_int_equal(t.m.n_problems, 1);
    assert_int_equal(t.m.problem, -ENOSPC);
    assert_int_equal(test_maps_count(&t.m, ENTRY_ADDRS), 3); /* it is there, and refuses */

    /* A revocation in the same list as another vain try. */
    rules(&t, 2, 0, 199);
    rules(&t, 1, 0, 9);
    flush(&t);
    assert_int_equal(allowed(&t, 1), 9);
    assert_int_equal(table_of(&t, 2), 0);
    assert_int_equal(t.m.n_problems, 1); /* told once */
    plug(&t, 3, false);
    flush(&t);
    assert_int_equal(test_maps_count(&t.m, ENTRY_ADDRS), 2);

    /* Room comes; the next try takes it. */
    test_maps_grace(&t.m);
    t.m.capacity[ENTRY_RULE_PORTS] = 250;
    assert_int_equal(plan_retry(t.m.plan), 1);
    flush(&t);
    assert_int_equal(allowed(&t, 2), 199);
    assert_int_equal(plan_lacking(t.m.plan), 0);
    assert_int_equal(plan_retry(t.m.plan), 0);
    town_free(&t);
}

/* What cannot get its new rules does not go on with the old, which may allow more. */
static void test_fails_closed(void **state) {
    struct town t;

    town_make(&t, 100, 0);
    settle(&t, 1, 60, true);
    flush(&t);
    assert_int_equal(allowed(&t, 1), 60);
    rules(&t, 1, 1, 59); /* port 0 is revoked; both versions do not fit */
    flush(&t);
    assert_int_equal(table_of(&t, 1), 0);
    assert_int_equal(plan_lacking(t.m.plan), 1);
    test_maps_grace(&t.m); /* the old one goes */
    assert_int_equal(test_maps_count(&t.m, ENTRY_RULE_PORTS), 0);
    assert_int_equal(plan_retry(t.m.plan), 1);
    flush(&t);
    assert_int_equal(allowed(&t, 1), 59);
    assert_int_equal(plan_lacking(t.m.plan), 0);
    /* A set that goes while it lacks room leaves nothing behind. */
    rules(&t, 1, 0, 200);
    flush(&t);
    assert_int_equal(plan_lacking(t.m.plan), 1);
    plug(&t, 1, false);
    flush(&t);
    assert_int_equal(plan_lacking(t.m.plan), 0);
    test_maps_grace(&t.m);
    assert_int_equal(test_maps_count(&t.m, ENTRY_RULE_PORTS), 0);
    town_free(&t);
}

/* An interface that is not plugged in costs nothing. */
static void test_unused(void **state) {
    struct town t;

    town_make(&t, 100, 0);
    settle(&t, 1, 10, false);
    flush(&t);
    for (int map = 0; map < ENTRY_VPCS; map++)
        assert_int_equal(test_maps_count(&t.m, (enum entry_map)map), 0);
    plug(&t, 1, true);
    flush(&t);
    assert_int_equal(allowed(&t, 1), 10);
    assert_int_equal(test_maps_count(&t.m, ENTRY_ROUTES), 1);
    assert_int_equal(test_maps_count(&t.m, ENTRY_SUBNETS), 1);
    plug(&t, 1, false);
    flush(&t);
    test_maps_grace(&t.m);
    for (int map = 0; map < ENTRY_VPCS; map++)
        assert_int_equal(test_maps_count(&t.m, (enum entry_map)map), 0);
    town_free(&t);
}

/* A new planner on full maps keeps the tables that are right, and replaces one that is not. */
static void test_restart(void **state) {
    uint32_t one, two;
    struct town t;

    town_make(&t, 100, 0);
    settle(&t, 1, 40, true);
    settle(&t, 2, 60, true);
    flush(&t);
    one = table_of(&t, 1);
    two = table_of(&t, 2);
    memset(t.m.puts, 0, sizeof(t.m.puts));
    test_maps_restart(&t.m);
    assert_int_equal(plan_full(t.m.plan, t.ix, test_maps_emit, &t.m), 0);
    assert_int_equal(t.m.puts[ENTRY_RULE_PORTS] + t.m.puts[ENTRY_ROUTES], 0);
    assert_int_equal(table_of(&t, 1), one);
    assert_int_equal(table_of(&t, 2), two);
    test_maps_grace(&t.m);
    assert_int_equal(allowed(&t, 1), 40);

    test_maps_restart(&t.m); /* the agent is away; meanwhile */
    rules(&t, 1, 1, 39);
    assert_int_equal(plan_full(t.m.plan, t.ix, test_maps_emit, &t.m), 0);
    assert_int_equal(table_of(&t, 1), 0);
    assert_int_equal(table_of(&t, 2), two);
    test_maps_grace(&t.m);
    assert_int_equal(plan_retry(t.m.plan), 1);
    flush(&t);
    assert_int_equal(allowed(&t, 1), 39);
    assert_int_equal(allowed(&t, 2), 60);
    town_free(&t);
}

/* An account takes its share and no more, its versions that wait for their end counted twice. */
static void test_share(void **state) {
    struct town t;

    town_make(&t, 0, 50);
    settle(&t, 1, 51, true);
    settle(&t, 2, 50, true);
    flush(&t);
    assert_int_equal(table_of(&t, 1), 0);
    assert_int_equal(t.m.problem, -EDQUOT);
    assert_int_equal(allowed(&t, 2), 50);
    assert_int_equal(plan_retry(t.m.plan), 0); /* in vain, as long as it wants this much */
    rules(&t, 2, 1, 50);
    flush(&t);
    assert_int_equal(allowed(&t, 2), 50);
    rules(&t, 2, 2, 50); /* a third version within the grace period of the first */
    flush(&t);
    assert_int_equal(table_of(&t, 2), 0);
    test_maps_grace(&t.m);
    assert_int_equal(plan_retry(t.m.plan), 1);
    rules(&t, 1, 0, 50);
    flush(&t);
    assert_int_equal(allowed(&t, 1), 50);
    assert_int_equal(allowed(&t, 2), 50);
    assert_int_equal(plan_lacking(t.m.plan), 0);
    town_free(&t);
}

/* An address that finds no room is nobody's until there is some. */
static void test_direct(void **state) {
    struct town t;

    town_make(&t, 0, 0);
    t.m.capacity[ENTRY_ADDRS] = 1;
    settle(&t, 1, 1, true);
    settle(&t, 2, 1, true);
    flush(&t);
    assert_int_equal(test_maps_count(&t.m, ENTRY_ADDRS), 1);
    assert_int_equal(test_maps_count(&t.m, ENTRY_ENIS), 2);
    assert_int_equal(plan_lacking(t.m.plan), 1);
    assert_int_equal(t.m.n_problems, 1);
    t.m.capacity[ENTRY_ADDRS] = 2;
    assert_int_equal(plan_retry(t.m.plan), 1);
    flush(&t);
    assert_int_equal(test_maps_count(&t.m, ENTRY_ADDRS), 2);
    assert_int_equal(plan_lacking(t.m.plan), 0);
    town_free(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_others_go_on), cmocka_unit_test(test_fails_closed),
        cmocka_unit_test(test_unused),       cmocka_unit_test(test_restart),
        cmocka_unit_test(test_share),        cmocka_unit_test(test_direct),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
