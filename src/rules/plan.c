/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation.
 *
 * The planner keeps what it published as units (published.h). plan_change() marks units as dirty
 * (depend.h says which); plan_flush() finds out which of them are used on this host (uses.c),
 * compiles those (compile.h), compares them with what is published, and emits the difference.
 *
 * A list of operations has this order:
 *
 *   1. new tables     rules, routes, ACLs, under numbers that nobody names yet: invisible
 * (tables.c)
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
 *     another, and until then do not match it: refused for a moment rather than allowed. For this
 *     a set's number must not come back with other groups while somebody judges by tables in which
 *     it has the old ones. The API numbers the sets of a VPC upward and comes back to a number only
 *     when all 65,535 were used: an agent that was away, or a list that is carried out only now,
 *     meets a number of then as that set or not at all. (A VPC that had more than 65,535 sets in
 *     its life has the window that this closes: for the time of one list a peer may match the new
 *     set by the groups of the old, and a flow that is tracked then goes on.)
 *   - Until step 5 known flows go on by their stored verdict, also those whose rule or address is
 *     gone. A flow computed during steps 2 to 4 carries the older generation. After step 5 its path
 *     is computed again, and its groups are asked again if it is untracked. If it is tracked they
 *     are not: it was let in by one of the two states above, and goes on like any connection that
 *     was open before the change.
 *   - Tracked flows survive changes of rules (AWS: "Security group connection tracking"); this is
 *     the data plane's doing, by the two generations: gen_sg for rules and sets, gen_net for
 *     addresses, routes, ACLs, gateways and all else of an interface.
 *
 * Want of room in the maps, or of an account's share in them, is a matter of one unit: it allows
 * nothing (a set, a route table) or is not reachable (an address), `problem` is told, and the rest
 * of the list goes on. plan_retry() tries such units again.
 *
 * When an operation fails for another reason, the planner no longer knows what is in the maps. It
 * then refuses with -ESTALE until plan_full(), which looks what is there: tables that are as they
 * should be are kept, others written under new numbers; all is published entry by entry as above,
 * and the rest swept away. So it is after a restart.
 *
 * A key must not be wanted by two objects at once (the API's claims see to that).
 */
#include "rules/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "model/account.h"
#include "rules/compile.h"
#include "rules/plan_private.h"

#define RETRY_UNITS 16 /* at once */

struct plan *plan_new(const struct plan_callbacks *callbacks) {
    struct plan *p = calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    p->callbacks = *callbacks;
    p->stale = true;
    published_init(&p->is);
    room_init(&p->room);
    p->room.share = callbacks->account_entries;
    return p;
}

void plan_free(struct plan *p) {
    if (!p)
        return;
    published_free(&p->is);
    room_free(&p->room);
    held_free(&p->held);
    free(p);
}

int plan_mark(void *data, enum unit_kind kind, struct scope scope, const char *id) {
    struct plan *p = data;
    struct unit *u = unit_get(&p->is, kind, scope, id);

    if (!u)
        return -ENOMEM;
    u->changed = true;
    unit_mark(&p->is, u);
    return 0;
}

bool plan_no_room(int error) {
    /* A hash map that is full says E2BIG, a trie ENOSPC, the kernel's allocator ENOMEM. */
    return error == -ENOSPC || error == -E2BIG || error == -ENOMEM;
}

void plan_lacks(struct plan *p, struct unit *u, const struct obj *o, int error, const char *what) {
    bool told = u->lacking;

    unit_lacks(&p->is, u, true);
    if (!told && o && p->callbacks.problem)
        p->callbacks.problem(p->callbacks.data, o, error, what);
}

int plan_change(struct plan *p, const struct index *ix, const struct obj *old,
                const struct obj *new) {
    int r;

    if (p->stale)
        return 0; /* plan_full() looks at everything */
    r = depend_on_object(ix, old, new, plan_mark, p);
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
    case KIND_NETWORK_ACL:
        return ((const struct network_acl *)o)->vpc_id;
    case KIND_SUBNET:
        return ((const struct subnet *)o)->vpc_id;
    case KIND_NETWORK_INTERFACE:
        return ((const struct network_interface *)o)->vpc_id;
    case KIND_NAT_GATEWAY:
        return ((const struct nat_gateway *)o)->vpc_id;
    case KIND_EGRESS_ONLY_GATEWAY:
        return ((const struct egress_only_gateway *)o)->vpc_id;
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

static uint32_t table_of(const struct plan *p, enum unit_kind kind, struct scope scope,
                         const char *id) {
    const struct unit *u = unit_find(&p->is, kind, scope, id);

    return u ? u->table : 0;
}

static int compile_direct(struct plan *p, const struct index *ix, const struct obj *o,
                          struct entries *out) {
    struct compile_env env = env_of(p);
    char set[ID_MAX + 1];

    switch (o->kind) {
    case KIND_SUBNET: {
        const struct subnet *s = (const struct subnet *)o;
        const struct route_table *t = route_table_of_subnet(ix, s->vpc_id, s->o.id);
        const struct route_table *edge = compile_edge(ix, s);
        struct subnet_tables tables = {
            .routes = t ? table_of(p, UNIT_ROUTES, t->o.scope, t->o.id) : 0,
            .acl = s->acl_id ? table_of(p, UNIT_ACL, s->o.scope, s->acl_id) : 0,
            .edge = edge ? table_of(p, UNIT_ROUTES, edge->o.scope, edge->o.id) : 0};

        return compile_subnet(ix, &env, s, &tables, out);
    }
    case KIND_NAT_GATEWAY:
        return compile_nat(ix, &env, (const struct nat_gateway *)o, out);
    case KIND_EGRESS_ONLY_GATEWAY:
        return compile_egress_gateway(ix, &env, (const struct egress_only_gateway *)o, out);
    default: {
        const struct network_interface *eni = (const struct network_interface *)o;

        sgset_id(eni->vpc_id, eni->sgset, set);
        return compile_eni(ix, &env, eni, table_of(p, UNIT_RULES, o->scope, set), out);
    }
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

    unit_lacks(&p->is, u, false); /* until it is seen to */
    if (!o || (u->kind == UNIT_SUBNET && !u->users))
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

    unit_lacks(&p->is, u, false);
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

/* Nothing of it is in the maps, and nobody needs it: its object is gone, or not used here. */
static bool is_idle(const struct unit *u) {
    return LIST_EMPTY(&u->slots) && !u->users && !u->uses[0] && !u->uses[1] && !u->uses[2] &&
           !u->lacking;
}

static void settle(struct plan *p) {
    struct unit *u, *next;

    for (int k = 0; k < UNIT_KINDS; k++) {
        for (u = TAILQ_FIRST(&p->is.dirty[k]); u; u = next) {
            next = TAILQ_NEXT(u, queue);
            unit_clean(&p->is, u);
            u->changed = false;
            u->candidate = 0;
            if (is_idle(u))
                unit_drop(&p->is, u);
        }
    }
}

/* Units are compiled before those that name them. */
static int gather(struct plan *p, const struct index *ix, struct batch *b) {
    static const enum unit_kind direct[] = {UNIT_SUBNET, UNIT_ENI, UNIT_NAT, UNIT_EGRESS_GATEWAY};
    struct unit *u;
    int r;

    p->round++;
    if ((r = uses_flush(p, ix)) < 0 || (r = tables_flush(p, ix, b)) < 0)
        return r;
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
    settle(p);
    batch_sort(b);
    return batch_failed(b) ? -ENOMEM : 0;
}

struct direct {
    struct plan *p;
    const struct index *ix;
};

/* An entry of a direct map that finds no room is not there; its unit tries again. */
static int emit_direct(void *data, const struct plan_op *op) {
    struct direct *d = data;
    struct plan *p = d->p;
    int r = p->emit(p->emit_data, op);
    struct slot *s;
    struct unit *u;

    if (op->kind != PLAN_PUT || !plan_no_room(r))
        return r;
    s = slot_find(&p->is, op->map, op->key);
    if (!s)
        return r;
    u = s->owner;
    slot_drop(&p->is, s);
    u->want = (struct room_count){0};
    plan_lacks(p, u, index_get(d->ix, unit_object_kind(u->kind), u->scope, u->id), r,
               "the data plane has no room");
    return 0;
}

static uint32_t number_at(const struct entry *e) {
    uint32_t number;

    memcpy(&number, e->key, sizeof(number));
    return number;
}

static int flush(struct plan *p, const struct index *ix, bool full, plan_emit_fn *emit,
                 void *data) {
    struct batch b __attribute__((cleanup(batch_free))) = {0};
    struct direct d = {p, ix};
    int r;

    p->stale = true;
    p->emit = emit;
    p->emit_data = data;
    r = gather(p, ix, &b);
    if (r == 0)
        r = batch_emit(&b, full, emit_direct, &d);
    if (r == 0) {
        p->stale = false;
        return 0;
    }
    for (size_t i = 0; i < b.later.n; i++) { /* plan_full() sweeps them away */
        struct room_retired *t = room_find(&p->room, number_at(&b.later.e[i]));

        if (t)
            room_drop(&p->room, t);
    }
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
        unit_lacks(&p->is, u, false);
        if (u->table)
            room_give(&p->room, u->scope.account, &u->under);
        if (u->kind != UNIT_VPC || !index_get(ix, KIND_VPC, u->scope, u->id)) {
            unit_drop(&p->is, u);
            continue;
        }
        while (!LIST_EMPTY(&u->slots))
            slot_drop(&p->is, LIST_FIRST(&u->slots));
    }
}

static void add_table(struct entries *to, const struct entries *from, uint32_t table) {
    for (size_t i = 0; i < from->n; i++) {
        struct entry e = from->e[i];

        entry_set_table(&e, table);
        entries_add(to, e.map, e.key, e.value);
    }
}

int plan_full(struct plan *p, const struct index *ix, plan_emit_fn *emit, void *data) {
    struct cursor c;
    int r = 0;

    p->stale = true;
    forget(p, ix);
    if ((r = held_read(&p->held, &p->callbacks)) < 0)
        return r;
    for (enum unit_kind k = 0; k < UNIT_KINDS; k++) {
        index_each_all(ix, c, unit_object_kind(k)) {
            const struct obj *o = c.obj;

            if ((r = plan_mark(p, k, o->scope, o->id)) < 0)
                return r;
        }
    }
    r = flush(p, ix, true, emit, data);
    held_free(&p->held);
    return r;
}

int plan_drop(struct plan *p, uint32_t table, plan_emit_fn *emit, void *data) {
    struct room_retired *t = room_find(&p->room, table);
    _entries_ struct entries es = ENTRIES_INIT;
    int r;

    if (!t)
        return 0; /* plan_full() came between, and sweeps */
    add_table(&es, &t->under, table);
    if (es.failed)
        return -ENOMEM;
    r = batch_emit_all(&es, PLAN_DELETE, emit, data);
    if (r == 0)
        room_drop(&p->room, t);
    return r;
}

size_t plan_lacking(const struct plan *p) {
    return p->is.n_lacking;
}

size_t plan_retry(struct plan *p) {
    struct unit *u;
    size_t n = 0;

    if (p->stale)
        return 0;
    TAILQ_FOREACH (u, &p->is.lacking, lacks) {
        if (n == RETRY_UNITS)
            break;
        if (u->dirty || !room_fits(&p->room, u->scope.account, &u->want, &u->under))
            continue;
        u->changed = true;
        unit_mark(&p->is, u);
        n++;
    }
    return n;
}

bool plan_owns(const struct plan *p, enum entry_map map, const void *key) {
    const struct entry_map_info *info = entry_map_info(map);
    uint32_t table;

    if (info->direct)
        return slot_find(&p->is, map, key);
    memcpy(&table, (const char *)key + info->table_at, sizeof(table));
    return slot_find(&p->is, ENTRY_MAPS, &table) || room_find(&p->room, table);
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
