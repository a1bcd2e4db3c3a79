/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vpc-instance: what runs in an instance on the agent's behalf.
 *
 * A small program of its own, without libraries, for two reasons. It is started from a descriptor
 * with a clean image: an instance's first process must not carry a copy of the agent's memory, in
 * which other tenants' things are. And what is found by the agent's name is the agent alone: the
 * instances live on when it is killed.
 *
 *     vpc-instance init ID BASE           makes the namespaces and becomes the instance's pid 1
 *     vpc-instance exec ID TTY CWD CMD... joins them and runs a command there
 *
 * Both are started by the agent only, with the descriptors and environment below.
 */
#ifndef VPCD_AGENT_INSIDE_H
#define VPCD_AGENT_INSIDE_H

#include <stdbool.h>
#include <sys/types.h>

/* Each instance has its own range of user ids; its root is the first of them outside. */
#define INSIDE_UIDS 65536

/* Descriptors of both. */
#define INSIDE_FD_TALK 3   /* init: report to the agent; exec: vpcctl's connection */
#define INSIDE_FD_CGROUP 4 /* cgroup.procs to enter; may be closed */
#define INSIDE_FD_A 5      /* init: the console log, read and write; exec: pidfd of the init */
#define INSIDE_FD_B 6      /* init: user data */
#define INSIDE_FD_END 7

/* Environment of init. */
#define INSIDE_ENV_HIDE "VPC_HIDE"           /* the state directory */
#define INSIDE_ENV_HOSTNAME "VPC_HOSTNAME"   /* what `hostname` says inside */
#define INSIDE_ENV_RESOLV "VPC_RESOLV"       /* what /etc/resolv.conf says inside */
#define INSIDE_ENV_PROCESSES "VPC_PROCESSES" /* how many there may be */

/*
 * What init says on its descriptor, a line each: "pid N" (in the caller's pid namespace), then,
 * after the agent's byte, "up"; or "error TEXT" at any time, its last word. Until the byte came,
 * the end of the connection ends the instance: no instance exists that the agent has no record of.
 *
 * Signals to init: SIGUSR1 runs the user data (once), SIGTERM ends the instance in an orderly way.
 */
#define CONSOLE_MAX (64 * 1024)

int init_main(const char *id, uid_t base);
int exec_main(const char *id, bool tty, const char *cwd, char **argv);

/* What every program in an instance finds in its environment; only TERM is taken from outside. */
void inside_environment(void);

/* The system calls that nobody in an instance may make, for this process and all it starts. 0 or
 * -errno. After inside_leave_keyring, which is one of them. */
int inside_filter(void);

/* The session keyring of whoever started the agent stays outside: its keys could be read by whoever
 * possesses it, whatever the user. Not 0: it could not be left, and nothing may be run. */
int inside_leave_keyring(void);

/* The limits of a process in an instance, set while it has the rights of the machine's root. */
void inside_limits(unsigned long processes);

/* Mounts, as root of the machine in a mount namespace of its own: what the instance shall see.
 * `resolv`: the text of its /etc/resolv.conf. NULL or what failed (errno). */
const char *mounts_hide(const char *hide, const char *resolv, uid_t base);
/* The same for /proc and /sys, by a process in the new pid and network namespaces. */
const char *mounts_views(void);

#endif
