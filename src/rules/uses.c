/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who uses what. Interfaces that are plugged in on this host are few, bounded by its instances;
 * those that exist are not. So all begins at them: what none of them needs is not compiled, and an
 * account that makes groups, sets and interfaces without running instances costs the data plane
 * nothing.
 */
#include <errno.h>

#include "base/cleanup.h"
#include "model/account.h"
#include "model/nat_gateway.h"
#include "model/route_table.h"
#include "model/vpc.h"
#include "rules/compile.h"
#include "rules/plan_private.h"

static void use(struct plan *p, struct unit **slot, struct unit *now) {
    struct unit *before = *slot;

    if (before == now)
        return;
    *slot = now;
    if (before && --before->users == 0)
        unit_mark(&p->is, before);
    if (now && now->users++ == 0) {
        now->changed = true;
        unit_mark(&p->is, now);
    }
}

/* The number that an entry of `enis`, `subnets` or `edges` has for such a table. */
static uint32_t table_named(enum entry_map map, const void *value, enum unit_kind kind) {
    const struct subnet_value *s = value;

    if (kind == UNIT_RULES)
        return ((const struct eni_value *)value)->sg_table;
    if (map == ENTRY_EDGES)
        return ((const struct edge_value *)value)->route_table;
    if (kind == UNIT_ROUTES)
        return s->route_table;
    return s->acl_in ? s->acl_in : s->acl_out;
}

/* What the maps have for a unit now, of the entry that names it. */
static void note_candidate(struct plan *p, enum entry_map map, enum number_kind kind,
                           const char *id, struct unit *named) {
    _Alignas(8) uint8_t value[ENTRY_VALUE_MAX];
    uint32_t number;

    if (!p->held.n || !named || named->candidate ||
        p->callbacks.number_of(p->callbacks.data, kind, id, &number) < 0 ||
        p->callbacks.get(p->callbacks.data, map, &number, value) < 0)
        return;
    named->candidate = table_named(map, value, named->kind);
}

static int use_of_eni(struct plan *p, const struct index *ix, struct unit *u) {
    const struct network_interface *eni = index_get(ix, KIND_NETWORK_INTERFACE, u->scope, u->id);
    struct unit *set = NULL, *subnet = NULL;
    char id[ID_MAX + 1];

    if (eni && eni->instance_id &&
        (!p->callbacks.on_host || p->callbacks.on_host(p->callbacks.data, ix, eni))) {
        set = unit_get(&p->is, UNIT_RULES, u->scope, sgset_id(eni->vpc_id, eni->sgset, id));
        subnet = unit_get(&p->is, UNIT_SUBNET, u->scope, eni->subnet_id);
        if (!set || !subnet)
            return -ENOMEM;
        note_candidate(p, ENTRY_ENIS, NUMBER_ENI, u->id, set);
    }
    use(p, &u->uses[0], set);
    use(p, &u->uses[1], subnet);
    return 0;
}

/* A gateway stands in a subnet, whoever else is there. */
static int use_of_nat(struct plan *p, const struct index *ix, struct unit *u) {
    const struct nat_gateway *nat = index_get(ix, KIND_NAT_GATEWAY, u->scope, u->id);
    struct unit *subnet = NULL;

    if (nat && nat->state == NAT_AVAILABLE) {
        subnet = unit_get(&p->is, UNIT_SUBNET, u->scope, nat->subnet_id);
        if (!subnet)
            return -ENOMEM;
    }
    use(p, &u->uses[0], subnet);
    return 0;
}

static int use_of_subnet(struct plan *p, const struct index *ix, struct unit *u) {
    const struct subnet *s = u->users ? index_get(ix, KIND_SUBNET, u->scope, u->id) : NULL;
    const struct route_table *t = s ? route_table_of_subnet(ix, s->vpc_id, s->o.id) : NULL;
    const struct route_table *edge = s ? compile_edge(ix, s) : NULL;
    const struct {
        enum unit_kind kind;
        const char *id;
        enum entry_map map;
    } named[] = {{UNIT_ROUTES, t ? t->o.id : NULL, ENTRY_SUBNETS},
                 {UNIT_ACL, s ? s->acl_id : NULL, ENTRY_SUBNETS},
                 {UNIT_ROUTES, edge ? edge->o.id : NULL, ENTRY_EDGES}};

    for (size_t i = 0; i < ARRAY_SIZE(named); i++) {
        struct unit *table = NULL;

        if (named[i].id) {
            table = unit_get(&p->is, named[i].kind, u->scope, named[i].id);
            if (!table)
                return -ENOMEM;
            note_candidate(p, named[i].map, NUMBER_SUBNET, u->id, table);
        }
        use(p, &u->uses[i], table);
    }
    return 0;
}

int uses_flush(struct plan *p, const struct index *ix) {
    struct unit *u;
    int r;

    TAILQ_FOREACH (u, &p->is.dirty[UNIT_ENI], queue) {
        if ((r = use_of_eni(p, ix, u)) < 0)
            return r;
    }
    TAILQ_FOREACH (u, &p->is.dirty[UNIT_NAT], queue) {
        if ((r = use_of_nat(p, ix, u)) < 0)
            return r;
    }
    TAILQ_FOREACH (u, &p->is.dirty[UNIT_SUBNET], queue) {
        if ((r = use_of_subnet(p, ix, u)) < 0)
            return r;
    }
    return 0;
}
