/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory index: every object of the state, found by its key or by the value of an indexed
 * field, in a stable order. It does no I/O. vpcd's store keeps one, and so does the agent.
 *
 * Everything is in one red-black tree, ordered by (kind, field, value, region, account, id). The
 * row of an object itself has field 0 and value "": so the objects of a kind in an account stand
 * together, ordered by id, and a page can go on behind the last id it showed, whatever was created
 * or deleted meanwhile. A row more is kept for every field with FF_INDEXED that has a value.
 *
 * Beside the tree the index counts the objects of each scope and of each value of a field with
 * FF_COUNTED, and adds up their weights: asking does not walk.
 */
#ifndef VPCD_MODEL_INDEX_H
#define VPCD_MODEL_INDEX_H

#include "model/object.h"

struct index;
struct index_row;

struct index *index_new(void);
void index_free(struct index *ix); /* drops its references; NULL is fine */
size_t index_count(const struct index *ix, enum kind k);

/* The object with this key, or NULL. Valid until it is replaced or removed; take a reference to
 * keep it. */
const void *index_get(const struct index *ix, enum kind k, struct scope s, const char *id);

/*
 * Puts an object in place of the one with the same key. The index takes its own reference.
 * *ret_old (may be NULL) receives the replaced object, whose reference is then the caller's.
 * 0 or -ENOMEM (nothing changed).
 */
int index_put(struct index *ix, void *obj, void **ret_old);
/* Takes an object out; its reference is the caller's. NULL when it is not there. */
void *index_remove(struct index *ix, enum kind k, struct scope s, const char *id);

/*
 * Walking. The index must not change during a walk.
 *
 *     struct cursor c;
 *     index_each_in(ix, c, KIND_VPC, scope) { const struct vpc *v = c.obj; ... }
 *     index_each_by(ix, c, KIND_SUBNET, SUBNET_BY_VPC, "vpc-1") ...   any account
 */
struct cursor {
    const void *obj;
    const struct index_row *row;
    struct scope scope;
    const char *value;
    uint16_t field;
    uint8_t kind;
    bool any_scope;
};

bool cursor_in(const struct index *ix, struct cursor *c, enum kind k, struct scope s,
               const char *after_id);
bool cursor_all(const struct index *ix, struct cursor *c, enum kind k);
bool cursor_by(const struct index *ix, struct cursor *c, enum kind k, uint16_t field,
               const char *value);
/* The same within one scope, behind an id; NULL: from the first. */
bool cursor_by_in(const struct index *ix, struct cursor *c, enum kind k, uint16_t field,
                  const char *value, struct scope s, const char *after_id);
bool cursor_next(struct cursor *c);

/* How many objects: of a kind in a scope; with this value in a field with FF_COUNTED, of any
 * account. */
size_t index_count_in(const struct index *ix, enum kind k, struct scope s);
size_t index_count_by(const struct index *ix, enum kind k, uint16_t field, const char *value);
/* And what they weigh together. */
int64_t index_sum_in(const struct index *ix, enum kind k, struct scope s, enum weight w);
int64_t index_sum_by(const struct index *ix, enum kind k, uint16_t field, const char *value,
                     enum weight w);

#define index_each_in(ix, c, k, s)                                                                 \
    for (bool _more = cursor_in(ix, &(c), k, s, NULL); _more; _more = cursor_next(&(c)))
#define index_each_all(ix, c, k)                                                                   \
    for (bool _more = cursor_all(ix, &(c), k); _more; _more = cursor_next(&(c)))
#define index_each_by(ix, c, k, f, v)                                                              \
    for (bool _more = cursor_by(ix, &(c), k, f, v); _more; _more = cursor_next(&(c)))

/* The number of an indexed field: its own, or list number * 256 + own for one inside a list. */
#define INDEX_FIELD(num) (num)
#define INDEX_SUBFIELD(list_num, num) ((list_num)*256 + (num))

#endif
