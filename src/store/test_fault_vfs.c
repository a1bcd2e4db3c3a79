/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each file is the original's file behind a header of ours, so that sqlite3_io_methods can be
 * wrapped one by one. Only the write-ahead log is interfered with.
 */
#include "store/test_fault_vfs.h"

#include <sqlite3.h>
#include <string.h>

struct fault_vfs fault_vfs;

struct fault_file {
    sqlite3_file base;
    bool wal;
    sqlite3_file *real;
};

static sqlite3_vfs *original;
static sqlite3_vfs wrapper;

static sqlite3_file *real(sqlite3_file *f) {
    return ((struct fault_file *)f)->real;
}

static int f_close(sqlite3_file *f) {
    return real(f)->pMethods->xClose(real(f));
}
static int f_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at) {
    return real(f)->pMethods->xRead(real(f), p, n, at);
}
static int f_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at) {
    if (((struct fault_file *)f)->wal && atomic_load(&fault_vfs.fail_write))
        return SQLITE_FULL;
    return real(f)->pMethods->xWrite(real(f), p, n, at);
}
static int f_truncate(sqlite3_file *f, sqlite3_int64 n) {
    return real(f)->pMethods->xTruncate(real(f), n);
}
static int f_sync(sqlite3_file *f, int flags) {
    bool wal = ((struct fault_file *)f)->wal;
    int rc;

    if (wal && atomic_load(&fault_vfs.fail_sync))
        return SQLITE_IOERR_FSYNC;
    rc = real(f)->pMethods->xSync(real(f), flags);
    if (wal && rc == SQLITE_OK)
        atomic_fetch_add(&fault_vfs.wal_syncs, 1);
    return rc;
}
static int f_size(sqlite3_file *f, sqlite3_int64 *n) {
    return real(f)->pMethods->xFileSize(real(f), n);
}
static int f_lock(sqlite3_file *f, int l) {
    return real(f)->pMethods->xLock(real(f), l);
}
static int f_unlock(sqlite3_file *f, int l) {
    return real(f)->pMethods->xUnlock(real(f), l);
}
static int f_reserved(sqlite3_file *f, int *r) {
    return real(f)->pMethods->xCheckReservedLock(real(f), r);
}
static int f_control(sqlite3_file *f, int op, void *p) {
    return real(f)->pMethods->xFileControl(real(f), op, p);
}
static int f_sector(sqlite3_file *f) {
    return real(f)->pMethods->xSectorSize(real(f));
}
static int f_device(sqlite3_file *f) {
    return real(f)->pMethods->xDeviceCharacteristics(real(f));
}
static int f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **p) {
    return real(f)->pMethods->xShmMap(real(f), page, size, extend, p);
}
static int f_shm_lock(sqlite3_file *f, int at, int n, int flags) {
    return real(f)->pMethods->xShmLock(real(f), at, n, flags);
}
static void f_shm_barrier(sqlite3_file *f) {
    real(f)->pMethods->xShmBarrier(real(f));
}
static int f_shm_unmap(sqlite3_file *f, int del) {
    return real(f)->pMethods->xShmUnmap(real(f), del);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = f_close,
    .xRead = f_read,
    .xWrite = f_write,
    .xTruncate = f_truncate,
    .xSync = f_sync,
    .xFileSize = f_size,
    .xLock = f_lock,
    .xUnlock = f_unlock,
    .xCheckReservedLock = f_reserved,
    .xFileControl = f_control,
    .xSectorSize = f_sector,
    .xDeviceCharacteristics = f_device,
    .xShmMap = f_shm_map,
    .xShmLock = f_shm_lock,
    .xShmBarrier = f_shm_barrier,
    .xShmUnmap = f_shm_unmap,
};

static int f_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *ret_flags) {
    struct fault_file *file = (struct fault_file *)f;
    int rc;

    file->real = (sqlite3_file *)(file + 1);
    file->wal = flags & SQLITE_OPEN_WAL;
    rc = original->xOpen(original, name, file->real, flags, ret_flags);
    f->pMethods = file->real->pMethods ? &methods : NULL;
    return rc;
}

void fault_vfs_register(void) {
    if (original)
        return;
    original = sqlite3_vfs_find(NULL);
    wrapper = *original;
    wrapper.zName = "fault";
    wrapper.szOsFile = (int)sizeof(struct fault_file) + original->szOsFile;
    wrapper.xOpen = f_open;
    sqlite3_vfs_register(&wrapper, 1);
}
