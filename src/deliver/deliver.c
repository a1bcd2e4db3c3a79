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
#include "deliver/deliver.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "deliver/credentials.h"
#include "deliver/key.h"
#include "deliver/object.h"
#include "deliver/queue.h"
#include "deliver/upload.h"
#include "logs/logs.h"

#define OBJECT_BYTES (75U * 1000 * 1000) /* VPC user guide, "Flow log files" */
#define GRACE_MAX 60                     /* seconds that batches of a window may be late */
#define UPLOADS_MAX 16
#define KEEP_SECONDS (7 * 86400) /* what cannot be delivered for so long is given up */
#define TICK_MS 1000
#define FORGET_MAX 256
#define PRUNE_MS 600000
#define EVENTS_MAX 10000 /* of one transaction */

/* AWS's words for it (EC2 API reference, FlowLog, deliverLogsErrorMessage). */
#define ACCESS_ERROR "Access error"
#define RATE_LIMITED "Rate limited"
#define UNKNOWN_ERROR "Unknown error"

struct known {
    bool done;
    UT_hash_handle hh;
    char *object;
    char name[];
};

struct counts {
    uint64_t batches, records, objects, failures, given_up;
};

struct deliverer {
    const struct deliver_options *options;
    struct queue queue;
    struct uploader *uploader;
    struct logs *logs;
    struct known *known; /* of the last run: only while the directory is read the first time */
    char *forget[FORGET_MAX];
    size_t n_forget;
    struct counts counts;
    bool all; /* the next look is at the whole directory */
    int64_t pruned;
    char spool[4200], report[4200];
    json_t *reported;
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

static void forget(struct deliverer *d, const char *name) {
    char *copy = strdup(name);

    if (!copy)
        return; /* the next run forgets it */
    d->forget[d->n_forget++] = copy;
    if (d->n_forget == FORGET_MAX)
        forget_now(d);
}

/* A batch that is delivered, or given up. */
static void finish(struct deliverer *d, struct batch *b) {
    _free_ char *name = strdup(b->name);
    int r = queue_remove(&d->queue, b);

    if (r < 0)
        log_error("%s/%s cannot be removed: %s", d->spool, name ? name : "", strerror(-r));
    else if (name)
        forget(d, name);
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
            forget(d, k->name);
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

static void went_well(struct deliverer *d, struct flow *f) {
    struct destination *to = f->destination;

    if (to->failures)
        log_info("%s is reached again", to->name);
    to->failures = 0;
    to->due = 0;
    tell(d, f, NULL);
}

static void went_wrong(struct deliverer *d, struct flow *f, const char *message, const char *why) {
    struct destination *to = f->destination;
    uint8_t random;

    random_bytes(&random, sizeof(random));
    if (!to->failures++)
        log_warn("%s: %s (%s): its records wait in the spool", to->name, why, message);
    to->due = now_ms() + queue_pause(to->failures, random);
    d->counts.failures++;
    tell(d, f, message);
}

/* ---- log groups ---- */

static int put_events(struct deliverer *d, const struct spool_batch *b, const char *name) {
    static const char *const suffix[] = {"", "accept", "reject", "all"};
    const struct logs_owner o = {b->meta.account, b->meta.region};
    struct log_event *events = NULL;
    const char *at = b->lines, *record;
    char stream[64], part[SPOOL_NAME_MAX + 16];
    int64_t seconds;
    size_t n = 0, len, parts = 0;
    int r = 0;

    snprintf(stream, sizeof(stream), "%s-%s", b->meta.eni, suffix[b->meta.traffic]);
    events = calloc(EVENTS_MAX, sizeof(*events));
    if (!events)
        return -ENOMEM;
    /* A large batch goes in parts, each with a name of its own, the last with the batch's. */
    while (r == 0 && spool_batch_next(b, &at, &seconds, &record, &len)) {
        events[n++] = (struct log_event){.at.time = seconds * 1000, .message = record, .len = len};
        if (n < EVENTS_MAX || at == b->lines + b->lines_len)
            continue;
        snprintf(part, sizeof(part), "%s+%zu", name, ++parts);
        r = logs_deliver(d->logs, &o, b->meta.destination, stream, part, events, n, time_ms());
        d->counts.records += r == 0 ? n : 0;
        n = 0;
    }
    if (r == 0)
        r = logs_deliver(d->logs, &o, b->meta.destination, stream, name, events, n, time_ms());
    d->counts.records += r == 0 ? n : 0;
    for (size_t i = 1; r == 0 && i <= parts; i++) {
        snprintf(part, sizeof(part), "%s+%zu", name, i);
        forget(d, part);
    }
    free(events);
    return r;
}

/* One batch; false when the destination is to be left alone for a while. */
static bool deliver_batch(struct deliverer *d, struct batch *b) {
    struct flow *f = b->flow;
    struct spool_batch batch;
    int r = spool_batch_read(d->queue.ready, b->name, &batch);

    if (r == 0)
        r = put_events(d, &batch, b->name);
    spool_batch_free(&batch);
    if (r == -EBADMSG || r == -ENOENT) {
        if (r == -EBADMSG)
            log_error("%s/%s is broken and is dropped", d->spool, b->name);
        d->counts.given_up++;
    } else if (r == -EDQUOT) {
        went_wrong(d, f, RATE_LIMITED, "the account has no room left for its log groups");
        return false;
    } else if (r < 0) {
        went_wrong(d, f, UNKNOWN_ERROR, strerror(-r));
        return false;
    } else {
        d->counts.batches++;
        went_well(d, f);
    }
    DL_DELETE(f->batches, b);
    f->waiting -= b->size;
    finish(d, b);
    return true;
}

/* A share of each flow log's batches, so that one with many does not hold up the others. */
static bool serve_group(struct deliverer *d, struct destination *to) {
    bool more = false;

    for (struct flow *f = to->flows; f; f = f->next_of) {
        queue_sort(f);
        for (int i = 0; i < 16 && f->batches; i++)
            if (!deliver_batch(d, f->batches))
                return false;
        more |= f->batches != NULL;
    }
    return more;
}

/* ---- S3 ---- */

/* The end of the span of time whose records come into one object. */
static int64_t span_end(const struct deliverer *d, int64_t end) {
    int64_t s = d->options->seconds;

    return (end + s - 1) / s * s;
}

/* An object of the batches of the flow log's oldest span, if that is over or large enough. */
static struct object *plan_object(struct deliverer *d, struct flow *f) {
    int64_t grace = d->options->seconds / 5 < GRACE_MAX ? d->options->seconds / 5 : GRACE_MAX;
    int64_t now = time_ms() / 1000, end;
    char bucket[KEY_BUCKET_MAX], hash[KEY_HASH + 1];
    _buf_ struct buf key = BUF_INIT;
    struct batch *b, *next;
    uint64_t size = 0, sum = 0;
    const char *folder;
    size_t n = 0, i = 0;
    struct object *o;

    queue_sort(f);
    if (!f->batches)
        return NULL;
    end = span_end(d, f->batches->end);
    for (b = f->batches; b && span_end(d, b->end) == end && (!n || size + b->size <= OBJECT_BYTES);
         b = b->next, n++) {
        size += b->size;
        sum = key_hash_add(sum, b->name);
    }
    if (now < end + grace && (!b || size + b->size <= OBJECT_BYTES))
        return NULL; /* it may still grow */
    key_hash_text(sum, hash);
    if (key_of_arn(f->head.meta.destination, bucket, &folder) < 0)
        return NULL;
    key_make(&f->head.meta, folder, end, hash, &key);
    o = key.failed ? NULL : queue_object(&d->queue, f, buf_str(&key));
    if (!o)
        return NULL;
    for (b = f->batches; i < n; b = next, i++) {
        next = b->next;
        queue_object_add(o, b);
    }
    return o;
}

static int write_plan(struct deliverer *d, struct object *o) {
    _free_ const char **names = NULL;
    struct batch *b;
    size_t n = 0;
    int r;

    if (o->planned)
        return 0;
    DL_COUNT(o->batches, b, n);
    names = calloc(n + 1, sizeof(*names));
    if (!names)
        return -ENOMEM;
    n = 0;
    DL_FOREACH(o->batches, b)
    names[n++] = b->name;
    r = logs_plan(d->logs, o->key, names, n);
    o->planned = r == 0;
    return r;
}

static void on_uploaded(void *ctx, void *arg, enum upload_result result, const char *why) {
    struct deliverer *d = ctx;
    struct object *o = arg;
    struct flow *f = o->flow;
    struct batch *b, *next;
    int r;

    o->sending = f->destination->busy = false;
    if (result != UPLOAD_STORED) {
        went_wrong(d, f, result == UPLOAD_REFUSED ? ACCESS_ERROR : UNKNOWN_ERROR, why);
        return;
    }
    r = logs_plan_done(d->logs, o->key);
    if (r < 0) {
        went_wrong(d, f, UNKNOWN_ERROR, strerror(-r)); /* it is sent again, as it was */
        return;
    }
    went_well(d, f);
    d->counts.objects++;
    DL_FOREACH_SAFE(o->batches, b, next) {
        DL_DELETE(o->batches, b);
        d->counts.batches++;
        finish(d, b);
    }
    queue_object_free(&d->queue, o);
}

static void send_object(struct deliverer *d, struct object *o) {
    _buf_ struct buf body = BUF_INIT;
    struct flow *f = o->flow;
    struct credentials c;
    char bucket[KEY_BUCKET_MAX];
    const char *folder;
    unsigned broken = 0;
    int r;

    key_of_arn(f->head.meta.destination, bucket, &folder);
    if (!d->options->endpoint) {
        went_wrong(d, f, ACCESS_ERROR, "no S3 server is configured (--flow-log-s3-endpoint)");
        return;
    }
    r = credentials_read(d->options->credentials, f->head.meta.account, &c);
    if (r < 0) {
        char why[256];

        snprintf(why, sizeof(why), "%.200s: %s", d->options->credentials,
                 r == -ENOKEY ? "no access key for this account" : strerror(-r));
        went_wrong(d, f, ACCESS_ERROR, why);
        return;
    }
    r = write_plan(d, o);
    if (r == 0)
        r = object_build(&d->queue, o, &body, &broken);
    if (broken) {
        log_error("%u batches of %s are broken and are left out", broken, o->key);
        d->counts.given_up += broken;
    }
    if (r == 0)
        r = upload_start(d->uploader, bucket, o->key, &c, &body, o);
    explicit_bzero(&c, sizeof(c));
    if (r < 0)
        went_wrong(d, f, UNKNOWN_ERROR, strerror(-r));
    else
        o->sending = f->destination->busy = true;
}

/* What is to be sent next to the bucket: the oldest object of any of its flow logs. */
static bool serve_bucket(struct deliverer *d, struct destination *to) {
    struct object *best = NULL;

    for (struct flow *f = to->flows; f; f = f->next_of) {
        struct object *o = f->objects ? f->objects : plan_object(d, f);

        /* The end of the key is no time, but those of one flow log are in their order. */
        if (o && (!best || (o->batches && best->batches && o->batches->end < best->batches->end)))
            best = o;
    }
    if (best)
        send_object(d, best);
    return false;
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
        finish(d, b);
        n++;
    }
    DL_FOREACH_SAFE(f->objects, o, o_next) {
        if (o->sending || (o->batches && o->batches->end >= oldest))
            continue;
        DL_FOREACH_SAFE(o->batches, b, next) {
            DL_DELETE(o->batches, b);
            finish(d, b);
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
                serve_bucket(d, to);
        } else {
            more |= serve_group(d, to);
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
    const struct uploader_config config = {
        .endpoint = o->endpoint, .region = o->region, .ca = o->ca, .done = on_uploaded, .ctx = &d};
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
