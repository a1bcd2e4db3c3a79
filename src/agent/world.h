/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What should be, as vpcd says it: the objects of the state stream in an index. Objects come one by
 * one; nothing is told to the rest of the agent before the transaction (or the snapshot) is whole.
 */
#ifndef VPCD_AGENT_WORLD_H
#define VPCD_AGENT_WORLD_H

#include <event2/event.h>
#include <stdbool.h>

#include "model/index.h"
#include "stream/report.h"

struct world;

struct world_handlers {
    /* For each object that changed; the index shows all of the transaction already. */
    void (*changed)(void *arg, const struct obj *old, const struct obj *new);
    /* Behind the last of them. */
    void (*settled)(void *arg, bool snapshot);
    void *arg;
};

/* Follows the stream at STATE/run/stream.sock, for ever: it connects again by itself. */
int world_new(struct event_base *base, const char *state_dir, const struct world_handlers *handlers,
              struct world **ret_world);
void world_free(struct world *w);

const struct index *world_index(const struct world *w);
bool world_connected(const struct world *w); /* and the snapshot was whole */

/* Tells vpcd; lost while the stream is down (everything is said again after the next snapshot). */
void world_report(struct world *w, enum report_kind kind, const char *id, const char *first,
                  const char *second);

#endif
