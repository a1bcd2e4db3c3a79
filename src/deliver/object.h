/* SPDX-License-Identifier: Apache-2.0 */
/* The content of an object of S3: the header line, then the records of its batches, as gzip. */
#ifndef VPCD_DELIVER_OBJECT_H
#define VPCD_DELIVER_OBJECT_H

#include "deliver/queue.h"

/*
 * The same batches give the same bytes. A batch whose file is broken is left out and counted in
 * *ret_broken. 0, -ENOMEM, other -errno when a file could not be read.
 */
int object_build(const struct queue *q, struct object *o, struct buf *out, unsigned *ret_broken);

#endif
