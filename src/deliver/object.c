/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver/object.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>
#include <zlib.h>

#include "base/cleanup.h"

#define GZIP_WINDOW (15 + 16) /* zlib.h: 16 asks for the gzip format; its header has no time */

static int add(z_stream *z, struct buf *out, const char *data, size_t len, int flush) {
    unsigned char piece[16384];
    int r;

    z->next_in = (z_const Bytef *)(uintptr_t)data;
    z->avail_in = (uInt)len;
    do {
        z->next_out = piece;
        z->avail_out = sizeof(piece);
        r = deflate(z, flush);
        buf_add(out, piece, sizeof(piece) - z->avail_out);
    } while (r == Z_OK && z->avail_out == 0);
    return out->failed || (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR) ? -ENOMEM : 0;
}

static int add_batch(z_stream *z, struct buf *out, const struct spool_batch *b) {
    const char *at = b->lines, *record;
    int64_t seconds;
    size_t len;
    int r = 0;

    /* The record's line ends with the \n behind it. */
    while (r == 0 && spool_batch_next(b, &at, &seconds, &record, &len))
        r = add(z, out, record, len + 1, Z_NO_FLUSH);
    return r;
}

static int add_all(z_stream *z, const struct queue *q, struct object *o, struct buf *out,
                   unsigned *ret_broken) {
    const char *header = o->flow->head.meta.header;
    struct batch *b;
    int r = add(z, out, header, strlen(header), Z_NO_FLUSH);

    if (r == 0)
        r = add(z, out, "\n", 1, Z_NO_FLUSH);
    queue_object_sort(o);
    DL_FOREACH(o->batches, b) {
        struct spool_batch batch;

        if (r < 0)
            break;
        r = spool_batch_read(q->ready, b->name, &batch);
        if (r == 0) {
            r = add_batch(z, out, &batch);
        } else if (r == -EBADMSG || r == -ENOENT) {
            ++*ret_broken;
            r = 0;
        }
        spool_batch_free(&batch);
    }
    return r < 0 ? r : add(z, out, NULL, 0, Z_FINISH);
}

int object_build(const struct queue *q, struct object *o, struct buf *out, unsigned *ret_broken) {
    z_stream z = {0};
    int r;

    *ret_broken = 0;
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) !=
        Z_OK)
        return -ENOMEM;
    r = add_all(&z, q, o, out, ret_broken);
    deflateEnd(&z);
    return r;
}
