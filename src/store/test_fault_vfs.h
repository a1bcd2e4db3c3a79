/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite's own file layer with a counter of what reaches the disk, and faults on demand. */
#ifndef VPCD_STORE_TEST_FAULT_VFS_H
#define VPCD_STORE_TEST_FAULT_VFS_H

#include <stdatomic.h>
#include <stdbool.h>

struct fault_vfs {
    atomic_int wal_syncs;   /* fsyncs of a write-ahead log that succeeded */
    atomic_bool fail_sync;  /* fsyncs of a log fail with an I/O error */
    atomic_bool fail_write; /* writes to a log fail: the disk is full */
};
extern struct fault_vfs fault_vfs;

/* Makes it the default for databases that are opened from now on. */
void fault_vfs_register(void);

#endif
