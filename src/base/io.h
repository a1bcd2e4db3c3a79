/* SPDX-License-Identifier: Apache-2.0 */
/* Files and local sockets. All return 0 or more on success, -errno otherwise. */
#ifndef VPCD_BASE_IO_H
#define VPCD_BASE_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

/* All `len` bytes, through interruptions; -EPIPE when the reader is gone, -ENODATA at an early end.
 */
int write_all(int fd, const void *data, size_t len);
int read_all(int fd, void *data, size_t len);

/* The whole file; at most `max` bytes, -EFBIG beyond. Appends to `out`. */
int read_file(const char *path, size_t max, struct buf *out);

/* Written aside, synced, renamed into place, directory synced: old or new, never half. */
int write_file_atomic(const char *path, const void *data, size_t len, mode_t mode);

/* Like mkdir -p for one path, each missing part with `mode`. An existing directory is fine. */
int make_dirs(const char *path, mode_t mode);

/* SOCK_STREAM Unix sockets, close-on-exec, non-blocking. Listening replaces a stale socket file. */
int unix_listen(const char *path, mode_t mode);
int unix_connect(const char *path);

struct peer {
    pid_t pid;
    uid_t uid;
    gid_t gid;
};
int unix_peer(int fd, struct peer *ret_peer);

/* `n` bytes of the kernel's randomness; cannot fail on a kernel that has getrandom. */
void random_bytes(void *out, size_t n);

/* CLOCK_REALTIME in milliseconds; CLOCK_MONOTONIC in nanoseconds. */
int64_t time_ms(void);
uint64_t mono_ns(void);

#endif
