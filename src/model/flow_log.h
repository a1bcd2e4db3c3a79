/* SPDX-License-Identifier: Apache-2.0 */
/* Flow logs: what of whose traffic is to be written where, and how. */
#ifndef VPCD_MODEL_FLOW_LOG_H
#define VPCD_MODEL_FLOW_LOG_H

#include "model/object.h"

enum flow_log_traffic {
    FLOW_LOG_ACCEPT = 1,
    FLOW_LOG_REJECT,
    FLOW_LOG_ALL,
};

enum flow_log_destination {
    FLOW_LOG_CLOUDWATCH = 1,
    FLOW_LOG_S3,
    FLOW_LOG_FIREHOSE,
};

struct flow_log {
    struct obj o;
    char *resource_id;        /* vpc-, subnet- or eni- */
    uint8_t traffic;          /* enum flow_log_traffic */
    uint8_t destination_type; /* enum flow_log_destination */
    char *destination;        /* ARN */
    char *group_name;         /* of CloudWatch Logs, or NULL */
    char *permission_arn;
    char *cross_account_role;
    char *format;      /* "${version} ${account-id} ...", as given or the default */
    int64_t interval;  /* seconds: 60 or 600 */
    char *file_format; /* S3 only: "plain-text"; NULL: no options were given */
    bool hive, per_hour;
    int64_t created;
    struct list tags;
    struct blob unknown;
};

enum {
    FLOW_LOG_BY_RESOURCE = 1,
};

extern const struct desc flow_log_desc;
extern const char *const flow_log_traffic_names[];     /* by enum flow_log_traffic */
extern const char *const flow_log_destination_names[]; /* by enum flow_log_destination */

/* Of the fields that are there when none are named (VPC user guide, "Flow log records"). */
#define FLOW_LOG_DEFAULT_FORMAT                                                                    \
    "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} "        \
    "${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}"

/* A field's name, without ${}, of version 2 to 5 (or later and not told here: false). */
bool flow_log_field_known(const char *name, size_t len);

#endif
