/* SPDX-License-Identifier: Apache-2.0 */
#include "model/instance.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "model/regions.h"
#include "model/security_group.h"
#include "model/vpc.h"
#include "model/xml.h"

const char *const instance_state_names[] = {"",           "pending",  "running", "shutting-down",
                                            "terminated", "stopping", "stopped", NULL};
static const char *const drivers[] = {"", "netns", "tap", "host", NULL};

int instance_state_code(uint8_t state) {
    /* EC2 API reference, "InstanceState". */
    static const int codes[] = {0, 0, 16, 32, 48, 64, 80};

    return codes[state];
}

const struct network_interface *instance_primary_eni(const struct index *ix,
                                                     const struct instance *i) {
    struct cursor c;

    index_each_by(ix, c, KIND_NETWORK_INTERFACE, ENI_BY_INSTANCE, i->o.id) {
        const struct network_interface *eni = c.obj;

        if (eni->device_index == 0)
            return eni;
    }
    return NULL;
}

size_t instance_bytes(const struct instance *i) {
    size_t n = 0;

    list_each (struct tag, t, i->tags)
        n += strlen(t->key) + strlen(t->value) + sizeof(*t);
    return n;
}

const char *instance_architecture(void) {
#ifdef __aarch64__
    return "arm64";
#else
    return "x86_64";
#endif
}

static const struct network_interface *primary_eni(const struct look *look,
                                                   const struct instance *i) {
    return instance_primary_eni(look->ix, i);
}

static const struct eni_address *primary_address(const struct look *look, const void *obj) {
    const struct network_interface *eni = primary_eni(look, obj);

    return eni ? eni_primary(eni) : NULL;
}

static bool get_private_ip(const struct look *look, const void *obj, struct buf *out) {
    const struct eni_address *a = primary_address(look, obj);
    char text[IP_TEXT];

    buf_adds(out, a ? ip_format(&a->ip, text) : "");
    return a;
}

static bool get_public_ip(const struct look *look, const void *obj, struct buf *out) {
    const struct eni_address *a = primary_address(look, obj);
    char text[IP_TEXT];

    if (!a || !a->public_ip.family)
        return false;
    buf_adds(out, ip_format(&a->public_ip, text));
    return true;
}

/* "ip-10-0-1-5.ec2.internal", or by the instance's id (EC2 user guide, "EC2 instance naming"). */
static bool get_private_dns(const struct look *look, const void *obj, struct buf *out) {
    const struct instance *i = obj;
    const struct eni_address *a = primary_address(look, obj);
    const char *region = region_name(i->o.scope.region);
    char text[96];

    if (a && i->names.hostname_type && strcmp(i->names.hostname_type, "resource-name") == 0) {
        if (strcmp(region, "us-east-1") == 0)
            buf_addf(out, "%s.ec2.internal", i->o.id);
        else
            buf_addf(out, "%s.%s.compute.internal", i->o.id, region);
        return true;
    }
    buf_adds(out, a ? private_dns_name(((const struct obj *)obj)->scope.region, &a->ip, text) : "");
    return true;
}

static bool get_public_dns(const struct look *look, const void *obj, struct buf *out) {
    const struct instance *i = obj;
    const struct eni_address *a = primary_address(look, obj);
    const struct vpc *v = a ? index_get(look->ix, KIND_VPC, i->o.scope, i->vpc_id) : NULL;
    char text[96];

    if (a && a->public_ip.family && v && v->dns_hostnames)
        buf_adds(out, public_dns_name(i->o.scope.region, &a->public_ip, text));
    return true;
}

static bool get_ipv6(const struct look *look, const void *obj, struct buf *out) {
    const struct network_interface *eni = primary_eni(look, obj);
    char text[IP_TEXT];

    if (!eni || !eni->addresses6.n)
        return false;
    buf_adds(out, ip_format(&list_at(eni->addresses6, struct eni_address, 0)->ip, text));
    return true;
}

static void emit_state(struct xml *x, const struct look *look, const void *obj) {
    const struct instance *i = obj;

    xml_open(x, "instanceState");
    xml_textf(x, "code", "%d", instance_state_code(i->state));
    xml_text(x, "name", instance_state_names[i->state]);
    xml_close(x, "instanceState");
    if (i->reason_code) {
        xml_open(x, "stateReason");
        xml_text(x, "code", i->reason_code);
        xml_text(x, "message", i->reason);
        xml_close(x, "stateReason");
    }
    xml_text(x, "reason", i->transition_reason ? i->transition_reason : "");
}

static bool get_state_name(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, instance_state_names[((const struct instance *)obj)->state]);
    return true;
}

static bool get_state_code(const struct look *look, const void *obj, struct buf *out) {
    buf_addf(out, "%d", instance_state_code(((const struct instance *)obj)->state));
    return true;
}

static void emit_placement(struct xml *x, const struct look *look, const void *obj) {
    const struct instance *i = obj;

    xml_open(x, "placement");
    xml_text(x, "availabilityZone", i->zone);
    xml_text(x, "groupName", "");
    xml_text(x, "tenancy", "default");
    xml_close(x, "placement");
    xml_open(x, "monitoring");
    xml_text(x, "state", i->monitoring ? "enabled" : "disabled");
    xml_close(x, "monitoring");
}

static int by_device_index(const void *a, const void *b) {
    const struct network_interface *x = *(const struct network_interface *const *)a;
    const struct network_interface *y = *(const struct network_interface *const *)b;

    return (x->device_index > y->device_index) - (x->device_index < y->device_index);
}

/* The instance's interfaces, the primary one first. */
static void emit_interface_set(struct xml *x, const struct look *look, const struct instance *i) {
    _free_ const struct network_interface **enis = NULL;
    struct cursor c;
    size_t n = 0;

    index_each_by(look->ix, c, KIND_NETWORK_INTERFACE, ENI_BY_INSTANCE, i->o.id) n++;
    enis = calloc(n + 1, sizeof(*enis));
    if (!enis) {
        x->out->failed = true;
        return;
    }
    n = 0;
    index_each_by(look->ix, c, KIND_NETWORK_INTERFACE, ENI_BY_INSTANCE, i->o.id) enis[n++] = c.obj;
    qsort(enis, n, sizeof(*enis), by_device_index);
    xml_open(x, "networkInterfaceSet");
    for (size_t k = 0; k < n; k++) {
        xml_open(x, "item");
        xml_fields(x, &eni_in_instance_desc, look, enis[k]);
        xml_close(x, "item");
    }
    xml_close(x, "networkInterfaceSet");
}

static void emit_interfaces(struct xml *x, const struct look *look, const void *obj) {
    const struct instance *i = obj;
    const struct network_interface *eni = primary_eni(look, i);

    /* The instance's own groups are those of its primary interface. */
    if (eni)
        eni_emit_groups(x, look, eni);
    else
        xml_text(x, "groupSet", "");
    emit_interface_set(x, look, i);
}

/* What every instance here has, whatever it is: facts of the service, not of the machine. */
static void emit_fixed(struct xml *x, const struct look *look, const void *obj) {
    xml_text(x, "productCodes", "");
    xml_text(x, "architecture", instance_architecture());
    xml_text(x, "rootDeviceType", "ebs");
    xml_text(x, "rootDeviceName", INSTANCE_ROOT_DEVICE);
    xml_text(x, "blockDeviceMapping", "");
    xml_text(x, "virtualizationType", "hvm");
    xml_text(x, "hypervisor", "xen");
    xml_text(x, "platformDetails", "Linux/UNIX");
    xml_text(x, "usageOperation", "RunInstances");
    xml_bool(x, "enaSupport", true);
    xml_open(x, "enclaveOptions");
    xml_bool(x, "enabled", false);
    xml_close(x, "enclaveOptions");
    xml_open(x, "hibernationOptions");
    xml_bool(x, "configured", false);
    xml_close(x, "hibernationOptions");
    xml_open(x, "maintenanceOptions");
    xml_text(x, "autoRecovery", "default");
    xml_close(x, "maintenanceOptions");
    xml_open(x, "capacityReservationSpecification");
    xml_text(x, "capacityReservationPreference", "open");
    xml_close(x, "capacityReservationSpecification");
}

void instance_emit_metadata(struct xml *x, const struct instance *i, const char *element,
                            const char *state) {
    struct metadata_options m = metadata_options_or(&i->metadata, &metadata_options_default);

    xml_open(x, element);
    xml_text(x, "state", state);
    xml_text(x, "httpTokens", metadata_tokens_names[m.tokens]);
    xml_textf(x, "httpPutResponseHopLimit", "%lld", (long long)m.hop_limit);
    xml_text(x, "httpEndpoint", on_off_names[m.endpoint]);
    xml_text(x, "httpProtocolIpv6", on_off_names[m.ipv6]);
    xml_text(x, "instanceMetadataTags", on_off_names[m.tags]);
    xml_close(x, element);
}

static void emit_options(struct xml *x, const struct look *look, const void *obj) {
    const struct instance *i = obj;

    instance_emit_metadata(x, i, "metadataOptions", "applied");
    xml_open(x, "privateDnsNameOptions");
    xml_text(x, "hostnameType", i->names.hostname_type ? i->names.hostname_type : "ip-name");
    xml_bool(x, "enableResourceNameDnsARecord", i->names.a);
    xml_bool(x, "enableResourceNameDnsAAAARecord", i->names.aaaa);
    xml_close(x, "privateDnsNameOptions");
}

static bool get_zone_id(const struct look *look, const void *obj, struct buf *out) {
    const struct instance *i = obj;
    int zone = i->zone ? zone_by_name(i->o.scope.region, i->zone) : -1;
    char text[32];

    if (zone < 0)
        return false;
    buf_adds(out, zone_id(i->o.scope.region, (unsigned)zone, text));
    return true;
}

/* What no instance here has: filters by it are known, and match none. */
static bool get_none(const struct look *look, const void *obj, struct buf *out) {
    return false;
}

static bool get_groups(const struct look *look, const void *obj, struct buf *out) {
    const struct network_interface *eni = primary_eni(look, obj);

    if (!eni || !eni->groups.n)
        return false;
    list_each (char *, id, eni->groups)
        buf_add(out, *id, strlen(*id) + 1);
    return true;
}

static bool get_group_names(const struct look *look, const void *obj, struct buf *out) {
    const struct network_interface *eni = primary_eni(look, obj);

    if (!eni || !eni->groups.n)
        return false;
    list_each (char *, id, eni->groups) {
        const struct security_group *g =
            index_get(look->ix, KIND_SECURITY_GROUP, eni->o.scope, *id);

        if (g)
            buf_add(out, g->name, strlen(g->name) + 1);
    }
    return true;
}

/* The check is the primary interface's. */
static bool get_source_dest_check(const struct look *look, const void *obj, struct buf *out) {
    const struct network_interface *eni = primary_eni(look, obj);

    if (!eni)
        return false;
    buf_adds(out, eni->source_dest_check ? "true" : "false");
    return true;
}

static bool get_monitoring(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, ((const struct instance *)obj)->monitoring ? "enabled" : "disabled");
    return true;
}

static bool get_architecture(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, instance_architecture());
    return true;
}

/* Filters on what emit_fixed and emit_placement show. */
#define SAME(name_, text_)                                                                         \
    static bool get_##name_(const struct look *look, const void *obj, struct buf *out) {           \
        buf_adds(out, text_);                                                                      \
        return true;                                                                               \
    }
SAME(tenancy, "default")
SAME(hypervisor, "xen")
SAME(virtualization, "hvm")
SAME(root_device_type, "ebs")
SAME(root_device_name, INSTANCE_ROOT_DEVICE)
SAME(platform, "Linux/UNIX")
SAME(usage, "RunInstances")
SAME(no, "false")
SAME(yes, "true")
SAME(default_word, "default")
SAME(open_word, "open")
SAME(enabled, "enabled")

#define I struct instance
static const struct field instance_fields[] = {
    {.type = FT_GET, .wire = "instanceId", .filter = "instance-id", .get = get_id},
    FIELD(1, FT_STR, I, image_id, "imageId", .filter = "image-id"),
    FIELD(2, FT_ENUM, I, driver, NULL, .names = drivers),
    FIELD(3, FT_STR, I, type, "instanceType", .filter = "instance-type"),
    FIELD(4, FT_ENUM, I, state, NULL, .names = instance_state_names),
    {.type = FT_EMIT, .wire = "instanceState", .emit = emit_state},
    {.type = FT_GET, .filter = "instance-state-name", .get = get_state_name},
    {.type = FT_GET, .filter = "instance-state-code", .get = get_state_code},
    FIELD(INSTANCE_BY_VPC, FT_STR, I, vpc_id, "vpcId", .filter = "vpc-id", .flags = FF_INDEXED),
    FIELD(INSTANCE_BY_SUBNET, FT_STR, I, subnet_id, "subnetId", .filter = "subnet-id",
          .flags = FF_INDEXED),
    FIELD(7, FT_STR, I, zone, NULL, .filter = "availability-zone"),
    {.type = FT_GET, .filter = "availability-zone-id", .get = get_zone_id},
    FIELD(8, FT_STR, I, key_name, "keyName", .filter = "key-name"),
    FIELD(INSTANCE_BY_RESERVATION, FT_STR, I, reservation_id, NULL, .filter = "reservation-id",
          .flags = FF_INDEXED),
    FIELD(10, FT_INT, I, launch_index, "amiLaunchIndex", .filter = "launch-index"),
    FIELD(11, FT_TIME, I, launch_time, "launchTime", .filter = "launch-time"),
    FIELD(12, FT_STR, I, client_token, "clientToken", .filter = "client-token"),
    FIELD(13, FT_BLOB, I, user_data, NULL),
    FIELD(14, FT_STR, I, reason_code, NULL, .filter = "state-reason-code"),
    FIELD(15, FT_STR, I, reason, NULL, .filter = "state-reason-message"),
    FIELD(16, FT_STR, I, transition_reason, NULL, .filter = "reason"),
    /* 17 was source_dest_check. */
    {.type = FT_GET,
     .wire = "sourceDestCheck",
     .filter = "source-dest-check",
     .get = get_source_dest_check},
    FIELD(18, FT_BOOL, I, ebs_optimized, "ebsOptimized", .filter = "ebs-optimized"),
    FIELD(19, FT_BOOL, I, disable_api_termination, NULL),
    FIELD(20, FT_BOOL, I, monitoring, NULL),
    FIELD(21, FT_TIME, I, terminated, NULL),
    FIELD(22, FT_STR, I, host, NULL),
    FIELD(24, FT_STR, I, shutdown_behavior, NULL),
    FIELD(26, FT_BOOL, I, disable_api_stop, NULL),
    METADATA_STORED(27, I, metadata), /* 27 to 31 */
    FIELD(32, FT_STR, I, names.hostname_type, NULL,
          .filter = "private-dns-name-options.hostname-type"),
    FIELD(33, FT_BOOL, I, names.a, NULL,
          .filter = "private-dns-name-options.enable-resource-name-dns-a-record"),
    FIELD(34, FT_BOOL, I, names.aaaa, NULL,
          .filter = "private-dns-name-options.enable-resource-name-dns-aaaa-record"),
    FIELD(25, FT_INT, I, boots, NULL),
    FIELD(35, FT_STR, I, public_key, NULL),
    {.type = FT_GET, .filter = "monitoring-state", .get = get_monitoring},
    {.type = FT_GET, .filter = "architecture", .get = get_architecture},
    {.type = FT_GET, .filter = "tenancy", .get = get_tenancy},
    {.type = FT_GET, .filter = "hypervisor", .get = get_hypervisor},
    {.type = FT_GET, .filter = "virtualization-type", .get = get_virtualization},
    {.type = FT_GET, .filter = "root-device-type", .get = get_root_device_type},
    {.type = FT_GET, .filter = "root-device-name", .get = get_root_device_name},
    {.type = FT_GET, .filter = "platform-details", .get = get_platform},
    {.type = FT_GET, .filter = "usage-operation", .get = get_usage},
    {.type = FT_GET, .filter = "ena-support", .get = get_yes},
    {.type = FT_GET,
     .filter = "enclave-options.enabled|hibernation-options.configured|operator.managed",
     .get = get_no},
    {.type = FT_GET,
     .filter = "maintenance-options.auto-recovery|network-performance-options.bandwidth-weighting",
     .get = get_default_word},
    {.type = FT_GET,
     .filter = "capacity-reservation-specification.capacity-reservation-preference",
     .get = get_open_word},
    {.type = FT_GET, .filter = "metadata-options.http-protocol-ipv4", .get = get_enabled},
    {.type = FT_GET,
     .filter = "affinity|block-device-mapping.attach-time|"
               "block-device-mapping.delete-on-termination|block-device-mapping.device-name|"
               "block-device-mapping.status|block-device-mapping.volume-id|boot-mode|"
               "capacity-reservation-id|capacity-reservation-specification."
               "capacity-reservation-target.capacity-reservation-id|"
               "capacity-reservation-specification.capacity-reservation-target."
               "capacity-reservation-resource-group-arn|current-instance-boot-mode|host-id|"
               "iam-instance-profile.arn|iam-instance-profile.id|iam-instance-profile.name|"
               "instance-lifecycle|kernel-id|operator.principal|outpost-arn|"
               "placement-group-name|placement-partition-number|platform|product-code|"
               "product-code.type|ramdisk-id|requester-id|spot-instance-request-id|tpm-support|"
               "usage-operation-update-time",
     .get = get_none},
    {.type = FT_GET,
     .wire = "privateDnsName",
     .filter = "private-dns-name",
     .get = get_private_dns},
    {.type = FT_GET, .wire = "dnsName", .filter = "dns-name", .get = get_public_dns},
    {.type = FT_GET,
     .wire = "privateIpAddress",
     .filter = "private-ip-address",
     .get = get_private_ip},
    {.type = FT_GET, .wire = "ipAddress", .filter = "ip-address", .get = get_public_ip},
    {.type = FT_GET, .wire = "ipv6Address", .filter = "ipv6-address", .get = get_ipv6},
    {.type = FT_GET, .filter = "owner-id", .get = get_owner_id},
    {.type = FT_GET, .filter = "instance.group-id", .get = get_groups},
    {.type = FT_GET, .filter = "instance.group-name", .get = get_group_names},
    {.type = FT_EMIT, .wire = "placement", .emit = emit_placement},
    {.type = FT_EMIT, .wire = "networkInterfaceSet", .emit = emit_interfaces},
    {.type = FT_EMIT, .wire = "architecture", .emit = emit_fixed},
    {.type = FT_EMIT, .wire = "metadataOptions", .emit = emit_options},
    FIELD(23, FT_LIST, I, tags, "tagSet", .filter = "", .sub = &tag_desc),
};
const struct desc instance_desc = DESC_STORED("instance", I, instance_fields);
