/* SPDX-License-Identifier: Apache-2.0 */
/* What the actions on instances share: images, launching, and changes of state. */
#ifndef VPCD_API_INSTANCE_OPS_H
#define VPCD_API_INSTANCE_OPS_H

#include "api/ec2/eni.h"

#define USER_DATA_MAX 16384 /* bytes, before base64 (EC2 user guide, "user data") */

/* images.c */
#define IMAGE_ROOT_DEVICE INSTANCE_ROOT_DEVICE
#define IMAGE_ROOT_SIZE 8 /* GiB */
#define IMAGE_ROOT_TYPE "gp3"
struct image {
    const char *name;
    const char *ids[2]; /* by name, and in the form that tools expect */
    const char *description;
    uint8_t driver;      /* enum instance_driver */
    const char *missing; /* what is not there yet to run it; NULL: it runs */
};
/* How many an account may have in all regions together (instance_run.c). */
unsigned instances_limit(const struct api_config *config);
/* NULL after InvalidAMIID.NotFound or .Malformed. */
const struct image *image_find(struct call *c, const char *id);

/* key_pair.c: the caller's key pair of this name, or NULL (no error is set). */
const struct key_pair *key_pair_find(struct call *c, const char *name);

/* <blockDeviceMapping> of every image. */
void image_emit_devices(struct xml *x);

/* instance_launch.c: what one RunInstances call makes, its parameters judged */
struct launch_interface {
    const struct network_interface *existing; /* or NULL: a new one by `wish` */
    struct eni_wish wish;
    int64_t device_index;
    bool delete_on_termination;
    bool public_ip; /* the primary address gets a public one */
};
#define LAUNCH_INTERFACES_MAX 64 /* above what any type has */
struct name_param;
struct launch {
    const struct image *image;
    const char *image_id; /* the one of its ids that the caller used */
    const struct instance_type *type;
    char reservation_id[64];
    struct blob user_data; /* whoever filled it frees it */
    const char *shutdown_behavior;
    const char *key_name;   /* or NULL */
    const char *public_key; /* its */
    bool monitoring, ebs_optimized, disable_api_termination, disable_api_stop;
    struct metadata_options metadata;
    const struct name_param *names; /* what differs from the subnet's */
    const struct list *tag_specifications;
    struct launch_interface interfaces[LAUNCH_INTERFACES_MAX]; /* the primary first */
    size_t n_interfaces;
};
/* One instance, pending, with its interfaces. NULL with the call's error set. */
const struct instance *instance_launch(struct call *c, const struct launch *l, int64_t index);

/* instance_state.c */

/* The instance's parts take effect: what the agent would report, on paper. 0 or an error. */
int instance_settle_on_paper(struct call *c, const char *id);
/*
 * The instance has come to be in `state`: running, stopped or terminated. Its interfaces and public
 * addresses follow. Ignored (0) when that cannot follow from its present state.
 */
int instance_settle(struct call *c, const char *id, uint8_t state, const char *reason_code,
                    const char *reason);
/* Checks base64 and size. */
int user_data_decode(struct call *c, const char *text, struct blob *ret_data);

#endif
