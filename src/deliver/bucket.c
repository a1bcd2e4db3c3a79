/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "deliver/credentials.h"
#include "deliver/deliver_private.h"
#include "deliver/key.h"
#include "deliver/object.h"

#define OBJECT_BYTES (75U * 1000 * 1000) /* VPC user guide, "Flow log files" */
#define GRACE_MAX 60                     /* seconds that batches of a window may be late */

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

void bucket_uploaded(void *ctx, void *arg, enum upload_result result, const char *why) {
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
        batch_finish(d, b);
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
void bucket_serve(struct deliverer *d, struct destination *to) {
    struct object *best = NULL;

    for (struct flow *f = to->flows; f; f = f->next_of) {
        struct object *o = f->objects ? f->objects : plan_object(d, f);

        /* The end of the key is no time, but those of one flow log are in their order. */
        if (o && (!best || (o->batches && best->batches && o->batches->end < best->batches->end)))
            best = o;
    }
    if (best)
        send_object(d, best);
}
