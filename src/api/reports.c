/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent reports of instances: changes of the state that nobody called for, each a call of
 * its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/ec2/instance_ops.h"
#include "api/sweep.h"
#include "base/io.h"
#include "logs/logs.h"
#include "model/flow_log.h"

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
    struct report *r = arg;

    sweep_due(api_sweeper(r->api));
    report_free(r);
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

/* Deliveries */

struct delivery {
    char *flow_log, *message;
    struct scope scope;
};

static int delivery_run(struct txn *t, void *arg) {
    const struct delivery *d = arg;
    const struct flow_log *f = txn_get(t, KIND_FLOW_LOG, d->scope, d->flow_log);
    struct flow_log *edit;

    if (!f || strcmp(f->delivery_error ? f->delivery_error : "", d->message ? d->message : "") == 0)
        return 0; /* it was deleted, or says so already */
    edit = txn_edit(t, f);
    if (!edit)
        return 0;
    obj_set(&edit->o, &edit->delivery_error, d->message);
    txn_put(t, edit);
    return 0;
}

static void delivery_done(void *arg, int status) {
    struct delivery *d = arg;

    free(d->flow_log);
    free(d->message);
    free(d);
}

void api_delivery_report(struct api *api, const struct logs_owner *owner, const char *flow_log_id,
                         const char *message) {
    struct delivery *d = calloc(1, sizeof(*d));

    if (!d)
        return;
    d->scope = (struct scope){.account = owner->account, .region = region_by_name(owner->region)};
    d->flow_log = strdup(flow_log_id);
    d->message = message ? strdup(message) : NULL;
    if (!d->scope.region || !d->flow_log || (message && !d->message))
        delivery_done(d, 0);
    else
        state_call(api_config(api)->state, delivery_run, delivery_done, d);
}
