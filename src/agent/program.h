/* SPDX-License-Identifier: Apache-2.0 */
/* Starting vpc-instance (inside.h). */
#ifndef VPCD_AGENT_PROGRAM_H
#define VPCD_AGENT_PROGRAM_H

#include <stddef.h>
#include <sys/types.h>

/* A descriptor of the program: beside the running one, or in the installed place. Opened once, so
 * that an agent goes on with its own build while a new one is put in its place. */
int program_open(void);

struct program_fd {
    int from; /* -1: not passed */
    int to;
};

/* Starts the program with exactly these descriptors (and /dev/null as 0 to 2 where none is named);
 * env ends with NULL. The child is the caller's to wait for. */
int program_start(int program, char *const argv[], char *const env[], const struct program_fd *fds,
                  size_t n_fds, pid_t *ret_pid);

#endif
