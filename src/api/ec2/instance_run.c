/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RunInstances: judges the parameters and makes a `struct launch` of them, then launches.
 *
 * The interfaces of an instance come either from NetworkInterface.N or from the parameters of the
 * instance itself (SubnetId, SecurityGroupId, PrivateIpAddress, ...), which then describe the one
 * with device index 0; never from both.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/ec2/instance_options.h"
#include "api/ec2/launch_limits.h"
#include "base/text.h"
#include "model/key_pair.h"

/* What one call may write and answer: both go into one transaction of the store (store/store.h). */
#define WRITES_MAX 9000
#define REPLY_MAX 900000
#define REPLY_SLACK 256 /* by which one instance's part may be longer than the first's */

struct interface_param {
    struct optint device_index;
    char *id;
    char *subnet_id;
    char *description;
    struct list groups;
    struct eni_addresses_param addresses;
    uint8_t public_ip, delete_on_termination;
    uint8_t primary_ipv6;
    char *type;
    int64_t card;
};
static const struct field interface_fields[] = {
    FIELD(0, FT_OPTINT, struct interface_param, device_index, "DeviceIndex", .min = 0, .max = 255),
    FIELD(0, FT_STR, struct interface_param, id, "NetworkInterfaceId"),
    FIELD(0, FT_STR, struct interface_param, subnet_id, "SubnetId"),
    FIELD(0, FT_STR, struct interface_param, description, "Description", .max = 255),
    FIELD(0, FT_STRS, struct interface_param, groups, "SecurityGroupId"),
    ENI_ADDRESSES_PARAM(struct interface_param, addresses),
    FIELD(0, FT_TRI, struct interface_param, public_ip, "AssociatePublicIpAddress"),
    FIELD(0, FT_TRI, struct interface_param, delete_on_termination, "DeleteOnTermination"),
    FIELD(0, FT_TRI, struct interface_param, primary_ipv6, "PrimaryIpv6"),
    FIELD(0, FT_STR, struct interface_param, type, "InterfaceType"),
    FIELD(0, FT_INT, struct interface_param, card, "NetworkCardIndex", .min = 0, .max = 255),
};
static const struct desc interface_desc =
    DESC("network interface", struct interface_param, interface_fields);

struct run_instances {
    char *image_id, *type;
    int64_t min, max;
    char *subnet_id;
    struct list group_ids, group_names;
    struct ip private_ip;
    struct list addresses6;
    struct optint addresses6_count;
    uint8_t primary_ipv6;
    struct list interfaces;
    char *zone, *tenancy;
    char *key_name;
    char *user_data;
    char *profile_name, *profile_arn;
    uint8_t monitoring, ebs_optimized, disable_api_termination, disable_api_stop;
    char *shutdown_behavior;
    char *cpu_credits;
    struct metadata_param metadata;
    struct name_param names;
    struct launch_refusals refused;
    struct list devices;
    struct list tag_specifications;
};
static const struct field run_instances_fields[] = {
    FIELD(0, FT_STR, struct run_instances, image_id, "ImageId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct run_instances, type, "InstanceType"),
    FIELD(0, FT_INT, struct run_instances, min, "MinCount", .flags = FF_REQUIRED, .min = 1,
          .max = INSTANCES_MAX),
    FIELD(0, FT_INT, struct run_instances, max, "MaxCount", .flags = FF_REQUIRED, .min = 1,
          .max = INSTANCES_MAX),
    FIELD(0, FT_STR, struct run_instances, subnet_id, "SubnetId"),
    FIELD(0, FT_STRS, struct run_instances, group_ids, "SecurityGroupId"),
    FIELD(0, FT_STRS, struct run_instances, group_names, "SecurityGroup"),
    FIELD(0, FT_IP, struct run_instances, private_ip, "PrivateIpAddress"),
    FIELD(0, FT_LIST, struct run_instances, addresses6, "Ipv6Address", .sub = &ipv6_param_desc),
    FIELD(0, FT_OPTINT, struct run_instances, addresses6_count, "Ipv6AddressCount", .min = 0,
          .max = 255),
    FIELD(0, FT_TRI, struct run_instances, primary_ipv6, "EnablePrimaryIpv6"),
    FIELD(0, FT_LIST, struct run_instances, interfaces, "NetworkInterface", .sub = &interface_desc),
    FIELD(0, FT_STR, struct run_instances, zone, "Placement.AvailabilityZone"),
    FIELD(0, FT_STR, struct run_instances, tenancy, "Placement.Tenancy"),
    FIELD(0, FT_STR, struct run_instances, key_name, "KeyName"),
    FIELD(0, FT_STR, struct run_instances, user_data, "UserData", .max = 2 * USER_DATA_MAX),
    FIELD(0, FT_STR, struct run_instances, profile_name, "IamInstanceProfile.Name"),
    FIELD(0, FT_STR, struct run_instances, profile_arn, "IamInstanceProfile.Arn"),
    FIELD(0, FT_TRI, struct run_instances, monitoring, "Monitoring.Enabled"),
    FIELD(0, FT_TRI, struct run_instances, ebs_optimized, "EbsOptimized"),
    FIELD(0, FT_TRI, struct run_instances, disable_api_termination, "DisableApiTermination"),
    FIELD(0, FT_TRI, struct run_instances, disable_api_stop, "DisableApiStop"),
    FIELD(0, FT_STR, struct run_instances, shutdown_behavior, "InstanceInitiatedShutdownBehavior"),
    FIELD(0, FT_STR, struct run_instances, cpu_credits, "CreditSpecification.CpuCredits"),
    METADATA_PARAMS(struct run_instances, metadata., "MetadataOptions."),
    FIELD(0, FT_STR, struct run_instances, names.hostname_type,
          "PrivateDnsNameOptions.HostnameType"),
    FIELD(0, FT_TRI, struct run_instances, names.a,
          "PrivateDnsNameOptions.EnableResourceNameDnsARecord"),
    FIELD(0, FT_TRI, struct run_instances, names.aaaa,
          "PrivateDnsNameOptions.EnableResourceNameDnsAAAARecord"),
    LAUNCH_REFUSALS(struct run_instances, refused.),
    FIELD(0, FT_LIST, struct run_instances, devices, "BlockDeviceMapping",
          .sub = &block_device_param_desc),
    TAG_SPECIFICATIONS(struct run_instances),
};
static const struct desc run_instances_desc =
    DESC("RunInstances", struct run_instances, run_instances_fields);

int user_data_decode(struct call *c, const char *text, struct blob *ret_data) {
    uint8_t *data;
    size_t len;
    int r = base64_decode(text, &data, &len);

    if (r == -ENOMEM)
        return call_no_memory(c);
    if (r < 0)
        return call_error(c, "InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.");
    if (len > USER_DATA_MAX) {
        free(data);
        return call_error(c, "InvalidParameterValue", "User data is limited to %d bytes",
                          USER_DATA_MAX);
    }
    *ret_data = (struct blob){.data = data, .len = (uint32_t)len};
    return 0;
}

/* What is refused because it does not exist here, and what must be one of a few words. */
static int check_words(struct call *c, const struct run_instances *p) {
    if (p->key_name && !key_pair_find(c, p->key_name))
        return call_error(c, "InvalidKeyPair.NotFound", "The key pair '%.255s' does not exist",
                          p->key_name);
    if (p->profile_name || p->profile_arn)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.128s) for parameter iamInstanceProfile is invalid. Invalid IAM "
                          "Instance Profile",
                          p->profile_name ? p->profile_name : p->profile_arn);
    if (p->tenancy && strcmp(p->tenancy, "default") != 0)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter tenancy is invalid. Only 'default' is "
                          "offered.",
                          p->tenancy);
    if (p->shutdown_behavior && strcmp(p->shutdown_behavior, "stop") != 0 &&
        strcmp(p->shutdown_behavior, "terminate") != 0)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter instanceInitiatedShutdownBehavior is "
                          "invalid. It must be stop or terminate.",
                          p->shutdown_behavior);
    if (p->min > p->max)
        return call_error(c, "InvalidParameterValue",
                          "The minimum number of instances (%lld) is above the maximum (%lld).",
                          (long long)p->min, (long long)p->max);
    return 0;
}

/* Volumes do not exist, but clients tag them along with instances. */
static int check_tags(struct call *c, const struct list *specifications) {
    static const enum kind taggable[] = {KIND_INSTANCE, KIND_NETWORK_INTERFACE};
    struct list one = {.n = 1};

    list_each (struct tag_specification, s, *specifications) {
        one.items = s;
        if (s->resource_type && strcmp(s->resource_type, "volume") == 0)
            continue;
        if (call_tags_check(c, &one, taggable, 2) < 0)
            return -1;
    }
    return 0;
}

/* The default subnet of the zone, or of the first zone that has one. */
static const struct subnet *default_subnet(struct call *c, const char *zone) {
    const struct vpc *v = default_vpc(c);
    const struct subnet *best = NULL;
    struct cursor cur;

    if (!v) {
        call_error(c, "VPCIdNotSpecified", "No default VPC for this user");
        return NULL;
    }
    index_each_by(c->ix, cur, KIND_SUBNET, SUBNET_BY_VPC, v->o.id) {
        const struct subnet *s = cur.obj;

        if (s->default_for_az && (!zone || strcmp(zone, s->zone) == 0) &&
            (!best || strcmp(s->zone, best->zone) < 0))
            best = s;
    }
    if (!best)
        call_error(c, "MissingInput",
                   "No subnets found for the default VPC '%s'. Please specify a subnet.", v->o.id);
    return best;
}

static const struct subnet *find_subnet(struct call *c, const struct run_instances *p,
                                        const char *subnet_id) {
    const struct subnet *s;

    if (p->zone && zone_by_name(c->scope.region, p->zone) < 0) {
        call_error(c, "InvalidParameterValue", "Invalid availability zone: [%.64s]", p->zone);
        return NULL;
    }
    if (!subnet_id)
        return default_subnet(c, p->zone);
    s = call_get(c, KIND_SUBNET, subnet_id);
    if (s && p->zone && strcmp(s->zone, p->zone) != 0) {
        call_error(c, "InvalidParameterValue",
                   "The availability zone '%.64s' is not that of the subnet '%s'.", p->zone,
                   s->o.id);
        return NULL;
    }
    return s;
}

/* Interfaces */

static int judge_existing(struct call *c, const struct run_instances *p,
                          const struct interface_param *ip, struct launch_interface *li) {
    if (ip->subnet_id || ip->groups.n || ip->addresses.primary.family ||
        ip->addresses.secondary.n || ip->addresses.prefixes.n || ip->addresses.addresses6.n ||
        ip->addresses.prefixes6.n || ip->public_ip)
        return call_error(c, "InvalidParameterCombination",
                          "A network interface that exists may not be specified together with a "
                          "subnet, groups or addresses.");
    if (p->max > 1)
        return call_error(c, "InvalidParameterCombination",
                          "A network interface that exists may only be specified for one "
                          "instance.");
    li->existing = call_get(c, KIND_NETWORK_INTERFACE, ip->id);
    li->delete_on_termination = ip->delete_on_termination == TRI_TRUE;
    return li->existing ? 0 : -1;
}

static int judge_new(struct call *c, const struct run_instances *p,
                     const struct interface_param *ip, struct launch_interface *li, bool only) {
    const struct subnet *s = find_subnet(c, p, ip->subnet_id);

    if (!s)
        return -1;
    li->wish = (struct eni_wish){.subnet = s,
                                 .description = ip->description,
                                 .groups = &ip->groups,
                                 .primary6 = ip->primary_ipv6 == TRI_TRUE,
                                 .tag_specifications = &p->tag_specifications};
    if (eni_wish_addresses(c, &ip->addresses, &li->wish) < 0)
        return -1;
    if (p->max > 1 && (li->wish.primary || ip->addresses.secondary.n || ip->addresses.prefixes.n ||
                       ip->addresses.addresses6.n || ip->addresses.prefixes6.n))
        return call_error(c, "InvalidParameterCombination",
                          "A private address may only be specified for one instance.");
    /* A public address is given to a single new interface only (EC2 user guide, "Assign a public
     * IPv4 address at launch"). */
    if (ip->public_ip == TRI_TRUE && (!only || li->device_index != 0))
        return call_error(c, "InvalidParameterCombination",
                          "The associatePublicIPAddress parameter cannot be specified when "
                          "launching with multiple network interfaces.");
    li->public_ip =
        ip->public_ip == TRI_TRUE || (ip->public_ip == TRI_UNSET && only && s->map_public_ip);
    li->delete_on_termination = ip->delete_on_termination != TRI_FALSE;
    return 0;
}

static int judge_interface(struct call *c, const struct run_instances *p,
                           const struct interface_param *ip, struct launch *l, bool only) {
    struct launch_interface *li = &l->interfaces[l->n_interfaces];

    if (eni_check_type(c, ip->type) < 0)
        return -1;
    if (ip->card)
        return call_error(c, "InvalidParameterValue",
                          "Value (%lld) for parameter networkCardIndex is invalid. There is one "
                          "network card, 0.",
                          (long long)ip->card);
    *li = (struct launch_interface){.device_index = ip->device_index.v};
    for (size_t i = 0; i < l->n_interfaces; i++)
        if (l->interfaces[i].device_index == li->device_index ||
            (ip->id && l->interfaces[i].existing &&
             strcmp(l->interfaces[i].existing->o.id, ip->id) == 0))
            return call_error(c, "InvalidParameterValue",
                              "Each network interface requires a device index of its own.");
    if ((ip->id ? judge_existing(c, p, ip, li) : judge_new(c, p, ip, li, only)) < 0)
        return -1;
    l->n_interfaces++;
    return 0;
}

static int judge_interface_params(struct call *c, const struct run_instances *p, struct launch *l) {
    bool only = p->interfaces.n == 1;

    if (p->subnet_id)
        return call_error(c, "InvalidParameterCombination",
                          "Network interfaces and an instance-level subnet ID may not be specified "
                          "on the same request");
    if (p->group_ids.n || p->group_names.n)
        return call_error(c, "InvalidParameterCombination",
                          "Network interfaces and an instance-level security groups may not be "
                          "specified on the same request");
    if (p->private_ip.family || p->addresses6.n || p->addresses6_count.set)
        return call_error(c, "InvalidParameterCombination",
                          "Network interfaces and an instance-level private address may not be "
                          "specified on the same request");
    if (p->interfaces.n > l->type->enis)
        return call_error(c, "AttachmentLimitExceeded",
                          "Interface count %u exceeds the limit for %s", p->interfaces.n,
                          l->type->name);
    /* The primary first. */
    for (int primary = 1; primary >= 0; primary--) {
        list_each (struct interface_param, ip, p->interfaces) {
            if ((ip->device_index.v == 0) == primary && judge_interface(c, p, ip, l, only) < 0)
                return -1;
        }
        if (!l->n_interfaces)
            return call_error(c, "InvalidParameterCombination",
                              "A network interface with device index 0 must be specified.");
    }
    return 0;
}

/* The one interface that the instance's own parameters describe. `groups` lives as long as *l. */
static int judge_instance_params(struct call *c, const struct run_instances *p, struct launch *l,
                                 struct list *groups) {
    struct interface_param ip = {
        .subnet_id = p->subnet_id,
        .addresses = {.primary = p->private_ip,
                      .addresses6 = p->addresses6,
                      .addresses6_count = p->addresses6_count},
        .primary_ipv6 = p->primary_ipv6,
    };
    struct launch_interface *li = &l->interfaces[0];

    if (p->group_names.n && p->subnet_id)
        return call_error(c, "InvalidParameterCombination",
                          "The parameter groupName cannot be used with the parameter subnet");
    list_each (char *, id, p->group_ids)
        if (strs_add(groups, *id) < 0)
            return call_no_memory(c);
    list_each (char *, name, p->group_names) {
        const struct security_group *g = security_group_named(c, *name);

        if (!g)
            return -1;
        if (strs_add(groups, g->o.id) < 0)
            return call_no_memory(c);
    }
    if (judge_interface(c, p, &ip, l, true) < 0)
        return -1;
    /* What pointed into `ip` shall point into what lives on. */
    li->wish.groups = groups;
    li->wish.primary = p->private_ip.family ? &p->private_ip : NULL;
    li->wish.secondary = li->wish.prefixes = li->wish.prefixes6 = NULL;
    li->wish.addresses6 = &p->addresses6;
    return 0;
}

static int judge(struct call *c, const struct run_instances *p, struct launch *l,
                 struct list *groups) {
    const char *type = p->type ? p->type : "t3.micro";

    l->image = image_find(c, p->image_id);
    if (!l->image)
        return -1;
    if (l->image->missing)
        return call_error(c, "UnsupportedOperation", "%s", l->image->missing);
    l->image_id = p->image_id;
    l->type = instance_type_find(type);
    if (!l->type)
        return call_error(c, "InvalidParameterValue", "Invalid value '%.64s' for InstanceType.",
                          type);
    if (check_words(c, p) < 0 || launch_check_refusals(c, &p->refused) < 0 ||
        launch_check_devices(c, &p->devices) < 0 || check_tags(c, &p->tag_specifications) < 0)
        return -1;
    l->shutdown_behavior = p->shutdown_behavior ? p->shutdown_behavior : "stop";
    l->key_name = p->key_name;
    l->public_key = p->key_name ? key_pair_find(c, p->key_name)->public_key : NULL;
    l->monitoring = p->monitoring == TRI_TRUE;
    l->ebs_optimized = p->ebs_optimized == TRI_TRUE;
    l->disable_api_stop = p->disable_api_stop == TRI_TRUE;
    l->metadata = metadata_for_launch(c, &p->metadata);
    l->names = &p->names;
    l->disable_api_termination = p->disable_api_termination == TRI_TRUE;
    l->tag_specifications = &p->tag_specifications;
    obj_make_id("r-", l->reservation_id);
    if (p->user_data && user_data_decode(c, p->user_data, &l->user_data) < 0)
        return -1;
    return p->interfaces.n ? judge_interface_params(c, p, l)
                           : judge_instance_params(c, p, l, groups);
}

static int too_many(struct call *c, int64_t fit) {
    return call_error(c, "InvalidParameterValue",
                      "One call can launch at most %lld instances like these. Launch them in "
                      "several calls.",
                      (long long)fit);
}

/* What the launch of one instance writes: itself, and its interfaces with their claims. */
static int64_t writes_of(const struct launch *l) {
    int64_t n = 1;

    for (size_t i = 0; i < l->n_interfaces; i++) {
        const struct eni_wish *w = &l->interfaces[i].wish;

        /* The interface, its MAC, its addresses, its public one, those of its prefixes. */
        n += 3 + w->secondary_count + (w->secondary ? w->secondary->n : 0) + 1;
        n += (w->prefix_count + (w->prefixes ? w->prefixes->n : 0)) << (32 - ENI_PREFIX4_LEN);
        n += w->prefix6_count + (w->prefixes6 ? w->prefixes6->n : 0);
        n += (w->addresses6 ? w->addresses6->n : 0) +
             (w->addresses6_count > 0 ? w->addresses6_count : 1);
    }
    return n;
}

unsigned instances_limit(const struct api_config *config) {
    return config->account_instances ? config->account_instances : ACCOUNT_INSTANCES;
}

/*
 * How many instances there will be: as many of MaxCount as the quota, one transaction, and the
 * subnets allow.
 */
static int judge_count(struct call *c, const struct run_instances *p, const struct launch *l,
                       int64_t *ret_count) {
    int64_t limit = instances_limit(api_config(c->api)), count = p->max, left = limit, fit;
    struct cursor cur;

    /* In all regions: one host runs them all. */
    for (uint16_t region = 1; region <= region_count(); region++) {
        const struct scope scope = {.account = c->scope.account, .region = region};

        index_each_in(c->ix, cur, KIND_INSTANCE, scope) {
            left -= ((const struct instance *)cur.obj)->state != INSTANCE_TERMINATED;
        }
    }
    if (left < p->min)
        return call_error(c, "InstanceLimitExceeded",
                          "You have requested more instances (%lld) than your current instance "
                          "limit of %lld, in all regions together, allows.",
                          (long long)p->min, (long long)limit);
    fit = WRITES_MAX / writes_of(l);
    if (fit < p->min)
        return too_many(c, fit);
    count = count < left ? count : left;
    count = count < fit ? count : fit;
    for (size_t i = 0; i < l->n_interfaces && count > p->min; i++) {
        const struct launch_interface *li = &l->interfaces[i];
        int64_t each =
            1 + li->wish.secondary_count + (li->wish.prefix_count << (32 - ENI_PREFIX4_LEN));

        if (li->existing)
            continue;
        /* Interfaces in one subnet share it; so this may be too many, which then fails. */
        fit = (int64_t)subnet_free(c->ix, li->wish.subnet) / each;
        count = fit < count ? fit : count;
    }
    *ret_count = count < p->min ? p->min : count;
    return 0;
}

static int launch_all(struct call *c, const struct launch *l, int64_t min, int64_t count) {
    size_t head;

    xml_text(&c->xml, "reservationId", l->reservation_id);
    xml_textf(&c->xml, "ownerId", "%012llu", (unsigned long long)c->scope.account);
    xml_open(&c->xml, "groupSet");
    xml_close(&c->xml, "groupSet");
    xml_open(&c->xml, "instancesSet");
    head = c->body->len;
    for (int64_t i = 0; i < count; i++) {
        const struct instance *inst = instance_launch(c, l, i);

        if (!inst)
            return -1;
        xml_open(&c->xml, "item");
        xml_fields(&c->xml, &instance_desc, &c->look, inst);
        xml_close(&c->xml, "item");
        if (i == 0) {
            /* The whole reply is kept with the client token; the others will be as long. */
            int64_t fit = REPLY_MAX / (int64_t)(c->body->len - head + REPLY_SLACK);

            if (fit < min)
                return too_many(c, fit);
            count = fit < count ? fit : count;
        }
        /* After the reply, which shall show `pending`. */
        if (instance_settle_on_paper(c, inst->o.id) < 0)
            return -1;
    }
    xml_close(&c->xml, "instancesSet");
    return 0;
}

static int run_instances(struct call *c, const void *params) {
    const struct run_instances *p = params;
    struct launch *l = calloc(1, sizeof(*l));
    struct list groups = {0};
    int64_t count = 0;
    int r;

    if (!l)
        return call_no_memory(c);
    r = judge(c, p, l, &groups);
    if (r == 0)
        r = judge_count(c, p, l, &count);
    if (r == 0)
        r = launch_all(c, l, p->min, count);
    list_each (char *, id, groups)
        free(*id);
    free(groups.items);
    free(l->user_data.data);
    free(l);
    return r;
}

static const struct action rows[] = {
    {"RunInstances", &run_instances_desc, run_instances, ACT_TOKEN},
};
ACTIONS(instance_run_actions, rows);
