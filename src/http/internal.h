/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of src/http share; http.h is for everybody else. */
#ifndef VPCD_HTTP_INTERNAL_H
#define VPCD_HTTP_INTERNAL_H

#include <event2/event.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>

#include "http/address.h"
#include "http/head.h"
#include "http/http.h"
#include "http/peers.h"

struct bufferevent;
struct evconnlistener;
struct tls;

/* What a connection does now, and which deadline runs meanwhile. conn.c. */
enum conn_phase {
    CONN_IDLE,    /* no byte of the next request yet: idle_ms */
    CONN_HEAD,    /* request_ms, from accept or the first byte, not renewed */
    CONN_BODY,    /* the same deadline goes on */
    CONN_HANDLER, /* the handler has the request: none */
    CONN_WRITE,   /* the client takes the reply: write_ms */
    CONN_LINGER,  /* our side is closed: linger_ms */
};

struct conn {
    TAILQ_ENTRY(conn) link;
    TAILQ_ENTRY(conn) idle_link; /* while CONN_IDLE */
    struct http_server *server;
    struct bufferevent *bev;
    struct event *deadline;
    struct peer_use *use;
    struct ip peer;
    uint16_t peer_port;
    enum conn_phase phase;
    bool eof;                   /* the client sends nothing more */
    bool last;                  /* no request after this one */
    bool answered;              /* the reply that goes out is the handler's */
    bool head_only, keep_alive; /* of the request that is being answered */
    struct http_head head;
    struct request *request; /* from CONN_BODY on, until its reply */
    size_t reply_bytes;      /* of this connection in counters.reply_bytes */
    size_t lingered;         /* bytes thrown away */
};

/* A request is owned by its connection while its body is read, then by the handler. */
struct request {
    struct http_request pub; /* first: the two are one pointer */
    TAILQ_ENTRY(request) link;
    struct http_server *server; /* NULL after http_server_free */
    struct conn *conn;          /* NULL once the client is gone */
    void (*on_gone)(struct http_request *req);
    struct http_head head; /* what pub's strings point into */
    struct buf body;
    struct peer_use *use; /* NULL without conn */
    size_t counted;       /* bytes of this body in the budgets */
};

TAILQ_HEAD(conn_list, conn);
TAILQ_HEAD(request_list, request);

struct http_server {
    struct http_config config; /* its limits with the defaults filled in */
    struct http_counters counters;
    struct evconnlistener *listener;
    struct event *retry; /* when starved */
    struct tls *tls;
    struct peers peers;
    struct conn_list conns, idle; /* idle: the longest first */
    struct request_list requests; /* all, with the handlers or not */
    bool full, starved, stopping;
    int spare; /* descriptor kept for starvation */
    char address[ADDRESS_TEXT];
    struct event *grace; /* while stopping */
    void (*stopped)(void *ctx);
    void *stopped_ctx;
    time_t date_at;
    char date[40];
};

/* server.c */
void server_conn_closed(struct http_server *server); /* after the connection left the lists */

/* conn.c */
int conn_open(struct http_server *server, evutil_socket_t fd, const struct ip *peer, uint16_t port);
void conn_close(struct conn *conn);
/* Sends what stands in the output buffer and ends this exchange. */
void conn_send(struct conn *conn, bool last);

/* request.c */
struct request *request_new(struct conn *conn, struct http_head *head);
/* Takes body bytes: 0, or the status to refuse with. */
int request_add_body(struct request *req, const void *data, size_t len);
void request_detach(struct request *req); /* its connection goes away */
void request_free(struct request *req);

/* reply.c */
int reply_write(struct conn *conn, int status, const char *content_type, const void *body,
                size_t len, const struct http_header *extra, size_t extra_count, bool last);
/* The server's own errors; the connection ends behind them. */
void reply_error(struct conn *conn, int status, const char *message);

#endif
