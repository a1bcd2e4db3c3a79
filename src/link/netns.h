/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network namespaces with a name, as `ip netns` knows them: a file of /run/netns onto which the
 * namespace is mounted.
 */
#ifndef VPCD_LINK_NETNS_H
#define VPCD_LINK_NETNS_H

#include <stdbool.h>

#define NETNS_DIR "/run/netns"

/*
 * A visit to another network namespace by the calling thread. Between the two calls nothing may
 * return early. Coming back cannot fail: the way home is an open descriptor; should it fail all the
 * same, the process ends rather than go on in an instance's network.
 */
struct netns_visit {
    int home; /* -1: no visit */
};
int netns_enter(int netns_fd, struct netns_visit *ret_visit); /* -1: stay, which is fine too */
void netns_leave(struct netns_visit *visit);

/* Descriptors (close-on-exec) of a named namespace, and of a process's. */
int netns_open(const char *name);
int netns_open_pid(int pid);

/* A new, empty one: a descriptor (close-on-exec), or -errno. */
int netns_new(void);

/* Gives the namespace behind `netns_fd` the name. -EEXIST when the name is mounted already. */
int netns_mount(const char *name, int netns_fd);

/* Takes the name away; the namespace itself lives as long as somebody is in it. Fine when absent.
 */
int netns_umount(const char *name);

/* Removes NETNS_DIR when nothing is in it and nobody mounted something there. */
void netns_tidy(void);

/* 1: both descriptors are the same namespace, 0: they are not. */
int netns_same(int a, int b);

/* A name of NETNS_DIR: not empty, no slash, not "." or "..". */
bool netns_name_valid(const char *name);

#endif
