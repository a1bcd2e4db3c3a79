/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

/* Where cgroup version 2 is mounted, or NULL. */
static const char *root_of(void) {
    static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    struct statfs fs;

    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        if (statfs(places[i], &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
            return places[i];
    return NULL;
}

static int path_of(const char *hash, const char *id, const char *file, char out[256]) {
    const char *root = root_of();

    if (!root)
        return -ENOENT;
    snprintf(out, 256, "%s/vpcd-%s%s%s%s%s", root, hash, *id ? "/" : "", id, *file ? "/" : "",
             file);
    return 0;
}

static int set(const char *hash, const char *id, const char *file, const char *value) {
    char path[256];
    _close_ int fd = -1;
    int r = path_of(hash, id, file, path);

    if (r < 0)
        return r;
    fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 ? -errno : write_all(fd, value, strlen(value));
}

/* Each controller by itself: one that is missing does not keep the others away. */
static void enable_controllers(const char *path) {
    static const char *const controllers[] = {"+pids", "+memory", "+cpu"};
    _close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

    for (size_t i = 0; fd >= 0 && i < ARRAY_SIZE(controllers); i++)
        if (write(fd, controllers[i], strlen(controllers[i])) < 0)
            continue;
}

int cgroup_open(const char *hash, const char *id) {
    char path[256];
    int fd, r = path_of(hash, id, "cgroup.procs", path);

    if (r < 0)
        return r;
    fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* `vpcd-<hash>`, with the controllers that there are passed on to what is below. */
static int make_group_of_all(const char *hash) {
    char path[256];
    int r = path_of(hash, "", "", path);

    if (r < 0)
        return r;
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return -errno;
    snprintf(path, sizeof(path), "%s/cgroup.subtree_control", root_of());
    enable_controllers(path);
    path_of(hash, "", "cgroup.subtree_control", path);
    enable_controllers(path);
    return 0;
}

void cgroup_limit_all(const char *hash) {
    _buf_ struct buf pids = BUF_INIT;
    struct sysinfo info;
    char text[32];

    if (make_group_of_all(hash) < 0)
        return;
    if (sysinfo(&info) == 0) {
        snprintf(text, sizeof(text), "%" PRIu64, (uint64_t)info.totalram * info.mem_unit / 5 * 4);
        set(hash, "", "memory.max", text);
        set(hash, "", "memory.swap.max", "0");
    }
    if (read_file("/proc/sys/kernel/pid_max", 32, &pids) == 0) {
        snprintf(text, sizeof(text), "%ld", atol(buf_str(&pids)) / 4 * 3);
        set(hash, "", "pids.max", text);
    }
}

const char *cgroup_unlimited(void) {
    _buf_ struct buf have = BUF_INIT;
    char path[256];
    bool memory, cpu;

    if (root_of()) {
        snprintf(path, sizeof(path), "%s/cgroup.controllers", root_of());
        if (read_file(path, 4096, &have) < 0)
            buf_reset(&have);
    }
    memory = strstr(buf_str(&have), "memory");
    cpu = strstr(buf_str(&have), "cpu");
    return memory ? (cpu ? "" : "processors") : cpu ? "memory" : "memory and processors";
}

int cgroup_make(const char *hash, const char *id, const struct cgroup_limits *limits) {
    char path[256], text[32];
    int r = make_group_of_all(hash);

    if (r < 0)
        return r;
    path_of(hash, id, "", path);
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return -errno;
    snprintf(text, sizeof(text), "%u", limits->processes);
    set(hash, id, "pids.max", text);
    snprintf(text, sizeof(text), "%" PRIu64, limits->memory);
    set(hash, id, "memory.max", text);
    set(hash, id, "memory.swap.max", "0");
    return cgroup_open(hash, id);
}

/* Killed processes take a moment to leave: the kernel tells of it by cgroup.events. */
static void await_empty(const char *hash, const char *id) {
    uint64_t until = mono_ns() + 500 * (uint64_t)1000000;
    _close_ int fd = -1;
    char path[256];

    path_of(hash, id, "cgroup.events", path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && mono_ns() < until) {
        struct pollfd p = {.fd = fd, .events = POLLPRI};
        char text[256];
        ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

        if (n <= 0)
            return;
        text[n] = 0;
        if (strstr(text, "populated 0"))
            return;
        poll(&p, 1, 100);
    }
}

void cgroup_remove(const char *hash, const char *id) {
    char path[256];

    if (path_of(hash, id, "", path) < 0 || rmdir(path) == 0 || errno != EBUSY)
        return;
    set(hash, id, "cgroup.kill", "1");
    await_empty(hash, id);
    rmdir(path);
}

void cgroup_remove_all(const char *hash) {
    char path[256];
    struct dirent *entry;
    DIR *dir;

    if (path_of(hash, "", "", path) < 0)
        return;
    dir = opendir(path);
    if (!dir)
        return;
    while ((entry = readdir(dir)))
        if (strncmp(entry->d_name, "i-", 2) == 0)
            cgroup_remove(hash, entry->d_name);
    closedir(dir);
    rmdir(path);
}
