/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How it works: see the head of txn.h. In short,
 *
 *     index    always holds the newest view: what is on disk and the writes of all queued calls
 *     queue    calls in their order, each with its txn (what it wrote: before and after)
 *     store    the same transactions, in the same order
 *
 * An entry whose transaction the store reported is `durable`; entries leave the queue from its head
 * while they are durable or wrote nothing. Taking back is done from the tail to the head, so that
 * every write finds the index as it left it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "store/txn_internal.h"

struct entry {
    TAILQ_ENTRY(entry) link;
    struct state *state;
    struct txn txn;
    state_run_fn *run;
    state_done_fn *done;
    void *arg;
    int runs;
    int status;
    bool in_store; /* its transaction was submitted and is not yet reported */
    bool finished; /* nothing to wait for but those before it */
};

TAILQ_HEAD(entries, entry);

struct state {
    struct index *ix;
    struct store *store;
    struct entries queue;
    uint64_t epoch;
    bool draining;
    state_change_fn *change;
    void *change_arg;
};

/* What the store holds of an entry: outlives the entry's run. */
struct ticket {
    struct state *state;
    struct entry *entry; /* valid while the epoch is still the same */
    uint64_t epoch;
};

/* Calls */

static void completed(void *arg, const struct store_result *result);
static void drain(struct state *s);

/* The run's writes, and the versions of what it read, as one transaction of the store. */
static int submit(struct entry *e) {
    struct state *s = e->state;
    struct ticket *ticket = malloc(sizeof(*ticket));
    struct store_txn *st = ticket ? store_txn_new(completed, ticket) : NULL;
    struct write *w, *tmp, *own;
    struct dependency *d, *next;
    _buf_ struct buf doc = BUF_INIT;
    char key[OBJ_KEY_MAX];
    int r;

    if (!st) {
        free(ticket);
        return -ENOMEM;
    }
    *ticket = (struct ticket){.state = s, .entry = e, .epoch = s->epoch};
    HASH_ITER (hh, e->txn.writes, w, tmp) {
        uint64_t expect = w->before ? w->before->version : 0;

        buf_reset(&doc);
        if (w->after) {
            obj_encode(w->after, &doc);
            store_txn_put(st, w->key, expect, buf_str(&doc), doc.len);
        } else if (w->before) {
            store_txn_delete(st, w->key, expect);
        } else {
            store_txn_check(st, w->key, 0); /* created and deleted in one run */
        }
        if (doc.failed) {
            store_txn_free(st);
            free(ticket);
            return -ENOMEM;
        }
    }
    HASH_ITER (hh, e->txn.reads, d, next) {
        obj_key(d->obj, key);
        HASH_FIND(hh, e->txn.writes, key, strlen(key), own);
        if (!own)
            store_txn_check(st, key, d->obj->version);
    }
    r = store_submit(s->store, st);
    if (r < 0) {
        free(ticket);
        return r;
    }
    e->in_store = true;
    return 0;
}

static void entry_run(struct entry *e) {
    int r;

    e->txn.ix = e->state->ix;
    e->status = 0;
    e->finished = false;
    e->in_store = false;
    e->runs++;
    r = e->run(&e->txn, e->arg);
    if (e->txn.no_memory)
        e->status = -ENOMEM;
    if (r < 0 || e->txn.no_memory || !e->txn.writes) {
        txn_abort(&e->txn);
        e->finished = true;
        return;
    }
    r = submit(e);
    if (r < 0) {
        txn_abort(&e->txn);
        e->status = r;
        e->finished = true;
    }
}

/* Takes back the writes of all queued calls, the newest first. */
static void queue_undo(struct state *s) {
    struct entry *e;

    TAILQ_FOREACH_REVERSE(e, &s->queue, entries, link) {
        txn_undo(&e->txn);
    }
}

static void queue_rerun(struct state *s) {
    struct entry *e;

    s->epoch++;
    TAILQ_FOREACH (e, &s->queue, link)
        txn_clear(&e->txn);
    if (store_resume(s->store) < 0) {
        TAILQ_FOREACH (e, &s->queue, link) {
            e->status = -EIO;
            e->finished = true;
            e->in_store = false;
        }
        return;
    }
    TAILQ_FOREACH (e, &s->queue, link) {
        if (e->runs >= STATE_RUNS_MAX) {
            e->status = -EAGAIN;
            e->finished = true;
            e->in_store = false;
        } else {
            entry_run(e);
        }
    }
}

static void publish(struct state *s, struct txn *t) {
    struct write *w, *tmp;

    if (!s->change)
        return;
    HASH_ITER (hh, t->writes, w, tmp) {
        s->change(s->change_arg, w->before, w->after, !tmp);
    }
}

static void completed(void *arg, const struct store_result *result) {
    struct ticket *ticket = arg;
    struct state *s = ticket->state;
    struct entry *e = ticket->entry;
    bool stale = ticket->epoch != s->epoch;

    free(ticket);
    if (stale)
        return; /* of a run that was taken back */
    e->in_store = false;
    if (result->status == 0) {
        e->finished = true;
        publish(s, &e->txn);
        txn_clear(&e->txn);
    } else {
        /* Only the failed one has an answer; those behind it may have stood on it and run again. */
        queue_undo(s);
        if (result->status != -EAGAIN) {
            e->status = result->status;
            e->runs = STATE_RUNS_MAX;
        }
        if (result->status != -EAGAIN && result->status != -ECANCELED)
            log_error("store: %s", result->text);
        queue_rerun(s);
        if (result->status != -EAGAIN)
            e->status = result->status;
    }
    drain(s);
}

static void drain(struct state *s) {
    struct entry *e;

    /* done may call state_call: the queue must be whole then, and the order kept. */
    if (s->draining)
        return;
    s->draining = true;
    while ((e = TAILQ_FIRST(&s->queue)) && e->finished) {
        TAILQ_REMOVE(&s->queue, e, link);
        e->done(e->arg, e->status);
        free(e);
    }
    s->draining = false;
}

void state_call(struct state *s, state_run_fn *run, state_done_fn *done, void *arg) {
    struct entry *e = calloc(1, sizeof(*e));

    if (!e) {
        done(arg, -ENOMEM);
        return;
    }
    *e = (struct entry){.state = s, .run = run, .done = done, .arg = arg};
    entry_run(e);
    TAILQ_INSERT_TAIL(&s->queue, e, link);
    drain(s);
}

/* Other writers */

/* What a conflict reports may be known already. Versions alone do not tell: see store.h. */
static bool same_document(const struct obj *a, const struct obj *b) {
    _buf_ struct buf x = BUF_INIT;
    _buf_ struct buf y = BUF_INIT;

    if (!a || !b || a->version != b->version)
        return false;
    obj_encode(a, &x);
    obj_encode(b, &y);
    return !x.failed && !y.failed && x.len == y.len && memcmp(buf_str(&x), buf_str(&y), x.len) == 0;
}

static void others(void *arg, const struct store_doc *docs, size_t n) {
    struct state *s = arg;
    struct entry *e;

    queue_undo(s);
    for (size_t i = 0; i < n; i++) {
        struct scope scope;
        enum kind k;
        const char *id;
        void *obj = NULL, *old = NULL;

        if (obj_key_parse(docs[i].key, &scope, &k, &id) < 0)
            continue;
        if (docs[i].version) {
            int r = obj_decode(docs[i].key, docs[i].version, docs[i].value, docs[i].len, &obj);

            if (r == -EBADMSG) {
                log_error("store: %s was written by another vpcd and cannot be read", docs[i].key);
                continue;
            }
            txn_must(r);
            txn_must(index_put(s->ix, obj, &old));
        } else {
            old = index_remove(s->ix, k, scope, id);
        }
        if (s->change && (obj || old) && !same_document(old, obj))
            s->change(s->change_arg, old, obj, false);
        obj_unref(old);
        obj_unref(obj);
    }
    if (s->change)
        s->change(s->change_arg, NULL, NULL, true);
    /* The queued calls may still succeed: their transactions are on the way. */
    TAILQ_FOREACH (e, &s->queue, link)
        txn_redo(&e->txn);
}

void state_settled(struct state *s, void (*fn)(void *arg, const struct index *ix), void *arg) {
    struct entry *e;

    queue_undo(s);
    fn(arg, s->ix);
    TAILQ_FOREACH (e, &s->queue, link)
        txn_redo(&e->txn);
}

/* Objects are decoded in the order in which they come and put into the index in that of their keys,
 * which is much the faster one there. */
struct loading {
    void **objects; /* by place; NULL: not come yet */
    size_t room;
    char *error;
};

static int load_one(void *arg, const struct store_doc *doc) {
    struct loading *l = arg;
    size_t room = l->room ? l->room : 1024;
    void **objects;
    int r;

    while (doc->place >= room)
        room *= 2;
    if (room > l->room) {
        objects = reallocarray(l->objects, room, sizeof(*objects));
        if (!objects)
            return -ENOMEM;
        memset(objects + l->room, 0, (room - l->room) * sizeof(*objects));
        l->objects = objects;
        l->room = room;
    }
    r = obj_decode(doc->key, doc->version, doc->value, doc->len, &l->objects[doc->place]);
    if (r < 0)
        snprintf(l->error, STORE_TEXT, "the document %s cannot be read: %s", doc->key,
                 strerror(-r));
    return r;
}

static int load(struct state *s, char *error) {
    struct loading l = {.error = error};
    int r = store_load(s->store, load_one, &l);

    for (size_t i = 0; i < l.room; i++) {
        if (r == 0 && l.objects[i])
            r = index_put(s->ix, l.objects[i], NULL);
        obj_unref(l.objects[i]);
    }
    free(l.objects);
    return r;
}

int state_open(struct event_base *base, const char *spec, const char *dir,
               const struct store_options *options, struct state **ret_state,
               char error[STORE_TEXT]) {
    struct state *s = calloc(1, sizeof(*s));
    struct store_options own = *options;
    int r = -ENOMEM;

    if (!s)
        return -ENOMEM;
    TAILQ_INIT(&s->queue);
    s->ix = index_new();
    own.watch = others;
    own.watch_arg = s;
    if (s->ix)
        r = store_open(base, spec, dir, &own, &s->store, error);
    if (r == 0)
        r = load(s, error);
    if (r < 0) {
        state_close(s);
        return r;
    }
    *ret_state = s;
    return 0;
}

void state_close(struct state *s) {
    struct entry *e;

    if (!s)
        return;
    store_close(s->store);
    while ((e = TAILQ_FIRST(&s->queue))) {
        TAILQ_REMOVE(&s->queue, e, link);
        txn_clear(&e->txn);
        e->done(e->arg, -ESHUTDOWN);
        free(e);
    }
    index_free(s->ix);
    free(s);
}

void state_on_change(struct state *s, state_change_fn *fn, void *arg) {
    s->change = fn;
    s->change_arg = arg;
}

const struct index *state_index(const struct state *s) {
    return s->ix;
}

struct store *state_store(struct state *s) {
    return s->store;
}
