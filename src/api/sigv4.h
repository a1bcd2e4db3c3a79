/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AWS Signature Version 4, the verifying side: who sent this request, and is it as it was sent?
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 *
 *     r = sigv4_parse(&request, &sig);                           names the access key
 *     if (r == SIGV4_OK)
 *         r = sigv4_verify(&sig, secret of sig.access_key or NULL, now);
 *     if (r != SIGV4_OK)
 *         error = sigv4_error(&sig, r);
 *
 * Both forms: the Authorization header, and the presigned query (X-Amz-Signature). What is not
 * accepted, though S3 would: UNSIGNED-PAYLOAD and streamed payloads. Temporary credentials
 * (session tokens) do not exist here and are refused.
 */
#ifndef VPCD_API_SIGV4_H
#define VPCD_API_SIGV4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIGV4_SKEW 900           /* seconds between the client's clock and ours */
#define SIGV4_EXPIRES_MAX 604800 /* seconds that a presigned request may be valid */
#define SIGV4_KEY_MAX 128        /* longest access key */
#define SIGV4_SECRET_MAX 128     /* longest secret */
#define SIGV4_HEADERS_MAX 2048   /* longest list of signed headers */

struct sigv4_header {
    const char *name, *value;
};

/* All as it came over the wire: nothing decoded. */
struct sigv4_request {
    const char *method;
    const char *path;
    const char *query; /* "" when there is none */
    const struct sigv4_header *headers;
    size_t header_count;
    const void *body;
    size_t body_len;
};

/* What the request says of itself. Trustworthy once sigv4_verify said SIGV4_OK. Holds no memory. */
struct sigv4 {
    char access_key[SIGV4_KEY_MAX + 1];
    char date[9]; /* of the scope: "20260131" */
    char region[65];
    char service[33];
    char timestamp[17]; /* "20260131T235959Z" */
    int64_t time;       /* the same, in seconds since 1970 */
    bool presigned;
    int64_t expires; /* seconds, of a presigned request */
    uint8_t signature[32];
    char request_hash[65]; /* of the canonical request */
    const char *why;       /* details of a refusal, or NULL; a static string */
};

enum sigv4_result {
    SIGV4_OK,
    SIGV4_MISSING,     /* no signature at all */
    SIGV4_INCOMPLETE,  /* malformed, or a part is missing */
    SIGV4_TOKEN,       /* has a session token */
    SIGV4_EXPIRED,     /* too old, or from the future */
    SIGV4_UNKNOWN_KEY, /* verified without a secret */
    SIGV4_MISMATCH,
    SIGV4_NO_MEMORY,
};

/* `ret_sig` is filled as far as the request was understood, also on failure: for sigv4_error. */
enum sigv4_result sigv4_parse(const struct sigv4_request *req, struct sigv4 *ret_sig);

/*
 * `secret` NULL: the key is not known; costs the same as a wrong signature, and is never OK.
 * `now` in seconds since 1970. Sets sig->why.
 */
enum sigv4_result sigv4_verify(struct sigv4 *sig, const char *secret, int64_t now);

struct sigv4_error {
    int status;
    const char *code, *message; /* static strings */
};

/*
 * What AWS answers. EC2 says AuthFailure (401) both for a key that it does not know and for a wrong
 * signature; STS and IAM say InvalidClientTokenId and SignatureDoesNotMatch (403).
 */
struct sigv4_error sigv4_error(const struct sigv4 *sig, enum sigv4_result result);

#endif
