/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation.
 *
 * Two queues under one lock: `waiting` (loop to committer) and `done` (committer to loop, announced
 * through an eventfd). The committer takes all that waits, within GROUP_TXNS and GROUP_BYTES, hands
 * it to the engine as one group, and puts what comes out behind `done`: one queue for completions
 * and for changes by others, so that their order is the order in which they happened.
 *
 * Who is cancelled is decided by epochs, without a race between the two threads. The loop stamps
 * each transaction with its epoch; store_resume begins the next one, but only once a failure was
 * delivered. When a transaction fails, the committer cancels everything of that epoch that it meets
 * from then on. What is stamped with a newer epoch was submitted after the resume. Within one group
 * all transactions that are not cancelled have the same epoch: a newer one exists only after a
 * failure.
 *
 * States of the loop's side: running -> (failure delivered) halted -> (resume) running;
 * any -> (engine dead) dead; any -> (free) closing.
 */
#include "store/pipeline.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/cleanup.h"

#define GROUP_TXNS 1024
#define GROUP_BYTES (16 * 1024 * 1024)

struct pipeline {
    const struct pipeline_engine *engine;
    void *engine_arg;
    struct store_options options;
    struct store_limits limits;

    pthread_t thread;
    bool started;
    int efd;
    struct event *event;

    /* Under the lock. */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct store_txn_list waiting;
    struct store_txn_list done;
    bool stop;

    /* The loop's. */
    uint64_t epoch;
    bool halted, closing, dead;
    char error[STORE_TEXT];
    size_t in_flight, in_flight_bytes;
    struct store_stats stats;

    /* The committer's. */
    uint64_t halted_epoch; /* this one and all before are cancelled; UINT64_MAX: dead */
    atomic_uint_fast64_t commits, largest_group;
};

/* ---- the committer's side ---- */

/* Takes from `list` what makes up the next group; what is cancelled goes to `out`. */
static size_t group_take(struct pipeline *p, struct store_txn_list *list,
                         struct store_txn_list *out, struct store_txn **group) {
    struct store_txn *t;
    size_t n = 0, bytes = 0;

    while (n < GROUP_TXNS && bytes < GROUP_BYTES && (t = TAILQ_FIRST(list))) {
        TAILQ_REMOVE(list, t, link);
        if (t->epoch <= p->halted_epoch) {
            t->status = -ECANCELED;
            TAILQ_INSERT_TAIL(out, t, link);
            continue;
        }
        group[n++] = t;
        bytes += t->bytes.len;
    }
    return n;
}

static bool txn_writes(const struct store_txn *t) {
    for (size_t i = 0; i < t->n; i++)
        if (t->ops[i].kind != STORE_CHECK)
            return true;
    return false;
}

static void group_count(struct pipeline *p, struct store_txn *const *group, size_t applied) {
    bool wrote = false;

    for (size_t i = 0; i < applied && !wrote; i++)
        wrote = txn_writes(group[i]);
    if (wrote)
        atomic_fetch_add(&p->commits, 1);
    if (applied > atomic_load(&p->largest_group))
        atomic_store(&p->largest_group, applied);
}

/* Applies one group; what was neither applied nor refused goes back to the head of `list`. */
static void group_run(struct pipeline *p, struct store_txn **group, size_t n,
                      struct store_txn_list *list, struct store_txn_list *out) {
    size_t finished = p->engine->commit(p->engine_arg, group, n);

    group_count(p, group, finished);
    if (finished < n && group[finished]->status) {
        p->halted_epoch = group[finished]->dead ? UINT64_MAX : group[finished]->epoch;
        finished++;
    }
    for (size_t i = 0; i < finished; i++)
        TAILQ_INSERT_TAIL(out, group[i], link);
    for (; n > finished; n--) /* the macro evaluates its arguments more than once */
        TAILQ_INSERT_HEAD(list, group[n - 1], link);
}

static void poll_others(struct pipeline *p, struct store_txn_list *out) {
    struct store_txn *note = store_txn_new(NULL, NULL);

    if (!note)
        return; /* the next poll finds the same */
    p->engine->poll(p->engine_arg, note);
    if (note->dead)
        p->halted_epoch = UINT64_MAX;
    if (note->dead || note->others.n)
        TAILQ_INSERT_TAIL(out, note, link);
    else
        store_txn_free(note);
}

static void deliver_later(struct pipeline *p, struct store_txn_list *out) {
    uint64_t one = 1;

    if (TAILQ_EMPTY(out))
        return;
    pthread_mutex_lock(&p->lock);
    TAILQ_CONCAT(&p->done, out, link);
    pthread_mutex_unlock(&p->lock);
    /* Cannot fail but for a counter that is full, and then the loop is awake already. */
    if (write(p->efd, &one, sizeof(one)) < 0)
        return;
}

/* Waits until there is work or the next poll is due; moves what waits to `list`. False: the end. */
static bool committer_wait(struct pipeline *p, struct store_txn_list *list) {
    struct timespec until;
    bool more;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)p->engine->poll_ms * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&p->lock);
    while (!p->stop && TAILQ_EMPTY(&p->waiting)) {
        if (!p->engine->poll_ms)
            pthread_cond_wait(&p->wake, &p->lock);
        else if (pthread_cond_timedwait(&p->wake, &p->lock, &until) == ETIMEDOUT)
            break;
    }
    more = !p->stop || !TAILQ_EMPTY(&p->waiting);
    TAILQ_CONCAT(list, &p->waiting, link);
    pthread_mutex_unlock(&p->lock);
    return more;
}

static void *committer(void *arg) {
    struct pipeline *p = arg;
    struct store_txn *group[GROUP_TXNS];
    struct store_txn_list list = TAILQ_HEAD_INITIALIZER(list);

    while (committer_wait(p, &list)) {
        struct store_txn_list out = TAILQ_HEAD_INITIALIZER(out);

        if (TAILQ_EMPTY(&list) && p->halted_epoch != UINT64_MAX)
            poll_others(p, &out);
        while (!TAILQ_EMPTY(&list)) {
            size_t n = group_take(p, &list, &out, group);

            if (n)
                group_run(p, group, n, &list, &out);
            deliver_later(p, &out);
        }
        deliver_later(p, &out);
    }
    return NULL;
}

/* ---- the loop's side ---- */

static void count_result(struct store_stats *stats, int status) {
    if (!status)
        stats->txns++;
    else if (status == -EAGAIN)
        stats->conflicts++;
    else if (status == -ECANCELED)
        stats->canceled++;
    else
        stats->failed++;
}

static void deliver_docs(struct pipeline *p, const struct doc_list *docs) {
    if (docs->n && p->options.watch)
        p->options.watch(p->options.watch_arg, docs->docs, docs->n);
}

static void deliver_result(struct pipeline *p, const struct store_txn *t) {
    struct store_result result = {.status = t->status,
                                  .text = t->text ? t->text : store_strerror(t->status)};

    if (t->status == -EAGAIN)
        result.key = txn_key(t, &t->ops[t->conflict]);
    if (t->status && t->status != -ECANCELED)
        p->halted = true;
    p->in_flight--;
    p->in_flight_bytes -= t->bytes.len;
    count_result(&p->stats, t->status);
    t->done(t->arg, &result);
}

static void deliver_one(struct pipeline *p, struct store_txn *t) {
    if (t->dead) {
        p->dead = true;
        snprintf(p->error, sizeof(p->error), "%s", t->text ? t->text : "the store has failed");
    }
    deliver_docs(p, &t->others);
    deliver_docs(p, &t->conflicts);
    if (t->done)
        deliver_result(p, t);
    store_txn_free(t);
}

static void deliver(struct pipeline *p) {
    struct store_txn_list list = TAILQ_HEAD_INITIALIZER(list);
    struct store_txn *t;

    pthread_mutex_lock(&p->lock);
    TAILQ_CONCAT(&list, &p->done, link);
    pthread_mutex_unlock(&p->lock);
    while ((t = TAILQ_FIRST(&list))) {
        TAILQ_REMOVE(&list, t, link);
        deliver_one(p, t);
    }
}

static void on_done(evutil_socket_t fd, short what, void *arg) {
    uint64_t count;

    if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
        return;
    deliver(arg);
}

int pipeline_new(struct event_base *base, const struct pipeline_engine *engine, void *arg,
                 const struct store_options *options, const struct store_limits *limits,
                 struct pipeline **ret_pipeline) {
    struct pipeline *p = calloc(1, sizeof(*p));
    pthread_condattr_t attr;

    if (!p)
        return -ENOMEM;
    p->engine = engine;
    p->engine_arg = arg;
    p->options = *options;
    p->limits = *limits;
    p->epoch = 1;
    TAILQ_INIT(&p->waiting);
    TAILQ_INIT(&p->done);
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->wake, &attr);
    pthread_condattr_destroy(&attr);
    p->efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->efd >= 0)
        p->event = event_new(base, p->efd, EV_READ | EV_PERSIST, on_done, p);
    if (!p->event || event_add(p->event, NULL) < 0) {
        pipeline_free(p);
        return -ENOMEM;
    }
    *ret_pipeline = p;
    return 0;
}

int pipeline_start(struct pipeline *p) {
    int r = pthread_create(&p->thread, NULL, committer, p);

    if (r)
        return -r;
    p->started = true;
    return 0;
}

void pipeline_free(struct pipeline *p) {
    if (!p)
        return;
    p->closing = true;
    if (p->started) {
        pthread_mutex_lock(&p->lock);
        p->stop = true;
        pthread_cond_signal(&p->wake);
        pthread_mutex_unlock(&p->lock);
        pthread_join(p->thread, NULL);
        deliver(p);
    }
    if (p->event)
        event_free(p->event);
    if (p->efd >= 0)
        close(p->efd);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

static int submit_allowed(const struct pipeline *p, const struct store_txn *txn) {
    if (p->closing)
        return -ESHUTDOWN;
    if (p->dead)
        return -ENOTRECOVERABLE;
    if (!p->started)
        return -EINVAL;
    if (p->in_flight >= p->limits.in_flight ||
        p->in_flight_bytes + txn->bytes.len > p->limits.in_flight_bytes)
        return -EBUSY;
    return 0;
}

int pipeline_submit(struct pipeline *p, struct store_txn *txn) {
    int r = submit_allowed(p, txn);

    if (r < 0) {
        store_txn_free(txn);
        return r;
    }
    txn->epoch = p->epoch;
    p->in_flight++;
    p->in_flight_bytes += txn->bytes.len;
    pthread_mutex_lock(&p->lock);
    if (TAILQ_EMPTY(&p->waiting))
        pthread_cond_signal(&p->wake);
    TAILQ_INSERT_TAIL(&p->waiting, txn, link);
    pthread_mutex_unlock(&p->lock);
    return 0;
}

int pipeline_resume(struct pipeline *p) {
    if (p->dead)
        return -ENOTRECOVERABLE;
    if (p->halted) {
        p->halted = false;
        p->epoch++;
    }
    return 0;
}

void pipeline_stats(const struct pipeline *p, struct store_stats *ret_stats) {
    *ret_stats = p->stats;
    ret_stats->commits = atomic_load(&p->commits);
    ret_stats->largest_group = atomic_load(&p->largest_group);
    ret_stats->in_flight = p->in_flight;
}

const char *pipeline_error(const struct pipeline *p) {
    return p->dead ? p->error : NULL;
}
