/* SPDX-License-Identifier: Apache-2.0 */
/* Records come in, windows end. How the whole stands together: window_private.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "flowlog/window_private.h"

/* ---- in ---- */

static const struct flowlog_eni *who_eni(void *arg, uint32_t number) {
    struct flowlog *f = arg;
    const struct eni *e = window_eni_find(f, number);

    if (!e)
        f->stats.unknown++;
    return e ? &e->info : NULL;
}

static const struct flowlog_eni *who_gateway(void *arg, uint32_t key, uint32_t vpc,
                                             uint32_t far_vpc, uint32_t *ret_number) {
    struct flowlog *f = arg;
    const struct eni *e = f->gateways ? f->gateways[key & (GATEWAY_KEYS - 1)] : NULL;

    while (e && e->vpc != vpc && (!far_vpc || e->vpc != far_vpc))
        e = e->same_key;
    if (!e) {
        f->stats.unknown++;
        return NULL;
    }
    *ret_number = e->number;
    return &e->info;
}

static void add_record(struct flowlog *f, struct eni *e, const struct flowlog_record *r,
                       int64_t now) {
    for (enum flowlog_pace k = 0; k < PACES; k++) {
        struct side *s = &e->sides[k];
        int added;

        if (!s->wanted)
            continue;
        s->traffic = true;
        added = flowlog_table_add(&s->table, f->o.seed, r);
        if (added < 0) {
            s->lost = true;
            f->stats.lost++;
            continue;
        }
        f->stats.held += (uint32_t)added;
        if (f->stats.held > f->stats.held_most)
            f->stats.held_most = f->stats.held;
        window_hold(f, e, k, now);
    }
}

void flowlog_add(struct flowlog *f, const struct log_record *raw, int64_t now, int64_t epoch_ns) {
    const struct flowlog_who who = {who_eni, who_gateway, f};
    struct flowlog_at at[FLOWLOG_AT_MAX];
    unsigned n;

    if (raw->kind == LOG_LOST) {
        flowlog_lost(f, raw->near, PACES, 0);
        return;
    }
    n = flowlog_records_of(raw, &who, at);
    for (unsigned i = 0; i < n; i++) {
        struct eni *e = window_eni_find(f, at[i].eni);

        if (e && window_is_covered(e))
            add_record(f, e, &at[i].record, now);
    }
    if (f->stats.held > f->o.records_max)
        window_make_room(f, now, epoch_ns);
}

static void eni_lost(struct flowlog *f, struct eni *e, enum flowlog_pace pace, int64_t since) {
    for (enum flowlog_pace k = 0; k < PACES; k++) {
        struct side *s = &e->sides[k];

        if (!s->wanted || (pace != PACES && k != pace))
            continue;
        s->lost = true;
        if (since && (!s->lost_at || since < s->lost_at))
            s->lost_at = since;
        window_hold(f, e, k, since ? since : f->windows[k].start);
    }
}

void flowlog_lost(struct flowlog *f, uint32_t number, enum flowlog_pace pace, int64_t since) {
    struct eni *e;

    if (!(number & LOG_GATEWAY_KEY)) {
        e = window_eni_find(f, number);
        if (e)
            eni_lost(f, e, pace, since);
        return;
    }
    /* Which of the gateways with this key it was, nobody knows. */
    for (e = f->gateways ? f->gateways[number & (GATEWAY_KEYS - 1)] : NULL; e; e = e->same_key)
        eni_lost(f, e, pace, since);
}

/* ---- time ---- */

static int64_t length_of(const struct flowlog *f, enum flowlog_pace pace) {
    return pace == SLOW ? f->o.window * SLOW_WINDOWS : f->o.window;
}

static int64_t end_after(const struct flowlog *f, enum flowlog_pace pace, int64_t now) {
    int64_t length = length_of(f, pace);

    return (now / length + 1) * length;
}

int64_t flowlog_next(const struct flowlog *f) {
    const struct window *w = f->windows;

    if (w[FAST].ending || w[SLOW].ending)
        return 0;
    return w[FAST].end < w[SLOW].end ? w[FAST].end : w[SLOW].end;
}

/* The clock was set, or this is the first look at it. */
static void set_clock(struct flowlog *f, int64_t now) {
    for (enum flowlog_pace k = 0; k < PACES; k++) {
        struct window *w = &f->windows[k];

        if (w->end - now > length_of(f, k) || !w->end)
            w->end = end_after(f, k, now);
        if (w->start > now || !w->start)
            w->start = now;
    }
}

/* Whether the window is done with. */
static bool end_window(struct flowlog *f, enum flowlog_pace pace, int64_t now, int64_t epoch_ns,
                       int64_t *budget) {
    struct window *w = &f->windows[pace];

    if (!w->ending) {
        w->ending = true;
        w->at = TAILQ_FIRST(&f->list);
    }
    while (w->at && *budget > 0) {
        struct eni *e = w->at;

        w->at = TAILQ_NEXT(e, link);
        if (!e->sides[pace].wanted)
            continue;
        *budget -= 1 + e->sides[pace].table.n;
        window_write_side(f, e, pace, NULL, w->end, epoch_ns, ENDED);
    }
    if (w->at)
        return false;
    /* Where windows were slept through, the one that ended has all of them. */
    *w = (struct window){.start = end_after(f, pace, now) - length_of(f, pace),
                         .end = end_after(f, pace, now)};
    return true;
}

bool flowlog_turn(struct flowlog *f, int64_t now, int64_t epoch_ns, uint32_t budget) {
    int64_t left = budget ? budget : 1;

    set_clock(f, now);
    for (enum flowlog_pace k = 0; k < PACES; k++)
        if ((f->windows[k].ending || now >= f->windows[k].end) &&
            !end_window(f, k, now, epoch_ns, &left))
            return true;
    return false;
}

void flowlog_flush(struct flowlog *f, int64_t now, int64_t epoch_ns) {
    struct eni *e;

    TAILQ_FOREACH (e, &f->list, link)
        for (enum flowlog_pace k = 0; k < PACES; k++)
            if (e->sides[k].table.n || e->sides[k].lost)
                window_write_side(f, e, k, NULL, now, epoch_ns, LEAVES);
}

/* ---- life ---- */

int flowlog_new(const struct flowlog_options *options, struct flowlog **ret_log) {
    struct flowlog *f = calloc(1, sizeof(*f));

    if (!f)
        return -ENOMEM;
    f->o = *options;
    if (f->o.window <= 0)
        f->o.window = FLOWLOG_WINDOW;
    if (!f->o.records_max)
        f->o.records_max = FLOWLOG_RECORDS_MAX;
    TAILQ_INIT(&f->list);
    f->gen = 1;
    *ret_log = f;
    return 0;
}

void flowlog_free(struct flowlog *f) {
    struct log *l, *next;
    struct resource *r, *next_resource;

    if (!f)
        return;
    while (!TAILQ_EMPTY(&f->list))
        window_eni_free(f, TAILQ_FIRST(&f->list));
    HASH_ITER (hh, f->logs, l, next) {
        HASH_DEL(f->logs, l);
        window_log_free(l);
    }
    HASH_ITER (hh, f->resources, r, next_resource) {
        HASH_DEL(f->resources, r);
        free(r);
    }
    free(f->gateways);
    free(f);
}

struct flowlog_stats flowlog_stats(struct flowlog *f) {
    struct flowlog_stats s = f->stats;
    const struct eni *e;

    s.logs = HASH_COUNT(f->logs);
    s.enis = HASH_COUNT(f->enis);
    TAILQ_FOREACH (e, &f->list, link) {
        s.covered += window_is_covered(e) && !e->gone;
        for (enum flowlog_pace k = 0; k < PACES; k++)
            s.bytes += flowlog_table_bytes(&e->sides[k].table);
    }
    return s;
}
