/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listener: who gets in.
 *
 * It is enabled unless one of three flags stands. `full`: the cap on connections is reached; what
 * comes more waits in the kernel's backlog until one closes. `starved`: accept found no descriptor
 * or no memory; a timer tries again, for a listener left enabled would be called without end.
 * `stopping`: for good.
 *
 * Room is made from connections that wait between two requests, the longest idle first, before
 * anybody has to wait. When descriptors run out, the spare one is given up for a moment to accept
 * and close one waiting client, who thereby learns that it is not served.
 */
#include "http/internal.h"

#include <errno.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http/address.h"
#include "http/tls.h"

#define BACKLOG 1024
#define RETRY_MS 100

/* Error bodies must fit into a reply; http_parser takes no larger head. */
#define REPLY_MIN 65536
#define HEAD_MAX 65536

static void listener_update(struct http_server *server) {
    if (!server->listener)
        return;
    if (server->full || server->starved || server->stopping)
        evconnlistener_disable(server->listener);
    else
        evconnlistener_enable(server->listener);
}

static bool evict_idle(struct http_server *server) {
    struct conn *conn = TAILQ_FIRST(&server->idle);

    if (!conn)
        return false;
    server->counters.evicted++;
    conn_close(conn);
    return true;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *addr,
                      int addr_len, void *arg) {
    struct http_server *server = arg;
    uint16_t port;
    struct ip peer = address_ip(addr, &port);
    int r;

    r = conn_open(server, fd, &peer, port);
    if (r == -EUSERS)
        server->counters.refused_peer++;
    else if (r < 0)
        server->counters.starved++;
    else
        server->counters.accepted++;
    if (server->counters.open >= server->config.limits.connections && !evict_idle(server)) {
        server->counters.paused++;
        server->full = true;
        listener_update(server);
    }
}

static void on_retry(evutil_socket_t fd, short what, void *arg) {
    struct http_server *server = arg;

    server->starved = false;
    if (server->spare < 0)
        server->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    listener_update(server);
}

static void on_accept_error(struct evconnlistener *listener, void *arg) {
    struct http_server *server = arg;
    struct timeval tv = {.tv_usec = RETRY_MS * 1000};
    int fd;

    server->counters.starved++;
    if ((errno == EMFILE || errno == ENFILE) && !evict_idle(server) && server->spare >= 0) {
        close(server->spare);
        fd = accept4(evconnlistener_get_fd(listener), NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            close(fd);
        server->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    server->starved = true;
    listener_update(server);
    event_add(server->retry, &tv);
}

/* ---- stopping ---- */

static void report_stopped(evutil_socket_t fd, short what, void *arg) {
    struct http_server *server = arg;
    void (*stopped)(void *ctx) = server->stopped;
    struct conn *conn;

    server->stopped = NULL; /* closing the last connection comes back to server_conn_closed */
    while ((conn = TAILQ_FIRST(&server->conns)))
        conn_close(conn);
    if (stopped)
        stopped(server->stopped_ctx);
}

void server_conn_closed(struct http_server *server) {
    server->counters.open--;
    if (server->full && server->counters.open < server->config.limits.connections) {
        server->full = false;
        listener_update(server);
    }
    if (server->stopping && server->stopped && TAILQ_EMPTY(&server->conns))
        event_active(server->grace, EV_TIMEOUT, 0);
}

void http_server_stop(struct http_server *server, unsigned grace_ms, void (*done)(void *ctx),
                      void *ctx) {
    struct timeval tv = {.tv_sec = grace_ms / 1000,
                         .tv_usec = (suseconds_t)(grace_ms % 1000) * 1000};
    struct conn *conn, *next;

    if (server->stopping)
        return;
    server->stopping = true;
    server->stopped = done;
    server->stopped_ctx = ctx;
    evconnlistener_free(server->listener);
    server->listener = NULL;
    event_add(server->grace, &tv);
    for (conn = TAILQ_FIRST(&server->conns); conn; conn = next) {
        next = TAILQ_NEXT(conn, link);
        if (conn->phase == CONN_IDLE || conn->phase == CONN_HEAD || conn->phase == CONN_BODY)
            conn_close(conn);
    }
    if (TAILQ_EMPTY(&server->conns))
        event_active(server->grace, EV_TIMEOUT, 0);
}

void http_server_free(struct http_server *server) {
    struct request *req;
    struct conn *conn;

    if (!server)
        return;
    server->stopping = true;
    server->stopped = NULL;
    while ((conn = TAILQ_FIRST(&server->conns)))
        conn_close(conn);
    while ((req = TAILQ_FIRST(&server->requests))) {
        TAILQ_REMOVE(&server->requests, req, link);
        req->server = NULL;
    }
    if (server->listener)
        evconnlistener_free(server->listener);
    if (server->retry)
        event_free(server->retry);
    if (server->grace)
        event_free(server->grace);
    if (server->spare >= 0)
        close(server->spare);
    tls_free(server->tls);
    free(server);
}

/* ---- starting ---- */

static void fill_limits(struct http_limits *l) {
    static const struct http_limits defaults = {
        .connections = 1024,
        .connections_peer = 256,
        .head = 32768,
        .target = 16384,
        .headers = 64,
        .body = 1u << 20,
        .bodies = 64u << 20,
        .bodies_peer = 16u << 20,
        .reply = 32u << 20,
        .replies = 256u << 20,
        .request_ms = 30000,
        .idle_ms = 60000,
        .write_ms = 60000,
        .linger_ms = 1000,
    };

#define DEFAULT(field) l->field = l->field ? l->field : defaults.field
    DEFAULT(connections);
    DEFAULT(connections_peer);
    DEFAULT(head);
    DEFAULT(target);
    DEFAULT(headers);
    DEFAULT(body);
    DEFAULT(bodies);
    DEFAULT(bodies_peer);
    DEFAULT(reply);
    DEFAULT(replies);
    DEFAULT(request_ms);
    DEFAULT(idle_ms);
    DEFAULT(write_ms);
    DEFAULT(linger_ms);
#undef DEFAULT
    if (l->head > HEAD_MAX)
        l->head = HEAD_MAX;
    if (l->reply < REPLY_MIN)
        l->reply = REPLY_MIN;
}

int http_server_new(const struct http_config *config, struct http_server **ret_server,
                    const char **ret_why) {
    struct http_server *server = NULL;
    struct sockaddr_storage addr;
    const char *why = "the address is not ADDRESS:PORT";
    int r = -EINVAL;
    socklen_t len;

    if (address_parse(config->listen, &addr, &len) < 0)
        goto fail;
    why = "memory is short";
    r = -ENOMEM;
    server = calloc(1, sizeof(*server));
    if (!server)
        goto fail;
    server->config = *config;
    server->config.listen = NULL; /* the caller's; not looked at again */
    fill_limits(&server->config.limits);
    TAILQ_INIT(&server->conns);
    TAILQ_INIT(&server->idle);
    TAILQ_INIT(&server->requests);
    peers_init(&server->peers);
    server->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    server->retry = event_new(config->base, -1, 0, on_retry, server);
    server->grace = event_new(config->base, -1, 0, report_stopped, server);
    if (!server->retry || !server->grace)
        goto fail;
    if (config->tls_cert || config->tls_key) {
        r = -EINVAL;
        why = "a certificate needs a key, and a key its certificate";
        if (!config->tls_cert || !config->tls_key)
            goto fail;
        r = tls_new(config->tls_cert, config->tls_key, &server->tls, &why);
        if (r < 0)
            goto fail;
    }
    signal(SIGPIPE, SIG_IGN);
    errno = 0;
    server->listener =
        evconnlistener_new_bind(config->base, on_accept, server,
                                LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
                                BACKLOG, (struct sockaddr *)&addr, (int)len);
    if (!server->listener) {
        r = errno ? -errno : -ENOMEM;
        why = "cannot listen on the address";
        goto fail;
    }
    evconnlistener_set_error_cb(server->listener, on_accept_error);
    len = sizeof(addr);
    if (getsockname(evconnlistener_get_fd(server->listener), (struct sockaddr *)&addr, &len) == 0)
        address_format((struct sockaddr *)&addr, server->address);
    *ret_server = server;
    return 0;
fail:
    http_server_free(server);
    if (ret_why)
        *ret_why = why;
    return r;
}

const char *http_server_address(const struct http_server *server) {
    return server->address;
}

const struct http_counters *http_server_counters(const struct http_server *server) {
    return &server->counters;
}
