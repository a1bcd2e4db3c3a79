/* SPDX-License-Identifier: Apache-2.0 */
/* One attribute of an instance, described or modified. */
#include <stdlib.h>
#include <string.h>

#include "api/ec2/instance_ops.h"
#include "base/text.h"

struct describe_attribute {
    char *id;
    char *attribute;
};
static const struct field describe_attribute_fields[] = {
    FIELD(0, FT_STR, struct describe_attribute, id, "InstanceId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct describe_attribute, attribute, "Attribute", .flags = FF_REQUIRED),
};
static const struct desc describe_attribute_desc =
    DESC("DescribeInstanceAttribute", struct describe_attribute, describe_attribute_fields);

static void show_value(struct call *c, const char *attribute, const char *value) {
    xml_open(&c->xml, attribute);
    xml_text(&c->xml, "value", value);
    xml_close(&c->xml, attribute);
}

static void show_bool(struct call *c, const char *attribute, bool value) {
    show_value(c, attribute, value ? "true" : "false");
}

static int show_user_data(struct call *c, const struct instance *i) {
    char *text = NULL;

    if (i->user_data.len && !(text = base64_encode(i->user_data.data, i->user_data.len)))
        return call_no_memory(c);
    show_value(c, "userData", text);
    free(text);
    return 0;
}

static void show_groups(struct call *c, const struct network_interface *eni) {
    xml_open(&c->xml, "groupSet");
    if (eni) {
        list_each (char *, id, eni->groups) {
            xml_open(&c->xml, "item");
            xml_text(&c->xml, "groupId", *id);
            xml_close(&c->xml, "item");
        }
    }
    xml_close(&c->xml, "groupSet");
}

static int describe_instance_attribute(struct call *c, const void *params) {
    const struct describe_attribute *p = params;
    const struct instance *i = call_get(c, KIND_INSTANCE, p->id);
    const struct network_interface *eni = i ? instance_primary_eni(c->ix, i) : NULL;
    const char *a = p->attribute;

    if (!i)
        return -1;
    xml_text(&c->xml, "instanceId", i->o.id);
    if (strcmp(a, "instanceType") == 0)
        show_value(c, a, i->type);
    else if (strcmp(a, "userData") == 0)
        return show_user_data(c, i);
    else if (strcmp(a, "disableApiTermination") == 0)
        show_bool(c, a, i->disable_api_termination);
    else if (strcmp(a, "disableApiStop") == 0)
        show_bool(c, a, i->disable_api_stop);
    else if (strcmp(a, "instanceInitiatedShutdownBehavior") == 0)
        show_value(c, a, i->shutdown_behavior);
    else if (strcmp(a, "rootDeviceName") == 0)
        show_value(c, a, INSTANCE_ROOT_DEVICE);
    else if (strcmp(a, "sourceDestCheck") == 0)
        show_bool(c, a, !eni || eni->source_dest_check);
    else if (strcmp(a, "groupSet") == 0)
        show_groups(c, eni);
    else if (strcmp(a, "ebsOptimized") == 0)
        show_bool(c, a, i->ebs_optimized);
    else if (strcmp(a, "kernel") == 0 || strcmp(a, "ramdisk") == 0 ||
             strcmp(a, "sriovNetSupport") == 0 || strcmp(a, "blockDeviceMapping") == 0 ||
             strcmp(a, "productCodes") == 0)
        show_value(c, a, NULL); /* an empty element: there is none */
    else if (strcmp(a, "enaSupport") == 0)
        show_bool(c, a, true);
    else if (strcmp(a, "enclaveOptions") == 0) {
        xml_open(&c->xml, a);
        xml_bool(&c->xml, "enabled", false);
        xml_close(&c->xml, a);
    } else
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter attribute is invalid. Unknown attribute.",
                          a);
    return 0;
}

struct modify_instance {
    char *id;
    struct list groups;
    uint8_t source_dest_check, disable_api_termination, disable_api_stop, ebs_optimized;
    char *user_data, *type, *shutdown_behavior;
    char *attribute, *value; /* the older form: the attribute's name and its value */
};
static const struct field modify_fields[] = {
    FIELD(0, FT_STR, struct modify_instance, id, "InstanceId", .flags = FF_REQUIRED),
    FIELD(0, FT_STRS, struct modify_instance, groups, "GroupId"),
    FIELD(0, FT_TRI, struct modify_instance, source_dest_check, "SourceDestCheck.Value"),
    FIELD(0, FT_TRI, struct modify_instance, disable_api_termination,
          "DisableApiTermination.Value"),
    FIELD(0, FT_TRI, struct modify_instance, disable_api_stop, "DisableApiStop.Value"),
    FIELD(0, FT_TRI, struct modify_instance, ebs_optimized, "EbsOptimized.Value"),
    FIELD(0, FT_STR, struct modify_instance, user_data, "UserData.Value", .max = 2 * USER_DATA_MAX),
    FIELD(0, FT_STR, struct modify_instance, type, "InstanceType.Value"),
    FIELD(0, FT_STR, struct modify_instance, shutdown_behavior,
          "InstanceInitiatedShutdownBehavior.Value"),
    FIELD(0, FT_STR, struct modify_instance, attribute, "Attribute"),
    FIELD(0, FT_STR, struct modify_instance, value, "Value", .max = 2 * USER_DATA_MAX),
};
static const struct desc modify_desc =
    DESC("ModifyInstanceAttribute", struct modify_instance, modify_fields);

static int as_bool(struct call *c, const char *text, uint8_t *ret_tri) {
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter value is invalid. It must be true or false.",
                          text);
    *ret_tri = strcmp(text, "true") == 0 ? TRI_TRUE : TRI_FALSE;
    return 0;
}

/* Attribute=NAME Value=TEXT as the newer form; strings in `m` stay the parameters'. */
static int older_form(struct call *c, struct modify_instance *m) {
    const struct {
        const char *name;
        char **text;
        uint8_t *tri;
    } names[] = {
        {"sourceDestCheck", NULL, &m->source_dest_check},
        {"disableApiTermination", NULL, &m->disable_api_termination},
        {"disableApiStop", NULL, &m->disable_api_stop},
        {"ebsOptimized", NULL, &m->ebs_optimized},
        {"userData", &m->user_data, NULL},
        {"instanceType", &m->type, NULL},
        {"instanceInitiatedShutdownBehavior", &m->shutdown_behavior, NULL},
    };

    if (!m->attribute && !m->value)
        return 0;
    if (!m->attribute || !m->value)
        return 0; /* Attribute alone names what the newer form gives anyhow */
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i].name, m->attribute) != 0)
            continue;
        if (names[i].tri)
            return as_bool(c, m->value, names[i].tri);
        *names[i].text = m->value;
        return 0;
    }
    return call_error(c, "InvalidParameterValue",
                      "Value (%.64s) for parameter attribute is invalid. Unknown attribute.",
                      m->attribute);
}

/* Of the primary interface; with several it must be asked for by interface. */
static int modify_interface(struct call *c, const struct modify_instance *m,
                            const struct instance *i) {
    const struct network_interface *have = instance_primary_eni(c->ix, i);
    struct network_interface *eni;
    struct cursor cur;
    int count = 0;

    index_each_by(c->ix, cur, KIND_NETWORK_INTERFACE, ENI_BY_INSTANCE, i->o.id) count++;
    if (!have)
        return call_error(c, "IncorrectInstanceState", "The instance '%s' has no interface.",
                          i->o.id);
    if (count > 1)
        return call_error(c, "InvalidInstanceID",
                          "There are multiple interfaces attached to instance '%s'. Please specify "
                          "an interface ID for the operation instead.",
                          i->o.id);
    eni = txn_edit(c->txn, have);
    if (!eni)
        return call_no_memory(c);
    if (m->source_dest_check)
        eni->source_dest_check = m->source_dest_check == TRI_TRUE;
    if (m->groups.n && eni_set_groups(c, eni, &m->groups) < 0)
        return -1;
    txn_put(c->txn, eni);
    return 0;
}

/* What may only change while the instance is stopped. */
static int modify_stopped(struct call *c, const struct modify_instance *m, struct instance *i) {
    const struct instance_type *type;
    struct cursor cur;
    unsigned count = 0;

    if (i->state != INSTANCE_STOPPED)
        return call_error(c, "IncorrectInstanceState",
                          "The instance '%s' is not in the 'stopped' "
                          "state.",
                          i->o.id);
    if (m->user_data) {
        struct blob data = {0};

        if (user_data_decode(c, m->user_data, &data) < 0)
            return -1;
        free(i->user_data.data);
        i->user_data = data;
    }
    if (m->type) {
        type = instance_type_find(m->type);
        if (!type)
            return call_error(c, "InvalidInstanceAttributeValue",
                              "The instance type '%.64s' is not valid.", m->type);
        index_each_by(c->ix, cur, KIND_NETWORK_INTERFACE, ENI_BY_INSTANCE, i->o.id) {
            const struct network_interface *eni = cur.obj;

            count++;
            if (eni_check_counts(c, type, eni) < 0)
                return -1;
        }
        if (count > type->enis)
            return call_error(c, "AttachmentLimitExceeded",
                              "Interface count %u exceeds the limit for %s", count, type->name);
        obj_set(&i->o, &i->type, type->name);
    }
    return 0;
}

static int modify_instance_attribute(struct call *c, const void *params) {
    struct modify_instance m = *(const struct modify_instance *)params;
    const struct instance *have = call_get(c, KIND_INSTANCE, m.id);
    struct instance *i;
    int given;

    if (!have || older_form(c, &m) < 0)
        return -1;
    given = !!m.groups.n + !!m.source_dest_check + !!m.disable_api_termination +
            !!m.disable_api_stop + !!m.ebs_optimized + !!m.user_data + !!m.type +
            !!m.shutdown_behavior;
    if (given != 1)
        return call_error(c, "InvalidParameterCombination",
                          given ? "Fields for multiple attribute types specified."
                                : "No attributes specified.");
    if (m.groups.n || m.source_dest_check)
        return modify_interface(c, &m, have) < 0 ? -1 : call_return_true(c);
    if (m.shutdown_behavior && strcmp(m.shutdown_behavior, "stop") != 0 &&
        strcmp(m.shutdown_behavior, "terminate") != 0)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter instanceInitiatedShutdownBehavior is "
                          "invalid. It must be stop or terminate.",
                          m.shutdown_behavior);
    i = txn_edit(c->txn, have);
    if (!i)
        return call_no_memory(c);
    if ((m.user_data || m.type) && modify_stopped(c, &m, i) < 0)
        return -1;
    if (m.disable_api_termination)
        i->disable_api_termination = m.disable_api_termination == TRI_TRUE;
    if (m.disable_api_stop)
        i->disable_api_stop = m.disable_api_stop == TRI_TRUE;
    if (m.ebs_optimized)
        i->ebs_optimized = m.ebs_optimized == TRI_TRUE;
    if (m.shutdown_behavior)
        obj_set(&i->o, &i->shutdown_behavior, m.shutdown_behavior);
    txn_put(c->txn, i);
    return call_return_true(c);
}

struct reset_attribute {
    char *id, *attribute;
};
static const struct field reset_fields[] = {
    FIELD(0, FT_STR, struct reset_attribute, id, "InstanceId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct reset_attribute, attribute, "Attribute", .flags = FF_REQUIRED),
};
static const struct desc reset_desc =
    DESC("ResetInstanceAttribute", struct reset_attribute, reset_fields);

/* There is no kernel and no RAM disk to go back to. */
static int reset_instance_attribute(struct call *c, const void *params) {
    const struct reset_attribute *p = params;
    const struct modify_instance check = {.source_dest_check = TRI_TRUE};
    const struct instance *i = call_get(c, KIND_INSTANCE, p->id);

    if (!i)
        return -1;
    if (strcmp(p->attribute, "sourceDestCheck") == 0)
        return modify_interface(c, &check, i) < 0 ? -1 : call_return_true(c);
    if (strcmp(p->attribute, "kernel") != 0 && strcmp(p->attribute, "ramdisk") != 0)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter attribute is invalid. Only kernel, ramdisk "
                          "and sourceDestCheck can be reset.",
                          p->attribute);
    if (i->state != INSTANCE_STOPPED)
        return call_error(c, "IncorrectInstanceState",
                          "The instance '%s' is not in the 'stopped' state.", i->o.id);
    return call_return_true(c);
}

static const struct action rows[] = {
    {"DescribeInstanceAttribute", &describe_attribute_desc, describe_instance_attribute},
    {"ModifyInstanceAttribute", &modify_desc, modify_instance_attribute},
    {"ResetInstanceAttribute", &reset_desc, reset_instance_attribute},
};
ACTIONS(instance_attribute_actions, rows);
