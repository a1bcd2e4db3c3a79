/* SPDX-License-Identifier: Apache-2.0 */
#include "api/auth.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/sigv4.h"
#include "base/cleanup.h"
#include "model/account.h"

/* struct http_header and struct sigv4_header are the same pair of strings. */
_Static_assert(sizeof(struct http_header) == sizeof(struct sigv4_header) &&
                   offsetof(struct http_header, name) == offsetof(struct sigv4_header, name) &&
                   offsetof(struct http_header, value) == offsetof(struct sigv4_header, value),
               "headers pass from one to the other as they are");

int auth_check(const struct index *ix, const struct http_request *req, int64_t now,
               struct identity *ret_identity, struct auth_error *ret_error) {
    const struct sigv4_request sr = {
        .method = req->method,
        .path = req->path,
        .query = req->query,
        .headers = (const struct sigv4_header *)(const void *)req->headers,
        .header_count = req->header_count,
        .body = req->body,
        .body_len = req->body_len,
    };
    const struct access_key *key = NULL;
    struct sigv4_error e;
    struct sigv4 sig;
    enum sigv4_result r = sigv4_parse(&sr, &sig);

    if (r == SIGV4_OK) {
        key = index_get(ix, KIND_KEY, (struct scope){0}, sig.access_key);
        r = sigv4_verify(&sig, key ? key->secret : NULL, now);
    }
    if (r == SIGV4_OK &&
        (!key || (strcmp(sig.service, "ec2") != 0 && strcmp(sig.service, "sts") != 0 &&
                  strcmp(sig.service, "iam") != 0 && strcmp(sig.service, LOGS_SERVICE) != 0)))
        r = SIGV4_MISMATCH;
    if (r != SIGV4_OK) {
        e = sigv4_error(&sig, r);
        *ret_error = (struct auth_error){.code = e.code, .status = e.status};
        snprintf(ret_error->message, sizeof(ret_error->message), "%s", e.message);
        return -EACCES;
    }
    ret_identity->account = (uint64_t)key->account;
    snprintf(ret_identity->access_key, sizeof(ret_identity->access_key), "%s", sig.access_key);
    snprintf(ret_identity->region, sizeof(ret_identity->region), "%s", sig.region);
    snprintf(ret_identity->service, sizeof(ret_identity->service), "%s", sig.service);
    return 0;
}
