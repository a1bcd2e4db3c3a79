/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of instances beside their attributes: the metadata service (whose settings are kept here;
 * whatever serves it asks for them), names, monitoring, and what they print.
 */
#include "api/ec2/instance_options.h"

#include <string.h>

#include "base/text.h"

/* The metadata service */

struct metadata_options metadata_param_options(const struct metadata_param *p) {
    return (struct metadata_options){.tokens = p->tokens,
                                     .endpoint = p->endpoint,
                                     .ipv6 = p->ipv6,
                                     .tags = p->tags,
                                     .hop_limit = p->hop_limit.v};
}

static const struct metadata_defaults *defaults_of(struct call *c) {
    return txn_get(c->txn, KIND_METADATA_DEFAULTS, c->scope, METADATA_DEFAULTS_ID);
}

struct metadata_options metadata_for_launch(struct call *c, const struct metadata_param *p) {
    const struct metadata_defaults *d = defaults_of(c);
    struct metadata_options m = metadata_param_options(p);

    if (d)
        m = metadata_options_or(&m, &d->options);
    return metadata_options_or(&m, &metadata_options_default);
}

struct modify_metadata {
    char *id;
    struct metadata_param options;
};
static const struct field modify_metadata_fields[] = {
    FIELD(0, FT_STR, struct modify_metadata, id, "InstanceId", .flags = FF_REQUIRED),
    METADATA_PARAMS(struct modify_metadata, options., ""),
};
static const struct desc modify_metadata_desc =
    DESC("ModifyInstanceMetadataOptions", struct modify_metadata, modify_metadata_fields);

/* The caller's instance, to change; NULL with the error set. */
static struct instance *edit_instance(struct call *c, const char *id) {
    const struct instance *have = call_get(c, KIND_INSTANCE, id);
    struct instance *i;

    if (have && have->state == INSTANCE_TERMINATED) {
        call_error(c, "IncorrectInstanceState",
                   "The instance '%s' is not in a valid state for this operation.", id);
        return NULL;
    }
    i = have ? txn_edit(c->txn, have) : NULL;
    if (have && !i)
        call_no_memory(c);
    return i;
}

int metadata_tags_check(struct call *c, const struct instance *i) {
    if (i->metadata.tags == STATE_ENABLED)
        list_each (struct tag, t, i->tags)
            if (!metadata_shows_tag(t->key))
                return call_error(c, "InvalidParameterValue",
                                  "'%.255s' is not a valid tag key. Tag keys must match pattern "
                                  "([0-9a-zA-Z\\\\-_+=,.@:]{1,255}), and must not be a reserved "
                                  "name ('.', '..', '_index')",
                                  t->key);
    return 0;
}

static int modify_metadata_options(struct call *c, const void *params) {
    const struct modify_metadata *p = params;
    struct metadata_options wanted = metadata_param_options(&p->options);
    struct instance *i = edit_instance(c, p->id);

    if (!i)
        return -1;
    i->metadata = metadata_options_or(&wanted, &i->metadata);
    if (metadata_tags_check(c, i) < 0)
        return -1;
    txn_put(c->txn, i);
    xml_text(&c->xml, "instanceId", i->o.id);
    /* EC2 answers `pending`; the next DescribeInstances says `applied`. */
    instance_emit_metadata(&c->xml, i, "instanceMetadataOptions", "pending");
    return 0;
}

struct metadata_defaults_param {
    char *tokens, *endpoint, *tags, *enforced;
    struct optint hop_limit;
};
static const struct field defaults_fields[] = {
    FIELD(0, FT_STR, struct metadata_defaults_param, tokens, "HttpTokens"),
    FIELD(0, FT_STR, struct metadata_defaults_param, endpoint, "HttpEndpoint"),
    FIELD(0, FT_STR, struct metadata_defaults_param, tags, "InstanceMetadataTags"),
    FIELD(0, FT_STR, struct metadata_defaults_param, enforced, "HttpTokensEnforced"),
    FIELD(0, FT_OPTINT, struct metadata_defaults_param, hop_limit, "HttpPutResponseHopLimit",
          .min = -1, .max = 64),
};
static const struct desc defaults_desc =
    DESC("ModifyInstanceMetadataDefaults", struct metadata_defaults_param, defaults_fields);

/* One of the names, or "no-preference": nothing is said. */
static int set_preference(struct call *c, const char *name, const char *text,
                          const char *const *names, uint8_t *value) {
    if (!text)
        return 0;
    if (strcmp(text, "no-preference") == 0) {
        *value = 0;
        return 0;
    }
    for (uint8_t k = 1; names[k]; k++) {
        if (strcmp(names[k], text) == 0) {
            *value = k;
            return 0;
        }
    }
    return call_error(c, "InvalidParameterValue", "Value (%.64s) for parameter %s is invalid.",
                      text, name);
}

static int modify_metadata_defaults(struct call *c, const void *params) {
    const struct metadata_defaults_param *p = params;
    const struct metadata_defaults *have = defaults_of(c);
    struct metadata_defaults *d =
        have ? txn_edit(c->txn, have)
             : txn_new(c->txn, KIND_METADATA_DEFAULTS, c->scope, METADATA_DEFAULTS_ID);

    if (!d)
        return call_no_memory(c);
    if (p->enforced && strcmp(p->enforced, "enabled") == 0)
        return call_error(c, "UnsupportedOperation",
                          "Tokens cannot be enforced for all instances of an account.");
    if (p->hop_limit.set && !p->hop_limit.v)
        return call_error(c, "InvalidParameterValue",
                          "Value (0) for parameter HttpPutResponseHopLimit is invalid. It must be "
                          "-1, or from 1 to 64.");
    if (set_preference(c, "HttpTokens", p->tokens, metadata_tokens_names, &d->options.tokens) < 0 ||
        set_preference(c, "HttpEndpoint", p->endpoint, on_off_names, &d->options.endpoint) < 0 ||
        set_preference(c, "InstanceMetadataTags", p->tags, on_off_names, &d->options.tags) < 0)
        return -1;
    if (p->hop_limit.set)
        d->options.hop_limit = p->hop_limit.v > 0 ? p->hop_limit.v : 0;
    txn_put(c->txn, d);
    return call_return_true(c);
}

static void show_preference(struct call *c, const char *element, const char *name) {
    xml_text(&c->xml, element, *name ? name : NULL);
}

static int get_metadata_defaults(struct call *c, const void *params) {
    const struct metadata_defaults *d = defaults_of(c);
    const struct metadata_options m = d ? d->options : (struct metadata_options){0};

    xml_open(&c->xml, "accountLevel");
    show_preference(c, "httpTokens", metadata_tokens_names[m.tokens]);
    if (m.hop_limit)
        xml_textf(&c->xml, "httpPutResponseHopLimit", "%lld", (long long)m.hop_limit);
    show_preference(c, "httpEndpoint", on_off_names[m.endpoint]);
    show_preference(c, "instanceMetadataTags", on_off_names[m.tags]);
    xml_text(&c->xml, "managedBy", "account");
    xml_close(&c->xml, "accountLevel");
    return 0;
}

/* Names */

static int check_hostname_type(struct call *c, const char *type) {
    if (type && strcmp(type, "ip-name") != 0 && strcmp(type, "resource-name") != 0)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter hostnameType is invalid. It must be ip-name "
                          "or resource-name.",
                          type);
    return 0;
}

int name_options_set(struct call *c, const struct name_param *p, struct obj *o,
                     struct name_options *names) {
    if (check_hostname_type(c, p->hostname_type) < 0)
        return -1;
    if (p->hostname_type)
        obj_set(o, &names->hostname_type, p->hostname_type);
    if (p->a)
        names->a = p->a == TRI_TRUE;
    if (p->aaaa)
        names->aaaa = p->aaaa == TRI_TRUE;
    return 0;
}

struct modify_names {
    char *id;
    struct name_param names;
};
static const struct field modify_names_fields[] = {
    FIELD(0, FT_STR, struct modify_names, id, "InstanceId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct modify_names, names.hostname_type, "PrivateDnsHostnameType"),
    FIELD(0, FT_TRI, struct modify_names, names.a, "EnableResourceNameDnsARecord"),
    FIELD(0, FT_TRI, struct modify_names, names.aaaa, "EnableResourceNameDnsAAAARecord"),
};
static const struct desc modify_names_desc =
    DESC("ModifyPrivateDnsNameOptions", struct modify_names, modify_names_fields);

static int modify_private_dns_name_options(struct call *c, const void *params) {
    const struct modify_names *p = params;
    struct instance *i = edit_instance(c, p->id);
    const char *now;

    if (!i)
        return -1;
    /* "You can only change the hostname type of a stopped instance" (EC2 user guide). */
    now = i->names.hostname_type ? i->names.hostname_type : "ip-name";
    if (p->names.hostname_type && strcmp(p->names.hostname_type, now) != 0 &&
        i->state != INSTANCE_STOPPED)
        return call_error(c, "IncorrectInstanceState",
                          "The instance '%s' is not in the 'stopped' state.", i->o.id);
    if (name_options_set(c, &p->names, &i->o, &i->names) < 0)
        return -1;
    txn_put(c->txn, i);
    return call_return_true(c);
}

struct public_names {
    char *eni_id, *type;
};
static const struct field public_names_fields[] = {
    FIELD(0, FT_STR, struct public_names, eni_id, "NetworkInterfaceId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct public_names, type, "HostnameType", .flags = FF_REQUIRED),
};
static const struct desc public_names_desc =
    DESC("ModifyPublicIpDnsNameOptions", struct public_names, public_names_fields);

/* Public names are those of IPv4 addresses, and no others. */
static int modify_public_ip_dns_name_options(struct call *c, const void *params) {
    const struct public_names *p = params;

    if (!call_get(c, KIND_NETWORK_INTERFACE, p->eni_id))
        return -1;
    if (strcmp(p->type, "public-dual-stack-dns-name") == 0 ||
        strcmp(p->type, "public-ipv6-dns-name") == 0)
        return call_error(c, "UnsupportedOperation", "Public names of type %s are not offered.",
                          p->type);
    if (strcmp(p->type, "public-ipv4-dns-name") != 0)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter hostnameType is invalid.", p->type);
    xml_bool(&c->xml, "successful", true);
    return 0;
}

/* Monitoring */

struct instance_list {
    struct list ids;
};
static const struct field instance_list_fields[] = {
    FIELD(0, FT_STRS, struct instance_list, ids, "InstanceId", .flags = FF_REQUIRED),
};
static const struct desc instance_list_desc =
    DESC("InstanceId", struct instance_list, instance_list_fields);

static int set_monitoring(struct call *c, const struct list *ids, bool on) {
    xml_open(&c->xml, "instancesSet");
    list_each (char *, id, *ids) {
        struct instance *i = edit_instance(c, *id);
        bool was;

        if (!i)
            return -1;
        was = i->monitoring;
        i->monitoring = on;
        txn_put(c->txn, i);
        xml_open(&c->xml, "item");
        xml_text(&c->xml, "instanceId", *id);
        xml_open(&c->xml, "monitoring");
        xml_text(&c->xml, "state",
                 on ? (was ? "enabled" : "pending") : (was ? "disabling" : "disabled"));
        xml_close(&c->xml, "monitoring");
        xml_close(&c->xml, "item");
    }
    xml_close(&c->xml, "instancesSet");
    return 0;
}

static int monitor_instances(struct call *c, const void *params) {
    return set_monitoring(c, &((const struct instance_list *)params)->ids, true);
}

static int unmonitor_instances(struct call *c, const void *params) {
    return set_monitoring(c, &((const struct instance_list *)params)->ids, false);
}

/* The console */

struct console_output {
    char *id;
    uint8_t latest;
};
static const struct field console_fields[] = {
    FIELD(0, FT_STR, struct console_output, id, "InstanceId", .flags = FF_REQUIRED),
    FIELD(0, FT_TRI, struct console_output, latest, "Latest"),
};
static const struct desc console_desc =
    DESC("GetConsoleOutput", struct console_output, console_fields);

/* What an instance prints is kept by its host's agent, which nobody asks from here: no output yet,
 * as EC2 says it in the first minutes. */
static int get_console_output(struct call *c, const void *params) {
    const struct console_output *p = params;
    const struct instance *i = call_get(c, KIND_INSTANCE, p->id);
    char time[TIME_TEXT];

    if (!i)
        return -1;
    xml_text(&c->xml, "instanceId", i->o.id);
    xml_text(&c->xml, "timestamp", time_format(c->now, time));
    xml_text(&c->xml, "output", "");
    return 0;
}

static const struct action rows[] = {
    {"GetConsoleOutput", &console_desc, get_console_output},
    {"GetInstanceMetadataDefaults", NULL, get_metadata_defaults},
    {"ModifyInstanceMetadataDefaults", &defaults_desc, modify_metadata_defaults},
    {"ModifyInstanceMetadataOptions", &modify_metadata_desc, modify_metadata_options},
    {"ModifyPrivateDnsNameOptions", &modify_names_desc, modify_private_dns_name_options},
    {"ModifyPublicIpDnsNameOptions", &public_names_desc, modify_public_ip_dns_name_options},
    {"MonitorInstances", &instance_list_desc, monitor_instances},
    {"UnmonitorInstances", &instance_list_desc, unmonitor_instances},
};
ACTIONS(instance_option_actions, rows);
