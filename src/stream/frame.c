/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/frame.h"

#include <errno.h>
#include <string.h>

#define MAGIC "vpcd"

static uint64_t read_le(struct reader *r, size_t n) {
    const uint8_t *p = read_bytes(r, n);
    uint64_t v = 0;

    for (size_t i = 0; p && i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static void add_le(struct buf *b, uint64_t v, size_t n) {
    for (size_t i = 0; i < n; i++)
        buf_addc(b, (char)(v >> (8 * i)));
}

static bool text_is_clean(const void *text, size_t len) {
    const unsigned char *p = text;

    for (size_t i = 0; i < len; i++)
        if (p[i] < 0x20 || p[i] == 0x7f)
            return false;
    return true;
}

/* Text of a length that stands before it in `width` bytes, copied behind *to, which moves on. */
static const char *read_text(struct reader *r, size_t width, size_t min, size_t max, char **to) {
    size_t len = (size_t)read_le(r, width);
    const uint8_t *p = len > max ? NULL : read_bytes(r, len);
    char *text = *to;

    if (!p || len < min || !text_is_clean(p, len)) {
        r->bad = true;
        return "";
    }
    memcpy(text, p, len);
    text[len] = 0;
    *to += len + 1;
    return text;
}

static void read_rest(struct reader *r, struct stream_frame *f) {
    f->len = (size_t)(r->end - r->p);
    r->bad |= f->len > STREAM_DATA_MAX;
    f->data = read_bytes(r, f->len);
}

static const char *decode_hello(struct reader *r, struct stream_frame *f) {
    const uint8_t *magic = read_bytes(r, sizeof(MAGIC) - 1);
    char *to = f->text;

    if (!magic || memcmp(magic, MAGIC, sizeof(MAGIC) - 1) != 0) {
        r->bad = true;
        return "the greeting is not vpcd's";
    }
    f->hello.oldest = (uint16_t)read_le(r, 2);
    f->hello.newest = (uint16_t)read_le(r, 2);
    f->hello.role = (uint8_t)read_le(r, 1);
    f->hello.host = read_text(r, 1, 0, STREAM_NAME_MAX, &to);
    f->hello.state = read_text(r, 1, 0, STREAM_NAME_MAX, &to);
    return "a malformed greeting";
}

/* Reads the body. Returns what to say if it was malformed. */
static const char *decode_body(struct reader *r, struct stream_frame *f) {
    char *to = f->text;

    switch (f->type) {
    case STREAM_HELLO:
        return decode_hello(r, f);
    case STREAM_SNAP_BEGIN:
        return "a malformed begin of a snapshot";
    case STREAM_OBJECT:
        f->number = read_le(r, 8);
        f->key = read_text(r, 2, 1, STREAM_KEY_MAX, &to);
        read_rest(r, f);
        return "a malformed object";
    case STREAM_DELETE:
        f->number = read_le(r, 8);
        f->key = read_text(r, 2, 1, STREAM_KEY_MAX, &to);
        return "a malformed deletion";
    case STREAM_SNAP_END:
    case STREAM_REVISION:
        f->number = read_le(r, 8);
        return "a malformed revision";
    case STREAM_REPORT:
        f->kind = (uint16_t)read_le(r, 2);
        f->key = read_text(r, 2, 0, STREAM_KEY_MAX, &to);
        read_rest(r, f);
        return "a malformed report";
    }
    r->bad = true;
    return "a frame of unknown type";
}

int64_t frame_length(const void *data, size_t len) {
    struct reader r = reader_of(data, len);
    uint64_t n = read_le(&r, STREAM_HEADER);

    if (r.bad)
        return 0;
    if (n < 1 || n > STREAM_FRAME_MAX)
        return -EMSGSIZE;
    return (int64_t)n + STREAM_HEADER;
}

int frame_decode(const void *data, size_t len, struct stream_frame *frame, const char **ret_why) {
    struct reader r = reader_of(data, len);
    const char *why;

    read_le(&r, STREAM_HEADER);
    /* Member by member: `text` need not be cleared for each frame. */
    frame->type = (enum stream_type)read_le(&r, 1);
    frame->hello = (struct stream_hello){0};
    frame->number = 0;
    frame->kind = 0;
    frame->key = NULL;
    frame->data = NULL;
    frame->len = 0;
    why = decode_body(&r, frame);
    if (r.bad || r.p != r.end) {
        *ret_why = why;
        return -EPROTO;
    }
    return 0;
}

static void add_text(struct buf *b, size_t width, size_t min, size_t max, const char *text,
                     int *error) {
    size_t len = strlen(text);

    if (len < min || len > max || !text_is_clean(text, len)) {
        *error = -EINVAL;
        return;
    }
    add_le(b, len, width);
    buf_add(b, text, len);
}

static void encode_body(struct buf *out, const struct stream_frame *f, int *error) {
    switch (f->type) {
    case STREAM_HELLO:
        buf_add(out, MAGIC, sizeof(MAGIC) - 1);
        add_le(out, f->hello.oldest, 2);
        add_le(out, f->hello.newest, 2);
        add_le(out, f->hello.role, 1);
        add_text(out, 1, 0, STREAM_NAME_MAX, f->hello.host, error);
        add_text(out, 1, 0, STREAM_NAME_MAX, f->hello.state, error);
        return;
    case STREAM_SNAP_BEGIN:
        return;
    case STREAM_OBJECT:
        add_le(out, f->number, 8);
        add_text(out, 2, 1, STREAM_KEY_MAX, f->key, error);
        buf_add(out, f->data, f->len);
        return;
    case STREAM_DELETE:
        add_le(out, f->number, 8);
        add_text(out, 2, 1, STREAM_KEY_MAX, f->key, error);
        return;
    case STREAM_SNAP_END:
    case STREAM_REVISION:
        add_le(out, f->number, 8);
        return;
    case STREAM_REPORT:
        add_le(out, f->kind, 2);
        add_text(out, 2, 0, STREAM_KEY_MAX, f->key, error);
        buf_add(out, f->data, f->len);
        return;
    }
    *error = -EINVAL;
}

int frame_encode(struct buf *out, const struct stream_frame *f) {
    size_t start = out->len, n;
    int error = 0;

    if (f->len > STREAM_DATA_MAX)
        return -EMSGSIZE;
    add_le(out, 0, STREAM_HEADER);
    buf_addc(out, (char)f->type);
    encode_body(out, f, &error);
    if (out->failed)
        error = -ENOMEM;
    if (error) {
        out->len = start;
        return error;
    }
    n = out->len - start - STREAM_HEADER;
    for (size_t i = 0; i < STREAM_HEADER; i++)
        out->data[start + i] = (char)(n >> (8 * i));
    return 0;
}
