/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lock files: one process of a kind for a state directory. The lock is an flock, so it ends with
 * the process however that ends. The file stays; its lines are the holder's pid and when that
 * process began, so that a stale file never points at a stranger who got the pid later. Only the
 * owner may open it: to hold a lock takes no right to write.
 */
#ifndef VPCD_BASE_LOCK_H
#define VPCD_BASE_LOCK_H

#include <sys/types.h>

/* The descriptor that holds the lock (close-on-exec; closing it ends the lock), or -EWOULDBLOCK
 * when another process holds it. */
int lock_take(const char *path);

/* Who holds it: a pid; 0 when nobody does, when there is no such file, or when it may not be read.
 */
pid_t lock_holder(const char *path);

/* A pidfd of the holder, checked: it held the lock after the descriptor was open. -ESRCH when
 * nobody holds it. */
int lock_holder_open(const char *path, pid_t *ret_pid);

#endif
