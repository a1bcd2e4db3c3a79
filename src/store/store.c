/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/engine.h"

int store_open(struct event_base *base, const char *spec, const char *dir,
               const struct store_options *options, struct store **ret_store,
               char error[STORE_TEXT]) {
    static const struct store_options none;

    error[0] = 0;
    if (strcmp(spec, "sqlite") == 0)
        return store_sqlite_ops.open(base, dir, options ? options : &none, ret_store, error);
    snprintf(error, STORE_TEXT, "there is no store engine '%.100s' (known: sqlite)", spec);
    return -ENOTSUP;
}

void store_close(struct store *s) {
    if (s)
        s->ops->close(s);
}

int store_load(struct store *s, store_load_fn *fn, void *arg) {
    return s->ops->load(s, fn, arg);
}

struct store_txn *store_txn_new(store_done_fn *done, void *arg) {
    struct store_txn *t = calloc(1, sizeof(*t));

    if (!t)
        return NULL;
    t->done = done;
    t->arg = arg;
    return t;
}

void store_txn_free(struct store_txn *t) {
    if (!t)
        return;
    doc_list_clear(&t->others);
    doc_list_clear(&t->conflicts);
    buf_free(&t->bytes);
    free(t->ops);
    free(t->text);
    free(t);
}

size_t store_txn_ops(const struct store_txn *t) {
    return t->n;
}

static int key_check(const char *key, size_t len) {
    if (len > STORE_KEY_MAX)
        return -ENAMETOOLONG;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)key[i] < 0x20 || key[i] == 0x7f)
            return -EINVAL;
    return len ? 0 : -EINVAL;
}

static int txn_add(struct store_txn *t, enum store_op_kind kind, const char *key, uint64_t expect,
                   const void *value, size_t len) {
    size_t key_len = strlen(key);
    int r = key_check(key, key_len);

    if (r < 0)
        return r;
    if (len > STORE_VALUE_MAX)
        return -EMSGSIZE;
    if (expect >= INT64_MAX || (kind == STORE_DELETE && !expect))
        return -EINVAL;
    if (t->n >= STORE_TXN_OPS_MAX)
        return -E2BIG;
    if (t->bytes.len + key_len + len > STORE_TXN_BYTES_MAX)
        return -EMSGSIZE;
    if (t->n == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 8;
        struct store_op *ops = reallocarray(t->ops, cap, sizeof(*ops));

        if (!ops)
            return -ENOMEM;
        t->ops = ops;
        t->cap = cap;
    }
    t->ops[t->n] = (struct store_op){.kind = kind,
                                     .expect = expect,
                                     .key = t->bytes.len,
                                     .key_len = key_len,
                                     .value = t->bytes.len + key_len + 1,
                                     .len = len};
    buf_add(&t->bytes, key, key_len + 1);
    buf_add(&t->bytes, value, len);
    if (t->bytes.failed)
        return -ENOMEM;
    t->n++;
    return 0;
}

static void txn_add_sticky(struct store_txn *t, enum store_op_kind kind, const char *key,
                           uint64_t expect, const void *value, size_t len) {
    if (t && !t->error)
        t->error = txn_add(t, kind, key, expect, value, len);
}

void store_txn_check(struct store_txn *t, const char *key, uint64_t expect) {
    txn_add_sticky(t, STORE_CHECK, key, expect, NULL, 0);
}

void store_txn_put(struct store_txn *t, const char *key, uint64_t expect, const void *value,
                   size_t len) {
    txn_add_sticky(t, STORE_PUT, key, expect, value, len);
}

void store_txn_delete(struct store_txn *t, const char *key, uint64_t expect) {
    txn_add_sticky(t, STORE_DELETE, key, expect, NULL, 0);
}

static int text_cmp(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Every expectation is about the state before the transaction, so a key may be named once. */
static int txn_keys_differ(const struct store_txn *t) {
    _free_ const char **keys = NULL;

    if (t->n < 2)
        return 0;
    keys = reallocarray(NULL, t->n, sizeof(*keys));
    if (!keys)
        return -ENOMEM;
    for (size_t i = 0; i < t->n; i++)
        keys[i] = txn_key(t, &t->ops[i]);
    qsort(keys, t->n, sizeof(*keys), text_cmp);
    for (size_t i = 1; i < t->n; i++)
        if (strcmp(keys[i - 1], keys[i]) == 0)
            return -ENOTUNIQ;
    return 0;
}

static int txn_valid(const struct store_txn *t, const struct store_limits *limits) {
    if (t->error)
        return t->error;
    if (t->n > limits->txn_ops)
        return -E2BIG;
    if (t->bytes.len > limits->txn_bytes)
        return -EMSGSIZE;
    return txn_keys_differ(t);
}

int store_submit(struct store *s, struct store_txn *t) {
    int r;

    if (!t)
        return -ENOMEM;
    r = txn_valid(t, &s->ops->limits);
    if (r < 0) {
        store_txn_free(t);
        return r;
    }
    return s->ops->submit(s, t);
}

int store_resume(struct store *s) {
    return s->ops->resume(s);
}

struct store_limits store_limits(const struct store *s) {
    return s->ops->limits;
}

struct store_stats store_stats(const struct store *s) {
    struct store_stats stats = {0};

    s->ops->stats(s, &stats);
    return stats;
}

const char *store_error(const struct store *s) {
    return s->ops->error(s);
}

const char *store_strerror(int error) {
    static const struct {
        int error;
        const char *text;
    } texts[] = {
        {0, "committed"},
        {-EAGAIN, "a document has another version than expected"},
        {-ECANCELED, "not applied because an earlier transaction failed"},
        {-ENOSPC, "no space left for the database"},
        {-EBUSY, "the store is busy: too much is in flight, or another process holds it"},
        {-ENOMEM, "out of memory"},
        {-EIO, "the database cannot be read or written"},
        {-EUCLEAN, "the database is damaged"},
        {-EINVAL, "a bad key, a bad expectation, or the store is not loaded yet"},
        {-ENAMETOOLONG, "a key is longer than 512 bytes"},
        {-EMSGSIZE, "a value or a transaction has too many bytes"},
        {-E2BIG, "a transaction has too many operations"},
        {-ENOTUNIQ, "a transaction names a key twice"},
        {-ESHUTDOWN, "the store is closing"},
        {-ENOTRECOVERABLE, "the store has failed and must be opened again"},
        {-ENOTSUP, "the store was written by a newer version"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (texts[i].error == error)
            return texts[i].text;
    return strerror(-error);
}

int doc_list_add(struct doc_list *l, const char *key, uint64_t version, const void *value,
                 size_t len) {
    size_t key_len = strlen(key);
    char *mem;

    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 8;
        struct store_doc *docs = reallocarray(l->docs, cap, sizeof(*docs));

        if (!docs)
            return -ENOMEM;
        l->docs = docs;
        l->cap = cap;
    }
    mem = malloc(key_len + 1 + len);
    if (!mem)
        return -ENOMEM;
    memcpy(mem, key, key_len + 1);
    if (len)
        memcpy(mem + key_len + 1, value, len);
    l->docs[l->n++] =
        (struct store_doc){.key = mem, .version = version, .value = mem + key_len + 1, .len = len};
    return 0;
}

void doc_list_clear(struct doc_list *l) {
    for (size_t i = 0; i < l->n; i++)
        free((void *)(uintptr_t)l->docs[i].key);
    free(l->docs);
    *l = (struct doc_list){0};
}
