/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packets that were dropped last, for `vpcctl drops`: the newest RECENT_MAX that the data plane
 * told of (abi/event.h says how many it tells of; it counts all).
 */
#ifndef VPCD_AGENT_RECENT_H
#define VPCD_AGENT_RECENT_H

#include <event2/event.h>
#include <jansson.h>

#include "agent/trace.h"

#define RECENT_MAX 1024

struct recent;

int recent_new(struct event_base *base, struct dataplane *dp, struct recent **ret_recent);
void recent_free(struct recent *recent);

/*
 * The answer to {"cmd":"drops","since":N,"last":N,"interface":"eni-..."}: those after number
 * `since`, at most the `last` newest (20), with what decides about such a packet now.
 *     {"seen":N, "recent":[{"number":..., "age_ms":..., "interface":..., "reason":..., ...}]}
 */
json_t *recent_json(struct recent *recent, const struct tracer *tracer, const json_t *request);

#endif
