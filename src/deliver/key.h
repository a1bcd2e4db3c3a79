/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the objects that flow logs make in S3 (VPC user guide, "Flow log files"). */
#ifndef VPCD_DELIVER_KEY_H
#define VPCD_DELIVER_KEY_H

#include "base/buf.h"
#include "flowlog/spool.h"

#define KEY_BUCKET_MAX 64
#define KEY_HASH 8 /* digits */

/* "arn:aws:s3:::BUCKET/FOLDER/": the bucket's name into `bucket`; *ret_folder points to "FOLDER/"
 * or "" within `arn`. 0 or -EINVAL. */
int key_of_arn(const char *arn, char bucket[KEY_BUCKET_MAX], const char **ret_folder);

/*
 * The key of the file of a flow log whose records end up to `time` (seconds since 1970):
 * FOLDER/AWSLogs/ACCOUNT/vpcflowlogs/REGION/YYYY/MM/DD/
 *     ACCOUNT_vpcflowlogs_REGION_FLOWLOG_YYYYMMDDTHHmmZ_HASH.log.gz
 * with the folders that hive and per_hour ask for. `hash` are KEY_HASH digits.
 */
void key_make(const struct spool_meta *meta, const char *folder, int64_t time, const char *hash,
              struct buf *out);

/* As it stands in a URL's path: what S3's signatures see. `/` stays. */
void key_encode(const char *key, struct buf *out);

/* KEY_HASH digits that follow from the names of the batches that an object is made of, whatever
 * their order; `sum` begins with 0. */
uint64_t key_hash_add(uint64_t sum, const char *batch);
void key_hash_text(uint64_t sum, char out[KEY_HASH + 1]);

#endif
