/* SPDX-License-Identifier: Apache-2.0 */
#include "model/codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define DEPTH_MAX 6 /* structs within structs; a document that nests deeper is refused */

enum wire_type {
    WIRE_VARINT = 0,
    WIRE_BYTES = 2,
};

static uint64_t zigzag(int64_t v) {
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static int64_t unzigzag(uint64_t v) {
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static void put_number(struct buf *out, uint16_t num, uint64_t v) {
    buf_add_varint(out, (uint64_t)num << 3 | WIRE_VARINT);
    buf_add_varint(out, v);
}

static void put_bytes(struct buf *out, uint16_t num, const void *data, size_t len) {
    buf_add_varint(out, (uint64_t)num << 3 | WIRE_BYTES);
    buf_add_varint(out, len);
    buf_add(out, data, len);
}

static void put_struct(struct buf *out, uint16_t num, const struct desc *d, const void *obj) {
    _buf_ struct buf inner = BUF_INIT;

    doc_encode(d, obj, &inner);
    if (inner.failed)
        out->failed = true;
    put_bytes(out, num, inner.data, inner.len);
}

static void put_field(const struct field *f, const void *p, struct buf *out) {
    const struct list *l = p;
    uint8_t bytes[17];

    switch ((enum field_type)f->type) {
    case FT_STR:
        put_bytes(out, f->num, *(char *const *)p, strlen(*(char *const *)p));
        break;
    case FT_STRS:
        list_each (char *, s, *l)
            put_bytes(out, f->num, *s, strlen(*s));
        break;
    case FT_BOOL:
        if (*(const bool *)p)
            put_number(out, f->num, 1);
        break;
    case FT_TRI:
    case FT_ENUM:
        put_number(out, f->num, *(const uint8_t *)p);
        break;
    case FT_INT:
        if (*(const int64_t *)p)
            put_number(out, f->num, zigzag(*(const int64_t *)p));
        break;
    case FT_TIME:
        put_number(out, f->num, zigzag(*(const int64_t *)p));
        break;
    case FT_OPTINT:
        put_number(out, f->num, zigzag(((const struct optint *)p)->v));
        break;
    case FT_IP: {
        const struct ip *ip = p;

        put_bytes(out, f->num, ip->b, ip_bits(ip->family) / 8);
        break;
    }
    case FT_CIDR: {
        const struct cidr *c = p;
        size_t n = ip_bits(c->ip.family) / 8;

        memcpy(bytes, c->ip.b, n);
        bytes[n] = c->len;
        put_bytes(out, f->num, bytes, n + 1);
        break;
    }
    case FT_MAC:
        put_bytes(out, f->num, p, 6);
        break;
    case FT_BLOB:
        put_bytes(out, f->num, ((const struct blob *)p)->data, ((const struct blob *)p)->len);
        break;
    case FT_STRUCT:
        put_struct(out, f->num, f->sub, p);
        break;
    case FT_LIST:
        for (uint32_t i = 0; i < l->n; i++)
            put_struct(out, f->num, f->sub, (char *)l->items + i * f->sub->size);
        break;
    case FT_GET:
    case FT_EMIT:
        break;
    }
}

void doc_encode(const struct desc *d, const void *obj, struct buf *out) {
    for (uint16_t i = 0; i < d->n_fields; i++)
        if (d->fields[i].num && !field_absent(&d->fields[i], obj))
            put_field(&d->fields[i], field_at(&d->fields[i], obj), out);
    if (d->unknown >= 0) {
        const struct blob *b = (const struct blob *)((const char *)obj + d->unknown);

        buf_add(out, b->data, b->len);
    }
}

static int decode_struct(const struct desc *d, struct reader *r, void *obj, int depth);

static char *dup_text(const uint8_t *data, size_t len) {
    /* A string in C ends at its first NUL: one inside would come back shortened. */
    if (len && memchr(data, 0, len))
        return NULL;
    return strndup(len ? (const char *)data : "", len);
}

static int get_sub(const struct field *f, const uint8_t *data, size_t len, void *item, int depth) {
    struct reader inner = reader_of(data, len);

    return depth >= DEPTH_MAX ? -EBADMSG : decode_struct(f->sub, &inner, item, depth + 1);
}

static int get_bytes(const struct field *f, const uint8_t *data, size_t len, void *p, int depth) {
    struct ip *ip = p;
    struct cidr *c = p;
    struct blob *b = p;
    char *s, **slot;
    void *item;

    switch ((enum field_type)f->type) {
    case FT_STR:
    case FT_STRS:
        s = dup_text(data, len);
        if (!s)
            return -EBADMSG;
        slot = f->type == FT_STR ? (char **)p : list_add(p, sizeof(char *));
        if (!slot) {
            free(s);
            return -ENOMEM;
        }
        free(*slot);
        *slot = s;
        return 0;
    case FT_IP:
        if (len != 4 && len != 16)
            return -EBADMSG;
        *ip = (struct ip){.family = len == 4 ? IP_V4 : IP_V6};
        memcpy(ip->b, data, len);
        return 0;
    case FT_CIDR:
        if (len != 5 && len != 17)
            return -EBADMSG;
        *c = (struct cidr){.ip.family = len == 5 ? IP_V4 : IP_V6, .len = data[len - 1]};
        memcpy(c->ip.b, data, len - 1);
        return c->len > ip_bits(c->ip.family) ? -EBADMSG : 0;
    case FT_MAC:
        if (len != 6)
            return -EBADMSG;
        memcpy(p, data, 6);
        return 0;
    case FT_BLOB:
        free(b->data);
        *b = (struct blob){.data = malloc(len ? len : 1), .len = (uint32_t)len};
        if (!b->data)
            return -ENOMEM;
        if (len)
            memcpy(b->data, data, len);
        return 0;
    case FT_STRUCT:
        return get_sub(f, data, len, p, depth);
    case FT_LIST:
        item = list_add(p, f->sub->size);
        return item ? get_sub(f, data, len, item, depth) : -ENOMEM;
    default:
        return -EBADMSG;
    }
}

static int get_number(const struct field *f, uint64_t v, void *p) {
    unsigned max = 0;

    switch ((enum field_type)f->type) {
    case FT_BOOL:
        *(bool *)p = v != 0;
        return 0;
    case FT_ENUM:
        while (f->names[max])
            max++;
        if (v >= max)
            return -EBADMSG;
        *(uint8_t *)p = (uint8_t)v;
        return 0;
    case FT_TRI:
        if (v > TRI_TRUE)
            return -EBADMSG;
        *(uint8_t *)p = (uint8_t)v;
        return 0;
    case FT_INT:
    case FT_TIME:
        *(int64_t *)p = unzigzag(v);
        return 0;
    case FT_OPTINT:
        *(struct optint *)p = (struct optint){.v = unzigzag(v), .set = true};
        return 0;
    default:
        return -EBADMSG;
    }
}

static int keep_unknown(const struct desc *d, void *obj, const uint8_t *from, const uint8_t *to) {
    struct blob *b = (struct blob *)((char *)obj + d->unknown);
    uint32_t more = (uint32_t)(to - from);
    uint8_t *data;

    if (d->unknown < 0)
        return 0;
    data = realloc(b->data, b->len + more);
    if (!data)
        return -ENOMEM;
    memcpy(data + b->len, from, more);
    b->data = data;
    b->len += more;
    return 0;
}

static const struct field *field_by_number(const struct desc *d, uint64_t num) {
    for (uint16_t i = 0; i < d->n_fields; i++)
        if (d->fields[i].num == num)
            return &d->fields[i];
    return NULL;
}

static int decode_struct(const struct desc *d, struct reader *r, void *obj, int depth) {
    while (r->p < r->end) {
        const uint8_t *start = r->p, *data = NULL;
        uint64_t tag = read_varint(r), v = read_varint(r);
        const struct field *f;
        int k;

        if ((tag & 7) == WIRE_BYTES)
            data = read_bytes(r, v);
        if (r->bad || tag >> 3 == 0 || ((tag & 7) != WIRE_BYTES && (tag & 7) != WIRE_VARINT))
            return -EBADMSG;
        f = field_by_number(d, tag >> 3);
        if (!f)
            k = keep_unknown(d, obj, start, r->p);
        else if (data)
            k = get_bytes(f, data, v, field_at(f, obj), depth);
        else
            k = get_number(f, v, field_at(f, obj));
        if (k < 0)
            return k;
    }
    return 0;
}

int doc_decode(const struct desc *d, const void *data, size_t len, void *obj) {
    struct reader r = reader_of(data, len);
    int k = decode_struct(d, &r, obj, 0);

    if (k < 0)
        desc_clear(d, obj);
    return k;
}
