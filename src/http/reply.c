/* SPDX-License-Identifier: Apache-2.0 */
#include "http/internal.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

static const struct {
    int status;
    const char *reason; /* on the status line */
    const char *code;   /* for render_error */
} statuses[] = {
    {200, "OK", "OK"},
    {400, "Bad Request", "InvalidRequest"},
    {401, "Unauthorized", "AuthFailure"},
    {403, "Forbidden", "UnauthorizedOperation"},
    {404, "Not Found", "NotFound"},
    {405, "Method Not Allowed", "MethodNotAllowed"},
    {408, "Request Timeout", "RequestTimeout"},
    {411, "Length Required", "MissingContentLength"},
    {413, "Content Too Large", "EntityTooLarge"},
    {414, "URI Too Long", "RequestUriTooLong"},
    {417, "Expectation Failed", "ExpectationFailed"},
    {429, "Too Many Requests", "RequestLimitExceeded"},
    {431, "Request Header Fields Too Large", "RequestHeaderSectionTooLarge"},
    {500, "Internal Server Error", "InternalError"},
    {501, "Not Implemented", "NotImplemented"},
    {503, "Service Unavailable", "Unavailable"},
    {505, "HTTP Version Not Supported", "HttpVersionNotSupported"},
};

static size_t status_row(int status) {
    size_t i;

    for (i = 0; i < ARRAY_SIZE(statuses); i++)
        if (statuses[i].status == status)
            break;
    return i;
}

/* RFC 9110 section 5.6.7, in English whatever the locale. */
static const char *date(struct http_server *server) {
    static const char days[] = "SunMonTueWedThuFriSat",
                      months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t now = time(NULL);
    struct tm tm;

    if (now != server->date_at && gmtime_r(&now, &tm)) {
        snprintf(server->date, sizeof(server->date), "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
                 days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon,
                 (tm.tm_year + 1900) % 10000, tm.tm_hour, tm.tm_min, tm.tm_sec);
        server->date_at = now;
    }
    return server->date;
}

static bool header_is_sane(const struct http_header *h) {
    return h->name && h->value && *h->name && !strpbrk(h->name, "\r\n: ") &&
           !strpbrk(h->value, "\r\n");
}

int reply_write(struct conn *conn, int status, const char *content_type, const void *body,
                size_t len, const struct http_header *extra, size_t extra_count, bool last) {
    struct http_server *server = conn->server;
    struct evbuffer *out = bufferevent_get_output(conn->bev);
    size_t row = status_row(status), before = evbuffer_get_length(out), added;
    bool failed;

    if (len > server->config.limits.reply) {
        server->counters.over_budget++;
        reply_error(conn, 500, "The reply is too large.");
        return -EMSGSIZE;
    }
    if (server->counters.reply_bytes + len > server->config.limits.replies) {
        server->counters.over_budget++;
        conn_close(conn);
        return -ENOMEM;
    }
    last = last || !conn->keep_alive || server->stopping || server->full;
    failed = evbuffer_add_printf(out,
                                 "HTTP/1.1 %d %s\r\n"
                                 "Date: %s\r\n"
                                 "Content-Type: %s\r\n"
                                 "Content-Length: %zu\r\n"
                                 "%s%s",
                                 status, row < ARRAY_SIZE(statuses) ? statuses[row].reason : "-",
                                 date(server), content_type, len,
                                 status == 405 ? "Allow: GET, POST\r\n" : "",
                                 last ? "Connection: close\r\n" : "") < 0;
    for (size_t i = 0; i < extra_count; i++)
        if (header_is_sane(&extra[i]))
            failed |= evbuffer_add_printf(out, "%s: %s\r\n", extra[i].name, extra[i].value) < 0;
    failed |= evbuffer_add(out, "\r\n", 2) < 0;
    if (!conn->head_only && len)
        failed |= evbuffer_add(out, body, len) < 0;
    if (failed) {
        conn_close(conn);
        return -ENOMEM;
    }
    added = evbuffer_get_length(out) - before;
    conn->reply_bytes += added;
    server->counters.reply_bytes += added;
    conn_send(conn, last);
    return 0;
}

void reply_error(struct conn *conn, int status, const char *message) {
    const struct http_config *config = &conn->server->config;
    size_t row = status_row(status);
    _buf_ struct buf body = BUF_LIMIT(16384);

    if (config->render_error)
        config->render_error(config->ctx, status,
                             row < ARRAY_SIZE(statuses) ? statuses[row].code : "InternalError",
                             message, &body);
    else
        buf_addf(&body, "%d %s\n", status, message);
    if (body.failed)
        buf_reset(&body);
    conn->answered = false;
    reply_write(conn, status,
                config->render_error && config->error_type ? config->error_type : "text/plain",
                buf_str(&body), body.len, NULL, 0, true);
}
