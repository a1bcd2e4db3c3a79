/* SPDX-License-Identifier: Apache-2.0 */
/* What the engines share: the form of a transaction, and lists of documents that were read. */
#ifndef VPCD_STORE_ENGINE_H
#define VPCD_STORE_ENGINE_H

#include <sys/queue.h>

#include "base/buf.h"
#include "store/store.h"

struct store {
    const struct store_ops *ops;
};

extern const struct store_ops store_sqlite_ops;

/* A list of documents with memory of their own. */
struct doc_list {
    struct store_doc *docs;
    size_t n, cap;
};

int doc_list_add(struct doc_list *l, const char *key, uint64_t version, const void *value,
                 size_t len);
void doc_list_clear(struct doc_list *l);

enum store_op_kind {
    STORE_CHECK,
    STORE_PUT,
    STORE_DELETE,
};

struct store_op {
    enum store_op_kind kind;
    uint64_t expect;
    size_t key, key_len; /* offset in the transaction's bytes, where a NUL follows */
    size_t value, len;
};

struct store_txn {
    TAILQ_ENTRY(store_txn) link;
    store_done_fn *done;
    void *arg;
    struct store_op *ops;
    size_t n, cap;
    struct buf bytes; /* keys and values */
    int error;        /* the first limit that was broken */
    /*
     * Set on the way through an engine. What must be delivered with a completion is part of it, so
     * that nothing needs to be allocated once a transaction is durable.
     */
    uint64_t epoch;
    int status;
    size_t conflict;           /* -EAGAIN: which operation */
    char *text;                /* owned; NULL: the general text of the status */
    struct doc_list others;    /* changes by others, delivered before the completion */
    struct doc_list conflicts; /* -EAGAIN: what was not as expected, likewise, after `others` */
    bool dead;                 /* the engine can apply nothing any more */
};
TAILQ_HEAD(store_txn_list, store_txn);

static inline const char *txn_key(const struct store_txn *t, const struct store_op *op) {
    return t->bytes.data + op->key;
}

static inline const void *txn_value(const struct store_txn *t, const struct store_op *op) {
    return op->len ? t->bytes.data + op->value : "";
}

#endif
