/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/flow_logs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "model/flow_log.h"
#include "model/nat_gateway.h"
#include "model/network_interface.h"
#include "model/regions.h"

/* An interface that packets may come from or go to. */
static bool is_here(const struct network_interface *eni) {
    return eni && (eni->instance_id || strcmp(eni->interface_type, "nat_gateway") == 0);
}

static void copy(char *out, size_t size, const char *text) {
    snprintf(out, size, "%s", text ? text : "");
}

/* All of the list's addresses, and if `ret_public` what each is outside. */
static bool addresses(const struct list *list, struct ip **ret, struct ip **ret_public,
                      uint16_t *ret_n) {
    *ret = calloc(list->n ? list->n : 1, sizeof(**ret));
    if (ret_public)
        *ret_public = calloc(list->n ? list->n : 1, sizeof(**ret_public));
    if (!*ret || (ret_public && !*ret_public))
        return false;
    for (size_t i = 0; i < list->n; i++) {
        const struct eni_address *a = list_at(*list, struct eni_address, i);

        (*ret)[i] = a->ip;
        if (ret_public)
            (*ret_public)[i] = a->public_ip;
    }
    *ret_n = (uint16_t)list->n;
    return true;
}

static bool prefixes(const struct list *list, struct cidr **ret, uint16_t *ret_n) {
    *ret = calloc(list->n ? list->n : 1, sizeof(**ret));
    if (!*ret)
        return false;
    for (size_t i = 0; i < list->n; i++)
        (*ret)[i] = list_at(*list, struct eni_prefix, i)->cidr;
    *ret_n = (uint16_t)list->n;
    return true;
}

static bool describe(const struct network_interface *eni, bool gateway, struct flowlog_eni *e) {
    int zone = eni->zone ? zone_by_name(eni->o.scope.region, eni->zone) : -1;
    const struct eni_address *primary = eni_primary(eni);
    char text[32];

    *e = (struct flowlog_eni){.account = eni->o.scope.account};
    copy(e->id, sizeof(e->id), eni->o.id);
    copy(e->vpc, sizeof(e->vpc), eni->vpc_id);
    copy(e->subnet, sizeof(e->subnet), eni->subnet_id);
    copy(e->instance, sizeof(e->instance), eni->requester_managed ? NULL : eni->instance_id);
    copy(e->region, sizeof(e->region), region_name(eni->o.scope.region));
    if (zone >= 0)
        copy(e->az_id, sizeof(e->az_id), zone_id(eni->o.scope.region, (unsigned)zone, text));
    if (primary)
        e->primary = primary->ip;
    return addresses(&eni->addresses6, &e->addresses6, NULL, &e->n_addresses6) &&
           prefixes(&eni->prefixes6, &e->prefixes6, &e->n_prefixes6) &&
           (!gateway || addresses(&eni->addresses, &e->nat_private, &e->nat_public, &e->n_nat));
}

static int numbers(struct flow_logs *f, const struct index *ix, const struct network_interface *eni,
                   uint32_t *ret_number, uint32_t *ret_vpc, uint32_t *ret_gateway) {
    int r = dataplane_number(f->dp, NUMBER_ENI, eni->o.id, ret_number);
    struct cursor c;

    if (r == 0)
        r = dataplane_number(f->dp, NUMBER_VPC, eni->vpc_id, ret_vpc);
    *ret_gateway = 0;
    if (r < 0 || eni->instance_id)
        return r;
    index_each_by(ix, c, KIND_NAT_GATEWAY, NAT_BY_ENI, eni->o.id) {
        const struct nat_gateway *g = c.obj;
        uint32_t number;

        if (g->state != NAT_AVAILABLE && g->state != NAT_PENDING)
            continue;
        r = dataplane_number(f->dp, NUMBER_NAT, g->o.id, &number);
        *ret_gateway = LOG_GATEWAY_KEY_OF(number);
    }
    return r;
}

static void tell_eni(struct flow_logs *f, const struct index *ix,
                     const struct network_interface *eni) {
    uint32_t number, vpc, gateway;
    struct flowlog_eni e;
    int r = numbers(f, ix, eni, &number, &vpc, &gateway);

    if (r < 0) {
        log_error("flow logs: %s has no number: %s", eni->o.id, strerror(-r));
        return;
    }
    if (!eni->instance_id && !gateway) /* its gateway comes yet, or went */
        return;
    if (!describe(eni, gateway, &e)) {
        flowlog_eni_free(&e);
        log_error("flow logs: memory is short, %s is not recorded", eni->o.id);
        return;
    }
    flow_reader_eni(f->reader, number, vpc, gateway, &e);
    f->changed = true;
}

static void eni_changed(struct flow_logs *f, const struct index *ix,
                        const struct network_interface *old, const struct network_interface *new) {
    uint32_t number;

    if (is_here(new)) {
        tell_eni(f, ix, new);
    } else if (is_here(old) && dataplane_number(f->dp, NUMBER_ENI, old->o.id, &number) == 0) {
        flow_reader_eni_gone(f->reader, number);
        f->changed = true;
    }
}

/* Its interface may have come before it. */
static void gateway_changed(struct flow_logs *f, const struct index *ix,
                            const struct nat_gateway *g) {
    const struct network_interface *eni =
        g && g->eni_id ? index_get(ix, KIND_NETWORK_INTERFACE, g->o.scope, g->eni_id) : NULL;

    if (is_here(eni))
        tell_eni(f, ix, eni);
}

static void log_changed(struct flow_logs *f, const struct flow_log *old,
                        const struct flow_log *new) {
    struct flowlog_log l;

    if (!new) {
        flow_reader_log_gone(f->reader, old->o.id);
        f->changed = true;
        return;
    }
    if (old ||
        (new->destination_type != FLOW_LOG_S3 &&new->destination_type != FLOW_LOG_CLOUDWATCH))
        return; /* what says where and what of a log never changes */
    l = (struct flowlog_log){
        .id = new->o.id,
        .resource = new->resource_id,
        .account = new->o.scope.account,
        .region = region_name(new->o.scope.region),
        .traffic = new->traffic,
        .destination_type = new->destination_type == FLOW_LOG_S3 ? SPOOL_S3 : SPOOL_LOG_GROUP,
        .destination = new->destination_type == FLOW_LOG_S3 ? new->destination : new->group_name,
        .format = new->format,
        .pace = new->interval == 60 ? FLOWLOG_FAST : FLOWLOG_SLOW,
        .hive = new->hive,
        .per_hour = new->per_hour,
    };
    flow_reader_log(f->reader, &l);
    f->changed = true;
}

_Static_assert((int)FLOW_LOG_ACCEPT == SPOOL_ACCEPT && (int)FLOW_LOG_REJECT == SPOOL_REJECT &&
                   (int)FLOW_LOG_ALL == SPOOL_ALL,
               "traffic");

void flow_logs_change(struct flow_logs *f, const struct index *ix, const struct obj *old,
                      const struct obj *new) {
    const struct obj *o = new ? new : old;

    if (!f->reader)
        return;
    if (o->kind == KIND_FLOW_LOG)
        log_changed(f, (const void *)old, (const void *)new);
    else if (o->kind == KIND_NETWORK_INTERFACE)
        eni_changed(f, ix, (const void *)old, (const void *)new);
    else if (o->kind == KIND_NAT_GATEWAY)
        gateway_changed(f, ix, (const void *)new);
}

void flow_logs_settled(struct flow_logs *f, bool snapshot) {
    if (!f->reader || (!f->changed && !snapshot))
        return;
    f->changed = false;
    flow_reader_settled(f->reader);
}
