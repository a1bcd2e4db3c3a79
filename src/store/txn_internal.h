/* SPDX-License-Identifier: Apache-2.0 */
/* One run's writes and reads: what txn.c keeps of them and state.c commits. */
#ifndef VPCD_STORE_TXN_INTERNAL_H
#define VPCD_STORE_TXN_INTERNAL_H

#include <uthash.h>

#include "store/txn.h"

struct write {
    const struct obj *before; /* NULL: created */
    const struct obj *after;  /* NULL: deleted */
    UT_hash_handle hh;
    char key[];
};

struct dependency {
    const struct obj *obj; /* the hash key is the pointer */
    UT_hash_handle hh;
};

struct txn {
    struct index *ix;
    struct write *writes;
    struct dependency *reads;
    struct list loose; /* of struct obj *: made in this run and not put */
    bool no_memory;
};

/* Ends the process when r is an error: memory ran out while the view was being restored, and it is
 * no longer what is on disk. */
void txn_must(int r);

/* Takes the writes back, or (others may have written meanwhile) makes them again. */
void txn_undo(struct txn *t);
void txn_redo(struct txn *t);
/* Forgets everything; what the index shows stays as it is. */
void txn_clear(struct txn *t);

#endif
