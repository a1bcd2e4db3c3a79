/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the store share: a store in a directory of its own, whose reports are text. */
#ifndef VPCD_STORE_TEST_FIXTURE_H
#define VPCD_STORE_TEST_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "store/store.h"

#define MAX_DONE 20000

extern struct fixture {
    char dir[64], db[80];
    struct event_base *base;
    struct store *store, *other;
    /* All that a store ever reported: "done ID STATUS [KEY];" "doc KEY VERSION VALUE;" "end;" */
    struct buf log, other_log;
    int status[MAX_DONE]; /* by ID */
    size_t resume_at;     /* resume in the done function of this one */
    size_t completed;
} F;

int set_up(void **state);
int tear_down(void **state);

/* Opens and loads F.db. What is watched goes to `log`. */
struct store *open_store(bool shared, uint64_t max_bytes, struct buf *log);
int ignore_doc(void *arg, const struct store_doc *doc);

/* A transaction that is reported under this number, in `log` or F.log. */
struct store_txn *txn_in(struct buf *log, size_t id);
struct store_txn *txn(size_t id);
void put(struct store_txn *t, const char *key, uint64_t expect, const char *value);
void submit(struct store *s, struct store_txn *t);
void submit_put(size_t id, const char *key, uint64_t expect, const char *value);
/* For what must never be called. */
void on_done(void *arg, const struct store_result *result);

/* Run the loop, within a bound, until `n` transactions were completed in all, or the text is there.
 */
void wait_done(size_t n);
void wait_log(struct buf *log, const char *text);

/* Compares the log and empties it. */
void expect_log(struct buf *log, const char *text);
/* Closes, opens again and compares all documents: "KEY VERSION VALUE;" */
void expect_content(const char *text);

#endif
