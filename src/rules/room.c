/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/room.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/maps.h"

static const size_t sizes[ENTRY_SUBNETS] = {
    [ENTRY_RULE_TABLES] = MAX_RULE_TABLES, [ENTRY_RULE_ADDRS] = MAX_RULE_ENTRIES,
    [ENTRY_RULE_PORTS] = MAX_RULE_ENTRIES, [ENTRY_RULE_SETS] = MAX_RULE_ENTRIES,
    [ENTRY_ACL_ADDRS] = MAX_ACL_ENTRIES,   [ENTRY_ACL_PORTS] = MAX_ACL_ENTRIES,
    [ENTRY_ROUTES] = MAX_ROUTES,
};

static int account_cmp(const struct room_account *a, const struct room_account *b) {
    return a->account < b->account ? -1 : a->account > b->account;
}

static int retired_cmp(const struct room_retired *a, const struct room_retired *b) {
    return a->table < b->table ? -1 : a->table > b->table;
}

/* The macros of tree.h are generic in style; these uses are exempt from the sign warnings. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#ifndef __unused
#define __unused __attribute__((unused))
#endif
RB_GENERATE_STATIC(room_accounts, room_account, link, account_cmp)
RB_GENERATE_STATIC(room_tables, room_retired, link, retired_cmp)
#pragma GCC diagnostic pop

void room_init(struct room *r) {
    *r = (struct room){0};
    RB_INIT(&r->accounts);
    RB_INIT(&r->retired);
}

void room_free(struct room *r) {
    struct room_retired *t;
    struct room_account *a;

    while ((t = RB_MIN(room_tables, &r->retired)))
        room_drop(r, t);
    while ((a = RB_MIN(room_accounts, &r->accounts))) {
        RB_REMOVE(room_accounts, &r->accounts, a);
        free(a);
    }
}

static struct room_account *account_find(const struct room *r, uint64_t account) {
    struct room_account probe = {.account = account};

    return RB_FIND(room_accounts, (struct room_accounts *)(uintptr_t)&r->accounts, &probe);
}

static struct room_account *account_get(struct room *r, uint64_t account) {
    struct room_account *a = account_find(r, account);

    if (a)
        return a;
    a = calloc(1, sizeof(*a));
    if (a) {
        a->account = account;
        RB_INSERT(room_accounts, &r->accounts, a);
    }
    return a;
}

void room_add_up(const struct entries *es, struct room_count *ret) {
    *ret = (struct room_count){0};
    for (size_t i = 0; i < es->n; i++)
        ret->n[es->e[i].map]++;
}

static void add(struct room_count *c, const struct entries *es) {
    for (size_t i = 0; i < es->n; i++)
        c->n[es->e[i].map]++;
}

static void subtract(struct room_count *c, const struct entries *es) {
    for (size_t i = 0; i < es->n; i++)
        c->n[es->e[i].map]--;
}

bool room_fits(const struct room *r, uint64_t account, const struct room_count *want,
               const struct entries *instead) {
    static const struct room_account nothing;
    const struct room_account *a = account_find(r, account);
    struct room_count old;

    if (!a)
        a = &nothing;
    room_add_up(instead, &old);
    for (int map = 0; map < ENTRY_SUBNETS; map++) {
        size_t share = r->share ? r->share : sizes[map] / ROOM_SHARE;
        size_t live = a->live.n[map] + want->n[map];

        if (!want->n[map])
            continue;
        if (live - old.n[map] > share || live + a->retired.n[map] > 2 * share)
            return false;
    }
    return true;
}

int room_take(struct room *r, uint64_t account, const struct entries *es) {
    struct room_account *a = account_get(r, account);

    if (!a)
        return -ENOMEM;
    add(&a->live, es);
    return 0;
}

void room_give(struct room *r, uint64_t account, const struct entries *es) {
    struct room_account *a = account_find(r, account);

    if (a)
        subtract(&a->live, es);
}

int room_retire(struct room *r, uint64_t account, uint32_t table, struct entries *es) {
    struct room_account *a = account_get(r, account);
    struct room_retired *t = a ? calloc(1, sizeof(*t)) : NULL;

    if (!t)
        return -ENOMEM;
    t->table = table;
    t->of = a;
    t->under = *es;
    *es = ENTRIES_INIT;
    subtract(&a->live, &t->under);
    add(&a->retired, &t->under);
    RB_INSERT(room_tables, &r->retired, t);
    return 0;
}

struct room_retired *room_find(const struct room *r, uint32_t table) {
    struct room_retired probe = {.table = table};

    return RB_FIND(room_tables, (struct room_tables *)(uintptr_t)&r->retired, &probe);
}

void room_drop(struct room *r, struct room_retired *t) {
    subtract(&t->of->retired, &t->under);
    RB_REMOVE(room_tables, &r->retired, t);
    entries_free(&t->under);
    free(t);
}
