/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of request heads: whatever comes, in whatever pieces, has one reading.
 * The first byte says how long the pieces are.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_limits limits = {
    .head = 2048, .target = 512, .headers = 16, .body = 100000};

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x))                                                                                  \
            abort();                                                                               \
    } while (0)

/* Feeds all in pieces of `piece` bytes; the status, and how many bytes were taken in all. */
static int feed(struct http_head *h, const uint8_t *data, size_t size, size_t piece,
                size_t *ret_used) {
    int status = HEAD_MORE;
    size_t at = 0;

    while (at < size && status == HEAD_MORE) {
        size_t n = size - at < piece ? size - at : piece, used;
        /* A copy of its own, so that reading beyond it is seen. */
        uint8_t *copy = malloc(n);

        memcpy(copy, data + at, n);
        status = http_head_feed(h, &limits, copy, n, &used);
        free(copy);
        CHECK(used <= n);
        at += used;
        if (status == HEAD_MORE)
            CHECK(used == n);
    }
    *ret_used = at;
    return status;
}

static void check_strings(const struct http_head *h) {
    CHECK(h->path[0] == '/');
    CHECK(!strchr(h->path, '?'));
    CHECK(strlen(h->target) == h->target_len);
    CHECK(h->header_count == h->lines && h->header_count <= limits.headers);
    CHECK(h->content_length <= limits.body);
    CHECK(!strcmp(h->method, "GET") || !strcmp(h->method, "POST"));
    for (size_t i = 0; i < h->header_count; i++) {
        const char *value = h->headers[i].value;
        size_t n = strlen(value);

        CHECK(h->headers[i].name[0] && !strpbrk(h->headers[i].name, " \t\r\n:"));
        CHECK(!strpbrk(value, "\r\n"));
        CHECK(!n || (value[0] != ' ' && value[n - 1] != ' ' && value[n - 1] != '\t'));
        CHECK(strcasecmp(h->headers[i].name, "Transfer-Encoding") != 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct http_head whole = {0}, pieces = {0};
    size_t used, used_pieces;
    int status;

    if (size < 1)
        return 0;
    status = feed(&whole, data + 1, size - 1, size, &used);
    CHECK(feed(&pieces, data + 1, size - 1, 1 + data[0] % 32u, &used_pieces) == status);
    CHECK(used == used_pieces);
    if (status == HEAD_DONE) {
        CHECK(used >= 18 && !memcmp(data + 1 + used - 4, "\r\n\r\n", 4));
        check_strings(&whole);
        CHECK(whole.content_length == pieces.content_length);
        CHECK(whole.keep_alive == pieces.keep_alive);
        CHECK(!strcmp(whole.path, pieces.path) && !strcmp(whole.query, pieces.query));
    } else if (status != HEAD_MORE) {
        CHECK(status >= 400 && status <= 505 && whole.why);
    }
    http_head_reset(&whole);
    http_head_reset(&pieces);
    return 0;
}
