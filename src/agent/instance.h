/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instances of this host.
 *
 * An instance is a tree of processes under a pid 1 of its own (inside_init.c), with namespaces, a
 * network namespace that `ip netns` knows under the instance's id, a range of user ids, a cgroup
 * and a record (record.h). All of that outlives the agent. instances_open finds it again; what died
 * in the meantime is there as well, marked as such, until instance_forget.
 *
 * None of these calls waits longer than instance_create, which takes some milliseconds.
 */
#ifndef VPCD_AGENT_INSTANCE_H
#define VPCD_AGENT_INSTANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "agent/cgroup.h"
#include "agent/record.h"
#include "link/owner.h"

struct instance {
    LIST_ENTRY(instance) link;
    struct record record;
    int pidfd;     /* readable when the instance has ended; -1: it has */
    int netns_fd;  /* -1: it has ended */
    bool rebooted; /* it ended because the machine did */
    void *user;    /* the caller's */
};

LIST_HEAD(instance_list, instance);

struct instances {
    const struct owner *owner;
    struct instance_list list;
    char dir[160];     /* records */
    char console[160]; /* console logs */
    int program;       /* vpc-instance */
};

struct instance_spec {
    const char *id;
    const char *hostname;  /* up to 63 characters */
    const void *user_data; /* NULL: none */
    size_t user_data_len;
    struct cgroup_limits limits; /* zeros: defaults */
};

/* Reads the records under STATE/agent and takes over what lives. */
int instances_open(const struct owner *owner, struct instances *ret_instances);
void instances_close(struct instances *all); /* forgets; ends nothing */

struct instance *instance_find(struct instances *all, const char *id);

/* Makes the namespaces and the first process, with `lo` up and nothing run yet. On an error `why`
 * (at least 256 bytes) says what in words for a user. -EEXIST when it lives. A dead one of the same
 * id is started again, with its user ids. */
int instance_create(struct instances *all, const struct instance_spec *spec,
                    struct instance **ret_instance, char *why, size_t why_size);

/* The network is there: run the user data. Once for each start; again is fine. */
int instance_go(struct instances *all, struct instance *instance);

/* Asks the instance to end (its processes get SIGTERM, then SIGKILL), or kills it. The end shows at
 * pidfd; then call instance_ended. */
int instance_stop(struct instance *instance);
int instance_kill(struct instance *instance);

/* It ended: its name and cgroup go, its record and console stay (a stopped instance). */
void instance_ended(struct instances *all, struct instance *instance);

/* Nothing of it stays. It must have ended. */
void instance_forget(struct instances *all, struct instance *instance);

/* Kills all, waits (within `ms`) and forgets; 0, or -ETIMEDOUT. */
int instances_destroy_all(struct instances *all, int ms);

#endif
