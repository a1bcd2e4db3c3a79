/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STATE/agent/control.sock: what vpcctl asks the agent. Root only.
 *
 * A connection carries one request, an object of JSON on a line with a member "cmd", and gets one
 * object on a line as the answer; {"error":"..."} when it failed. The command "exec" is special:
 * its connection goes on to the program in the instance (exec.h).
 *
 *     {"cmd":"exec","instance":"i-...","argv":["..."],"cwd":"/","term":"xterm","tty":false}
 *
 * with the three standard descriptors in the message that carries the first byte.
 */
#ifndef VPCD_AGENT_CONTROL_H
#define VPCD_AGENT_CONTROL_H

#include <event2/event.h>
#include <jansson.h>

#include "agent/guest.h"

struct control;

/* The answer to a request, or NULL for a command that is not known. Must not block. */
typedef json_t *control_fn(void *arg, const char *cmd, const json_t *request);

int control_open(struct event_base *base, const char *path, struct guests *guests,
                 control_fn *answer, void *arg, struct control **ret_control);
void control_close(struct control *control); /* NULL is fine; running commands go on */

#endif
