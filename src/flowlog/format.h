/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flow log's format, and the text of a record in it (VPC user guide, "Flow log records"). What
 * does not apply to a record, or is not known, is "-".
 */
#ifndef VPCD_FLOWLOG_FORMAT_H
#define VPCD_FLOWLOG_FORMAT_H

#include "base/buf.h"
#include "flowlog/record.h"
#include "model/flow_log.h"

struct flowlog_format {
    uint8_t fields[FLOW_LOG_FIELDS_MAX]; /* enum flow_log_field */
    size_t n;
    int version; /* the highest of the fields' */
};

/* 0, or flow_log_format_parse's error. */
int flowlog_format_parse(const char *text, struct flowlog_format *ret_format);

/* "version account-id ...": the first line of a file. */
void flowlog_format_header(const struct flowlog_format *f, struct buf *out);

/* One record at an interface, without the line's end; a few kB at most. `epoch_ns` is what turns
 * the record's times (CLOCK_MONOTONIC) into nanoseconds since 1970. */
void flowlog_format_record(const struct flowlog_format *f, const struct flowlog_eni *eni,
                           const struct flowlog_record *r, int64_t epoch_ns, struct buf *out);

/* A record that tells of a window as a whole: status "NODATA" or "SKIPDATA". Times in seconds since
 * 1970. Fields that tell of the interface are there; those of traffic are "-". */
void flowlog_format_status(const struct flowlog_format *f, const struct flowlog_eni *eni,
                           const char *status, int64_t start, int64_t end, struct buf *out);

#endif
