/* SPDX-License-Identifier: Apache-2.0 */
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/process.h"

/* Whoever only looks holds the lock for a moment too: that is waited for. */
static int take(int fd, const char *path) {
    for (int i = 0; i < 50; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK)
            return -errno;
        if (lock_holder(path) > 0)
            return -EWOULDBLOCK;
        poll(NULL, 0, 10);
    }
    return -EWOULDBLOCK;
}

int lock_take(const char *path) {
    _close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    uint64_t start = 0;
    char text[64];
    int n, r;

    if (fd < 0 || fchmod(fd, 0600) < 0)
        return -errno;
    r = take(fd, path);
    if (r < 0)
        return r;
    process_start(getpid(), &start);
    n = snprintf(text, sizeof(text), "%d\n%" PRIu64 "\n", getpid(), start);
    /* Over what was there: whoever looks meanwhile finds the old holder, which is gone, or this. */
    r = write_all(fd, text, (size_t)n);
    if (r == 0 && ftruncate(fd, n) < 0)
        r = -errno;
    return r < 0 ? r : TAKE_FD(fd);
}

pid_t lock_holder(const char *path) {
    _close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint64_t start = 0, now;
    char text[64] = "";
    pid_t pid = 0;

    /* A shared lock disturbs nobody who looks at the same time. */
    if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) == 0 || read(fd, text, sizeof(text) - 1) <= 0 ||
        sscanf(text, "%d %" SCNu64, &pid, &start) != 2)
        return 0;
    return process_start(pid, &now) == 0 && now == start ? pid : 0;
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
