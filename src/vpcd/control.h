/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DIR/run/control.sock: what vpcctl asks of the worker. One JSON object on a line, one as the
 * answer. Only root and the worker's own user may connect.
 */
#ifndef VPCD_VPCD_CONTROL_H
#define VPCD_VPCD_CONTROL_H

#include <jansson.h>

struct event_base;
struct control;
struct control_call;

/* Answer with control_reply, now or later, exactly once. */
typedef void control_fn(void *arg, const json_t *request, struct control_call *call);

int control_new(struct event_base *base, const char *path, control_fn *fn, void *arg,
                struct control **ret_control);
void control_free(struct control *c);

/* Takes the answer over; NULL: memory was short. */
void control_reply(void *call, json_t *answer);

#endif
