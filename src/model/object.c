/* SPDX-License-Identifier: Apache-2.0 */
#include "model/object.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "model/codec.h"
#include "model/regions.h"

enum kind kind_by_name(const char *name) {
    for (enum kind k = 1; k < KIND_COUNT; k++)
        if (strcmp(kind_info(k)->name, name) == 0)
            return k;
    return KIND_NONE;
}

enum kind kind_by_id(const char *id) {
    for (enum kind k = 1; k < KIND_COUNT; k++) {
        const char *prefix = kind_info(k)->prefix;

        if (prefix && strncmp(prefix, id, strlen(prefix)) == 0)
            return k;
    }
    return KIND_NONE;
}

void *obj_new(enum kind k, struct scope s, const char *id) {
    struct obj *o;

    if (strlen(id) > ID_MAX || !(o = calloc(1, kind_info(k)->desc->size)))
        return NULL;
    *o = (struct obj){.kind = (uint8_t)k, .refs = 1, .scope = s, .id = strdup(id)};
    if (!o->id) {
        free(o);
        return NULL;
    }
    return o;
}

void *obj_clone(const void *obj) {
    const struct obj *from = obj;
    const struct desc *d = kind_info(from->kind)->desc;
    struct obj *o = calloc(1, d->size);

    if (!o || desc_copy(d, o, obj) < 0) {
        free(o);
        return NULL;
    }
    /* desc_copy took the header's bytes along. */
    o->refs = 1;
    o->no_memory = false;
    o->id = strdup(from->id);
    if (!o->id) {
        desc_clear(d, o);
        free(o);
        return NULL;
    }
    return o;
}

void *obj_ref(const void *obj) {
    struct obj *o = (struct obj *)(uintptr_t)obj;

    o->refs++;
    return o;
}

void obj_unref(const void *obj) {
    struct obj *o = (struct obj *)(uintptr_t)obj;

    if (!o || --o->refs)
        return;
    desc_clear(kind_info(o->kind)->desc, o);
    free(o->id);
    free(o);
}

char *obj_make_id(const char *prefix, char *out) {
    uint8_t random[9];
    size_t n = strlen(prefix);

    random_bytes(random, sizeof(random));
    memcpy(out, prefix, n);
    hex_format(random, sizeof(random), out + n);
    out[n + 17] = 0;
    return out;
}

void obj_set(struct obj *o, char **member, const char *s) {
    if (!str_set(member, s))
        o->no_memory = true;
}

char *scope_key(struct scope s, enum kind k, const char *id, char *out) {
    if (s.account)
        snprintf(out, OBJ_KEY_MAX, "%s/%012llu/%s/%s", region_name(s.region),
                 (unsigned long long)s.account, kind_info(k)->name, id);
    else
        snprintf(out, OBJ_KEY_MAX, "%s/-/%s/%s", region_name(s.region), kind_info(k)->name, id);
    return out;
}

char *obj_key(const struct obj *o, char *out) {
    return scope_key(o->scope, o->kind, o->id, out);
}

int obj_key_parse(const char *key, struct scope *ret_scope, enum kind *ret_kind,
                  const char **ret_id) {
    char part[3][32];
    struct scope s = {0};
    int64_t account;
    enum kind k;

    for (int i = 0; i < 3; i++) {
        size_t n = strcspn(key, "/");

        if (key[n] != '/' || n >= sizeof(part[i]))
            return -EINVAL;
        memcpy(part[i], key, n);
        part[i][n] = 0;
        key += n + 1;
    }
    if (strcmp(part[0], "-") != 0 && !(s.region = region_by_name(part[0])))
        return -EINVAL;
    if (strcmp(part[1], "-") != 0) {
        /* Accounts have leading zeros, which int_parse takes. */
        if (int_parse(part[1], 1, ACCOUNT_MAX, &account) < 0)
            return -EINVAL;
        s.account = (uint64_t)account;
    }
    k = kind_by_name(part[2]);
    if (k == KIND_NONE || !*key || strlen(key) > ID_MAX)
        return -EINVAL;
    *ret_scope = s;
    *ret_kind = k;
    *ret_id = key;
    return 0;
}

void obj_encode(const void *obj, struct buf *out) {
    doc_encode(kind_info(((const struct obj *)obj)->kind)->desc, obj, out);
}

int obj_decode(const char *key, uint64_t version, const void *data, size_t len, void **ret_obj) {
    struct scope s;
    enum kind k;
    const char *id;
    struct obj *o;
    int r = obj_key_parse(key, &s, &k, &id);

    if (r < 0)
        return -EBADMSG;
    o = obj_new(k, s, id);
    if (!o)
        return -ENOMEM;
    o->version = version;
    r = doc_decode(kind_info(k)->desc, data, len, o);
    if (r < 0) {
        obj_unref(o);
        return r;
    }
    *ret_obj = o;
    return 0;
}

struct list *obj_tags(const void *obj) {
    const struct obj *o = obj;
    uint32_t at = kind_info(o->kind)->tags;

    return at ? (struct list *)((char *)(uintptr_t)o + at) : NULL;
}

const char *tags_get(const struct list *tags, const char *key) {
    list_each (struct tag, t, *tags)
        if (strcmp(t->key, key) == 0)
            return t->value;
    return NULL;
}
