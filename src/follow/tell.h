/* SPDX-License-Identifier: Apache-2.0 */
/* The other direction of world.h: objects to those who follow a stream. */
#ifndef VPCD_FOLLOW_TELL_H
#define VPCD_FOLLOW_TELL_H

#include <stdbool.h>

#include "model/index.h"
#include "stream/server.h"

/* One change, `new` NULL: it is gone. False: nothing that anybody needs to hear. */
bool tell_object(struct stream_server *server, const struct obj *old, const struct obj *new);

/* A whole snapshot, of the kinds that `wanted` likes. -errno: the follower is disconnected. */
int tell_all(struct stream_agent *agent, const struct index *ix,
             bool (*wanted)(const struct kind_info *kind));

#endif
