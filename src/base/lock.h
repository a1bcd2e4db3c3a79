/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lock files: one process of a kind for a state directory. The file's content is the holder's pid;
 * the lock itself is an flock, so it ends with the process however that ends. The file stays.
 */
#ifndef VPCD_BASE_LOCK_H
#define VPCD_BASE_LOCK_H

#include <sys/types.h>

/* The descriptor that holds the lock (close-on-exec; closing it ends the lock), or -EWOULDBLOCK
 * when another process holds it. */
int lock_take(const char *path);

/* Who holds it: a pid; 0 when nobody does, also when there is no such file. */
pid_t lock_holder(const char *path);

/* A pidfd of the holder, checked: it held the lock after the descriptor was open. -ESRCH when
 * nobody holds it. */
int lock_holder_open(const char *path, pid_t *ret_pid);

#endif
