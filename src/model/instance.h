/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VPCD_MODEL_INSTANCE_H
#define VPCD_MODEL_INSTANCE_H

#include "model/index.h"
#include "model/instance_options.h"
#include "model/network_interface.h"

enum instance_state { /* and EC2's code of each: instance_state_code() */
                      INSTANCE_PENDING = 1,
                      INSTANCE_RUNNING,
                      INSTANCE_SHUTTING_DOWN,
                      INSTANCE_TERMINATED,
                      INSTANCE_STOPPING,
                      INSTANCE_STOPPED,
};

struct instance {
    struct obj o;
    char *image_id; /* ami-netns, ami-tap, ami-host, whichever of its ids the caller used */
    uint8_t driver; /* enum instance_driver */
    char *type;
    uint8_t state; /* enum instance_state */
    char *vpc_id, *subnet_id, *zone;
    char *key_name;
    char *public_key; /* of that key pair when it was launched, in OpenSSH's form; NULL: none */
    char *reservation_id;
    int64_t launch_index;
    int64_t launch_time;
    char *client_token;
    struct blob user_data;
    char *reason_code, *reason; /* of the last change of state */
    char *transition_reason;
    char *shutdown_behavior; /* "stop" or "terminate": what becomes of it when it ends itself */
    int64_t boots;           /* counts its starts, reboots included: a new number, a new start */
    bool ebs_optimized;
    bool disable_api_termination, disable_api_stop;
    bool monitoring;
    int64_t terminated; /* when; it stays visible for an hour after */
    char *host;
    struct metadata_options metadata;
    struct name_options names;
    struct list tags;
    struct blob unknown;
};

/* Of every image's description. */
#define INSTANCE_ROOT_DEVICE "/dev/xvda"

enum instance_driver {
    DRIVER_NETNS = 1,
    DRIVER_TAP,
    DRIVER_HOST,
};

enum {
    INSTANCE_BY_VPC = 5,
    INSTANCE_BY_SUBNET = 6,
    INSTANCE_BY_RESERVATION = 9,
};

extern const struct desc instance_desc;
extern const char *const instance_state_names[];

/* The options in force, as an element of a reply. */
void instance_emit_metadata(struct xml *x, const struct instance *i, const char *element,
                            const char *state);

int instance_state_code(uint8_t state);
/* The interface with device index 0, or NULL (terminated). */
const struct network_interface *instance_primary_eni(const struct index *ix,
                                                     const struct instance *i);
/* About what its tags take, which is most of an instance without user data. */
size_t instance_bytes(const struct instance *i);
/* Of the machine this runs on: "x86_64" or "arm64". */
const char *instance_architecture(void);

#endif
