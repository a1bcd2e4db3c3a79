/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of a request (request line and headers), from bytes in whatever pieces they come.
 *
 * Two readers must agree. The gate is a small state machine that sees each byte once as it
 * arrives: it enforces the size limits, finds the end, and refuses whatever RFC 9112 allows a
 * server to refuse and on which implementations differ (bare LF or CR, folded lines, blanks before
 * the colon, control bytes, more than single spaces). Only what passed it is parsed, by
 * http_parser; and what that says about lengths is compared with the text once more. So the
 * framing of an accepted request has one reading.
 */
#ifndef VPCD_HTTP_HEAD_H
#define VPCD_HTTP_HEAD_H

#include "base/buf.h"
#include "http/http.h"

enum gate_state {
    GATE_METHOD_START,
    GATE_METHOD,
    GATE_TARGET_START,
    GATE_TARGET,
    GATE_VERSION,
    GATE_LINE_LF,
    GATE_NAME_START,
    GATE_NAME,
    GATE_VALUE,
    GATE_VALUE_LF,
    GATE_END_LF,
    GATE_DONE,
};

struct http_head {
    struct buf raw; /* all bytes; cut into strings once complete */
    enum gate_state gate;
    size_t target_len;
    size_t version_at; /* where it begins in `raw` */
    unsigned lines;

    /* Valid after HEAD_DONE; all but `is_head` only then. */
    bool is_head; /* whatever becomes of it: replies to HEAD have no body */
    const char *method, *target;
    char *path, *query; /* parts of `target_copy` */
    char *target_copy;
    struct http_header *headers;
    size_t header_count;
    size_t content_length;
    bool keep_alive;
    bool expect_continue;

    const char *why; /* after a refusal: a static sentence */
};

/* The results of http_head_feed below 100; the others are HTTP statuses. */
enum {
    HEAD_MORE = 0,
    HEAD_DONE = 1,
};

/*
 * Takes up to `len` bytes, not more than the head has; `*ret_used` says how many, in every case.
 * HEAD_MORE, HEAD_DONE, or the status to refuse with: 400, 405, 411, 413, 414, 417, 431, 500, 501,
 * 505. After anything but HEAD_MORE the head takes no more bytes. Limits: those of http_limits.
 */
int http_head_feed(struct http_head *h, const struct http_limits *limits, const void *data,
                   size_t len, size_t *ret_used);

/* Frees everything and leaves an empty head. */
void http_head_reset(struct http_head *h);

#endif
