/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivery is at least once, and what can be told apart is delivered once:
 *
 *  - A batch goes into its log group in one transaction with its name (logs_deliver). Then its file
 *    is removed, then its name is forgotten. Killed in between, the next run finds the name, and
 *    only removes the file.
 *  - Which batches make up an object of S3 is written down (logs_plan) before the object is sent,
 *    so a second attempt, by whatever run, sends the same bytes under the same key. That it is
 *    stored is written down too (logs_plan_done) before the files are removed.
 *
 * Files are removed, the directory is synced, and only then names are forgotten: else a loss of
 * power could bring back a file whose name is forgotten.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "deliver/deliver_private.h"

#define UPLOADS_MAX 16
#define KEEP_SECONDS (7 * 86400) /* what cannot be delivered for so long is given up */
#define TICK_MS 1000
#define PRUNE_MS 600000

struct known {
    bool done;
    UT_hash_handle hh;
    char *object;
    char name[];
};

static int64_t now_ms(void) {
    return (int64_t)(mono_ns() / 1000000);
}

/* ---- what is behind us ---- */

static void forget_now(struct deliverer *d) {
    int r;

    if (!d->n_forget)
        return;
    r = fsync(d->queue.ready) < 0 ? -errno : 0;
    if (r == 0)
        r = logs_forget(d->logs, (const char *const *)d->forget, d->n_forget);
    if (r < 0)
        log_warn("what is delivered could not be forgotten: %s", strerror(-r));
    for (size_t i = 0; i < d->n_forget; i++)
        free(d->forget[i]);
    d->n_forget = 0;
}

void batch_forget(struct deliverer *d, const char *name) {
    char *copy = strdup(name);

    if (!copy)
        return; /* the next run forgets it */
    d->forget[d->n_forget++] = copy;
    if (d->n_forget == FORGET_MAX)
        forget_now(d);
}

/* A batch that is delivered, or given up. */
void batch_finish(struct deliverer *d, struct batch *b) {
    _free_ char *name = strdup(b->name);
    int r = queue_remove(&d->queue, b);

    if (r < 0)
        log_error("%s/%s cannot be removed: %s", d->spool, name ? name : "", strerror(-r));
    else if (name)
        batch_forget(d, name);
}

static int add_known(void *arg, const char *batch, const char *object, bool done) {
    struct deliverer *d = arg;
    struct known *k = calloc(1, sizeof(*k) + strlen(batch) + 1);

    if (!k || (object && !(k->object = strdup(object)))) {
        free(k);
        return -ENOMEM;
    }
    k->done = done;
    memcpy(k->name, batch, strlen(batch) + 1);
    HASH_ADD_STR(d->known, name, k);
    return 0;
}

static bool on_batch(void *arg, const char *name, const char **ret_key) {
    struct deliverer *d = arg;
    struct known *k;

    HASH_FIND_STR(d->known, name, k);
    if (!k)
        return true;
    if (k->done) {
        unlinkat(d->queue.ready, name, 0);
        return false; /* and forgotten below, with those whose files are gone */
    }
    *ret_key = k->object;
    return true;
}

/* Names of the last run: what is done, or has no file any more, is forgotten. */
static void settle_known(struct deliverer *d) {
    struct known *k, *next;

    HASH_ITER (hh, d->known, k, next) {
        struct batch *b;

        HASH_FIND_STR(d->queue.all, k->name, b);
        if (!b)
            batch_forget(d, k->name);
        HASH_DEL(d->known, k);
        free(k->object);
        free(k);
    }
    forget_now(d);
}

static int open_spool(struct deliverer *d) {
    int r = queue_open(&d->queue, d->spool);

    if (r < 0)
        return r;
    r = logs_known(d->logs, add_known, d);
    if (r == 0)
        r = queue_look(&d->queue, on_batch, d, true);
    settle_known(d);
    if (r == 0)
        log_info("%u batches wait in %s", HASH_COUNT(d->queue.all), d->spool);
    return r;
}

/* ---- how it goes ---- */

static void tell(struct deliverer *d, struct flow *f, const char *message) {
    const struct logs_owner o = {f->head.meta.account, f->head.meta.region};

    if (strcmp(f->told, message ? message : "") == 0)
        return;
    if (logs_status_set(d->logs, f->id, &o, message) == 0)
        snprintf(f->told, sizeof(f->told), "%s", message ? message : "");
}

void went_well(struct deliverer *d, struct flow *f) {
    struct destination *to = f->destination;

    if (to->failures)
        log_info("%s is reached again", to->name);
    to->failures = 0;
    to->due = 0;
    tell(d, f, NULL);
}

void went_wrong(struct deliverer *d, struct flow *f, const char *message, const char *why) {
    struct destination *to = f->destination;
    uint8_t random;

    random_bytes(&random, sizeof(random));
    if (!to->failures++)
        log_warn("%s: %s (%s): its records wait in the spool", to->name, why, message);
    to->due = now_ms() + queue_pause(to->failures, random);
    d->counts.failures++;
    tell(d, f, message);
}

/* ---- the loop ---- */

/* What waited for a week will not be delivered any more. */
static void give_up(struct deliverer *d, struct flow *f) {
    int64_t oldest = time_ms() / 1000 - KEEP_SECONDS;
    struct object *o, *o_next;
    struct batch *b, *next;
    unsigned n = 0;

    queue_sort(f);
    DL_FOREACH_SAFE(f->batches, b, next) {
        if (b->end >= oldest)
            break;
        DL_DELETE(f->batches, b);
        f->waiting -= b->size;
        batch_finish(d, b);
        n++;
    }
    DL_FOREACH_SAFE(f->objects, o, o_next) {
        if (o->sending || (o->batches && o->batches->end >= oldest))
            continue;
        DL_FOREACH_SAFE(o->batches, b, next) {
            DL_DELETE(o->batches, b);
            batch_finish(d, b);
            n++;
        }
        queue_object_free(&d->queue, o);
    }
    if (n)
        log_error("%s: %u batches could not be delivered for a week and are given up", f->id, n);
    d->counts.given_up += n;
}

/* True when there is more to do at once. */
static bool serve(struct deliverer *d) {
    struct destination *to, *next;
    int64_t now = now_ms();
    bool more = false;

    HASH_ITER (hh, d->queue.destinations, to, next) {
        if (to->busy || to->due > now)
            continue;
        if (to->flows && to->flows->head.meta.destination_type == SPOOL_S3) {
            if (uploads(d->uploader) < UPLOADS_MAX)
                bucket_serve(d, to);
        } else {
            more |= group_serve(d, to);
        }
    }
    if (now - d->pruned >= PRUNE_MS) {
        struct flow *f, *f_next;

        d->pruned = now;
        HASH_ITER (hh, d->queue.flows, f, f_next)
            give_up(d, f);
        queue_prune(&d->queue);
        d->all = true; /* also what an overflow of memory may have left out */
    }
    return more;
}

/* For `vpcctl status`: what waits, what went, who is down. */
static void report(struct deliverer *d) {
    const struct counts *c = &d->counts;
    struct destination *to, *next;
    json_t *down = json_array(), *root;
    _free_ char *text = NULL;

    HASH_ITER (hh, d->queue.destinations, to, next)
        if (to->failures && json_array_size(down) < 100)
            json_array_append_new(
                down, json_pack("{s:s,s:i}", "name", to->name, "failures", (int)to->failures));
    root =
        json_pack("{s:i,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "pid", (int)getpid(), "waiting",
                  (json_int_t)HASH_COUNT(d->queue.all), "waiting_bytes", (json_int_t)d->queue.bytes,
                  "batches", (json_int_t)c->batches, "records", (json_int_t)c->records, "objects",
                  (json_int_t)c->objects, "failures", (json_int_t)c->failures, "given_up",
                  (json_int_t)c->given_up, "strange", (json_int_t)d->queue.strange, "down", down);
    if (root && json_equal(root, d->reported)) {
        json_decref(root);
        return;
    }
    text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    if (text)
        write_file_atomic(d->report, text, strlen(text), 0600);
    json_decref(d->reported);
    d->reported = root;
}

static void loop(struct deliverer *d, int signals) {
    while (true) {
        int fds[2] = {signals, d->queue.notify};
        bool more = false;
        struct signalfd_siginfo got;
        int r = 0;

        if (d->queue.ready < 0)
            r = open_spool(d);
        else
            r = queue_look(&d->queue, on_batch, d, d->all);
        d->all = r < 0;
        if (r < 0 && r != -ENOENT)
            log_error("%s: %s", d->spool, strerror(-r));
        if (d->queue.ready >= 0)
            more = serve(d);
        forget_now(d);
        report(d);
        uploader_wait(d->uploader, fds, d->queue.notify >= 0 ? 2 : 1, more ? 0 : TICK_MS);
        if (read(signals, &got, sizeof(got)) > 0)
            return;
    }
}

int deliver_run(const struct deliver_options *o, int signals) {
    struct deliverer d = {.options = o};
    const struct uploader_config config = {.endpoint = o->endpoint,
                                           .region = o->region,
                                           .ca = o->ca,
                                           .done = bucket_uploaded,
                                           .ctx = &d};
    const struct logs_limits limits = {.account_bytes = o->account_log_bytes};
    char directory[4200], error[LOGS_ERROR];
    int r;

    queue_init(&d.queue);
    snprintf(directory, sizeof(directory), "%s/" LOGS_DIRECTORY, o->state_dir);
    snprintf(d.spool, sizeof(d.spool), "%s/" SPOOL_DIRECTORY "/ready", o->state_dir);
    snprintf(d.report, sizeof(d.report), "%s/" LOGS_DIRECTORY "/vpc-logs.json", o->state_dir);
    r = logs_open(directory, &limits, &d.logs, error);
    if (r < 0) {
        log_error("%s: %s", directory, *error ? error : strerror(-r));
        return 1;
    }
    r = uploader_new(&config, &d.uploader);
    if (r == 0) {
        d.pruned = now_ms();
        loop(&d, signals);
    }
    uploader_free(d.uploader);
    if (d.queue.ready >= 0)
        forget_now(&d);
    queue_free(&d.queue);
    json_decref(d.reported);
    unlink(d.report);
    logs_close(d.logs);
    return r < 0 ? 1 : 0;
}
