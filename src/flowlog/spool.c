/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer's side. What waits is counted here and not asked of the disk: `waiting` is a table of
 * bytes and files by account, filled by a look at the directory (names tell accounts and sizes, so
 * nothing is opened), raised by each put, and made anew when a bound is reached.
 */
#include "flowlog/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "flowlog/spool_text.h"

#define LOOK_PAUSE_NS 1000000000ULL

struct waiting {
    uint64_t account, bytes;
    uint32_t batches;
    UT_hash_handle hh;
};

struct spool {
    int new_dir, ready_dir;
    gid_t group;
    struct spool_limits limits;
    struct waiting *waiting;
    struct spool_stats stats;
    uint64_t looked; /* monotonic */
    uint32_t run;    /* makes names of this writer unlike those of the last one */
    uint32_t next;
};

static int make_dir(int parent, const char *name, gid_t group, mode_t mode) {
    _close_ int fd = -1;
    struct stat st;

    if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
        return -errno;
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ELOOP ? -ENOTDIR : -errno;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_uid != geteuid())
        return -EPERM;
    if (group != (gid_t)-1 && fchown(fd, (uid_t)-1, group) < 0)
        return -errno;
    if (fchmod(fd, mode) < 0)
        return -errno;
    return TAKE_FD(fd);
}

/* What an earlier writer left half written. */
static int clear_new(struct spool *s) {
    int copy = dup(s->new_dir);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *e;

    if (!d)
        return -errno;
    while ((e = readdir(d)))
        if (e->d_name[0] != '.')
            unlinkat(s->new_dir, e->d_name, 0);
    closedir(d);
    return 0;
}

static struct waiting *waiting_of(struct spool *s, uint64_t account) {
    struct waiting *w;

    HASH_FIND(hh, s->waiting, &account, sizeof(account), w);
    if (!w) {
        w = calloc(1, sizeof(*w));
        if (!w)
            return NULL;
        w->account = account;
        HASH_ADD(hh, s->waiting, account, sizeof(w->account), w);
    }
    return w;
}

static void forget(struct spool *s) {
    struct waiting *w, *next;

    HASH_ITER (hh, s->waiting, w, next) {
        HASH_DEL(s->waiting, w);
        free(w);
    }
    s->stats.bytes = s->stats.batches = 0;
}

static int count(struct spool *s, uint64_t account, uint64_t size) {
    struct waiting *w = waiting_of(s, account);

    if (!w)
        return -ENOMEM;
    w->bytes += size;
    w->batches++;
    s->stats.bytes += size;
    s->stats.batches++;
    return 0;
}

/* Names that are none of ours, and lies about the size, are the reader's own loss. */
static int look(struct spool *s) {
    int fd = openat(s->ready_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;

    if (!d) {
        r = -errno;
        if (fd >= 0)
            close(fd);
        return r;
    }
    s->looked = mono_ns();
    forget(s);
    while (r == 0 && (e = readdir(d))) {
        struct spool_name name;

        if (spool_name_parse(e->d_name, &name))
            r = count(s, name.account, name.size);
    }
    closedir(d);
    return r;
}

int spool_open(const char *directory, gid_t group, const struct spool_limits *limits,
               struct spool **ret_spool) {
    _close_ int top = -1;
    struct spool *s;
    int r;

    if (mkdir(directory, 0755) < 0 && errno != EEXIST)
        return -errno;
    top = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (top < 0)
        return errno == ELOOP ? -ENOTDIR : -errno;
    s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->group = group;
    s->limits = limits ? *limits : (struct spool_limits){0};
    if (!s->limits.bytes)
        s->limits.bytes = SPOOL_BYTES;
    if (!s->limits.account_bytes)
        s->limits.account_bytes = s->limits.bytes / 4;
    if (!s->limits.batches)
        s->limits.batches = SPOOL_BATCHES;
    if (!s->limits.account_batches)
        s->limits.account_batches = s->limits.batches / 4 + 1;
    random_bytes(&s->run, sizeof(s->run));
    s->ready_dir = -1;
    s->new_dir = r = make_dir(top, "new", (gid_t)-1, 0700);
    if (r >= 0)
        s->ready_dir = r = make_dir(top, "ready", group, 0770);
    if (r >= 0)
        r = clear_new(s);
    if (r >= 0)
        r = look(s);
    if (r < 0) {
        spool_close(s);
        return r;
    }
    *ret_spool = s;
    return 0;
}

void spool_close(struct spool *s) {
    if (!s)
        return;
    if (s->new_dir >= 0)
        close(s->new_dir);
    if (s->ready_dir >= 0)
        close(s->ready_dir);
    forget(s);
    free(s);
}

static bool fits(struct spool *s, uint64_t account, uint64_t size) {
    const struct waiting *w = waiting_of(s, account);

    return w && s->stats.bytes + size <= s->limits.bytes &&
           w->bytes + size <= s->limits.account_bytes && s->stats.batches < s->limits.batches &&
           w->batches < s->limits.account_batches;
}

static bool has_room(struct spool *s, uint64_t account, uint64_t size) {
    if (fits(s, account, size))
        return true;
    if (mono_ns() - s->looked < LOOK_PAUSE_NS || look(s) < 0)
        return false;
    return fits(s, account, size);
}

/* Written and synced in new/; gone again on failure. */
static int write_new(struct spool *s, const char *name, const struct buf *head, const char *lines,
                     size_t len) {
    _close_ int fd =
        openat(s->new_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
    int r;

    if (fd < 0)
        return -errno;
    r = write_all(fd, head->data, head->len);
    if (r == 0)
        r = write_all(fd, lines, len);
    if (r == 0 && s->group != (gid_t)-1 && fchown(fd, (uid_t)-1, s->group) < 0)
        r = -errno;
    if (r == 0 && (fchmod(fd, 0640) < 0 || fsync(fd) < 0))
        r = -errno;
    if (r < 0)
        unlinkat(s->new_dir, name, 0);
    return r == -EDQUOT ? -ENOSPC : r;
}

static int put(struct spool *s, const struct spool_meta *meta, const char *lines, size_t len) {
    _buf_ struct buf head = BUF_INIT;
    char name[SPOOL_NAME_MAX];
    uint64_t size;
    int r = spool_text_check(meta, lines, len);

    if (r < 0)
        return r;
    spool_text_head(meta, len, &head);
    if (head.failed)
        return -ENOMEM;
    size = head.len + len;
    if (!has_room(s, meta->account, size))
        return -ENOSPC;
    r = snprintf(name, sizeof(name),
                 "%" PRId64 "_%s_%s_%012" PRIu64 "_%" PRIu64 "_%08" PRIx32 "%08" PRIx32, meta->end,
                 meta->flow_log, meta->eni, meta->account, size, s->run, s->next++);
    if (r < 0 || (size_t)r >= sizeof(name))
        return -EINVAL;
    r = write_new(s, name, &head, lines, len);
    if (r < 0)
        return r;
    if (renameat(s->new_dir, name, s->ready_dir, name) < 0) {
        r = -errno;
        unlinkat(s->new_dir, name, 0);
        return r;
    }
    count(s, meta->account, size);
    return 0;
}

int spool_put(struct spool *s, const struct spool_meta *meta, const char *lines, size_t len) {
    int r = put(s, meta, lines, len);

    if (r == 0) {
        s->stats.put++;
    } else if (r == -ENOSPC) {
        s->stats.refused++;
        s->stats.refused_bytes += len;
    }
    return r;
}

int spool_sync(struct spool *s) {
    return fsync(s->ready_dir) < 0 ? -errno : 0;
}

struct spool_stats spool_stats(const struct spool *s) {
    return s->stats;
}
