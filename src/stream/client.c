/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. The states, and what may come in each:
 *
 *   DOWN       nothing; a timer connects
 *   GREETING   HELLO -> SNAPLESS
 *   SNAPLESS   SNAP_BEGIN -> SNAPSHOT
 *   SNAPSHOT   OBJECT; SNAP_END -> LIVE
 *   LIVE       OBJECT, DELETE, REVISION
 *
 * Anything else breaks the protocol and ends the connection. Revisions never fall within one
 * connection. The pause doubles with each failure and is short again after a whole snapshot; it is
 * varied at random so that the agents of a cluster do not come all at once.
 */
#include "stream/client.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "stream/conn.h"

#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 2000
#define GREETING_MS 10000

enum client_state {
    DOWN,
    GREETING,
    SNAPLESS,
    SNAPSHOT,
    LIVE,
};

struct stream_client {
    struct event_base *base;
    struct event *timer;
    char *path, *host, *state_hash;
    struct stream_client_options options;
    struct stream_client_handlers handlers;
    void *arg;
    struct conn *conn;
    enum client_state state;
    unsigned pause_ms;
    uint64_t revision;
};

static void retry_later(struct stream_client *c) {
    struct timeval pause = {0};
    uint8_t vary;
    unsigned ms;

    random_bytes(&vary, 1);
    ms = c->pause_ms * 3 / 4 + c->pause_ms * vary / 1024; /* 75 to 100 % */
    pause.tv_sec = ms / 1000;
    pause.tv_usec = (suseconds_t)(ms % 1000) * 1000;
    evtimer_add(c->timer, &pause);
    c->pause_ms = c->pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : c->pause_ms * 2;
}

static struct stream_hello client_hello(const struct stream_client *c) {
    return (struct stream_hello){.oldest = STREAM_PROTOCOL_OLDEST,
                                 .newest = STREAM_PROTOCOL_NEWEST,
                                 .role = STREAM_ROLE_AGENT,
                                 .host = c->host,
                                 .state = c->state_hash};
}

static int take_hello(struct stream_client *c, const struct stream_frame *f, const char **why) {
    struct stream_hello mine = client_hello(c);
    const char *mismatch = hello_mismatch(&mine, &f->hello);

    if (mismatch) {
        *why = mismatch;
        return -EPROTO;
    }
    stream_conn_set_patience(c->conn, 0);
    c->state = SNAPLESS;
    return 0;
}

static int take_revision(struct stream_client *c, uint64_t revision, const char **why) {
    if (revision < c->revision) {
        *why = "a revision older than the last";
        return -EPROTO;
    }
    c->revision = revision;
    return 0;
}

static int take_snapshot_end(struct stream_client *c, const struct stream_frame *f,
                             const char **why) {
    int r = take_revision(c, f->number, why);

    if (r < 0)
        return r;
    c->state = LIVE;
    c->pause_ms = PAUSE_MIN_MS;
    c->handlers.snapshot_end(c->arg, f->number);
    return 0;
}

static int on_frame(void *arg, const struct stream_frame *f, const char **why) {
    struct stream_client *c = arg;
    enum client_state s = c->state;

    if (f->type == STREAM_HELLO && s == GREETING)
        return take_hello(c, f, why);
    if (f->type == STREAM_SNAP_BEGIN && s == SNAPLESS) {
        c->state = SNAPSHOT;
        c->handlers.snapshot_begin(c->arg);
        return 0;
    }
    if (f->type == STREAM_OBJECT && (s == SNAPSHOT || s == LIVE)) {
        c->handlers.object(c->arg, f->key, f->number, f->data, f->len);
        return 0;
    }
    if (f->type == STREAM_DELETE && s == LIVE) {
        c->handlers.deletion(c->arg, f->key, f->number);
        return 0;
    }
    if (f->type == STREAM_SNAP_END && s == SNAPSHOT)
        return take_snapshot_end(c, f, why);
    if (f->type == STREAM_REVISION && s == LIVE) {
        int r = take_revision(c, f->number, why);

        if (r == 0)
            c->handlers.revision(c->arg, f->number);
        return r;
    }
    *why = "a frame out of its order";
    return -EPROTO;
}

static void on_down(void *arg, const char *why) {
    struct stream_client *c = arg;

    c->conn = NULL;
    c->state = DOWN;
    retry_later(c);
    c->handlers.down(c->arg, why);
}

static const struct conn_handlers conn_handlers = {.frame = on_frame, .down = on_down};

/* NULL, or why not. */
static const char *client_connect(struct stream_client *c) {
    struct stream_frame hello = {.type = STREAM_HELLO, .hello = client_hello(c)};
    _close_ int fd = unix_connect(c->path);
    struct bufferevent *bev;
    struct peer peer;

    if (fd < 0)
        return strerror(-fd);
    if (c->options.server_uid != STREAM_ANY_UID &&
        (unix_peer(fd, &peer) < 0 || peer.uid != c->options.server_uid))
        return "the socket was made by another user";
    bev = bufferevent_socket_new(c->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!bev)
        return "out of memory";
    TAKE_FD(fd);
    c->conn = stream_conn_new(bev, c->options.max_queue, &conn_handlers, c);
    if (!c->conn)
        return "out of memory";
    c->state = GREETING;
    c->revision = 0;
    stream_conn_set_patience(c->conn, GREETING_MS);
    if (stream_conn_send(c->conn, &hello) < 0)
        stream_conn_close(c->conn, "the greeting cannot be sent");
    return NULL;
}

static void on_timer(evutil_socket_t fd, short what, void *arg) {
    struct stream_client *c = arg;
    const char *why = client_connect(c);

    if (!why)
        return;
    retry_later(c);
    c->handlers.down(c->arg, why);
}

int stream_client_new(struct event_base *base, const char *path,
                      const struct stream_client_options *options,
                      const struct stream_client_handlers *handlers, void *arg,
                      struct stream_client **ret_client) {
    struct stream_client *c = calloc(1, sizeof(*c));
    struct timeval now = {0};

    if (!c)
        return -ENOMEM;
    c->base = base;
    c->options = *options;
    if (!c->options.max_queue)
        c->options.max_queue = 16 * 1024 * 1024;
    c->handlers = *handlers;
    c->arg = arg;
    c->pause_ms = PAUSE_MIN_MS;
    c->path = strdup(path);
    c->host = strdup(options->host);
    c->state_hash = strdup(options->state);
    c->timer = evtimer_new(base, on_timer, c);
    if (!c->path || !c->host || !c->state_hash || !c->timer || evtimer_add(c->timer, &now) < 0) {
        stream_client_free(c);
        return -ENOMEM;
    }
    *ret_client = c;
    return 0;
}

void stream_client_free(struct stream_client *c) {
    if (!c)
        return;
    stream_conn_free(c->conn);
    if (c->timer)
        event_free(c->timer);
    free(c->path);
    free(c->host);
    free(c->state_hash);
    free(c);
}

int stream_client_report(struct stream_client *c, uint16_t kind, const char *id, const void *data,
                         size_t len) {
    struct stream_frame f = {
        .type = STREAM_REPORT, .kind = kind, .key = id, .data = data, .len = len};

    if (c->state <= GREETING)
        return -ENOTCONN;
    return stream_conn_send(c->conn, &f);
}
