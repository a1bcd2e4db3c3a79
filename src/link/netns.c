/* SPDX-License-Identifier: Apache-2.0 */
#include "link/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

int netns_enter(int netns_fd, struct netns_visit *ret_visit) {
    int home;

    if (netns_fd < 0) {
        ret_visit->home = -1;
        return 0;
    }
    home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (home < 0)
        return -errno;
    if (setns(netns_fd, CLONE_NEWNET) < 0) {
        int r = -errno;

        close(home);
        return r;
    }
    ret_visit->home = home;
    return 0;
}

void netns_leave(struct netns_visit *visit) {
    if (visit->home < 0)
        return;
    if (setns(visit->home, CLONE_NEWNET) < 0)
        abort();
    close(visit->home);
    visit->home = -1;
}

bool netns_name_valid(const char *name) {
    return *name && strlen(name) < NAME_MAX && !strchr(name, '/') && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

static int netns_path(const char *name, char path[PATH_MAX]) {
    if (!netns_name_valid(name))
        return -EINVAL;
    snprintf(path, PATH_MAX, NETNS_DIR "/%s", name);
    return 0;
}

int netns_open(const char *name) {
    char path[PATH_MAX];
    int fd, r = netns_path(name, path);

    if (r < 0)
        return r;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int netns_open_pid(int pid) {
    char path[64];
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int netns_new(void) {
    struct netns_visit visit;
    int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), fd, r = 0;

    if (home < 0)
        return -errno;
    if (unshare(CLONE_NEWNET) < 0) {
        r = -errno;
        close(home);
        return r;
    }
    fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    r = fd < 0 ? -errno : fd;
    visit.home = home;
    netns_leave(&visit);
    return r;
}

int netns_mount(const char *name, int netns_fd) {
    char path[PATH_MAX], source[64];
    _close_ int fd = -1;
    int r = netns_path(name, path);

    if (r < 0)
        return r;
    r = make_dirs(NETNS_DIR, 0755);
    if (r < 0)
        return r;
    fd = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    if (fd < 0)
        return -errno;
    snprintf(source, sizeof(source), "/proc/self/fd/%d", netns_fd);
    if (mount(source, path, "none", MS_BIND, NULL) < 0) {
        r = -errno;
        unlink(path);
        return r;
    }
    return 0;
}

int netns_umount(const char *name) {
    char path[PATH_MAX];
    int r = netns_path(name, path);

    if (r < 0)
        return r;
    /* EINVAL: a plain file without a mount, as a crash between the two steps leaves it. */
    if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
        return -errno;
    if (unlink(path) < 0 && errno != ENOENT)
        return -errno;
    return 0;
}

void netns_tidy(void) {
    if (rmdir(NETNS_DIR) < 0)
        return; /* in use */
}

int netns_same(int a, int b) {
    struct stat sa, sb;

    if (fstat(a, &sa) < 0 || fstat(b, &sb) < 0)
        return -errno;
    return sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}
