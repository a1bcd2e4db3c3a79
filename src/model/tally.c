/* SPDX-License-Identifier: Apache-2.0 */
#include "model/tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* What a tally is of: a scope (field 0, no value) or a value of a field (no scope). */
struct key {
    uint64_t account;
    uint16_t region, field;
    uint8_t kind;
    char value[ID_MAX + 1];
};
#define KEY_FIXED offsetof(struct key, value)

struct entry {
    UT_hash_handle hh;
    struct tally tally;
    unsigned char key[]; /* the used part of a struct key */
};

struct tallies {
    struct entry *entries;
};

struct tallies *tallies_new(void) {
    return calloc(1, sizeof(struct tallies));
}

void tallies_free(struct tallies *t) {
    struct entry *e, *tmp;

    if (!t)
        return;
    HASH_ITER (hh, t->entries, e, tmp) {
        HASH_DEL(t->entries, e);
        free(e);
    }
    free(t);
}

static size_t key_of_scope(struct key *key, enum kind k, struct scope s) {
    memset(key, 0, KEY_FIXED);
    key->kind = (uint8_t)k;
    key->account = s.account;
    key->region = s.region;
    return KEY_FIXED;
}

static size_t key_of_value(struct key *key, enum kind k, uint16_t field, const char *value) {
    size_t n = strnlen(value, ID_MAX);

    memset(key, 0, KEY_FIXED);
    key->kind = (uint8_t)k;
    key->field = field;
    memcpy(key->value, value, n);
    return KEY_FIXED + n;
}

static struct entry *find(const struct tallies *t, const struct key *key, size_t n) {
    struct entry *e;

    HASH_FIND(hh, t->entries, key, n, e);
    return e;
}

/* A change to each tally that an object belongs to. */
struct change {
    struct tallies *t;
    const struct obj *o;
    int by; /* 1 or -1; 0 only drops what counts nothing */
};

static int reserve(const struct change *ch, const struct key *key, size_t n) {
    struct entry *e = find(ch->t, key, n);

    if (e)
        return 0;
    e = calloc(1, sizeof(*e) + n);
    if (!e)
        return -ENOMEM;
    memcpy(e->key, key, n);
    HASH_ADD_KEYPTR(hh, ch->t->entries, e->key, n, e);
    return 0;
}

static int apply(const struct change *ch, const struct key *key, size_t n) {
    const struct kind_info *info = kind_info(ch->o->kind);
    struct entry *e = find(ch->t, key, n);
    int64_t weights[WEIGHTS] = {0};

    if (!e)
        return 0;
    if (info->weigh)
        info->weigh(ch->o, weights);
    for (int i = 0; i < WEIGHTS; i++)
        e->tally.weights[i] += ch->by * weights[i];
    e->tally.objects += (size_t)ch->by;
    if (!e->tally.objects) {
        HASH_DEL(ch->t->entries, e);
        free(e);
    }
    return 0;
}

static int each_key(const struct change *ch,
                    int (*fn)(const struct change *ch, const struct key *key, size_t n)) {
    const struct desc *d = kind_info(ch->o->kind)->desc;
    enum kind k = ch->o->kind;
    struct key key;
    int r = fn(ch, &key, key_of_scope(&key, k, ch->o->scope));

    for (uint16_t i = 0; r == 0 && i < d->n_fields; i++) {
        const struct field *f = &d->fields[i];
        const char *value = f->flags & FF_COUNTED ? *(char *const *)field_at(f, ch->o) : NULL;

        if (value)
            r = fn(ch, &key, key_of_value(&key, k, f->num, value));
    }
    return r;
}

int tallies_add(struct tallies *t, const struct obj *o) {
    struct change ch = {.t = t, .o = o, .by = 1};
    int r = each_key(&ch, reserve);

    if (r < 0)
        ch.by = 0;
    each_key(&ch, apply);
    return r;
}

void tallies_drop(struct tallies *t, const struct obj *o) {
    each_key(&(struct change){.t = t, .o = o, .by = -1}, apply);
}

static const struct tally *tally_of(const struct tallies *t, const struct key *key, size_t n) {
    static const struct tally none;
    const struct entry *e = find(t, key, n);

    return e ? &e->tally : &none;
}

const struct tally *tally_in(const struct tallies *t, enum kind k, struct scope s) {
    struct key key;

    return tally_of(t, &key, key_of_scope(&key, k, s));
}

const struct tally *tally_by(const struct tallies *t, enum kind k, uint16_t field,
                             const char *value) {
    struct key key;

    return tally_of(t, &key, key_of_value(&key, k, field, value));
}
