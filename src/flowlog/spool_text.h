/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch as text. Its head is a line for each member of struct spool_meta in this order, then an
 * empty one, then the records:
 *
 *     vpcd-flow-batch 1
 *     flow-log fl-0123456789abcdef0
 *     eni eni-0123456789abcdef0
 *     account 000000000001
 *     region us-east-1
 *     to s3                                  (or log-group)
 *     destination arn:aws:s3:::bucket/folder/
 *     traffic all                            (accept, reject)
 *     window 1700000000 1700000060
 *     options hive per-hour skipped          (those that are set)
 *     header version account-id ...
 *     bytes 4711                             (of what follows the empty line)
 */
#ifndef VPCD_FLOWLOG_SPOOL_TEXT_H
#define VPCD_FLOWLOG_SPOOL_TEXT_H

#include "flowlog/spool.h"

/* 0 or -EINVAL: whether spool_put may take it. */
int spool_text_check(const struct spool_meta *meta, const char *lines, size_t len);
void spool_text_head(const struct spool_meta *meta, size_t len, struct buf *out);

#endif
