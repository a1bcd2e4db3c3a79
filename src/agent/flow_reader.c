/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread's turn:
 *  1. what the event loop queued, up to its last flow_reader_settled. Where more is recorded from
 *     now on, or less, the kernel is read first: what was counted before belongs to what was before
 *  2. the rings, when they are half full
 *  3. at a window's end, once: everything that the kernel counted
 *  4. some of the ended windows' batches; then 1 again, so that the rings do not fill meanwhile
 *
 * An interface that is gone stays known for LINGER seconds: its flows' rests come with the next
 * reads and sweeps. A clock that is set moves windows, and so the thread looks at it now and then.
 */
#include "agent/flow_reader.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <uthash.h>

#include "agent/flow_held.h"
#include "agent/flow_queue.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "dataplane/flow_log.h"
#include "flowlog/spool.h"
#include "model/field.h"

#define LINGER 150    /* seconds: two sweeps and a window */
#define BUDGET 20000  /* records that one turn writes */
#define LOOK_MS 10000 /* at the clock */

/* An interface as the kernel is asked for it. */
struct known {
    uint32_t number, gateway;
    char id[32];
    bool asked;
    int64_t gone; /* when; 0: it is there */
    UT_hash_handle hh, by_id;
};

struct flow_reader {
    struct flow_reader_options o;
    pthread_t thread;
    bool running;
    int wake;
    pthread_mutex_t queue_lock, sweep_lock, status_lock;
    struct flow_commands queue;
    atomic_bool short_of_memory; /* for a command: it is missing */
    atomic_bool end;
    /* For flow_reader_status; under its lock. */
    struct flowlog_stats stats;
    struct spool_stats spool_stats;
    uint64_t reads, read_ns, read_ns_most;
    /* The thread's own. */
    struct flowlog *windows;
    struct flow_log *log; /* NULL until the first change is whole */
    struct flow_held *held;
    struct spool *spool;
    struct known *known, *known_by_id;
    uint32_t asked;
    int64_t now, epoch_ns; /* of this turn */
    int64_t gone;          /* when the last interface went; 0: none that is still known */
    int64_t read_soon;     /* 0: no; else when: a gone interface's device is gone then, too */
    int spool_error, read_error;
    bool window_read; /* for the window that is being written */
};

/* ---- the queue's other end ---- */

static void wake(struct flow_reader *r) {
    uint64_t one = 1;

    if (write(r->wake, &one, sizeof(one)) < 0)
        log_warn("the flow log thread cannot be woken: %s", strerror(errno));
}

static void push(struct flow_reader *r, struct flow_command *c) {
    if (!c) {
        atomic_store(&r->short_of_memory, true);
        return;
    }
    pthread_mutex_lock(&r->queue_lock);
    STAILQ_INSERT_TAIL(&r->queue, c, link);
    pthread_mutex_unlock(&r->queue_lock);
    if (c->kind >= FLOW_SETTLED)
        wake(r);
}

void flow_reader_eni(struct flow_reader *r, uint32_t number, uint32_t vpc, uint32_t gateway,
                     struct flowlog_eni *eni) {
    struct flow_command *c = flow_command_new(FLOW_ENI);

    if (c) {
        c->number = number;
        c->vpc = vpc;
        c->gateway = gateway;
        c->eni = *eni;
    } else {
        flowlog_eni_free(eni);
    }
    push(r, c);
}

void flow_reader_eni_gone(struct flow_reader *r, uint32_t number) {
    struct flow_command *c = flow_command_new(FLOW_ENI_GONE);

    if (c)
        c->number = number;
    push(r, c);
}

void flow_reader_log(struct flow_reader *r, const struct flowlog_log *log) {
    push(r, flow_command_log(FLOW_LOG, log));
}

void flow_reader_log_gone(struct flow_reader *r, const char *id) {
    push(r, flow_command_log(FLOW_LOG_GONE, &(struct flowlog_log){.id = id}));
}

void flow_reader_settled(struct flow_reader *r) {
    push(r, flow_command_new(FLOW_SETTLED));
}

void flow_reader_sweep_soon(struct flow_reader *r) {
    push(r, flow_command_new(FLOW_SWEEP));
}

/* ---- the kernel ---- */

static void publish(struct flow_reader *r) {
    struct flowlog_stats stats = flowlog_stats(r->windows);

    pthread_mutex_lock(&r->status_lock);
    r->stats = stats;
    r->spool_stats = spool_stats(r->spool);
    pthread_mutex_unlock(&r->status_lock);
}

static void look_at_clock(struct flow_reader *r) {
    struct timespec real, mono;

    clock_gettime(CLOCK_REALTIME, &real);
    clock_gettime(CLOCK_MONOTONIC, &mono);
    r->now = real.tv_sec;
    r->epoch_ns = (int64_t)(real.tv_sec - mono.tv_sec) * 1000000000 + real.tv_nsec - mono.tv_nsec;
}

static void on_record(const struct log_record *record, void *arg) {
    struct flow_reader *r = arg;

    flowlog_add(r->windows, record, r->now, r->epoch_ns);
}

static void say(int *last, int error, const char *what) {
    if (error < 0 && error != *last)
        log_error("flow logs: %s: %s", what, strerror(-error));
    *last = error;
}

static void read_kernel(struct flow_reader *r) {
    uint64_t begin = mono_ns(), took;

    if (!r->log || !r->asked)
        return;
    flow_held_read_begins(r->held);
    say(&r->read_error, flow_log_read(r->log), "the kernel's counts cannot be read");
    flow_held_read_done(r->held, r->now);
    took = mono_ns() - begin;
    pthread_mutex_lock(&r->status_lock);
    r->reads++;
    r->read_ns = took;
    if (took > r->read_ns_most)
        r->read_ns_most = took;
    pthread_mutex_unlock(&r->status_lock);
}

static bool key_is_asked(const struct flow_reader *r, uint32_t key) {
    for (const struct known *k = r->known; k; k = k->hh.next)
        if (k->asked && (k->number == key || k->gateway == key))
            return true;
    return false;
}

static void ask(struct flow_reader *r, struct known *k) {
    int e = flow_log_ask(r->log, k->number);

    if (e == 0 && k->gateway)
        e = flow_log_ask(r->log, k->gateway);
    if (e < 0) {
        log_error("flow logs: %s is not recorded: %s", k->id, strerror(-e));
        flowlog_lost(r->windows, k->number, FLOWLOG_PACES, 0);
        return;
    }
    k->asked = true;
    r->asked++;
}

static void dismiss(struct flow_reader *r, struct known *k) {
    k->asked = false;
    r->asked--;
    flow_log_dismiss(r->log, k->number);
    if (k->gateway && !key_is_asked(r, k->gateway))
        flow_log_dismiss(r->log, k->gateway);
}

static bool wants_asking(struct flow_reader *r, const struct known *k) {
    return k->asked != flowlog_eni_covered(r->windows, k->number);
}

/* The kernel is asked for just those that are covered. */
static void ask_all(struct flow_reader *r) {
    for (struct known *k = r->known; k; k = k->hh.next)
        if (wants_asking(r, k))
            (k->asked ? dismiss : ask)(r, k);
}

static int note_stale(uint32_t key, void *arg) {
    const struct flow_reader *r = ((void **)arg)[0];
    struct list *stale = ((void **)arg)[1];
    uint32_t *slot = key_is_asked(r, key) ? NULL : list_add(stale, sizeof(*slot));

    if (slot)
        *slot = key;
    return 0;
}

/* Whom the agent before us asked for, and nobody wants any more. */
static void dismiss_stale(struct flow_reader *r) {
    struct list stale = {0};
    void *arg[] = {r, &stale};

    flow_log_asked(r->log, note_stale, arg);
    list_each (uint32_t, key, stale)
        flow_log_dismiss(r->log, *key);
    free(stale.items);
}

/* ---- 1: what the event loop says ---- */

static struct known *known_find(const struct flow_reader *r, uint32_t number) {
    struct known *k;

    HASH_FIND(hh, r->known, &number, sizeof(number), k);
    return k;
}

static void apply_eni(struct flow_reader *r, struct flow_command *c) {
    struct known *k = known_find(r, c->number);
    char id[32];
    int e;

    memcpy(id, c->eni.id, sizeof(id));
    e = flowlog_eni(r->windows, c->number, c->vpc, c->gateway, &c->eni, r->now, r->epoch_ns);
    c->eni = (struct flowlog_eni){0};
    if (e == 0 && !k) {
        k = calloc(1, sizeof(*k));
        if (k) {
            *k = (struct known){.number = c->number, .gateway = c->gateway};
            memcpy(k->id, id, sizeof(id));
            HASH_ADD(hh, r->known, number, sizeof(k->number), k);
            HASH_ADD_KEYPTR(by_id, r->known_by_id, k->id, strlen(k->id), k);
        }
    }
    if (k)
        k->gone = 0;
    else
        log_error("flow logs: memory is short: %s is not recorded", id);
}

static void apply_gone(struct flow_reader *r, uint32_t number) {
    struct known *k = known_find(r, number);

    flowlog_eni_gone(r->windows, number);
    if (!k)
        return;
    k->gone = r->gone = r->now;
    r->read_soon = r->now + 2;
}

static void apply(struct flow_reader *r, struct flow_command *c) {
    uint32_t deleted, live;
    int e;

    switch (c->kind) {
    case FLOW_ENI:
        apply_eni(r, c);
        break;
    case FLOW_ENI_GONE:
        apply_gone(r, c->number);
        break;
    case FLOW_LOG:
        e = flowlog_log(r->windows, &c->log, r->now, r->epoch_ns);
        if (e < 0)
            log_error("flow log %s is not kept: %s", c->log.id, strerror(-e));
        break;
    case FLOW_LOG_GONE:
        flowlog_log_gone(r->windows, c->log.id, r->now, r->epoch_ns);
        break;
    case FLOW_SWEEP:
        flow_reader_sweep(r, &deleted, &live);
        break;
    case FLOW_SETTLED:
        break;
    }
}

/* All up to the last of those that end a change. */
static struct flow_commands take(struct flow_reader *r) {
    struct flow_commands got = STAILQ_HEAD_INITIALIZER(got);
    struct flow_command *c, *last = NULL;
    uint64_t count;

    if (read(r->wake, &count, sizeof(count)) < 0 && errno != EAGAIN)
        log_warn("flow logs: %s", strerror(errno));
    pthread_mutex_lock(&r->queue_lock);
    STAILQ_FOREACH (c, &r->queue, link)
        if (c->kind >= FLOW_SETTLED)
            last = c;
    while (last && (c = STAILQ_FIRST(&r->queue))) {
        STAILQ_REMOVE_HEAD(&r->queue, link);
        STAILQ_INSERT_TAIL(&got, c, link);
        if (c == last)
            break;
    }
    pthread_mutex_unlock(&r->queue_lock);
    return got;
}

static void cut(const char *id, unsigned pace, int64_t since, void *arg) {
    struct flow_reader *r = arg;
    struct known *k = NULL;

    if (id)
        HASH_FIND(by_id, r->known_by_id, id, strlen(id), k);
    if (k)
        flowlog_lost(r->windows, k->number, pace, since);
    for (k = id ? NULL : r->known; k; k = k->hh.next)
        flowlog_lost(r->windows, k->number, pace, since);
}

/* The first change was whole: the agent before us ends here. */
static void begin(struct flow_reader *r) {
    int e;

    /* Before the first record comes: from then on what is held is ours. */
    flow_held_cut(r->held, cut, r);
    flow_held_tidy(r->held);
    e = flow_log_open(r->o.dp, on_record, r, &r->log);
    if (e < 0) {
        log_error("there are no flow logs: %s", strerror(-e));
        return;
    }
    ask_all(r);
    dismiss_stale(r);
}

static void change(struct flow_reader *r) {
    struct flow_commands got = take(r);
    struct flow_command *c;
    bool sweeps = false, opens = false;

    if (STAILQ_EMPTY(&got))
        return;
    STAILQ_FOREACH (c, &got, link) {
        sweeps |= c->kind == FLOW_SWEEP;
        opens |= c->kind == FLOW_LOG || c->kind == FLOW_LOG_GONE;
    }
    if (sweeps || opens)
        read_kernel(r);
    while ((c = STAILQ_FIRST(&got))) {
        STAILQ_REMOVE_HEAD(&got, link);
        apply(r, c);
        if (c->kind == FLOW_SETTLED && !r->log)
            begin(r);
        flow_command_free(c);
    }
    if (r->log)
        ask_all(r);
    if (atomic_exchange(&r->short_of_memory, false)) {
        log_error("flow logs: memory was short, something was not recorded");
        cut(NULL, FLOWLOG_PACES, 0, r);
    }
    publish(r);
}

/* Those that are gone for long, and have nothing left to tell. */
static void forget_gone(struct flow_reader *r) {
    struct known *k, *next;
    int64_t latest = 0;

    if (!r->gone)
        return;
    HASH_ITER (hh, r->known, k, next) {
        if (!k->gone)
            continue;
        if (r->now - k->gone < LINGER && r->now >= k->gone) {
            latest = k->gone;
            continue;
        }
        flowlog_eni_forget(r->windows, k->number, r->now, r->epoch_ns);
        if (k->asked)
            dismiss(r, k);
        HASH_DEL(r->known, k);
        HASH_DELETE(by_id, r->known_by_id, k);
        free(k);
    }
    r->gone = latest;
}

/* ---- 3, 4: windows ---- */

static int put(void *arg, const struct spool_meta *meta, const char *lines, size_t len) {
    struct flow_reader *r = arg;
    int e = spool_put(r->spool, meta, lines, len);

    say(&r->spool_error, e, "batches cannot be kept in the spool; SKIPDATA will tell");
    return e;
}

static void held(void *arg, uint32_t number, const char *id, enum flowlog_pace pace,
                 int64_t since) {
    struct flow_reader *r = arg;

    if (flow_held_set(r->held, id, pace, since) < 0 && since)
        log_warn("flow logs: a death of this process would not be told in the logs of %s", id);
}

static void windows(struct flow_reader *r) {
    if (r->now < flowlog_next(r->windows))
        return;
    if (!r->window_read)
        read_kernel(r);
    r->window_read = flowlog_turn(r->windows, r->now, r->epoch_ns, BUDGET);
    if (r->window_read)
        return;
    spool_sync(r->spool);
    forget_gone(r);
    publish(r);
}

static int wait_ms(const struct flow_reader *r) {
    int64_t until = flowlog_next(r->windows), ms;
    struct timespec real;

    clock_gettime(CLOCK_REALTIME, &real);
    if (r->read_soon && r->read_soon < until)
        until = r->read_soon;
    ms = (until - real.tv_sec) * 1000 - real.tv_nsec / 1000000 + 1;
    return ms < 0 ? 0 : ms > LOOK_MS ? LOOK_MS : (int)ms;
}

static void *run(void *arg) {
    struct flow_reader *r = arg;

    look_at_clock(r);
    flowlog_turn(r->windows, r->now, r->epoch_ns, BUDGET);
    while (!atomic_load(&r->end)) {
        struct pollfd fds[] = {{.fd = r->wake, .events = POLLIN},
                               {.fd = r->log ? flow_log_fd(r->log) : -1, .events = POLLIN}};

        if (poll(fds, 2, wait_ms(r)) < 0 && errno != EINTR)
            log_warn("flow logs: %s", strerror(errno));
        look_at_clock(r);
        if (fds[0].revents)
            change(r);
        if (fds[1].revents & POLLIN)
            say(&r->read_error, flow_log_drain(r->log), "the kernel's rings cannot be read");
        if (r->read_soon && r->now >= r->read_soon) {
            r->read_soon = 0;
            read_kernel(r);
        }
        windows(r);
    }
    read_kernel(r);
    flowlog_flush(r->windows, r->now, r->epoch_ns);
    spool_sync(r->spool);
    return NULL;
}

/* ---- life ---- */

int flow_reader_sweep(struct flow_reader *r, uint32_t *ret_deleted, uint32_t *ret_live) {
    int e;

    pthread_mutex_lock(&r->sweep_lock);
    e = dataplane_sweep(r->o.dp, ret_deleted, ret_live);
    pthread_mutex_unlock(&r->sweep_lock);
    return e;
}

json_t *flow_reader_status(struct flow_reader *r) {
    struct spool_stats p;
    struct flowlog_stats s;
    uint64_t reads, last, most;

    pthread_mutex_lock(&r->status_lock);
    s = r->stats;
    p = r->spool_stats;
    reads = r->reads;
    last = r->read_ns;
    most = r->read_ns_most;
    pthread_mutex_unlock(&r->status_lock);
    return json_pack("{s:i,s:i,s:i,s:i,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}",
                     "logs", (int)s.logs, "interfaces", (int)s.covered, "records_held", (int)s.held,
                     "records_held_most", (int)s.held_most, "bytes", (json_int_t)s.bytes, "records",
                     (json_int_t)s.records, "batches", (json_int_t)s.batches, "batches_refused",
                     (json_int_t)s.refused, "written_early", (json_int_t)s.early, "unknown",
                     (json_int_t)s.unknown, "records_lost", (json_int_t)s.lost, "skipdata",
                     (json_int_t)s.skipped, "spool_bytes", (json_int_t)p.bytes, "spool_batches",
                     (json_int_t)p.batches, "reads", (json_int_t)reads, "read_us",
                     (json_int_t)(last / 1000), "read_us_most", (json_int_t)(most / 1000));
}

static int start(struct flow_reader *r) {
    sigset_t all, before;
    int e;

    /* Signals are the event loop's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    e = pthread_create(&r->thread, NULL, run, r);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    r->running = e == 0;
    return -e;
}

int flow_reader_new(const struct flow_reader_options *options, struct flow_reader **ret_reader) {
    struct flow_reader *r = calloc(1, sizeof(*r));
    struct flowlog_options windows_of = {
        .window = options->window, .put = put, .held = held, .arg = r};
    const struct spool_limits limits = {.bytes = (uint64_t)options->spool_bytes};
    char path[512];
    int e;

    if (!r)
        return -ENOMEM;
    r->o = *options;
    STAILQ_INIT(&r->queue);
    pthread_mutex_init(&r->queue_lock, NULL);
    pthread_mutex_init(&r->sweep_lock, NULL);
    pthread_mutex_init(&r->status_lock, NULL);
    random_bytes(&windows_of.seed, sizeof(windows_of.seed));
    r->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    e = r->wake < 0 ? -errno : flowlog_new(&windows_of, &r->windows);
    snprintf(path, sizeof(path), "%s/agent/flow-log-held", options->state_dir);
    if (e == 0)
        e = flow_held_open(path, &r->held);
    snprintf(path, sizeof(path), "%s/" SPOOL_DIRECTORY, options->state_dir);
    if (e == 0)
        e = spool_open(path, options->group, &limits, &r->spool);
    if (e == 0)
        e = start(r);
    if (e < 0) {
        flow_reader_free(r);
        return e;
    }
    *ret_reader = r;
    return 0;
}

void flow_reader_free(struct flow_reader *r) {
    struct known *k, *next;
    struct flow_command *c;

    if (!r)
        return;
    if (r->running) {
        atomic_store(&r->end, true);
        wake(r);
        pthread_join(r->thread, NULL);
    }
    while ((c = STAILQ_FIRST(&r->queue))) {
        STAILQ_REMOVE_HEAD(&r->queue, link);
        flow_command_free(c);
    }
    HASH_ITER (hh, r->known, k, next) {
        HASH_DELETE(by_id, r->known_by_id, k);
        HASH_DEL(r->known, k);
        free(k);
    }
    flow_log_free(r->log);
    spool_close(r->spool);
    flow_held_close(r->held);
    flowlog_free(r->windows);
    if (r->wake >= 0)
        close(r->wake);
    pthread_mutex_destroy(&r->queue_lock);
    pthread_mutex_destroy(&r->sweep_lock);
    pthread_mutex_destroy(&r->status_lock);
    free(r);
}
