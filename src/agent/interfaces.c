/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/interfaces.h"

#include "agent/trace.h"
#include "model/network_interface.h"
#include "model/security_group.h"

static json_t *groups_json(const struct index *ix, const struct network_interface *eni) {
    json_t *list = json_array();

    list_each (char *, id, eni->groups) {
        const struct security_group *g = index_get(ix, KIND_SECURITY_GROUP, eni->o.scope, *id);

        json_array_append_new(
            list, json_pack("{s:s,s:s}", "id", *id, "name", g && g->name ? g->name : ""));
    }
    return list;
}

json_t *interfaces_json(const struct index *ix) {
    json_t *all = json_object();
    struct cursor c;

    index_each_all(ix, c, KIND_NETWORK_INTERFACE) {
        const struct network_interface *eni = c.obj;

        if (!eni->instance_id && !eni->requester_managed)
            continue;
        json_object_set_new(all, eni->o.id,
                            json_pack("{s:s,s:s,s:s,s:s,s:o}", "instance",
                                      eni->instance_id ? eni->instance_id : "", "name",
                                      trace_name(ix, eni), "vpc", eni->vpc_id, "subnet",
                                      eni->subnet_id, "groups", groups_json(ix, eni)));
    }
    return json_pack("{s:o}", "interfaces", all);
}
