/* SPDX-License-Identifier: Apache-2.0 */
#include "shrink.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "rules/test_world_private.h"

/* Lists of which single items can go. What an item owns is not freed: a test that shrinks fails. */
static const struct {
    enum kind kind;
    size_t list, item;
} lists[] = {
    {KIND_SECURITY_GROUP, offsetof(struct security_group, rules), sizeof(struct sg_rule)},
    {KIND_NETWORK_ACL, offsetof(struct network_acl, entries), sizeof(struct acl_entry)},
    {KIND_PREFIX_LIST, offsetof(struct prefix_list, entries), sizeof(struct prefix_entry)},
    {KIND_ROUTE_TABLE, offsetof(struct route_table, routes), sizeof(struct route)},
    {KIND_NETWORK_INTERFACE, offsetof(struct network_interface, addresses6),
     sizeof(struct eni_address)},
};

/* A table without its local route is none that there could be: what differs then is another thing.
 */
static bool may_go(size_t row, const struct obj *o, uint32_t i) {
    const struct route_table *t = (const struct route_table *)o;

    return lists[row].kind != KIND_ROUTE_TABLE ||
           list_at(t->routes, struct route, i)->origin != ROUTE_ORIGIN_CREATE_TABLE;
}

/* Whole objects, those first that others do not need. Subnets and VPCs only when nobody is there,
 * route tables only when no subnet is without one then. */
static const enum kind objects[] = {KIND_PEERING,
                                    KIND_VPN_GATEWAY,
                                    KIND_NAT_GATEWAY,
                                    KIND_EGRESS_ONLY_GATEWAY,
                                    KIND_NETWORK_INTERFACE,
                                    KIND_PREFIX_LIST,
                                    KIND_ROUTE_TABLE,
                                    KIND_INTERNET_GATEWAY,
                                    KIND_SUBNET,
                                    KIND_SECURITY_GROUP,
                                    KIND_NETWORK_ACL,
                                    KIND_VPC};

static const struct obj *nth(const struct world *w, enum kind k, size_t n) {
    struct cursor c;

    index_each_all(w->ix, c, k) {
        if (n-- == 0)
            return c.obj;
    }
    return NULL;
}

static bool is_needed(const struct world *w, const struct obj *o) {
    struct cursor c;

    if (o->kind == KIND_SUBNET)
        return cursor_by(w->ix, &c, KIND_NETWORK_INTERFACE, ENI_BY_SUBNET, o->id);
    if (o->kind == KIND_ROUTE_TABLE && !route_table_is_edge((const struct route_table *)o))
        return cursor_by(w->ix, &c, KIND_SUBNET, SUBNET_BY_VPC,
                         ((const struct route_table *)o)->vpc_id);
    if (o->kind == KIND_VPC)
        return cursor_by(w->ix, &c, KIND_SUBNET, SUBNET_BY_VPC, o->id);
    return false;
}

static bool try_item(struct world *w, size_t row, const struct obj *o, uint32_t i, shrink_fn *still,
                     void *data) {
    struct obj *before = obj_ref(o), *less = world_must(obj_clone(o));

    list_cut((struct list *)(void *)((char *)less + lists[row].list), lists[row].item, i);
    world_put(w, less);
    world_settle(w);
    if (still(w, data)) {
        obj_unref(before);
        return true;
    }
    world_put(w, before);
    world_settle(w);
    return false;
}

static bool try_object(struct world *w, const struct obj *o, shrink_fn *still, void *data) {
    struct obj *before = obj_ref(o);

    world_take(w, o);
    world_settle(w);
    if (still(w, data)) {
        obj_unref(before);
        return true;
    }
    world_put(w, before);
    world_settle(w);
    return false;
}

static unsigned one_round(struct world *w, shrink_fn *still, void *data) {
    const struct obj *o;
    unsigned gone = 0;

    for (size_t k = 0; k < ARRAY_SIZE(objects); k++)
        for (size_t n = 0; (o = nth(w, objects[k], n)); n++)
            if (!is_needed(w, o) && try_object(w, o, still, data)) {
                gone++;
                n--;
            }
    for (size_t row = 0; row < ARRAY_SIZE(lists); row++)
        for (size_t n = 0; (o = nth(w, lists[row].kind, n)); n++)
            for (uint32_t i = 0;
                 i < ((const struct list *)(const void *)((const char *)o + lists[row].list))->n;)
                if (may_go(row, o, i) && try_item(w, row, o, i, still, data)) {
                    gone++;
                    o = nth(w, lists[row].kind, n);
                } else {
                    o = nth(w, lists[row].kind, n);
                    i++;
                }
    return gone;
}

unsigned shrink_world(struct world *w, shrink_fn *still, void *data) {
    unsigned all = 0, gone;

    while ((gone = one_round(w, still, data)))
        all += gone;
    return all;
}
