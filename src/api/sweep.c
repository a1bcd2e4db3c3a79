/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sweep: terminated instances go an hour after, client tokens a day after, and the oldest ones
 * sooner where an account has too many or too large ones. Without that one account could fill the
 * memory and the disk of everybody faster than an hour passes.
 *
 *     sweep_step    walks all accounts, some at a step; the worker asks once a minute, and again
 *                   at once while there is more to do, with other calls in between
 *     sweep_due     sweeps one account as soon as it left SWEEP_LITTER units, each an object or a
 *                   page of 4 KiB of what it holds: so no account has more than its share and that
 *
 * A step is a call on the state like all others, so it may run again and keeps nothing until it is
 * done. It deletes at most SWEEP_MAX objects; then it has more to do.
 */
#include "api/sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "model/account.h"
#include "model/address.h"
#include "model/gateway.h"
#include "model/instance.h"
#include "model/nat_gateway.h"
#include "model/peering.h"
#include "model/regions.h"

#define LOOK_MAX 5000   /* objects that a step looks at, but for the account that it ends with */
#define ACCOUNT_COST 64 /* of an account without any: it is looked for in each region */

struct litter {
    uint64_t account;
    size_t units;
    UT_hash_handle hh;
};

struct sweep {
    struct state *state;
    struct litter *litter; /* one for each account that ever left any */
    bool due;              /* some account's turn came */
    char after[16]; /* id of the account that the last step ended with; "": all are to come */
};

struct sweep *sweep_new(struct state *state) {
    struct sweep *s = calloc(1, sizeof(*s));

    if (s)
        s->state = state;
    return s;
}

void sweep_free(struct sweep *s) {
    struct litter *l, *tmp;

    if (!s)
        return;
    HASH_ITER (hh, s->litter, l, tmp) {
        HASH_DEL(s->litter, l);
        free(l);
    }
    free(s);
}

/* One account */

struct item {
    const struct obj *obj;
    int64_t time; /* since when it is of no use */
    size_t bytes;
};

struct rule {
    enum kind kind;
    bool (*is)(const void *obj, struct item *ret_item); /* false: it is still in use */
    int64_t kept_ms;
    size_t max;
};

static bool is_terminated(const void *obj, struct item *ret_item) {
    const struct instance *i = obj;

    if (i->state != INSTANCE_TERMINATED)
        return false;
    ret_item->time = i->terminated;
    ret_item->bytes = instance_bytes(i);
    return true;
}

static bool is_token(const void *obj, struct item *ret_item) {
    const struct token *t = obj;

    ret_item->time = t->created;
    ret_item->bytes = t->reply.len;
    return true;
}

static bool ended(int64_t time, const void *obj, struct item *ret_item) {
    _buf_ struct buf document = BUF_INIT;

    if (!time)
        return false;
    obj_encode(obj, &document);
    ret_item->time = time;
    ret_item->bytes = document.len;
    return true;
}

static bool is_past_nat_gateway(const void *obj, struct item *ret_item) {
    const struct nat_gateway *g = obj;

    return ended(g->state == NAT_FAILED ? g->created : g->deleted, obj, ret_item);
}

static bool is_past_vpn_gateway(const void *obj, struct item *ret_item) {
    return ended(((const struct vpn_gateway *)obj)->deleted, obj, ret_item);
}

static bool is_past_customer_gateway(const void *obj, struct item *ret_item) {
    return ended(((const struct customer_gateway *)obj)->deleted, obj, ret_item);
}

static bool is_past_peering(const void *obj, struct item *ret_item) {
    return ended(peering_gone(obj, time_ms()), obj, ret_item);
}

static bool is_transfer(const void *obj, struct item *ret_item) {
    const struct address_transfer *t = obj;

    ret_item->time = t->accepted ? t->accepted : t->expires;
    return true;
}

static const struct rule rules[] = {
    {KIND_INSTANCE, is_terminated, TERMINATED_KEPT_MS, TERMINATED_MAX},
    {KIND_TOKEN, is_token, TOKEN_KEPT_MS, TOKENS_MAX},
    {KIND_NAT_GATEWAY, is_past_nat_gateway, GATEWAY_KEPT_MS, TERMINATED_MAX},
    {KIND_VPN_GATEWAY, is_past_vpn_gateway, GATEWAY_KEPT_MS, TERMINATED_MAX},
    {KIND_CUSTOMER_GATEWAY, is_past_customer_gateway, GATEWAY_KEPT_MS, TERMINATED_MAX},
    {KIND_PEERING, is_past_peering, 0, TERMINATED_MAX},
    {KIND_ADDRESS_TRANSFER, is_transfer, TRANSFER_KEPT_MS, TRANSFERS_MAX},
};

static int newest_first(const void *a, const void *b) {
    const struct item *x = a, *y = b;

    return x->time != y->time ? (x->time < y->time ? 1 : -1) : strcmp(x->obj->id, y->obj->id);
}

/* What one step has done so far. */
struct step {
    size_t looked, deleted;
    bool more;
};

/* Deletes what is beyond its time or the account's share, the oldest first. */
static void delete_old(struct txn *t, const struct rule *rule, struct list *items, int64_t now,
                       struct step *step) {
    size_t keep = 0, bytes = 0;

    if (items->n)
        qsort(items->items, items->n, sizeof(struct item), newest_first);
    for (; keep < items->n && keep < rule->max; keep++) {
        const struct item *i = list_at(*items, struct item, keep);

        bytes += i->bytes;
        if (i->time + rule->kept_ms < now || bytes > SWEEP_BYTES_MAX)
            break;
    }
    for (size_t i = items->n; i > keep; i--) {
        if (step->deleted == SWEEP_MAX) {
            step->more = true;
            return;
        }
        txn_delete(t, list_at(*items, struct item, i - 1)->obj);
        step->deleted++;
    }
}

static void sweep_account(struct txn *t, uint64_t account, struct step *step) {
    step->looked += ACCOUNT_COST;
    for (size_t k = 0; k < ARRAY_SIZE(rules); k++) {
        struct list items = {0};
        struct cursor cur;

        for (uint16_t region = 1; region <= region_count(); region++) {
            const struct scope scope = {.account = account, .region = region};

            index_each_in(txn_index(t), cur, rules[k].kind, scope) {
                struct item item = {.obj = cur.obj}, *slot;

                step->looked++;
                if (!rules[k].is(cur.obj, &item))
                    continue;
                slot = list_add(&items, sizeof(item));
                if (!slot)
                    break; /* the next sweep finds what is left out */
                *slot = item;
            }
        }
        delete_old(t, &rules[k], &items, time_ms(), step);
        free(items.items);
    }
}

/* The accounts whose turn came */

struct due {
    struct sweep *sweep;
    uint64_t account;
    struct step step;
};

static int due_run(struct txn *t, void *arg) {
    struct due *d = arg;

    d->step = (struct step){0};
    sweep_account(t, d->account, &d->step);
    return 0;
}

static void due_done(void *arg, int status) {
    struct due *d = arg;

    /* What could not be deleted is found again by the next sweep. */
    if (status == 0 && d->step.more) {
        sweep_litter(d->sweep, d->account, SWEEP_LITTER * 4096);
        sweep_due(d->sweep);
    }
    free(d);
}

void sweep_litter(struct sweep *s, uint64_t account, size_t bytes) {
    struct litter *l;

    HASH_FIND(hh, s->litter, &account, sizeof(account), l);
    if (!l) {
        l = calloc(1, sizeof(*l));
        if (!l)
            return;
        l->account = account;
        HASH_ADD(hh, s->litter, account, sizeof(account), l);
    }
    l->units += 1 + bytes / 4096;
    s->due |= l->units >= SWEEP_LITTER;
}

void sweep_due(struct sweep *s) {
    struct litter *l, *tmp;

    if (!s->due)
        return;
    s->due = false;
    HASH_ITER (hh, s->litter, l, tmp) {
        struct due *d = l->units >= SWEEP_LITTER ? calloc(1, sizeof(*d)) : NULL;

        if (!d)
            continue;
        l->units = 0;
        *d = (struct due){.sweep = s, .account = l->account};
        state_call(s->state, due_run, due_done, d);
    }
}

/* All accounts */

struct walk {
    struct sweep *sweep;
    void (*done)(void *arg, bool more);
    void *arg;
    char after[16];
    struct step step;
};

static int walk_run(struct txn *t, void *arg) {
    static const struct scope nobody;
    struct walk *w = arg;
    struct cursor cur;
    bool more;

    w->step = (struct step){0};
    snprintf(w->after, sizeof(w->after), "%s", w->sweep->after);
    more = cursor_in(txn_index(t), &cur, KIND_ACCOUNT, nobody, w->after);
    for (; more && w->step.looked < LOOK_MAX; more = cursor_next(&cur)) {
        const struct obj *account = cur.obj;

        sweep_account(t, strtoull(account->id, NULL, 10), &w->step);
        if (w->step.more)
            return 0; /* with the same account again */
        snprintf(w->after, sizeof(w->after), "%s", account->id);
    }
    w->step.more = more;
    return 0;
}

static void walk_done(void *arg, int status) {
    struct walk *w = arg;
    bool more = status == 0 && w->step.more;

    snprintf(w->sweep->after, sizeof(w->sweep->after), "%s", more ? w->after : "");
    w->done(w->arg, more);
    free(w);
}

void sweep_step(struct sweep *s, void (*done)(void *arg, bool more), void *arg) {
    struct walk *w = calloc(1, sizeof(*w));

    if (!w) {
        done(arg, false);
        return;
    }
    *w = (struct walk){.sweep = s, .done = done, .arg = arg};
    state_call(s->state, walk_run, walk_done, w);
}
