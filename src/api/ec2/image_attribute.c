/* SPDX-License-Identifier: Apache-2.0 */
/* One attribute of an image; and what would make or unmake images, which are not the accounts'. */
#include <string.h>

#include "api/ec2/instance_ops.h"
#include "api/ec2/launch_limits.h"

struct image_attribute {
    char *id, *attribute;
};
static const struct field attribute_fields[] = {
    FIELD(0, FT_STR, struct image_attribute, id, "ImageId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct image_attribute, attribute, "Attribute", .flags = FF_REQUIRED),
};
static const struct desc attribute_desc =
    DESC("DescribeImageAttribute", struct image_attribute, attribute_fields);

static void show_value(struct call *c, const char *attribute, const char *value) {
    xml_open(&c->xml, attribute);
    xml_text(&c->xml, "value", value);
    xml_close(&c->xml, attribute);
}

static int describe_image_attribute(struct call *c, const void *params) {
    static const char *const without_value[] = {"kernel",      "ramdisk",         "sriovNetSupport",
                                                "bootMode",    "tpmSupport",      "uefiData",
                                                "imdsSupport", "lastLaunchedTime"};
    const struct image_attribute *p = params;
    const struct image *image = image_find(c, p->id);
    const char *a = p->attribute;

    if (!image)
        return -1;
    xml_text(&c->xml, "imageId", p->id);
    if (strcmp(a, "description") == 0) {
        show_value(c, a, image->description);
        return 0;
    }
    if (strcmp(a, "launchPermission") == 0) { /* they are public */
        xml_open(&c->xml, a);
        xml_open(&c->xml, "item");
        xml_text(&c->xml, "group", "all");
        xml_close(&c->xml, "item");
        xml_close(&c->xml, a);
        return 0;
    }
    if (strcmp(a, "productCodes") == 0) {
        xml_text(&c->xml, a, "");
        return 0;
    }
    if (strcmp(a, "blockDeviceMapping") == 0) {
        image_emit_devices(&c->xml);
        return 0;
    }
    if (strcmp(a, "deregistrationProtection") == 0) {
        show_value(c, a, "disabled");
        return 0;
    }
    for (size_t i = 0; i < sizeof(without_value) / sizeof(without_value[0]); i++) {
        if (strcmp(without_value[i], a) == 0) {
            show_value(c, a, NULL);
            return 0;
        }
    }
    return call_error(c, "InvalidParameterValue",
                      "Value (%.64s) for parameter attribute is invalid. Unknown attribute.", a);
}

struct register_image {
    char *name, *location, *description, *architecture, *root_device, *virtualization, *boot_mode;
    char *kernel, *ramdisk, *sriov, *tpm, *imds;
    uint8_t ena;
    char *uefi;
    struct list billing, devices, tag_specifications;
};
static const struct field register_fields[] = {
    FIELD(0, FT_STR, struct register_image, name, "Name", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct register_image, location, "ImageLocation"),
    FIELD(0, FT_STR, struct register_image, description, "Description"),
    FIELD(0, FT_STR, struct register_image, architecture, "Architecture"),
    FIELD(0, FT_STR, struct register_image, root_device, "RootDeviceName"),
    FIELD(0, FT_STR, struct register_image, virtualization, "VirtualizationType"),
    FIELD(0, FT_STR, struct register_image, boot_mode, "BootMode"),
    FIELD(0, FT_STR, struct register_image, kernel, "KernelId"),
    FIELD(0, FT_STR, struct register_image, ramdisk, "RamdiskId"),
    FIELD(0, FT_STR, struct register_image, sriov, "SriovNetSupport"),
    FIELD(0, FT_STR, struct register_image, tpm, "TpmSupport"),
    FIELD(0, FT_STR, struct register_image, imds, "ImdsSupport"),
    FIELD(0, FT_TRI, struct register_image, ena, "EnaSupport"),
    FIELD(0, FT_STR, struct register_image, uefi, "UefiData"),
    FIELD(0, FT_STRS, struct register_image, billing, "BillingProduct"),
    FIELD(0, FT_LIST, struct register_image, devices, "BlockDeviceMapping",
          .sub = &block_device_param_desc),
    TAG_SPECIFICATIONS(struct register_image),
};
static const struct desc register_desc =
    DESC("RegisterImage", struct register_image, register_fields);

/* An image is a way to run instances, not a disk: there is nothing that one could be made of. */
static int register_image(struct call *c, const void *params) {
    return call_error(c, "UnsupportedOperation",
                      "Images cannot be registered: DescribeImages lists those that there are.");
}

struct deregister_image {
    char *id;
    uint8_t snapshots;
};
static const struct field deregister_fields[] = {
    FIELD(0, FT_STR, struct deregister_image, id, "ImageId", .flags = FF_REQUIRED),
    FIELD(0, FT_TRI, struct deregister_image, snapshots, "DeleteAssociatedSnapshots"),
};
static const struct desc deregister_desc =
    DESC("DeregisterImage", struct deregister_image, deregister_fields);

static int deregister_image(struct call *c, const void *params) {
    const struct deregister_image *p = params;

    if (!image_find(c, p->id))
        return -1;
    return call_error(c, "AuthFailure", "Not authorized for image:%.64s", p->id);
}

static const struct action rows[] = {
    {"DeregisterImage", &deregister_desc, deregister_image, ACT_GLOBAL},
    {"DescribeImageAttribute", &attribute_desc, describe_image_attribute, ACT_GLOBAL},
    {"RegisterImage", &register_desc, register_image, ACT_GLOBAL},
};
ACTIONS(image_attribute_actions, rows);
