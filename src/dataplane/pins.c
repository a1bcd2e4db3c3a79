/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory of pins. Names carry the layout of what they hold ("flows_v1"), so an agent finds
 * only what it understands; what is left of other layouts is removed after the switch.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "dataplane/private.h"

#define BPFFS "/sys/fs/bpf"
#define BPFFS_MAGIC 0xcafe4a11

int pin_path(const char *dir, const char *name, uint32_t layout, char ret_path[PIN_PATH]) {
    int n = snprintf(ret_path, PIN_PATH, "%s/%s_v%u", dir, name, layout);

    return n < PIN_PATH ? 0 : -ENAMETOOLONG;
}

static bool is_bpffs(const char *path) {
    struct statfs fs;

    return statfs(path, &fs) == 0 && (uint32_t)fs.f_type == BPFFS_MAGIC;
}

static int bpffs_mount(struct buf *err) {
    if (is_bpffs(BPFFS))
        return 0;
    if (mount("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") == 0)
        return 0;
    buf_addf(err,
             "no BPF file system at " BPFFS " and it cannot be mounted (%s). As root: mount -t bpf "
             "bpf " BPFFS ". In a container: docker run -v " BPFFS ":" BPFFS
             " --cap-add BPF --cap-add NET_ADMIN --cap-add SYS_ADMIN --cap-add PERFMON, or "
             "--privileged.",
             strerror(errno));
    return -ENOTSUP;
}

int pin_dir_make(const char *dir, struct buf *err) {
    int r = strncmp(dir, BPFFS "/", sizeof BPFFS) == 0 ? bpffs_mount(err) : 0;

    if (r < 0)
        return r;
    r = make_dirs(dir, 0700);
    if (r < 0) {
        buf_addf(err, "cannot make %s: %s", dir, strerror(-r));
        return r;
    }
    if (!is_bpffs(dir)) {
        buf_addf(err, "%s is not on a BPF file system", dir);
        return -ENOTSUP;
    }
    return 0;
}

static bool is_ours(const char *name) {
    for (int i = 0; i < DATAPLANE_MAPS; i++) {
        const struct dataplane_map_row *row = &dataplane_maps[i];
        char expected[64];
        snprintf(expected, sizeof expected, "%s_v%u", row->name, row->layout);
        if (strcmp(name, expected) == 0)
            return true;
    }
    return false;
}

/* Removes what is in `dir`, all or only what this build does not use. */
static int remove_pins(const char *dir, bool all) {
    DIR *d = opendir(dir);
    struct dirent *e;
    int r = 0;

    if (!d)
        return errno == ENOENT ? 0 : -errno;
    while ((e = readdir(d))) {
        char path[PIN_PATH];
        if (e->d_name[0] == '.' || (!all && is_ours(e->d_name)))
            continue;
        if (snprintf(path, sizeof path, "%s/%s", dir, e->d_name) >= (int)sizeof path)
            continue;
        if (unlink(path) < 0 && errno != ENOENT)
            r = -errno;
    }
    closedir(d);
    return r;
}

int pin_dir_clean(const char *dir) {
    return remove_pins(dir, false);
}

int dataplane_destroy(const char *pin_dir) {
    int r;

    if (!is_bpffs(pin_dir))
        return 0; /* nothing was ever pinned there */
    r = remove_pins(pin_dir, true);
    if (r == 0 && rmdir(pin_dir) < 0 && errno != ENOENT)
        r = -errno;
    return r;
}
