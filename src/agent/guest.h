/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instances of this host.
 *
 * An instance is a tree of processes under a pid 1 of its own (inside_init.c), with namespaces, a
 * network namespace that `ip netns` knows under the instance's id, a range of user ids, a cgroup
 * and a record (record.h). All of that outlives the agent. guests_open finds it again; what died
 * in the meantime is there as well, marked as such, until guest_forget.
 *
 * None of these calls waits longer than guest_create, which takes some milliseconds (10 s at most).
 * It leaves a child behind that ends at once: the caller waits for children on SIGCHLD.
 */
#ifndef VPCD_AGENT_GUEST_H
#define VPCD_AGENT_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "agent/cgroup.h"
#include "agent/record.h"
#include "link/owner.h"

struct guest {
    LIST_ENTRY(guest) link;
    struct record record;
    int pidfd;     /* readable when the instance has ended; -1: it has */
    int netns_fd;  /* -1: it has ended */
    bool gone;     /* told to run its user data */
    bool rebooted; /* it ended because the machine did */
    void *user;    /* the caller's */
};

LIST_HEAD(guest_list, guest);

struct guests {
    const struct owner *owner;
    struct guest_list list;
    char dir[160];       /* records */
    char console[160];   /* console logs */
    int program;         /* vpc-instance */
    unsigned unreadable; /* records that could not be read; their instances were ended */
};

#define RESOLV_MAX 2048

struct guest_spec {
    const char *id;
    const char *hostname;  /* up to 63 characters */
    const char *resolv;    /* the text of /etc/resolv.conf; up to RESOLV_MAX bytes */
    const void *user_data; /* NULL: none */
    size_t user_data_len;
    struct cgroup_limits limits; /* zeros: defaults */
    int64_t boots;               /* goes into the record */
};

/* Reads the records under STATE/agent and takes over what lives. */
int guests_open(const struct owner *owner, struct guests *ret_guests);
void guests_close(struct guests *all); /* forgets; ends nothing */

/* Asked of the kernel: false also when its end was not noticed yet. */
bool guest_lives(const struct guest *guest);

struct guest *guest_find(struct guests *all, const char *id);

/* Makes the namespaces and the first process, with `lo` up and nothing run yet. On an error `why`
 * (at least 256 bytes) says what in words for a user. -EEXIST when it lives. A dead one of the same
 * id is started again, with its user ids. */
int guest_create(struct guests *all, const struct guest_spec *spec, struct guest **ret_guest,
                 char *why, size_t why_size);

/* The network is there: run the user data. Once for each start; again is fine. */
int guest_go(struct guest *guest);

/* Asks the instance to end (its processes get SIGTERM, then SIGKILL), or kills it. The end shows at
 * pidfd; then call guest_ended. */
int guest_stop(struct guest *guest);
int guest_kill(struct guest *guest);

/* It ended: its name and cgroup go, its record and console stay (a stopped instance). */
void guest_ended(struct guests *all, struct guest *guest);

/* Nothing of it stays. It must have ended. */
void guest_forget(struct guests *all, struct guest *guest);

/* Kills all, waits (within `ms`) and forgets; 0, or -ETIMEDOUT. */
int guests_destroy_all(struct guests *all, int ms);

#endif
