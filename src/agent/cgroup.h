/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cgroup for each instance, under `vpcd-<hash>` of the unified hierarchy: limits on processes and
 * memory, a fair share of the processors. On machines where that hierarchy or its controllers are
 * not to be had (containers, old set-ups) there are no such limits; the one on processes holds all
 * the same, by the user namespace.
 */
#ifndef VPCD_AGENT_CGROUP_H
#define VPCD_AGENT_CGROUP_H

#include <stdint.h>

struct cgroup_limits {
    unsigned processes;
    uint64_t memory; /* bytes */
};

/* What instances have no limit on, since the controllers are missing: "", "memory", "memory and
 * processors", ... */
const char *cgroup_unlimited(void);

/* Bounds all instances of this state directory together: 80 % of the memory, three quarters of the
 * machine's process numbers. */
void cgroup_limit_all(const char *hash);

/* Makes or finds the group; a descriptor of its cgroup.procs to give to vpc-instance, or -errno. */
int cgroup_make(const char *hash, const char *id, const struct cgroup_limits *limits);
int cgroup_open(const char *hash, const char *id);

/* Kills whatever is left in it and takes it away; best effort. */
void cgroup_remove(const char *hash, const char *id);

/* Removes `vpcd-<hash>` itself, with all that is in it. */
void cgroup_remove_all(const char *hash);

#endif
