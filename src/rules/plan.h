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
    /* An object that cannot be put into force as it stands; the safe side is in force instead: a
     * group set with more rules than the data plane holds (-E2BIG) allows nothing. May be NULL. */
    void (*problem)(void *data, const struct obj *o, int error, const char *what);
    void *data;
};

enum plan_op_kind {
    PLAN_PUT = 1,
    PLAN_DELETE, /* the key may be gone already */
    /* The same, but not before a grace period (5 s) after the last operation of its list. Its
     * table number is never used again, so it does not matter what happens in between. */
    PLAN_DELETE_LATER,
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
 * value ends the list: the function that emits returns it, and wants plan_full() next. */
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

/* Forgets what was published and emits everything that should exist, under new table numbers, and
 * the sweeps that delete the rest. Changes noted before need no flush after. 0 or -errno; it may be
 * called again. */
int plan_full(struct plan *p, const struct index *ix, plan_emit_fn *emit, void *data);

/* Whether the map should have an entry with this key. */
bool plan_owns(const struct plan *p, enum entry_map map, const void *key);

/* Everything that should exist now, as PLAN_PUT, in no particular order (for tests and `status`).*/
int plan_each(const struct plan *p, plan_emit_fn *fn, void *data);

#endif
