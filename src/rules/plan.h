/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The planner: from changed objects to an ordered list of operations on the data plane's maps. It
 * does no I/O: it remembers what it published, and what it needs from outside comes by callbacks.
 *
 *     plan = plan_new(&callbacks);
 *     plan_full(plan, ix, emit, data);        at the start, and whenever an operation failed
 *     for each revision of the stream:
 *         put all its objects into the index;
 *         plan_change(plan, ix, old, new) for each of them;
 *         plan_flush(plan, ix, emit, data);
 *
 * What an observer may see while operations are carried out is told at the head of plan.c.
 * The maps `config`, `uplink_ports`, `host_nets`, `ports`, `links`, `numbers` and those that BPF
 * writes are not the planner's.
 */
#ifndef VPCD_RULES_PLAN_H
#define VPCD_RULES_PLAN_H

#include "abi/maps.h"
#include "model/index.h"
#include "model/network_interface.h"
#include "rules/entry.h"

struct plan;

struct plan_callbacks {
    /* What a VPC, subnet or ENI is called in the maps (enum number_kind, the object's id): never 0,
     * for ever the same. 0 or -errno. */
    int (*number_of)(void *data, enum number_kind kind, const char *id, uint32_t *ret_number);
    /* A number of a table that was never used before, also not before a restart. 0 or -errno. */
    int (*table_new)(void *data, uint32_t *ret_table);
    /* The generations that the map `vpcs` holds now; zeros where it has no such entry. Asked before
     * each change of them, for others add to them too (a device that was attached). A put of
     * `vpcs` must be carried out before anybody else adds to them. NULL: only the planner does. */
    struct vpc_value (*vpc_now)(void *data, uint32_t vpc);
    /* Whether the instance to which the interface is attached runs on this host; asked for attached
     * interfaces only. An interface elsewhere has no entries. NULL: all are here. */
    bool (*on_host)(void *data, const struct index *ix, const struct network_interface *eni);
    /* For plan_full(), to keep what is there: calls `fn` for each entry of the map until it returns
     * other than 0, and returns that; the value under a key, or -ENOENT. NULL: nothing is kept. */
    int (*each)(void *data, enum entry_map map,
                int (*fn)(const void *key, const void *value, void *arg), void *arg);
    int (*get)(void *data, enum entry_map map, const void *key, void *ret_value);
    /* A map is full: carries out at once the deletions that wait and whose time has come. Whether
     * there were some. May be NULL. */
    bool (*reclaim)(void *data);
    /* An object that cannot be put into force as it stands; the safe side is in force instead. A
     * group set with more rules than the data plane holds for one (-E2BIG), that finds no room
     * (-ENOSPC, -E2BIG, -ENOMEM) or whose account took its share (-EDQUOT) allows nothing. Told
     * once for each time that room lacks. May be NULL. */
    void (*problem)(void *data, const struct obj *o, int error, const char *what);
    /* Limits; 0: as docs/RULES.md says. Entries of one set, and of one account, in each map. */
    size_t set_entries, account_entries;
    void *data;
};

enum plan_op_kind {
    PLAN_PUT = 1,
    PLAN_DELETE, /* the key may be gone already */
    /* A table that nobody names any more (`key` is its number): plan_drop(), but not before a grace
     * period (5 s) after the last operation of its list. */
    PLAN_DROP_LATER,
    /* Of plan_full() only: delete every key of the map for which plan_owns() is false. Now, or
     * after the grace period (plan_owns() is to be asked then, not before). */
    PLAN_SWEEP,
    PLAN_SWEEP_LATER,
};

struct plan_op {
    enum plan_op_kind kind;
    enum entry_map map;
    const void *key, *value; /* sizes: entry_map_info(map); NULL where the kind has none */
};

/* Carries one operation out (or queues it); what it points to is valid during the call. A negative
 * value ends the list: the function that emits returns it, and wants plan_full() next. Not so for a
 * PLAN_PUT that finds no room (-ENOSPC, -E2BIG, -ENOMEM): the unit that it belongs to does without,
 * and the list goes on. */
typedef int plan_emit_fn(void *data, const struct plan_op *op);

/* NULL when memory is short. The callbacks are copied. */
struct plan *plan_new(const struct plan_callbacks *callbacks);
void plan_free(struct plan *p); /* NULL is fine */

/*
 * Notes that an object changed: `old` is NULL for a new one, `new` for one that is gone. To be
 * called when the index holds all objects of the revision. Kinds that do not matter are welcome.
 * 0 or -ENOMEM (then plan_full() is wanted).
 */
int plan_change(struct plan *p, const struct index *ix, const struct obj *old,
                const struct obj *new);

/* Emits what the noted changes ask for; nothing when nothing changed. 0 or -errno: of emit, of a
 * callback, -ENOMEM; -ESTALE when plan_full() is wanted (never called, or an earlier error). */
int plan_flush(struct plan *p, const struct index *ix, plan_emit_fn *emit, void *data);

/* Deletes a table whose grace period is over. 0 or -errno. */
int plan_drop(struct plan *p, uint32_t table, plan_emit_fn *emit, void *data);

/* How many units are not in force for want of room. */
size_t plan_lacking(const struct plan *p);
/* Marks some of them, for the next plan_flush() to try again: for a moment when room may have come,
 * after plan_drop() or some time. How many. */
size_t plan_retry(struct plan *p);

/* Forgets what was published and emits everything that should exist, and
 * the sweeps that delete the rest. Changes noted before need no flush after. 0 or -errno; it may be
 * called again. */
int plan_full(struct plan *p, const struct index *ix, plan_emit_fn *emit, void *data);

/* Whether the map should have an entry with this key, or has it until its table's grace is over. */
bool plan_owns(const struct plan *p, enum entry_map map, const void *key);

/* Everything that should exist now, as PLAN_PUT, in no particular order (for tests and `status`).*/
int plan_each(const struct plan *p, plan_emit_fn *fn, void *data);

#endif
