/* SPDX-License-Identifier: Apache-2.0 */
/* PUT requests to an S3-compatible server, several at a time; libcurl sends and signs them. */
#ifndef VPCD_DELIVER_UPLOAD_H
#define VPCD_DELIVER_UPLOAD_H

#include <stdbool.h>

#include "base/buf.h"
#include "deliver/credentials.h"

struct uploader;

enum upload_result {
    UPLOAD_STORED,
    UPLOAD_REFUSED, /* the server does not want it: no such bucket, no right */
    UPLOAD_FAILED,  /* no answer, or one that may be another the next time */
};

struct uploader_config {
    const char *endpoint; /* "https://host:port" */
    const char *region;   /* of the signature */
    const char *ca;       /* file of certificates, or NULL: the system's */
    /* `why` is a line for the log. */
    void (*done)(void *ctx, void *arg, enum upload_result result, const char *why);
    void *ctx;
};

int uploader_new(const struct uploader_config *config, struct uploader **ret);
/* Uploads under way end without `done`. */
void uploader_free(struct uploader *u);

/* Begins to store `body`, which it takes over, as /BUCKET/KEY. 0 or -ENOMEM. */
int upload_start(struct uploader *u, const char *bucket, const char *key,
                 const struct credentials *c, struct buf *body, void *arg);
/* How many are under way. */
unsigned uploads(const struct uploader *u);

/* Goes on with all of them; waits until something happens, one of `fds` can be read, or `ms` are
 * over. Calls `done` for those that ended. */
void uploader_wait(struct uploader *u, const int *fds, unsigned n, int ms);

#endif
