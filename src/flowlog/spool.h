/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spool: batches of flow log records on their way from the agent to their destination.
 *
 * A batch is what one flow log says of one interface at the end of one window; a file of its own,
 * there whole or not at all. The agent (root) puts, vpc-logs (the worker's user) takes:
 *
 *     STATE/spool/         root, 0755
 *     STATE/spool/new/     root, 0700: where a batch is written
 *     STATE/spool/ready/   root and the worker's group, 0770: whole batches, named by spool_name
 *
 * A batch is written and synced in new/, then renamed into ready/. Root opens both directories once
 * and nothing in ready/ ever: what the worker's user may have put there is never followed.
 *
 * Durability: after spool_put a batch survives whatever happens to any process; after spool_sync
 * also the loss of power.
 *
 * Bounds: bytes and number of batches, in all and of one account. At a bound spool_put says -ENOSPC
 * and the writer owes SKIPDATA. What the deliverer took out is noticed by looking at the directory
 * again, at most once a second, and only at a bound.
 */
#ifndef VPCD_FLOWLOG_SPOOL_H
#define VPCD_FLOWLOG_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

#define SPOOL_BYTES (1ULL << 30)    /* by default: in all */
#define SPOOL_BATCHES 500000U       /* by default: files */
#define SPOOL_BATCH_MAX (16U << 20) /* bytes of one batch's lines; more: put several */
#define SPOOL_LINE_MAX 4096U        /* bytes of one record */
#define SPOOL_NAME_MAX 160U         /* of a file's name, with the final NUL */
#define SPOOL_DIRECTORY "spool"     /* below the state directory */
#define SPOOL_DESTINATION_MAX 1100U /* bytes of an ARN or of a name */
#define SPOOL_HEADER_MAX 2048U

enum spool_destination {
    SPOOL_LOG_GROUP = 1,
    SPOOL_S3,
};

enum spool_traffic {
    SPOOL_ACCEPT = 1,
    SPOOL_REJECT,
    SPOOL_ALL,
};

/* Texts are UTF-8 without control characters. */
struct spool_meta {
    const char *flow_log;     /* "fl-..." */
    const char *eni;          /* "eni-..." */
    uint64_t account;         /* the flow log's owner, 12 digits at most */
    const char *region;       /* "us-east-1" */
    uint8_t destination_type; /* enum spool_destination */
    const char *destination;  /* S3: the bucket's ARN with its folder; else the group's name */
    uint8_t traffic;          /* enum spool_traffic: what the flow log is for */
    const char *header;       /* "version account-id ...": names of the fields, blanks between */
    int64_t start, end;       /* the window, seconds since 1970; start <= end */
    bool hive, per_hour;      /* of S3: how keys are made */
    bool skipped;             /* the batch tells of lost records (SKIPDATA) */
};

struct spool_limits {         /* 0: the default */
    uint64_t bytes;           /* SPOOL_BYTES */
    uint64_t account_bytes;   /* a quarter of `bytes` */
    uint32_t batches;         /* SPOOL_BATCHES */
    uint32_t account_batches; /* a quarter of `batches`, and one */
};

struct spool_stats {
    uint64_t bytes, batches; /* at the last look plus what was put since: an upper bound */
    uint64_t put, refused;   /* batches since spool_open */
    uint64_t refused_bytes;
};

/* ---- the writer ---- */

struct spool;

/*
 * STATE/spool is `directory`; it and what is in it are made, with `group` as the reader's group
 * ((gid_t)-1: the caller's own, for tests). Leftovers in new/ are removed. 0, -ENOTDIR when
 * something else stands there, -EPERM when one belongs to a stranger, other -errno.
 */
int spool_open(const char *directory, gid_t group, const struct spool_limits *limits,
               struct spool **ret_spool);
void spool_close(struct spool *s);

/*
 * Puts one batch. `lines` is "SECONDS RECORD\n" for each record: SECONDS is the record's `start`
 * (which becomes the event's timestamp in a log group), RECORD the text as it is to be delivered.
 *
 * 0; -ENOSPC at a bound of the spool or when the disk is full; -EINVAL for a meta or lines that do
 * not fit what is said above; other -errno. On failure nothing is left.
 */
int spool_put(struct spool *s, const struct spool_meta *meta, const char *lines, size_t len);

/* Makes durable what was put, once for a whole window's batches. 0 or -errno. */
int spool_sync(struct spool *s);

struct spool_stats spool_stats(const struct spool *s);

/* ---- the reader ---- */

/* What a batch's name tells. */
struct spool_name {
    char flow_log[32], eni[32];
    uint64_t account;
    int64_t end;   /* of the window */
    uint64_t size; /* of the file */
};

/* Bytes for the deliverer are not believed: false for a name that spool_put does not make. */
bool spool_name_parse(const char *name, struct spool_name *ret_name);

/* A parsed batch: texts point into `text`. */
struct spool_batch {
    struct spool_meta meta;
    const char *lines; /* as given to spool_put */
    size_t lines_len;
    struct buf text;
};

/* Parses a file's content, which `ret_batch` takes over, also on failure. 0 or -EBADMSG. */
int spool_batch_parse(struct buf *text, struct spool_batch *ret_batch);
/* Reads and parses STATE/spool/ready/NAME; `ready` is that directory's descriptor. 0, -ENOENT,
 * -EBADMSG, other -errno. */
int spool_batch_read(int ready, const char *name, struct spool_batch *ret_batch);
void spool_batch_free(struct spool_batch *b);

/* The next record of `*at` (begin with b->lines): its seconds and its text, without the line's end.
 * False behind the last one. */
bool spool_batch_next(const struct spool_batch *b, const char **at, int64_t *ret_seconds,
                      const char **ret_record, size_t *ret_len);

#endif
