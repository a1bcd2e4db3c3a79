/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What should be, as the other end of a state stream says it (vpcd to the agent, the agent to
 * vpc-services): the stream's objects in an index. Objects come one by one; nothing is told to the
 * rest of the program before the transaction (or the snapshot) is whole.
 */
#ifndef VPCD_FOLLOW_WORLD_H
#define VPCD_FOLLOW_WORLD_H

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
    /* Keys that begin with '@' are no objects of the model: told at once, as they come. `data`
     * NULL: it is gone; `key` NULL: all are, a snapshot follows. May be NULL. */
    void (*other)(void *arg, const char *key, const void *data, size_t len);
    void *arg;
};

/* Follows the stream at this Unix socket, for ever: it connects again by itself. `state` names the
 * state directory; `from` is for people ("vpcd"). The strings are copied, but for `from`. */
int world_new(struct event_base *base, const char *path, const char *state, const char *from,
              const struct world_handlers *handlers, struct world **ret_world);
void world_free(struct world *w);

const struct index *world_index(const struct world *w);
bool world_connected(const struct world *w); /* and the snapshot was whole */

/* Tells vpcd; lost while the stream is down (everything is said again after the next snapshot). */
void world_report(struct world *w, enum report_kind kind, const char *id, const char *first,
                  const char *second);

#endif
