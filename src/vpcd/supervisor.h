/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor: what runs as root where no systemd does. It makes the state directory, starts the
 * worker as an unprivileged user and the agent as root, and starts again what dies. It reads no
 * byte that anybody sends.
 */
#ifndef VPCD_VPCD_SUPERVISOR_H
#define VPCD_VPCD_SUPERVISOR_H

#include <sys/types.h>

/* A child that exits with this (sysexits' EX_CONFIG) cannot do its work as it is configured: it is
 * not started again, and the supervisor ends with the same status. */
#define SUPERVISOR_EXIT_CONFIG 78

struct supervisor_config {
    const char *state_dir; /* made if it is missing */
    uid_t uid;             /* of the worker */
    gid_t gid;
    char *const *worker;          /* argv; [0] is the path of the program */
    char *const *agent;           /* argv; NULL: no agent */
    const char *credentials_file; /* NULL: STATE/credentials; made for the worker */
};

/*
 * Runs until SIGTERM or SIGINT; the exit status of the program. It holds STATE/vpcd.lock, whose
 * content is its pid; STATE/vpcd.pid has the same.
 *
 * The worker gets SIGTERM when the supervisor dies, however that happens. The agent lives on then;
 * one that is found alive (STATE/agent/lock) is left alone and watched.
 */
int supervisor_run(const struct supervisor_config *config);

/* The pause before the next start of a child that ran for `ran_ms` and was paused `last_ms` before:
 * 0, then 100 ms, doubled up to 5 s; from the beginning after ten good seconds. */
int supervisor_pause(int last_ms, int64_t ran_ms, int deaths);

/* Makes STATE and what is in it with the owners and modes that the daemons expect. 0 or -errno,
 * then *ret_path says where. */
int supervisor_make_dirs(const struct supervisor_config *config, char ret_path[256]);

#endif
