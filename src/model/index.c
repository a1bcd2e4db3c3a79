/* SPDX-License-Identifier: Apache-2.0 */
#include "model/index.h"

#include <bsd/sys/tree.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/tally.h"

struct index_row {
    RB_ENTRY(index_row) link;
    struct obj *obj;
    const char *value; /* points into the object, or to `text` */
    uint16_t field;
    uint8_t kind; /* the object's, so that a look at most rows ends here */
    char text[];  /* the value, where the object does not hold it as a string: an address */
};

RB_HEAD(rows, index_row);

/* The row added last of some kinds, fields and values, by a hash of them: see row_add. */
#define HINTS 1024

struct index {
    struct rows rows;
    size_t count[KIND_COUNT];
    struct tallies *tallies;
    struct index_row *hints[HINTS];
};

static int num_cmp(uint64_t a, uint64_t b) {
    return a < b ? -1 : a > b;
}

static int row_cmp(const struct index_row *a, const struct index_row *b) {
    int r;

    if ((r = num_cmp(a->kind, b->kind)) || (r = num_cmp(a->field, b->field)) ||
        (r = a->value == b->value ? 0 : strcmp(a->value, b->value)) ||
        (r = num_cmp(a->obj->scope.region, b->obj->scope.region)) ||
        (r = num_cmp(a->obj->scope.account, b->obj->scope.account)))
        return r;
    return strcmp(a->obj->id, b->obj->id);
}

/* The macros of tree.h are generic in style; this one use is exempt from the sign warnings. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#ifndef __unused
#define __unused __attribute__((unused))
#endif
RB_GENERATE_STATIC(rows, index_row, link, row_cmp)
#pragma GCC diagnostic pop

struct index *index_new(void) {
    struct index *ix = calloc(1, sizeof(*ix));

    if (ix && !(ix->tallies = tallies_new())) {
        free(ix);
        ix = NULL;
    }
    return ix;
}

void index_free(struct index *ix) {
    struct index_row *row, *next;

    if (!ix)
        return;
    /* Rows point into their objects: first all rows but the objects' own, then those. */
    for (int own = 0; own < 2; own++) {
        for (row = RB_MIN(rows, &ix->rows); row; row = next) {
            next = RB_NEXT(rows, &ix->rows, row);
            if ((row->field == 0) != own)
                continue;
            RB_REMOVE(rows, &ix->rows, row);
            if (own)
                obj_unref(row->obj);
            free(row);
        }
    }
    tallies_free(ix->tallies);
    free(ix);
}

size_t index_count(const struct index *ix, enum kind k) {
    return ix->count[k];
}

size_t index_count_in(const struct index *ix, enum kind k, struct scope s) {
    return tally_in(ix->tallies, k, s)->objects;
}

size_t index_count_by(const struct index *ix, enum kind k, uint16_t field, const char *value) {
    return tally_by(ix->tallies, k, field, value)->objects;
}

int64_t index_sum_in(const struct index *ix, enum kind k, struct scope s, enum weight w) {
    return tally_in(ix->tallies, k, s)->weights[w];
}

int64_t index_sum_by(const struct index *ix, enum kind k, uint16_t field, const char *value,
                     enum weight w) {
    return tally_by(ix->tallies, k, field, value)->weights[w];
}

static struct index_row **hint_of(const struct index *ix, const struct index_row *row) {
    uint32_t h = row->kind * 2654435761u + row->field;

    for (const char *p = row->value; *p; p++)
        h = (h ^ (uint8_t)*p) * 16777619u; /* FNV-1a */
    return (struct index_row **)(uintptr_t)&ix->hints[(h ^ h >> 16) % HINTS];
}

/*
 * The documents of a state are loaded in the order of their keys, so most rows belong just behind
 * the one that was added before them to the rows of their value. True when that is so: there is no
 * such row, and its place is between the hint and *ret_next.
 */
static bool belongs_behind(const struct index_row *hint, const struct index_row *row,
                           struct index_row **ret_next) {
    if (!hint || hint->kind != row->kind || hint->field != row->field ||
        strcmp(hint->value, row->value) != 0 || row_cmp(hint, row) >= 0)
        return false;
    *ret_next = RB_NEXT(rows, NULL, (struct index_row *)(uintptr_t)hint);
    return !*ret_next || row_cmp(row, *ret_next) < 0;
}

static bool add_behind(struct index *ix, struct index_row *hint, struct index_row *row) {
    struct index_row *next, **at, *parent = hint;

    if (!belongs_behind(hint, row, &next))
        return false;
    at = &RB_RIGHT(hint, link);
    if (*at) { /* then the next one is below it and has nothing on its left */
        parent = next;
        at = &RB_LEFT(next, link);
    }
    RB_SET(row, parent, link);
    *at = row;
    rows_RB_INSERT_COLOR(&ix->rows, row);
    return true;
}

static struct index_row *row_find(const struct index *ix, const struct obj *o, uint16_t field,
                                  const char *value) {
    struct index_row probe = {
        .obj = (struct obj *)(uintptr_t)o, .value = value, .field = field, .kind = o->kind};
    struct index_row *next;

    if (belongs_behind(*hint_of(ix, &probe), &probe, &next))
        return NULL;
    return RB_FIND(rows, (struct rows *)(uintptr_t)&ix->rows, &probe);
}

const void *index_get(const struct index *ix, enum kind k, struct scope s, const char *id) {
    const struct obj probe = {.kind = (uint8_t)k, .scope = s, .id = (char *)(uintptr_t)id};
    struct index_row *row = row_find(ix, &probe, 0, "");

    return row ? row->obj : NULL;
}

/* `passing`: the value does not stay where it is. */
typedef int value_fn(struct index *ix, const struct obj *o, uint16_t field, const char *value,
                     bool passing);

/* The value of one field, if it has one that is indexed. */
static int one_value(const struct obj *o, const struct field *f, const void *p, uint16_t num,
                     value_fn *fn, struct index *ix) {
    char text[IP_TEXT];

    if (!(f->flags & FF_INDEXED))
        return 0;
    if (f->type == FT_STR && *(char *const *)p)
        return fn(ix, o, num, *(char *const *)p, false);
    if (f->type == FT_IP && ((const struct ip *)p)->family)
        return fn(ix, o, num, ip_format(p, text), true);
    return 0;
}

/* Calls fn for every indexed value of the object, its own row (field 0) first. */
static int each_value(const struct obj *o, value_fn *fn, struct index *ix) {
    const struct desc *d = kind_info(o->kind)->desc;
    int r = fn(ix, o, 0, "", false);

    for (uint16_t i = 0; r == 0 && i < d->n_fields; i++) {
        const struct field *f = &d->fields[i];
        const void *p = field_at(f, o);

        if (f->type == FT_STRS && (f->flags & FF_INDEXED)) {
            list_each (char *, s, *(const struct list *)p)
                if (r == 0)
                    r = fn(ix, o, f->num, *s, false);
        } else if (f->type == FT_LIST) {
            const struct list *l = p;

            for (uint16_t k = 0; k < f->sub->n_fields; k++) {
                const struct field *g = &f->sub->fields[k];

                if (!(g->flags & FF_INDEXED))
                    continue;
                for (uint32_t n = 0; r == 0 && n < l->n; n++)
                    r = one_value(o, g, field_at(g, (char *)l->items + n * f->sub->size),
                                  (uint16_t)INDEX_SUBFIELD(f->num, g->num), fn, ix);
            }
        } else {
            r = one_value(o, f, p, f->num, fn, ix);
        }
    }
    return r;
}

static int row_add(struct index *ix, const struct obj *o, uint16_t field, const char *value,
                   bool passing) {
    size_t copied = passing ? strlen(value) + 1 : 0;
    struct index_row *row = malloc(sizeof(*row) + copied), **hint;

    if (!row)
        return -ENOMEM;
    *row = (struct index_row){
        .obj = (struct obj *)(uintptr_t)o, .value = value, .field = field, .kind = o->kind};
    if (passing)
        row->value = memcpy(row->text, value, copied);
    hint = hint_of(ix, row);
    if (!add_behind(ix, *hint, row) && RB_INSERT(rows, &ix->rows, row)) {
        free(row); /* a value that stands twice in one object's list needs one row */
        return 0;
    }
    *hint = row;
    return 0;
}

static int row_drop(struct index *ix, const struct obj *o, uint16_t field, const char *value,
                    bool passing) {
    struct index_row *row = row_find(ix, o, field, value), **hint;

    if (row) {
        hint = hint_of(ix, row);
        if (*hint == row)
            *hint = NULL;
        RB_REMOVE(rows, &ix->rows, row);
        free(row);
    }
    return 0;
}

static void rows_drop(struct index *ix, struct obj *o) {
    each_value(o, row_drop, ix);
    tallies_drop(ix->tallies, o);
    ix->count[o->kind]--;
}

static int rows_add(struct index *ix, struct obj *o) {
    int r = tallies_add(ix->tallies, o);

    if (r < 0)
        return r;
    ix->count[o->kind]++;
    r = each_value(o, row_add, ix);
    if (r < 0)
        rows_drop(ix, o);
    return r;
}

int index_put(struct index *ix, void *obj, void **ret_old) {
    struct obj *o = obj;
    struct obj *old = (struct obj *)(uintptr_t)index_get(ix, o->kind, o->scope, o->id);
    int r;

    if (old)
        rows_drop(ix, old);
    r = rows_add(ix, o);
    if (r < 0) {
        /* The rows of the old object were just freed, so putting them back finds memory. */
        if (old)
            rows_add(ix, old);
        return r;
    }
    obj_ref(o);
    if (ret_old)
        *ret_old = old;
    else
        obj_unref(old);
    return 0;
}

void *index_remove(struct index *ix, enum kind k, struct scope s, const char *id) {
    struct obj *o = (struct obj *)(uintptr_t)index_get(ix, k, s, id);

    if (o)
        rows_drop(ix, o);
    return o;
}

static bool cursor_at(struct cursor *c, struct index_row *row) {
    c->row = row;
    c->obj = NULL;
    if (!row || row->kind != c->kind || row->field != c->field || strcmp(row->value, c->value) != 0)
        return false;
    if (!c->any_scope &&
        (row->obj->scope.region != c->scope.region || row->obj->scope.account != c->scope.account))
        return false;
    c->obj = row->obj;
    return true;
}

static bool cursor_from(const struct index *ix, struct cursor *c, const char *after_id) {
    struct obj at = {
        .kind = c->kind, .scope = c->scope, .id = (char *)(uintptr_t)(after_id ? after_id : "")};
    struct index_row probe = {.obj = &at, .value = c->value, .field = c->field, .kind = c->kind};
    struct index_row *row = RB_NFIND(rows, (struct rows *)(uintptr_t)&ix->rows, &probe);

    if (row && after_id && row_cmp(row, &probe) == 0)
        row = RB_NEXT(rows, &ix->rows, row);
    return cursor_at(c, row);
}

bool cursor_in(const struct index *ix, struct cursor *c, enum kind k, struct scope s,
               const char *after_id) {
    *c = (struct cursor){.kind = (uint8_t)k, .scope = s, .value = ""};
    return cursor_from(ix, c, after_id);
}

bool cursor_all(const struct index *ix, struct cursor *c, enum kind k) {
    *c = (struct cursor){.kind = (uint8_t)k, .value = "", .any_scope = true};
    return cursor_from(ix, c, NULL);
}

bool cursor_by(const struct index *ix, struct cursor *c, enum kind k, uint16_t field,
               const char *value) {
    *c = (struct cursor){.kind = (uint8_t)k, .field = field, .value = value, .any_scope = true};
    return cursor_from(ix, c, NULL);
}

bool cursor_by_in(const struct index *ix, struct cursor *c, enum kind k, uint16_t field,
                  const char *value, struct scope s, const char *after_id) {
    *c = (struct cursor){.kind = (uint8_t)k, .field = field, .value = value, .scope = s};
    return cursor_from(ix, c, after_id);
}

bool cursor_next(struct cursor *c) {
    return cursor_at(c, RB_NEXT(rows, NULL, (struct index_row *)(uintptr_t)c->row));
}
