/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/instances.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/instance.h"

static json_t *addresses(const struct network_interface *eni) {
    json_t *rows = json_array();
    char text[IP_TEXT];

    list_each (struct eni_address, a, eni->addresses)
        json_array_append_new(rows, json_string(ip_format(&a->ip, text)));
    list_each (struct eni_address, a, eni->addresses6)
        json_array_append_new(rows, json_string(ip_format(&a->ip, text)));
    return rows;
}

static json_t *interface(const struct plugs *plugs, const struct network_interface *eni,
                         const struct plug *plug) {
    const struct eni_address *primary = eni_primary(eni);
    char address[IP_TEXT] = "", mac[18];
    struct link_info link;
    json_t *row;

    if (primary)
        ip_format(&primary->ip, address);
    snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", eni->mac[0], eni->mac[1],
             eni->mac[2], eni->mac[3], eni->mac[4], eni->mac[5]);
    row = json_pack("{s:s,s:I,s:s,s:s,s:o,s:i,s:i}", "id", eni->o.id, "index",
                    (json_int_t)eni->device_index, "mac", mac, "address", address, "addresses",
                    addresses(eni), "number", (int)plug->number, "ifindex", plug->ifindex);
    if (link_get_index(plugs->rtnl, plug->ifindex, &link) < 0)
        return row;
    json_object_set_new(row, "device", json_string(link.name));
    json_object_set_new(row, "mtu", json_integer(link.mtu));
    if (plug->kind == LINK_TAP) {
        json_object_set_new(row, "open", json_boolean(link.carrier));
        json_object_set_new(row, "lost", json_integer((json_int_t)link.tx_dropped));
    }
    return row;
}

static int by_index(const void *a, const void *b) {
    const struct network_interface *const *x = a, *const *y = b;

    return (*x)->device_index < (*y)->device_index ? -1 : (*x)->device_index > (*y)->device_index;
}

static json_t *interfaces(const struct instances *in, const char *id) {
    const struct network_interface *enis[ENI_ADDRS_MAX];
    json_t *rows = json_array();
    struct cursor c;
    size_t n = 0;

    index_each_by(in->ix, c, KIND_NETWORK_INTERFACE, ENI_BY_INSTANCE, id) {
        if (n < ARRAY_SIZE(enis))
            enis[n++] = c.obj;
    }
    if (n)
        qsort(enis, n, sizeof(enis[0]), by_index);
    for (size_t i = 0; i < n; i++) {
        const struct plug *plug = plug_find(in->plugs, enis[i]->o.id);

        if (plug)
            json_array_append_new(rows, interface(in->plugs, enis[i], plug));
    }
    return rows;
}

static json_t *guest_json(const struct instances *in, const struct guest *g) {
    return json_pack("{s:s,s:s,s:s,s:i,s:o}", "id", g->record.id, "driver", "netns", "state",
                     g->pidfd >= 0 ? "running" : "ended", "pid", (int)g->record.pid, "interfaces",
                     interfaces(in, g->record.id));
}

static bool is_machine(const struct instance *i) {
    return i->driver == DRIVER_TAP && i->state != INSTANCE_TERMINATED;
}

static json_t *machine_json(const struct instances *in, const struct instance *i) {
    return json_pack("{s:s,s:s,s:s,s:o}", "id", i->o.id, "driver", "tap", "state",
                     instance_state_names[i->state], "interfaces", interfaces(in, i->o.id));
}

json_t *instances_json(const struct instances *in) {
    json_t *rows = json_array();
    struct guest *g;
    struct cursor c;

    LIST_FOREACH (g, &in->guests->list, link) {
        json_array_append_new(rows, guest_json(in, g));
    }
    index_each_all(in->ix, c, KIND_INSTANCE) {
        if (is_machine(c.obj))
            json_array_append_new(rows, machine_json(in, c.obj));
    }
    return rows;
}

/* A virtual machine's document. Its interfaces know its scope. */
static const struct instance *machine(const struct instances *in, const char *id) {
    const struct instance *i = NULL;
    struct cursor c;

    if (cursor_by(in->ix, &c, KIND_NETWORK_INTERFACE, ENI_BY_INSTANCE, id))
        i = index_get(in->ix, KIND_INSTANCE, ((const struct obj *)c.obj)->scope, id);
    return i && is_machine(i) ? i : NULL;
}

json_t *instances_find(const struct instances *in, const char *id) {
    const struct guest *g = guest_find(in->guests, id);
    const struct instance *i = g ? NULL : machine(in, id);

    return g ? guest_json(in, g) : i ? machine_json(in, i) : NULL;
}

json_t *instances_no_exec(const struct instances *in, const char *id) {
    if (!machine(in, id))
        return json_pack("{s:s}", "error", "no such instance on this host");
    return json_pack("{s:s}", "error",
                     "this instance is a virtual machine (ami-tap): vpcd runs nothing in it and "
                     "has none of its output; use its own console, or ssh");
}
