/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which interfaces have flow log records in this process's memory and nowhere else: a small file
 * that outlives a kill -9, so that the next agent can say SKIPDATA for those and for no others.
 *
 * STATE/agent/flow-log-held is mapped and changed in place: a death of the process loses nothing of
 * it. With the whole machine the kernel's counts are gone, too; the boot id tells.
 */
#ifndef VPCD_AGENT_FLOW_HELD_H
#define VPCD_AGENT_FLOW_HELD_H

#include <stdint.h>

#define FLOW_HELD_PACES 2

struct flow_held;

/* What the agent before us left stays in the file until flow_held_set says otherwise. 0 or -errno;
 * a file that is not ours (another version) counts as empty. */
int flow_held_open(const char *path, struct flow_held **ret_held);
void flow_held_close(struct flow_held *h); /* NULL is fine */

/* What that agent held: interface, pace, since when (seconds since 1970). `id` NULL: it was killed
 * while it read, or the machine went down, and any interface may have lost something. To be called
 * once, before the first of the functions below. */
typedef void flow_held_fn(const char *id, unsigned pace, int64_t since, void *arg);
void flow_held_cut(const struct flow_held *h, flow_held_fn *each, void *arg);

/* since 0: nothing any more. -ENOMEM or other -errno: it could not be noted. */
int flow_held_set(struct flow_held *h, const char *id, unsigned pace, int64_t since);
/* Around a read of what the kernel counted: since the last one; and now (0: nobody is asked for).
 */
void flow_held_read_begins(struct flow_held *h);
void flow_held_read_done(struct flow_held *h, int64_t now);
/* Forgets what flow_held_cut told and nobody set again: interfaces that are no more. */
void flow_held_tidy(struct flow_held *h);

#endif
