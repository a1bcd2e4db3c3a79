/* SPDX-License-Identifier: Apache-2.0 */
#include "model/flow_log.h"

#include <string.h>

#include "model/vpc.h"
#include "model/xml.h"

const char *const flow_log_traffic_names[] = {"", "ACCEPT", "REJECT", "ALL", NULL};
const char *const flow_log_destination_names[] = {"", "cloud-watch-logs", "s3",
                                                  "kinesis-data-firehose", NULL};

bool flow_log_field_known(const char *name, size_t len) {
    /* VPC user guide, "Available fields", by version. */
    static const char *const names[] = {
        /* 2 */
        "version", "account-id", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport",
        "protocol", "packets", "bytes", "start", "end", "action", "log-status",
        /* 3 */
        "vpc-id", "subnet-id", "instance-id", "tcp-flags", "type", "pkt-srcaddr", "pkt-dstaddr",
        /* 4 */
        "region", "az-id", "sublocation-type", "sublocation-id",
        /* 5 */
        "pkt-src-aws-service", "pkt-dst-aws-service", "flow-direction", "traffic-path"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
            return true;
    return false;
}

static bool get_active(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, "ACTIVE");
    return true;
}

static bool get_delivered(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, "SUCCESS");
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
};
const struct desc flow_log_desc = DESC_STORED("flow log", F, flow_log_fields);
