/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growable byte buffer, always NUL-terminated behind its last byte once something was added.
 *
 *     struct buf b = BUF_INIT;          (or BUF_LIMIT(n): never more than n bytes)
 *     buf_addf(&b, "%d", 7);
 *     if (b.failed) ...                 one check at the end is enough
 *     buf_free(&b);
 *
 * A buffer that could not grow (memory, limit) is marked `failed`, keeps what it had, and refuses
 * all further additions: so a sequence of additions needs one check.
 */
#ifndef VPCD_BASE_BUF_H
#define VPCD_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data; /* NULL while nothing was added */
    size_t len; /* bytes used, without the final NUL */
    size_t cap;
    size_t limit; /* 0: none */
    bool failed;
};

#define BUF_INIT ((struct buf){0})
#define BUF_LIMIT(n) ((struct buf){.limit = (n)})
#define _buf_ _cleanup_(buf_free)

void buf_free(struct buf *b);  /* leaves an empty buffer that may be used again */
void buf_reset(struct buf *b); /* forgets the content and `failed`, keeps the memory */
void buf_add(struct buf *b, const void *data, size_t len);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The content as a string, "" when empty; owned by the buffer. */
const char *buf_str(const struct buf *b);

/* Gives the content away: the caller frees it. NULL when the buffer failed or memory is short. */
char *buf_take(struct buf *b);

/* Unsigned LEB128, as in protocol buffers: 7 bits a byte, the lowest first. */
void buf_add_varint(struct buf *b, uint64_t v);

/* A reader over bytes that somebody else owns. Reading beyond the end sets `bad` and yields zeros.
 */
struct reader {
    const uint8_t *p, *end;
    bool bad;
};

static inline struct reader reader_of(const void *data, size_t len) {
    return (struct reader){.p = data, .end = (const uint8_t *)data + len};
}
uint64_t read_varint(struct reader *r);
const uint8_t *read_bytes(struct reader *r, size_t n); /* NULL when there are fewer */

#endif
