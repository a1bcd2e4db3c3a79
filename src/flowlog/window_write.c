/* SPDX-License-Identifier: Apache-2.0 */
/* What logs are told of an interface: batches of lines, and what is owed when they find no room. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "flowlog/window_private.h"

static bool wants(const struct log *l, const struct flowlog_record *r) {
    return l->traffic == SPOOL_ALL || (l->traffic == SPOOL_REJECT) == (r->key.action == LOG_REJECT);
}

struct owed *window_owed_to(struct eni *e, const struct log *l) {
    struct owed *o;

    SLIST_FOREACH (o, &e->owed, link)
        if (strcmp(o->log, l->id) == 0)
            return o;
    return NULL;
}

/* What is owed is held, too, and that something was lost: only we know of it. */
void window_hold(struct flowlog *f, struct eni *e, enum flowlog_pace pace, int64_t since) {
    struct side *s = &e->sides[pace];

    if (s->held)
        return;
    s->held = since > 0 ? since : 1;
    f->o.held(f->o.arg, e->number, e->info.id, pace, s->held);
}

void window_now_empty(struct flowlog *f, struct eni *e, enum flowlog_pace pace) {
    struct side *s = &e->sides[pace];
    const struct owed *o;

    if (!s->held || s->table.n || s->lost)
        return;
    SLIST_FOREACH (o, &e->owed, link)
        if (o->pace == pace)
            return;
    s->held = 0;
    f->o.held(f->o.arg, e->number, e->info.id, pace, 0);
}

static void owe(struct flowlog *f, struct eni *e, const struct log *l, int64_t start, int64_t end) {
    struct owed *o = window_owed_to(e, l);

    if (!o) {
        o = calloc(1, sizeof(*o));
        if (!o) { /* then every log of the interface hears of it */
            e->sides[l->pace].lost = true;
            return;
        }
        memcpy(o->log, l->id, sizeof(o->log));
        o->pace = l->pace;
        o->start = start;
        SLIST_INSERT_HEAD(&e->owed, o, link);
    }
    o->end = end;
    window_hold(f, e, l->pace, start);
}

struct batch {
    struct buf lines;
    uint64_t records;
    bool skipped;
};

static void add_seconds(struct buf *out, int64_t seconds) {
    buf_addf(out, "%lld ", (long long)(seconds > 0 ? seconds : 0));
}

static void add_status(struct batch *b, const struct log *l, const struct eni *e,
                       const char *status, int64_t start, int64_t end) {
    add_seconds(&b->lines, start);
    flowlog_format_status(&l->format, &e->info, status, start, end, &b->lines);
    buf_addc(&b->lines, '\n');
}

static void batch_put(struct flowlog *f, struct eni *e, const struct log *l, struct batch *b,
                      int64_t start, int64_t end) {
    const struct spool_meta meta = {
        .flow_log = l->id,
        .eni = e->info.id,
        .account = l->account,
        .region = l->region,
        .destination_type = l->destination_type,
        .destination = l->destination,
        .traffic = l->traffic,
        .header = l->header,
        .start = start,
        .end = end,
        .hive = l->hive,
        .per_hour = l->per_hour,
        .skipped = b->skipped,
    };
    struct owed *o = window_owed_to(e, l);
    int r;

    if (!b->lines.len && !b->lines.failed)
        return;
    r = b->lines.failed ? -ENOMEM : f->o.put(f->o.arg, &meta, b->lines.data, b->lines.len);
    if (r == 0) {
        f->stats.batches++;
        f->stats.records += b->records;
        f->stats.skipped += b->skipped;
        if (o && b->skipped) {
            SLIST_REMOVE(&e->owed, o, owed, link);
            free(o);
        }
    } else {
        f->stats.refused++;
        f->stats.lost += b->records;
        if (b->records || b->skipped)
            owe(f, e, l, start, end);
    }
    buf_reset(&b->lines);
    b->records = 0;
    b->skipped = false;
}

/* What one log is told of one interface. */
static void write_log(struct flowlog *f, struct eni *e, const struct log *l, int64_t end,
                      int64_t epoch_ns, enum why why) {
    struct side *s = &e->sides[l->pace];
    int64_t start = s->since > f->windows[l->pace].start ? s->since : f->windows[l->pace].start;
    const struct owed *o = window_owed_to(e, l);
    struct batch b = {0};

    if (start > end)
        start = end;
    if (o) {
        add_status(&b, l, e, "SKIPDATA", o->start, o->end);
        b.skipped = true;
    }
    for (uint32_t i = 0; i < s->table.n; i++) {
        const struct flowlog_record *r = &s->table.records[i];

        if (!wants(l, r))
            continue;
        add_seconds(&b.lines, ((int64_t)r->first_ns + epoch_ns) / 1000000000);
        flowlog_format_record(&l->format, &e->info, r, epoch_ns, &b.lines);
        buf_addc(&b.lines, '\n');
        b.records++;
        if (b.lines.len >= FLOWLOG_BATCH_BYTES)
            batch_put(f, e, l, &b, start, end);
    }
    if (why != EARLY && s->lost) {
        add_status(&b, l, e, "SKIPDATA", s->lost_at ? s->lost_at : start, end);
        b.skipped = true;
    } else if (why == ENDED && !s->traffic && !e->gone && start < end) {
        add_status(&b, l, e, "NODATA", start, end);
    }
    batch_put(f, e, l, &b, start, end);
    buf_free(&b.lines);
}

void window_write_side(struct flowlog *f, struct eni *e, enum flowlog_pace pace,
                       const struct log *leaving, int64_t end, int64_t epoch_ns, enum why why) {
    struct side *s = &e->sides[pace];

    each_log (f, e, l)
        if (l->pace == pace)
            write_log(f, e, l, end, epoch_ns, l == leaving ? LEAVES : why);
    f->stats.held -= s->table.n;
    if (why == ENDED) {
        s->last = s->table.n;
        s->traffic = false;
    }
    if (why != EARLY) {
        s->lost = false;
        s->lost_at = 0;
    }
    flowlog_table_reset(&s->table, s->last);
    window_now_empty(f, e, pace);
}

void window_write_early(struct flowlog *f, struct eni *e, int64_t now, int64_t epoch_ns) {
    for (enum flowlog_pace k = 0; k < PACES; k++)
        if (e->sides[k].table.n)
            window_write_side(f, e, k, NULL, now, epoch_ns, EARLY);
}

void window_make_room(struct flowlog *f, int64_t now, int64_t epoch_ns) {
    for (unsigned n = HASH_COUNT(f->enis); n && f->stats.held > f->o.records_max / 2; n--) {
        struct eni *e = f->early_at ? f->early_at : TAILQ_FIRST(&f->list);

        f->early_at = TAILQ_NEXT(e, link);
        f->stats.early += (uint64_t) !!e->sides[FAST].table.n + (uint64_t) !!e->sides[SLOW].table.n;
        window_write_early(f, e, now, epoch_ns);
    }
}
