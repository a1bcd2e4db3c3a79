/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of vpc-logs share: deliver.c (the loop), group.c (log groups), bucket.c (S3). */
#ifndef VPCD_DELIVER_DELIVER_PRIVATE_H
#define VPCD_DELIVER_DELIVER_PRIVATE_H

#include <jansson.h>

#include "deliver/deliver.h"
#include "deliver/queue.h"
#include "deliver/upload.h"
#include "logs/logs.h"

#define FORGET_MAX 256

/* AWS's words for it (EC2 API reference, FlowLog, deliverLogsErrorMessage). */
#define ACCESS_ERROR "Access error"
#define RATE_LIMITED "Rate limited"
#define UNKNOWN_ERROR "Unknown error"

struct known; /* deliver.c */

struct counts {
    uint64_t batches, records, objects, failures, given_up;
};

struct deliverer {
    const struct deliver_options *options;
    struct queue queue;
    struct uploader *uploader;
    struct logs *logs;
    struct known *known; /* of the last run: only while the directory is read the first time */
    char *forget[FORGET_MAX];
    size_t n_forget;
    struct counts counts;
    bool all; /* the next look is at the whole directory */
    int64_t pruned;
    char spool[4200], report[4200];
    json_t *reported;
};

/* ---- deliver.c ---- */

/* A batch that is delivered, or given up, and in no list any more: its file goes, then its name. */
void batch_finish(struct deliverer *d, struct batch *b);
/* Forgets a name of logs_deliver or logs_plan once the files that were removed stay removed. */
void batch_forget(struct deliverer *d, const char *name);

/* How a delivery of the flow log went: the destination's next try, what DescribeFlowLogs shows, and
 * a line in the log when it begins and when it ends. */
void went_well(struct deliverer *d, struct flow *f);
void went_wrong(struct deliverer *d, struct flow *f, const char *message, const char *why);

/* ---- group.c ---- */

/* Delivers some of what waits for the log group; true when there is more to do at once. */
bool group_serve(struct deliverer *d, struct destination *to);

/* ---- bucket.c ---- */

/* Sends the next object to the bucket, if one is due. */
void bucket_serve(struct deliverer *d, struct destination *to);
/* An uploader's `done`. */
void bucket_uploaded(void *ctx, void *arg, enum upload_result result, const char *why);

#endif
