/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flow logs as resources: what was asked for. A call may name many resources; those that cannot
 * have the log are told in its reply, one by one, and the others get theirs.
 */
#include "api/ec2/flow_log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define FLOW_LOGS_MAX                                                                              \
    2 /* of one interface, subnet or VPC (VPC user guide, "Amazon VPC quotas")                     \
       */
#define INTERVAL_DEFAULT 600
#define S3_ARN "arn:aws:s3:::"
#define LOGS_ARN "arn:aws:logs:"

struct create_flow_logs {
    struct list resource_ids;
    char *resource_type;
    uint8_t traffic, destination_type;
    char *destination, *group_name, *permission_arn, *cross_account_role;
    char *format;
    struct optint interval;
    char *file_format;
    uint8_t hive, per_hour;
    struct list tag_specifications;
};
#define P struct create_flow_logs
static const struct field create_fields[] = {
    FIELD(0, FT_STRS, P, resource_ids, "ResourceId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, P, resource_type, "ResourceType", .flags = FF_REQUIRED),
    FIELD(0, FT_ENUM, P, traffic, "TrafficType", .names = flow_log_traffic_names),
    FIELD(0, FT_ENUM, P, destination_type, "LogDestinationType",
          .names = flow_log_destination_names),
    FIELD(0, FT_STR, P, destination, "LogDestination", .max = 1024),
    FIELD(0, FT_STR, P, group_name, "LogGroupName", .max = 512),
    FIELD(0, FT_STR, P, permission_arn, "DeliverLogsPermissionArn", .max = 2048),
    FIELD(0, FT_STR, P, cross_account_role, "DeliverCrossAccountRole", .max = 2048),
    FIELD(0, FT_STR, P, format, "LogFormat"),
    FIELD(0, FT_OPTINT, P, interval, "MaxAggregationInterval"),
    FIELD(0, FT_STR, P, file_format, "DestinationOptions.FileFormat"),
    FIELD(0, FT_TRI, P, hive, "DestinationOptions.HiveCompatiblePartitions"),
    FIELD(0, FT_TRI, P, per_hour, "DestinationOptions.PerHourPartition"),
    TAG_SPECIFICATIONS(P),
};
static const struct desc create_desc = DESC("CreateFlowLogs", P, create_fields);

/* What has flow logs. */
static const struct {
    const char *type;
    enum kind kind;
} resources[] = {
    {"NetworkInterface", KIND_NETWORK_INTERFACE},
    {"Subnet", KIND_SUBNET},
    {"VPC", KIND_VPC},
};

static enum kind kind_of_type(const char *type) {
    for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]); i++)
        if (strcmp(resources[i].type, type) == 0)
            return resources[i].kind;
    return KIND_NONE;
}

static int check_format(struct call *c, const char *format) {
    uint8_t fields[FLOW_LOG_FIELDS_MAX];
    const char *wrong;
    size_t n;
    int len, r = flow_log_format_parse(format, fields, &n, &wrong);

    /* The name between the braces. */
    len = r == -ENOENT || r == -ENOTSUP ? (int)strcspn(wrong + 2, "}") : 0;
    if (len > 64)
        len = 64;
    if (r == -ENOENT)
        return call_error(c, "InvalidParameter", "Unknown fields provided: [%.*s]", len, wrong + 2);
    if (r == -ENOTSUP)
        return call_error(c, "InvalidParameter",
                          "Fields of version 6 and later are not recorded: [%.*s]", len, wrong + 2);
    if (r == -E2BIG)
        return call_error(c, "InvalidParameter",
                          "LogFormat is too long: it may name %d fields, in %u bytes.",
                          FLOW_LOG_FIELDS_MAX, FLOW_LOG_FORMAT_MAX);
    if (r < 0)
        return call_error(c, "InvalidParameter",
                          "LogFormat has an invalid format at '%.64s': it names one field at "
                          "least, each as ${name}, with blanks between.",
                          wrong);
    return 0;
}

static int not_a_destination(struct call *c, const char *arn) {
    return call_error(c, "LogDestinationNotFound",
                      "LogDestination: '%.128s' is not the ARN of a destination.", arn);
}

/* arn:aws:s3:::BUCKET or arn:aws:s3:::BUCKET/FOLDER/ */
static int check_s3(struct call *c, const P *p) {
    const char *bucket, *folder;

    if (!p->destination)
        return call_error(c, "InvalidParameter",
                          "LogDestination can't be empty if LogDestinationType is s3.");
    if (p->group_name || p->permission_arn)
        return call_error(c, "InvalidParameter",
                          "%s must not be given if LogDestinationType is s3.",
                          p->group_name ? "LogGroupName" : "DeliverLogsPermissionArn");
    if (strncmp(p->destination, S3_ARN, strlen(S3_ARN)) != 0)
        return not_a_destination(c, p->destination);
    bucket = p->destination + strlen(S3_ARN);
    folder = strchr(bucket, '/');
    if (strcspn(bucket, "/") < 3 || strcspn(bucket, "/") > 63 || bucket[0] == '.' ||
        strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789.-") != strcspn(bucket, "/"))
        return not_a_destination(c, p->destination);
    if (folder && (strstr(folder, "/./") || strstr(folder, "/../")))
        return not_a_destination(c, p->destination);
    if (folder && strstr(folder, "/AWSLogs"))
        return call_error(c, "InvalidParameter",
                          "AWSLogs is a reserved term: it must not be a folder of LogDestination.");
    if (p->file_format && strcmp(p->file_format, "plain-text") != 0)
        return strcmp(p->file_format, "parquet") == 0
                   ? call_error(c, "UnsupportedOperation",
                                "Files of format parquet are not offered.")
                   : call_error(c, "InvalidParameterValue",
                                "Value (%.64s) for parameter fileFormat is invalid.",
                                p->file_format);
    return 0;
}

/* The log group's name in arn:aws:logs:REGION:ACCOUNT:log-group:NAME of the caller's account and
 * region, also with :* behind it. */
static const char *group_of_arn(const struct call *c, const char *arn, size_t *ret_len) {
    char prefix[128];
    const char *name;

    snprintf(prefix, sizeof(prefix), LOGS_ARN "%s:%012llu:log-group:", region_name(c->scope.region),
             (unsigned long long)c->scope.account);
    if (strncmp(arn, prefix, strlen(prefix)) != 0)
        return NULL;
    name = arn + strlen(prefix);
    *ret_len = strcspn(name, ":");
    return *ret_len ? name : NULL;
}

/* CreateLogGroup's rule (CloudWatch Logs API reference): the group is made at the first delivery.
 */
static bool group_name_ok(const char *name, size_t len) {
    return len && len <= 512 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/#-") >=
               len;
}

static int check_cloudwatch(struct call *c, const P *p) {
    const char *name = p->group_name;
    size_t len = name ? strlen(name) : 0;

    if (p->group_name && p->destination)
        return call_error(c, "InvalidParameter",
                          "Please only provide LogGroupName or only provide LogDestination.");
    if (!p->group_name && !p->destination)
        return call_error(c, "InvalidParameter",
                          "LogDestination can't be empty if LogGroupName is not provided.");
    if (!p->permission_arn)
        return call_error(c, "InvalidParameter",
                          "DeliverLogsPermissionArn can't be empty if LogDestinationType is "
                          "cloud-watch-logs.");
    if (strncmp(p->permission_arn, "arn:", 4) != 0)
        return call_error(c, "InvalidParameter",
                          "DeliverLogsPermissionArn '%.128s' is not the ARN of a role.",
                          p->permission_arn);
    if (p->destination && !(name = group_of_arn(c, p->destination, &len)))
        return not_a_destination(c, p->destination);
    if (!group_name_ok(name, len))
        return call_error(c, "InvalidParameter", "LogGroupName '%.128s' is invalid.", name);
    if (p->file_format || p->hive || p->per_hour)
        return call_error(c, "InvalidParameter",
                          "DestinationOptions are for LogDestinationType s3 only.");
    return 0;
}

static uint8_t destination_type(const P *p) {
    return p->destination_type ? p->destination_type : FLOW_LOG_CLOUDWATCH;
}

static int check_create(struct call *c, const P *p) {
    static const enum kind taggable[] = {KIND_FLOW_LOG};

    if (!kind_of_type(p->resource_type))
        return strncmp(p->resource_type, "TransitGateway", 14) == 0 ||
                       strcmp(p->resource_type, "RegionalNatGateway") == 0
                   ? call_error(c, "UnsupportedOperation", "There are no resources of type %.64s.",
                                p->resource_type)
                   : call_error(c, "InvalidParameterValue",
                                "Value (%.64s) for parameter resourceType is invalid. It must be "
                                "NetworkInterface, Subnet or VPC.",
                                p->resource_type);
    if (!p->traffic)
        return call_error(c, "MissingParameter",
                          "The request must contain the parameter TrafficType");
    if (destination_type(p) == FLOW_LOG_FIREHOSE || p->cross_account_role)
        return call_error(c, "UnsupportedOperation",
                          "Delivery to Data Firehose and to other accounts is not offered.");
    if (p->interval.set && p->interval.v != 60 && p->interval.v != 600)
        return call_error(c, "InvalidParameter", "Invalid Flow Log Max Aggregation Interval");
    if (p->format && check_format(c, p->format) < 0)
        return -1;
    if ((destination_type(p) == FLOW_LOG_S3 ? check_s3(c, p) : check_cloudwatch(c, p)) < 0)
        return -1;
    return call_tags_check(c, &p->tag_specifications, taggable, 1);
}

static bool same(const char *a, const char *b) {
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static void fill(struct call *c, const P *p, const char *resource_id, struct flow_log *f) {
    char arn[640];
    size_t len;

    obj_set(&f->o, &f->resource_id, resource_id);
    f->traffic = p->traffic;
    f->destination_type = destination_type(p);
    obj_set(&f->o, &f->destination, p->destination);
    obj_set(&f->o, &f->group_name, p->group_name);
    if (f->destination_type == FLOW_LOG_CLOUDWATCH && p->group_name) {
        snprintf(arn, sizeof(arn), LOGS_ARN "%s:%012llu:log-group:%s", region_name(c->scope.region),
                 (unsigned long long)c->scope.account, p->group_name);
        obj_set(&f->o, &f->destination, arn);
    } else if (f->destination_type == FLOW_LOG_CLOUDWATCH) {
        snprintf(arn, sizeof(arn), "%s", group_of_arn(c, p->destination, &len));
        arn[len < sizeof(arn) ? len : sizeof(arn) - 1] = 0;
        obj_set(&f->o, &f->group_name, arn);
    }
    obj_set(&f->o, &f->permission_arn, p->permission_arn);
    obj_set(&f->o, &f->format, p->format ? p->format : FLOW_LOG_DEFAULT_FORMAT);
    f->interval = p->interval.set ? p->interval.v : INTERVAL_DEFAULT;
    if (p->file_format || p->hive || p->per_hour)
        obj_set(&f->o, &f->file_format, p->file_format ? p->file_format : "plain-text");
    f->hive = p->hive == TRI_TRUE;
    f->per_hour = p->per_hour == TRI_TRUE;
    f->created = c->now;
}

/* Why a resource cannot have the log; NULL: it can. The text goes into c->error_message. */
static const char *obstacle(struct call *c, enum kind kind, const struct flow_log *f) {
    const void *resource = call_get(c, kind, f->resource_id);
    struct cursor cur;
    unsigned count = 0;

    if (!resource)
        return c->error_code;
    index_each_by(c->ix, cur, KIND_FLOW_LOG, FLOW_LOG_BY_RESOURCE, f->resource_id) {
        const struct flow_log *other = cur.obj;

        count++;
        if (other->traffic == f->traffic && other->destination_type == f->destination_type &&
            same(other->destination, f->destination) && same(other->format, f->format) &&
            other->interval == f->interval) {
            call_error(c, "FlowLogAlreadyExists",
                       "Error. There is an existing Flow Log with the same configuration and log "
                       "destination.");
            return c->error_code;
        }
    }
    if (count >= FLOW_LOGS_MAX) {
        call_error(c, "FlowLogsLimitExceeded",
                   "The maximum number of flow logs of '%s' has been reached: %d.", f->resource_id,
                   FLOW_LOGS_MAX);
        return c->error_code;
    }
    txn_touch(c->txn, resource); /* neither its deletion nor another log may pass by unseen */
    return NULL;
}

static void add_unsuccessful(struct call *c, struct xml *x, const char *id) {
    xml_open(x, "item");
    xml_open(x, "error");
    xml_text(x, "code", c->error_code);
    xml_text(x, "message", c->error_message);
    xml_close(x, "error");
    xml_text(x, "resourceId", id);
    xml_close(x, "item");
}

static int create_one(struct call *c, const P *p, const char *resource_id, struct xml *failed) {
    struct flow_log *f = call_new(c, KIND_FLOW_LOG);

    if (!f)
        return call_no_memory(c);
    fill(c, p, resource_id, f);
    if (f->o.no_memory)
        return call_no_memory(c);
    if (obstacle(c, kind_of_type(p->resource_type), f)) {
        add_unsuccessful(c, failed, resource_id);
        return 0;
    }
    if (call_tags(c, &p->tag_specifications, f) < 0)
        return -1;
    txn_put(c->txn, f);
    xml_text(&c->xml, "item", f->o.id);
    return 0;
}

static int create_flow_logs(struct call *c, const void *params) {
    const P *p = params;
    _buf_ struct buf unsuccessful = BUF_INIT;
    struct xml failed = {.out = &unsuccessful};
    size_t head;

    if (check_create(c, p) < 0)
        return -1;
    xml_text(&c->xml, "clientToken", c->client_token);
    xml_open(&c->xml, "flowLogIdSet");
    head = c->body->len;
    list_each (char *, id, p->resource_ids)
        if (create_one(c, p, *id, &failed) < 0)
            return -1;
    /* Where there is nothing but what exists already, that is the whole call's error. */
    if (c->body->len == head && same(c->error_code, "FlowLogAlreadyExists"))
        return -1;
    c->error_code = NULL;
    xml_close(&c->xml, "flowLogIdSet");
    xml_open(&c->xml, "unsuccessful");
    buf_add(c->body, buf_str(&unsuccessful), unsuccessful.len);
    xml_close(&c->xml, "unsuccessful");
    return unsuccessful.failed ? call_no_memory(c) : 0;
}

void flow_logs_drop(struct call *c, const char *resource_id) {
    struct cursor cur;

    while (cursor_by(c->ix, &cur, KIND_FLOW_LOG, FLOW_LOG_BY_RESOURCE, resource_id) &&
           !txn_failed(c->txn))
        txn_delete(c->txn, cur.obj);
}

/* All ids that are not there go into one error. */
static int check_ids(struct call *c, const struct list *ids) {
    _buf_ struct buf missing = BUF_INIT;
    unsigned n = 0;

    list_each (char *, id, *ids)
        if (!txn_get(c->txn, KIND_FLOW_LOG, c->scope, *id))
            buf_addf(&missing, "%s%.64s", n++ ? " " : "", *id);
    if (n)
        return call_error(c, "InvalidFlowLogId.NotFound",
                          "These flow log ids in the input list are not found: [TotalCount: %u] %s",
                          n, buf_str(&missing));
    return 0;
}

struct flow_log_ids {
    struct list ids;
};
static const struct field delete_fields[] = {
    FIELD(0, FT_STRS, struct flow_log_ids, ids, "FlowLogId", .flags = FF_REQUIRED),
};
static const struct desc delete_desc = DESC("DeleteFlowLogs", struct flow_log_ids, delete_fields);

static int delete_flow_logs(struct call *c, const void *params) {
    const struct flow_log_ids *p = params;

    if (check_ids(c, &p->ids) < 0)
        return -1;
    list_each (char *, id, p->ids) {
        const struct flow_log *f = index_get(c->ix, KIND_FLOW_LOG, c->scope, *id);

        if (f) /* an id may be named twice */
            txn_delete(c->txn, f);
    }
    xml_text(&c->xml, "unsuccessful", "");
    return 0;
}

DESCRIBE_PARAMS(flow_logs_params, "FlowLogId");

static int describe_flow_logs(struct call *c, const void *params) {
    const struct describe_ids *p = params;

    return check_ids(c, &p->ids) < 0
               ? -1
               : describe(c, &(struct describe){
                                 .kind = KIND_FLOW_LOG, .ids = &p->ids, .set = "flowLogSet"});
}

struct athena {
    char *result, *frequency, *start, *end;
};
static const struct field athena_fields[] = {
    FIELD(0, FT_STR, struct athena, result, "IntegrationResultS3DestinationArn"),
    FIELD(0, FT_STR, struct athena, frequency, "PartitionLoadFrequency"),
    FIELD(0, FT_STR, struct athena, start, "PartitionStartDate"),
    FIELD(0, FT_STR, struct athena, end, "PartitionEndDate"),
};
static const struct desc athena_desc = DESC("Athena integration", struct athena, athena_fields);

struct template {
    char *id, *destination;
    struct list athena;
};
static const struct field template_fields[] = {
    FIELD(0, FT_STR, struct template, id, "FlowLogId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct template, destination, "ConfigDeliveryS3DestinationArn",
          .flags = FF_REQUIRED),
    FIELD(0, FT_LIST, struct template, athena, "IntegrateService.AthenaIntegration",
          .sub = &athena_desc),
};
static const struct desc template_desc =
    DESC("GetFlowLogsIntegrationTemplate", struct template, template_fields);

static int get_integration_template(struct call *c, const void *params) {
    if (!call_get(c, KIND_FLOW_LOG, ((const struct template *)params)->id))
        return -1;
    return call_error(c, "UnsupportedOperation",
                      "Templates for other services' view of flow logs are not offered.");
}

static const struct action rows[] = {
    {"CreateFlowLogs", &create_desc, create_flow_logs, ACT_TOKEN},
    {"DeleteFlowLogs", &delete_desc, delete_flow_logs},
    {"DescribeFlowLogs", &flow_logs_params, describe_flow_logs, ACT_FILTERS, "flowLogSet"},
    {"GetFlowLogsIntegrationTemplate", &template_desc, get_integration_template},
};
ACTIONS(flow_log_actions, rows);
