/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What vpc-services gets of the agent: its sockets, by one message to each that connects to
 * STATE/services/sockets.sock; the objects that it may see and the interfaces' numbers, by a state
 * stream at STATE/services/feed.sock. Both are for its user alone.
 *
 * The agent keeps the sockets, so that a vpc-services that died finds in them what came meanwhile.
 * An agent that starts anew makes others only when it is asked: the living vpc-services goes on
 * with those that it has.
 */
#ifndef VPCD_AGENT_SERVE_H
#define VPCD_AGENT_SERVE_H

#include <event2/event.h>
#include <jansson.h>

#include "agent/plugs.h"
#include "agent/services_net.h"
#include "model/index.h"

struct serve;

/* `net` must outlive it. */
int serve_new(struct event_base *base, const struct owner *owner, const struct services_net *net,
              const struct index *ix, struct plugs *plugs, struct serve **ret_serve);
void serve_free(struct serve *s);

/* An object changed; all of a transaction did. The first makes the stream open. */
void serve_change(struct serve *s, const struct obj *old, const struct obj *new);
void serve_settled(struct serve *s);
/* An interface was plugged in, or (`eni` NULL) taken out. */
void serve_plug(void *serve, const struct plug *plug, const struct network_interface *eni);

/* {"connected": bool, "counts": {NAME: NUMBER}}: the last that vpc-services told, without zeros. */
json_t *serve_status(const struct serve *s);

#endif
