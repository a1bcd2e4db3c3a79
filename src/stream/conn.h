/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One end of a stream: frames over a bufferevent (a Unix socket; TLS later is another bufferevent).
 * Both ends are made of this; what the frames mean is in server.c and client.c.
 *
 * The program must ignore SIGPIPE: a peer may go at any time.
 */
#ifndef VPCD_STREAM_CONN_H
#define VPCD_STREAM_CONN_H

#include <event2/bufferevent.h>

#include "stream/frame.h"

struct conn;

struct conn_handlers {
    /* One frame, valid during the call. Negative closes, for the reason put into *why. */
    int (*frame)(void *arg, const struct stream_frame *frame, const char **why);
    /*
     * The connection is over; `why` is for people. Once, from the loop, never from inside a
     * function of this file. The conn is freed afterwards.
     */
    void (*down)(void *arg, const char *why);
};

/* Takes the bufferevent over, whatever the answer. NULL: no memory. `max_queue`: see
 * stream_conn_add. */
struct conn *stream_conn_new(struct bufferevent *bev, size_t max_queue,
                             const struct conn_handlers *handlers, void *arg);

/* At once, without `down`. Not from inside `frame`. NULL is fine. */
void stream_conn_free(struct conn *c);

/* Closes soon, with `down`. `why` must be a literal. The first reason is kept. */
void stream_conn_close(struct conn *c, const char *why);

/* Closes when no byte arrives for so long; 0: waits for ever. */
void stream_conn_set_patience(struct conn *c, unsigned ms);

/*
 * Queues whole frames. A peer for which more than max_queue bytes wait is closed: it does not keep
 * up. -ENOTCONN once it is closing, -ENOMEM.
 */
int stream_conn_add(struct conn *c, const void *frames, size_t len);
int stream_conn_send(struct conn *c,
                     const struct stream_frame *frame); /* and those of frame_encode */

/* What is added between these two does not count against max_queue, however long it waits. */
void stream_conn_exempt_begin(struct conn *c);
void stream_conn_exempt_end(struct conn *c);

/* NULL, or why two greetings do not go together. */
const char *hello_mismatch(const struct stream_hello *mine, const struct stream_hello *theirs);

#endif
