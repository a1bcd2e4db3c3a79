/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each instance that should be or is has a `struct task`; a task that must be looked at stands in
 * the queue. One look (look_at) goes at most one step further and says whether there is more:
 *
 *     should run     no guest, or one that the machine's restart ended: make it
 *                    interfaces: plug what is attached, unplug what no longer is
 *                    all there: run the user data, report "running"
 *                    ended by itself: as if it had been stopped, report "stopped"
 *                    another start is asked for (a reboot): end it, then make it
 *     should stop    alive: ask it to end, later kill it; ended: unplug, report "stopped"
 *     should be gone alive: kill it; ended: unplug, forget, report "terminated"
 *
 * A virtual machine (ami-tap) has no guest here: it runs when its taps stand in the packet path, is
 * stopped when they are closed, and is gone when they are.
 *
 * A guest's end shows at its pidfd, a device's at the link monitor; both put the task into the
 * queue.
 */
#include "agent/reconcile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "agent/resolv.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "link/monitor.h"
#include "model/instance.h"

#define TRIES_MAX 3
#define RETRY_MS 500
#define LOST_MS 50     /* the pause before a deleted device is made again: doubled each time, */
#define LOST_MAX 7     /* so many times, */
#define LOST_CALM_S 60 /* until none was deleted for so long */
#define STOP_MS 6000   /* its first process gives the others 3 s */

struct task {
    TAILQ_ENTRY(task) link;
    UT_hash_handle hh;
    struct reconcile *r;
    char id[32];
    struct scope scope;
    bool queued;
    bool stopping; /* it was asked to end */
    int tries;     /* that failed, of making it run */
    int lost;      /* devices that it deleted of late, the last at lost_ns */
    uint64_t lost_ns;
    char reported[16];
    struct event *ended; /* its pidfd */
    struct event *retry; /* or, while it is stopping, the time to kill it */
};

TAILQ_HEAD(tasks, task);

struct reconcile {
    struct event_base *base;
    struct world *world;
    struct guests *guests;
    struct plugs *plugs;
    struct task *all;
    struct tasks queue;
    struct event *turn;
    struct link_monitor *monitor;
    struct event *links;
    void (*other_gone)(void *arg, int ifindex);
    void *arg;
};

enum wish { WISH_GONE, WISH_STOPPED, WISH_RUNNING };

static void enqueue(struct task *t) {
    const struct timeval now = {0};

    if (t->queued)
        return;
    t->queued = true;
    TAILQ_INSERT_TAIL(&t->r->queue, t, link);
    event_add(t->r->turn, &now);
}

/* Its next step in the next turn: an instance is finished before another is begun. */
static void go_on(struct task *t) {
    const struct timeval now = {0};

    if (t->queued)
        return;
    t->queued = true;
    TAILQ_INSERT_HEAD(&t->r->queue, t, link);
    event_add(t->r->turn, &now);
}

static void on_retry(evutil_socket_t fd, short what, void *arg) {
    struct task *t = arg;
    struct guest *g = guest_find(t->r->guests, t->id);

    if (t->stopping && g)
        guest_kill(g);
    enqueue(t);
}

static struct task *task_of(struct reconcile *r, const char *id) {
    struct task *t;

    HASH_FIND_STR(r->all, id, t);
    if (t)
        return t;
    t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    t->r = r;
    snprintf(t->id, sizeof(t->id), "%s", id);
    t->retry = evtimer_new(r->base, on_retry, t);
    if (!t->retry) {
        free(t);
        return NULL;
    }
    HASH_ADD_STR(r->all, id, t);
    return t;
}

static void task_free(struct task *t) {
    if (t->queued)
        TAILQ_REMOVE(&t->r->queue, t, link);
    HASH_DEL(t->r->all, t);
    if (t->ended)
        event_free(t->ended);
    event_free(t->retry);
    free(t);
}

static void report(struct task *t, const char *state, const char *why) {
    if (strcmp(t->reported, state) == 0)
        return;
    snprintf(t->reported, sizeof(t->reported), "%s", state);
    world_report(t->r->world, REPORT_INSTANCE, t->id, state, why);
}

static void look_again(struct task *t, int ms) {
    const struct timeval pause = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    event_add(t->retry, &pause);
}

/* The end of a guest */

static void on_ended(evutil_socket_t fd, short what, void *arg) {
    struct task *t = arg;
    struct guest *g = guest_find(t->r->guests, t->id);

    event_free(t->ended);
    t->ended = NULL;
    t->stopping = false;
    event_del(t->retry);
    if (g)
        guest_ended(t->r->guests, g);
    enqueue(t);
}

static void watch(struct task *t, const struct guest *g) {
    if (t->ended || g->pidfd < 0)
        return;
    t->ended = event_new(t->r->base, g->pidfd, EV_READ, on_ended, t);
    if (t->ended)
        event_add(t->ended, NULL);
}

/* Interfaces */

static void unplug_all(struct task *t) {
    struct plug *plug, *next;

    HASH_ITER (hh, t->r->plugs->all, plug, next) {
        if (strcmp(plug->instance_id, t->id) == 0)
            plug_remove(t->r->plugs, plug);
    }
}

/* Those that the instance no longer has. */
static void unplug_others(struct task *t, const struct index *ix) {
    struct plug *plug, *next;

    HASH_ITER (hh, t->r->plugs->all, plug, next) {
        const struct network_interface *eni;

        if (strcmp(plug->instance_id, t->id) != 0)
            continue;
        eni = index_get(ix, KIND_NETWORK_INTERFACE, t->scope, plug->eni_id);
        if (!eni || !eni->instance_id || strcmp(eni->instance_id, t->id) != 0)
            plug_remove(t->r->plugs, plug);
    }
}

/* `netns_fd` as plug_ensure has it. */
static int plug_wanted(struct task *t, const struct index *ix, int netns_fd) {
    struct cursor c;
    int r = 0;

    unplug_others(t, ix);
    index_each_by(ix, c, KIND_NETWORK_INTERFACE, ENI_BY_INSTANCE, t->id) {
        const struct network_interface *eni = c.obj;
        int k = plug_ensure(t->r->plugs, ix, eni, netns_fd);

        if (k < 0) {
            log_error("%s in %s: %s", eni->o.id, t->id, strerror(-k));
            r = k;
        }
    }
    return r;
}

/* One look */

static enum wish wish_of(const struct instance *i) {
    if (!i || (i->driver != DRIVER_NETNS && i->driver != DRIVER_TAP))
        return WISH_GONE;
    switch (i->state) {
    case INSTANCE_PENDING:
    case INSTANCE_RUNNING:
        return WISH_RUNNING;
    case INSTANCE_STOPPING:
    case INSTANCE_STOPPED:
        return WISH_STOPPED;
    default:
        return WISH_GONE;
    }
}

static int make_guest(struct task *t, const struct index *ix, const struct instance *i,
                      struct guest **ret, char *why, size_t size) {
    struct guest_spec spec = {.id = t->id,
                              .user_data = i->user_data.data,
                              .user_data_len = i->user_data.len,
                              .boots = i->boots};
    _buf_ struct buf resolv = BUF_LIMIT(RESOLV_MAX);
    char hostname[64];
    struct cursor c;

    /* As AWS names its hosts: ip-10-0-1-5. */
    snprintf(hostname, sizeof(hostname), "%s", t->id);
    index_each_by(ix, c, KIND_NETWORK_INTERFACE, ENI_BY_INSTANCE, t->id) {
        const struct network_interface *eni = c.obj;
        const struct eni_address *a = eni_primary(eni);

        if (eni->device_index == 0)
            resolv_conf(ix, eni, &resolv);
        if (eni->device_index == 0 && a)
            snprintf(hostname, sizeof(hostname), "ip-%u-%u-%u-%u", a->ip.b[0], a->ip.b[1],
                     a->ip.b[2], a->ip.b[3]);
    }
    spec.hostname = hostname;
    spec.resolv = buf_str(&resolv);
    return guest_create(t->r->guests, &spec, ret, why, size);
}

static void failed(struct task *t, const char *why) {
    log_error("%s cannot run: %s", t->id, why);
    if (++t->tries < TRIES_MAX)
        look_again(t, RETRY_MS);
    else
        report(t, "failed", why);
}

static void ask_to_end(struct task *t, struct guest *g) {
    watch(t, g);
    if (t->stopping)
        return;
    t->stopping = true;
    look_again(t, STOP_MS);
    guest_stop(g);
}

static void make_run(struct task *t, const struct index *ix, const struct instance *i,
                     struct guest *g) {
    char why[512] = "";
    int r;

    if (g && g->pidfd >= 0 && g->record.boots != i->boots) {
        ask_to_end(t, g);
        return;
    }
    if (g && g->pidfd < 0 && !g->rebooted && g->record.boots == i->boots &&
        i->state == INSTANCE_RUNNING) {
        /* Its first process ended: on AWS, a shutdown from inside stops the instance. */
        unplug_all(t);
        report(t, "stopped", "Client.InstanceInitiatedShutdown: Instance initiated shutdown");
        return;
    }
    if (!g || g->pidfd < 0) {
        unplug_all(t);
        r = make_guest(t, ix, i, &g, why, sizeof(why));
        if (r < 0) {
            failed(t, *why ? why : strerror(-r));
            return;
        }
        watch(t, g);
        go_on(t);
        return;
    }
    watch(t, g);
    r = plug_wanted(t, ix, g->netns_fd);
    if (r < 0) {
        failed(t, "a network interface could not be plugged in");
        return;
    }
    r = guest_go(g);
    if (r < 0) {
        failed(t, "its first process does not answer");
        return;
    }
    t->tries = 0;
    report(t, "running", "");
}

static void make_stop(struct task *t, struct guest *g) {
    if (g && g->pidfd >= 0) {
        ask_to_end(t, g);
        return;
    }
    unplug_all(t);
    report(t, "stopped", "");
}

/* A virtual machine */

static void tap_run(struct task *t, const struct index *ix) {
    char why[128];
    int r = plug_wanted(t, ix, -1);

    if (r == -ENOENT || r == -ENODEV || r == -ENXIO) {
        failed(t, "this host has no tap devices: /dev/net/tun is missing");
    } else if (r < 0) {
        snprintf(why, sizeof(why), "a tap device could not be made: %s", strerror(-r));
        failed(t, why);
    } else {
        t->tries = 0;
        report(t, "running", "");
    }
}

static void tap_stop(struct task *t, const struct index *ix) {
    struct plug *plug, *next;
    int r = 0;

    unplug_others(t, ix);
    HASH_ITER (hh, t->r->plugs->all, plug, next) {
        if (strcmp(plug->instance_id, t->id) == 0 && plug_close(t->r->plugs, plug) < 0)
            r = -EIO;
    }
    if (r < 0) {
        log_error("%s: a tap cannot be closed; it is tried again", t->id);
        look_again(t, RETRY_MS);
    } else {
        report(t, "stopped", "");
    }
}

/* True: the task is over and was freed. */
static bool make_gone(struct task *t, const struct instance *i, struct guest *g) {
    if (g && g->pidfd >= 0) {
        watch(t, g);
        guest_kill(g);
        return false;
    }
    unplug_all(t);
    if (g)
        guest_forget(t->r->guests, g);
    if (i && i->state == INSTANCE_SHUTTING_DOWN) {
        report(t, "terminated", "");
        return false;
    }
    task_free(t);
    return true;
}

static void look_at(struct task *t) {
    const struct index *ix = world_index(t->r->world);
    const struct instance *i = index_get(ix, KIND_INSTANCE, t->scope, t->id);
    struct guest *g = guest_find(t->r->guests, t->id);
    bool tap = i && i->driver == DRIVER_TAP;

    switch (wish_of(i)) {
    case WISH_RUNNING:
        if (tap)
            tap_run(t, ix);
        else
            make_run(t, ix, i, g);
        break;
    case WISH_STOPPED:
        if (tap)
            tap_stop(t, ix);
        else
            make_stop(t, g);
        break;
    case WISH_GONE:
        make_gone(t, i, g);
        break;
    }
}

static void on_turn(evutil_socket_t fd, short what, void *arg) {
    struct reconcile *r = arg;
    struct task *t = TAILQ_FIRST(&r->queue);
    const struct timeval now = {0};

    if (!t || !world_connected(r->world))
        return; /* what should be is not known now; the next snapshot looks at all */
    TAILQ_REMOVE(&r->queue, t, link);
    t->queued = false;
    look_at(t);
    if (!TAILQ_EMPTY(&r->queue))
        event_add(r->turn, &now);
}

/* Devices */

static void link_gone(int ifindex, const char *name, void *arg) {
    struct reconcile *r = arg;
    struct plug *plug = plug_find_ifindex(r->plugs, ifindex);
    const struct guest *g;
    struct task *t;
    bool tap;

    if (!plug) {
        /* Our own doing, or not ours, or the uplink. */
        r->other_gone(r->arg, ifindex);
        return;
    }
    t = *plug->instance_id ? task_of(r, plug->instance_id) : NULL;
    tap = plug->kind == LINK_TAP;
    plug_lost(r->plugs, plug);
    if (!t)
        return;
    g = guest_find(r->guests, t->id);
    if (!tap && (!g || !guest_lives(g))) {
        enqueue(t); /* it went with its namespace */
        return;
    }
    /* An instance's root, or the user of a tap, may delete the device in a loop: each time within a
     * while it waits longer. */
    if (mono_ns() - t->lost_ns > (uint64_t)LOST_CALM_S * 1000000000)
        t->lost = 0;
    t->lost_ns = mono_ns();
    if (t->lost++ == 0) {
        log_warn("%s: its device %s was deleted; it is made again", t->id, name);
        enqueue(t);
    } else {
        look_again(t, t->lost < LOST_MAX ? LOST_MS << t->lost : LOST_MS << LOST_MAX);
    }
}

static void on_links(evutil_socket_t fd, short what, void *arg) {
    struct reconcile *r = arg;
    struct plug *plug, *next;
    struct link_info info;

    if (link_monitor_read(r->monitor, link_gone, r) != 1)
        return;
    /* News was lost: look at each device. */
    HASH_ITER (hh, r->plugs->all, plug, next) {
        if (link_get_index(r->plugs->rtnl, plug->ifindex, &info) < 0)
            link_gone(plug->ifindex, "", r);
    }
    r->other_gone(r->arg, 0);
}

int reconcile_new(struct event_base *base, struct guests *guests, struct plugs *plugs,
                  void (*other_gone)(void *arg, int ifindex), void *arg,
                  struct reconcile **ret_reconcile) {
    struct reconcile *r = calloc(1, sizeof(*r));
    int k;

    if (!r)
        return -ENOMEM;
    *r = (struct reconcile){
        .base = base, .guests = guests, .plugs = plugs, .other_gone = other_gone, .arg = arg};
    TAILQ_INIT(&r->queue);
    r->turn = evtimer_new(base, on_turn, r);
    k = r->turn ? link_monitor_open(&r->monitor) : -ENOMEM;
    if (k == 0) {
        r->links = event_new(base, link_monitor_fd(r->monitor), EV_READ | EV_PERSIST, on_links, r);
        k = r->links && event_add(r->links, NULL) == 0 ? 0 : -ENOMEM;
    }
    if (k < 0) {
        reconcile_free(r);
        return k;
    }
    *ret_reconcile = r;
    return 0;
}

void reconcile_free(struct reconcile *r) {
    struct task *t, *next;

    if (!r)
        return;
    HASH_ITER (hh, r->all, t, next) {
        task_free(t);
    }
    if (r->links)
        event_free(r->links);
    if (r->turn)
        event_free(r->turn);
    if (r->monitor)
        link_monitor_close(r->monitor);
    free(r);
}

void reconcile_set_world(struct reconcile *r, struct world *w) {
    r->world = w;
}

static void change_instance(struct reconcile *r, const char *id, struct scope scope) {
    struct task *t = task_of(r, id);

    if (!t)
        return;
    t->scope = scope;
    enqueue(t);
}

void reconcile_change(struct reconcile *r, const struct obj *old, const struct obj *new) {
    const struct obj *both[] = {old, new};

    for (int i = 0; i < 2; i++) {
        const struct obj *o = both[i];

        if (!o)
            continue;
        if (o->kind == KIND_INSTANCE) {
            const struct instance *now = (const void *)new;
            struct task *t;

            change_instance(r, o->id, o->scope);
            HASH_FIND_STR(r->all, o->id, t);
            /* Another state is asked for: what was reported of the former one is over. */
            if (t && (!old || !new || ((const struct instance *)old)->state != now->state))
                t->reported[0] = 0;
        } else if (o->kind == KIND_NETWORK_INTERFACE) {
            const struct network_interface *eni = (const void *)o;

            if (eni->instance_id)
                change_instance(r, eni->instance_id, o->scope);
        }
    }
}

/* Whether this host has the instance: a guest, or one whose interfaces are taps. */
static bool is_here(struct reconcile *r, const struct index *ix,
                    const struct network_interface *eni) {
    const struct instance *i = index_get(ix, KIND_INSTANCE, eni->o.scope, eni->instance_id);

    return guest_find(r->guests, eni->instance_id) || (i && i->driver == DRIVER_TAP);
}

/* Devices whose interface is in no instance: a former agent's, or of an instance that is gone. */
static void sort_found_plugs(struct reconcile *r, const struct index *ix) {
    struct plug *plug, *next;
    struct cursor c;

    HASH_ITER (hh, r->plugs->all, plug, next) {
        const struct network_interface *owner = NULL;

        if (*plug->instance_id)
            continue;
        index_each_all(ix, c, KIND_NETWORK_INTERFACE) {
            if (strcmp(((const struct obj *)c.obj)->id, plug->eni_id) == 0)
                owner = c.obj;
        }
        if (owner && owner->instance_id && is_here(r, ix, owner))
            snprintf(plug->instance_id, sizeof(plug->instance_id), "%s", owner->instance_id);
        else
            plug_remove(r->plugs, plug);
    }
}

void reconcile_all(struct reconcile *r) {
    const struct index *ix = world_index(r->world);
    struct task *t, *next;
    struct guest *g;
    struct cursor c;

    sort_found_plugs(r, ix);
    index_each_all(ix, c, KIND_INSTANCE) {
        const struct obj *o = c.obj;

        if (wish_of(c.obj) != WISH_GONE ||
            ((const struct instance *)c.obj)->state == INSTANCE_SHUTTING_DOWN)
            change_instance(r, o->id, o->scope);
    }
    LIST_FOREACH (g, &r->guests->list, link) {
        t = task_of(r, g->record.id);
        if (t)
            enqueue(t);
    }
    HASH_ITER (hh, r->all, t, next) {
        t->reported[0] = 0;
        enqueue(t);
    }
}
