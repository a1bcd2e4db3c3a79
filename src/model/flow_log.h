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
    char *delivery_error; /* what keeps its records from their destination, as AWS words it; NULL */
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

/* The fields that a record may have (VPC user guide, "Available fields"), by version. */
enum flow_log_field {
    /* 2 */
    LOGF_VERSION,
    LOGF_ACCOUNT_ID,
    LOGF_INTERFACE_ID,
    LOGF_SRCADDR,
    LOGF_DSTADDR,
    LOGF_SRCPORT,
    LOGF_DSTPORT,
    LOGF_PROTOCOL,
    LOGF_PACKETS,
    LOGF_BYTES,
    LOGF_START,
    LOGF_END,
    LOGF_ACTION,
    LOGF_STATUS,
    /* 3 */
    LOGF_VPC_ID,
    LOGF_SUBNET_ID,
    LOGF_INSTANCE_ID,
    LOGF_TCP_FLAGS,
    LOGF_TYPE,
    LOGF_PKT_SRCADDR,
    LOGF_PKT_DSTADDR,
    /* 4 */
    LOGF_REGION,
    LOGF_AZ_ID,
    LOGF_SUBLOCATION_TYPE,
    LOGF_SUBLOCATION_ID,
    /* 5 */
    LOGF_PKT_SRC_AWS_SERVICE,
    LOGF_PKT_DST_AWS_SERVICE,
    LOGF_FLOW_DIRECTION,
    LOGF_TRAFFIC_PATH,
    LOGF_FIELDS,
};
#define FLOW_LOG_FIELDS_MAX 64    /* of one format; one may be named twice */
#define FLOW_LOG_FORMAT_MAX 4096u /* bytes */

const char *flow_log_field_name(enum flow_log_field field);
int flow_log_field_version(enum flow_log_field field);

/*
 * "${name} ${name}...": fields with blanks between, none before the first or behind the last, which
 * AWS refuses too. 0 and the fields in their order; otherwise where in `format` it is wrong, and
 * -EINVAL: not of that form; -ENOENT: no field has this name; -ENOTSUP: one of version 6 or later,
 * which is not recorded; -E2BIG: too many, or too long.
 */
int flow_log_format_parse(const char *format, uint8_t ret_fields[FLOW_LOG_FIELDS_MAX],
                          size_t *ret_n, const char **ret_wrong);

#endif
