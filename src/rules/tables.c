/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of rules, routes and ACLs: compiled, kept where the maps have them already, written under
 * a new number otherwise. All are compiled before the first is written, and written in the order of
 * what they take more than before: a revocation does not wait for room behind an addition.
 *
 * Want of room is a matter of one table. What was written of it goes at once, for nobody names it;
 * its unit has the table 0, which allows nothing; the version before goes all the same, for it may
 * allow what was revoked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "model/account.h"
#include "rules/compile.h"
#include "rules/plan_private.h"

#define SET_ENTRIES(p)                                                                             \
    ((p)->callbacks.set_entries ? (p)->callbacks.set_entries : RULE_ENTRIES_PER_SET)

struct work {
    struct unit *u;
    const struct obj *o;
    int64_t growth;
};

struct works {
    struct work *w;
    size_t n, cap;
};

static int emit_one(struct plan *p, enum plan_op_kind kind, const struct entry *of,
                    uint32_t table) {
    struct entry e = *of;
    struct plan_op op = {.kind = kind, .map = e.map, .key = e.key};

    entry_set_table(&e, table);
    if (kind == PLAN_PUT)
        op.value = e.value;
    return p->emit(p->emit_data, &op);
}

/* A new number with these entries; when it fails, nothing of it is left. */
static int table_write(struct plan *p, const struct entries *es, uint32_t *ret_table) {
    uint32_t table;
    int r = p->callbacks.table_new(p->callbacks.data, &table);
    size_t n;

    if (r < 0)
        return r;
    for (n = 0; n < es->n && r >= 0; n++)
        r = emit_one(p, PLAN_PUT, &es->e[n], table);
    if (r >= 0) {
        *ret_table = table;
        return 0;
    }
    while (n--) {
        int error = emit_one(p, PLAN_DELETE, &es->e[n], table);

        if (error < 0 && plan_no_room(r))
            r = error;
    }
    return r;
}

static int retire(struct plan *p, struct unit *u, struct batch *b) {
    static const enum entry_map one_of[] = {[UNIT_RULES] = ENTRY_RULE_TABLES,
                                            [UNIT_ROUTES] = ENTRY_ROUTES,
                                            [UNIT_ACL] = ENTRY_ACL_PORTS};
    struct entry e = {.map = (uint8_t)one_of[u->kind]};

    while (!LIST_EMPTY(&u->slots))
        slot_drop(&p->is, LIST_FIRST(&u->slots));
    if (!u->table)
        return 0;
    memcpy(e.key, &u->table, sizeof(u->table));
    entries_add(&b->later, e.map, e.key, e.value);
    if (room_retire(&p->room, u->scope.account, u->table, &u->under) < 0)
        return -ENOMEM;
    u->table = 0;
    return 0;
}

static int adopt(struct plan *p, struct unit *u, uint32_t table) {
    struct entry e = {.map = ENTRY_MAPS};

    u->table = table;
    u->under = u->next;
    u->next = ENTRIES_INIT;
    memcpy(e.key, &table, sizeof(table));
    if (!slot_add(&p->is, u, &e))
        return -ENOMEM;
    return room_take(&p->room, u->scope.account, &u->under);
}

static bool may_keep(const struct plan *p, const struct unit *u) {
    uint32_t table = u->candidate;

    return table && !slot_find(&p->is, ENTRY_MAPS, &table) && !room_find(&p->room, table) &&
           held_is(&p->held, &p->callbacks, table, &u->next);
}

static int table_put(struct plan *p, const struct index *ix, const struct work *w,
                     struct batch *b) {
    struct unit *u = w->u;
    uint32_t table = u->candidate;
    int r = 0;

    room_add_up(&u->next, &u->want);
    if (!room_fits(&p->room, u->scope.account, &u->want, &u->under)) {
        r = -EDQUOT;
    } else if (!may_keep(p, u)) {
        r = table_write(p, &u->next, &table);
        if (plan_no_room(r) && p->callbacks.reclaim && p->callbacks.reclaim(p->callbacks.data))
            r = table_write(p, &u->next, &table);
    }
    if (r < 0 && r != -EDQUOT && !plan_no_room(r))
        return r;
    if (retire(p, u, b) < 0)
        return -ENOMEM;
    if (r < 0) {
        plan_lacks(p, u, w->o, r,
                   r == -EDQUOT ? "its account's share of the data plane is used up"
                                : "the data plane has no room");
        entries_free(&u->next);
    } else {
        unit_lacks(&p->is, u, false);
        if ((r = adopt(p, u, table)) < 0)
            return r;
    }
    return depend_on_table(ix, w->o, plan_mark, p);
}

static struct compile_env env_of(const struct plan *p) {
    return (struct compile_env){.number_of = p->callbacks.number_of,
                                .on_host = p->callbacks.on_host,
                                .data = p->callbacks.data};
}

/* Rules, routes or entries as they should be, under the table number 0. What is too large for one
 * table is empty: it allows nothing. */
static int compile_table(struct plan *p, const struct index *ix, const struct obj *o,
                         struct entries *out) {
    struct compile_env env = env_of(p);
    struct room_count count;
    int r;

    if (o->kind == KIND_ROUTE_TABLE)
        return compile_routes(ix, &env, (const struct route_table *)o, 0, out);
    if (o->kind == KIND_NETWORK_ACL)
        r = compile_acl((const struct network_acl *)o, 0, out);
    else
        r = compile_rules(ix, &env, (const struct sgset *)o, 0, out);
    if (r == 0) {
        room_add_up(out, &count);
        for (int map = 0; map < ENTRY_SUBNETS; map++)
            if (count.n[map] > SET_ENTRIES(p))
                r = -E2BIG;
    }
    if (r == -E2BIG) {
        entries_free(out);
        if (p->callbacks.problem)
            p->callbacks.problem(p->callbacks.data, o, r,
                                 "more rules than the data plane holds: nothing is allowed");
        r = 0;
    }
    return r;
}

static int works_add(struct works *ws, const struct work *w) {
    if (ws->n == ws->cap) {
        size_t cap = ws->cap ? ws->cap * 2 : 16;
        struct work *more = reallocarray(ws->w, cap, sizeof(*more));

        if (!more)
            return -ENOMEM;
        ws->w = more;
        ws->cap = cap;
    }
    ws->w[ws->n++] = *w;
    return 0;
}

static int prepare(struct plan *p, const struct index *ix, struct unit *u, struct batch *b,
                   struct works *ws) {
    const struct obj *o =
        u->users ? index_get(ix, unit_object_kind(u->kind), u->scope, u->id) : NULL;
    int r;

    if (!o) {
        unit_lacks(&p->is, u, false);
        return retire(p, u, b);
    }
    if (!u->changed)
        return 0;
    entries_free(&u->next);
    if ((r = compile_table(p, ix, o, &u->next)) < 0)
        return r;
    entries_sort(&u->next);
    if (u->table && entries_equal(&u->next, &u->under)) {
        entries_free(&u->next);
        return 0;
    }
    return works_add(ws, &(struct work){u, o, (int64_t)u->next.n - (int64_t)u->under.n});
}

static int growth_cmp(const void *a, const void *b) {
    const struct work *x = a, *y = b;

    return x->growth < y->growth ? -1 : x->growth > y->growth;
}

int tables_flush(struct plan *p, const struct index *ix, struct batch *b) {
    static const enum unit_kind kinds[] = {UNIT_RULES, UNIT_ROUTES, UNIT_ACL};
    struct works ws = {0};
    struct unit *u;
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        TAILQ_FOREACH (u, &p->is.dirty[kinds[i]], queue) {
            if ((r = prepare(p, ix, u, b, &ws)) < 0)
                goto out;
        }
    }
    if (ws.n)
        qsort(ws.w, ws.n, sizeof(*ws.w), growth_cmp);
    for (size_t i = 0; i < ws.n && r == 0; i++)
        r = table_put(p, ix, &ws.w[i], b);
out:
    free(ws.w);
    return r;
}
