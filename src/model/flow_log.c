/* SPDX-License-Identifier: Apache-2.0 */
#include "model/flow_log.h"

#include <errno.h>
#include <string.h>

#include "model/vpc.h"
#include "model/xml.h"

const char *const flow_log_traffic_names[] = {"", "ACCEPT", "REJECT", "ALL", NULL};
const char *const flow_log_destination_names[] = {"", "cloud-watch-logs", "s3",
                                                  "kinesis-data-firehose", NULL};

static const struct {
    const char *name;
    int version;
} fields[LOGF_FIELDS] = {
    [LOGF_VERSION] = {"version", 2},
    [LOGF_ACCOUNT_ID] = {"account-id", 2},
    [LOGF_INTERFACE_ID] = {"interface-id", 2},
    [LOGF_SRCADDR] = {"srcaddr", 2},
    [LOGF_DSTADDR] = {"dstaddr", 2},
    [LOGF_SRCPORT] = {"srcport", 2},
    [LOGF_DSTPORT] = {"dstport", 2},
    [LOGF_PROTOCOL] = {"protocol", 2},
    [LOGF_PACKETS] = {"packets", 2},
    [LOGF_BYTES] = {"bytes", 2},
    [LOGF_START] = {"start", 2},
    [LOGF_END] = {"end", 2},
    [LOGF_ACTION] = {"action", 2},
    [LOGF_STATUS] = {"log-status", 2},
    [LOGF_VPC_ID] = {"vpc-id", 3},
    [LOGF_SUBNET_ID] = {"subnet-id", 3},
    [LOGF_INSTANCE_ID] = {"instance-id", 3},
    [LOGF_TCP_FLAGS] = {"tcp-flags", 3},
    [LOGF_TYPE] = {"type", 3},
    [LOGF_PKT_SRCADDR] = {"pkt-srcaddr", 3},
    [LOGF_PKT_DSTADDR] = {"pkt-dstaddr", 3},
    [LOGF_REGION] = {"region", 4},
    [LOGF_AZ_ID] = {"az-id", 4},
    [LOGF_SUBLOCATION_TYPE] = {"sublocation-type", 4},
    [LOGF_SUBLOCATION_ID] = {"sublocation-id", 4},
    [LOGF_PKT_SRC_AWS_SERVICE] = {"pkt-src-aws-service", 5},
    [LOGF_PKT_DST_AWS_SERVICE] = {"pkt-dst-aws-service", 5},
    [LOGF_FLOW_DIRECTION] = {"flow-direction", 5},
    [LOGF_TRAFFIC_PATH] = {"traffic-path", 5},
};

/* Of later versions: what a client may know and is not recorded here. */
static const char *const later[] = {
    "ecs-cluster-arn",
    "ecs-cluster-name",
    "ecs-container-instance-arn",
    "ecs-container-instance-id",
    "ecs-container-id",
    "ecs-second-container-id",
    "ecs-service-name",
    "ecs-task-definition-arn",
    "ecs-task-arn",
    "ecs-task-id",
    "reject-reason",
    "resource-id",
    "encryption-status",
};

const char *flow_log_field_name(enum flow_log_field field) {
    return fields[field].name;
}

int flow_log_field_version(enum flow_log_field field) {
    return fields[field].version;
}

static bool is_named(const char *text, size_t len, const char *name) {
    return strlen(name) == len && memcmp(name, text, len) == 0;
}

static int field_of(const char *text, size_t len) {
    for (int i = 0; i < LOGF_FIELDS; i++)
        if (is_named(text, len, fields[i].name))
            return i;
    for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++)
        if (is_named(text, len, later[i]))
            return -ENOTSUP;
    return -ENOENT;
}

int flow_log_format_parse(const char *format, uint8_t ret_fields[FLOW_LOG_FIELDS_MAX],
                          size_t *ret_n, const char **ret_wrong) {
    const char *p = format;
    size_t n = 0;

    *ret_wrong = p;
    if (strnlen(format, FLOW_LOG_FORMAT_MAX + 1) > FLOW_LOG_FORMAT_MAX)
        return -E2BIG;
    do {
        const char *end = strncmp(p, "${", 2) == 0 ? strchr(p, '}') : NULL;
        int field;

        *ret_wrong = p;
        if (!end || (end[1] && end[1] != ' '))
            return -EINVAL;
        field = field_of(p + 2, (size_t)(end - p) - 2);
        if (field < 0)
            return field;
        if (n == FLOW_LOG_FIELDS_MAX)
            return -E2BIG;
        ret_fields[n++] = (uint8_t)field;
        *ret_wrong = end + 1;
        p = end + 1 + strspn(end + 1, " ");
        if (!*p && end[1]) /* blanks behind the last */
            return -EINVAL;
    } while (*p);
    *ret_n = n;
    return 0;
}

static bool get_active(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, "ACTIVE");
    return true;
}

static bool get_delivered(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, ((const struct flow_log *)obj)->delivery_error ? "FAILED" : "SUCCESS");
    return true;
}

static void emit_options(struct xml *x, const struct look *look, const void *obj) {
    const struct flow_log *f = obj;

    if (!f->file_format)
        return;
    xml_open(x, "destinationOptions");
    xml_text(x, "fileFormat", f->file_format);
    xml_bool(x, "hiveCompatiblePartitions", f->hive);
    xml_bool(x, "perHourPartition", f->per_hour);
    xml_close(x, "destinationOptions");
}

#define F struct flow_log
static const struct field flow_log_fields[] = {
    {.type = FT_GET, .wire = "flowLogId", .filter = "flow-log-id", .get = get_id},
    FIELD(FLOW_LOG_BY_RESOURCE, FT_STR, F, resource_id, "resourceId", .filter = "resource-id",
          .flags = FF_INDEXED),
    FIELD(2, FT_ENUM, F, traffic, "trafficType", .filter = "traffic-type",
          .names = flow_log_traffic_names),
    FIELD(3, FT_ENUM, F, destination_type, "logDestinationType", .filter = "log-destination-type",
          .names = flow_log_destination_names),
    FIELD(4, FT_STR, F, destination, "logDestination"),
    FIELD(5, FT_STR, F, group_name, "logGroupName", .filter = "log-group-name"),
    FIELD(6, FT_STR, F, permission_arn, "deliverLogsPermissionArn"),
    FIELD(7, FT_STR, F, cross_account_role, "deliverCrossAccountRole"),
    FIELD(8, FT_STR, F, format, "logFormat"),
    FIELD(9, FT_INT, F, interval, "maxAggregationInterval"),
    FIELD(10, FT_STR, F, file_format, NULL),
    FIELD(11, FT_BOOL, F, hive, NULL),
    FIELD(12, FT_BOOL, F, per_hour, NULL),
    {.type = FT_EMIT, .wire = "destinationOptions", .emit = emit_options},
    {.type = FT_GET, .wire = "flowLogStatus", .get = get_active},
    {.type = FT_GET,
     .wire = "deliverLogsStatus",
     .filter = "deliver-log-status",
     .get = get_delivered},
    FIELD(13, FT_TIME, F, created, "creationTime"),
    FIELD(14, FT_LIST, F, tags, "tagSet", .filter = "", .sub = &tag_desc),
    FIELD(15, FT_STR, F, delivery_error, "deliverLogsErrorMessage"),
};
const struct desc flow_log_desc = DESC_STORED("flow log", F, flow_log_fields);
