/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of a transaction through an engine that blocks: from the loop's thread to a committer
 * thread and back, in order, with the rules of store.h for what follows a failure.
 */
#ifndef VPCD_STORE_PIPELINE_H
#define VPCD_STORE_PIPELINE_H

#include "store/engine.h"

struct pipeline;

struct pipeline_engine {
    /*
     * Applies a leading part of txns[0..n), n > 0, durably, and returns its length. The one behind
     * that part was refused: its `status` is set, with `conflict`, `conflicts`, `text` and `dead`
     * as they apply. Or it was only left for the next group (`status` 0), if the length is not 0.
     * Changes by others that came before are put into the first one's `others`.
     */
    size_t (*commit)(void *engine, struct store_txn *const *txns, size_t n);
    /* When nothing else is to do, every poll_ms (0: never): fills `others`, or sets `dead`. */
    void (*poll)(void *engine, struct store_txn *note);
    int poll_ms;
};

int pipeline_new(struct event_base *base, const struct pipeline_engine *engine, void *arg,
                 const struct store_options *options, const struct store_limits *limits,
                 struct pipeline **ret_pipeline);

/* Starts the committer thread: from here on the engine is called from there only. */
int pipeline_start(struct pipeline *p);

/* Finishes and delivers everything, ends the thread. NULL is fine. */
void pipeline_free(struct pipeline *p);

int pipeline_submit(struct pipeline *p, struct store_txn *txn);
int pipeline_resume(struct pipeline *p);
void pipeline_stats(const struct pipeline *p, struct store_stats *ret_stats);
const char *pipeline_error(const struct pipeline *p);

#endif
