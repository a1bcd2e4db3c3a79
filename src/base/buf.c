/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_free(struct buf *b) {
    free(b->data);
    *b = (struct buf){.limit = b->limit};
}

void buf_reset(struct buf *b) {
    b->len = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = 0;
}

static bool buf_room(struct buf *b, size_t more) {
    size_t need, cap;
    char *data;

    if (b->failed || __builtin_add_overflow(b->len, more, &need) || need >= SIZE_MAX / 2 ||
        (b->limit && need > b->limit)) {
        b->failed = true;
        return false;
    }
    if (need + 1 <= b->cap)
        return true;
    cap = b->cap ? b->cap : 64;
    while (cap < need + 1)
        cap *= 2;
    data = realloc(b->data, cap);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

void buf_add(struct buf *b, const void *data, size_t len) {
    if (!buf_room(b, len))
        return;
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = 0;
}

void buf_adds(struct buf *b, const char *s) {
    buf_add(b, s, strlen(s));
}

void buf_addc(struct buf *b, char c) {
    buf_add(b, &c, 1);
}

void buf_addf(struct buf *b, const char *fmt, ...) {
    va_list ap, again;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) {
        b->failed = true;
    } else if (buf_room(b, (size_t)n)) {
        vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

const char *buf_str(const struct buf *b) {
    return b->data ? b->data : "";
}

char *buf_take(struct buf *b) {
    char *data;

    if (!b->failed && !b->data)
        buf_add(b, "", 0);
    if (b->failed) {
        buf_free(b);
        return NULL;
    }
    data = b->data;
    b->data = NULL;
    buf_free(b);
    return data;
}

void buf_add_varint(struct buf *b, uint64_t v) {
    uint8_t out[10];
    size_t n = 0;

    do {
        out[n] = (uint8_t)(v & 0x7f);
        v >>= 7;
        if (v)
            out[n] |= 0x80;
        n++;
    } while (v);
    buf_add(b, out, n);
}

uint64_t read_varint(struct reader *r) {
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte;

        if (r->bad || r->p == r->end)
            break;
        byte = *r->p++;
        if (shift == 63 && byte > 1)
            break;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return v;
    }
    r->bad = true;
    return 0;
}

const uint8_t *read_bytes(struct reader *r, size_t n) {
    const uint8_t *p = r->p;

    if (r->bad || (size_t)(r->end - r->p) < n) {
        r->bad = true;
        return NULL;
    }
    r->p += n;
    return p;
}
