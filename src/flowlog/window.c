/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interfaces stand in a list; the end of a window walks it, a few at a time (`at`), and what comes
 * meanwhile to an interface that was passed belongs to the next window.
 *
 * Logs hang on what they are of (struct resource). An interface looks its three up when logs were
 * changed (`gen`), and when it is written.
 */
#include "flowlog/window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <uthash.h>

#include "base/cleanup.h"
#include "flowlog/format.h"
#include "flowlog/table.h"

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

/* ---- who is covered ---- */

static struct eni *eni_find(const struct flowlog *f, uint32_t number) {
    struct eni *e;

    HASH_FIND(hh, f->enis, &number, sizeof(number), e);
    return e;
}

static struct resource *resource_find(const struct flowlog *f, const char *id) {
    struct resource *r;

    HASH_FIND_STR(f->resources, id, r);
    return r;
}

static bool covers(const struct log *l, const struct eni *e) {
    return l->account == e->info.account && strcmp(l->region, e->info.region) == 0;
}

/* The first log of an interface, and the next: those of itself, its subnet, its VPC. */
static struct log *log_from(const struct flowlog *f, const struct eni *e, unsigned *level,
                            struct log *l) {
    const char *ids[] = {e->info.id, e->info.subnet, e->info.vpc};

    for (;;) {
        while (!l && *level < 3) {
            const struct resource *r = resource_find(f, ids[(*level)++]);

            l = r ? LIST_FIRST(&r->logs) : NULL;
        }
        if (!l || covers(l, e))
            return l;
        l = LIST_NEXT(l, link);
    }
}

#define each_log(f, e, l)                                                                          \
    for (unsigned _level = 0, _once = 1; _once; _once = 0)                                         \
        for (struct log *l = log_from(f, e, &_level, NULL); l;                                     \
             l = log_from(f, e, &_level, LIST_NEXT(l, link)))

static void look_up(struct flowlog *f, struct eni *e, int64_t now) {
    bool wanted[PACES] = {false};

    if (e->gen == f->gen)
        return;
    e->gen = f->gen;
    each_log (f, e, l)
        wanted[l->pace] = true;
    for (enum flowlog_pace k = 0; k < PACES; k++) {
        struct side *s = &e->sides[k];

        if (wanted[k] && !s->wanted)
            *s = (struct side){.table = s->table, .held = s->held, .wanted = true, .since = now};
        s->wanted = wanted[k];
    }
}

static bool is_covered(const struct eni *e) {
    return e->sides[FAST].wanted || e->sides[SLOW].wanted;
}

/* ---- out ---- */

static bool wants(const struct log *l, const struct flowlog_record *r) {
    return l->traffic == SPOOL_ALL || (l->traffic == SPOOL_REJECT) == (r->key.action == LOG_REJECT);
}

static struct owed *owed_to(struct eni *e, const struct log *l) {
    struct owed *o;

    SLIST_FOREACH (o, &e->owed, link)
        if (strcmp(o->log, l->id) == 0)
            return o;
    return NULL;
}

/* What is owed is held, too, and that something was lost: only we know of it. */
static void hold(struct flowlog *f, struct eni *e, enum flowlog_pace pace, int64_t since) {
    struct side *s = &e->sides[pace];

    if (s->held)
        return;
    s->held = since > 0 ? since : 1;
    f->o.held(f->o.arg, e->number, e->info.id, pace, s->held);
}

static void now_empty(struct flowlog *f, struct eni *e, enum flowlog_pace pace) {
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
    struct owed *o = owed_to(e, l);

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
    hold(f, e, l->pace, start);
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
    struct owed *o = owed_to(e, l);
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

enum why {
    EARLY, /* the window goes on */
    ENDED, /* the window's end */
    LEAVES /* the log's or the interface's end */
};

/* What one log is told of one interface. */
static void write_log(struct flowlog *f, struct eni *e, const struct log *l, int64_t end,
                      int64_t epoch_ns, enum why why) {
    struct side *s = &e->sides[l->pace];
    int64_t start = s->since > f->windows[l->pace].start ? s->since : f->windows[l->pace].start;
    const struct owed *o = owed_to(e, l);
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

/* All logs of a pace; `leaving` (NULL: none) is one that ends. */
static void write_side(struct flowlog *f, struct eni *e, enum flowlog_pace pace,
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
    now_empty(f, e, pace);
}

static void write_early(struct flowlog *f, struct eni *e, int64_t now, int64_t epoch_ns) {
    for (enum flowlog_pace k = 0; k < PACES; k++)
        if (e->sides[k].table.n)
            write_side(f, e, k, NULL, now, epoch_ns, EARLY);
}

/* No room for more: writes tables until half of it is free, each in its turn. */
static void make_room(struct flowlog *f, int64_t now, int64_t epoch_ns) {
    for (unsigned n = HASH_COUNT(f->enis); n && f->stats.held > f->o.records_max / 2; n--) {
        struct eni *e = f->early_at ? f->early_at : TAILQ_FIRST(&f->list);

        f->early_at = TAILQ_NEXT(e, link);
        f->stats.early += (uint64_t) !!e->sides[FAST].table.n + (uint64_t) !!e->sides[SLOW].table.n;
        write_early(f, e, now, epoch_ns);
    }
}

/* ---- interfaces ---- */

static int gateway_link(struct flowlog *f, struct eni *e) {
    struct eni **slot;

    if (!f->gateways)
        f->gateways = calloc(GATEWAY_KEYS, sizeof(*f->gateways));
    if (!f->gateways)
        return -ENOMEM;
    slot = &f->gateways[e->gateway & (GATEWAY_KEYS - 1)];
    e->same_key = *slot;
    *slot = e;
    return 0;
}

static void gateway_unlink(struct flowlog *f, const struct eni *e) {
    struct eni **at = &f->gateways[e->gateway & (GATEWAY_KEYS - 1)];

    while (*at != e)
        at = &(*at)->same_key;
    *at = e->same_key;
}

static bool same_ips(const struct ip *a, const struct ip *b, unsigned n) {
    return n == 0 || memcmp(a, b, n * sizeof(*a)) == 0;
}

static bool same_info(const struct flowlog_eni *a, const struct flowlog_eni *b) {
    return strcmp(a->instance, b->instance) == 0 && ip_equal(&a->primary, &b->primary) &&
           a->n_addresses6 == b->n_addresses6 && a->n_prefixes6 == b->n_prefixes6 &&
           a->n_nat == b->n_nat && same_ips(a->addresses6, b->addresses6, a->n_addresses6) &&
           same_ips(a->nat_private, b->nat_private, a->n_nat) &&
           same_ips(a->nat_public, b->nat_public, a->n_nat) &&
           (a->n_prefixes6 == 0 ||
            memcmp(a->prefixes6, b->prefixes6, a->n_prefixes6 * sizeof(*a->prefixes6)) == 0);
}

int flowlog_eni(struct flowlog *f, uint32_t number, uint32_t vpc, uint32_t gateway,
                struct flowlog_eni *info, int64_t now, int64_t epoch_ns) {
    struct eni *e = eni_find(f, number);

    if (e) {
        if (!same_info(&e->info, info))
            write_early(f, e, now, epoch_ns);
        flowlog_eni_free(&e->info);
        e->info = *info;
        e->gone = false;
        return 0;
    }
    e = calloc(1, sizeof(*e));
    if (!e) {
        flowlog_eni_free(info);
        return -ENOMEM;
    }
    *e = (struct eni){.number = number, .vpc = vpc, .gateway = gateway, .info = *info};
    SLIST_INIT(&e->owed);
    if (gateway && gateway_link(f, e) < 0) {
        flowlog_eni_free(info);
        free(e);
        return -ENOMEM;
    }
    e->gen = f->gen - 1;
    HASH_ADD(hh, f->enis, number, sizeof(e->number), e);
    TAILQ_INSERT_TAIL(&f->list, e, link);
    look_up(f, e, now);
    return 0;
}

void flowlog_eni_gone(struct flowlog *f, uint32_t number) {
    struct eni *e = eni_find(f, number);

    if (e)
        e->gone = true;
}

static void eni_free(struct flowlog *f, struct eni *e) {
    struct owed *o;

    for (enum flowlog_pace k = 0; k < PACES; k++) {
        if (f->windows[k].at == e)
            f->windows[k].at = TAILQ_NEXT(e, link);
        f->stats.held -= e->sides[k].table.n;
        flowlog_table_free(&e->sides[k].table);
    }
    if (f->early_at == e)
        f->early_at = NULL;
    if (e->gateway)
        gateway_unlink(f, e);
    while ((o = SLIST_FIRST(&e->owed))) {
        SLIST_REMOVE_HEAD(&e->owed, link);
        free(o);
    }
    HASH_DEL(f->enis, e);
    TAILQ_REMOVE(&f->list, e, link);
    flowlog_eni_free(&e->info);
    free(e);
}

void flowlog_eni_forget(struct flowlog *f, uint32_t number, int64_t now, int64_t epoch_ns) {
    struct eni *e = eni_find(f, number);

    if (!e)
        return;
    e->gone = true;
    for (enum flowlog_pace k = 0; k < PACES; k++)
        if (e->sides[k].wanted)
            write_side(f, e, k, NULL, now, epoch_ns, LEAVES);
    eni_free(f, e);
}

bool flowlog_eni_covered(struct flowlog *f, uint32_t number) {
    struct eni *e = eni_find(f, number);

    return e && is_covered(e);
}

/* ---- logs ---- */

/* Whatever is of this resource writes what it has at this pace. */
static void cut(struct flowlog *f, const struct resource *r, enum flowlog_pace pace,
                const struct log *leaving, int64_t now, int64_t epoch_ns) {
    struct eni *e;

    TAILQ_FOREACH (e, &f->list, link) {
        if (strcmp(e->info.id, r->id) != 0 && strcmp(e->info.subnet, r->id) != 0 &&
            strcmp(e->info.vpc, r->id) != 0)
            continue;
        if (e->sides[pace].table.n || (leaving && e->sides[pace].lost))
            write_side(f, e, pace, leaving, now, epoch_ns, EARLY);
    }
}

static void look_all_up(struct flowlog *f, int64_t now) {
    struct eni *e;

    f->gen++;
    TAILQ_FOREACH (e, &f->list, link)
        look_up(f, e, now);
}

static void log_free(struct log *l) {
    free(l->region);
    free(l->destination);
    free(l->header);
    free(l);
}

static struct resource *resource_make(struct flowlog *f, const char *id) {
    struct resource *r = resource_find(f, id);

    if (r || !(r = calloc(1, sizeof(*r))))
        return r;
    LIST_INIT(&r->logs);
    strncpy(r->id, id, sizeof(r->id) - 1);
    HASH_ADD_STR(f->resources, id, r);
    return r;
}

static void resource_tidy(struct flowlog *f, struct resource *r) {
    if (!LIST_EMPTY(&r->logs))
        return;
    HASH_DEL(f->resources, r);
    free(r);
}

int flowlog_log(struct flowlog *f, const struct flowlog_log *spec, int64_t now, int64_t epoch_ns) {
    _buf_ struct buf header = BUF_INIT;
    struct resource *r;
    struct log *l;

    if (flowlog_log_known(f, spec->id))
        return 0;
    l = calloc(1, sizeof(*l));
    if (!l)
        return -ENOMEM;
    if (strlen(spec->id) >= sizeof(l->id) || flowlog_format_parse(spec->format, &l->format) < 0) {
        free(l);
        return -EINVAL;
    }
    strcpy(l->id, spec->id);
    flowlog_format_header(&l->format, &header);
    l->account = spec->account;
    l->region = strdup(spec->region);
    l->destination = strdup(spec->destination);
    l->header = buf_take(&header);
    l->traffic = spec->traffic;
    l->destination_type = spec->destination_type;
    l->pace = (uint8_t)spec->pace;
    l->hive = spec->hive;
    l->per_hour = spec->per_hour;
    r = l->region && l->destination && l->header ? resource_make(f, spec->resource) : NULL;
    if (!r) {
        log_free(l);
        return -ENOMEM;
    }
    cut(f, r, l->pace, NULL, now, epoch_ns);
    l->resource = r;
    LIST_INSERT_HEAD(&r->logs, l, link);
    HASH_ADD_STR(f->logs, id, l);
    look_all_up(f, now);
    return 0;
}

/* Nobody is left who could be told. */
static void forgive(struct flowlog *f, const struct log *l) {
    struct eni *e;
    struct owed *o;

    TAILQ_FOREACH (e, &f->list, link) {
        o = owed_to(e, l);
        if (!o)
            continue;
        SLIST_REMOVE(&e->owed, o, owed, link);
        free(o);
        now_empty(f, e, l->pace);
    }
}

void flowlog_log_gone(struct flowlog *f, const char *id, int64_t now, int64_t epoch_ns) {
    struct log *l;

    HASH_FIND_STR(f->logs, id, l);
    if (!l)
        return;
    cut(f, l->resource, l->pace, l, now, epoch_ns);
    forgive(f, l);
    HASH_DEL(f->logs, l);
    LIST_REMOVE(l, link);
    resource_tidy(f, l->resource);
    log_free(l);
    look_all_up(f, now);
}

bool flowlog_log_known(const struct flowlog *f, const char *id) {
    struct log *l;

    HASH_FIND_STR(f->logs, id, l);
    return l;
}

/* ---- in ---- */

static const struct flowlog_eni *who_eni(void *arg, uint32_t number) {
    struct flowlog *f = arg;
    const struct eni *e = eni_find(f, number);

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
        hold(f, e, k, now);
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
        struct eni *e = eni_find(f, at[i].eni);

        if (e && is_covered(e))
            add_record(f, e, &at[i].record, now);
    }
    if (f->stats.held > f->o.records_max)
        make_room(f, now, epoch_ns);
}

static void eni_lost(struct flowlog *f, struct eni *e, enum flowlog_pace pace, int64_t since) {
    for (enum flowlog_pace k = 0; k < PACES; k++) {
        struct side *s = &e->sides[k];

        if (!s->wanted || (pace != PACES && k != pace))
            continue;
        s->lost = true;
        if (since && (!s->lost_at || since < s->lost_at))
            s->lost_at = since;
        hold(f, e, k, since ? since : f->windows[k].start);
    }
}

void flowlog_lost(struct flowlog *f, uint32_t number, enum flowlog_pace pace, int64_t since) {
    struct eni *e;

    if (!(number & LOG_GATEWAY_KEY)) {
        e = eni_find(f, number);
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
        write_side(f, e, pace, NULL, w->end, epoch_ns, ENDED);
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
                write_side(f, e, k, NULL, now, epoch_ns, LEAVES);
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
        eni_free(f, TAILQ_FIRST(&f->list));
    HASH_ITER (hh, f->logs, l, next) {
        HASH_DEL(f->logs, l);
        log_free(l);
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
        s.covered += is_covered(e) && !e->gone;
        for (enum flowlog_pace k = 0; k < PACES; k++)
            s.bytes += flowlog_table_bytes(&e->sides[k].table);
    }
    return s;
}
