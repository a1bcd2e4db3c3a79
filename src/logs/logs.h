/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log groups, as CloudWatch Logs has them: groups of streams of events, kept in STATE/logs/logs.db
 * (SQLite, WAL). Two programs have it open, the API's worker and vpc-logs, both as the same user;
 * each thread has a handle of its own. Every call below is one transaction, durable when it
 * returned 0, and blocks for the disk: not for an event loop's thread.
 *
 * Beside them stands what vpc-logs must remember: batches of the spool that are delivered but not
 * yet deleted, which batches make up an object of S3, and how each flow log's delivery goes.
 *
 * Errors: -ENOENT, -EEXIST, -EDQUOT (a limit of the account), -ENOSPC, -EBUSY (the other program
 * held the file for seconds), -ENOMEM, -EUCLEAN (the file is not ours or is broken), -EIO.
 */
#ifndef VPCD_LOGS_LOGS_H
#define VPCD_LOGS_LOGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOGS_NAME_MAX 512      /* characters of a group's or a stream's name */
#define LOGS_EVENT_OVERHEAD 26 /* bytes that an event counts beyond its text, as at AWS */
#define LOGS_DIRECTORY "logs"  /* below the state directory */
#define LOGS_ERROR 256

struct logs;

struct logs_limits {          /* 0: the default */
    uint64_t account_bytes;   /* events with their overhead, in all regions: 1 GiB */
    uint32_t account_groups;  /* in all regions: 1,000 */
    uint32_t account_streams; /* in all regions: 100,000 */
};

struct logs_owner {
    uint64_t account;
    const char *region;
};

struct log_group {
    int64_t id, created;
    int64_t retention; /* days; 0: for ever */
    int64_t bytes;
    const char *name;
};

struct log_stream {
    int64_t id, created;
    int64_t first, last, ingested; /* of its events; -1: it never had one */
    const char *name;
};

/* An event's place in its group: by time, then in the order of arrival. */
struct log_position {
    int64_t time, id; /* milliseconds since 1970 */
};

struct log_event {
    struct log_position at;
    int64_t ingested;
    const char *message; /* UTF-8, not terminated */
    size_t len;
    const char *stream; /* name; not used by logs_put */
};

/* `directory` is made (0700). One handle for each thread. `error`: LOGS_ERROR bytes. */
int logs_open(const char *directory, const struct logs_limits *limits, struct logs **ret_logs,
              char *error);
void logs_close(struct logs *l);

/* ---- groups (group.c) ---- */

/* `ret_id` may be NULL. -EEXIST, -EDQUOT. */
int logs_group_create(struct logs *l, const struct logs_owner *o, const char *name, int64_t now,
                      int64_t *ret_id);
/* Gone at once for everybody; its space comes back with logs_sweep. -ENOENT. */
int logs_group_delete(struct logs *l, const struct logs_owner *o, const char *name);
/* ret_group->name is `name`. -ENOENT. */
int logs_group_find(struct logs *l, const struct logs_owner *o, const char *name,
                    struct log_group *ret_group);
/* Days; 0: for ever. -ENOENT. */
int logs_group_retain(struct logs *l, const struct logs_owner *o, const char *name, int64_t days);
/* Groups in the order of their names, from the first one above `after` ("": all) that begins with
 * `prefix`; until fn returns other than 0, which is then returned. */
int logs_groups(struct logs *l, const struct logs_owner *o, const char *prefix, const char *after,
                int (*fn)(void *arg, const struct log_group *group), void *arg);

/* All groups of an account, in all regions, as logs_group_delete does. */
int logs_account_delete(struct logs *l, uint64_t account);

/* Tags of a group. A NULL value removes the tag. -EDQUOT beyond 50. */
int logs_tag(struct logs *l, int64_t group, const char *const *keys, const char *const *values,
             size_t n);
int logs_tags(struct logs *l, int64_t group,
              int (*fn)(void *arg, const char *key, const char *value), void *arg);

/* ---- streams (stream.c) ---- */

int logs_stream_create(struct logs *l, const struct logs_owner *o, int64_t group, const char *name,
                       int64_t now, int64_t *ret_id);
int logs_stream_delete(struct logs *l, int64_t group, const char *name);
int logs_stream_find(struct logs *l, int64_t group, const char *name, struct log_stream *ret);

struct log_stream_query {
    int64_t group;
    bool by_time, descending; /* else by name */
    const char *prefix;       /* by name only */
    /* What the last page ended with; name NULL: from the beginning. */
    const char *after_name;
    int64_t after_time;
};
int logs_streams(struct logs *l, const struct log_stream_query *q,
                 int (*fn)(void *arg, const struct log_stream *stream), void *arg);

/* ---- events (event.c) ---- */

/* All of them or none. -EDQUOT, -ENOENT when the stream was deleted meanwhile. */
int logs_put(struct logs *l, const struct logs_owner *o, int64_t group, int64_t stream,
             const struct log_event *events, size_t n, int64_t now);

struct log_event_query {
    int64_t group;
    int64_t stream;            /* 0: the group's */
    int64_t from, until;       /* milliseconds: from <= time < until */
    bool backward;             /* from the newest to the oldest */
    struct log_position after; /* not this one nor what stands before it in the order asked for */
    bool has_after;
};
/* Until fn returns other than 0, which is then returned. */
int logs_events(struct logs *l, const struct log_event_query *q,
                int (*fn)(void *arg, const struct log_event *event), void *arg);

/* Removes some of what expired or was deleted: 1 when there is more to do, 0 when there is not. */
int logs_sweep(struct logs *l, int64_t now);

/* ---- what vpc-logs remembers (delivery.c) ---- */

/* Puts a batch's events, once: a batch that was put already (by its name) is 0 and nothing is done.
 * The group and the stream are made if they are missing. */
int logs_deliver(struct logs *l, const struct logs_owner *o, const char *group, const char *stream,
                 const char *batch, const struct log_event *events, size_t n, int64_t now);
/* The batches whose files are gone: forgets them. */
int logs_forget(struct logs *l, const char *const *batches, size_t n);

/* An object of S3 is to hold these batches and no others. */
int logs_plan(struct logs *l, const char *object, const char *const *batches, size_t n);
/* It is stored: its batches may be deleted, then forgotten. */
int logs_plan_done(struct logs *l, const char *object);
/* What is known of batches: `object` NULL: delivered to a log group. */
int logs_known(struct logs *l,
               int (*fn)(void *arg, const char *batch, const char *object, bool done), void *arg);

/* How the delivery of a flow log goes: message NULL: well. Counts up logs_status_version. */
int logs_status_set(struct logs *l, const char *flow_log, const struct logs_owner *o,
                    const char *message);
int logs_status_drop(struct logs *l, const char *flow_log);
/* Changes of status since `*version`, which is brought up to date. */
int logs_statuses(struct logs *l, int64_t *version,
                  int (*fn)(void *arg, const struct logs_owner *o, const char *flow_log,
                            const char *message),
                  void *arg);

#endif
