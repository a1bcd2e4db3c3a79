/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands in instances: the part of `vpcctl exec` that is the agent's. It starts vpc-instance
 * with the caller's own descriptors and connection and is then out of it: the command goes on when
 * the agent ends.
 *
 * On the connection the caller then reads lines of JSON, {"started":true}, {"status":N} or
 * {"error":"..."}, and writes single bytes, each the number of a signal for the command. Its end of
 * the connection closed, the command is killed with all that it started.
 */
#ifndef VPCD_AGENT_EXEC_H
#define VPCD_AGENT_EXEC_H

#include "agent/guest.h"

#define EXEC_ARGS_MAX 1024
#define EXEC_BYTES_MAX (128 * 1024)

struct exec_spec {
    char *const *argv; /* ends with NULL; at least one */
    const char *cwd;   /* NULL: "/" */
    const char *term;  /* TERM; NULL: "dumb" */
    bool tty;          /* stdio[0] is a terminal that nobody has as its controlling one */
    int stdio[3];
    int connection;
};

/* -ESRCH: the instance does not run. -EISDIR: a descriptor is a directory, by which the command
 * would leave the instance. -ENOTTY: a terminal that is not the one of this request. The
 * descriptors stay the caller's. The child is to be waited for. */
int exec_start(struct guests *all, const struct guest *guest, const struct exec_spec *spec,
               pid_t *ret_pid);

#endif
