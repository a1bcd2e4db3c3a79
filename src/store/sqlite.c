/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded engine. Theory of operation.
 *
 * One connection, WAL, synchronous=FULL. It belongs to the loop's thread until the load is over,
 * then to the committer thread of the pipeline. A group of transactions is one transaction of
 * SQLite, so it waits for the disk once:
 *
 *  1. BEGIN IMMEDIATE: from here nobody else writes.
 *  2. Changes by others since the last look are read (shared only).
 *  3. Each transaction: first all expectations are compared, then all writes are made. So a
 * conflict has nothing to undo; it ends the group in front of itself (what follows is cancelled
 * anyway).
 *  4. COMMIT. Only then is anything of the group acknowledged.
 *
 * Any other failure rolls the whole group back. Where the group does not fit (full), its first
 * transaction is tried alone, so that a small one is not refused for the size of its neighbours.
 * After an I/O error or damage nothing is certain any more (what a failed fsync left in the page
 * cache may or may not reach the disk): the engine is dead, and the truth is what the next open
 * finds.
 *
 * One process at a time: flock on DIR/lock, exclusive. With options.shared the lock is taken
 * shared, and any number of handles, in one process or in many, write to the same file: that is how
 * the tests make the conflicts that etcd will. Every write is then also named in the table
 * `changes`, with the number of its writer; each handle follows the rows of the others. The table
 * keeps CHANGES_KEPT rows; a handle that fell behind further is dead. Whoever opens the file alone
 * empties the table.
 *
 * DIR/vpcd.db (and -wal, -shm), DIR/lock: mode 0600.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "store/sqlite_engine.h"
#include "store/sqlite_schema.h"

#define BUSY_MS 5000
#define BUSY_PAUSE_US 100
#define POLL_MS 5 /* of the changes by others */
#define WAL_SIZE_KEPT "67108864"

static const char *const statements[] = {
    [ST_BEGIN] = "BEGIN IMMEDIATE",
    [ST_COMMIT] = "COMMIT",
    [ST_ROLLBACK] = "ROLLBACK",
    [ST_PLACES] = "SELECT id FROM documents ORDER BY key",
    [ST_LOAD] = "SELECT id, key, version, value FROM documents ORDER BY id",
    [ST_VERSION] = "SELECT version FROM documents WHERE key = ?",
    [ST_GET] = "SELECT version, value FROM documents WHERE key = ?",
    [ST_INSERT] = "INSERT INTO documents (key, version, value) VALUES (?, 1, ?)",
    [ST_UPDATE] = "UPDATE documents SET version = version + 1, value = ?2 WHERE key = ?1",
    [ST_DELETE] = "DELETE FROM documents WHERE key = ?",
    [ST_LOG] = "INSERT INTO changes (writer, key) VALUES (?, ?)",
    [ST_LOG_TRIM] = "DELETE FROM changes WHERE seq <= ?",
    [ST_OTHERS] = "SELECT key, max(seq) AS last FROM changes WHERE seq > ? AND writer <> ?"
                  " GROUP BY key ORDER BY last",
    [ST_LOG_BOUNDS] = "SELECT min(seq), max(seq) FROM changes",
};
_Static_assert(ARRAY_SIZE(statements) == N_STATEMENTS, "a statement has no text");

/*
 * Alone: exclusively, or not at all. Shared: whoever comes first holds it exclusively until the
 * file is prepared, the others wait for that.
 */
static int lock_take(int fd, bool shared, bool downgrade) {
    for (int i = 0; i < BUSY_MS * 1000 / BUSY_PAUSE_US; i++) {
        if (!downgrade && flock(fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (!shared)
            return -EBUSY;
        if (flock(fd, LOCK_SH | LOCK_NB) == 0)
            return 0;
        usleep(BUSY_PAUSE_US);
    }
    return -EBUSY;
}

static int lock_directory(struct sqlite_store *s, const char *dir, char error[STORE_TEXT]) {
    char path[PATH_MAX], text[32] = "";
    ssize_t n;

    if (snprintf(path, sizeof(path), "%s/lock", dir) >= (int)sizeof(path))
        return -ENAMETOOLONG;
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->lock_fd < 0) {
        int r = -errno;

        snprintf(error, STORE_TEXT, "%.150s: %s", path, strerror(-r));
        return r;
    }
    if (lock_take(s->lock_fd, s->shared, false) < 0) {
        n = pread(s->lock_fd, text, sizeof(text) - 1, 0);
        text[n > 0 ? strcspn(text, "\n") : 0] = 0;
        snprintf(error, STORE_TEXT, "%.150s is in use by process %s", dir, text[0] ? text : "?");
        return -EBUSY;
    }
    n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
    if (ftruncate(s->lock_fd, 0) < 0 || pwrite(s->lock_fd, text, (size_t)n, 0) != n) {
        snprintf(error, STORE_TEXT, "%.150s: cannot be written", path);
        return -ENOSPC;
    }
    return 0;
}

/*
 * Who waits for another writer looks again soon: SQLite's own handler waits up to 100 ms between
 * two looks, and a busy writer would then keep the file for itself.
 */
static int on_busy(void *arg, int count) {
    usleep(BUSY_PAUSE_US);
    return count < BUSY_MS * 1000 / BUSY_PAUSE_US;
}

/*
 * The file is made here, because SQLite would make it with the umask's mode; -wal and -shm follow
 * it. One that is there is not opened but by SQLite: closing any descriptor of it drops the locks
 * of all handles in the process.
 */
static int make_file(const char *dir, const char *path) {
    _close_ int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    _close_ int dirfd = -1;
    struct stat st;

    if (fd < 0 && errno != EEXIST)
        return -errno;
    if (fd < 0)
        return lstat(path, &st) < 0    ? -errno
               : !S_ISREG(st.st_mode)  ? -ELOOP
               : chmod(path, 0600) < 0 ? -errno
                                       : 0;
    dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dirfd < 0 || fsync(dirfd) < 0 ? -errno : 0;
}

static int open_file(struct sqlite_store *s, const char *dir, char error[STORE_TEXT]) {
    char path[PATH_MAX];
    int rc, r;

    if (snprintf(path, sizeof(path), "%s/vpcd.db", dir) >= (int)sizeof(path))
        return -ENAMETOOLONG;
    r = make_file(dir, path);
    if (r < 0) {
        snprintf(error, STORE_TEXT, "%.150s: %s", path, strerror(-r));
        return r;
    }
    rc = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK) {
        snprintf(error, STORE_TEXT, "%.150s: %s", path, sqlite3_errstr(rc));
        return sqlite_errno(rc);
    }
    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_handler(s->db, on_busy, NULL);
    return 0;
}

static int set_pragmas(struct sqlite_store *s, uint64_t max_bytes, char error[STORE_TEXT]) {
    int64_t page_size = 4096;
    char sql[64];
    int rc = sqlite3_exec(s->db,
                          "PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF;"
                          "PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY;"
                          "PRAGMA cache_size = -32768; PRAGMA journal_mode = WAL;"
                          "PRAGMA journal_size_limit = " WAL_SIZE_KEPT,
                          NULL, NULL, NULL);

    if (rc == SQLITE_OK && max_bytes) {
        (void)sqlite_get_int(s->db, "PRAGMA page_size", &page_size);
        snprintf(sql, sizeof(sql), "PRAGMA max_page_count = %llu",
                 (unsigned long long)(max_bytes / (uint64_t)page_size + 1));
        rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK && !s->shared)
        rc = sqlite3_exec(s->db, "DELETE FROM changes", NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        snprintf(error, STORE_TEXT, "preparing the database: %s", sqlite3_errmsg(s->db));
    return sqlite_errno(rc);
}

static int prepare_statements(struct sqlite_store *s, char error[STORE_TEXT]) {
    for (size_t i = 0; i < N_STATEMENTS; i++) {
        int rc = sqlite3_prepare_v3(s->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &s->st[i],
                                    NULL);

        if (rc != SQLITE_OK) {
            snprintf(error, STORE_TEXT, "preparing '%s': %s", statements[i], sqlite3_errmsg(s->db));
            return sqlite_errno(rc);
        }
    }
    return 0;
}

static const struct pipeline_engine sqlite_engine = {.commit = sqlite_commit};
static const struct pipeline_engine sqlite_shared_engine = {
    .commit = sqlite_commit, .poll = sqlite_poll, .poll_ms = POLL_MS};

static void sqlite_close(struct store *store) {
    struct sqlite_store *s = (struct sqlite_store *)store;

    pipeline_free(s->pipeline);
    for (size_t i = 0; i < N_STATEMENTS; i++)
        sqlite3_finalize(s->st[i]);
    sqlite3_close(s->db);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    free(s);
}

static int sqlite_prepare(struct sqlite_store *s, const char *dir,
                          const struct store_options *options, char error[STORE_TEXT]) {
    int r = lock_directory(s, dir, error);

    if (r == 0)
        r = open_file(s, dir, error);
    if (r == 0)
        r = sqlite_schema_prepare(s->db, error);
    if (r == 0)
        r = set_pragmas(s, options->max_bytes, error);
    if (r == 0)
        r = prepare_statements(s, error);
    if (r == 0 && s->shared)
        r = lock_take(s->lock_fd, true, true);
    return r;
}

static int sqlite_open(struct event_base *base, const char *dir,
                       const struct store_options *options, struct store **ret_store,
                       char error[STORE_TEXT]) {
    struct sqlite_store *s;
    int r;

    if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
        r = -errno;
        snprintf(error, STORE_TEXT, "%.150s: %s", dir, strerror(-r));
        return r;
    }
    s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->store.ops = &store_sqlite_ops;
    s->lock_fd = -1;
    s->shared = options->shared;
    random_bytes(&s->writer, sizeof(s->writer));
    r = sqlite_prepare(s, dir, options, error);
    if (r == 0)
        r = pipeline_new(base, s->shared ? &sqlite_shared_engine : &sqlite_engine, s, options,
                         &store_sqlite_ops.limits, &s->pipeline);
    if (r < 0) {
        if (!error[0])
            snprintf(error, STORE_TEXT, "%s", strerror(-r));
        sqlite_close(&s->store);
        return r;
    }
    *ret_store = &s->store;
    return 0;
}

static int sqlite_submit(struct store *s, struct store_txn *txn) {
    return pipeline_submit(((struct sqlite_store *)s)->pipeline, txn);
}

static int sqlite_resume(struct store *s) {
    return pipeline_resume(((struct sqlite_store *)s)->pipeline);
}

static void sqlite_stats(const struct store *s, struct store_stats *ret_stats) {
    pipeline_stats(((const struct sqlite_store *)s)->pipeline, ret_stats);
}

static const char *sqlite_error(const struct store *s) {
    return pipeline_error(((const struct sqlite_store *)s)->pipeline);
}

const struct store_ops store_sqlite_ops = {
    .name = "sqlite",
    .open = sqlite_open,
    .close = sqlite_close,
    .load = sqlite_load,
    .submit = sqlite_submit,
    .resume = sqlite_resume,
    .stats = sqlite_stats,
    .error = sqlite_error,
    .limits = {.txn_ops = STORE_TXN_OPS_MAX,
               .txn_bytes = STORE_TXN_BYTES_MAX,
               .in_flight = 8192,
               .in_flight_bytes = 128 * 1024 * 1024},
};
