/* SPDX-License-Identifier: Apache-2.0 */
#include "model/field.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

void *list_add(struct list *l, size_t item_size) {
    char *items;

    /* Grown by doubling: the capacity is the next power of two, so it need not be kept. */
    if ((l->n & (l->n - 1)) == 0) {
        size_t cap = l->n ? (size_t)l->n * 2 : 1;

        items = reallocarray(l->items, cap, item_size);
        if (!items)
            return NULL;
        l->items = items;
    }
    items = l->items;
    items += (size_t)l->n++ * item_size;
    return memset(items, 0, item_size);
}

void list_cut(struct list *l, size_t item_size, uint32_t i) {
    char *at = (char *)l->items + i * item_size;
    char *copy;

    memmove(at, at + item_size, (l->n - i - 1) * item_size);
    l->n--;
    if (l->n && (l->n & (l->n - 1)) == 0) {
        /* Back at a power of two: list_add will grow from exactly this capacity. */
        copy = reallocarray(l->items, l->n, item_size);
        if (copy)
            l->items = copy;
    } else if (!l->n) {
        free(l->items);
        l->items = NULL;
    }
}

int strs_add(struct list *l, const char *s) {
    char *copy = strdup(s), **slot;

    if (!copy)
        return -ENOMEM;
    slot = list_add(l, sizeof(char *));
    if (!slot) {
        free(copy);
        return -ENOMEM;
    }
    *slot = copy;
    return 0;
}

bool strs_has(const struct list *l, const char *s) {
    list_each (char *, item, *l)
        if (strcmp(*item, s) == 0)
            return true;
    return false;
}

bool str_set(char **dst, const char *s) {
    char *copy = s ? strdup(s) : NULL;

    if (s && !copy)
        return false;
    free(*dst);
    *dst = copy;
    return true;
}

bool field_absent(const struct field *f, const void *obj) {
    static const uint8_t no_mac[6];
    const void *p = field_at(f, obj);

    switch ((enum field_type)f->type) {
    case FT_STR:
        return !*(char *const *)p;
    case FT_STRS:
    case FT_LIST:
        return ((const struct list *)p)->n == 0;
    case FT_TRI:
    case FT_ENUM:
        return *(const uint8_t *)p == 0;
    case FT_OPTINT:
        return !((const struct optint *)p)->set;
    case FT_TIME:
        return *(const int64_t *)p == 0;
    case FT_IP:
        return ((const struct ip *)p)->family == IP_NONE;
    case FT_CIDR:
        return ((const struct cidr *)p)->ip.family == IP_NONE;
    case FT_MAC:
        return memcmp(p, no_mac, 6) == 0;
    case FT_BLOB:
        return ((const struct blob *)p)->len == 0;
    case FT_STRUCT:
        for (uint16_t i = 0; i < f->sub->n_fields; i++)
            if (f->sub->fields[i].type < FT_GET && !field_absent(&f->sub->fields[i], p))
                return false;
        return true;
    case FT_BOOL:
    case FT_INT:
    case FT_GET:
    case FT_EMIT:
        return false;
    }
    return true;
}

void field_text(const struct field *f, const struct look *look, const void *obj, struct buf *out) {
    const void *p = field_at(f, obj);
    char text[64];

    if (f->type != FT_GET && field_absent(f, obj))
        return;
    switch ((enum field_type)f->type) {
    case FT_STR:
        buf_adds(out, *(char *const *)p);
        break;
    case FT_BOOL:
        buf_adds(out, *(const bool *)p ? "true" : "false");
        break;
    case FT_TRI:
        buf_adds(out, *(const uint8_t *)p == TRI_TRUE ? "true" : "false");
        break;
    case FT_INT:
        buf_addf(out, "%lld", (long long)*(const int64_t *)p);
        break;
    case FT_OPTINT:
        buf_addf(out, "%lld", (long long)((const struct optint *)p)->v);
        break;
    case FT_TIME:
        buf_adds(out, time_format(*(const int64_t *)p, text));
        break;
    case FT_IP:
        buf_adds(out, ip_format(p, text));
        break;
    case FT_CIDR:
        buf_adds(out, cidr_format(p, text));
        break;
    case FT_MAC:
        buf_adds(out, mac_format(p, text));
        break;
    case FT_ENUM:
        buf_adds(out, f->names[*(const uint8_t *)p]);
        break;
    case FT_BLOB: {
        const struct blob *b = p;
        char *encoded = base64_encode(b->data, b->len);

        if (encoded)
            buf_adds(out, encoded);
        else
            out->failed = true;
        free(encoded);
        break;
    }
    case FT_GET:
        f->get(look, obj, out);
        break;
    case FT_STRS:
    case FT_STRUCT:
    case FT_LIST:
    case FT_EMIT:
        break;
    }
}

/* A row of a stored desc without a number is another view of what a numbered row owns. */
static bool is_alias(const struct desc *d, const struct field *f) {
    return d->unknown >= 0 && !f->num;
}

void desc_clear(const struct desc *d, void *obj) {
    for (uint16_t i = 0; i < d->n_fields; i++) {
        const struct field *f = &d->fields[i];
        void *p = field_at(f, obj);
        struct list *l = p;

        if (is_alias(d, f))
            continue;
        switch ((enum field_type)f->type) {
        case FT_STR:
            free(*(char **)p);
            *(char **)p = NULL;
            break;
        case FT_STRS:
            list_each (char *, s, *l)
                free(*s);
            free(l->items);
            *l = (struct list){0};
            break;
        case FT_BLOB:
            free(((struct blob *)p)->data);
            *(struct blob *)p = (struct blob){0};
            break;
        case FT_STRUCT:
            desc_clear(f->sub, p);
            break;
        case FT_LIST:
            desc_clear_list(f->sub, l);
            break;
        default:
            break;
        }
    }
    if (d->unknown >= 0) {
        struct blob *b = (struct blob *)((char *)obj + d->unknown);

        free(b->data);
        *b = (struct blob){0};
    }
}

void desc_clear_list(const struct desc *item, struct list *l) {
    for (uint32_t i = 0; i < l->n; i++)
        desc_clear(item, (char *)l->items + i * item->size);
    free(l->items);
    *l = (struct list){0};
}

static int blob_copy(struct blob *b) {
    uint8_t *data = NULL;

    if (b->len) {
        data = malloc(b->len);
        if (data)
            memcpy(data, b->data, b->len);
    }
    if (b->len && !data) {
        *b = (struct blob){0};
        return -ENOMEM;
    }
    b->data = data;
    return 0;
}

/* Room for the items as list_add would have made it, so that a copy can grow. */
static int list_copy(struct list *dst, const struct list *src, const struct desc *item) {
    size_t size = item ? item->size : sizeof(char *);
    size_t cap = 1;

    *dst = (struct list){0};
    if (!src->n)
        return 0;
    while (cap < src->n)
        cap *= 2;
    dst->items = calloc(cap, size);
    if (!dst->items)
        return -ENOMEM;
    for (uint32_t i = 0; i < src->n; i++) {
        dst->n = i + 1;
        if (item) {
            int r = desc_copy(item, (char *)dst->items + i * size, (char *)src->items + i * size);

            if (r < 0)
                return r;
        } else {
            list_str(*dst, i) = strdup(list_str(*src, i));
            if (!list_str(*dst, i)) {
                dst->n = i;
                return -ENOMEM;
            }
        }
    }
    return 0;
}

int desc_copy(const struct desc *d, void *dst, const void *src) {
    int r = 0, k;

    memcpy(dst, src, d->size);
    /* First make dst own nothing, so that it can be cleared at any moment; then copy. */
    for (uint16_t i = 0; i < d->n_fields; i++) {
        const struct field *f = &d->fields[i];
        void *to = field_at(f, dst);
        const void *from = field_at(f, src);

        k = 0;
        if (is_alias(d, f))
            continue;
        switch ((enum field_type)f->type) {
        case FT_STR:
            *(char **)to = NULL;
            if (!str_set((char **)to, *(char *const *)from))
                k = -ENOMEM;
            break;
        case FT_STRS:
            k = list_copy(to, from, NULL);
            break;
        case FT_LIST:
            k = list_copy(to, from, f->sub);
            break;
        case FT_BLOB:
            k = blob_copy(to);
            break;
        case FT_STRUCT:
            k = desc_copy(f->sub, to, from);
            break;
        default:
            break;
        }
        if (k < 0)
            r = k;
    }
    if (d->unknown >= 0) {
        k = blob_copy((struct blob *)((char *)dst + d->unknown));
        if (k < 0)
            r = k;
    }
    if (r < 0)
        desc_clear(d, dst);
    return r;
}
