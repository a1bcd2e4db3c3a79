/* SPDX-License-Identifier: Apache-2.0 */
#include "services/imds_conn.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "http/head.h"

/* A token takes 56 bytes and a path less than 200: SDKs send about 400 bytes in all. No body. */
static const struct http_limits limits = {
    .methods = HTTP_SERVES_GET | HTTP_SERVES_HEAD | HTTP_SERVES_PUT,
    .head = 8192,
    .target = IMDS_PATH_MAX,
    .headers = 64,
    .body = 0,
};

struct imds_conn {
    struct http_head head;
};

struct imds_conn *imds_conn_new(void) {
    return calloc(1, sizeof(struct imds_conn));
}

void imds_conn_free(struct imds_conn *c) {
    if (c)
        http_head_reset(&c->head);
    free(c);
}

/* RFC 9110 section 5.6.7, in English whatever the locale. */
static void add_date(struct buf *out) {
    static const char days[] = "SunMonTueWedThuFriSat",
                      months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t now = time(NULL);
    struct tm tm;

    if (gmtime_r(&now, &tm))
        buf_addf(out, "Date: %.3s, %02d %.3s %04d %02d:%02d:%02d GMT\r\n", days + 3 * tm.tm_wday,
                 tm.tm_mday, months + 3 * tm.tm_mon, (tm.tm_year + 1900) % 10000, tm.tm_hour,
                 tm.tm_min, tm.tm_sec);
}

static void write_reply(const struct imds_reply *reply, bool head_only, struct buf *out) {
    buf_addf(out,
             "HTTP/1.1 %d %s\r\n"
             "Content-Type: %s\r\n"
             "Accept-Ranges: none\r\n"
             "Content-Length: %zu\r\n",
             reply->status, imds_reason(reply->status), reply->type, reply->body.len);
    if (reply->allow)
        buf_addf(out, "Allow: %s\r\n", reply->allow);
    if (reply->ttl)
        buf_addf(out, "X-Aws-Ec2-Metadata-Token-Ttl-Seconds: %lld\r\n", (long long)reply->ttl);
    add_date(out);
    buf_adds(out, "Server: EC2ws\r\nConnection: close\r\n\r\n");
    if (!head_only)
        buf_add(out, buf_str(&reply->body), reply->body.len);
}

static void write_error(int status, bool head_only, struct buf *out) {
    struct imds_reply reply = {.body = BUF_LIMIT(IMDS_BODY_MAX)};

    if (status == 405)
        reply.allow = "GET, HEAD, PUT";
    imds_error(&reply, status);
    write_reply(&reply, head_only, out);
    buf_free(&reply.body);
}

void imds_conn_late(struct buf *out) {
    write_error(408, false, out);
}

int imds_conn_feed(struct imds_conn *c, struct imds *imds, const struct index *ix,
                   const struct asker *who, uint8_t family, int64_t now, const void *data,
                   size_t len, struct buf *out, int *ret_hops) {
    struct imds_request req = {.ix = ix, .who = who, .family = family, .now = now};
    struct imds_reply reply;
    size_t used;
    int status = http_head_feed(&c->head, &limits, data, len, &used);

    *ret_hops = 0;
    if (status == HEAD_MORE)
        return 0;
    if (status != HEAD_DONE || !who) {
        status = status == HEAD_DONE ? 404 : status;
        write_error(status, c->head.is_head, out);
        return status;
    }
    req.method = c->head.method;
    req.path = c->head.path;
    req.headers = c->head.headers;
    req.header_count = c->head.header_count;
    imds_answer(imds, &req, &reply);
    write_reply(&reply, c->head.is_head, out);
    *ret_hops = reply.hops;
    status = reply.status;
    buf_free(&reply.body);
    return status;
}
