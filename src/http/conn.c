/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection: its phases, and its single deadline.
 *
 *     accept -> HEAD -> BODY -> HANDLER -> WRITE -> IDLE -> HEAD ...
 *                  \_______\______ error ___/  \
 *                                               LINGER -> closed
 *
 * The deadline of a request begins at accept (so it covers a TLS handshake) or at its first byte,
 * and nothing that the client sends renews it: a byte a second gets no further than silence.
 *
 * Bytes that arrive during HANDLER and WRITE (pipelined requests) stay in the input buffer, up to
 * INPUT_MAX, and in the kernel; they are looked at when the reply has gone out. So a connection has
 * one request and one reply at a time, and what it holds is bounded.
 *
 * After an error, and wherever the connection ends, our side is closed first and what still comes
 * is thrown away for a while (LINGER): closing with unread bytes would reset the connection and
 * might destroy the reply before the client has read it.
 *
 * Any call that sends or closes may free the connection: each function here that may do so is the
 * last thing its caller does with it.
 */
#include "http/internal.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/tls.h"

#define INPUT_MAX 16384
#define LINGER_MAX (4u << 20)

static void conn_process(struct conn *conn);

static void conn_set_deadline(struct conn *conn, unsigned ms) {
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};

    event_add(conn->deadline, &tv);
}

static void conn_set_phase(struct conn *conn, enum conn_phase phase) {
    if (conn->phase == CONN_IDLE)
        TAILQ_REMOVE(&conn->server->idle, conn, idle_link);
    conn->phase = phase;
    if (phase == CONN_IDLE)
        TAILQ_INSERT_TAIL(&conn->server->idle, conn, idle_link);
}

static void conn_release_reply(struct conn *conn) {
    conn->server->counters.reply_bytes -= conn->reply_bytes;
    conn->reply_bytes = 0;
}

void conn_close(struct conn *conn) {
    struct http_server *server = conn->server;
    struct request *req = conn->request;
    bool handled = conn->phase == CONN_HANDLER;

    if (handled || conn->phase == CONN_WRITE)
        server->counters.client_gone++;
    conn_set_phase(conn, CONN_LINGER);
    conn_release_reply(conn);
    if (req)
        request_detach(req);
    TAILQ_REMOVE(&server->conns, conn, link);
    peers_leave(&server->peers, conn->use);
    event_free(conn->deadline);
    bufferevent_free(conn->bev);
    http_head_reset(&conn->head);
    free(conn);

    if (req && !handled)
        request_free(req);
    else if (req && req->on_gone)
        req->on_gone(&req->pub);
    server_conn_closed(server);
}

/* Closed at once, and what is unsent forgotten by the kernel too. */
static void conn_abort(struct conn *conn) {
    struct linger hard = {.l_onoff = 1, .l_linger = 0};

    setsockopt(bufferevent_getfd(conn->bev), SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    conn_close(conn);
}

static void conn_linger(struct conn *conn) {
    if (conn->eof) {
        conn_close(conn);
        return;
    }
    conn_set_phase(conn, CONN_LINGER);
    conn_set_deadline(conn, conn->server->config.limits.linger_ms);
    if (conn->server->tls)
        tls_send_end(conn->bev);
    else
        shutdown(bufferevent_getfd(conn->bev), SHUT_WR);
    conn_process(conn);
}

void conn_send(struct conn *conn, bool last) {
    conn->last = last;
    conn_set_phase(conn, CONN_WRITE);
    conn_set_deadline(conn, conn->server->config.limits.write_ms);
}

/* The reply has gone out whole. */
static void conn_sent(struct conn *conn) {
    conn_release_reply(conn);
    if (conn->answered)
        conn->server->counters.replies++;
    conn->answered = false;
    if (conn->last || conn->server->stopping) {
        conn_linger(conn);
        return;
    }
    conn_set_phase(conn, CONN_IDLE);
    conn_set_deadline(conn, conn->server->config.limits.idle_ms);
    conn_process(conn);
}

static void conn_refuse(struct conn *conn, int status, const char *why) {
    struct http_counters *counters = &conn->server->counters;
    struct request *req = conn->request;

    conn->head_only = conn->head.is_head;
    if (status == 408)
        counters->timeout_request++;
    else if (status == 413 || status == 414 || status == 431)
        counters->too_large++;
    else if (status == 503)
        counters->over_budget++;
    else if (status < 500 || status == 501 || status == 505)
        counters->bad_requests++;
    conn->request = NULL;
    if (req)
        request_free(req);
    reply_error(conn, status, why);
}

static void conn_handle(struct conn *conn) {
    struct http_server *server = conn->server;
    struct request *req = conn->request;

    req->pub.body = buf_str(&req->body);
    req->pub.body_len = req->body.len;
    event_del(conn->deadline);
    conn_set_phase(conn, CONN_HANDLER);
    server->counters.requests++;
    server->config.handle(server->config.ctx, &req->pub);
}

/* The head is complete: what follows is its body, if any. */
static void conn_begin_body(struct conn *conn) {
    bool invite = conn->head.expect_continue && conn->head.content_length > 0;

    conn->keep_alive = conn->head.keep_alive;
    conn->request = request_new(conn, &conn->head);
    if (!conn->request) {
        conn_refuse(conn, 500, "Memory is short.");
        return;
    }
    conn_set_phase(conn, CONN_BODY);
    if (invite && !evbuffer_get_length(bufferevent_get_input(conn->bev)))
        bufferevent_write(conn->bev, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    conn_process(conn);
}

/* A piece of the input, as it lies there; false when there is none. */
static bool next_piece(struct evbuffer *in, struct evbuffer_iovec *piece) {
    return evbuffer_get_length(in) > 0 && evbuffer_peek(in, -1, NULL, piece, 1) > 0;
}

static void conn_read_head(struct conn *conn) {
    struct evbuffer *in = bufferevent_get_input(conn->bev);
    struct evbuffer_iovec piece;
    int status = HEAD_MORE;
    size_t used;

    while (status == HEAD_MORE && next_piece(in, &piece)) {
        status = http_head_feed(&conn->head, &conn->server->config.limits, piece.iov_base,
                                piece.iov_len, &used);
        evbuffer_drain(in, used);
    }
    if (status == HEAD_DONE) {
        conn_begin_body(conn);
    } else if (status != HEAD_MORE) {
        conn_refuse(conn, status, conn->head.why);
    } else if (conn->eof) {
        conn_close(conn);
    }
}

static void conn_read_body(struct conn *conn) {
    struct evbuffer *in = bufferevent_get_input(conn->bev);
    struct request *req = conn->request;
    struct evbuffer_iovec piece;

    while (req->body.len < req->body.limit && next_piece(in, &piece)) {
        size_t missing = req->body.limit - req->body.len,
               n = piece.iov_len < missing ? piece.iov_len : missing;
        int status = request_add_body(req, piece.iov_base, n);

        if (status) {
            conn_refuse(conn, status, "The server holds too many requests; try again later.");
            return;
        }
        evbuffer_drain(in, n);
    }
    if (req->body.len == req->body.limit)
        conn_handle(conn);
    else if (conn->eof)
        conn_close(conn);
}

/* Looks at the input as the phase demands. */
static void conn_process(struct conn *conn) {
    struct evbuffer *in = bufferevent_get_input(conn->bev);
    size_t n = evbuffer_get_length(in);

    switch (conn->phase) {
    case CONN_IDLE:
        if (n) {
            conn_set_phase(conn, CONN_HEAD);
            conn_set_deadline(conn, conn->server->config.limits.request_ms);
            conn_read_head(conn);
        } else if (conn->eof) {
            conn_close(conn);
        }
        return;
    case CONN_HEAD:
        conn_read_head(conn);
        return;
    case CONN_BODY:
        conn_read_body(conn);
        return;
    case CONN_HANDLER:
    case CONN_WRITE:
        return;
    case CONN_LINGER:
        evbuffer_drain(in, n);
        conn->lingered += n;
        if (conn->eof || conn->lingered > LINGER_MAX)
            conn_close(conn);
        return;
    }
}

static void on_read(struct bufferevent *bev, void *arg) {
    conn_process(arg);
}

static void on_write(struct bufferevent *bev, void *arg) {
    struct conn *conn = arg;

    if (conn->phase == CONN_WRITE && !evbuffer_get_length(bufferevent_get_output(bev)))
        conn_sent(conn);
}

static void on_event(struct bufferevent *bev, short what, void *arg) {
    struct conn *conn = arg;

    if (what & BEV_EVENT_ERROR) {
        conn_close(conn);
    } else if (what & BEV_EVENT_EOF) {
        /* The client may have closed its sending side only and still read. */
        conn->eof = true;
        conn_process(conn);
    }
}

static void on_deadline(evutil_socket_t fd, short what, void *arg) {
    struct conn *conn = arg;
    struct http_counters *counters = &conn->server->counters;

    switch (conn->phase) {
    case CONN_IDLE:
        counters->timeout_idle++;
        conn_linger(conn);
        return;
    case CONN_HEAD:
    case CONN_BODY:
        if (conn->phase == CONN_HEAD && conn->head.raw.len == 0) {
            counters->timeout_request++;
            conn_close(conn);
        } else {
            conn_refuse(conn, 408, "The request did not arrive in time.");
        }
        return;
    case CONN_WRITE:
        counters->timeout_write++;
        conn_abort(conn);
        return;
    case CONN_HANDLER:
        return;
    case CONN_LINGER:
        conn_close(conn);
        return;
    }
}

int conn_open(struct http_server *server, evutil_socket_t fd, const struct ip *peer,
              uint16_t port) {
    struct conn *conn = NULL;
    int one = 1;
    struct peer_use *use =
        peers_enter(&server->peers, peer, server->config.limits.connections_peer);

    if (!use) {
        close(fd);
        return -EUSERS;
    }
    conn = calloc(1, sizeof(*conn));
    if (!conn)
        goto fail;
    *conn = (struct conn){
        .server = server, .use = use, .peer = *peer, .peer_port = port, .phase = CONN_HEAD};
    conn->deadline = event_new(server->config.base, -1, 0, on_deadline, conn);
    if (!conn->deadline)
        goto fail;
    conn->bev = server->tls
                    ? tls_accept(server->tls, server->config.base, fd)
                    : bufferevent_socket_new(server->config.base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!conn->bev)
        goto fail;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    TAILQ_INSERT_TAIL(&server->conns, conn, link);
    server->counters.open++;
    bufferevent_setwatermark(conn->bev, EV_READ, 0, INPUT_MAX);
    bufferevent_setcb(conn->bev, on_read, on_write, on_event, conn);
    bufferevent_enable(conn->bev, EV_READ | EV_WRITE);
    conn_set_deadline(conn, server->config.limits.request_ms);
    return 0;
fail:
    if (conn && conn->deadline)
        event_free(conn->deadline);
    free(conn);
    peers_leave(&server->peers, use);
    close(fd);
    return -ENOMEM;
}
