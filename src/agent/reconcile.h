/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instances: compares what should be (the world) with what is (guests, plugs), and changes the
 * difference, one instance in a turn of the event loop, so that changes of rules never wait behind
 * a hundred instances.
 */
#ifndef VPCD_AGENT_RECONCILE_H
#define VPCD_AGENT_RECONCILE_H

#include <event2/event.h>

#include "agent/guest.h"
#include "agent/plugs.h"
#include "follow/world.h"

struct reconcile;

/* `other_gone`: a device that is no interface of an instance was deleted; 0: nobody knows which. */
int reconcile_new(struct event_base *base, struct guests *guests, struct plugs *plugs,
                  void (*other_gone)(void *arg, int ifindex), void *arg,
                  struct reconcile **ret_reconcile);
void reconcile_free(struct reconcile *r);
void reconcile_set_world(struct reconcile *r, struct world *w);

/* An object changed: whatever it concerns is looked at again, in a later turn. */
void reconcile_change(struct reconcile *r, const struct obj *old, const struct obj *new);
/* Everything is looked at again, and reported again: after a snapshot. */
void reconcile_all(struct reconcile *r);

#endif
