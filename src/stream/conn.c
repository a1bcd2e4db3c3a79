/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation.
 *
 * Input: the bufferevent stops reading at one frame of the largest size; every frame that is whole
 * is handed on and dropped. A length is believed only after frame_length said that it is one.
 *
 * Output: counted at each addition. `exempt` is how many of the bytes that wait belong to a
 * snapshot, which may be larger than any queue should be, since the whole state is: it falls as
 * bytes leave.
 *
 * The end: whoever finds a reason sets `why`, once, and wakes an event; from that event `down` is
 * called and the conn freed. So a conn never vanishes under the feet of a caller.
 */
#include "stream/conn.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define STALL_S 30 /* a peer that takes nothing for so long is closed */
#define READ_CHUNK (256 * 1024)

struct conn {
    struct bufferevent *bev;
    struct event *end;
    const struct conn_handlers *handlers;
    void *arg;
    size_t max_queue, exempt;
    bool exempting;
    const char *why;
};

void stream_conn_free(struct conn *c) {
    if (!c)
        return;
    if (c->end)
        event_free(c->end);
    bufferevent_free(c->bev);
    free(c);
}

void stream_conn_close(struct conn *c, const char *why) {
    if (c->why)
        return;
    c->why = why;
    bufferevent_disable(c->bev, EV_READ | EV_WRITE);
    event_active(c->end, EV_TIMEOUT, 1);
}

static void on_end(evutil_socket_t fd, short what, void *arg) {
    struct conn *c = arg;

    c->handlers->down(c->arg, c->why);
    stream_conn_free(c);
}

/* Handles the first frame of the input. False: there is none, or the conn is closing. */
static bool take_frame(struct conn *c, struct evbuffer *in) {
    struct stream_frame frame;
    uint8_t header[STREAM_HEADER];
    ev_ssize_t got = evbuffer_copyout(in, header, sizeof(header));
    int64_t len = frame_length(header, got > 0 ? (size_t)got : 0);
    const char *why = "it broke the protocol";
    const void *data;
    int r;

    if (len < 0) {
        stream_conn_close(c, "a frame of impossible length");
        return false;
    }
    if (!len || evbuffer_get_length(in) < (size_t)len)
        return false;
    data = evbuffer_pullup(in, (ev_ssize_t)len);
    if (!data) {
        stream_conn_close(c, "out of memory");
        return false;
    }
    r = frame_decode(data, (size_t)len, &frame, &why);
    if (r == 0)
        r = c->handlers->frame(c->arg, &frame, &why);
    evbuffer_drain(in, (size_t)len);
    if (r < 0)
        stream_conn_close(c, why);
    return !c->why;
}

static void on_read(struct bufferevent *bev, void *arg) {
    struct conn *c = arg;

    while (!c->why && take_frame(c, bufferevent_get_input(bev)))
        ;
}

static void on_event(struct bufferevent *bev, short what, void *arg) {
    struct conn *c = arg;

    if (what & BEV_EVENT_TIMEOUT)
        stream_conn_close(c, what & BEV_EVENT_READING ? "it said nothing in time"
                                                      : "it took nothing in time");
    else if (what & BEV_EVENT_EOF)
        stream_conn_close(c, "the other side closed it");
    else if (what & BEV_EVENT_ERROR)
        stream_conn_close(c, "it broke");
}

static void on_output(struct evbuffer *out, const struct evbuffer_cb_info *info, void *arg) {
    struct conn *c = arg;

    c->exempt -= info->n_deleted < c->exempt ? info->n_deleted : c->exempt;
}

struct conn *stream_conn_new(struct bufferevent *bev, size_t max_queue,
                             const struct conn_handlers *handlers, void *arg) {
    struct conn *c = calloc(1, sizeof(*c));

    if (!c) {
        bufferevent_free(bev);
        return NULL;
    }
    c->bev = bev;
    c->max_queue = max_queue;
    c->handlers = handlers;
    c->arg = arg;
    c->end = event_new(bufferevent_get_base(bev), -1, 0, on_end, c);
    if (!c->end || !evbuffer_add_cb(bufferevent_get_output(bev), on_output, c)) {
        stream_conn_free(c);
        return NULL;
    }
    bufferevent_setcb(bev, on_read, NULL, on_event, c);
    bufferevent_setwatermark(bev, EV_READ, 0, STREAM_HEADER + STREAM_FRAME_MAX);
    bufferevent_set_max_single_read(bev, READ_CHUNK);
    bufferevent_set_max_single_write(bev, READ_CHUNK);
    stream_conn_set_patience(c, 0);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
    return c;
}

void stream_conn_set_patience(struct conn *c, unsigned ms) {
    struct timeval read = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};
    struct timeval write = {.tv_sec = STALL_S};

    bufferevent_set_timeouts(c->bev, ms ? &read : NULL, &write);
}

int stream_conn_add(struct conn *c, const void *frames, size_t len) {
    struct evbuffer *out = bufferevent_get_output(c->bev);

    if (c->why)
        return -ENOTCONN;
    if (bufferevent_write(c->bev, frames, len) < 0) {
        stream_conn_close(c, "out of memory");
        return -ENOMEM;
    }
    if (!c->exempting && evbuffer_get_length(out) > c->max_queue + c->exempt) {
        stream_conn_close(c, "it did not keep up");
        return -ENOTCONN;
    }
    return 0;
}

int stream_conn_send(struct conn *c, const struct stream_frame *frame) {
    _buf_ struct buf b = BUF_INIT;
    int r = frame_encode(&b, frame);

    return r < 0 ? r : stream_conn_add(c, b.data, b.len);
}

void stream_conn_exempt_begin(struct conn *c) {
    c->exempting = true;
}

void stream_conn_exempt_end(struct conn *c) {
    c->exempting = false;
    c->exempt = evbuffer_get_length(bufferevent_get_output(c->bev));
}

const char *hello_mismatch(const struct stream_hello *mine, const struct stream_hello *theirs) {
    if (theirs->role == mine->role)
        return "both sides have the same role";
    if (theirs->newest < mine->oldest)
        return "the other side is too old: it speaks no protocol of ours";
    if (theirs->oldest > mine->newest)
        return "the other side is too new: it speaks no protocol of ours";
    if (strcmp(theirs->state, mine->state) != 0)
        return "the other side belongs to another state directory";
    return NULL;
}
