/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an instance sees of the host's files.
 *
 * All of them, read-only and with the rights of a user that owns none, but for:
 *
 *     the state directory   an empty, read-only file system over it
 *     /run                  an own, empty one: no socket of the host's services, no /run/netns
 *     /tmp, /var/tmp        own, empty ones of a bounded size: nothing is left on the host's disk,
 *                           nothing is shared with other instances
 *     /etc/resolv.conf      an own one, which root inside may write
 *     /dev                  an own one with the harmless nodes, terminals and shared memory
 *     /proc, /sys           of the instance's own pid and network namespaces; with that no bpffs,
 *                           tracefs or debugfs, which are mounted below the host's /sys
 *
 * Everything is arranged by root of the machine, in a mount namespace (1) that belongs to the
 * machine's user namespace. The instance then gets a copy (2) that belongs to its own. The kernel
 * locks what is copied that way: root inside can neither unmount nor remount anything of it, and
 * the host's own /proc, /sys, /dev are not even there underneath, for they were unmounted in (1).
 * Mounts that hold network namespaces of other instances are dropped, or they would live on here.
 */
#include "agent/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *drop_namespaces(void) {
    char line[PATH_MAX + 1024];
    FILE *f;

    /* Each pass changes the table that it reads: again until a pass found nothing. */
    for (int pass = 0; pass < 64; pass++) {
        int dropped = 0;

        f = fopen("/proc/self/mountinfo", "re");
        if (!f)
            return "/proc/self/mountinfo";
        while (fgets(line, sizeof(line), f)) {
            char *dash = strstr(line, " - "), path[PATH_MAX];

            if (!dash || strncmp(dash, " - nsfs ", 8) != 0)
                continue;
            if (sscanf(line, "%*s %*s %*s %*s %4095s", path) == 1 && !strchr(path, '\\') &&
                umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
                dropped++;
        }
        fclose(f);
        if (!dropped)
            return NULL;
    }
    return NULL;
}

/* Sets and clears attributes of a mount, of all below it too when `recursive`. */
static int set_attributes(const char *path, bool recursive, uint64_t set, uint64_t clear) {
    struct mount_attr attr = {.attr_set = set, .attr_clr = clear};

    return (int)syscall(SYS_mount_setattr, AT_FDCWD, path, recursive ? AT_RECURSIVE : 0, &attr,
                        sizeof(attr));
}

static const char *make_dev(const char *dev) {
    static const char *const nodes[] = {"null", "zero", "full", "random", "urandom", "tty"};
    static const struct {
        const char *to, *name;
    } links[] = {
        {"/proc/self/fd", "fd"},       {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"},
        {"/proc/self/fd/2", "stderr"}, {"pts/ptmx", "ptmx"},
    };
    char path[256], from[64];

    for (size_t i = 0; i < sizeof(nodes) / sizeof(*nodes) + 1; i++) {
        const char *name = i < sizeof(nodes) / sizeof(*nodes) ? nodes[i] : "net/tun";
        int fd;

        snprintf(from, sizeof(from), "/dev/%s", name);
        snprintf(path, sizeof(path), "%s/%s", dev, name);
        if (strchr(name, '/')) {
            char dir[256];

            snprintf(dir, sizeof(dir), "%s/net", dev);
            if (access(from, F_OK) < 0 || mkdir(dir, 0755) < 0)
                continue;
        }
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0)
            return "/dev";
        close(fd);
        if (mount(from, path, NULL, MS_BIND, NULL) < 0 ||
            set_attributes(path, false, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV) <
                0)
            return name;
    }
    for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
        snprintf(path, sizeof(path), "%s/%s", dev, links[i].name);
        if (symlink(links[i].to, path) < 0)
            return "/dev";
    }
    snprintf(path, sizeof(path), "%s/pts", dev);
    if (mkdir(path, 0755) < 0 || mount("devpts", path, "devpts", MS_NOSUID | MS_NOEXEC,
                                       "newinstance,ptmxmode=0666,mode=0620") < 0)
        return "/dev/pts";
    snprintf(path, sizeof(path), "%s/shm", dev);
    if (mkdir(path, 0755) < 0 ||
        mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=32m") < 0)
        return "/dev/shm";
    return NULL;
}

/* The file that /etc/resolv.conf is, or that it names below /run; there an own one is written. */
static const char *make_resolv(const char *text, uid_t base) {
    char target[PATH_MAX] = "", path[PATH_MAX] = "/run/resolv.conf";
    ssize_t n = readlink("/etc/resolv.conf", target, sizeof(target) - 1);
    const char *below = n > 0 ? strstr(target, "run/") : NULL;
    int fd;

    /* "/run/..." or "../run/...": of what the host has there nothing is left. */
    if (below && (strncmp(target, "/run/", 5) == 0 || strncmp(target, "../run/", 7) == 0) &&
        !strstr(below, "/.."))
        snprintf(path, sizeof(path), "/%s", below);
    else if (n > 0)
        below = NULL;
    for (char *slash = path + 5; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = 0;
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
            return "/etc/resolv.conf";
    }
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return "/etc/resolv.conf";
    if (write(fd, text, strlen(text)) != (ssize_t)strlen(text) || fchown(fd, base, base) < 0) {
        close(fd);
        return "/etc/resolv.conf";
    }
    close(fd);
    if (below || access("/etc/resolv.conf", F_OK) < 0)
        return NULL;
    return mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL) < 0 ||
                   set_attributes("/etc/resolv.conf", false,
                                  MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
                                  MOUNT_ATTR_RDONLY) < 0
               ? "/etc/resolv.conf"
               : NULL;
}

/* A mount point that may not be there, or not be one. */
static void drop(const char *path) {
    while (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
        continue;
}

const char *mounts_hide(const char *hide, const char *resolv, uid_t base) {
    static const struct {
        const char *path, *size;
        unsigned mode;
    } own[] = {{"/run", "32m", 0755}, {"/tmp", "128m", 01777}, {"/var/tmp", "32m", 01777}};
    const char *bad;
    char options[96];

    if (mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0)
        return "/";
    bad = drop_namespaces();
    if (bad)
        return bad;
    if (set_attributes("/", true, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, 0) < 0)
        return "/";
    /* The helper writes there once more, before the instance gets its own in its place. */
    if (set_attributes("/proc", false, 0, MOUNT_ATTR_RDONLY) < 0)
        return "/proc";

    for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++) {
        snprintf(options, sizeof(options), "mode=%o,uid=%u,gid=%u,size=%s", own[i].mode, base, base,
                 own[i].size);
        drop(own[i].path);
        if (access(own[i].path, F_OK) == 0 &&
            mount("tmpfs", own[i].path, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0)
            return own[i].path;
    }

    if (resolv && *resolv) {
        bad = make_resolv(resolv, base);
        if (bad)
            return bad;
    }

    snprintf(options, sizeof(options), "mode=755,uid=%u,gid=%u,size=1m", base, base);
    if (mkdir("/run/dev", 0755) < 0 || mount("tmpfs", "/run/dev", "tmpfs", MS_NOSUID, options) < 0)
        return "/dev";
    bad = make_dev("/run/dev");
    if (bad)
        return bad;
    drop("/dev");
    if (mount("/run/dev", "/dev", NULL, MS_MOVE, NULL) < 0 || rmdir("/run/dev") < 0)
        return "/dev";

    /* Last: it may lie below one of the others, and then is not there to be covered. */
    if (access(hide, F_OK) == 0 &&
        mount("tmpfs", hide, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
              "mode=555,size=4k") < 0)
        return hide;
    return NULL;
}

const char *mounts_views(void) {
    drop("/proc");
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        return "/proc";
    drop("/sys");
    if (mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL) < 0)
        return "/sys";
    return NULL;
}
