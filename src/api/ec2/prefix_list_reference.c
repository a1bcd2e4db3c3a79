/* SPDX-License-Identifier: Apache-2.0 */
/* Who refers to a prefix list, and whether there is room for it. */
#include <string.h>

#include "api/actions.h"
#include "api/ec2/prefix_list.h"

#define NO_ROOM_NAMED 10 /* ids in a state message (EC2 API reference, ModifyManagedPrefixList) */

static uint16_t reference_field(enum kind referrer) {
    return referrer == KIND_ROUTE_TABLE ? RTB_BY_PREFIX_LIST : SG_BY_PREFIX_LIST;
}

/* for (...) each object of the kind that refers to the list; one that does so twice comes twice */
#define each_reference(c_, cur_, kind_, pl_)                                                       \
    bool _more = cursor_by_in((c_)->ix, &(cur_), (kind_), reference_field(kind_), (pl_)->o.id,     \
                              (c_)->scope, NULL);                                                  \
    _more;                                                                                         \
    _more = cursor_next(&(cur_))

const struct prefix_list *prefix_list_refer(struct call *c, const char *id, enum kind referrer) {
    const struct prefix_list *pl = call_get(c, KIND_PREFIX_LIST, id);
    struct cursor cur;
    size_t n = 0;

    if (!pl)
        return NULL;
    /* There are fewer groups than that. */
    if (referrer != KIND_SECURITY_GROUP)
        for (each_reference(c, cur, referrer, pl))
            n++;
    if (n >= PREFIX_LIST_REFERENCES_MAX) {
        call_error(c, "ReferencesLimitExceeded",
                   "The prefix list '%s' is referenced by the maximum number of resources.", id);
        return NULL;
    }
    txn_touch(c->txn, pl);
    return index_get(c->ix, KIND_PREFIX_LIST, c->scope, id);
}

bool prefix_list_in_use(struct call *c, const struct prefix_list *pl) {
    struct cursor cur;

    return cursor_by_in(c->ix, &cur, KIND_SECURITY_GROUP, SG_BY_PREFIX_LIST, pl->o.id, c->scope,
                        NULL) ||
           cursor_by_in(c->ix, &cur, KIND_ROUTE_TABLE, RTB_BY_PREFIX_LIST, pl->o.id, c->scope,
                        NULL);
}

/* What a reference to the list counts; *ret_family (or NULL) is the list's. */
static int64_t list_size(struct call *c, const char *id, const struct prefix_list *grown,
                         int64_t max, uint8_t *ret_family) {
    const struct prefix_list *pl = txn_get(c->txn, KIND_PREFIX_LIST, c->scope, id);

    if (ret_family)
        *ret_family = pl ? prefix_list_ip_family(pl) : IP_NONE;
    if (!pl)
        return 1;
    return grown && strcmp(grown->o.id, id) == 0 ? max : pl->max_entries;
}

int64_t group_rules_count(struct call *c, const struct security_group *g, bool egress,
                          uint8_t family, const struct prefix_list *grown, int64_t max) {
    const char *last = NULL; /* many rules may name one list */
    uint8_t last_family = IP_NONE;
    int64_t n = 0, last_size = 0;

    list_each (struct sg_rule, r, g->rules) {
        uint8_t own = sg_rule_family(r);
        int64_t size = 1;

        if (r->egress != egress)
            continue;
        if (r->prefix_list_id) {
            if (!last || strcmp(last, r->prefix_list_id) != 0)
                last_size = list_size(c, r->prefix_list_id, grown, max, &last_family);
            last = r->prefix_list_id;
            size = last_size;
            own = last_family;
        }
        /* One that names a group matches in both families. */
        if (own == IP_NONE || own == family)
            n += size;
    }
    return n;
}

int64_t table_routes_count(struct call *c, const struct route_table *t,
                           const struct prefix_list *grown, int64_t max) {
    int64_t n = 0;

    list_each (struct route, r, t->routes) {
        if (r->prefix_list_id)
            n += list_size(c, r->prefix_list_id, grown, max, NULL);
        else if (strcmp(r->target, "local") != 0)
            n++;
    }
    return n;
}

static bool group_has_room(struct call *c, const struct security_group *g,
                           const struct prefix_list *pl, int64_t max) {
    uint8_t family = prefix_list_ip_family(pl);
    int64_t rules = security_group_rules_max(c);

    return group_rules_count(c, g, false, family, pl, max) <= rules &&
           group_rules_count(c, g, true, family, pl, max) <= rules;
}

void prefix_list_no_room(struct call *c, const struct prefix_list *pl, int64_t max,
                         struct buf *out) {
    static const enum kind kinds[] = {KIND_ROUTE_TABLE, KIND_SECURITY_GROUP};
    const struct obj *last = NULL;
    struct cursor cur;
    int named = 0;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        for (each_reference(c, cur, kinds[i], pl)) {
            const struct obj *o = cur.obj;
            bool room;

            if (o == last)
                continue;
            last = o;
            txn_depend(c->txn, o);
            room = o->kind == KIND_ROUTE_TABLE
                       ? table_routes_count(c, cur.obj, pl, max) <= ROUTES_MAX
                       : group_has_room(c, cur.obj, pl, max);
            if (!room)
                buf_addf(out, "%s%s", named++ ? ", " : "", o->id);
            if (named == NO_ROOM_NAMED)
                return;
        }
    }
}
