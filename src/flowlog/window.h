/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows: which flow logs want what of whose traffic, and when it is written.
 *
 * A flow log is of an interface, a subnet or a VPC, and covers the interfaces there. What is
 * recorded at a covered interface is gathered in one table for the logs of 60 seconds and one for
 * those of 600 (those that it has), and at a window's end goes out as text, a batch for each log
 * and interface, by `put`. Windows begin at multiples of their length.
 *
 * Nothing is lost here but by a lack of memory or by `put`. MaxAggregationInterval is a maximum, so
 * whatever needs a cut in between writes what there is, earlier than the window's end: the bound on
 * records held, a log that comes or goes, an end of the agent.
 *
 * What was lost, here or before, is told: a record SKIPDATA in each log of the interface, for the
 * window or for the time that is known. If that cannot be put either, it is owed, and comes with
 * the interface's next batch for that log. A window without any traffic is told as NODATA.
 *
 * Pure: no clock, no I/O. Times are seconds since 1970, unless they say ns.
 */
#ifndef VPCD_FLOWLOG_WINDOW_H
#define VPCD_FLOWLOG_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flowlog/record.h"
#include "flowlog/spool.h"

struct flowlog;

enum flowlog_pace {
    FLOWLOG_FAST, /* 60 seconds */
    FLOWLOG_SLOW, /* 600 */
    FLOWLOG_PACES,
};

struct flowlog_options {
    int64_t window;       /* seconds that a window of "60" lasts; one of "600" ten times that */
    uint32_t records_max; /* held in all */
    uint64_t seed;        /* random */
    /* Takes a batch, as spool_put: 0 or -errno. */
    int (*put)(void *arg, const struct spool_meta *meta, const char *lines, size_t len);
    /* The interface has records for logs of this pace that are only here, since `since`; 0: it has
     * none any more. */
    void (*held)(void *arg, uint32_t number, const char *id, enum flowlog_pace pace, int64_t since);
    void *arg;
};

#define FLOWLOG_WINDOW 60
#define FLOWLOG_RECORDS_MAX (1u << 20) /* 105 MB */
#define FLOWLOG_BATCH_BYTES (4u << 20) /* lines of one batch */

int flowlog_new(const struct flowlog_options *options, struct flowlog **ret_log);
void flowlog_free(struct flowlog *f); /* without writing anything; NULL is fine */

/* An interface that may have traffic here, with `vpc` its VPC's number; `gateway` is the key of the
 * NAT gateway that it belongs to (LOG_GATEWAY_KEY_OF), or 0. Takes over what `eni` points to, also
 * on failure. Again: it changed, and what it had is written with what was known of it. -ENOMEM. */
int flowlog_eni(struct flowlog *f, uint32_t number, uint32_t vpc, uint32_t gateway,
                struct flowlog_eni *eni, int64_t now, int64_t epoch_ns);
/* It is gone: records of it are still taken until flowlog_eni_forget; windows without any are no
 * longer told. */
void flowlog_eni_gone(struct flowlog *f, uint32_t number);
/* Writes what it has and forgets it. */
void flowlog_eni_forget(struct flowlog *f, uint32_t number, int64_t now, int64_t epoch_ns);
bool flowlog_eni_covered(struct flowlog *f, uint32_t number);

/* What a log says; texts are copied. `group_or_arn` as spool_meta.destination. */
struct flowlog_log {
    const char *id, *resource; /* "fl-...", "eni-..." or "subnet-..." or "vpc-..." */
    uint64_t account;
    const char *region;
    uint8_t traffic, destination_type; /* enum spool_traffic, spool_destination */
    const char *destination;
    const char *format; /* "${version} ..." */
    enum flowlog_pace pace;
    bool hive, per_hour;
};
/* A new log, or the same again (nothing changes). Writes out what its interfaces had until now, for
 * the others. -EINVAL: a format that this build does not know; -ENOMEM. */
int flowlog_log(struct flowlog *f, const struct flowlog_log *log, int64_t now, int64_t epoch_ns);
/* It is deleted: what it had until now is written. */
void flowlog_log_gone(struct flowlog *f, const char *id, int64_t now, int64_t epoch_ns);
bool flowlog_log_known(const struct flowlog *f, const char *id);

/* What the kernel told; LOG_LOST too. */
void flowlog_add(struct flowlog *f, const struct log_record *raw, int64_t now, int64_t epoch_ns);
/* Something of the interface was lost for logs of this pace (FLOWLOG_PACES: of both), in this
 * window or since `since` (0: this window). */
void flowlog_lost(struct flowlog *f, uint32_t number, enum flowlog_pace pace, int64_t since);

/* When the next window ends. */
int64_t flowlog_next(const struct flowlog *f);
/* Writes the windows that ended by `now`, at most `budget` records of them and at least one
 * interface's; whether there is more to write. What the kernel counted until then has to have been
 * added before the first such call of a window. */
bool flowlog_turn(struct flowlog *f, int64_t now, int64_t epoch_ns, uint32_t budget);
/* Writes everything that is held, before an end. */
void flowlog_flush(struct flowlog *f, int64_t now, int64_t epoch_ns);

struct flowlog_stats {
    uint32_t logs, enis, covered; /* now; covered: and not gone */
    uint32_t held, held_most;     /* records */
    size_t bytes;                 /* of memory that tables take */
    uint64_t records;             /* written, NODATA and SKIPDATA not counted */
    uint64_t batches, refused;    /* put, and not taken */
    uint64_t early;               /* tables written before their time for want of room */
    uint64_t unknown;             /* of interfaces that nobody knows */
    uint64_t lost;                /* records, here: no memory, or no room at `put` */
    uint64_t skipped;             /* SKIPDATA written */
};
struct flowlog_stats flowlog_stats(struct flowlog *f);

#endif
