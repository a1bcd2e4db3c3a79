/* SPDX-License-Identifier: Apache-2.0 */
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

int lock_take(const char *path) {
    _close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    char text[16];
    int n, r;

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || ftruncate(fd, 0) < 0)
        return -errno;
    n = snprintf(text, sizeof(text), "%d\n", getpid());
    r = write_all(fd, text, (size_t)n);
    return r < 0 ? r : TAKE_FD(fd);
}

pid_t lock_holder(const char *path) {
    _close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[16] = "";
    ssize_t n;

    /* A shared lock disturbs nobody who looks at the same time. */
    if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) == 0)
        return 0;
    n = read(fd, text, sizeof(text) - 1);
    return n > 0 ? atoi(text) : 0;
}

int lock_holder_open(const char *path, pid_t *ret_pid) {
    pid_t pid = lock_holder(path);
    _close_ int fd = -1;

    if (pid <= 0)
        return -ESRCH;
    fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return -errno;
    if (lock_holder(path) != pid)
        return -ESRCH;
    *ret_pid = pid;
    return TAKE_FD(fd);
}
