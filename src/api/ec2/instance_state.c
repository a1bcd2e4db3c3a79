/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The states of instances.
 *
 *     pending ----> running ----> stopping ----> stopped
 *        ^ |           |  ^                        |  |
 *        | |           |  +-- (reboot)             |  |
 *        | +-----------+----> shutting-down <------+  |
 *        |                         |                  |
 *        |                         v                  |
 *        |                     terminated             |
 *        +--------------------------------------------+
 *
 * A call asks: it moves the instance to pending, stopping or shutting-down, and the agent sees
 * that. The agent answers when it is so, and instance_settle makes the second step; without an
 * agent ("on paper") it follows at once. An instance that ends by itself goes from running to
 * stopped or terminated, as its shutdown behavior says.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/ec2/instance_ops.h"
#include "api/sweep.h"

/* Public addresses given at launch go with every stop, elastic ones stay. */
static int release_public(struct call *c, const char *id) {
    const struct instance *i = index_get(c->ix, KIND_INSTANCE, c->scope, id);
    const struct network_interface *have = instance_primary_eni(c->ix, i);
    struct network_interface *eni;

    if (!have || !eni_primary(have)->public_ip.family || eni_primary(have)->allocation_id)
        return 0;
    eni = txn_edit(c->txn, have);
    if (!eni)
        return call_no_memory(c);
    public_ip_drop(c, list_at(eni->addresses, struct eni_address, 0));
    txn_put(c->txn, eni);
    return 0;
}

/* A started instance with a single interface that had a public address gets a new one. */
static int regain_public(struct call *c, const struct instance *i) {
    const struct network_interface *have = instance_primary_eni(c->ix, i);
    struct network_interface *eni;

    if (!have || !public_ip_automatic(c, have))
        return 0;
    eni = txn_edit(c->txn, have);
    if (!eni)
        return call_no_memory(c);
    if (public_ip_auto(c, eni) < 0)
        return -1;
    txn_put(c->txn, eni);
    return 0;
}

static int drop_interfaces(struct call *c, const char *id) {
    struct cursor cur;

    /* One at a time: the index must not change during a walk. */
    while (cursor_by(c->ix, &cur, KIND_NETWORK_INTERFACE, ENI_BY_INSTANCE, id)) {
        const struct network_interface *eni = cur.obj;

        if ((eni->delete_on_termination ? eni_delete(c, eni) : eni_detach(c, eni)) < 0 ||
            txn_failed(c->txn))
            return c->error_code ? -1 : call_no_memory(c);
    }
    return 0;
}

static void set_reason(struct instance *i, const char *code, const char *message) {
    obj_set(&i->o, &i->reason_code, code);
    obj_set(&i->o, &i->reason, message);
}

static void set_user_initiated(struct call *c, struct instance *i) {
    time_t seconds = (time_t)(c->now / 1000);
    char text[64];
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(text, sizeof(text), "User initiated (%Y-%m-%d %H:%M:%S GMT)", &tm);
    obj_set(&i->o, &i->transition_reason, text);
}

static bool may_settle(uint8_t from, uint8_t to) {
    switch (to) {
    case INSTANCE_RUNNING:
        return from == INSTANCE_PENDING;
    case INSTANCE_STOPPED:
        /* Not from pending: that report is older than the start. */
        return from == INSTANCE_STOPPING || from == INSTANCE_RUNNING;
    case INSTANCE_TERMINATED:
        return from != INSTANCE_TERMINATED;
    default:
        return false;
    }
}

int instance_settle(struct call *c, const char *id, uint8_t state, const char *reason_code,
                    const char *reason) {
    const struct instance *have = txn_get(c->txn, KIND_INSTANCE, c->scope, id);
    struct instance *i;
    int r = 0;

    if (!have || !may_settle(have->state, state))
        return 0;
    i = txn_edit(c->txn, have);
    if (!i)
        return call_no_memory(c);
    if (state == INSTANCE_STOPPED && have->state != INSTANCE_STOPPING) {
        set_reason(i, "Client.InstanceInitiatedShutdown",
                   "Client.InstanceInitiatedShutdown: Instance initiated shutdown");
        if (i->shutdown_behavior && strcmp(i->shutdown_behavior, "terminate") == 0)
            state = INSTANCE_TERMINATED;
    }
    if (reason_code)
        set_reason(i, reason_code, reason);
    i->state = state;
    if (state == INSTANCE_STOPPED) {
        r = release_public(c, id);
    } else if (state == INSTANCE_TERMINATED) {
        r = drop_interfaces(c, id);
        i->terminated = c->now;
        /* It stays visible for a while; what nobody will ask for any more goes. */
        free(i->user_data.data);
        i->user_data = (struct blob){0};
        sweep_litter(api_sweeper(c->api), c->scope.account, instance_bytes(i));
        obj_set(&i->o, &i->vpc_id, NULL);
        obj_set(&i->o, &i->subnet_id, NULL);
    }
    if (r == 0)
        txn_put(c->txn, i);
    return r;
}

int instance_settle_on_paper(struct call *c, const char *id) {
    const struct instance *i = index_get(c->ix, KIND_INSTANCE, c->scope, id);
    uint8_t next = 0;

    if (!i)
        return call_no_memory(c);
    if (i->state == INSTANCE_PENDING)
        next = INSTANCE_RUNNING;
    else if (i->state == INSTANCE_STOPPING)
        next = INSTANCE_STOPPED;
    else if (i->state == INSTANCE_SHUTTING_DOWN)
        next = INSTANCE_TERMINATED;
    if (!next || !api_config(c->api)->paper)
        return 0;
    return instance_settle(c, id, next, NULL, NULL);
}

/* The calls. Each moves one instance a step, and writes its row of the reply. */

struct instance_ids {
    struct list ids;
    uint8_t force, hibernate, skip_shutdown;
    char *additional_info;
};
static const struct field instance_ids_fields[] = {
    FIELD(0, FT_STRS, struct instance_ids, ids, "InstanceId", .flags = FF_REQUIRED),
};
static const struct desc instance_ids_desc =
    DESC("InstanceId", struct instance_ids, instance_ids_fields);

static const struct field start_fields[] = {
    FIELD(0, FT_STRS, struct instance_ids, ids, "InstanceId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct instance_ids, additional_info, "AdditionalInfo"), /* reserved */
};
static const struct desc start_desc = DESC("StartInstances", struct instance_ids, start_fields);

static const struct field stop_fields[] = {
    FIELD(0, FT_STRS, struct instance_ids, ids, "InstanceId", .flags = FF_REQUIRED),
    FIELD(0, FT_TRI, struct instance_ids, force, "Force"),
    FIELD(0, FT_TRI, struct instance_ids, hibernate, "Hibernate"),
    FIELD(0, FT_TRI, struct instance_ids, skip_shutdown, "SkipOsShutdown"),
};
static const struct desc stop_desc = DESC("StopInstances", struct instance_ids, stop_fields);

static void emit_state(struct call *c, const char *element, uint8_t state) {
    xml_open(&c->xml, element);
    xml_textf(&c->xml, "code", "%d", instance_state_code(state));
    xml_text(&c->xml, "name", instance_state_names[state]);
    xml_close(&c->xml, element);
}

static int change(struct call *c, const struct list *ids,
                  int (*step)(struct call *c, struct instance *i)) {
    xml_open(&c->xml, "instancesSet");
    list_each (char *, id, *ids) {
        const struct instance *have = call_get(c, KIND_INSTANCE, *id);
        struct instance *i = have ? txn_edit(c->txn, have) : NULL;
        uint8_t before = have ? have->state : 0;

        if (!i)
            return have ? call_no_memory(c) : -1;
        if (step(c, i) < 0)
            return -1;
        xml_open(&c->xml, "item");
        xml_text(&c->xml, "instanceId", *id);
        emit_state(c, "currentState", i->state);
        emit_state(c, "previousState", before);
        xml_close(&c->xml, "item");
        if (i->state == before)
            continue; /* nothing to do: as on EC2, no error */
        txn_put(c->txn, i);
        if (instance_settle_on_paper(c, *id) < 0)
            return -1;
    }
    xml_close(&c->xml, "instancesSet");
    return 0;
}

static int begin_termination(struct call *c, struct instance *i) {
    if (i->state == INSTANCE_TERMINATED || i->state == INSTANCE_SHUTTING_DOWN)
        return 0;
    if (i->disable_api_termination)
        return call_error(c, "OperationNotPermitted",
                          "The instance '%s' may not be terminated. Modify its "
                          "'disableApiTermination' instance attribute and try again.",
                          i->o.id);
    i->state = INSTANCE_SHUTTING_DOWN;
    set_reason(i, "Client.UserInitiatedShutdown",
               "Client.UserInitiatedShutdown: User initiated shutdown");
    set_user_initiated(c, i);
    return 0;
}

static int begin_stop(struct call *c, struct instance *i) {
    if (i->state == INSTANCE_STOPPED || i->state == INSTANCE_STOPPING)
        return 0;
    if (i->disable_api_stop)
        return call_error(c, "OperationNotPermitted",
                          "The instance '%s' may not be stopped. Modify its 'disableApiStop' "
                          "instance attribute and try again.",
                          i->o.id);
    if (i->state != INSTANCE_RUNNING)
        return call_error(c, "IncorrectInstanceState",
                          "This instance '%s' is not in a state from which it can be stopped.",
                          i->o.id);
    i->state = INSTANCE_STOPPING;
    set_reason(i, "Client.UserInitiatedShutdown",
               "Client.UserInitiatedShutdown: User initiated shutdown");
    set_user_initiated(c, i);
    return 0;
}

static int begin_start(struct call *c, struct instance *i) {
    if (i->state == INSTANCE_RUNNING || i->state == INSTANCE_PENDING)
        return 0;
    if (i->state != INSTANCE_STOPPED)
        return call_error(c, "IncorrectInstanceState",
                          "The instance '%s' is not in a state from which it can be started.",
                          i->o.id);
    if (regain_public(c, i) < 0)
        return -1;
    i->state = INSTANCE_PENDING;
    i->launch_time = c->now;
    i->boots++;
    set_reason(i, NULL, NULL);
    obj_set(&i->o, &i->transition_reason, NULL);
    return 0;
}

static int terminate_instances(struct call *c, const void *params) {
    return change(c, &((const struct instance_ids *)params)->ids, begin_termination);
}

static int stop_instances(struct call *c, const void *params) {
    const struct instance_ids *p = params;

    if (p->hibernate == TRI_TRUE)
        return call_error(c, "UnsupportedHibernationConfiguration",
                          "Instances cannot be hibernated.");
    if (p->skip_shutdown == TRI_TRUE)
        return call_error(c, "UnsupportedOperation",
                          "Instances are always asked to shut down before they are stopped.");
    return change(c, &p->ids, begin_stop);
}

static int start_instances(struct call *c, const void *params) {
    return change(c, &((const struct instance_ids *)params)->ids, begin_start);
}

static int reboot_instances(struct call *c, const void *params) {
    const struct instance_ids *p = params;

    list_each (char *, id, p->ids) {
        const struct instance *have = call_get(c, KIND_INSTANCE, *id);
        struct instance *i = have ? txn_edit(c->txn, have) : NULL;

        if (!i)
            return have ? call_no_memory(c) : -1;
        if (i->state != INSTANCE_RUNNING)
            return call_error(c, "IncorrectInstanceState",
                              "The instance '%s' is not in the 'running' state.", *id);
        if (i->driver == DRIVER_TAP)
            return call_error(c, "UnsupportedOperation",
                              "The instance '%s' is a virtual machine that vpcd does not run: "
                              "reboot it where it runs.",
                              *id);
        i->boots++;
        txn_put(c->txn, i);
    }
    return call_return_true(c);
}

static const struct action rows[] = {
    {"RebootInstances", &instance_ids_desc, reboot_instances},
    {"StartInstances", &start_desc, start_instances},
    {"StopInstances", &stop_desc, stop_instances},
    {"TerminateInstances", &instance_ids_desc, terminate_instances},
};
ACTIONS(instance_state_actions, rows);
