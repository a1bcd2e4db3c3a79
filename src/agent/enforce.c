/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deletions after a grace period stand in a queue by time. When they have made room, and now and
 * then besides, the planner tries again what found none.
 *
 * A flush that took long is followed by a pause of a quarter of its time, in which changes are only
 * noted: whoever changes large sets all the time has them put into force together, and the agent
 * goes on with its other work. Nobody's change waits for more than the flush before it and its own.
 * Should the agent die before, they stay
 * in the maps: entries under numbers that nobody names, which the sweep of the next start takes
 * away.
 */
#include "agent/enforce.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "rules/plan.h"

#define GRACE_NS 5000000000u
#define RETRY_SECONDS 1
#define ROOM_SECONDS_MIN 5 /* until what found no room is tried again */
#define ROOM_SECONDS_MAX 60
#define SHORT_NS 20000000u /* a flush that needs no pause after it */

struct later {
    STAILQ_ENTRY(later) link;
    uint64_t due;
    bool sweep; /* else a table is dropped */
    enum entry_map map;
    uint32_t table;
};

struct enforce {
    struct dataplane *dp;
    struct plan *plan;
    const struct index *ix; /* of the last flush; lives as long as the agent */
    STAILQ_HEAD(, later) queue;
    struct event *timer; /* the queue's head is due */
    struct event *retry; /* after an error: everything again */
    struct event *room;  /* what lacks room again */
    struct event *pause; /* its end: what was noted meanwhile */
    int room_seconds;
    uint64_t pause_end;
    size_t lacking; /* as last told */
    bool full;      /* plan_full is wanted */
};

static const enum dataplane_map maps[ENTRY_MAPS] = {
    [ENTRY_RULE_TABLES] = DATAPLANE_RULE_TABLES,
    [ENTRY_RULE_ADDRS] = DATAPLANE_RULE_ADDRS,
    [ENTRY_RULE_PORTS] = DATAPLANE_RULE_PORTS,
    [ENTRY_RULE_SETS] = DATAPLANE_RULE_SETS,
    [ENTRY_ACL_ADDRS] = DATAPLANE_ACL_ADDRS,
    [ENTRY_ACL_PORTS] = DATAPLANE_ACL_PORTS,
    [ENTRY_ROUTES] = DATAPLANE_ROUTES,
    [ENTRY_SUBNETS] = DATAPLANE_SUBNETS,
    [ENTRY_EDGES] = DATAPLANE_EDGES,
    [ENTRY_RESOLVERS] = DATAPLANE_RESOLVERS,
    [ENTRY_ENIS] = DATAPLANE_ENIS,
    [ENTRY_ADDRS] = DATAPLANE_ADDRS,
    [ENTRY_PUBLICS] = DATAPLANE_PUBLICS,
    [ENTRY_NATS] = DATAPLANE_NATS,
    [ENTRY_NAT_SOURCES] = DATAPLANE_NAT_SOURCES,
    [ENTRY_NAT_ADDRS] = DATAPLANE_NAT_ADDRS,
    [ENTRY_EGRESS_GATEWAYS] = DATAPLANE_EGRESS_GATEWAYS,
    [ENTRY_VPCS] = DATAPLANE_VPCS,
};

static int number_of(void *data, enum number_kind kind, const char *id, uint32_t *ret_number) {
    struct enforce *e = data;

    return dataplane_number(e->dp, kind, id, ret_number);
}

static int table_new(void *data, uint32_t *ret_table) {
    struct enforce *e = data;

    return dataplane_number_new(e->dp, ret_table);
}

static struct vpc_value vpc_now(void *data, uint32_t vpc) {
    struct enforce *e = data;
    struct vpc_key key = {.vpc = vpc};
    struct vpc_value value = {0};

    dataplane_get(e->dp, DATAPLANE_VPCS, &key, &value);
    return value;
}

static void problem(void *data, const struct obj *o, int error, const char *what) {
    log_error("%s cannot be put into force: %s (%s)", o->id, what, strerror(-error));
}

static int each(void *data, enum entry_map map,
                int (*fn)(const void *key, const void *value, void *arg), void *arg) {
    return dataplane_each(((struct enforce *)data)->dp, maps[map], fn, arg);
}

static int get(void *data, enum entry_map map, const void *key, void *ret_value) {
    return dataplane_get(((struct enforce *)data)->dp, maps[map], key, ret_value);
}

/* Deletes what the plan does not own. */
struct sweep {
    struct enforce *e;
    enum entry_map map;
    size_t gone;
};

static int sweep_one(const void *key, const void *value, void *arg) {
    struct sweep *s = arg;

    if (plan_owns(s->e->plan, s->map, key))
        return 0;
    s->gone++;
    return dataplane_del(s->e->dp, maps[s->map], key);
}

static int sweep(struct enforce *e, enum entry_map map) {
    struct sweep s = {.e = e, .map = map};

    return dataplane_each(e->dp, maps[map], sweep_one, &s);
}

static void arm(struct enforce *e) {
    struct later *l = STAILQ_FIRST(&e->queue);
    uint64_t now = mono_ns(), wait;
    struct timeval tv;

    if (!l)
        return;
    wait = l->due > now ? (l->due - now) / 1000 + 1 : 1;
    tv = (struct timeval){.tv_sec = (time_t)(wait / 1000000),
                          .tv_usec = (suseconds_t)(wait % 1000000)};
    event_add(e->timer, &tv);
}

static int queue(struct enforce *e, enum entry_map map, const uint32_t *table) {
    struct later *l = calloc(1, sizeof(*l));

    if (!l)
        return -ENOMEM;
    *l = (struct later){.due = mono_ns() + GRACE_NS, .sweep = !table, .map = map};
    if (table)
        l->table = *table;
    STAILQ_INSERT_TAIL(&e->queue, l, link);
    return 0;
}

static int emit(void *data, const struct plan_op *op) {
    struct enforce *e = data;

    switch (op->kind) {
    case PLAN_PUT:
        return dataplane_put(e->dp, maps[op->map], op->key, op->value);
    case PLAN_DELETE:
        return dataplane_del(e->dp, maps[op->map], op->key);
    case PLAN_DROP_LATER:
        return queue(e, op->map, op->key);
    case PLAN_SWEEP:
        return sweep(e, op->map);
    case PLAN_SWEEP_LATER:
        return queue(e, op->map, NULL);
    }
    return -EINVAL;
}

/* Carries out what is due, up to the first sweep if `tables`; whether there was something. */
static bool carry_out(struct enforce *e, bool tables) {
    struct later *l;
    uint64_t now = mono_ns();
    bool any = false;

    while ((l = STAILQ_FIRST(&e->queue)) && l->due <= now && !(tables && l->sweep)) {
        STAILQ_REMOVE_HEAD(&e->queue, link);
        if (l->sweep)
            sweep(e, l->map);
        else
            plan_drop(e->plan, l->table, emit, e);
        free(l);
        any = true;
    }
    return any;
}

static bool reclaim(void *data) {
    /* Sweeps ask what the planner owns, which is in flux now. */
    return carry_out(data, true);
}

/* As long as something lacks room it is tried now and then. */
static void watch_room(struct enforce *e) {
    size_t n = plan_lacking(e->plan);
    struct timeval tv;

    if (n != e->lacking && !n)
        log_info("everything is in force again");
    e->lacking = n;
    if (!n) {
        e->room_seconds = ROOM_SECONDS_MIN;
        event_del(e->room);
    } else if (!event_pending(e->room, EV_TIMEOUT, NULL)) {
        tv = (struct timeval){.tv_sec = e->room_seconds};
        event_add(e->room, &tv);
    }
}

static void try_again(struct enforce *e) {
    if (!e->full && e->ix && plan_retry(e->plan) > 0)
        enforce_flush(e, e->ix, false);
}

static void on_timer(evutil_socket_t fd, short what, void *arg) {
    struct enforce *e = arg;

    if (carry_out(e, false) && plan_lacking(e->plan))
        try_again(e);
    arm(e);
}

static void on_retry(evutil_socket_t fd, short what, void *arg) {
    struct enforce *e = arg;

    enforce_flush(e, e->ix, true);
}

static void on_room(evutil_socket_t fd, short what, void *arg) {
    struct enforce *e = arg;

    e->room_seconds =
        e->room_seconds * 2 < ROOM_SECONDS_MAX ? e->room_seconds * 2 : ROOM_SECONDS_MAX;
    try_again(e);
    watch_room(e);
}

static void on_pause(evutil_socket_t fd, short what, void *arg) {
    struct enforce *e = arg;

    enforce_flush(e, e->ix, false);
}

int enforce_new(struct event_base *base, struct dataplane *dp, struct enforce **ret_enforce) {
    struct enforce *e = calloc(1, sizeof(*e));
    const struct plan_callbacks callbacks = {.number_of = number_of,
                                             .table_new = table_new,
                                             .vpc_now = vpc_now,
                                             .each = each,
                                             .get = get,
                                             .reclaim = reclaim,
                                             .problem = problem,
                                             .data = e};

    if (!e)
        return -ENOMEM;
    STAILQ_INIT(&e->queue);
    e->dp = dp;
    e->full = true;
    e->plan = plan_new(&callbacks);
    e->timer = evtimer_new(base, on_timer, e);
    e->retry = evtimer_new(base, on_retry, e);
    e->room = evtimer_new(base, on_room, e);
    e->pause = evtimer_new(base, on_pause, e);
    e->room_seconds = ROOM_SECONDS_MIN;
    if (!e->plan || !e->timer || !e->retry || !e->room || !e->pause) {
        enforce_free(e);
        return -ENOMEM;
    }
    *ret_enforce = e;
    return 0;
}

void enforce_free(struct enforce *e) {
    struct later *l;

    if (!e)
        return;
    while ((l = STAILQ_FIRST(&e->queue))) {
        STAILQ_REMOVE_HEAD(&e->queue, link);
        free(l);
    }
    if (e->timer)
        event_free(e->timer);
    if (e->retry)
        event_free(e->retry);
    if (e->room)
        event_free(e->room);
    if (e->pause)
        event_free(e->pause);
    plan_free(e->plan);
    free(e);
}

void enforce_change(struct enforce *e, const struct index *ix, const struct obj *old,
                    const struct obj *new) {
    if (!e->full && plan_change(e->plan, ix, old, new) < 0)
        e->full = true;
}

size_t enforce_lacking(const struct enforce *e) {
    return plan_lacking(e->plan);
}

/* Whether the flush is for later: the one before took long, and not long ago. */
static bool pauses(struct enforce *e) {
    uint64_t now = mono_ns(), wait;
    struct timeval tv;

    if (e->full || now >= e->pause_end)
        return false;
    wait = (e->pause_end - now) / 1000 + 1;
    tv = (struct timeval){.tv_sec = (time_t)(wait / 1000000),
                          .tv_usec = (suseconds_t)(wait % 1000000)};
    if (!event_pending(e->pause, EV_TIMEOUT, NULL))
        event_add(e->pause, &tv);
    return true;
}

int enforce_flush(struct enforce *e, const struct index *ix, bool full) {
    const struct timeval again = {.tv_sec = RETRY_SECONDS};
    uint64_t begin = mono_ns(), end;
    int r;

    e->ix = ix;
    e->full |= full;
    if (pauses(e))
        return 0;
    r = e->full ? plan_full(e->plan, ix, emit, e) : plan_flush(e->plan, ix, emit, e);
    end = mono_ns();
    e->pause_end = end - begin > SHORT_NS ? end + (end - begin) / 4 : 0;
    arm(e);
    if (r < 0) {
        log_error("the change is not in force: %s; trying again", strerror(-r));
        e->full = true;
        event_add(e->retry, &again);
        return r;
    }
    e->full = false;
    watch_room(e);
    return 0;
}
