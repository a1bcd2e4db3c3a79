/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of the state that nobody called for: what the agent reports of instances, and what goes
 * away with time. Each is a call of its own on the state.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/instance_ops.h"
#include "base/io.h"

#define TERMINATED_VISIBLE_MS (3600 * 1000ll) /* "for about an hour" (EC2 user guide) */
#define TOKEN_KEPT_MS (24 * 3600 * 1000ll)    /* EC2 API reference, "Ensuring idempotency" */
#define SWEEP_MAX 500                         /* objects of one sweep: one transaction */

/* A call without a caller; what it would answer is thrown away. */
struct own_call {
    struct call call;
    struct buf body;
};

static void own_call_begin(struct own_call *oc, struct api *api, struct txn *t,
                           struct scope scope) {
    *oc = (struct own_call){.call = {.api = api,
                                     .scope = scope,
                                     .txn = t,
                                     .ix = txn_index(t),
                                     .look = {.ix = txn_index(t)},
                                     .now = time_ms()}};
    oc->call.xml.out = oc->call.body = &oc->body;
}

static void own_call_end(struct own_call *oc) {
    free(oc->call.error_message);
    buf_free(&oc->body);
}

/* Reports */

struct report {
    struct api *api;
    char *instance_id, *state, *reason;
};

static void report_free(struct report *r) {
    free(r->instance_id);
    free(r->state);
    free(r->reason);
    free(r);
}

static int report_run(struct txn *t, void *arg) {
    const struct report *r = arg;
    struct own_call oc;
    struct cursor cur;
    char reason[512];
    int result = 0;

    /* The report names no account. An instance that is not terminated has interfaces, which are
     * found by its id and are in the same scope. */
    if (!cursor_by(txn_index(t), &cur, KIND_NETWORK_INTERFACE, ENI_BY_INSTANCE, r->instance_id))
        return 0;
    own_call_begin(&oc, r->api, t, ((const struct obj *)cur.obj)->scope);
    if (strcmp(r->state, "running") == 0) {
        result = instance_settle(&oc.call, r->instance_id, INSTANCE_RUNNING, NULL, NULL);
    } else if (strcmp(r->state, "stopped") == 0) {
        result = instance_settle(&oc.call, r->instance_id, INSTANCE_STOPPED, NULL, NULL);
    } else if (strcmp(r->state, "terminated") == 0) {
        const struct instance *i = txn_get(t, KIND_INSTANCE, oc.call.scope, r->instance_id);

        /* Only what was asked for: a report may be older than the instance's last start. */
        if (i && i->state == INSTANCE_SHUTTING_DOWN)
            result = instance_settle(&oc.call, r->instance_id, INSTANCE_TERMINATED, NULL, NULL);
    } else if (strcmp(r->state, "failed") == 0) {
        snprintf(reason, sizeof(reason), "Server.InternalError: %s",
                 r->reason ? r->reason : "Internal error on launch");
        result = instance_settle(&oc.call, r->instance_id, INSTANCE_TERMINATED,
                                 "Server.InternalError", reason);
    }
    own_call_end(&oc);
    return result;
}

static void report_done(void *arg, int status) {
    report_free(arg);
}

void api_instance_report(struct api *api, const char *instance_id, const char *state,
                         const char *reason) {
    struct report *r = calloc(1, sizeof(*r));

    if (!r)
        return; /* the agent reports again when it connects again */
    r->api = api;
    if (!str_set(&r->instance_id, instance_id) || !str_set(&r->state, state) ||
        !str_set(&r->reason, reason)) {
        report_free(r);
        return;
    }
    state_call(api_config(api)->state, report_run, report_done, r);
}

/* The sweep */

/* The objects of a kind that are over, at most SWEEP_MAX. */
static size_t find_old(const struct index *ix, enum kind k, bool (*is_old)(const void *, int64_t),
                       int64_t now, const void **found) {
    struct cursor cur;
    size_t n = 0;

    index_each_all(ix, cur, k) {
        if (n == SWEEP_MAX)
            break;
        if (is_old(cur.obj, now))
            found[n++] = cur.obj;
    }
    return n;
}

static bool token_is_old(const void *obj, int64_t now) {
    return ((const struct token *)obj)->created + TOKEN_KEPT_MS < now;
}

static bool instance_is_old(const void *obj, int64_t now) {
    const struct instance *i = obj;

    return i->state == INSTANCE_TERMINATED && i->terminated + TERMINATED_VISIBLE_MS < now;
}

static int sweep_run(struct txn *t, void *arg) {
    const void *found[SWEEP_MAX];
    int64_t now = time_ms();
    size_t n = find_old(txn_index(t), KIND_INSTANCE, instance_is_old, now, found);

    for (size_t i = 0; i < n; i++)
        txn_delete(t, found[i]);
    n = find_old(txn_index(t), KIND_TOKEN, token_is_old, now, found);
    for (size_t i = 0; i < n; i++)
        txn_delete(t, found[i]);
    return 0;
}

static void sweep_done(void *arg, int status) {
    /* What could not be deleted is found again by the next sweep. */
}

void api_sweep(struct api *api) {
    state_call(api_config(api)->state, sweep_run, sweep_done, NULL);
}
