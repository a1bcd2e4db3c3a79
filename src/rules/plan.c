/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation.
 *
 * The planner keeps what it published as units (published.h). plan_change() marks units as dirty
 * (depend.h says which); plan_flush() compiles the dirty ones (compile.h), compares them with what
 * is published, and emits the difference. Nothing is emitted before all of it was computed.
 *
 * A list of operations has this order:
 *
 *   1. new tables     rules and routes, under numbers that nobody names yet: invisible
 *   2. unreachable    publics, then addrs, that are gone: nobody finds the interface any more
 *   3. publish        subnets, enis, addrs, publics, in this order: what is named is there before
 *                     its name; an interface is judged by its rules before it can be reached
 *   4. gone           enis, subnets
 *      (plan_full: sweep of the same maps)
 *   5. generations    one update of each VPC concerned: flows are computed or judged again
 *   6. later          tables that nobody names any more, a grace period after
 *
 * What an observer may see while a list is carried out:
 *
 *   - An entry is replaced whole. A packet at one interface is judged by the old rules or by the
 *     new, never by half of them; and by the old routes of its subnet or by the new.
 *   - A change that spans several interfaces (a group that several have) is published one interface
 *     after another. Between its first and its last update some interfaces judge by the new rules,
 *     others by the old: the sender may already refuse what the receiver still allows, and the
 *     reverse. Both states are ones that the user asked for, before and after; none is looser than
 *     both.
 *   - An interface's number of its group set and its own table change in the same update. Rules of
 *     others that name its groups name set numbers. When it moves between sets that existed, they
 *     match it anew at once; when its set is new, its peers learn the number in step 3, one after
 *     another, and until then do not match it: refused for a moment rather than allowed.
 *   - Until step 5 known flows go on by their stored verdict, also those whose rule or address is
 *     gone. A flow computed during steps 2 to 4 carries the older generation, and so is computed
 *     again after step 5: no mixture of old and new outlives the list.
 *   - Tracked flows survive changes of rules (AWS: "Security group connection tracking"); this is
 *     the data plane's doing, by the two generations: gen_sg for rules and sets, gen_net for
 *     addresses, routes, ACLs, gateways and all else of an interface.
 *
 * When an operation fails in the middle, the planner no longer knows what is in the maps. It then
 * refuses with -ESTALE until plan_full(), which writes everything under new numbers beside the old,
 * publishes it entry by entry as above, and sweeps the rest away. So it is after a restart.
 *
 * A key must not be wanted by two objects at once (the API's claims see to that).
 */
#include "rules/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "rules/batch.h"
#include "rules/compile.h"
#include "rules/published.h"

struct plan {
    struct plan_callbacks callbacks;
    struct published is;
    uint64_t round; /* of flushes */
    bool stale;
};

struct plan *plan_new(const struct plan_callbacks *callbacks) {
    struct plan *p = calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    p->callbacks = *callbacks;
    p->stale = true;
    published_init(&p->is);
    return p;
}

void plan_free(struct plan *p) {
    if (!p)
        return;
    published_free(&p->is);
    free(p);
}

static int mark(void *data, enum unit_kind kind, struct scope scope, const char *id) {
    struct plan *p = data;
    struct unit *u = unit_get(&p->is, kind, scope, id);

    if (!u)
        return -ENOMEM;
    unit_mark(&p->is, u);
    return 0;
}

int plan_change(struct plan *p, const struct index *ix, const struct obj *old,
                const struct obj *new) {
    int r;

    if (p->stale)
        return 0; /* plan_full() looks at everything */
    r = depend_on_object(ix, old, new, mark, p);
    if (r < 0)
        p->stale = true;
    return r;
}

/* The VPC in whose traffic the unit's entries matter. */
static const char *vpc_of(const struct obj *o) {
    switch (o->kind) {
    case KIND_SGSET:
        return ((const struct sgset *)o)->vpc_id;
    case KIND_ROUTE_TABLE:
        return ((const struct route_table *)o)->vpc_id;
    case KIND_SUBNET:
        return ((const struct subnet *)o)->vpc_id;
    case KIND_NETWORK_INTERFACE:
        return ((const struct network_interface *)o)->vpc_id;
    default:
        return o->id;
    }
}

/* Step 5 is wanted for the unit's VPC. */
static int bump(struct plan *p, const struct unit *u, bool net, bool sg) {
    struct unit *vpc = u->vpc_id ? unit_get(&p->is, UNIT_VPC, u->scope, u->vpc_id) : NULL;

    if (!vpc)
        return u->vpc_id ? -ENOMEM : 0;
    vpc->new_net |= net;
    vpc->new_sg |= sg;
    unit_mark(&p->is, vpc);
    return 0;
}

/* Which generation an `enis` entry's change asks for. */
static int bump_eni(struct plan *p, const struct unit *u, const void *before, const void *after) {
    struct eni_value a, b;
    bool sg;

    memcpy(&a, before, sizeof(a));
    memcpy(&b, after, sizeof(b));
    sg = a.sgset != b.sgset || a.sg_table != b.sg_table;
    a.sgset = b.sgset;
    a.sg_table = b.sg_table;
    return bump(p, u, memcmp(&a, &b, sizeof(a)) != 0, sg);
}

static struct compile_env env_of(const struct plan *p) {
    return (struct compile_env){.number_of = p->callbacks.number_of,
                                .on_host = p->callbacks.on_host,
                                .data = p->callbacks.data};
}

/* Rules or routes as they should be, under the table number 0. */
static int compile_table(struct plan *p, const struct index *ix, const struct obj *o,
                         struct entries *out) {
    struct compile_env env = env_of(p);
    int r;

    if (o->kind == KIND_ROUTE_TABLE)
        return compile_routes(ix, &env, (const struct route_table *)o, 0, out);
    r = compile_rules(ix, (const struct sgset *)o, 0, out);
    if (r == -E2BIG) {
        entries_free(out);
        if (p->callbacks.problem)
            p->callbacks.problem(p->callbacks.data, o, r,
                                 "more rules in a direction than the data plane holds: nothing is "
                                 "allowed");
        r = 0;
    }
    return r;
}

static void add_table(struct entries *to, const struct entries *from, uint32_t table) {
    for (size_t i = 0; i < from->n; i++) {
        struct entry e = from->e[i];

        entry_set_table(&e, table);
        entries_add(to, e.map, e.key, e.value);
    }
}

static int table_number(struct plan *p, struct unit *u, uint32_t table) {
    struct entry e = {.map = ENTRY_MAPS};

    while (!LIST_EMPTY(&u->slots)) /* the old number */
        slot_drop(&p->is, LIST_FIRST(&u->slots));
    u->table = table;
    memcpy(e.key, &table, sizeof(table));
    return !table || slot_add(&p->is, u, &e) ? 0 : -ENOMEM;
}

/* A unit with a table: when its content changed it gets a new number, and those who name it are
 * compiled too. */
static int flush_table(struct plan *p, const struct index *ix, struct unit *u, struct batch *b) {
    const struct obj *o = index_get(ix, unit_object_kind(u->kind), u->scope, u->id);
    _entries_ struct entries now = ENTRIES_INIT;
    uint32_t table = 0;
    int r = o ? compile_table(p, ix, o, &now) : 0;

    if (r < 0)
        return r;
    entries_sort(&now);
    if (o && u->table && entries_equal(&now, &u->under))
        return 0;
    add_table(&b->later, &u->under, u->table);
    if (o && (r = p->callbacks.table_new(p->callbacks.data, &table)) < 0)
        return r;
    if ((r = table_number(p, u, table)) < 0)
        return r;
    entries_free(&u->under);
    u->under = now;
    now = ENTRIES_INIT;
    add_table(&b->tables, &u->under, table);
    return o ? depend_on_table(ix, o, mark, p) : 0;
}

static uint32_t table_of(const struct plan *p, enum unit_kind kind, struct scope scope,
                         const char *id) {
    const struct unit *u = unit_find(&p->is, kind, scope, id);

    return u ? u->table : 0;
}

static int compile_direct(struct plan *p, const struct index *ix, const struct obj *o,
                          struct entries *out) {
    struct compile_env env = env_of(p);
    char set[ID_MAX + 1];

    if (o->kind == KIND_SUBNET) {
        const struct subnet *s = (const struct subnet *)o;
        const struct route_table *t = route_table_of_subnet(ix, s->vpc_id, s->o.id);
        uint32_t table = t ? table_of(p, UNIT_ROUTES, t->o.scope, t->o.id) : 0;

        return compile_subnet(ix, &env, s, table, out);
    } else {
        const struct network_interface *eni = (const struct network_interface *)o;

        sgset_id(eni->vpc_id, eni->sgset, set);
        return compile_eni(ix, &env, eni, table_of(p, UNIT_RULES, o->scope, set), out);
    }
}

/* Step 3 for one entry; what is published as it should be needs nothing. */
static int publish(struct plan *p, struct unit *u, const struct entry *e, struct batch *b) {
    struct slot *s = slot_find(&p->is, e->map, e->key);
    int r;

    if (s && memcmp(s->e.value, e->value, sizeof(e->value)) == 0) {
        if (s->owner != u)
            slot_own(s, u);
        s->round = p->round;
        return 0;
    }
    if (s && e->map == ENTRY_ENIS)
        r = bump_eni(p, u, s->e.value, e->value);
    else
        r = bump(p, u, true, e->map == ENTRY_ENIS);
    if (r == 0 && s && s->owner != u) /* a public address may come from another VPC */
        r = bump(p, s->owner, true, false);
    if (r < 0)
        return r;
    if (!s) {
        s = slot_add(&p->is, u, e);
    } else {
        s->e = *e;
        slot_own(s, u);
    }
    if (!s)
        return -ENOMEM;
    s->round = p->round;
    entries_add(&b->publish, e->map, e->key, e->value);
    return 0;
}

/* A unit of direct entries: puts what is new or changed. What it no longer has is withdrawn after
 * all units had their turn, for a key may have passed to another. */
static int flush_direct(struct plan *p, const struct index *ix, struct unit *u, struct batch *b) {
    const struct obj *o = index_get(ix, unit_object_kind(u->kind), u->scope, u->id);
    _entries_ struct entries now = ENTRIES_INIT;
    int r;

    if (!o)
        return 0;
    r = compile_direct(p, ix, o, &now);
    if (r == 0 && !str_set(&u->vpc_id, vpc_of(o)))
        r = -ENOMEM;
    for (size_t i = 0; i < now.n && r == 0; i++)
        r = publish(p, u, &now.e[i], b);
    return r;
}

static int withdraw(struct plan *p, struct unit *u, struct batch *b) {
    struct slot *s, *next;
    int r;

    for (s = LIST_FIRST(&u->slots); s; s = next) {
        bool reachable = s->e.map == ENTRY_ADDRS || s->e.map == ENTRY_PUBLICS;

        next = LIST_NEXT(s, sibling);
        if (s->round == p->round)
            continue;
        if ((r = bump(p, u, true, s->e.map == ENTRY_ENIS)) < 0)
            return r;
        entries_add(reachable ? &b->unreachable : &b->gone, s->e.map, s->e.key, s->e.value);
        slot_drop(&p->is, s);
    }
    return 0;
}

static uint32_t next_generation(uint32_t generation) {
    return generation + 1 ? generation + 1 : 1;
}

/* Step 5 for one VPC. */
static int flush_vpc(struct plan *p, const struct index *ix, struct unit *u, struct batch *b) {
    const struct obj *o = index_get(ix, KIND_VPC, u->scope, u->id);
    struct slot *s = LIST_FIRST(&u->slots);
    struct entry e = {.map = ENTRY_VPCS};
    int r;

    if (!o) {
        if (s) {
            entries_add(&b->ended, s->e.map, s->e.key, s->e.value);
            slot_drop(&p->is, s);
        }
        return 0;
    }
    if (!u->known) {
        r = p->callbacks.number_of(p->callbacks.data, NUMBER_VPC, u->id, &u->number);
        if (r < 0)
            return r;
        u->known = true;
    }
    if (!s)
        u->new_net = u->new_sg = true;
    if (!u->new_net && !u->new_sg)
        return 0;
    if (p->callbacks.vpc_now) {
        struct vpc_value now = p->callbacks.vpc_now(p->callbacks.data, u->number);

        if (now.gen_net || now.gen_sg)
            u->generations = now;
    }
    if (u->new_net)
        u->generations.gen_net = next_generation(u->generations.gen_net);
    if (u->new_sg)
        u->generations.gen_sg = next_generation(u->generations.gen_sg);
    u->new_net = u->new_sg = false;
    memcpy(e.key, &u->number, sizeof(u->number));
    memcpy(e.value, &u->generations, sizeof(u->generations));
    if (!s && !(s = slot_add(&p->is, u, &e)))
        return -ENOMEM;
    s->e = e;
    entries_add(&b->generations, e.map, e.key, e.value);
    return 0;
}

/* Units are compiled before those that name them. */
static int gather(struct plan *p, const struct index *ix, struct batch *b) {
    static const enum unit_kind tables[] = {UNIT_RULES, UNIT_ROUTES};
    static const enum unit_kind direct[] = {UNIT_SUBNET, UNIT_ENI};
    struct unit *u, *next;
    int r = 0;

    p->round++;
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        TAILQ_FOREACH (u, &p->is.dirty[tables[i]], queue) {
            if ((r = flush_table(p, ix, u, b)) < 0)
                return r;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(direct); i++) {
        TAILQ_FOREACH (u, &p->is.dirty[direct[i]], queue) {
            if ((r = flush_direct(p, ix, u, b)) < 0)
                return r;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(direct); i++) {
        TAILQ_FOREACH (u, &p->is.dirty[direct[i]], queue) {
            if ((r = withdraw(p, u, b)) < 0)
                return r;
        }
    }
    TAILQ_FOREACH (u, &p->is.dirty[UNIT_VPC], queue) {
        if ((r = flush_vpc(p, ix, u, b)) < 0)
            return r;
    }
    for (int k = 0; k < UNIT_KINDS; k++) {
        for (u = TAILQ_FIRST(&p->is.dirty[k]); u; u = next) {
            next = TAILQ_NEXT(u, queue);
            unit_clean(&p->is, u);
            if (LIST_EMPTY(&u->slots)) /* its object is gone, or compiles to nothing */
                unit_drop(&p->is, u);
        }
    }
    batch_sort(b);
    return batch_failed(b) ? -ENOMEM : 0;
}

static int flush(struct plan *p, const struct index *ix, bool full, plan_emit_fn *emit,
                 void *data) {
    struct batch b __attribute__((cleanup(batch_free))) = {0};
    int r;

    p->stale = true;
    r = gather(p, ix, &b);
    if (r == 0)
        r = batch_emit(&b, full, emit, data);
    if (r == 0)
        p->stale = false;
    return r;
}

int plan_flush(struct plan *p, const struct index *ix, plan_emit_fn *emit, void *data) {
    return p->stale ? -ESTALE : flush(p, ix, false, emit, data);
}

/* Forgets all but the generations that VPCs had. */
static void forget(struct plan *p, const struct index *ix) {
    struct unit *u, *next;

    for (u = published_first(&p->is); u; u = next) {
        next = published_next(u);
        unit_clean(&p->is, u);
        if (u->kind != UNIT_VPC || !index_get(ix, KIND_VPC, u->scope, u->id)) {
            unit_drop(&p->is, u);
            continue;
        }
        while (!LIST_EMPTY(&u->slots))
            slot_drop(&p->is, LIST_FIRST(&u->slots));
    }
}

int plan_full(struct plan *p, const struct index *ix, plan_emit_fn *emit, void *data) {
    struct cursor c;
    int r = 0;

    p->stale = true;
    forget(p, ix);
    for (enum unit_kind k = 0; k < UNIT_KINDS; k++) {
        index_each_all(ix, c, unit_object_kind(k)) {
            const struct obj *o = c.obj;

            if ((r = mark(p, k, o->scope, o->id)) < 0)
                return r;
        }
    }
    return flush(p, ix, true, emit, data);
}

bool plan_owns(const struct plan *p, enum entry_map map, const void *key) {
    const struct entry_map_info *info = entry_map_info(map);

    if (info->direct)
        return slot_find(&p->is, map, key);
    return slot_find(&p->is, ENTRY_MAPS, (const char *)key + info->table_at);
}

int plan_each(const struct plan *p, plan_emit_fn *fn, void *data) {
    struct unit *u;
    int r = 0;

    for (u = published_first(&p->is); u && r == 0; u = published_next(u)) {
        _entries_ struct entries es = ENTRIES_INIT;
        struct slot *s;

        add_table(&es, &u->under, u->table);
        LIST_FOREACH (s, &u->slots, sibling) {
            if (s->e.map != ENTRY_MAPS)
                entries_add(&es, s->e.map, s->e.key, s->e.value);
        }
        r = es.failed ? -ENOMEM : batch_emit_all(&es, PLAN_PUT, fn, data);
    }
    return r;
}
