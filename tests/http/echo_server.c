/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server that the attacks are run against: src/http with handlers that answer now, late, much
 * or never. Limits come from the command line as name=value (the fields of struct http_limits).
 * Prints "ready ADDRESS"; ends when its standard input does.
 *
 *     /echo       the body          /seen     what the handler sees of the request, line by line
 *     /big?N      N bytes           /late?MS  after MS ms, or "gone" counted
 *     /hold       no answer until the client is gone
 *     /counters   name value lines  /stop?MS  graceful stop, then the process ends
 */
#include <event2/event.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/ip.h"
#include "http/http.h"

static struct event_base *base;
static struct http_server *server;
static unsigned long gone;

static void say(struct http_request *req, const struct buf *b) {
    http_reply(req, b->failed ? 500 : 200, "text/plain", buf_str(b), b->len, NULL, 0);
}

static void seen(struct http_request *req) {
    _buf_ struct buf b = BUF_INIT;
    char peer[IP_TEXT];

    buf_addf(&b, "method %s\ntarget %s\npath %s\nquery %s\npeer %s\nbody %zu\n", req->method,
             req->target, req->path, req->query, ip_format(&req->peer, peer), req->body_len);
    for (size_t i = 0; i < req->header_count; i++)
        buf_addf(&b, "header %s=%s\n", req->headers[i].name, req->headers[i].value);
    say(req, &b);
}

static void big(struct http_request *req) {
    size_t n = strtoul(req->query, NULL, 10);
    _free_ char *data = malloc(n + 1);

    memset(data, 'x', n);
    http_reply(req, 200, "text/plain", data, n, NULL, 0);
}

static void counters(struct http_request *req) {
    const struct http_counters *c = http_server_counters(server);
    _buf_ struct buf b = BUF_INIT;

#define ADD(name) buf_addf(&b, #name " %llu\n", (unsigned long long)c->name)
    ADD(open);
    ADD(body_bytes);
    ADD(reply_bytes);
    ADD(accepted);
    ADD(requests);
    ADD(replies);
    ADD(paused);
    ADD(refused_peer);
    ADD(starved);
    ADD(evicted);
    ADD(timeout_request);
    ADD(timeout_idle);
    ADD(timeout_write);
    ADD(bad_requests);
    ADD(too_large);
    ADD(over_budget);
    ADD(client_gone);
#undef ADD
    buf_addf(&b, "gone %lu\n", gone);
    say(req, &b);
}

static void late(evutil_socket_t fd, short what, void *arg) {
    struct http_request *req = arg;

    event_free(req->arg);
    if (http_request_gone(req))
        gone++;
    http_reply(req, 200, "text/plain", "late\n", 5, NULL, 0);
}

static void hold_over(struct http_request *req) {
    gone++;
    http_reply(req, 200, "text/plain", "", 0, NULL, 0);
}

static void stopped(void *ctx) {
    event_base_loopbreak(base);
}

static void handle(void *ctx, struct http_request *req) {
    unsigned long ms = strtoul(req->query, NULL, 10);
    struct timeval tv = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000) * 1000};

    if (!strcmp(req->path, "/echo")) {
        struct http_header extra[] = {{"X-Echo", req->method}, {"X-Evil", "a\r\nb: c"}};

        http_reply(req, 200, "application/octet-stream", req->body, req->body_len, extra, 2);
    } else if (!strcmp(req->path, "/big")) {
        big(req);
    } else if (!strcmp(req->path, "/late")) {
        req->arg = event_new(base, -1, 0, late, req);
        event_add(req->arg, &tv);
    } else if (!strcmp(req->path, "/hold")) {
        http_request_on_gone(req, hold_over);
    } else if (!strcmp(req->path, "/counters")) {
        counters(req);
    } else if (!strcmp(req->path, "/stop")) {
        http_server_stop(server, (unsigned)ms, stopped, NULL);
        http_reply(req, 200, "text/plain", "stopping\n", 9, NULL, 0);
    } else {
        seen(req);
    }
}

static void render_error(void *ctx, int status, const char *code, const char *message,
                         struct buf *body) {
    buf_addf(body, "<Error><Status>%d</Status><Code>%s</Code><Message>%s</Message></Error>", status,
             code, message);
}

static void on_stdin(evutil_socket_t fd, short what, void *arg) {
    char c;

    if (read(fd, &c, 1) <= 0)
        event_base_loopbreak(base);
}

static const struct {
    const char *name;
    size_t offset;
    size_t size;
} limit_fields[] = {
#define FIELD(f)                                                                                   \
    { #f, offsetof(struct http_limits, f), sizeof(((struct http_limits *)0)->f) }
    FIELD(connections), FIELD(connections_peer), FIELD(head),
    FIELD(target),      FIELD(headers),          FIELD(body),
    FIELD(bodies),      FIELD(bodies_peer),      FIELD(reply),
    FIELD(replies),     FIELD(request_ms),       FIELD(idle_ms),
    FIELD(write_ms),    FIELD(linger_ms),
#undef FIELD
};

static bool set(struct http_config *config, const char *arg) {
    const char *value = strchr(arg, '=');
    size_t n = value ? (size_t)(value - arg) : 0;

    if (!value++)
        return false;
    if (!strncmp(arg, "listen=", n + 1))
        config->listen = value;
    else if (!strncmp(arg, "cert=", n + 1))
        config->tls_cert = value;
    else if (!strncmp(arg, "key=", n + 1))
        config->tls_key = value;
    else if (!strncmp(arg, "nofile=", n + 1)) {
        struct rlimit limit = {strtoul(value, NULL, 10), strtoul(value, NULL, 10)};

        return setrlimit(RLIMIT_NOFILE, &limit) == 0;
    } else {
        for (size_t i = 0; i < ARRAY_SIZE(limit_fields); i++) {
            char *at = (char *)&config->limits + limit_fields[i].offset;

            if (strlen(limit_fields[i].name) != n || strncmp(arg, limit_fields[i].name, n) != 0)
                continue;
            if (limit_fields[i].size == sizeof(size_t)) {
                size_t v = strtoul(value, NULL, 10);

                memcpy(at, &v, sizeof(v));
            } else {
                unsigned v = (unsigned)strtoul(value, NULL, 10);

                memcpy(at, &v, sizeof(v));
            }
            return true;
        }
        return false;
    }
    return true;
}

int main(int argc, char **argv) {
    struct http_config config = {
        .listen = "127.0.0.1:0",
        .handle = handle,
        .render_error = render_error,
        .error_type = "text/xml;charset=UTF-8",
    };
    struct event *input;
    const char *why;

    for (int i = 1; i < argc; i++)
        if (!set(&config, argv[i])) {
            fprintf(stderr, "%s: not understood\n", argv[i]);
            return 2;
        }
    base = config.base = event_base_new();
    if (!base || http_server_new(&config, &server, &why) < 0) {
        fprintf(stderr, "%s\n", base ? why : "no event base");
        return 1;
    }
    input = event_new(base, 0, EV_READ | EV_PERSIST, on_stdin, NULL);
    event_add(input, NULL);
    printf("ready %s\n", http_server_address(server));
    fflush(stdout);
    event_base_dispatch(base);
    event_free(input);
    http_server_free(server);
    /* Bufferevents are freed by the loop, a round after the server let go of them. */
    event_base_loop(base, EVLOOP_NONBLOCK);
    event_base_free(base);
    libevent_global_shutdown();
    return 0;
}
