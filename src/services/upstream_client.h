/* SPDX-License-Identifier: Apache-2.0 */
/* vpc-services' end of the way to vpc-upstream (upstream.h). It connects again whenever
 * vpc-upstream was started again. */
#ifndef VPCD_SERVICES_UPSTREAM_CLIENT_H
#define VPCD_SERVICES_UPSTREAM_CLIENT_H

#include <event2/event.h>
#include <stddef.h>
#include <stdint.h>

struct upstream;

/* An answer; len 0: there is none. Called once for each question that was taken, from the loop. */
typedef void upstream_fn(void *arg, const void *data, size_t len);

/* NULL when memory is short. */
struct upstream *upstream_new(struct event_base *base, const char *state_dir);
/* What is under way is forgotten without a call. NULL is fine. */
void upstream_free(struct upstream *u);

/*
 * 0: `done` will be called, after UPSTREAM_WAIT_MS at the latest. -EBUSY: UPSTREAM_QUESTIONS are
 * under way; -ENOTCONN: vpc-upstream is not there; -EINVAL: too long; -ENOMEM.
 */
#define UPSTREAM_WAIT_MS 4000
int upstream_ask(struct upstream *u, uint16_t kind, const void *data, size_t len, upstream_fn *done,
                 void *arg);
/* How many questions are under way. */
unsigned upstream_waiting(const struct upstream *u);

#endif
