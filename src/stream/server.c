/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. An agent is, in this order:
 *
 *   GREETING  connected and checked; it has greeting_ms to say HELLO
 *   WAITING   greeted in the middle of a batch; gets its snapshot at the batch's revision
 *   LIVE      has its snapshot; gets every change
 *
 * and may end in each of them. The snapshot is queued in one go: the handler reads one state, so no
 * change can fall between it and the changes that follow.
 */
#include "stream/server.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "stream/conn.h"

#define ACCEPT_PAUSE_MS 100

enum agent_state {
    GREETING,
    WAITING,
    LIVE,
};

struct stream_agent {
    LIST_ENTRY(stream_agent) link;
    struct stream_server *server;
    struct conn *conn;
    enum agent_state state;
    bool in_snapshot;
    char host[STREAM_NAME_MAX + 1];
};

struct stream_server {
    struct event_base *base;
    struct evconnlistener *listener;
    struct event *accept_again;
    struct stream_server_options options;
    struct stream_server_handlers handlers;
    void *arg;
    LIST_HEAD(, stream_agent) agents;
    size_t n_agents, n_live;
    bool in_batch;
    struct buf scratch; /* one encoded frame */
};

static struct stream_hello server_hello(const struct stream_server *s) {
    return (struct stream_hello){.oldest = STREAM_PROTOCOL_OLDEST,
                                 .newest = STREAM_PROTOCOL_NEWEST,
                                 .role = STREAM_ROLE_DAEMON,
                                 .host = s->options.host,
                                 .state = s->options.state};
}

static void agent_snapshot(struct stream_agent *a) {
    struct stream_server *s = a->server;
    struct stream_frame begin = {.type = STREAM_SNAP_BEGIN};
    struct stream_frame end = {.type = STREAM_SNAP_END};

    stream_conn_exempt_begin(a->conn);
    (void)stream_conn_send(a->conn, &begin); /* what fails closes */
    a->state = LIVE;
    s->n_live++;
    a->in_snapshot = true;
    end.number = s->handlers.snapshot(s->arg, a);
    a->in_snapshot = false;
    (void)stream_conn_send(a->conn, &end);
    stream_conn_exempt_end(a->conn);
}

static int agent_greeted(struct stream_agent *a, const struct stream_hello *hello,
                         const char **why) {
    struct stream_frame answer = {.type = STREAM_HELLO, .hello = server_hello(a->server)};

    *why = hello_mismatch(&answer.hello, hello);
    if (*why)
        return -EPROTO;
    memcpy(a->host, hello->host, strlen(hello->host) + 1);
    stream_conn_set_patience(a->conn, 0);
    *why = "the greeting cannot be sent";
    if (stream_conn_send(a->conn, &answer) < 0)
        return -EPROTO;
    if (a->server->in_batch)
        a->state = WAITING;
    else
        agent_snapshot(a);
    return 0;
}

static int on_frame(void *arg, const struct stream_frame *f, const char **why) {
    struct stream_agent *a = arg;
    struct stream_server *s = a->server;

    if (a->state == GREETING && f->type == STREAM_HELLO)
        return agent_greeted(a, &f->hello, why);
    if (a->state != GREETING && f->type == STREAM_REPORT) {
        if (s->handlers.report)
            s->handlers.report(s->arg, a, f->kind, f->key, f->data, f->len);
        return 0;
    }
    *why = a->state == GREETING ? "it did not greet first" : "a frame that an agent does not send";
    return -EPROTO;
}

static void agent_remove(struct stream_agent *a) {
    LIST_REMOVE(a, link);
    a->server->n_agents--;
    a->server->n_live -= a->state == LIVE;
}

static void on_down(void *arg, const char *why) {
    struct stream_agent *a = arg;
    struct stream_server *s = a->server;

    agent_remove(a);
    if (a->state == LIVE && s->handlers.down)
        s->handlers.down(s->arg, a, why);
    else if (a->state != LIVE && s->handlers.refused)
        s->handlers.refused(s->arg, why);
    free(a);
}

static const struct conn_handlers conn_handlers = {.frame = on_frame, .down = on_down};

int stream_server_adopt(struct stream_server *s, int fd) {
    _close_ int owned = fd;
    struct stream_agent *a;
    struct bufferevent *bev;
    struct peer peer;

    if (unix_peer(fd, &peer) < 0 || peer.uid != s->options.peer_uid)
        return -EACCES;
    if (s->n_agents >= s->options.max_agents)
        return -EBUSY;
    a = calloc(1, sizeof(*a));
    if (!a)
        return -ENOMEM;
    a->server = s;
    bev = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (bev) {
        TAKE_FD(owned);
        a->conn = stream_conn_new(bev, s->options.max_queue, &conn_handlers, a);
    }
    if (!a->conn) {
        free(a);
        return -ENOMEM;
    }
    stream_conn_set_patience(a->conn, s->options.greeting_ms);
    LIST_INSERT_HEAD(&s->agents, a, link);
    s->n_agents++;
    return 0;
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len,
                      void *arg) {
    struct stream_server *s = arg;
    int r = stream_server_adopt(s, fd);

    if (r < 0 && s->handlers.refused)
        s->handlers.refused(s->arg, r == -EACCES  ? "its user may not connect"
                                    : r == -EBUSY ? "there are too many agents"
                                                  : "out of memory");
}

/* Out of descriptors, most likely: trying again at once would only keep the processor busy. */
static void on_accept_error(struct evconnlistener *l, void *arg) {
    struct stream_server *s = arg;
    struct timeval pause = {.tv_usec = ACCEPT_PAUSE_MS * 1000};

    evconnlistener_disable(l);
    evtimer_add(s->accept_again, &pause);
}

static void on_accept_again(evutil_socket_t fd, short what, void *arg) {
    evconnlistener_enable(((struct stream_server *)arg)->listener);
}

static int server_listen(struct stream_server *s, const char *path) {
    _close_ int fd = unix_listen(path, 0600);

    if (fd < 0)
        return fd;
    s->accept_again = evtimer_new(s->base, on_accept_again, s);
    s->listener = evconnlistener_new(s->base, on_accept, s,
                                     LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (!s->accept_again || !s->listener)
        return -ENOMEM;
    TAKE_FD(fd);
    evconnlistener_set_error_cb(s->listener, on_accept_error);
    return 0;
}

int stream_server_new(struct event_base *base, const char *path,
                      const struct stream_server_options *options,
                      const struct stream_server_handlers *handlers, void *arg,
                      struct stream_server **ret_server) {
    struct stream_server *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return -ENOMEM;
    s->base = base;
    s->handlers = *handlers;
    s->arg = arg;
    s->options = *options;
    s->options.host = strdup(options->host);
    s->options.state = strdup(options->state);
    if (!s->options.max_agents)
        s->options.max_agents = 64;
    if (!s->options.max_queue)
        s->options.max_queue = 16 * 1024 * 1024;
    if (!s->options.greeting_ms)
        s->options.greeting_ms = 5000;
    LIST_INIT(&s->agents);
    r = s->options.host && s->options.state ? server_listen(s, path) : -ENOMEM;
    if (r < 0) {
        stream_server_free(s);
        return r;
    }
    *ret_server = s;
    return 0;
}

void stream_server_free(struct stream_server *s) {
    struct stream_agent *a;

    if (!s)
        return;
    while ((a = LIST_FIRST(&s->agents))) {
        agent_remove(a);
        stream_conn_free(a->conn);
        free(a);
    }
    if (s->listener)
        evconnlistener_free(s->listener);
    if (s->accept_again)
        event_free(s->accept_again);
    buf_free(&s->scratch);
    free((char *)(uintptr_t)s->options.host);
    free((char *)(uintptr_t)s->options.state);
    free(s);
}

/* ---- changes ---- */

static int server_tell(struct stream_server *s, const struct stream_frame *f) {
    struct stream_agent *a;
    int r;

    s->in_batch = f->type != STREAM_REVISION;
    if (!s->n_live)
        return 0;
    buf_reset(&s->scratch);
    r = frame_encode(&s->scratch, f);
    LIST_FOREACH (a, &s->agents, link) {
        if (a->state != LIVE)
            continue;
        if (r == 0)
            (void)stream_conn_add(a->conn, s->scratch.data, s->scratch.len); /* what fails closes */
        else if (r == -ENOMEM)
            stream_conn_close(a->conn, "out of memory");
    }
    return r;
}

int stream_server_object(struct stream_server *s, const char *key, uint64_t version,
                         const void *data, size_t len) {
    struct stream_frame f = {
        .type = STREAM_OBJECT, .number = version, .key = key, .data = data, .len = len};

    return server_tell(s, &f);
}

int stream_server_delete(struct stream_server *s, const char *key, uint64_t version) {
    struct stream_frame f = {.type = STREAM_DELETE, .number = version, .key = key};

    return server_tell(s, &f);
}

int stream_server_revision(struct stream_server *s, uint64_t revision) {
    struct stream_frame f = {.type = STREAM_REVISION, .number = revision};
    struct stream_agent *a;
    int r = server_tell(s, &f);

    LIST_FOREACH (a, &s->agents, link)
        if (a->state == WAITING)
            agent_snapshot(a);
    return r;
}

int stream_agent_object(struct stream_agent *a, const char *key, uint64_t version, const void *data,
                        size_t len) {
    struct stream_frame f = {
        .type = STREAM_OBJECT, .number = version, .key = key, .data = data, .len = len};
    int r = a->in_snapshot ? stream_conn_send(a->conn, &f) : -EINVAL;

    if (r < 0)
        stream_conn_close(a->conn, "its snapshot cannot be sent");
    return r;
}

const char *stream_agent_host(const struct stream_agent *a) {
    return a->host;
}

void stream_agent_close(struct stream_agent *a, const char *why) {
    stream_conn_close(a->conn, why);
}

size_t stream_server_agents(const struct stream_server *s) {
    return s->n_live;
}
