/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ending the daemons. Each is found by the lock that it holds, never by its name; the supervisor
 * first, since it would start the others again.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/lock.h"
#include "vpcctl/ctl.h"

#define STOP_MS 40000 /* the supervisor gives its children 10 s, twice */

/* 1: it was there and is gone; 0: there was none; -errno. */
static int stop_holder(const struct ctl *ctl, const char *file) {
    char path[300];
    pid_t pid;
    _close_ int fd = -1;
    struct pollfd p = {.events = POLLIN};

    snprintf(path, sizeof(path), "%s/%s", ctl->dir, file);
    fd = lock_holder_open(path, &pid);
    if (fd < 0)
        return fd == -ESRCH ? 0 : fd;
    if (syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0) < 0)
        return errno == ESRCH ? 1 : -errno;
    p.fd = fd;
    for (;;) {
        int n = poll(&p, 1, STOP_MS);

        if (n == 1)
            return 1;
        if (n == 0)
            return -ETIMEDOUT;
        if (errno != EINTR)
            return -errno;
    }
}

static int stop_all(const struct ctl *ctl, int *ret_found) {
    static const struct {
        const char *lock, *name;
    } daemons[] = {{"vpcd.lock", "vpcd"}, {"agent/lock", "vpc-agent"}};

    *ret_found = 0;
    for (size_t i = 0; i < ARRAY_SIZE(daemons); i++) {
        int r = stop_holder(ctl, daemons[i].lock);

        if (r < 0)
            return complain(1, "%s could not be ended: %s", daemons[i].name, strerror(-r));
        *ret_found += r;
    }
    return 0;
}

int ctl_stop(const struct ctl *ctl) {
    int found;

    if (ctl->argc)
        return complain(EXIT_USAGE, "stop takes no arguments");
    if (geteuid() != 0)
        return complain(1, "this needs root");
    if (stop_all(ctl, &found) != 0)
        return 1;
    if (found)
        printf("vpcd has ended; packets and instances go on, and DNS, DHCP and metadata rest until "
               "vpcd runs again\n");
    else
        printf("no vpcd runs with the state directory %s\n", ctl->dir);
    return 0;
}

int ctl_down(const struct ctl *ctl) {
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 16);
    char *slash;
    int found;

    if (ctl->argc)
        return complain(EXIT_USAGE, "down takes no arguments");
    if (geteuid() != 0)
        return complain(1, "this needs root");
    if (n < 0)
        return complain(1, "/proc/self/exe: %s", strerror(errno));
    if (stop_all(ctl, &found) != 0)
        return 1;
    path[n] = 0;
    slash = strrchr(path, '/');
    snprintf(slash, 16, "/vpc-agent");
    execl(path, "vpc-agent", "--state-dir", ctl->dir, "--down", NULL);
    return complain(1, "%s: %s", path, strerror(errno));
}
