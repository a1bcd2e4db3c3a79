/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor: what runs as root where no systemd does. It makes the state directory, starts the
 * programs of this host, each as its own user, and starts again what dies. It reads no byte that
 * anybody sends.
 */
#ifndef VPCD_VPCD_SUPERVISOR_H
#define VPCD_VPCD_SUPERVISOR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A child that exits with this (sysexits' EX_CONFIG) cannot do its work as it is configured: it is
 * not started again. The supervisor ends with the same status unless the child is optional. */
#define SUPERVISOR_EXIT_CONFIG 78
#define SUPERVISOR_CHILDREN_MAX 8

/*
 * One program. With a user of its own it has no privileges, and gets SIGTERM when the supervisor
 * dies, however that happens. With uid 0 it stays root, and lives on if `lock` names the file that
 * it holds while it runs: one that is found alive is left alone and watched.
 */
struct supervisor_child {
    const char *name;  /* in messages: "worker" */
    char *const *argv; /* [0] is the path of the program; NULL: this one is not run */
    uid_t uid;
    gid_t gid;
    const char *lock; /* relative to the state directory, or NULL */
    const char *dir;  /* a directory there that is made for its user, or NULL */
    bool optional;    /* the others go on without it */
    bool no_network;  /* it gets a network namespace of its own, without any device */
};

struct supervisor_config {
    const char *state_dir; /* made if it is missing */
    uid_t uid;             /* whose the worker's directories and the credentials are */
    gid_t gid;
    const char *credentials_file; /* NULL: STATE/credentials; made for the worker */
    const struct supervisor_child *children;
    size_t n_children; /* up to SUPERVISOR_CHILDREN_MAX */
};

/*
 * Runs until SIGTERM or SIGINT; the exit status of the program. It holds STATE/vpcd.lock, whose
 * content is its pid; STATE/vpcd.pid has the same.
 */
int supervisor_run(const struct supervisor_config *config);

/* The pause before the next start of a child that ran for `ran_ms` and was paused `last_ms` before:
 * 0, then 100 ms, doubled up to 5 s; from the beginning after ten good seconds. */
int supervisor_pause(int last_ms, int64_t ran_ms, int deaths);

/* Makes STATE and what is in it with the owners and modes that the daemons expect. 0 or -errno,
 * then *ret_path says where. */
int supervisor_make_dirs(const struct supervisor_config *config, char ret_path[256]);

#endif
