/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Staging: every write goes into the index at once and is remembered with what it replaced, so that
 * it can be taken back. Writes of one key are one: the first `before`, the last `after`.
 */
#include "store/txn_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "model/account.h"

void txn_must(int r) {
    /* Memory ran out while the view was being restored: it is no longer what is on disk. Ending is
     * safe. */
    if (r < 0) {
        log_error("out of memory in the state; ending so that it is loaded afresh");
        abort();
    }
}

/* The index */

static void view_set(struct index *ix, const struct obj *from, const struct obj *to) {
    if (to)
        txn_must(index_put(ix, (void *)(uintptr_t)to, NULL));
    else if (from)
        obj_unref(index_remove(ix, from->kind, from->scope, from->id));
}

void txn_undo(struct txn *t) {
    struct write *w, *tmp;

    HASH_ITER (hh, t->writes, w, tmp) {
        view_set(t->ix, w->after, w->before);
    }
}

void txn_redo(struct txn *t) {
    struct write *w, *tmp;

    HASH_ITER (hh, t->writes, w, tmp) {
        const struct obj *at = w->before ? w->before : w->after;
        const struct obj *now = at ? index_get(t->ix, at->kind, at->scope, at->id) : NULL;

        /* Another writer may have put something else there meanwhile: that is what to go back to.
         */
        if (now)
            obj_ref(now);
        obj_unref(w->before);
        w->before = now;
        view_set(t->ix, w->before, w->after);
    }
}

void txn_clear(struct txn *t) {
    struct write *w, *tmp;
    struct dependency *d, *next;

    HASH_ITER (hh, t->writes, w, tmp) {
        HASH_DEL(t->writes, w);
        obj_unref(w->before);
        obj_unref(w->after);
        free(w);
    }
    HASH_ITER (hh, t->reads, d, next) {
        HASH_DEL(t->reads, d);
        obj_unref(d->obj);
        free(d);
    }
    list_each (struct obj *, o, t->loose)
        obj_unref(*o);
    free(t->loose.items);
    t->loose = (struct list){0};
    t->no_memory = false;
}

void txn_abort(struct txn *t) {
    txn_undo(t);
    txn_clear(t);
}

const struct index *txn_index(const struct txn *t) {
    return t->ix;
}

bool txn_failed(const struct txn *t) {
    return t->no_memory;
}

void txn_depend(struct txn *t, const void *obj) {
    struct dependency *d;

    HASH_FIND_PTR(t->reads, &obj, d);
    if (d)
        return;
    d = calloc(1, sizeof(*d));
    if (!d) {
        t->no_memory = true;
        return;
    }
    d->obj = obj_ref(obj);
    HASH_ADD_PTR(t->reads, obj, d);
}

const void *txn_get(struct txn *t, enum kind k, struct scope s, const char *id) {
    const void *obj = index_get(t->ix, k, s, id);

    if (obj)
        txn_depend(t, obj);
    return obj;
}

static void *make_loose(struct txn *t, struct obj *o) {
    struct obj **slot = o ? list_add(&t->loose, sizeof(o)) : NULL;

    if (!slot) {
        obj_unref(o);
        t->no_memory = true;
        return NULL;
    }
    *slot = o;
    return o;
}

void *txn_new(struct txn *t, enum kind k, struct scope s, const char *id) {
    return make_loose(t, obj_new(k, s, id));
}

void *txn_edit(struct txn *t, const void *obj) {
    return make_loose(t, obj_clone(obj));
}

/* Stages `after` (NULL: a deletion) in place of what the index has; takes the reference to it over.
 */
static void stage(struct txn *t, const struct obj *at, struct obj *after) {
    const struct obj *before = index_get(t->ix, at->kind, at->scope, at->id);
    char key[OBJ_KEY_MAX];
    struct write *w;
    size_t n;

    obj_key(at, key);
    n = strlen(key);
    HASH_FIND(hh, t->writes, key, n, w);
    if (!w) {
        w = calloc(1, sizeof(*w) + n + 1);
        if (!w)
            goto no_memory;
        memcpy(w->key, key, n + 1);
        w->before = before ? obj_ref(before) : NULL;
        HASH_ADD_KEYPTR(hh, t->writes, w->key, n, w);
    }
    if (after) {
        after->version = w->before ? w->before->version + 1 : 1;
        if (index_put(t->ix, after, NULL) < 0)
            goto no_memory;
    } else if (before) {
        obj_unref(index_remove(t->ix, at->kind, at->scope, at->id));
    }
    obj_unref(w->after);
    w->after = after;
    return;
no_memory:
    obj_unref(after);
    t->no_memory = true;
}

void txn_put(struct txn *t, void *obj) {
    struct obj *o = obj;

    if (!o)
        return;
    for (uint32_t i = 0; i < t->loose.n; i++) {
        if (*list_at(t->loose, struct obj *, i) == o) {
            list_cut(&t->loose, sizeof(o), i);
            if (o->no_memory) {
                obj_unref(o);
                t->no_memory = true;
            } else {
                stage(t, o, o);
            }
            return;
        }
    }
    assert(!"txn_put of an object that is not the transaction's");
}

void txn_delete(struct txn *t, const void *obj) {
    struct obj *o = obj_ref(obj); /* the index may hold the only reference */

    stage(t, o, NULL);
    obj_unref(o);
}

void txn_touch(struct txn *t, const void *obj) {
    const struct obj *o = obj;
    char key[OBJ_KEY_MAX];
    struct write *w;

    obj_key(o, key);
    HASH_FIND(hh, t->writes, key, strlen(key), w);
    if (!w)
        txn_put(t, txn_edit(t, index_get(t->ix, o->kind, o->scope, o->id)));
}

bool txn_claim(struct txn *t, struct scope s, const char *name, const char *owner) {
    struct claim *c;

    if (index_get(t->ix, KIND_CLAIM, s, name))
        return false;
    c = txn_new(t, KIND_CLAIM, s, name);
    if (c) {
        obj_set(&c->o, &c->owner, owner);
        txn_put(t, c);
    }
    return true;
}

void txn_release(struct txn *t, struct scope s, const char *name) {
    const struct claim *c = index_get(t->ix, KIND_CLAIM, s, name);

    if (c)
        txn_delete(t, c);
}
