/* SPDX-License-Identifier: Apache-2.0 */
/* The state stream's daemon side: what became durable goes to the agents, their reports to the API.
 */
#ifndef VPCD_VPCD_PUBLISH_H
#define VPCD_VPCD_PUBLISH_H

#include <stdbool.h>

#include "api/api.h"

struct event_base;
struct publish;

/* `ready(arg)` when a host's data plane stands for the first time. */
int publish_new(struct event_base *base, const char *state_dir, struct state *state,
                struct api *api, void (*ready)(void *arg), void *arg, struct publish **ret_publish);
void publish_free(struct publish *p);

/* How many agents follow, and whether a data plane stands. */
size_t publish_agents(const struct publish *p);
bool publish_is_ready(const struct publish *p);

#endif
