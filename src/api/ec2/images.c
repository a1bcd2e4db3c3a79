/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The images that instances are made of. Each stands for a way to run an instance, not for a file
 * system; what tools want to know of an image besides (root device, virtualization) is answered
 * with what EC2 says of its own. Every image has two ids, since some tools take only hexadecimal
 * ones.
 */
#include <string.h>

#include "api/ec2/instance_ops.h"
#include "base/cleanup.h"

#define IMAGES_OWNER "000000000000"
#define IMAGES_ALIAS "vpcd"
#define IMAGES_DATE "2025-01-01T00:00:00.000Z"

static const struct image images[] = {
    {.name = "netns",
     .ids = {"ami-00000006e65746e73", "ami-netns"},
     .description = "Namespaces of the host: its files, a network of its own",
     .driver = DRIVER_NETNS},
    {.name = "tap",
     .ids = {"ami-00000000000746170", "ami-tap"},
     .description = "Tap devices on the host, for a virtual machine that you run",
     .driver = DRIVER_TAP},
    {.name = "host",
     .ids = {"ami-000000000686f7374", "ami-host"},
     .description = "A machine that is there already",
     .driver = DRIVER_HOST,
     .missing = "Machines that are there already (ami-host) cannot be made instances yet: run "
                "ami-netns or ami-tap."},
};

const struct image *image_find(struct call *c, const char *id) {
    if (strncmp(id, "ami-", 4) != 0) {
        call_error(c, "InvalidAMIID.Malformed", "Invalid id: \"%.128s\" (expecting \"ami-...\")",
                   id);
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_SIZE(images); i++)
        if (strcmp(images[i].ids[0], id) == 0 || strcmp(images[i].ids[1], id) == 0)
            return &images[i];
    call_error(c, "InvalidAMIID.NotFound", "The image id '[%.128s]' does not exist", id);
    return NULL;
}

/* A row of DescribeImages: an image under one of its ids. */
struct image_row {
    const struct image *image;
    const char *id;
};

static bool row_id(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, ((const struct image_row *)obj)->id);
    return true;
}

static bool row_name(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, ((const struct image_row *)obj)->image->name);
    return true;
}

static bool row_location(const struct look *look, const void *obj, struct buf *out) {
    buf_addf(out, "%s/%s", IMAGES_ALIAS, ((const struct image_row *)obj)->image->name);
    return true;
}

static bool row_description(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, ((const struct image_row *)obj)->image->description);
    return true;
}

static bool row_architecture(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, instance_architecture());
    return true;
}

#define SAME(name_, text_)                                                                         \
    static bool row_##name_(const struct look *look, const void *obj, struct buf *out) {           \
        buf_adds(out, text_);                                                                      \
        return true;                                                                               \
    }
SAME(owner, IMAGES_OWNER)
SAME(alias, IMAGES_ALIAS)
SAME(date, IMAGES_DATE)
SAME(state, "available")
SAME(type, "machine")
SAME(platform, "Linux/UNIX")
SAME(usage, "RunInstances")
SAME(root_type, "ebs")
SAME(root_name, IMAGE_ROOT_DEVICE)
SAME(virtualization, "hvm")
SAME(hypervisor, "xen")
SAME(yes, "true")
SAME(no, "false")

static bool row_volume_size(const struct look *look, const void *obj, struct buf *out) {
    buf_addf(out, "%d", IMAGE_ROOT_SIZE);
    return true;
}

SAME(volume_type, IMAGE_ROOT_TYPE)

void image_emit_devices(struct xml *x) {
    xml_open(x, "blockDeviceMapping");
    xml_open(x, "item");
    xml_text(x, "deviceName", IMAGE_ROOT_DEVICE);
    xml_open(x, "ebs");
    xml_bool(x, "deleteOnTermination", true);
    xml_textf(x, "volumeSize", "%d", IMAGE_ROOT_SIZE);
    xml_text(x, "volumeType", IMAGE_ROOT_TYPE);
    xml_bool(x, "encrypted", false);
    xml_close(x, "ebs");
    xml_close(x, "item");
    xml_close(x, "blockDeviceMapping");
}

static void emit_devices(struct xml *x, const struct look *look, const void *obj) {
    image_emit_devices(x);
}

/* What no image here has. */
static bool row_none(const struct look *look, const void *obj, struct buf *out) {
    return false;
}

#define ROW(wire_, filter_, get_)                                                                  \
    { .type = FT_GET, .wire = (wire_), .filter = (filter_), .get = (get_) }
static const struct field image_fields[] = {
    ROW("imageId", "image-id", row_id),
    ROW("imageLocation", "manifest-location", row_location),
    ROW("imageState", "state", row_state),
    ROW("imageOwnerId", "owner-id", row_owner),
    ROW("creationDate", "creation-date", row_date),
    ROW("isPublic", "is-public", row_yes),
    ROW("architecture", "architecture", row_architecture),
    ROW("imageType", "image-type", row_type),
    ROW("imageOwnerAlias", "owner-alias", row_alias),
    ROW("name", "name", row_name),
    ROW("description", "description", row_description),
    ROW("rootDeviceType", "root-device-type", row_root_type),
    ROW("rootDeviceName", "root-device-name", row_root_name),
    {.type = FT_EMIT, .wire = "blockDeviceMapping", .emit = emit_devices},
    ROW(NULL, "block-device-mapping.device-name", row_root_name),
    ROW(NULL, "block-device-mapping.delete-on-termination", row_yes),
    ROW(NULL, "block-device-mapping.volume-size", row_volume_size),
    ROW(NULL, "block-device-mapping.volume-type", row_volume_type),
    ROW(NULL, "block-device-mapping.encrypted", row_no),
    ROW("virtualizationType", "virtualization-type", row_virtualization),
    ROW("hypervisor", "hypervisor", row_hypervisor),
    ROW("enaSupport", "ena-support", row_yes),
    ROW("platformDetails", "platform-details", row_platform),
    ROW(NULL,
        "block-device-mapping.snapshot-id|image-allowed|kernel-id|platform|product-code|"
        "product-code.type|ramdisk-id|source-image-id|source-image-region|source-instance-id|"
        "sriov-net-support|state-reason-code|state-reason-message|tag-key",
        row_none),
    ROW(NULL, "free-tier-eligible", row_no),
    ROW("usageOperation", "usage-operation", row_usage),
};
static const struct desc image_desc = DESC("image", struct image_row, image_fields);

struct describe_images {
    struct list ids, owners, executable_by;
    uint8_t deprecated, disabled;
};
static const struct field describe_images_fields[] = {
    FIELD(0, FT_STRS, struct describe_images, ids, "ImageId"),
    FIELD(0, FT_STRS, struct describe_images, owners, "Owner"),
    FIELD(0, FT_STRS, struct describe_images, executable_by, "ExecutableBy"),
    FIELD(0, FT_TRI, struct describe_images, deprecated, "IncludeDeprecated"),
    FIELD(0, FT_TRI, struct describe_images, disabled, "IncludeDisabled"),
};
static const struct desc describe_images_desc =
    DESC("DescribeImages", struct describe_images, describe_images_fields);

static int describe_images(struct call *c, const void *params) {
    const struct describe_images *p = params;
    bool ours =
        !p->owners.n || strs_has(&p->owners, IMAGES_OWNER) || strs_has(&p->owners, IMAGES_ALIAS);
    /* Launch permissions: all the images are public. */
    bool executable = !p->executable_by.n || strs_has(&p->executable_by, "all");
    struct page page;
    int r;

    list_each (char *, id, p->ids)
        if (!image_find(c, *id))
            return -1;
    r = describe_begin(&page, c, &image_desc, "imagesSet");
    if (r < 0)
        return r;
    /* In the order of the ids: the hexadecimal ones come first. */
    for (size_t k = 0; k < 2; k++) {
        static const size_t order[2][ARRAY_SIZE(images)] = {{1, 2, 0}, {2, 0, 1}};

        for (size_t i = 0; i < ARRAY_SIZE(images); i++) {
            const struct image *image = &images[order[k][i]];
            struct image_row row = {image, image->ids[k]};

            if (image->missing || !ours || !executable || (p->ids.n && !strs_has(&p->ids, row.id)))
                continue;
            describe_row(&page, row.id, &row);
        }
    }
    return describe_end(&page);
}

static const struct action rows[] = {
    {"DescribeImages", &describe_images_desc, describe_images, ACT_FILTERS | ACT_GLOBAL,
     "imagesSet"},
};
ACTIONS(image_actions, rows);
