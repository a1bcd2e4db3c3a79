/* SPDX-License-Identifier: Apache-2.0 */
/* Network interfaces and the instances they are attached to. */
#include <stdio.h>
#include <string.h>

#include "api/ec2/eni.h"

int eni_attach(struct call *c, const struct network_interface *eni,
               const struct eni_attachment *how) {
    const struct instance *i = how->instance;
    const struct instance_type *type = instance_type_find(i->type);
    struct network_interface *copy;
    struct cursor cur;
    unsigned count = 1;
    char id[64];

    if (eni->instance_id || eni->requester_managed)
        return call_error(c, "InvalidNetworkInterface.InUse", "Interface: [%s] in use.", eni->o.id);
    if (strcmp(eni->zone, i->zone) != 0)
        return call_error(c, "InvalidParameterCombination",
                          "You may not attach a network interface to an instance if they are not "
                          "in the same availability zone");
    index_each_by(c->ix, cur, KIND_NETWORK_INTERFACE, ENI_BY_INSTANCE, i->o.id) {
        if (((const struct network_interface *)cur.obj)->device_index == how->device_index)
            return call_error(c, "InvalidParameterValue",
                              "Instance '%s' already has an interface attached at device index "
                              "'%lld'.",
                              i->o.id, (long long)how->device_index);
        count++;
    }
    if (type && count > type->enis)
        return call_error(c, "AttachmentLimitExceeded",
                          "Interface count %u exceeds the limit for %s", count, type->name);
    if (eni_check_counts(c, type, eni) < 0) {
        /* EC2 has a code of its own for this at a launch. */
        if (i->state == INSTANCE_PENDING &&
            strcmp(c->error_code, "PrivateIpAddressLimitExceeded") == 0)
            c->error_code = "InvalidInterface.IpAddressLimitExceeded";
        return -1;
    }
    copy = txn_edit(c->txn, eni);
    if (!copy)
        return call_no_memory(c);
    obj_set(&copy->o, &copy->instance_id, i->o.id);
    obj_set(&copy->o, &copy->attachment_id, obj_make_id("eni-attach-", id));
    copy->device_index = how->device_index;
    copy->attach_time = c->now;
    copy->delete_on_termination = how->delete_on_termination;
    txn_put(c->txn, copy);
    return 0;
}

int eni_detach(struct call *c, const struct network_interface *eni) {
    struct network_interface *copy = txn_edit(c->txn, eni);

    if (!copy)
        return call_no_memory(c);
    obj_set(&copy->o, &copy->instance_id, NULL);
    obj_set(&copy->o, &copy->attachment_id, NULL);
    copy->device_index = 0;
    copy->attach_time = 0;
    copy->delete_on_termination = false;
    copy->auto_public = false;
    list_each (struct eni_address, a, copy->addresses)
        if (a->public_ip.family && !a->allocation_id)
            public_ip_drop(c, a);
    txn_put(c->txn, copy);
    return 0;
}

struct attach_eni {
    char *eni_id, *instance_id;
    int64_t device_index;
    int64_t card;
};
static const struct field attach_eni_fields[] = {
    FIELD(0, FT_STR, struct attach_eni, eni_id, "NetworkInterfaceId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct attach_eni, instance_id, "InstanceId", .flags = FF_REQUIRED),
    FIELD(0, FT_INT, struct attach_eni, device_index, "DeviceIndex", .flags = FF_REQUIRED, .min = 0,
          .max = 255),
    FIELD(0, FT_INT, struct attach_eni, card, "NetworkCardIndex", .min = 0, .max = 255),
};
static const struct desc attach_eni_desc =
    DESC("AttachNetworkInterface", struct attach_eni, attach_eni_fields);

static int attach_network_interface(struct call *c, const void *params) {
    const struct attach_eni *p = params;
    const struct network_interface *eni = call_get(c, KIND_NETWORK_INTERFACE, p->eni_id);
    const struct instance *i = eni ? call_get(c, KIND_INSTANCE, p->instance_id) : NULL;

    if (!i)
        return -1;
    if (p->card)
        return call_error(c, "InvalidParameterValue",
                          "Value (%lld) for parameter networkCardIndex is invalid. There is one "
                          "network card, 0.",
                          (long long)p->card);
    if (i->state != INSTANCE_RUNNING && i->state != INSTANCE_STOPPED)
        return call_error(c, "IncorrectInstanceState",
                          "Instance '%s' is not 'running' or 'stopped'.", i->o.id);
    if (eni_attach(c, eni,
                   &(struct eni_attachment){.instance = i, .device_index = p->device_index}) < 0)
        return -1;
    /* Two interfaces must not come to one device index, whoever attaches them. */
    txn_touch(c->txn, i);
    eni = index_get(c->ix, KIND_NETWORK_INTERFACE, c->scope, p->eni_id);
    xml_text(&c->xml, "attachmentId", eni->attachment_id);
    xml_text(&c->xml, "networkCardIndex", "0");
    return 0;
}

struct detach_eni {
    char *attachment_id;
    uint8_t force;
};
static const struct field detach_eni_fields[] = {
    FIELD(0, FT_STR, struct detach_eni, attachment_id, "AttachmentId", .flags = FF_REQUIRED),
    FIELD(0, FT_TRI, struct detach_eni, force, "Force"),
};
static const struct desc detach_eni_desc =
    DESC("DetachNetworkInterface", struct detach_eni, detach_eni_fields);

static int detach_network_interface(struct call *c, const void *params) {
    const struct detach_eni *p = params;
    const struct network_interface *eni = NULL;
    struct cursor cur;

    if (!strstr(p->attachment_id, "-attach-"))
        return call_error(c, "InvalidNetworkInterfaceAttachmentId.Malformed",
                          "Invalid id: \"%.64s\" (expecting \"eni-attach-...\")", p->attachment_id);
    if (cursor_by(c->ix, &cur, KIND_NETWORK_INTERFACE, ENI_BY_ATTACHMENT, p->attachment_id)) {
        eni = cur.obj;
        if (eni->o.scope.account != c->scope.account || eni->o.scope.region != c->scope.region)
            eni = NULL;
    }
    if (!eni)
        return call_error(c, "InvalidAttachmentID.NotFound",
                          "The attachment '%.64s' does not exist.", p->attachment_id);
    if (eni_check_managed(c, eni) < 0)
        return -1;
    if (eni->device_index == 0)
        return call_error(c, "OperationNotPermitted",
                          "The network interface at device index 0 cannot be detached.");
    if (eni_detach(c, eni) < 0)
        return -1;
    return call_return_true(c);
}

static const struct action rows[] = {
    {"AttachNetworkInterface", &attach_eni_desc, attach_network_interface},
    {"DetachNetworkInterface", &detach_eni_desc, detach_network_interface},
};
ACTIONS(eni_attachment_actions, rows);
