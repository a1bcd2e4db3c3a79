/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP/1.1 server on somebody else's event loop, for clients that may be hostile (docs/HTTP.md).
 *
 *     static void handle(void *ctx, struct http_request *req) {      now, or any time later:
 *         http_reply(req, 200, "text/plain", "hello\n", 6, NULL, 0);
 *     }
 *     struct http_config config = {.base = base, .listen = "127.0.0.1:4780", .handle = handle};
 *     http_server_new(&config, &server, &why);
 *
 * One thread: everything here is called from the loop of `base`, and so must http_reply be.
 * A handler sees only requests that are complete, within all limits, GET or POST. Each one is
 * answered exactly once with http_reply, which frees it, whether the client is still there or not,
 * and even after http_server_free.
 */
#ifndef VPCD_HTTP_HTTP_H
#define VPCD_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/ip.h"

struct event_base;
struct http_server;

struct http_header {
    const char *name;  /* as the client wrote it; compare with strcasecmp */
    const char *value; /* without the blanks around it */
};

struct http_request {
    const char *method; /* "GET" or "POST" */
    const char *target; /* the request line's target as it came */
    const char *path;   /* "/..." as it came: not decoded, without scheme, host and query */
    const char *query;  /* behind the first '?', not decoded; "" when there is none */
    const struct http_header *headers; /* in their order */
    size_t header_count;
    const void *body; /* "" when empty; a NUL follows the last byte */
    size_t body_len;
    struct ip peer;
    uint16_t peer_port;
    void *arg; /* the handler's own */
};

/* What may be asked; each a bit. */
enum http_methods {
    HTTP_SERVES_GET = 1,
    HTTP_SERVES_POST = 2,
    HTTP_SERVES_PUT = 4,
    HTTP_SERVES_HEAD = 8,
};

/* What a client can take up. 0 means the default, which stands behind each. */
struct http_limits {
    unsigned methods;          /* enum http_methods: GET and POST */
    unsigned connections;      /* in all: 1024; the listener pauses there */
    unsigned connections_peer; /* of one address (IPv6: one /64): 256; more are closed at once */
    size_t head;               /* bytes of request line and headers: 32 KiB; at most 64 KiB */
    size_t target;             /* bytes of the request target: 16 KiB */
    unsigned headers;          /* how many: 64 */
    size_t body;               /* bytes: 1 MiB */
    size_t bodies;             /* bytes of all unanswered requests' bodies: 64 MiB */
    size_t bodies_peer;        /* the same of one address: 16 MiB */
    size_t reply;              /* bytes of one reply: 32 MiB */
    size_t replies;            /* bytes of all replies not yet sent: 256 MiB */
    unsigned request_ms;       /* from accept, or the first byte, to the request's last: 30 s */
    unsigned idle_ms;          /* between two requests: 60 s */
    unsigned write_ms;         /* for the client to take the whole reply: 60 s */
    unsigned linger_ms;        /* to let the client read the reply before it is cut off: 1 s */
};

struct http_config {
    struct event_base *base;
    const char *listen; /* "ADDRESS:PORT", "[ADDRESS]:PORT"; port 0: any, see http_server_address */
    const char *tls_cert, *tls_key; /* PEM files, both or neither */
    struct http_limits limits;
    void *ctx; /* for both callbacks */
    void (*handle)(void *ctx, struct http_request *req);
    /* Writes the body of an error that the server itself sends; NULL: plain text. `code` is a word
     * like "RequestTimeout", `message` a sentence. */
    void (*render_error)(void *ctx, int status, const char *code, const char *message,
                         struct buf *body);
    const char *error_type; /* its Content-Type */
};

/* All but the first three only grow. */
struct http_counters {
    uint64_t open;        /* connections now */
    uint64_t body_bytes;  /* held now in bodies */
    uint64_t reply_bytes; /* waiting now to be sent */
    uint64_t accepted;
    uint64_t requests;     /* given to the handler */
    uint64_t replies;      /* of the handler, sent whole */
    uint64_t paused;       /* times the listener stopped at the cap */
    uint64_t refused_peer; /* connections above one address's cap */
    uint64_t starved;      /* times that no descriptor (or memory) was left for a connection */
    uint64_t evicted;      /* idle connections closed to make room */
    uint64_t timeout_request, timeout_idle, timeout_write;
    uint64_t bad_requests; /* malformed, or with a method or feature that is refused */
    uint64_t too_large;    /* head, target or body */
    uint64_t over_budget;  /* bodies or replies above their budgets */
    uint64_t client_gone;  /* left before its reply was sent */
};

/*
 * 0 with `*ret_server`, or -errno with `*ret_why` (may be NULL), a static string that says what
 * failed. Makes the process ignore SIGPIPE. Connections need descriptors: raise RLIMIT_NOFILE.
 */
int http_server_new(const struct http_config *config, struct http_server **ret_server,
                    const char **ret_why);

/*
 * Cuts all connections. Requests that wait for their reply still need their http_reply. Run the
 * loop once more (EVLOOP_NONBLOCK) before event_base_free: libevent frees bufferevents from there.
 */
void http_server_free(struct http_server *server);

/*
 * Stops listening, closes what is idle or still sending its request, lets replies that are due go
 * out for at most `grace_ms`, then cuts off. Calls `done` once, later, from the loop: there the
 * server may be freed.
 */
void http_server_stop(struct http_server *server, unsigned grace_ms, void (*done)(void *ctx),
                      void *ctx);

/* "127.0.0.1:4780": where it listens, with the port that it got. */
const char *http_server_address(const struct http_server *server);
const struct http_counters *http_server_counters(const struct http_server *server);

/* Whether `listen` (as in http_config) is a loopback address; false for what does not parse. */
bool http_listen_is_loopback(const char *listen);

/* The first header of that name, or NULL. */
const char *http_header_find(const struct http_request *req, const char *name);

/*
 * Answers and frees `req`. `body` is copied; `extra` headers must not be those of the framing
 * (Content-Length, Connection, Date, Content-Type). 0, or, where the reply could not be sent whole,
 * -EPIPE (the client is gone), -EMSGSIZE (the client got a 500), -ENOMEM (cut off).
 */
int http_reply(struct http_request *req, int status, const char *content_type, const void *body,
               size_t len, const struct http_header *extra, size_t extra_count);

/*
 * Whether nobody waits for the reply any more. A client that only closed its sending side counts
 * as there. With http_request_on_gone `fn` is called at that moment, at most once, and never after
 * http_reply; http_reply is due all the same (it may be called from `fn`).
 */
bool http_request_gone(const struct http_request *req);
void http_request_on_gone(struct http_request *req, void (*fn)(struct http_request *req));

#endif
