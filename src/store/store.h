/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: documents under keys, changed by transactions that are all or nothing and durable.
 *
 * Documents. A key is text of the form "region/account/kind/id": 1 to STORE_KEY_MAX bytes, none of
 * them a control character. A value is up to STORE_VALUE_MAX opaque bytes. The version of a
 * document is 1 when it is created, one more at each write, and starts at 1 again when it is
 * created again after a deletion (etcd's per-key `version`). So a version tells two states of one
 * life apart, not two lives: keys whose second life must be told apart need an id that is never
 * reused.
 *
 * Transactions. A list of operations, each on another key, each with the version it expects (0: the
 * document is absent). Either every expectation holds and all writes are made, or nothing is done.
 *
 * Pipelining. Many transactions may be in flight. They are applied in the order of store_submit, so
 * a later one may expect what an earlier one, still in flight, will produce. Each is completed by
 * its done function, in the order of store_submit, in the thread of the event loop, never inside
 * store_submit. Status 0 means: on stable storage.
 *
 * When one fails (any status but 0), what follows it may stand on it. Therefore:
 *
 *  1. Nothing that was submitted after the failed transaction and before the next store_resume is
 *     applied. It completes, in order, with -ECANCELED.
 *  2. The failure is delivered before the first -ECANCELED. For a conflict (-EAGAIN), the present
 *     documents of all its keys with another version than expected are delivered to the watch just
 *     before it.
 *  3. store_resume ends this: what is submitted from then on is applied. It may be called inside
 * the done function of the failure, while cancelled ones are still to be delivered: those stay
 *     cancelled. It does nothing when no failure was delivered since the last resume.
 *
 * So a caller with its own view of the documents, on a failure: takes back what the failed one and
 * all later ones changed in the view (they are all known to be undone), calls store_resume, and
 * runs again what it wants to run again; the -ECANCELED completions that still come need only be
 * counted.
 *
 * An engine completes a transaction when it knows its fate. One that lost an answer (etcd) asks
 * until it knows; one that can no longer know or write (I/O error) is dead: see store_error.
 *
 * All functions are called in the thread of the event loop.
 */
#ifndef VPCD_STORE_STORE_H
#define VPCD_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_KEY_MAX 512
#define STORE_VALUE_MAX (1024 * 1024)
#define STORE_TXN_OPS_MAX 10000 /* of any engine; see store_limits */
#define STORE_TXN_BYTES_MAX (32 * 1024 * 1024)
#define STORE_TEXT 256 /* an error's text, NUL included */

struct event_base;
struct store;
struct store_txn;

/* Whoever calls back owns what it points to; it is valid during the call. */
struct store_doc {
    const char *key;
    uint64_t version; /* 0: the document is absent */
    const void *value;
    size_t len;
    size_t place; /* in a load: how many documents there are before it in the order of the keys */
};

struct store_result {
    /*
     * 0           durable
     * -EAGAIN     conflict: `key` is the first key whose version was not the expected one
     * -ECANCELED  not applied, because an earlier one failed
     * -ENOSPC     not applied: the disk or the permitted size is full; the store stays usable
     * -EBUSY      not applied: somebody else held the database for long; the store stays usable
     * -ENOMEM     not applied; the store stays usable
     * -EIO, -EUCLEAN  the store is dead; after a restart the transaction is either whole there or
     *             not at all
     */
    int status;
    const char *key;  /* -EAGAIN: the key; else NULL */
    const char *text; /* for people; never NULL */
};

typedef void store_done_fn(void *arg, const struct store_result *result);

/*
 * Changes made by others (never those of this handle), in order. After each call the documents are
 * together a state that existed: one call holds whole transactions, and of a document that changed
 * more than once only the last state. Conflicts also report here what they found; a document may so
 * be reported that the caller already has.
 */
typedef void store_watch_fn(void *arg, const struct store_doc *docs, size_t n);

/* A negative answer ends the load, which returns it. */
typedef int store_load_fn(void *arg, const struct store_doc *doc);

struct store_options {
    store_watch_fn *watch; /* may be NULL */
    void *watch_arg;
    uint64_t max_bytes; /* of the database; beyond it -ENOSPC; 0: none */
    bool shared;        /* other handles write too (tests of conflicts): see sqlite.c */
};

struct store_limits {
    size_t txn_ops;         /* operations in a transaction; -E2BIG */
    size_t txn_bytes;       /* keys and values of a transaction; -EMSGSIZE */
    size_t in_flight;       /* transactions; -EBUSY */
    size_t in_flight_bytes; /* -EBUSY */
};

struct store_stats {
    uint64_t txns;    /* completed with 0 */
    uint64_t commits; /* commits that wrote: each waits for the disk once */
    uint64_t conflicts;
    uint64_t canceled;
    uint64_t failed; /* any other status */
    uint64_t in_flight;
    uint64_t largest_group; /* transactions in one commit */
};

/* An engine. Users call the functions below instead. */
struct store_ops {
    const char *name;
    /* Opens (and creates, migrates, locks) without reading documents. On error a text in `error`.
     */
    int (*open)(struct event_base *base, const char *where, const struct store_options *options,
                struct store **ret_store, char error[STORE_TEXT]);
    /* Finishes what is in flight, delivers it, frees. */
    void (*close)(struct store *s);
    /* Every document once, in no order (doc->place tells the keys' order); from the state that it
     * read on, changes are watched. */
    int (*load)(struct store *s, store_load_fn *fn, void *arg);
    /* Takes the transaction over. The generic limits were checked. */
    int (*submit)(struct store *s, struct store_txn *txn);
    int (*resume)(struct store *s);
    void (*stats)(const struct store *s, struct store_stats *ret_stats);
    /* Why the store is dead, or NULL. */
    const char *(*error)(const struct store *s);
    struct store_limits limits;
};

/*
 * `spec` is "sqlite", with its files in `dir` (made with mode 0700 when absent), or "etcd:URLS".
 * Errors: -EBUSY in use by another vpcd, -ENOTSUP written by a newer vpcd or unknown engine,
 * -EUCLEAN not what it should be, and those of the system. `error` then holds a line for people.
 */
int store_open(struct event_base *base, const char *spec, const char *dir,
               const struct store_options *options, struct store **ret_store,
               char error[STORE_TEXT]);

/*
 * Applies what was submitted, calls its done functions (whose own store_submit is refused with
 * -ESHUTDOWN), closes. Not to be called from a callback of the store. NULL is fine.
 */
void store_close(struct store *s);

/* Once, after open, before the first submit. */
int store_load(struct store *s, store_load_fn *fn, void *arg);

/*
 * A transaction is built, then submitted. An operation that breaks a limit is remembered and
 * refused by store_submit, so that one check is enough. Keys and values are copied.
 */
struct store_txn *store_txn_new(store_done_fn *done, void *arg); /* NULL: no memory */
void store_txn_check(struct store_txn *t, const char *key, uint64_t expect);
void store_txn_put(struct store_txn *t, const char *key, uint64_t expect, const void *value,
                   size_t len);
void store_txn_delete(struct store_txn *t, const char *key, uint64_t expect);
size_t store_txn_ops(const struct store_txn *t);
void store_txn_free(struct store_txn *t); /* one that is not submitted */

/*
 * Takes the transaction over, whatever the answer. 0: its done function will be called, once.
 * Otherwise it is gone, done is never called, and nothing else is affected:
 * -EINVAL a bad key, a deletion of what is expected absent, or a submit before the load
 * -ENAMETOOLONG key, -EMSGSIZE value or sum, -E2BIG operations, -ENOTUNIQ a key named twice,
 * -ENOMEM -EBUSY too much in flight, -ESHUTDOWN closing, -ENOTRECOVERABLE the store is dead A NULL
 * transaction is -ENOMEM. One without operations is a barrier: it completes in order.
 */
int store_submit(struct store *s, struct store_txn *t);

/* See above. 0, or -ENOTRECOVERABLE when the store is dead: the daemon should say so and end. */
int store_resume(struct store *s);

struct store_limits store_limits(const struct store *s);
struct store_stats store_stats(const struct store *s);
const char *store_error(const struct store *s); /* why it is dead, or NULL */
const char *store_strerror(int error);          /* what an error of these functions means */

#endif
