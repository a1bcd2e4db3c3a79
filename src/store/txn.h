/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state: the memory index over a store, and the calls on it.
 *
 * A call is a function of (snapshot, request) to (staged writes, answer). state_call runs it at
 * once: it reads and writes the index through a `struct txn`, which keeps what each write replaced.
 * Later calls see those writes although they are not yet on disk. Then its writes go to the store
 * as one transaction, together with the version of everything that it read, and the call waits in a
 * queue. It is done when it and all calls before it are on disk: so nobody is told anything that
 * could still be lost, not even by a call that only read.
 *
 * Where a transaction fails because another writer was faster, the writes of all waiting calls are
 * taken back, the newest first, what the other writer did is taken in, and the calls run again in
 * their order. So a call may run several times; it must depend on nothing but the state and its own
 * request, and change nothing but through its txn.
 */
#ifndef VPCD_STORE_TXN_H
#define VPCD_STORE_TXN_H

#include "model/index.h"
#include "store/store.h"

struct state;
struct txn;

/*
 * One run of a call. 0: the staged writes shall be committed. Negative: they are taken back, and
 * the call is done with status 0 all the same, once what it read is on disk; its answer is an error
 * of its own.
 */
typedef int state_run_fn(struct txn *t, void *arg);

/* 0: what the last run did and saw is durable. -ENOSPC, -EIO, -ENOMEM, ...: it did not happen. */
typedef void state_done_fn(void *arg, int status);

/*
 * What became durable, in order, one call for each object: old and new (NULL: created, deleted).
 * `last` marks the end of a transaction, or of several of another writer; such a call may be about
 * no object at all.
 */
typedef void state_change_fn(void *arg, const struct obj *old, const struct obj *new, bool last);

/* Opens the store and loads all of it. Errors as store_open's, or -EBADMSG for a document that
 * cannot be read. */
int state_open(struct event_base *base, const char *spec, const char *dir,
               const struct store_options *options, struct state **ret_state,
               char error[STORE_TEXT]);
void state_close(struct state *s);
void state_on_change(struct state *s, state_change_fn *fn, void *arg);
const struct index *state_index(const struct state *s);
struct store *state_store(struct state *s);
/* Calls fn while the index shows only what is on disk, without the writes of waiting calls. */
void state_settled(struct state *s, void (*fn)(void *arg, const struct index *ix), void *arg);

/* `done` may be called before this returns. Runs again at most RUNS_MAX times, then -EAGAIN. */
#define STATE_RUNS_MAX 100
void state_call(struct state *s, state_run_fn *run, state_done_fn *done, void *arg);

/* Within a run. */

const struct index *txn_index(const struct txn *t);

/* The object, or NULL. The transaction will only be committed if it is still the same by then. */
const void *txn_get(struct txn *t, enum kind k, struct scope s, const char *id);
/* The same for an object found by a walk of the index: the call depends on it. */
void txn_depend(struct txn *t, const void *obj);

/*
 * A new object, or a copy of `obj` to change; both are the transaction's, and become visible with
 * txn_put. What is not put is dropped at the end of the run. NULL when memory is short: the
 * transaction then fails, whatever the run returns.
 */
void *txn_new(struct txn *t, enum kind k, struct scope s, const char *id);
void *txn_edit(struct txn *t, const void *obj);
void txn_put(struct txn *t, void *obj);
void txn_delete(struct txn *t, const void *obj);
/* A new version of the object without a change: two calls that touch it cannot both be committed
 * unseen. */
void txn_touch(struct txn *t, const void *obj);

/* Takes the claim; false when somebody has it. */
bool txn_claim(struct txn *t, struct scope s, const char *claim, const char *owner);
void txn_release(struct txn *t, struct scope s, const char *claim);

/* True when memory ran short during the run. */
bool txn_failed(const struct txn *t);

/* Takes back everything staged so far (a dry run). */
void txn_abort(struct txn *t);

#endif
