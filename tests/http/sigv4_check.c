/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verifies signed requests from standard input, for the tests with real clients' signers.
 *
 * Each request: a line "NOW LENGTH SECRET", then LENGTH bytes of an HTTP request as it would come
 * over the wire. For each a line: the access key, region and service, or the error's status, code
 * and message.
 */
#include <stdio.h>
#include <stdlib.h>

#include "api/sigv4.h"
#include "base/cleanup.h"
#include "http/head.h"

static const struct http_limits limits = {
    .head = 65536, .target = 65536, .headers = 64, .body = 1u << 20};

static enum sigv4_result judge(const char *data, size_t len, const char *secret, long long now,
                               struct sigv4 *sig) {
    struct sigv4_header headers[64];
    struct http_head head = {0};
    enum sigv4_result r = SIGV4_NO_MEMORY;
    size_t used;

    if (http_head_feed(&head, &limits, data, len, &used) == HEAD_DONE &&
        used + head.content_length == len) {
        struct sigv4_request req = {.method = head.method,
                                    .path = head.path,
                                    .query = head.query,
                                    .headers = headers,
                                    .header_count = head.header_count,
                                    .body = data + used,
                                    .body_len = head.content_length};

        for (size_t i = 0; i < head.header_count; i++)
            headers[i] = (struct sigv4_header){head.headers[i].name, head.headers[i].value};
        r = sigv4_parse(&req, sig);
        if (r == SIGV4_OK)
            r = sigv4_verify(sig, secret[0] == '-' ? NULL : secret, now);
    }
    http_head_reset(&head);
    return r;
}

int main(void) {
    char secret[SIGV4_SECRET_MAX + 1];
    long long now;
    size_t len;

    while (scanf("%lld %zu %128s", &now, &len, secret) == 3 && getchar() == '\n') {
        _free_ char *data = malloc(len + 1);
        struct sigv4 sig = {0};
        enum sigv4_result r;
        struct sigv4_error e;

        if (!data || fread(data, 1, len, stdin) != len)
            return 1;
        r = judge(data, len, secret, now, &sig);
        e = sigv4_error(&sig, r);
        if (r == SIGV4_OK)
            printf("ok %s %s %s\n", sig.access_key, sig.region, sig.service);
        else
            printf("%d %s %s\n", e.status, e.code, e.message);
        fflush(stdout);
    }
    return 0;
}
