/* SPDX-License-Identifier: Apache-2.0 */
/* Instances described: whole, by reservation; and their status. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/ec2/instance_ops.h"
#include "base/cleanup.h"

#define ENI_FILTER "network-interface."

/*
 * Filters "network-interface.NAME" are those of DescribeNetworkInterfaces, on the instance's
 * interfaces: each must match one of them. They are taken out of the call's list.
 */
struct eni_filters {
    struct list rest; /* shallow copies of the others */
    struct list on_eni;
};

static void eni_filters_free(struct eni_filters *f) {
    free(f->rest.items);
    free(f->on_eni.items);
}

static int eni_filters_split(struct call *c, struct eni_filters *f) {
    list_each (struct filter, have, *c->filters) {
        bool on_eni = strncmp(have->name, ENI_FILTER, strlen(ENI_FILTER)) == 0;
        struct filter *copy = list_add(on_eni ? &f->on_eni : &f->rest, sizeof(*copy));

        if (!copy)
            return call_no_memory(c);
        *copy = *have;
        if (on_eni)
            copy->name += strlen(ENI_FILTER);
        if (on_eni && !filter_known(&network_interface_desc, copy->name))
            return call_error(c, "InvalidParameterValue", "The filter '%.128s' is invalid",
                              have->name);
    }
    return 0;
}

static bool eni_filters_match(struct call *c, const struct eni_filters *f,
                              const struct instance *i) {
    list_each (struct filter, each, f->on_eni) {
        struct list one = {.items = each, .n = 1};
        struct cursor cur;
        bool any = false;

        index_each_by(c->ix, cur, KIND_NETWORK_INTERFACE, ENI_BY_INSTANCE, i->o.id) {
            any |= filters_match(&network_interface_desc, &c->look, cur.obj, &one);
        }
        if (!any)
            return false;
    }
    return true;
}

static int by_reservation(const void *a, const void *b) {
    const struct instance *x = *(const struct instance *const *)a,
                          *y = *(const struct instance *const *)b;
    int r = strcmp(x->reservation_id, y->reservation_id);

    return r ? r : (x->launch_index > y->launch_index) - (x->launch_index < y->launch_index);
}

/* The caller's instances, or those of `ids`, ordered by reservation. */
static int collect(struct call *c, const struct list *ids, struct list *ret_instances) {
    const struct instance **slot;
    struct scan scan;

    if (ids->n) {
        list_each (char *, id, *ids) {
            const struct instance *i = call_get(c, KIND_INSTANCE, *id);
            bool twice = false;

            if (!i)
                return -1;
            list_each (const struct instance *, have, *ret_instances)
                twice |= *have == i;
            slot = twice ? NULL : list_add(ret_instances, sizeof(*slot));
            if (slot)
                *slot = i;
            else if (!twice)
                return call_no_memory(c);
        }
    } else {
        for (bool more = scan_begin(&scan, c, KIND_INSTANCE, &instance_desc, NULL); more;
             more = scan_next(&scan)) {
            slot = list_add(ret_instances, sizeof(*slot));
            if (!slot)
                return call_no_memory(c);
            *slot = scan.obj;
        }
    }
    if (ret_instances->n)
        qsort(ret_instances->items, ret_instances->n, sizeof(*slot), by_reservation);
    return 0;
}

static void open_reservation(struct call *c, const struct instance *i) {
    xml_open(&c->xml, "item");
    xml_text(&c->xml, "reservationId", i->reservation_id);
    xml_textf(&c->xml, "ownerId", "%012llu", (unsigned long long)i->o.scope.account);
    xml_open(&c->xml, "groupSet");
    xml_close(&c->xml, "groupSet");
    xml_open(&c->xml, "instancesSet");
}

static void close_reservation(struct call *c) {
    xml_close(&c->xml, "instancesSet");
    xml_close(&c->xml, "item");
}

static int show_instances(struct call *c, const struct list *instances,
                          const struct eni_filters *filters) {
    const char *open = NULL; /* reservation */
    struct page page;
    char key[128];
    int r = describe_begin(&page, c, &instance_desc, "reservationSet");

    if (r < 0)
        return r;
    list_each (const struct instance *, it, *instances) {
        const struct instance *i = *it;

        snprintf(key, sizeof(key), "%s/%04lld", i->reservation_id, (long long)i->launch_index);
        if (!eni_filters_match(c, filters, i))
            continue;
        if (!describe_wants(&page, key, i)) {
            if (page.stop)
                break;
            continue;
        }
        if (!open || strcmp(open, i->reservation_id) != 0) {
            if (open)
                close_reservation(c);
            open_reservation(c, i);
            open = i->reservation_id;
        }
        xml_open(&c->xml, "item");
        xml_fields(&c->xml, &instance_desc, &c->look, i);
        xml_close(&c->xml, "item");
    }
    if (open)
        close_reservation(c);
    return describe_end(&page);
}

DESCRIBE_PARAMS(instance_ids_params, "InstanceId");

static int describe_instances(struct call *c, const void *params) {
    const struct describe_ids *p = params;
    const struct list *all = c->filters;
    struct eni_filters filters = {0};
    struct list instances = {0};
    int r;

    if (p->ids.n && c->max_results.set)
        return call_error(c, "InvalidParameterCombination",
                          "The parameter instancesSet cannot be used with the parameter "
                          "maxResults");
    r = eni_filters_split(c, &filters);
    c->filters = &filters.rest;
    if (r == 0)
        r = collect(c, &p->ids, &instances);
    if (r == 0)
        r = show_instances(c, &instances, &filters);
    c->filters = all;
    free(instances.items);
    eni_filters_free(&filters);
    return r;
}

/* Status */

static bool status_of(const struct look *look, const void *obj, struct buf *out) {
    const struct instance *i = obj;

    /* `running` means that the packet path is in force: then all is well. */
    buf_adds(out, i->state == INSTANCE_RUNNING ? "ok" : "not-applicable");
    return true;
}

static bool reachability_of(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, "passed");
    return ((const struct instance *)obj)->state == INSTANCE_RUNNING;
}

static bool state_name(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, instance_state_names[((const struct instance *)obj)->state]);
    return true;
}

static bool state_code(const struct look *look, const void *obj, struct buf *out) {
    buf_addf(out, "%d", instance_state_code(((const struct instance *)obj)->state));
    return true;
}

static void emit_check(struct xml *x, const struct look *look, const void *obj,
                       const char *element) {
    bool running = ((const struct instance *)obj)->state == INSTANCE_RUNNING;

    xml_open(x, element);
    xml_text(x, "status", running ? "ok" : "not-applicable");
    if (running) {
        xml_open(x, "details");
        xml_open(x, "item");
        xml_text(x, "name", "reachability");
        xml_text(x, "status", "passed");
        xml_close(x, "item");
        xml_close(x, "details");
    }
    xml_close(x, element);
}

static void emit_status(struct xml *x, const struct look *look, const void *obj) {
    const struct instance *i = obj;

    xml_open(x, "instanceState");
    xml_textf(x, "code", "%d", instance_state_code(i->state));
    xml_text(x, "name", instance_state_names[i->state]);
    xml_close(x, "instanceState");
    emit_check(x, look, obj, "systemStatus");
    emit_check(x, look, obj, "instanceStatus");
}

/* No events are scheduled for instances, and nobody operates them. */
static bool no_event(const struct look *look, const void *obj, struct buf *out) {
    return false;
}

static bool not_managed(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, "false");
    return true;
}

static const struct field status_fields[] = {
    {.type = FT_GET, .wire = "instanceId", .get = get_id},
    FIELD(0, FT_STR, struct instance, zone, "availabilityZone", .filter = "availability-zone"),
    {.type = FT_EMIT, .wire = "instanceState", .emit = emit_status},
    {.type = FT_GET, .filter = "instance-state-name", .get = state_name},
    {.type = FT_GET, .filter = "instance-state-code", .get = state_code},
    {.type = FT_GET, .filter = "instance-status.status|system-status.status", .get = status_of},
    {.type = FT_GET,
     .filter = "event.code|event.description|event.instance-event-id|event.not-after|"
               "event.not-before|event.not-before-deadline|operator.principal|"
               "attached-ebs-status.status",
     .get = no_event},
    {.type = FT_GET, .filter = "operator.managed", .get = not_managed},
    {.type = FT_GET,
     .filter = "instance-status.reachability|system-status.reachability",
     .get = reachability_of},
};
static const struct desc status_desc = DESC("instance status", struct instance, status_fields);

struct describe_status {
    struct list ids;
    uint8_t all;
};
static const struct field describe_status_fields[] = {
    FIELD(0, FT_STRS, struct describe_status, ids, "InstanceId"),
    FIELD(0, FT_TRI, struct describe_status, all, "IncludeAllInstances"),
};
static const struct desc describe_status_desc =
    DESC("DescribeInstanceStatus", struct describe_status, describe_status_fields);

static bool is_running(struct call *c, const void *obj, void *arg) {
    return ((const struct instance *)obj)->state == INSTANCE_RUNNING;
}

static int describe_instance_status(struct call *c, const void *params) {
    const struct describe_status *p = params;

    return describe(c, &(struct describe){.kind = KIND_INSTANCE,
                                          .ids = &p->ids,
                                          .set = "instanceStatusSet",
                                          .view = &status_desc,
                                          .keep = p->all == TRI_TRUE ? NULL : is_running});
}

/* CPU credits do not exist, so no instance has a row; but the ids must be right. */
static bool none(struct call *c, const void *obj, void *arg) {
    return false;
}

static int describe_credits(struct call *c, const void *params) {
    const struct describe_ids *p = params;

    return describe(c, &(struct describe){.kind = KIND_INSTANCE,
                                          .ids = &p->ids,
                                          .set = "instanceCreditSpecificationSet",
                                          .keep = none});
}

static const struct action rows[] = {
    {"DescribeInstanceCreditSpecifications", &instance_ids_params, describe_credits, ACT_FILTERS,
     "instanceCreditSpecificationSet"},
    {"DescribeInstances", &instance_ids_params, describe_instances, ACT_FILTERS, "reservationSet"},
    {"DescribeInstanceStatus", &describe_status_desc, describe_instance_status, ACT_FILTERS,
     "instanceStatusSet"},
};
ACTIONS(instance_actions, rows);
