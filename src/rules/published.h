/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the planner published: units with the entries of their tables, and every key of the direct
 * maps with the unit it belongs to. Private to plan.c.
 *
 * An address may pass from one interface to another in one revision, so a key's owner counts: the
 * unit that put it last. The one that had it before no longer deletes it.
 */
#ifndef VPCD_RULES_PUBLISHED_H
#define VPCD_RULES_PUBLISHED_H

#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>

#include "abi/maps.h"
#include "rules/depend.h"
#include "rules/entry.h"
#include "rules/room.h"

/* A key that exists: of a direct map, or (map ENTRY_MAPS) a table number that is in use. */
struct slot {
    RB_ENTRY(slot) link;
    LIST_ENTRY(slot) sibling; /* of the same owner */
    struct unit *owner;
    uint64_t round; /* the last round in which its owner named it */
    struct entry e;
};

struct unit {
    RB_ENTRY(unit) link;
    TAILQ_ENTRY(unit) queue; /* while dirty */
    LIST_HEAD(, slot) slots;
    enum unit_kind kind;
    struct scope scope;
    char *id;
    char *vpc_id; /* whose generation its entries count for; NULL before it was compiled */
    bool dirty;
    bool changed; /* its content, not only who uses it */
    /*
     * Who is used: an interface that is plugged in on this host uses its group set and its subnet,
     * a subnet with such interfaces its route table, its ACL and its gateway's route table. What
     * nobody uses has no entries.
     */
    struct unit *uses[3];
    uint32_t users;
    /* Not in force as it should be: the data plane, or the account's share of it, has no room. */
    TAILQ_ENTRY(unit) lacks;
    bool lacking;
    struct room_count want;
    /* UNIT_RULES, UNIT_ROUTES, UNIT_ACL */
    uint32_t table;       /* 0: none */
    struct entries under; /* what is under that number, sorted, written with the number 0 */
    struct entries next;  /* during a flush: what should be */
    uint32_t candidate;   /* during plan_full(): the number that the maps have for it */
    /* UNIT_VPC */
    struct vpc_value generations;
    uint32_t number;
    bool known; /* the number is valid */
    bool new_net, new_sg;
};

RB_HEAD(slot_tree, slot);
RB_HEAD(unit_tree, unit);
TAILQ_HEAD(unit_queue, unit);

struct published {
    struct slot_tree slots;
    struct unit_tree units;
    struct unit_queue dirty[UNIT_KINDS];
    struct unit_queue lacking; /* that lacked room longest first */
    size_t n_lacking;
};

void published_init(struct published *p);
void published_free(struct published *p);

/* All units, in order; the next may be asked for before this one is dropped. */
struct unit *published_first(const struct published *p);
struct unit *published_next(struct unit *u);

struct unit *unit_find(const struct published *p, enum unit_kind kind, struct scope scope,
                       const char *id);
/* Finds or makes it; NULL when memory is short. */
struct unit *unit_get(struct published *p, enum unit_kind kind, struct scope scope, const char *id);
/* Frees it with its slots. It must not be dirty, and nobody may use it. */
void unit_drop(struct published *p, struct unit *u);
void unit_mark(struct published *p, struct unit *u);
void unit_clean(struct published *p, struct unit *u); /* the reverse of unit_mark */

/* Enters the queue of those that lack room, at its end, or leaves it. */
void unit_lacks(struct published *p, struct unit *u, bool lacking);

struct slot *slot_find(const struct published *p, enum entry_map map, const void *key);
/* A new slot of this owner, or NULL; the key must not exist. */
struct slot *slot_add(struct published *p, struct unit *owner, const struct entry *e);
void slot_own(struct slot *s, struct unit *owner);
void slot_drop(struct published *p, struct slot *s);

#endif
