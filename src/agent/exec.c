/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/exec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/inside.h"
#include "agent/program.h"

static int check(const struct exec_spec *spec, size_t *ret_args) {
    size_t n = 0, bytes = 0;
    struct stat st;

    for (; spec->argv[n]; n++) {
        bytes += strlen(spec->argv[n]) + 1;
        if (n >= EXEC_ARGS_MAX || bytes > EXEC_BYTES_MAX)
            return -E2BIG;
    }
    if (n == 0 || !*spec->argv[0])
        return -EINVAL;
    for (int fd = 0; fd < 3; fd++) {
        if (fstat(spec->stdio[fd], &st) < 0)
            return -errno;
        if (S_ISDIR(st.st_mode))
            return -EISDIR;
    }
    *ret_args = n;
    return 0;
}

int exec_start(struct guests *all, const struct guest *guest, const struct exec_spec *spec,
               pid_t *ret_pid) {
    char program[] = "vpc-instance", verb[] = "exec", tty[] = "tty", pipes[] = "pipes",
         root[] = "/";
    _free_ char *term = NULL, *cwd = NULL;
    _free_ char **argv = NULL;
    _close_ int group = -1;
    char id[INSTANCE_ID_SIZE];
    size_t n = 0;
    int r = check(spec, &n);

    if (r < 0)
        return r;
    if (guest->pidfd < 0)
        return -ESRCH;
    if (all->program < 0)
        all->program = program_open();
    if (all->program < 0)
        return all->program;
    snprintf(id, sizeof(id), "%s", guest->record.id);
    cwd = strdup(spec->cwd ? spec->cwd : root);
    argv = calloc(n + 6, sizeof(*argv));
    if (!cwd || !argv || asprintf(&term, "TERM=%s", spec->term ? spec->term : "dumb") < 0) {
        term = NULL;
        return -ENOMEM;
    }
    argv[0] = program;
    argv[1] = verb;
    argv[2] = id;
    argv[3] = spec->tty ? tty : pipes;
    argv[4] = cwd;
    memcpy(argv + 5, spec->argv, n * sizeof(*argv));
    group = cgroup_open(all->owner->hash, id);

    const struct program_fd fds[] = {
        {spec->stdio[0], 0},       {spec->stdio[1], 1},
        {spec->stdio[2], 2},       {spec->connection, INSIDE_FD_TALK},
        {group, INSIDE_FD_CGROUP}, {guest->pidfd, INSIDE_FD_A},
    };
    char *env[] = {term, NULL};

    return program_start(all->program, argv, env, fds, ARRAY_SIZE(fds), ret_pid);
}
