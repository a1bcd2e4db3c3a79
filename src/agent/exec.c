/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/exec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/inside.h"
#include "agent/program.h"

/* vpcctl hands no terminal in but a fresh pseudo-terminal: one that somebody uses would be read and
 * written from inside for as long as anything there keeps it. */
static int check_descriptors(const struct exec_spec *spec) {
    struct stat st, terminal;

    if (spec->tty && (!isatty(spec->stdio[0]) || fstat(spec->stdio[0], &terminal) < 0))
        return -ENOTTY;
    for (int i = 0; i < 3; i++) {
        if (fstat(spec->stdio[i], &st) < 0)
            return -errno;
        if (S_ISDIR(st.st_mode))
            return -EISDIR;
        if (isatty(spec->stdio[i]) && (!spec->tty || st.st_rdev != terminal.st_rdev))
            return -ENOTTY;
    }
    return 0;
}

static int check(const struct exec_spec *spec, size_t *ret_args) {
    size_t n = 0, bytes = 0;

    for (; spec->argv[n]; n++) {
        bytes += strlen(spec->argv[n]) + 1;
        if (n >= EXEC_ARGS_MAX || bytes > EXEC_BYTES_MAX)
            return -E2BIG;
    }
    if (n == 0 || !*spec->argv[0])
        return -EINVAL;
    *ret_args = n;
    return check_descriptors(spec);
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
