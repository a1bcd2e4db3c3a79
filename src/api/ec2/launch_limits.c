/* SPDX-License-Identifier: Apache-2.0 */
#include "api/ec2/launch_limits.h"

#include <string.h>

#include "api/ec2/instance_ops.h"

static int not_offered(struct call *c, const char *what) {
    return call_error(c, "UnsupportedOperation", "%s are not offered.", what);
}

/* Set, and other than the one word that means what is there anyhow. */
static bool asks_more(const char *value, const char *harmless) {
    return value && *value && strcmp(value, harmless) != 0;
}

int launch_check_refusals(struct call *c, const struct launch_refusals *p) {
    if (p->template_id)
        return call_error(c, "InvalidLaunchTemplateId.NotFound",
                          "The launch template ID '%.64s' does not exist", p->template_id);
    if (p->template_name)
        return call_error(c, "InvalidLaunchTemplateName.NotFoundException",
                          "The launch template name '%.128s' does not exist", p->template_name);
    if (p->template_version)
        return call_error(c, "MissingParameter",
                          "The request must contain a launch template's id or name");
    if (p->market_type)
        return not_offered(c, "Instances on other markets than on demand");
    if (p->cores.set || p->threads.set || asks_more(p->sev_snp, "disabled"))
        return not_offered(c, "Options of processors");
    if (p->reservation_id || p->reservation_group)
        return call_error(c, "InvalidCapacityReservationId.NotFound",
                          "The capacity reservation '%.128s' does not exist",
                          p->reservation_id ? p->reservation_id : p->reservation_group);
    if (asks_more(p->reservation, "open") && strcmp(p->reservation, "none") != 0)
        return not_offered(c, "Capacity reservations");
    if (p->hibernate == TRI_TRUE)
        return call_error(c, "UnsupportedHibernationConfiguration",
                          "Instances cannot be hibernated.");
    if (p->enclave == TRI_TRUE)
        return not_offered(c, "Enclaves");
    if (asks_more(p->recovery, "default"))
        return not_offered(c, "Options of recovery");
    if (asks_more(p->placement_group, ""))
        return call_error(c, "InvalidPlacementGroup.Unknown",
                          "The Placement Group '%.128s' is unknown.", p->placement_group);
    if (p->partition.set)
        return not_offered(c, "Partitions of placement groups");
    if (p->placement_host || p->affinity)
        return not_offered(c, "Dedicated hosts");
    if (p->kernel || p->ramdisk)
        return not_offered(c, "Kernels and RAM disks of one's own");
    return 0;
}

struct block_device_param {
    char *name, *virtual_name, *no_device;
    uint8_t delete_on_termination, encrypted;
    struct optint size, iops, throughput;
    char *type, *snapshot, *kms_key;
};
static const struct field block_device_fields[] = {
    FIELD(0, FT_STR, struct block_device_param, name, "DeviceName"),
    FIELD(0, FT_STR, struct block_device_param, virtual_name, "VirtualName"),
    FIELD(0, FT_STR, struct block_device_param, no_device, "NoDevice"),
    FIELD(0, FT_TRI, struct block_device_param, delete_on_termination, "Ebs.DeleteOnTermination"),
    FIELD(0, FT_TRI, struct block_device_param, encrypted, "Ebs.Encrypted"),
    FIELD(0, FT_OPTINT, struct block_device_param, size, "Ebs.VolumeSize"),
    FIELD(0, FT_OPTINT, struct block_device_param, iops, "Ebs.Iops"),
    FIELD(0, FT_OPTINT, struct block_device_param, throughput, "Ebs.Throughput"),
    FIELD(0, FT_STR, struct block_device_param, type, "Ebs.VolumeType"),
    FIELD(0, FT_STR, struct block_device_param, snapshot, "Ebs.SnapshotId"),
    FIELD(0, FT_STR, struct block_device_param, kms_key, "Ebs.KmsKeyId"),
};
const struct desc block_device_param_desc =
    DESC("block device", struct block_device_param, block_device_fields);

int launch_check_devices(struct call *c, const struct list *devices) {
    list_each (struct block_device_param, d, *devices) {
        if (!d->name)
            return call_error(c, "MissingParameter",
                              "The request must contain the parameter DeviceName");
        if (d->no_device && strcmp(d->name, IMAGE_ROOT_DEVICE) != 0)
            continue; /* a device that is not there shall not be there */
        if (strcmp(d->name, IMAGE_ROOT_DEVICE) != 0 || d->virtual_name || d->no_device)
            return call_error(c, "InvalidBlockDeviceMapping",
                              "Instances have no devices but their image's root device, '%s'.",
                              IMAGE_ROOT_DEVICE);
        if (d->encrypted == TRI_TRUE || d->iops.set || d->throughput.set || d->snapshot ||
            d->kms_key || d->delete_on_termination == TRI_FALSE ||
            (d->size.set && d->size.v != IMAGE_ROOT_SIZE) ||
            (d->type && strcmp(d->type, IMAGE_ROOT_TYPE) != 0))
            return call_error(c, "InvalidBlockDeviceMapping",
                              "The root device is as the image shows it: %d GiB of %s, not "
                              "encrypted, deleted on termination. It cannot be asked for "
                              "otherwise.",
                              IMAGE_ROOT_SIZE, IMAGE_ROOT_TYPE);
    }
    return 0;
}
