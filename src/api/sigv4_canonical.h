/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The canonical forms that a Signature Version 4 covers. Each is made so that two requests with
 * the same canonical form mean the same to the API behind: else one could be passed off as the
 * other.
 */
#ifndef VPCD_API_SIGV4_CANONICAL_H
#define VPCD_API_SIGV4_CANONICAL_H

#include "api/sigv4.h"
#include "base/buf.h"

/* A query string as its parts, encoded in the one canonical way and sorted. */
struct query_part {
    char *name, *value; /* into the query's `text` */
};

struct sigv4_query {
    struct buf text;
    struct query_part *parts;
    size_t count;
};

/* 0, -EINVAL (a '%' without two hexadecimal digits) or -ENOMEM. Free it in every case. */
int sigv4_query_parse(const char *query, struct sigv4_query *ret_query);
void sigv4_query_free(struct sigv4_query *query);

/* The value, still encoded, or NULL; `*ret_count` says how often the name occurs. */
const char *sigv4_query_find(const struct sigv4_query *query, const char *name, size_t *ret_count);

/* Decodes what sigv4_query_find returned. 0, or -EINVAL when it does not fit (or has a NUL). */
int sigv4_query_decode(const char *encoded, char *out, size_t size);

/*
 * The whole canonical request. `signed_headers` is the list of names, lower case and sorted, each
 * of which the request has (sigv4.c has checked that); `without` is a query parameter to leave
 * out, or NULL.
 */
void sigv4_canonical_request(const struct sigv4_request *req, const struct sigv4_query *query,
                             const char *without, const char *signed_headers,
                             const char *payload_hash, struct buf *out);

#endif
