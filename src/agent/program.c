/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/inside.h"
#include "base/cleanup.h"

#ifndef VPCD_LIBEXECDIR
#define VPCD_LIBEXECDIR "/usr/local/libexec/vpcd"
#endif

int program_open(void) {
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 16);
    char *slash;
    int fd = -1;

    if (n > 0) {
        path[n] = 0;
        slash = strrchr(path, '/');
        snprintf(slash, 16, "/vpc-instance");
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0)
        fd = open(VPCD_LIBEXECDIR "/vpc-instance", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* Copies of the descriptors above all the numbers that they shall get, so that none overwrites
 * another. */
static int lift(const struct program_fd *fds, size_t n_fds, int *high) {
    for (size_t i = 0; i < n_fds; i++) {
        high[i] = fds[i].from < 0 ? -1 : fcntl(fds[i].from, F_DUPFD_CLOEXEC, 64);
        if (fds[i].from >= 0 && high[i] < 0)
            return -errno;
    }
    return 0;
}

int program_start(int program, char *const argv[], char *const env[], const struct program_fd *fds,
                  size_t n_fds, pid_t *ret_pid) {
    posix_spawn_file_actions_t actions;
    int high[INSIDE_FD_END] = {-1, -1, -1, -1, -1, -1, -1}, r;
    _close_ int high_program = fcntl(program, F_DUPFD_CLOEXEC, 64);
    char path[64];
    pid_t pid;

    if (high_program < 0)
        return -errno;
    if (n_fds > INSIDE_FD_END)
        return -EINVAL;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return -ENOMEM;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", high_program);
    r = lift(fds, n_fds, high);
    for (int fd = 0; fd < 3 && r == 0; fd++)
        r = -posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
    for (size_t i = 0; i < n_fds && r == 0; i++)
        if (high[i] >= 0)
            r = -posix_spawn_file_actions_adddup2(&actions, high[i], fds[i].to);
    /* The rest closes by itself at the exec. A number that is not passed must not be open by
     * chance: the agent opens everything close-on-exec. */
    if (r == 0)
        r = -posix_spawn(&pid, path, &actions, NULL, argv, env);
    posix_spawn_file_actions_destroy(&actions);
    for (size_t i = 0; i < n_fds; i++)
        if (high[i] >= 0)
            close(high[i]);
    if (r == 0)
        *ret_pid = pid;
    return r;
}
