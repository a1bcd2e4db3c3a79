/* SPDX-License-Identifier: Apache-2.0 */
#include "api/sigv4.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "api/sigv4_canonical.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/text.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define LOWER_DIGITS "abcdefghijklmnopqrstuvwxyz0123456789-"
#define KEY_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

static enum sigv4_result refuse(struct sigv4 *sig, enum sigv4_result result, const char *why) {
    sig->why = why;
    return result;
}

static bool sha256_hex(const void *data, size_t len, char out[65]) {
    uint8_t hash[32];

    if (EVP_Digest(data, len, hash, NULL, EVP_sha256(), NULL) != 1)
        return false;
    hex_format(hash, sizeof(hash), out);
    return true;
}

static const char *find_header(const struct sigv4_request *req, const char *name,
                               size_t *ret_count) {
    const char *found = NULL;

    *ret_count = 0;
    for (size_t i = 0; i < req->header_count; i++)
        if (!strcasecmp(req->headers[i].name, name)) {
            if (!found)
                found = req->headers[i].value;
            (*ret_count)++;
        }
    return found;
}

/* The texts of a signature's parts, wherever they stood. */
struct parts {
    char credential[SIGV4_KEY_MAX + 128];
    char signed_headers[SIGV4_HEADERS_MAX + 1];
    char signature[65];
    char timestamp[17];
    char expires[16];
};

/* The next "/"-separated field of `*p` into `out`; only `chars`, at least one, none after it left
 * unread. */
static bool take_field(const char **p, const char *chars, char *out, size_t size) {
    size_t n = strcspn(*p, "/");

    if (n == 0 || n >= size || strspn(*p, chars) != n)
        return false;
    memcpy(out, *p, n);
    out[n] = 0;
    *p += n + ((*p)[n] == '/');
    return true;
}

/* KEY/20260131/us-east-1/ec2/aws4_request */
static bool read_credential(struct sigv4 *sig, const char *text) {
    return take_field(&text, KEY_CHARS, sig->access_key, sizeof(sig->access_key)) &&
           take_field(&text, "0123456789", sig->date, sizeof(sig->date)) &&
           take_field(&text, LOWER_DIGITS, sig->region, sizeof(sig->region)) &&
           take_field(&text, LOWER_DIGITS, sig->service, sizeof(sig->service)) &&
           !strcmp(text, "aws4_request");
}

static bool read_number(const char *text, size_t n, int *ret) {
    int v = 0;

    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        v = v * 10 + (text[i] - '0');
    }
    *ret = v;
    return true;
}

/* 20260131T235959Z */
static bool read_timestamp(struct sigv4 *sig, const char *text) {
    struct tm tm = {0}, again;
    time_t t;

    if (strlen(text) != 16 || text[8] != 'T' || text[15] != 'Z' ||
        !read_number(text, 4, &tm.tm_year) || !read_number(text + 4, 2, &tm.tm_mon) ||
        !read_number(text + 6, 2, &tm.tm_mday) || !read_number(text + 9, 2, &tm.tm_hour) ||
        !read_number(text + 11, 2, &tm.tm_min) || !read_number(text + 13, 2, &tm.tm_sec))
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    again = tm;
    t = timegm(&again);
    /* timegm mends what is out of range: the 31st of April. */
    if (again.tm_mon != tm.tm_mon || again.tm_mday != tm.tm_mday || again.tm_hour != tm.tm_hour ||
        again.tm_min != tm.tm_min || again.tm_sec != tm.tm_sec)
        return false;
    memcpy(sig->timestamp, text, 17);
    sig->time = t;
    return true;
}

static bool read_signature(struct sigv4 *sig, const char *text) {
    if (strlen(text) != 64 || strspn(text, "0123456789abcdef") != 64)
        return false;
    for (size_t i = 0; i < 32; i++) {
        static const char digits[] = "0123456789abcdef";

        sig->signature[i] = (uint8_t)((strchr(digits, text[2 * i]) - digits) << 4 |
                                      (strchr(digits, text[2 * i + 1]) - digits));
    }
    return true;
}

static bool list_has(const char *list, const char *name) {
    size_t n = strlen(name);

    for (const char *p = list; *p;) {
        size_t len = strcspn(p, ";");

        if (len == n && !strncasecmp(p, name, n))
            return true;
        p += len + (p[len] == ';');
    }
    return false;
}

/*
 * The list of signed headers:
 *  1. lower case, in order, none twice
 *  2. each is in the request
 *  3. host is among them, and so is every x-amz- header of the request, which else could be added
 *     on the way; only the user agent may be left out, as some SDKs do
 */
static enum sigv4_result check_signed_headers(struct sigv4 *sig, const struct sigv4_request *req,
                                              const char *list) {
    char name[128], last[128] = "";
    size_t count;

    for (const char *p = list;;) {
        size_t n = strcspn(p, ";");

        if (n == 0 || n >= sizeof(name))
            return refuse(sig, SIGV4_INCOMPLETE, "SignedHeaders is malformed.");
        memcpy(name, p, n);
        name[n] = 0;
        for (size_t i = 0; i < n; i++)
            if (name[i] <= ' ' || name[i] >= 0x7f || (name[i] >= 'A' && name[i] <= 'Z'))
                return refuse(sig, SIGV4_INCOMPLETE, "SignedHeaders is malformed.");
        if (strcmp(last, name) >= 0)
            return refuse(sig, SIGV4_INCOMPLETE, "SignedHeaders is not sorted.");
        memcpy(last, name, n + 1);
        if (!find_header(req, name, &count))
            return refuse(sig, SIGV4_INCOMPLETE,
                          "SignedHeaders names a header that the request does not have.");
        if (!p[n])
            break;
        p += n + 1;
    }
    if (!list_has(list, "host"))
        return refuse(sig, SIGV4_INCOMPLETE, "'Host' must be a signed header.");
    for (size_t i = 0; i < req->header_count; i++)
        if (!strncasecmp(req->headers[i].name, "x-amz-", 6) &&
            strcasecmp(req->headers[i].name, "x-amz-user-agent") != 0 &&
            !list_has(list, req->headers[i].name))
            return refuse(sig, SIGV4_INCOMPLETE, "A header that begins with X-Amz- is not signed.");
    return SIGV4_OK;
}

/* "Name=value" at `*p`, up to a comma; into one of the parts, once. */
static bool take_assignment(const char **p, struct parts *parts) {
    const struct {
        const char *name;
        char *out;
        size_t size;
    } slots[] = {
        {"Credential=", parts->credential, sizeof(parts->credential)},
        {"SignedHeaders=", parts->signed_headers, sizeof(parts->signed_headers)},
        {"Signature=", parts->signature, sizeof(parts->signature)},
    };

    *p += strspn(*p, " \t");
    for (size_t i = 0; i < ARRAY_SIZE(slots); i++) {
        size_t n = strlen(slots[i].name), len;

        if (strncmp(*p, slots[i].name, n) != 0)
            continue;
        *p += n;
        len = strcspn(*p, ", \t");
        if (slots[i].out[0] || len == 0 || len >= slots[i].size)
            return false;
        memcpy(slots[i].out, *p, len);
        slots[i].out[len] = 0;
        *p += len;
        *p += strspn(*p, " \t");
        if (**p == ',')
            (*p)++;
        else if (**p)
            return false;
        return true;
    }
    return false;
}

static enum sigv4_result read_header_form(struct sigv4 *sig, const struct sigv4_request *req,
                                          const char *authorization, struct parts *parts) {
    const char *p = authorization, *date;
    size_t n = strcspn(p, " \t"), dates;

    if (n != strlen(ALGORITHM) || strncmp(p, ALGORITHM, n) != 0)
        return refuse(sig, SIGV4_INCOMPLETE,
                      "Only Signature Version 4 (AWS4-HMAC-SHA256) is supported.");
    p += n;
    while (*p)
        if (!take_assignment(&p, parts))
            return refuse(sig, SIGV4_INCOMPLETE, "The Authorization header is malformed.");
    if (!parts->credential[0] || !parts->signed_headers[0] || !parts->signature[0])
        return refuse(sig, SIGV4_INCOMPLETE,
                      "The Authorization header needs 'Credential', 'SignedHeaders' and "
                      "'Signature'.");
    date = find_header(req, "X-Amz-Date", &dates);
    if (dates != 1 || strlen(date) >= sizeof(parts->timestamp))
        return refuse(sig, SIGV4_INCOMPLETE, "The request needs one valid 'X-Amz-Date' header.");
    memcpy(parts->timestamp, date, strlen(date) + 1);
    return SIGV4_OK;
}

static enum sigv4_result read_query_form(struct sigv4 *sig, const struct sigv4_query *query,
                                         struct parts *parts) {
    char algorithm[32];
    const struct {
        const char *name;
        char *out;
        size_t size;
    } slots[] = {
        {"X-Amz-Algorithm", algorithm, sizeof(algorithm)},
        {"X-Amz-Credential", parts->credential, sizeof(parts->credential)},
        {"X-Amz-Date", parts->timestamp, sizeof(parts->timestamp)},
        {"X-Amz-Expires", parts->expires, sizeof(parts->expires)},
        {"X-Amz-SignedHeaders", parts->signed_headers, sizeof(parts->signed_headers)},
        {"X-Amz-Signature", parts->signature, sizeof(parts->signature)},
    };

    for (size_t i = 0; i < ARRAY_SIZE(slots); i++) {
        size_t count;
        const char *value = sigv4_query_find(query, slots[i].name, &count);

        if (count != 1 || sigv4_query_decode(value, slots[i].out, slots[i].size) < 0)
            return refuse(sig, SIGV4_INCOMPLETE,
                          "A presigned request needs X-Amz-Algorithm, -Credential, -Date, "
                          "-Expires, -SignedHeaders and -Signature, each once and valid.");
    }
    if (strcmp(algorithm, ALGORITHM) != 0)
        return refuse(sig, SIGV4_INCOMPLETE,
                      "Only Signature Version 4 (AWS4-HMAC-SHA256) is supported.");
    if (int_parse(parts->expires, 1, SIGV4_EXPIRES_MAX, &sig->expires) < 0)
        return refuse(sig, SIGV4_INCOMPLETE, "X-Amz-Expires must be between 1 and 604800.");
    return SIGV4_OK;
}

/* The body's hash; where the client states one it must be that. */
static enum sigv4_result hash_payload(struct sigv4 *sig, const struct sigv4_request *req,
                                      char out[65]) {
    size_t count;
    const char *stated = find_header(req, "X-Amz-Content-Sha256", &count);

    if (!sha256_hex(req->body ? req->body : "", req->body_len, out))
        return SIGV4_NO_MEMORY;
    if (count > 1)
        return refuse(sig, SIGV4_INCOMPLETE, "X-Amz-Content-Sha256 is given twice.");
    if (stated && strcmp(stated, out) != 0)
        return refuse(sig, SIGV4_MISMATCH,
                      "The body does not have the hash that X-Amz-Content-Sha256 states; "
                      "UNSIGNED-PAYLOAD and streamed payloads are not accepted.");
    return SIGV4_OK;
}

static enum sigv4_result parse_parts(struct sigv4 *sig, const struct sigv4_request *req,
                                     const struct sigv4_query *query, const struct parts *parts) {
    _buf_ struct buf canonical = BUF_INIT;
    enum sigv4_result r;
    char payload[65];

    if (!read_credential(sig, parts->credential))
        return refuse(sig, SIGV4_INCOMPLETE,
                      "The Credential must be KEY/YYYYMMDD/REGION/SERVICE/aws4_request.");
    if (!read_timestamp(sig, parts->timestamp))
        return refuse(sig, SIGV4_INCOMPLETE, "X-Amz-Date must be YYYYMMDDTHHMMSSZ.");
    if (strncmp(sig->date, sig->timestamp, 8) != 0)
        return refuse(sig, SIGV4_INCOMPLETE, "The Credential's date is not that of X-Amz-Date.");
    if (!read_signature(sig, parts->signature))
        return refuse(sig, SIGV4_INCOMPLETE, "The Signature must be 64 hexadecimal digits.");
    r = check_signed_headers(sig, req, parts->signed_headers);
    if (r == SIGV4_OK)
        r = hash_payload(sig, req, payload);
    if (r != SIGV4_OK)
        return r;
    sigv4_canonical_request(req, query, sig->presigned ? "X-Amz-Signature" : NULL,
                            parts->signed_headers, payload, &canonical);
    if (canonical.failed || !sha256_hex(canonical.data, canonical.len, sig->request_hash))
        return SIGV4_NO_MEMORY;
    return SIGV4_OK;
}

static enum sigv4_result parse_with_query(struct sigv4 *sig, const struct sigv4_request *req,
                                          const struct sigv4_query *query) {
    size_t headers, signatures, tokens, query_tokens, old;
    const char *authorization = find_header(req, "Authorization", &headers);
    struct parts parts = {0};
    enum sigv4_result r;

    sigv4_query_find(query, "X-Amz-Signature", &signatures);
    sigv4_query_find(query, "AWSAccessKeyId", &old);
    find_header(req, "X-Amz-Security-Token", &tokens);
    sigv4_query_find(query, "X-Amz-Security-Token", &query_tokens);
    if (!headers && !signatures && !old)
        return SIGV4_MISSING;
    if (headers + signatures + old > 1)
        return refuse(sig, SIGV4_INCOMPLETE, "The request is signed in more than one way.");
    if (old)
        return refuse(sig, SIGV4_INCOMPLETE,
                      "Only Signature Version 4 (AWS4-HMAC-SHA256) is supported.");
    sig->presigned = signatures > 0;
    r = sig->presigned ? read_query_form(sig, query, &parts)
                       : read_header_form(sig, req, authorization, &parts);
    if (r == SIGV4_OK)
        r = parse_parts(sig, req, query, &parts);
    if (r == SIGV4_OK && tokens + query_tokens)
        return SIGV4_TOKEN;
    return r;
}

enum sigv4_result sigv4_parse(const struct sigv4_request *req, struct sigv4 *ret_sig) {
    struct sigv4_query query;
    enum sigv4_result result;
    int r;

    *ret_sig = (struct sigv4){0};
    r = sigv4_query_parse(req->query, &query);
    if (r == -EINVAL)
        result = refuse(ret_sig, SIGV4_INCOMPLETE, "The query string is malformed.");
    else if (r < 0)
        result = SIGV4_NO_MEMORY;
    else
        result = parse_with_query(ret_sig, req, &query);
    sigv4_query_free(&query);
    return result;
}

static bool hmac(const void *key, size_t key_len, const char *text, uint8_t out[32]) {
    return HMAC(EVP_sha256(), key, (int)key_len, (const uint8_t *)text, strlen(text), out, NULL) !=
           NULL;
}

/* key = HMAC(HMAC(HMAC(HMAC("AWS4" secret, date), region), service), "aws4_request") */
static bool sign(const struct sigv4 *sig, const char *secret, uint8_t out[32]) {
    char first[4 + SIGV4_SECRET_MAX + 1] = "AWS4", text[384];
    size_t n = strlen(secret);
    bool ok;

    if (n > SIGV4_SECRET_MAX)
        return false;
    memcpy(first + 4, secret, n + 1);
    snprintf(text, sizeof(text), "%s\n%s\n%s/%s/%s/aws4_request\n%s", ALGORITHM, sig->timestamp,
             sig->date, sig->region, sig->service, sig->request_hash);
    ok = hmac(first, 4 + n, sig->date, out) && hmac(out, 32, sig->region, out) &&
         hmac(out, 32, sig->service, out) && hmac(out, 32, "aws4_request", out) &&
         hmac(out, 32, text, out);
    OPENSSL_cleanse(first, sizeof(first));
    return ok;
}

enum sigv4_result sigv4_verify(struct sigv4 *sig, const char *secret, int64_t now) {
    /* Of the usual length, so that an unknown key costs what a known one does. */
    static const char dummy[] = "0000000000000000000000000000000000000000";
    uint8_t expected[32];
    int64_t last = sig->time + (sig->presigned ? sig->expires : SIGV4_SKEW);
    bool equal;

    if (!sign(sig, secret ? secret : dummy, expected))
        return SIGV4_NO_MEMORY;
    equal = CRYPTO_memcmp(expected, sig->signature, sizeof(expected)) == 0;
    OPENSSL_cleanse(expected, sizeof(expected));
    if (now > last)
        return refuse(sig, SIGV4_EXPIRED, "Request has expired.");
    if (now < sig->time - SIGV4_SKEW)
        return refuse(sig, SIGV4_EXPIRED,
                      "Signature not yet current: the request's date lies in "
                      "the future; check the clock.");
    if (!secret)
        return SIGV4_UNKNOWN_KEY;
    return equal ? SIGV4_OK : SIGV4_MISMATCH;
}

struct sigv4_error sigv4_error(const struct sigv4 *sig, enum sigv4_result result) {
    bool ec2 = !sig->service[0] || !strcmp(sig->service, "ec2");
    struct sigv4_error e = {500, "InternalError", "An internal error has occurred."};

    switch (result) {
    case SIGV4_MISSING:
        return (struct sigv4_error){403, "MissingAuthenticationToken",
                                    "Request is missing Authentication Token"};
    case SIGV4_INCOMPLETE:
        e = (struct sigv4_error){400, "IncompleteSignature", "The signature is malformed."};
        break;
    case SIGV4_TOKEN:
        return (struct sigv4_error){403, "InvalidClientTokenId",
                                    "The security token included in the request is invalid: there "
                                    "are no temporary credentials here; unset AWS_SESSION_TOKEN"};
    case SIGV4_EXPIRED:
        e = ec2 ? (struct sigv4_error){400, "RequestExpired", "Request has expired."}
                : (struct sigv4_error){403, "SignatureDoesNotMatch", "Signature expired"};
        break;
    case SIGV4_UNKNOWN_KEY:
        if (!ec2)
            return (struct sigv4_error){403, "InvalidClientTokenId",
                                        "The security token included in the request is invalid."};
        return (struct sigv4_error){401, "AuthFailure",
                                    "AWS was not able to validate the provided access credentials"};
    case SIGV4_MISMATCH:
        e = ec2 ? (struct sigv4_error){401, "AuthFailure",
                                       "AWS was not able to validate the provided access "
                                       "credentials"}
                : (struct sigv4_error){403, "SignatureDoesNotMatch",
                                       "The request signature we calculated does not match the "
                                       "signature you provided. Check your AWS Secret Access Key "
                                       "and signing method. Consult the service documentation for "
                                       "details."};
        break;
    case SIGV4_OK:
    case SIGV4_NO_MEMORY:
        return e;
    }
    if (sig->why)
        e.message = sig->why;
    return e;
}
