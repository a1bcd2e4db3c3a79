/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signature Version 4 from a hostile client. Lines: the query, then headers as "name:value".
 * No input may verify, and the canonical form of a query must be its own canonical form.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/sigv4.h"
#include "api/sigv4_canonical.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x))                                                                                  \
            abort();                                                                               \
    } while (0)

#define MAX_HEADERS 16

static void check_query(const char *text) {
    struct sigv4_query query, again;
    struct buf canonical = BUF_INIT;

    if (sigv4_query_parse(text, &query) < 0) {
        sigv4_query_free(&query);
        return;
    }
    for (size_t i = 0; i < query.count; i++)
        buf_addf(&canonical, "%s%s=%s", i ? "&" : "", query.parts[i].name, query.parts[i].value);
    CHECK(sigv4_query_parse(buf_str(&canonical), &again) == 0 && again.count == query.count);
    for (size_t i = 0; i < query.count; i++)
        CHECK(!strcmp(query.parts[i].name, again.parts[i].name) &&
              !strcmp(query.parts[i].value, again.parts[i].value));
    buf_free(&canonical);
    sigv4_query_free(&query);
    sigv4_query_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sigv4_header headers[MAX_HEADERS];
    struct sigv4_request req = {.method = "GET", .path = "/", .headers = headers};
    char *text = malloc(size + 1), *line;
    enum sigv4_result r;
    struct sigv4 sig;

    memcpy(text, data, size);
    text[size] = 0;
    line = text;
    req.query = strsep(&line, "\n");
    while (line && req.header_count < MAX_HEADERS) {
        char *name = strsep(&line, "\n"), *value = strchr(name, ':');

        if (!value)
            continue;
        *value++ = 0;
        headers[req.header_count++] = (struct sigv4_header){name, value};
    }
    check_query(req.query);
    r = sigv4_parse(&req, &sig);
    CHECK(memchr(sig.access_key, 0, sizeof(sig.access_key)));
    CHECK(memchr(sig.region, 0, sizeof(sig.region)));
    if (r == SIGV4_OK) {
        int64_t now = sig.time;

        CHECK(sig.access_key[0] && sig.region[0] && sig.service[0]);
        r = sigv4_verify(&sig, "a secret that no input knows", now);
        CHECK(r == SIGV4_MISMATCH);
        CHECK(sigv4_verify(&sig, NULL, now) == SIGV4_UNKNOWN_KEY);
    }
    CHECK(sigv4_error(&sig, r).code && sigv4_error(&sig, r).message);
    free(text);
    return 0;
}
