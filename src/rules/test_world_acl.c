/* SPDX-License-Identifier: Apache-2.0 */
/* Network ACLs and prefix lists of a random world. */
#include "rules/test_world_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define NUMBERS 12 /* few, so that entries stand before and behind others */

static struct acl_entry *add_entry(struct network_acl *acl, int64_t number, bool egress, bool allow,
                                   struct cidr cidr) {
    struct acl_entry *e = world_must(network_acl_add(acl, egress, number));

    e->allow = allow;
    e->protocol = -1;
    e->cidr = cidr;
    return e;
}

static void set(struct optint *to, int64_t v) {
    *to = (struct optint){.set = true, .v = v};
}

static void random_entry(struct world *w, struct network_acl *acl) {
    static const int64_t protocols[] = {-1, -1, 6, 6, 6, 17, 17, 1, 58, 47, 0};
    static const uint8_t types[] = {0, 3, 8, 128, 129, 1};
    uint8_t family = world_chance(w, 55) ? IP_V4 : IP_V6;
    int64_t number = 95 + world_random(w, NUMBERS);
    bool egress = world_chance(w, 50);
    uint16_t a = world_port(w), b = world_port(w);
    struct acl_entry *e;

    if (network_acl_find(acl, egress, number))
        return;
    e = add_entry(acl, number, egress, world_chance(w, 45), world_some_cidr(w, family));
    e->protocol = protocols[world_random(w, ARRAY_SIZE(protocols))];
    if (e->protocol == 6 || e->protocol == 17) {
        bool ephemeral = world_chance(w, 30);

        set(&e->from, ephemeral ? 1024 : a < b ? a : b);
        set(&e->to, ephemeral ? 65535 : a < b ? b : a);
    } else if (e->protocol == (family == IP_V4 ? 1 : 58)) {
        set(&e->icmp_type, world_chance(w, 75) ? types[world_random(w, ARRAY_SIZE(types))] : -1);
        set(&e->icmp_code,
            e->icmp_type.v >= 0 && world_chance(w, 50) ? (int)world_random(w, 3) : -1);
    }
}

/* One that allows everything, as a VPC's own; often with random entries. */
void world_make_acl(struct world *w, const char *vpc_id) {
    struct network_acl *acl = world_object(w, KIND_NETWORK_ACL);

    world_set(&acl->vpc_id, vpc_id);
    acl->is_default = true;
    for (int egress = 0; egress < 2; egress++) {
        add_entry(acl, 100, egress, true, world_cidr("0.0.0.0/0"));
        if (world_chance(w, 90))
            add_entry(acl, 101, egress, true, world_cidr("::/0"));
        add_entry(acl, ACL_RULE_LAST, egress, false, world_cidr("0.0.0.0/0"));
        add_entry(acl, ACL_RULE_LAST + 1, egress, false, world_cidr("::/0"));
    }
    if (world_chance(w, 50))
        for (uint32_t n = world_random(w, 6); n; n--)
            random_entry(w, acl);
    world_put(w, acl);
}

void world_choose_acl(struct world *w, struct subnet *s) {
    struct cursor c;

    index_each_by(w->ix, c, KIND_NETWORK_ACL, ACL_BY_VPC, s->vpc_id) {
        if (!s->acl_id || world_chance(w, 50))
            world_set(&s->acl_id, ((const struct obj *)c.obj)->id);
    }
}

static void mutate_entries(struct world *w, struct network_acl *acl) {
    const struct acl_entry *e =
        list_at(acl->entries, struct acl_entry, world_random(w, acl->entries.n));

    if (world_chance(w, 50))
        random_entry(w, acl);
    else if (e->number < ACL_RULE_LAST && world_chance(w, 70))
        network_acl_cut(acl, e);
    else if (e->number < ACL_RULE_LAST)
        ((struct acl_entry *)(uintptr_t)e)->allow ^= true;
    world_put(w, acl);
}

/* An ACL's entries, or which ACL a subnet has. */
void world_mutate_acl(struct world *w) {
    const struct network_acl *acl = world_pick(w, KIND_NETWORK_ACL);
    const struct subnet *s = world_pick(w, KIND_SUBNET);

    if (s && world_chance(w, 35)) {
        struct subnet *changed = world_must(obj_clone(s));

        world_choose_acl(w, changed);
        world_put(w, changed);
    } else if (acl) {
        mutate_entries(w, world_must(obj_clone(acl)));
    }
}

/* --- Prefix lists ------------------------------------------------------------------------- */

static void random_prefix(struct world *w, struct prefix_list *pl) {
    struct cidr cidr = world_some_cidr(w, prefix_list_ip_family(pl));
    struct prefix_entry *e;

    if (prefix_entry_find(&pl->entries, &cidr))
        return;
    e = world_must(list_add(&pl->entries, sizeof(*e)));
    e->cidr = cidr;
    if (pl->entries.n)
        qsort(pl->entries.items, pl->entries.n, sizeof(*e), prefix_entry_cmp);
}

void world_make_list(struct world *w) {
    struct prefix_list *pl = world_object(w, KIND_PREFIX_LIST);

    world_set(&pl->name, pl->o.id);
    pl->family = world_chance(w, 60) ? PREFIX_LIST_IPV4 : PREFIX_LIST_IPV6;
    pl->max_entries = 10;
    pl->version = 1;
    for (uint32_t n = world_random(w, 5); n; n--)
        random_prefix(w, pl);
    world_put(w, pl);
}

void world_mutate_list(struct world *w) {
    const struct prefix_list *o = world_pick(w, KIND_PREFIX_LIST);
    struct prefix_list *pl = o ? world_must(obj_clone(o)) : NULL;

    if (!pl) {
        world_make_list(w);
        return;
    }
    if (pl->entries.n && (pl->entries.n > 6 || world_chance(w, 40)))
        list_cut(&pl->entries, sizeof(struct prefix_entry), world_random(w, pl->entries.n));
    else
        random_prefix(w, pl);
    pl->version++;
    world_put(w, pl);
}
