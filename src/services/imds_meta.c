/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meta-data/: what EC2 says of an instance (EC2 user guide, "Instance metadata categories", from
 * which the versions are). What vpcd has nothing of is not there: iam/, spot/, system, product
 * codes, kernels.
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "model/regions.h"
#include "model/security_group.h"
#include "model/vpc.h"
#include "services/imds_tree.h"

/* A leaf that has a text of the instance's. */
#define TEXT(name_, expression_)                                                                   \
    static bool name_(const struct imds_view *v, struct buf *out) {                                \
        const char *text = (expression_);                                                          \
                                                                                                   \
        if (!text || !*text)                                                                       \
            return false;                                                                          \
        buf_adds(out, text);                                                                       \
        return true;                                                                               \
    }

TEXT(get_instance_id, v->instance->o.id)
TEXT(get_image, v->instance->image_id)
TEXT(get_type, v->instance->type)
TEXT(get_reservation, v->instance->reservation_id)
TEXT(get_zone, v->instance->zone)
TEXT(get_region, region_name(v->instance->o.scope.region))
TEXT(get_root, INSTANCE_ROOT_DEVICE)
TEXT(get_key, v->instance->public_key)
/* All images are of EBS's kind, which have no manifest; nothing here is bundled, hibernates or is
 * a spot instance. */
TEXT(get_manifest, "(unknown)")
TEXT(get_action, "none")
TEXT(get_life_cycle, "on-demand")
TEXT(get_profile, "default-hvm")
/* The regions are those of AWS's own partition (regions.h). */
TEXT(get_domain, "amazonaws.com")
TEXT(get_partition, "aws")
TEXT(get_no_events, "[]")

static bool get_launch_index(const struct imds_view *v, struct buf *out) {
    buf_addf(out, "%lld", (long long)v->instance->launch_index);
    return true;
}

static bool get_zone_id(const struct imds_view *v, struct buf *out) {
    uint16_t region = v->instance->o.scope.region;
    int i = v->instance->zone ? zone_by_name(region, v->instance->zone) : -1;
    char text[32];

    if (i < 0)
        return false;
    buf_adds(out, zone_id(region, (unsigned)i, text));
    return true;
}

/* ---- of the primary interface ---- */

static bool get_local_ip(const struct imds_view *v, struct buf *out) {
    const struct eni_address *a = v->primary ? eni_primary(v->primary) : NULL;
    char text[IP_TEXT];

    if (!a)
        return false;
    buf_adds(out, ip_format(&a->ip, text));
    return true;
}

static bool get_ipv6(const struct imds_view *v, struct buf *out) {
    char text[IP_TEXT];

    if (!v->primary || !v->primary->addresses6.n)
        return false;
    buf_adds(out, ip_format(&list_at(v->primary->addresses6, struct eni_address, 0)->ip, text));
    return true;
}

static bool get_public_ip(const struct imds_view *v, struct buf *out) {
    const struct eni_address *a = v->primary ? eni_primary(v->primary) : NULL;
    char text[IP_TEXT];

    if (!a || !a->public_ip.family)
        return false;
    buf_adds(out, ip_format(&a->public_ip, text));
    return true;
}

static bool get_mac(const struct imds_view *v, struct buf *out) {
    char text[MAC_TEXT];

    if (!v->primary)
        return false;
    buf_adds(out, mac_format(v->primary->mac, text));
    return true;
}

/*
 * With a domain name in the VPC's DHCP options the name is in that domain, as the instance is told
 * by DHCP; several domains stay as they are written there (which is what Kubernetes' cloud
 * provider for AWS copes with). Else it is EC2's own.
 */
bool imds_host_name(const struct imds_view *v, const struct network_interface *eni,
                    struct buf *out) {
    const struct vpc *vpc =
        index_get(v->req->ix, KIND_VPC, v->instance->o.scope, v->instance->vpc_id);
    const struct dhcp_options *dhcp =
        vpc && vpc->dhcp_options_id
            ? index_get(v->req->ix, KIND_DHCP_OPTIONS, vpc->o.scope, vpc->dhcp_options_id)
            : NULL;
    const char *domain = NULL, *type = v->instance->names.hostname_type;
    const struct eni_address *a = eni ? eni_primary(eni) : NULL;
    char name[96], own[96];

    if (!a)
        return false;
    private_dns_name(v->instance->o.scope.region, &a->ip, name);
    snprintf(own, sizeof(own), "%s", strchr(name, '.') + 1);
    if (dhcp)
        list_each (struct dhcp_option, o, dhcp->options)
            if (strcmp(o->key, "domain-name") == 0 && o->values.n)
                domain = list_str(o->values, 0);
    if (type && strcmp(type, "resource-name") == 0 && eni->device_index == 0)
        buf_adds(out, v->instance->o.id);
    else
        buf_add(out, name, strcspn(name, "."));
    buf_addf(out, ".%s", domain ? domain : own);
    return true;
}

static bool get_host_name(const struct imds_view *v, struct buf *out) {
    return imds_host_name(v, v->primary, out);
}

/* Only with DNS hostnames in the VPC. */
bool imds_public_name(const struct imds_view *v, const struct network_interface *eni,
                      struct buf *out) {
    const struct eni_address *a = eni ? eni_primary(eni) : NULL;
    const struct vpc *vpc = eni ? index_get(v->req->ix, KIND_VPC, eni->o.scope, eni->vpc_id) : NULL;
    char text[96];

    if (!a || !a->public_ip.family || !vpc || !vpc->dns_hostnames)
        return false;
    buf_adds(out, public_dns_name(eni->o.scope.region, &a->public_ip, text));
    return true;
}

static bool get_public_name(const struct imds_view *v, struct buf *out) {
    return imds_public_name(v, v->primary, out);
}

void imds_groups(const struct imds_view *v, const struct network_interface *eni, bool names,
                 struct buf *out) {
    for (uint32_t i = 0; eni && i < eni->groups.n; i++) {
        const char *id = list_str(eni->groups, i);
        struct cursor c;

        if (!names) {
            imds_line(out, id);
            continue;
        }
        /* Ids are unique; a group that is shared belongs to another account. */
        c.obj = index_get(v->req->ix, KIND_SECURITY_GROUP, eni->o.scope, id);
        if (c.obj)
            imds_line(out, ((const struct security_group *)c.obj)->name);
    }
}

static bool get_groups(const struct imds_view *v, struct buf *out) {
    imds_groups(v, v->primary, true, out);
    return out->len > 0;
}

/* ---- what is not fixed: keys and tags ---- */

static void list_keys(const struct imds_view *v, struct buf *out) {
    if (v->instance->public_key && v->instance->key_name)
        buf_addf(out, "0=%s", v->instance->key_name);
}

static bool enter_key(struct imds_view *v, const char *name) {
    return v->instance->public_key && v->instance->key_name && strcmp(name, "0") == 0;
}

static void list_tags(const struct imds_view *v, struct buf *out) {
    if (v->options->tags != STATE_ENABLED)
        return;
    list_each (struct tag, t, v->instance->tags)
        if (metadata_shows_tag(t->key))
            imds_line(out, t->key);
}

static bool enter_tag(struct imds_view *v, const char *name) {
    if (v->options->tags != STATE_ENABLED || !metadata_shows_tag(name))
        return false;
    list_each (struct tag, t, v->instance->tags)
        if (strcmp(t->key, name) == 0)
            v->tag = t;
    return v->tag;
}

static bool get_tag(const struct imds_view *v, struct buf *out) {
    buf_adds(out, v->tag->value ? v->tag->value : "");
    return true;
}

/* ---- tables ---- */

static const struct imds_node block_devices[] = {
    {"ami", .get = get_root},
    {"root", .get = get_root},
    {NULL},
};
static const struct imds_node maintenance[] = {
    {"history", .get = get_no_events},
    {"scheduled", .get = get_no_events},
    {NULL},
};
static const struct imds_node events[] = {
    {"maintenance", .children = maintenance},
    {NULL},
};
static const struct imds_node placement[] = {
    {"availability-zone", .get = get_zone},
    {"availability-zone-id", "2019-10-01", .get = get_zone_id},
    {"region", "2020-08-24", .get = get_region},
    {NULL},
};
static const struct imds_node key_formats[] = {
    {"openssh-key", .get = get_key},
    {NULL},
};
static const struct imds_node a_key = {"", .children = key_formats};
static const struct imds_node services[] = {
    {"domain", "2014-02-25", .get = get_domain},
    {"partition", "2015-10-20", .get = get_partition},
    {NULL},
};
static const struct imds_node a_tag = {"", .get = get_tag};
static const struct imds_node tags[] = {
    {"instance", .list = list_tags, .enter = enter_tag, .children = &a_tag},
    {NULL},
};

const struct imds_node imds_meta_data[] = {
    {"ami-id", .get = get_image},
    {"ami-launch-index", .get = get_launch_index},
    {"ami-manifest-path", .get = get_manifest},
    {"block-device-mapping", "2007-12-15", .children = block_devices},
    {"events", "2018-08-17", .children = events},
    {"hostname", .get = get_host_name},
    {"instance-action", "2008-09-01", .get = get_action},
    {"instance-id", .get = get_instance_id},
    {"instance-life-cycle", "2019-10-01", .get = get_life_cycle},
    {"instance-type", "2007-08-29", .get = get_type},
    {"ipv6", "2021-01-03", .get = get_ipv6},
    {"local-hostname", "2007-01-19", .get = get_host_name},
    {"local-ipv4", .get = get_local_ip},
    {"mac", "2011-01-01", .get = get_mac},
    {"network", "2011-01-01", .children = imds_network},
    {"placement", "2008-02-01", .children = placement},
    {"profile", "2008-09-01", .get = get_profile},
    {"public-hostname", "2007-01-19", .get = get_public_name},
    {"public-ipv4", "2007-01-19", .get = get_public_ip},
    {"public-keys", .list = list_keys, .enter = enter_key, .children = &a_key},
    {"reservation-id", .get = get_reservation},
    {"security-groups", .get = get_groups},
    {"services", "2014-02-25", .children = services},
    {"tags", "2021-03-23", .children = tags},
    {NULL},
};
