/* SPDX-License-Identifier: Apache-2.0 */
/* One new instance with its interfaces, as RunInstances judged it. */
#include <stdlib.h>
#include <string.h>

#include "api/ec2/instance_options.h"

static struct instance *make_instance(struct call *c, const struct launch *l,
                                      const struct subnet *s, int64_t index) {
    struct instance *i = call_new(c, KIND_INSTANCE);

    if (!i) {
        call_no_memory(c);
        return NULL;
    }
    obj_set(&i->o, &i->image_id, l->image_id);
    i->driver = l->image->driver;
    obj_set(&i->o, &i->type, l->type->name);
    i->state = INSTANCE_PENDING;
    obj_set(&i->o, &i->vpc_id, s->vpc_id);
    obj_set(&i->o, &i->subnet_id, s->o.id);
    obj_set(&i->o, &i->zone, s->zone);
    obj_set(&i->o, &i->reservation_id, l->reservation_id);
    i->launch_index = index;
    i->launch_time = c->now;
    i->boots = 1;
    obj_set(&i->o, &i->client_token, c->client_token);
    obj_set(&i->o, &i->shutdown_behavior, l->shutdown_behavior);
    obj_set(&i->o, &i->key_name, l->key_name);
    obj_set(&i->o, &i->public_key, l->public_key);
    i->monitoring = l->monitoring;
    i->ebs_optimized = l->ebs_optimized;
    i->disable_api_termination = l->disable_api_termination;
    i->disable_api_stop = l->disable_api_stop;
    i->metadata = l->metadata;
    obj_set(&i->o, &i->names.hostname_type, s->hostname_type);
    i->names.a = s->resource_name_dns_a;
    i->names.aaaa = s->resource_name_dns_aaaa;
    if (name_options_set(c, l->names, &i->o, &i->names) < 0)
        return NULL;
    if (l->user_data.len) {
        i->user_data.data = malloc(l->user_data.len);
        if (!i->user_data.data) {
            call_no_memory(c);
            return NULL;
        }
        memcpy(i->user_data.data, l->user_data.data, l->user_data.len);
        i->user_data.len = l->user_data.len;
    }
    if (l->tag_specifications && call_tags(c, l->tag_specifications, i) < 0)
        return NULL;
    if (metadata_tags_check(c, i) < 0)
        return NULL;
    txn_put(c->txn, i);
    return i;
}

static int add_interface(struct call *c, const struct launch_interface *li,
                         const struct instance *i) {
    const struct network_interface *eni = li->existing ? li->existing : eni_create(c, &li->wish);
    struct eni_attachment how = {.instance = i,
                                 .device_index = li->device_index,
                                 .delete_on_termination = li->delete_on_termination};
    struct network_interface *copy;

    if (!eni)
        return -1;
    if (!li->public_ip)
        return eni_attach(c, eni, &how);
    copy = txn_edit(c->txn, eni);
    if (!copy)
        return call_no_memory(c);
    copy->auto_public = true;
    if (public_ip_auto(c, copy) < 0)
        return -1;
    txn_put(c->txn, copy);
    return eni_attach(c, copy, &how);
}

const struct instance *instance_launch(struct call *c, const struct launch *l, int64_t index) {
    const struct launch_interface *primary = &l->interfaces[0];
    const struct subnet *s =
        primary->existing ? txn_get(c->txn, KIND_SUBNET, c->scope, primary->existing->subnet_id)
                          : primary->wish.subnet;
    const struct instance *i = s ? make_instance(c, l, s, index) : NULL;

    if (!i)
        return NULL;
    for (size_t k = 0; k < l->n_interfaces; k++)
        if (add_interface(c, &l->interfaces[k], i) < 0)
            return NULL;
    return i;
}
