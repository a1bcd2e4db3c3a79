/* SPDX-License-Identifier: Apache-2.0 */
#include "http/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct request *request_new(struct conn *conn, struct http_head *head) {
    struct request *req = calloc(1, sizeof(*req));

    if (!req)
        return NULL;
    req->server = conn->server;
    req->conn = conn;
    req->use = conn->use;
    req->head = *head;
    *head = (struct http_head){0};
    req->body.limit = req->head.content_length;
    req->pub = (struct http_request){
        .method = req->head.method,
        .target = req->head.target,
        .path = req->head.path,
        .query = req->head.query,
        .headers = req->head.headers,
        .header_count = req->head.header_count,
        .peer = conn->peer,
        .peer_port = conn->peer_port,
    };
    TAILQ_INSERT_TAIL(&conn->server->requests, req, link);
    return req;
}

/* Bodies are counted as they arrive: a length that is only announced takes up nothing. */
int request_add_body(struct request *req, const void *data, size_t len) {
    struct http_server *server = req->server;
    const struct http_limits *limits = &server->config.limits;

    if (server->counters.body_bytes + len > limits->bodies ||
        req->use->body_bytes + len > limits->bodies_peer)
        return 503;
    buf_add(&req->body, data, len);
    if (req->body.failed)
        return 500;
    server->counters.body_bytes += len;
    req->use->body_bytes += len;
    req->counted += len;
    return 0;
}

void request_detach(struct request *req) {
    req->conn = NULL;
    req->use->body_bytes -= req->counted;
    req->use = NULL;
}

void request_free(struct request *req) {
    if (req->use)
        req->use->body_bytes -= req->counted;
    if (req->server) {
        req->server->counters.body_bytes -= req->counted;
        TAILQ_REMOVE(&req->server->requests, req, link);
    }
    http_head_reset(&req->head);
    buf_free(&req->body);
    free(req);
}

const char *http_header_find(const struct http_request *req, const char *name) {
    for (size_t i = 0; i < req->header_count; i++)
        if (!strcasecmp(req->headers[i].name, name))
            return req->headers[i].value;
    return NULL;
}

bool http_request_gone(const struct http_request *req) {
    return !((const struct request *)req)->conn;
}

void http_request_on_gone(struct http_request *req, void (*fn)(struct http_request *req)) {
    ((struct request *)req)->on_gone = fn;
}

int http_reply(struct http_request *pub, int status, const char *content_type, const void *body,
               size_t len, const struct http_header *extra, size_t extra_count) {
    struct request *req = (struct request *)pub;
    struct conn *conn = req->conn;
    int r = -EPIPE;

    if (conn) {
        /* Before the write, which may close the connection; `body` may be the request's own. */
        conn->request = NULL;
        request_detach(req);
        conn->answered = true;
        r = reply_write(conn, status, content_type, body, len, extra, extra_count, false);
    }
    request_free(req);
    return r;
}
