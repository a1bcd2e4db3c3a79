/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/record.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

#define RECORD_MAX 1024

bool record_id_valid(const char *id) {
    size_t len = strlen(id);

    if (len < 3 || len > 19 || id[0] != 'i' || id[1] != '-')
        return false;
    return strspn(id + 2, "0123456789abcdef") == len - 2;
}

int record_format(const struct record *r, char *out, size_t size) {
    int n = snprintf(out, size,
                     "version 2\nid %s\nslot %u\npid %d\nstart %" PRIu64 "\nboot %s\nboots %" PRId64
                     "\n",
                     r->id, r->slot, r->pid, r->start, r->boot, r->boots);

    return n > 0 && (size_t)n < size ? n : -ENOSPC;
}

int record_parse(const char *text, struct record *ret_record) {
    struct record r = {.pid = 0};
    unsigned version;
    int end = 0;

    if (sscanf(text,
               "version %u\nid %31[-0-9a-z]\nslot %u\npid %d\nstart %" SCNu64
               "\nboot %36[-0-9a-f]\nboots %" SCNd64 "\n%n",
               &version, r.id, &r.slot, &r.pid, &r.start, r.boot, &r.boots, &end) != 7 ||
        version != 2 || text[end] || !record_id_valid(r.id) || r.pid < 0)
        return -EBADMSG;
    *ret_record = r;
    return 0;
}

static int record_path(const char *dir, const char *id, char path[PATH_MAX]) {
    if (!record_id_valid(id))
        return -EINVAL;
    return snprintf(path, PATH_MAX, "%s/%s", dir, id) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int record_write(const char *dir, const struct record *record) {
    char path[PATH_MAX], new[PATH_MAX], text[RECORD_MAX];
    _close_ int fd = -1;
    int n = record_format(record, text, sizeof(text));
    int r = record_path(dir, record->id, path);

    if (r < 0 || n < 0)
        return r < 0 ? r : n;
    if (snprintf(new, sizeof(new), "%s.new", path) >= (int)sizeof(new))
        return -ENAMETOOLONG;
    fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    r = write_all(fd, text, (size_t)n);
    if (r == 0 && rename(new, path) < 0)
        r = -errno;
    if (r < 0)
        unlink(new);
    return r;
}

int record_read(const char *dir, const char *id, struct record *ret_record) {
    _buf_ struct buf text = BUF_INIT;
    struct record record;
    char path[PATH_MAX];
    int r = record_path(dir, id, path);

    if (r == 0)
        r = read_file(path, RECORD_MAX, &text);
    if (r == 0)
        r = record_parse(buf_str(&text), &record);
    if (r == 0 && strcmp(record.id, id) != 0)
        r = -EBADMSG;
    if (r == 0)
        *ret_record = record;
    return r;
}

int record_remove(const char *dir, const char *id) {
    char path[PATH_MAX];
    int r = record_path(dir, id, path);

    if (r < 0)
        return r;
    return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

int record_each(const char *dir, int (*each)(const struct record *record, void *arg), void *arg) {
    struct dirent *entry;
    DIR *d = opendir(dir);
    int r = 0;

    if (!d)
        return errno == ENOENT ? 0 : -errno;
    while (r == 0 && (entry = readdir(d))) {
        struct record record;

        if (!record_id_valid(entry->d_name))
            continue;
        if (record_read(dir, entry->d_name, &record) < 0) {
            record = (struct record){.slot = RECORD_NO_SLOT};
            snprintf(record.id, sizeof(record.id), "%.31s", entry->d_name);
        }
        r = each(&record, arg);
    }
    closedir(d);
    return r;
}

int boot_id(char out[37]) {
    _buf_ struct buf text = BUF_INIT;
    int r = read_file("/proc/sys/kernel/random/boot_id", 64, &text);

    if (r < 0)
        return r;
    if (text.len < 36)
        return -EBADMSG;
    memcpy(out, text.data, 36);
    out[36] = 0;
    return 0;
}

int process_open(const struct record *record) {
    char boot[37];
    uint64_t start;
    _close_ int fd = -1;

    if (record->pid <= 0 || boot_id(boot) < 0 || strcmp(boot, record->boot) != 0)
        return -ESRCH;
    fd = (int)syscall(SYS_pidfd_open, record->pid, 0);
    if (fd < 0)
        return -errno;
    /* Looked at with the descriptor in hand: the number cannot have passed on in between. */
    if (process_start(record->pid, &start) < 0 || start != record->start)
        return -ESRCH;
    return TAKE_FD(fd);
}
