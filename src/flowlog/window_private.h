/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the windows share: who is known (window_known.c), what is written of them
 * (window_write.c), what comes in and when it is time (window.c).
 *
 * Interfaces stand in a list; the end of a window walks it, a few at a time (`at`), and what comes
 * meanwhile to an interface that was passed belongs to the next window.
 *
 * Logs hang on what they are of (struct resource). An interface looks its three up when logs were
 * changed (`gen`), and when it is written.
 */
#ifndef VPCD_FLOWLOG_WINDOW_PRIVATE_H
#define VPCD_FLOWLOG_WINDOW_PRIVATE_H

#include <sys/queue.h>
#include <uthash.h>

#include "flowlog/format.h"
#include "flowlog/table.h"
#include "flowlog/window.h"

#define GATEWAY_KEYS 0x10000u
#define SLOW_WINDOWS 10 /* windows of 60 s in one of 600 */

#define FAST FLOWLOG_FAST
#define SLOW FLOWLOG_SLOW
#define PACES FLOWLOG_PACES

struct log {
    LIST_ENTRY(log) link;
    struct resource *resource;
    char id[32];
    char *region, *destination, *header;
    struct flowlog_format format;
    uint64_t account;
    uint8_t traffic, destination_type, pace;
    bool hive, per_hour;
    UT_hash_handle hh;
};

struct resource {
    char id[32];
    LIST_HEAD(, log) logs;
    UT_hash_handle hh;
};

/* What a log does not know yet: it lost records of this time. */
struct owed {
    SLIST_ENTRY(owed) link;
    char log[32];
    uint8_t pace;
    int64_t start, end;
};

struct side {
    struct flowlog_table table;
    bool wanted;     /* by a log of this pace */
    bool traffic;    /* there was some in this window */
    bool lost;       /* of which something was lost, */
    int64_t lost_at; /* since then, if that was before the window */
    int64_t since;   /* from when on it was wanted */
    int64_t held;    /* since when something is only here; 0: nothing is */
    uint32_t last;   /* records of the last window */
};

struct eni {
    TAILQ_ENTRY(eni) link;
    struct eni *same_key; /* the next gateway with this key */
    uint32_t number, vpc, gateway;
    struct flowlog_eni info;
    struct side sides[PACES];
    SLIST_HEAD(, owed) owed;
    uint64_t gen;
    bool gone;
    UT_hash_handle hh;
};

struct window {
    int64_t start, end;
    struct eni *at; /* the next to be written, while `ending` */
    bool ending;
};

struct flowlog {
    struct flowlog_options o;
    struct log *logs;
    struct resource *resources;
    struct eni *enis;
    TAILQ_HEAD(, eni) list;
    struct eni **gateways; /* by the low half of their numbers; NULL: there are none */
    struct eni *early_at;
    struct window windows[PACES];
    uint64_t gen;
    struct flowlog_stats stats;
};

/* ---- window_known.c ---- */

struct eni *window_eni_find(const struct flowlog *f, uint32_t number);
void window_eni_free(struct flowlog *f, struct eni *e);
void window_log_free(struct log *l);

/* Whether some log is of it. */
bool window_is_covered(const struct eni *e);

/* The first log of an interface, and the next: those of itself, its subnet, its VPC. */
struct log *window_log_from(const struct flowlog *f, const struct eni *e, unsigned *level,
                            struct log *l);

#define each_log(f, e, l)                                                                          \
    for (unsigned _level = 0, _once = 1; _once; _once = 0)                                         \
        for (struct log *l = window_log_from(f, e, &_level, NULL); l;                              \
             l = window_log_from(f, e, &_level, LIST_NEXT(l, link)))

/* ---- window_write.c ---- */

enum why {
    EARLY, /* the window goes on */
    ENDED, /* the window's end */
    LEAVES /* the log's or the interface's end */
};

/* What the interface owes the log, or NULL. */
struct owed *window_owed_to(struct eni *e, const struct log *l);

/* Something of the interface is only here, since then; nothing is any more, if that is so. */
void window_hold(struct flowlog *f, struct eni *e, enum flowlog_pace pace, int64_t since);
void window_now_empty(struct flowlog *f, struct eni *e, enum flowlog_pace pace);

/* All logs of a pace; `leaving` (NULL: none) is one that ends. */
void window_write_side(struct flowlog *f, struct eni *e, enum flowlog_pace pace,
                       const struct log *leaving, int64_t end, int64_t epoch_ns, enum why why);
void window_write_early(struct flowlog *f, struct eni *e, int64_t now, int64_t epoch_ns);

/* No room for more: writes tables until half of it is free, each in its turn. */
void window_make_room(struct flowlog *f, int64_t now, int64_t epoch_ns);

#endif
