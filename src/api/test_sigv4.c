/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The known answers are AWS's own (aws-sig-v4-test-suite, by name, and the example of the IAM
 * User Guide); the other tests change something in a request that is right.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "api/sigv4.h"
#include "api/sigv4_canonical.h"
#include "base/cleanup.h"

#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define STAMP "20150830T123600Z"
#define NOW 1440938160 /* the same */
#define MAX_HEADERS 8

static struct sigv4_header headers_of(const char *name, const char *value) {
    return (struct sigv4_header){name, value};
}

struct known {
    const char *name, *method, *path, *query;
    const char *signed_headers, *signature;
    struct sigv4_header headers[MAX_HEADERS]; /* besides Authorization; up to the first NULL */
    const char *body;
    const char *service;
};

#define HOST                                                                                       \
    { "Host", "example.amazonaws.com" }
#define DATE                                                                                       \
    { "X-Amz-Date", STAMP }

static const struct known knowns[] = {
    {"get-vanilla",
     "GET",
     "/",
     "",
     "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
     {HOST, DATE}},
    {"get-vanilla-query-order-key-case",
     "GET",
     "/",
     "Param2=value2&Param1=value1",
     "host;x-amz-date",
     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
     {HOST, DATE}},
    {"get-unreserved",
     "GET",
     "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
     "",
     "host;x-amz-date",
     "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
     {HOST, DATE}},
    {"get-utf8",
     "GET",
     "/\xe1\x88\xb4",
     "",
     "host;x-amz-date",
     "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
     {HOST, DATE}},
    {"get-space",
     "GET",
     "/example space/",
     "",
     "host;x-amz-date",
     "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
     {HOST, DATE}},
    {"get-slashes",
     "GET",
     "//example//",
     "",
     "host;x-amz-date",
     "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
     {HOST, DATE}},
    {"get-slash",
     "GET",
     "//",
     "",
     "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
     {HOST, DATE}},
    {"get-relative-relative",
     "GET",
     "/example1/example2/../..",
     "",
     "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
     {HOST, DATE}},
    {"get-slash-dot-slash",
     "GET",
     "/./",
     "",
     "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
     {HOST, DATE}},
    {"get-header-key-duplicate",
     "GET",
     "/",
     "",
     "host;my-header1;x-amz-date",
     "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
     {HOST, {"My-Header1", "value2"}, {"My-Header1", "value2"}, {"My-Header1", "value1"}, DATE}},
    {"get-header-value-order",
     "GET",
     "/",
     "",
     "host;my-header1;x-amz-date",
     "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
     {HOST,
      {"My-Header1", "value4"},
      {"My-Header1", "value1"},
      {"My-Header1", "value3"},
      {"My-Header1", "value2"},
      DATE}},
    {"get-header-value-trim",
     "GET",
     "/",
     "",
     "host;my-header1;my-header2;x-amz-date",
     "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
     {HOST, {"My-Header1", " value1"}, {"My-Header2", " \"a   b   c\""}, DATE}},
    {"get-vanilla-utf8-query",
     "GET",
     "/",
     "\xe1\x88\xb4=bar",
     "host;x-amz-date",
     "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
     {HOST, DATE}},
    {"post-vanilla",
     "POST",
     "/",
     "",
     "host;x-amz-date",
     "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
     {HOST, DATE}},
    {"post-vanilla-query",
     "POST",
     "/",
     "Param1=value1",
     "host;x-amz-date",
     "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
     {HOST, DATE}},
    {"post-x-www-form-urlencoded",
     "POST",
     "/",
     "",
     "content-type;host;x-amz-date",
     "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
     {{"Content-Type", "application/x-www-form-urlencoded"}, HOST, DATE},
     "Param1=value1"},
    {"IAM User Guide: ListUsers",
     "GET",
     "/",
     "Action=ListUsers&Version=2010-05-08",
     "content-type;host;x-amz-date",
     "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
     {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"},
      {"Host", "iam.amazonaws.com"},
      DATE},
     NULL,
     "iam"},
};

/* A request with its Authorization header. */
struct signed_request {
    struct sigv4_request req;
    struct sigv4_header headers[MAX_HEADERS + 1];
    char authorization[1024];
};

static void fill(struct signed_request *s, const struct known *k) {
    snprintf(s->authorization, sizeof(s->authorization),
             "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/%s/aws4_request, "
             "SignedHeaders=%s, Signature=%s",
             k->service ? k->service : "service", k->signed_headers, k->signature);
    s->req = (struct sigv4_request){.method = k->method,
                                    .path = k->path,
                                    .query = k->query,
                                    .headers = s->headers,
                                    .body = k->body,
                                    .body_len = k->body ? strlen(k->body) : 0};
    for (size_t i = 0; i < MAX_HEADERS && k->headers[i].name; i++)
        s->headers[s->req.header_count++] = k->headers[i];
    s->headers[s->req.header_count++] = headers_of("Authorization", s->authorization);
}

static enum sigv4_result judge(const struct sigv4_request *req, struct sigv4 *sig,
                               const char *secret, int64_t now) {
    enum sigv4_result r = sigv4_parse(req, sig);

    return r == SIGV4_OK ? sigv4_verify(sig, secret, now) : r;
}

static void known_answers(void **state) {
    for (size_t i = 0; i < ARRAY_SIZE(knowns); i++) {
        struct signed_request s;
        struct sigv4 sig;

        fill(&s, &knowns[i]);
        if (judge(&s.req, &sig, SECRET, NOW) != SIGV4_OK)
            fail_msg("%s: %s", knowns[i].name, sig.why ? sig.why : "wrong signature");
        assert_string_equal(sig.access_key, "AKIDEXAMPLE");
        assert_string_equal(sig.region, "us-east-1");
        assert_string_equal(sig.service, knowns[i].service ? knowns[i].service : "service");
        assert_int_equal(sig.time, NOW);

        assert_int_equal(judge(&s.req, &sig, SECRET "x", NOW), SIGV4_MISMATCH);
        assert_int_equal(judge(&s.req, &sig, NULL, NOW), SIGV4_UNKNOWN_KEY);
        s.req.method = "PUT";
        assert_int_equal(judge(&s.req, &sig, SECRET, NOW), SIGV4_MISMATCH);
    }
}

/* The request of post-x-www-form-urlencoded, to be changed. */
static void fill_form(struct signed_request *s) {
    for (size_t i = 0; i < ARRAY_SIZE(knowns); i++)
        if (!strcmp(knowns[i].name, "post-x-www-form-urlencoded"))
            fill(s, &knowns[i]);
}

static void changes_are_seen(void **state) {
    struct signed_request s;
    struct sigv4 sig;

    fill_form(&s);
    s.req.body_len--;
    assert_int_equal(judge(&s.req, &sig, SECRET, NOW), SIGV4_MISMATCH);
    fill_form(&s);
    s.req.query = "Action=DeleteVpc";
    assert_int_equal(judge(&s.req, &sig, SECRET, NOW), SIGV4_MISMATCH);
    fill_form(&s);
    s.req.path = "/x";
    assert_int_equal(judge(&s.req, &sig, SECRET, NOW), SIGV4_MISMATCH);
    fill_form(&s);
    s.headers[1].value = "other.amazonaws.com";
    assert_int_equal(judge(&s.req, &sig, SECRET, NOW), SIGV4_MISMATCH);
    fill_form(&s);
    s.headers[0].value = "text/plain";
    assert_int_equal(judge(&s.req, &sig, SECRET, NOW), SIGV4_MISMATCH);
}

static void clock_skew(void **state) {
    static const struct {
        int64_t now;
        enum sigv4_result result;
    } rows[] = {
        {NOW + SIGV4_SKEW, SIGV4_OK}, {NOW + SIGV4_SKEW + 1, SIGV4_EXPIRED},
        {NOW - SIGV4_SKEW, SIGV4_OK}, {NOW - SIGV4_SKEW - 1, SIGV4_EXPIRED},
        {0, SIGV4_EXPIRED},           {INT64_MAX, SIGV4_EXPIRED},
    };
    struct signed_request s;
    struct sigv4 sig;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        fill_form(&s);
        assert_int_equal(judge(&s.req, &sig, SECRET, rows[i].now), rows[i].result);
    }
}

#define CRED "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"
#define SIGNED "SignedHeaders=content-type;host;x-amz-date"
#define HASH "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"

static void authorization_headers(void **state) {
    static const struct {
        const char *text;
        enum sigv4_result result;
    } rows[] = {
        {"AWS4-HMAC-SHA256 " CRED "," SIGNED ",Signature=" HASH, SIGV4_OK},
        {"AWS4-HMAC-SHA256 Signature=" HASH " , " SIGNED ",\t" CRED, SIGV4_OK},
        {"AWS4-HMAC-SHA256  " CRED ", " SIGNED ", Signature=" HASH ",", SIGV4_OK},
        {"", SIGV4_INCOMPLETE},
        {"AWS4-HMAC-SHA256", SIGV4_INCOMPLETE},
        {"AWS4-HMAC-SHA1 " CRED "," SIGNED ",Signature=" HASH, SIGV4_INCOMPLETE},
        {"AWS AKIDEXAMPLE:c2lnbmF0dXJl", SIGV4_INCOMPLETE},
        {"Basic dTpw", SIGV4_INCOMPLETE},
        {"AWS4-HMAC-SHA256 " SIGNED ",Signature=" HASH, SIGV4_INCOMPLETE},
        {"AWS4-HMAC-SHA256 " CRED ",Signature=" HASH, SIGV4_INCOMPLETE},
        {"AWS4-HMAC-SHA256 " CRED "," SIGNED, SIGV4_INCOMPLETE},
        {"AWS4-HMAC-SHA256 " CRED "," CRED "," SIGNED ",Signature=" HASH, SIGV4_INCOMPLETE},
        {"AWS4-HMAC-SHA256 " CRED "," SIGNED ",Signature=" HASH ",X=y", SIGV4_INCOMPLETE},
        {"AWS4-HMAC-SHA256 " CRED " " SIGNED ",Signature=" HASH, SIGV4_INCOMPLETE},
        {"AWS4-HMAC-SHA256 " CRED "," SIGNED ",Signature=", SIGV4_INCOMPLETE},
        {"AWS4-HMAC-SHA256 " CRED "," SIGNED ",Signature=FF", SIGV4_INCOMPLETE},
        {"AWS4-HMAC-SHA256 " CRED "," SIGNED ",Signature=" HASH "00", SIGV4_INCOMPLETE},
        {"AWS4-HMAC-SHA256 " CRED ",SignedHeaders=content-type;x-amz-date,Signature=" HASH,
         SIGV4_INCOMPLETE},
        {"AWS4-HMAC-SHA256 " CRED ",SignedHeaders=content-type;host,Signature=" HASH,
         SIGV4_INCOMPLETE},
        {"AWS4-HMAC-SHA256 " CRED ",SignedHeaders=host;content-type;x-amz-date,Signature=" HASH,
         SIGV4_INCOMPLETE},
        {"AWS4-HMAC-SHA256 " CRED ",SignedHeaders=host;host;x-amz-date,Signature=" HASH,
         SIGV4_INCOMPLETE},
        {"AWS4-HMAC-SHA256 " CRED ",SignedHeaders=Host;x-amz-date,Signature=" HASH,
         SIGV4_INCOMPLETE},
        {"AWS4-HMAC-SHA256 " CRED ",SignedHeaders=host;;x-amz-date,Signature=" HASH,
         SIGV4_INCOMPLETE},
        {"AWS4-HMAC-SHA256 " CRED ",SignedHeaders=host;not-there;x-amz-date,Signature=" HASH,
         SIGV4_INCOMPLETE},
        {"AWS4-HMAC-SHA256 " CRED "/x," SIGNED ",Signature=" HASH, SIGV4_INCOMPLETE},
        {"AWS4-HMAC-SHA256 Credential=AKID/20150830/us-east-1/aws4_request," SIGNED
         ",Signature=" HASH,
         SIGV4_INCOMPLETE},
        {"AWS4-HMAC-SHA256 Credential=/20150830/us-east-1/ec2/aws4_request," SIGNED
         ",Signature=" HASH,
         SIGV4_INCOMPLETE},
        {"AWS4-HMAC-SHA256 Credential=AKID/20150831/us-east-1/ec2/aws4_request," SIGNED
         ",Signature=" HASH,
         SIGV4_INCOMPLETE},
        {"AWS4-HMAC-SHA256 Credential=A KID/20150830/us-east-1/ec2/aws4_request," SIGNED
         ",Signature=" HASH,
         SIGV4_INCOMPLETE},
        {"AWS4-HMAC-SHA256 Credential=AKID/20150830/us-east-1;x/ec2/aws4_request," SIGNED
         ",Signature=" HASH,
         SIGV4_INCOMPLETE},
        {"AWS4-HMAC-SHA256 Credential=AKID/20150830/us-west-2/service/aws4_request," SIGNED
         ",Signature=" HASH,
         SIGV4_MISMATCH},
    };
    struct signed_request s;
    struct sigv4 sig;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        fill_form(&s);
        s.headers[s.req.header_count - 1].value = rows[i].text;
        if (judge(&s.req, &sig, SECRET, NOW) != rows[i].result)
            fail_msg("%s", rows[i].text);
    }
}

static void dates(void **state) {
    static const char *const bad[] = {"",
                                      "20150830",
                                      "20150830T123600",
                                      "2015083OT123600Z",
                                      "20150830t123600z",
                                      "20150830T123600Zx",
                                      "20150830T126000Z",
                                      "20150830T243600Z",
                                      "20150230T123600Z",
                                      "20151330T123600Z",
                                      "2015-08-30T12:36Z",
                                      "Sun, 30 Aug 2015 12:36:00 GMT"};
    struct signed_request s;
    struct sigv4 sig;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        fill_form(&s);
        s.headers[2].value = bad[i];
        assert_int_equal(judge(&s.req, &sig, SECRET, NOW), SIGV4_INCOMPLETE);
    }
    fill_form(&s);
    s.headers[2].name = "X-Date";
    assert_int_equal(judge(&s.req, &sig, SECRET, NOW), SIGV4_INCOMPLETE);
}

static void extra_headers(void **state) {
    static const struct {
        const char *name, *value;
        enum sigv4_result result;
    } rows[] = {
        {"X-Amz-User-Agent", "an SDK", SIGV4_OK},
        {"X-Custom", "not signed, not harmful", SIGV4_OK},
        {"X-Amz-Target", "x", SIGV4_INCOMPLETE},
        {"x-amz-security-token", "x", SIGV4_INCOMPLETE},
        {"x-amz-content-sha256", "UNSIGNED-PAYLOAD", SIGV4_INCOMPLETE},
        {"X-Amz-Date", STAMP, SIGV4_INCOMPLETE},
        {"Authorization", "AWS4-HMAC-SHA256 x", SIGV4_INCOMPLETE},
        {"Content-Type", "text/plain", SIGV4_MISMATCH},
        {"Host", "other", SIGV4_MISMATCH},
    };
    struct signed_request s;
    struct sigv4 sig;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        fill_form(&s);
        s.headers[s.req.header_count++] = headers_of(rows[i].name, rows[i].value);
        if (judge(&s.req, &sig, SECRET, NOW) != rows[i].result)
            fail_msg("%s: %s", rows[i].name, rows[i].value);
    }
}

static void unsigned_requests(void **state) {
    struct signed_request s;
    struct sigv4_error e;
    struct sigv4 sig;

    fill_form(&s);
    s.req.header_count--;
    assert_int_equal(sigv4_parse(&s.req, &sig), SIGV4_MISSING);
    e = sigv4_error(&sig, SIGV4_MISSING);
    assert_int_equal(e.status, 403);
    assert_string_equal(e.code, "MissingAuthenticationToken");
    s.req.query = "AWSAccessKeyId=AKID&SignatureVersion=2&Signature=x";
    assert_int_equal(sigv4_parse(&s.req, &sig), SIGV4_INCOMPLETE);
    assert_non_null(strstr(sigv4_error(&sig, SIGV4_INCOMPLETE).message, "Version 4"));
    s.req.query = "a=%4";
    assert_int_equal(sigv4_parse(&s.req, &sig), SIGV4_INCOMPLETE);
}

static void errors_as_each_service_has_them(void **state) {
    struct sigv4 ec2 = {.service = "ec2"}, sts = {.service = "sts"};

    assert_string_equal(sigv4_error(&ec2, SIGV4_MISMATCH).code, "AuthFailure");
    assert_string_equal(sigv4_error(&ec2, SIGV4_UNKNOWN_KEY).code, "AuthFailure");
    assert_string_equal(sigv4_error(&ec2, SIGV4_UNKNOWN_KEY).message,
                        sigv4_error(&ec2, SIGV4_MISMATCH).message);
    assert_string_equal(sigv4_error(&ec2, SIGV4_EXPIRED).code, "RequestExpired");
    assert_string_equal(sigv4_error(&sts, SIGV4_MISMATCH).code, "SignatureDoesNotMatch");
    assert_string_equal(sigv4_error(&sts, SIGV4_UNKNOWN_KEY).code, "InvalidClientTokenId");
    assert_int_equal(sigv4_error(&ec2, SIGV4_MISMATCH).status, 401);
    assert_int_equal(sigv4_error(&sts, SIGV4_MISMATCH).status, 403);
}

static void queries_have_one_form(void **state) {
    static const struct {
        const char *query, *canonical;
    } rows[] = {
        {"", ""},
        {"a", "a="},
        {"a=b", "a=b"},
        {"&&a=b&", "a=b"},
        {"b=2&a=1", "a=1&b=2"},
        {"a=2&a=1", "a=1&a=2"},
        {"a=b=c", "a=b%3Dc"},
        {"%61=%62", "a=b"},
        {"a=%2f%2F", "a=%2F%2F"},
        {"a=x+y", "a=x%20y"},
        {"a=x%2By", "a=x%2By"},
        {"a=\xc3\xa4", "a=%C3%A4"},
        {"a=%00", "a=%00"},
        {"a=%26b%3D", "a=%26b%3D"},
        {"ab=1&a=2&A=3", "A=3&a=2&ab=1"},
        {"Filter.10=a&Filter.1=b&Filter.1.x=c", "Filter.1=b&Filter.1.x=c&Filter.10=a"},
        {"=a", "=a"},
    };
    static const char *const bad[] = {"%", "a=%", "a=%4", "a=%4g", "a=%g4", "%zz=b"};
    struct sigv4_request req = {.method = "GET", .path = "/"};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _buf_ struct buf out = BUF_INIT, expected = BUF_INIT;
        struct sigv4_query query;

        assert_int_equal(sigv4_query_parse(rows[i].query, &query), 0);
        sigv4_canonical_request(&req, &query, NULL, "", "hash", &out);
        buf_addf(&expected, "GET\n/\n%s\n\n\nhash", rows[i].canonical);
        assert_string_equal(out.data, expected.data);
        sigv4_query_free(&query);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct sigv4_query query;

        assert_true(sigv4_query_parse(bad[i], &query) < 0);
        sigv4_query_free(&query);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(changes_are_seen),
        cmocka_unit_test(clock_skew),
        cmocka_unit_test(authorization_headers),
        cmocka_unit_test(dates),
        cmocka_unit_test(extra_headers),
        cmocka_unit_test(unsigned_requests),
        cmocka_unit_test(errors_as_each_service_has_them),
        cmocka_unit_test(queries_have_one_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
