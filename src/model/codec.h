/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents: the compact tagged form of a described struct, in the store and on the state stream.
 *
 * A document is a sequence of fields, each a varint `number << 3 | wire type` and a value: a varint
 * (type 0) or a length and that many bytes (type 2), as protocol buffers do it. Absent fields are
 * left out; a list's items are fields with the same number. Fields that this version does not know
 * are kept byte for byte and written back behind the known ones.
 */
#ifndef VPCD_MODEL_CODEC_H
#define VPCD_MODEL_CODEC_H

#include "model/field.h"

/* Appends the document of obj; a failure shows in out->failed. */
void doc_encode(const struct desc *d, const void *obj, struct buf *out);

/* Into a zeroed struct. 0, -EBADMSG (not a document of this kind), -ENOMEM; obj is then cleared. */
int doc_decode(const struct desc *d, const void *data, size_t len, void *obj);

#endif
