/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/io.h"
#include "base/log.h"
#include "deliver/deliver_private.h"

#define EVENTS_MAX 10000 /* of one transaction */

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
        batch_forget(d, part);
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
    batch_finish(d, b);
    return true;
}

/* A share of each flow log's batches, so that one with many does not hold up the others. */
bool group_serve(struct deliverer *d, struct destination *to) {
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
