/* SPDX-License-Identifier: Apache-2.0 */
/* The windows' interfaces and logs, and which log is of which interface. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "flowlog/window_private.h"

struct eni *window_eni_find(const struct flowlog *f, uint32_t number) {
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

struct log *window_log_from(const struct flowlog *f, const struct eni *e, unsigned *level,
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

bool window_is_covered(const struct eni *e) {
    return e->sides[FAST].wanted || e->sides[SLOW].wanted;
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
    struct eni *e = window_eni_find(f, number);

    if (e) {
        if (!same_info(&e->info, info))
            window_write_early(f, e, now, epoch_ns);
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
    struct eni *e = window_eni_find(f, number);

    if (e)
        e->gone = true;
}

void window_eni_free(struct flowlog *f, struct eni *e) {
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
    struct eni *e = window_eni_find(f, number);

    if (!e)
        return;
    e->gone = true;
    for (enum flowlog_pace k = 0; k < PACES; k++)
        if (e->sides[k].wanted)
            window_write_side(f, e, k, NULL, now, epoch_ns, LEAVES);
    window_eni_free(f, e);
}

bool flowlog_eni_covered(struct flowlog *f, uint32_t number) {
    struct eni *e = window_eni_find(f, number);

    return e && window_is_covered(e);
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
            window_write_side(f, e, pace, leaving, now, epoch_ns, EARLY);
    }
}

static void look_all_up(struct flowlog *f, int64_t now) {
    struct eni *e;

    f->gen++;
    TAILQ_FOREACH (e, &f->list, link)
        look_up(f, e, now);
}

void window_log_free(struct log *l) {
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
        window_log_free(l);
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
        o = window_owed_to(e, l);
        if (!o)
            continue;
        SLIST_REMOVE(&e->owed, o, owed, link);
        free(o);
        window_now_empty(f, e, l->pace);
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
    window_log_free(l);
    look_all_up(f, now);
}

bool flowlog_log_known(const struct flowlog *f, const char *id) {
    struct log *l;

    HASH_FIND_STR(f->logs, id, l);
    return l;
}
