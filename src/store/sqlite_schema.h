/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of a vpcd database, and how an older one becomes today's. */
#ifndef VPCD_STORE_SQLITE_SCHEMA_H
#define VPCD_STORE_SQLITE_SCHEMA_H

#include <sqlite3.h>

#include "store/store.h"

#define SQLITE_SCHEMA_VERSION 1
#define SQLITE_APPLICATION_ID 0x76706364 /* "vpcd" */

/*
 * Creates what is not there, migrates what is older, checks the tables' definitions (not their
 * content: that takes as long as reading it). 0; -ENOTSUP: newer than this program, or nobody's;
 * -EUCLEAN: not what its version says; or what sqlite reports. `error` is set then.
 */
int sqlite_schema_prepare(sqlite3 *db, char error[STORE_TEXT]);

/* The errno for a result code of sqlite: negative, 0 for SQLITE_OK, ROW and DONE. */
int sqlite_errno(int rc);

/* One row, one integer. */
int sqlite_get_int(sqlite3 *db, const char *sql, int64_t *ret_value);

#endif
