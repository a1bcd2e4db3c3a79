/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole connection: bytes in, in pieces, then the end of sending. The server must end it too,
 * give everything back, and have answered in HTTP. The first byte says how long the pieces are.
 */
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x))                                                                                  \
            abort();                                                                               \
    } while (0)

static struct event_base *base;
static struct http_server *server;

static void handle(void *ctx, struct http_request *req) {
    http_reply(req, 200, "text/plain", req->body, req->body_len, req->headers, req->header_count);
}

static void start(void) {
    struct http_config config = {
        .listen = "127.0.0.1:0",
        .handle = handle,
        .limits = {.head = 2048, .target = 512, .headers = 16, .body = 4096, .bodies = 3000}};
    const char *why;

    base = config.base = event_base_new();
    CHECK(base && http_server_new(&config, &server, &why) == 0);
}

/* Takes what the server has sent; the first bytes must be a status line's. */
static bool drain(int fd, bool *begun) {
    char out[65536];
    ssize_t n = recv(fd, out, sizeof(out), MSG_DONTWAIT);

    if (n > 0 && !*begun) {
        CHECK(n > 9 && !memcmp(out, "HTTP/1.1 ", 9));
        *begun = true;
    }
    return n > 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct ip peer = {.family = IP_V4, .b = {127, 0, 0, 1}};
    bool begun = false;
    size_t piece, at = 1;
    int fds[2];

    if (!server)
        start();
    if (size < 1)
        return 0;
    piece = 1 + data[0] * 8u;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    CHECK(conn_open(server, fds[1], &peer, 1) == 0);
    for (unsigned round = 0; server->counters.open && round < 100000; round++) {
        if (at < size) {
            size_t n = size - at < piece ? size - at : piece;
            ssize_t sent = send(fds[0], data + at, n, MSG_NOSIGNAL | MSG_DONTWAIT);

            at = sent < 0 ? size : at + (size_t)sent;
        }
        if (at >= size)
            shutdown(fds[0], SHUT_WR);
        event_base_loop(base, EVLOOP_NONBLOCK);
        drain(fds[0], &begun);
    }
    while (drain(fds[0], &begun))
        ;
    close(fds[0]);
    event_base_loop(base, EVLOOP_NONBLOCK);
    CHECK(server->counters.open == 0 && TAILQ_EMPTY(&server->conns) && TAILQ_EMPTY(&server->idle));
    CHECK(TAILQ_EMPTY(&server->requests));
    CHECK(server->counters.body_bytes == 0 && server->counters.reply_bytes == 0);
    return 0;
}
