/* SPDX-License-Identifier: Apache-2.0 */
/* The metadata service without any network: requests as a client writes them, and the replies. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "services/imds_identity.h"
#include "services/imds_token.h"
#include "services/test_imds_world.h"

static void test_tokens(void **state) {
    const struct metadata_options before =
        ((const struct instance *)index_get(ix, KIND_INSTANCE, scope, "i-1"))->metadata;
    struct metadata_options m = before;
    struct answer t = put_token("eni-1", "X-aws-ec2-metadata-token-ttl-seconds: 60\r\n"), a;
    char other[200];

    assert_int_equal(t.status, 200);
    assert_int_equal(t.len, 56);
    assert_int_equal(t.hops, 2);
    assert_non_null(strstr(t.head, "X-Aws-Ec2-Metadata-Token-Ttl-Seconds: 60\r\n"));
    a = get_with("eni-1", t.body);
    assert_string_equal(a.body, "i-1");
    assert_int_equal(a.hops, 0);
    assert_non_null(strstr(a.head, "X-Aws-Ec2-Metadata-Token-Ttl-Seconds: 60\r\n"));
    /* Another interface of the instance has the same session, another instance has not. */
    assert_body(get_with("eni-2", t.body), "i-1");
    assert_status(get_with("eni-3", t.body), 401);
    /* To the second. */
    now += 59;
    a = get_with("eni-1", t.body);
    assert_non_null(strstr(a.head, "Seconds: 1\r\n"));
    now += 1;
    assert_status(get_with("eni-1", t.body), 401);
    now -= 60;
    /* After a reboot the clock begins again: nothing lives longer than a token may. */
    now -= IMDS_TTL_MAX;
    assert_status(get_with("eni-1", t.body), 401);
    now += IMDS_TTL_MAX;
    /* Each of its characters counts but for the padding's unused bits. */
    for (size_t i = 0; i < 53; i++) {
        snprintf(other, sizeof(other), "%.56s", t.body);
        other[i] = other[i] == 'A' ? 'B' : 'A';
        assert_status(get_with("eni-1", other), 401);
    }
    assert_status(get_with("eni-1", ""), 401);
    assert_status(get_with("eni-1", "AQAAA"), 401);
    snprintf(other, sizeof(other), "%.56s\r\nX-aws-ec2-metadata-token: %.56s", t.body, t.body);
    assert_status(get_with("eni-1", other), 401);
    a = put_token("eni-1", "X-aws-ec2-metadata-token-ttl-seconds: 60\r\n");
    assert_string_not_equal(a.body, t.body);

    /* A change of the options acts on the next request. */
    m.tokens = TOKENS_REQUIRED;
    set_options("i-1", m);
    assert_status(meta("eni-1", "instance-id"), 401);
    assert_status(get("eni-1", "/"), 401);
    assert_body(get_with("eni-1", t.body), "i-1");
    m.endpoint = STATE_DISABLED;
    set_options("i-1", m);
    assert_status(get_with("eni-1", t.body), 403);
    assert_status(put_token("eni-1", "X-aws-ec2-metadata-token-ttl-seconds: 60\r\n"), 403);
    set_options("i-1", before);
    assert_body(meta("eni-1", "instance-id"), "i-1");
}

static void test_token_requests(void **state) {
    static const char *const bad[] = {
        "",
        "X-aws-ec2-metadata-token-ttl-seconds: 0\r\n",
        "X-aws-ec2-metadata-token-ttl-seconds: 21601\r\n",
        "X-aws-ec2-metadata-token-ttl-seconds: -1\r\n",
        "X-aws-ec2-metadata-token-ttl-seconds: 60s\r\n",
        "X-aws-ec2-metadata-token-ttl-seconds:\r\n",
        "X-aws-ec2-metadata-token-ttl-seconds: 99999999999999999999\r\n",
        "X-aws-ec2-metadata-token-ttl-seconds: 6\r\nX-aws-ec2-metadata-token-ttl-seconds: 6\r\n",
    };
    struct answer a;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_status(put_token("eni-1", bad[i]), 400);
    assert_status(put_token("eni-1", "X-aws-ec2-metadata-token-ttl-seconds: 1\r\n"), 200);
    assert_status(put_token("eni-1", "X-aws-ec2-metadata-token-ttl-seconds: 21600\r\n"), 200);
    a = put_token("eni-1",
                  "x-forwarded-for: 1.2.3.4\r\nX-aws-ec2-metadata-token-ttl-seconds: 9\r\n");
    assert_int_equal(a.status, 403);
    assert_null(strstr(a.head, "Ttl-Seconds"));
    assert_int_equal(a.hops, 2);
    assert_status(ask("eni-1", "PUT /2021-03-23/api/token HTTP/1.1\r\nHost: x\r\n"
                               "X-aws-ec2-metadata-token-ttl-seconds: 9\r\n\r\n"),
                  403);
    a = ask("eni-1", "PUT /latest/meta-data/ HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(a.status, 405);
    assert_non_null(strstr(a.head, "Allow: GET, HEAD\r\n"));
    a = get("eni-1", "/latest/api/token");
    assert_int_equal(a.status, 405);
    assert_non_null(strstr(a.head, "Allow: PUT\r\n"));
}

static void test_http(void **state) {
    static const struct {
        const char *request;
        int status;
    } rows[] = {
        {"POST / HTTP/1.1\r\nHost: x\r\n\r\n", 405},
        {"DELETE /latest/meta-data/ HTTP/1.1\r\nHost: x\r\n\r\n", 405},
        {"OPTIONS / HTTP/1.1\r\nHost: x\r\n\r\n", 405},
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.0\r\n\r\n", 200},
        {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505},
        {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx", 413},
        {"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411},
        {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 200},
        {"GET http://x/latest/meta-data/mac HTTP/1.1\r\nHost: x\r\n\r\n", 200},
        {"GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"\r\n", 400},
        {"GET / HTTP/1.1\nHost: x\n\n", 400},
        {"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 501},
    };
    char request[12000];
    struct answer a;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_status(ask("eni-1", rows[i].request), rows[i].status);
        assert_status(ask_by("eni-1", IP_V4, rows[i].request, 1), rows[i].status);
    }
    a = ask("eni-1", "HEAD /latest/meta-data/instance-id HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(a.status, 200);
    assert_int_equal(a.len, 0);
    assert_non_null(strstr(a.head, "Content-Length: 3\r\n"));
    assert_status(ask("eni-1", "GET /latest/meta-data/instance-id HTTP/1.1\r\nHost: x\r\n"), 0);
    memset(request, 'a', sizeof(request));
    memcpy(request, "GET /", 5);
    request[3000] = 0;
    assert_status(ask("eni-1", request), 414);
    memset(request, 'a', sizeof(request));
    memcpy(request, "GET / HTTP/1.1\r\nHost: x\r\nA: ", 28);
    request[sizeof(request) - 1] = 0;
    assert_status(ask("eni-1", request), 431);
    /* What EC2 sends with each reply and each error. */
    a = meta("eni-1", "nothing");
    assert_int_equal(a.status, 404);
    assert_memory_equal(a.head, "HTTP/1.1 404 Not Found\r\n", 24);
    assert_non_null(strstr(a.head, "Content-Type: text/html\r\n"));
    assert_non_null(strstr(a.head, "Server: EC2ws\r\nConnection: close\r\n"));
    assert_non_null(strstr(a.body, "<title>404 - Not Found</title>"));
    a = meta("eni-1", "mac");
    assert_non_null(strstr(a.head, "Content-Type: text/plain\r\n"));
}

static void test_ipv6_endpoint(void **state) {
    const char *request =
        "GET /latest/meta-data/instance-id HTTP/1.1\r\nHost: [fd00:ec2::254]\r\n\r\n";

    assert_body(ask_by("eni-1", IP_V6, request, 4096), "i-1");
    assert_status(ask_by("eni-3", IP_V6, request, 4096), 403);
    assert_body(ask_by("eni-3", IP_V4, request, 4096), "i-2");
}

static void test_who(void **state) {
    assert_body(meta("eni-1", "instance-id"), "i-1");
    assert_body(meta("eni-2", "instance-id"), "i-1");
    assert_body(meta("eni-3", "instance-id"), "i-2");
    assert_status(meta("eni-4", "instance-id"), 404);
    assert_status(meta("eni-4", ""), 404);
    assert_status(put_token("eni-4", "X-aws-ec2-metadata-token-ttl-seconds: 60\r\n"), 404);
    /* The interfaces of others are not in the tree. */
    assert_status(meta("eni-1", "network/interfaces/macs/02:00:00:00:00:03/mac"), 404);
}

static void test_tree(void **state) {
    static const struct {
        const char *path, *value; /* NULL: 404 */
    } rows[] = {
        {"ami-id", "ami-0000000000000netns"},
        {"ami-launch-index", "0"},
        {"ami-manifest-path", "(unknown)"},
        {"block-device-mapping/", "ami\nroot"},
        {"block-device-mapping/root", "/dev/xvda"},
        {"events/maintenance/", "history\nscheduled"},
        {"events/maintenance/scheduled", "[]"},
        {"events/recommendations/rebalance", NULL},
        {"hostname", "ip-10-0-1-5.ec2.internal"},
        {"iam/", NULL},
        {"iam/security-credentials/", NULL},
        {"instance-action", "none"},
        {"instance-id/", "i-1"},
        {"instance-id/x", NULL},
        {"instance-life-cycle", "on-demand"},
        {"instance-type", "t3.micro"},
        {"ipv6", "2001:db8::5"},
        {"local-hostname", "ip-10-0-1-5.ec2.internal"},
        {"local-ipv4", "10.0.1.5"},
        {"mac", "02:00:00:00:00:01"},
        {"network", "interfaces/"},
        {"network/interfaces/", "macs/"},
        {"network/interfaces/macs/", "02:00:00:00:00:01/\n02:00:00:00:00:02/"},
        {"placement/", "availability-zone\navailability-zone-id\nregion"},
        {"placement/availability-zone", "us-east-1b"},
        {"placement/region", "us-east-1"},
        {"placement/group-name", NULL},
        {"public-hostname", "ec2-203-0-113-5.compute-1.amazonaws.com"},
        {"public-ipv4", "203.0.113.5"},
        {"public-keys/", "0=mine"},
        {"public-keys/0/", "openssh-key"},
        {"public-keys/0/openssh-key", "ssh-ed25519 AAAA mine"},
        {"public-keys/1/openssh-key", NULL},
        {"reservation-id", "r-1"},
        {"security-groups", "web\nssh"},
        {"services/domain", "amazonaws.com"},
        {"services/partition", "aws"},
        {"spot/instance-action", NULL},
        {"tags/", "instance/"},
        {"tags/instance", "Name\na@b:c"},
        {"tags/instance/Name", "web server"},
        {"tags/instance/a%40b:c", ""},
        {"tags/instance/name", NULL},
        {"tags/instance/has/slash", NULL},
        {"tags/instance/has%2fslash", NULL},
    };
    static const char list[] =
        "ami-id\nami-launch-index\nami-manifest-path\nblock-device-mapping/\nevents/\nhostname\n"
        "instance-action\ninstance-id\ninstance-life-cycle\ninstance-type\nipv6\nlocal-hostname\n"
        "local-ipv4\nmac\nnetwork/\nplacement/\nprofile\npublic-hostname\npublic-ipv4\n"
        "public-keys/\nreservation-id\nsecurity-groups\nservices/\ntags/";
    struct answer a;

    assert_body(meta("eni-1", ""), list);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        a = meta("eni-1", rows[i].path);
        if (a.status != (rows[i].value ? 200 : 404) ||
            (rows[i].value && strcmp(a.body, rows[i].value) != 0))
            fail_msg("%s: %d %s", rows[i].path, a.status, a.body);
    }
    /* Who has none of it: no name in the listing, and 404. */
    a = meta("eni-3", "");
    assert_null(strstr(a.body, "public"));
    assert_null(strstr(a.body, "tags"));
    assert_null(strstr(a.body, "ipv6"));
    assert_status(meta("eni-3", "public-ipv4"), 404);
    assert_status(meta("eni-3", "tags/instance"), 404);
    assert_status(meta("eni-3", "tags/instance/Name"), 404);
    assert_status(get("eni-3", "/latest/user-data"), 404);
    assert_body(get("eni-3", "/latest/"), "dynamic\nmeta-data");
    assert_body(meta("eni-3", "local-hostname"), "ip-10-0-1-5.corp.example");
}

static void test_interface(void **state) {
    static const struct {
        const char *name, *first, *second;
    } rows[] = {
        {"device-number", "0", "1"},
        {"interface-id", "eni-1", "eni-2"},
        {"ipv4-associations/", "203.0.113.5", NULL},
        {"ipv4-associations/203.0.113.5", "10.0.1.5", NULL},
        {"ipv4-associations/203.0.113.6", NULL, NULL},
        {"ipv4-prefix", "10.0.1.32/28", NULL},
        {"ipv6-prefix", NULL, NULL},
        {"ipv6s", "2001:db8::5", NULL},
        {"local-hostname", "ip-10-0-1-5.ec2.internal", "ip-10-0-1-9.ec2.internal"},
        {"local-ipv4s", "10.0.1.5\n10.0.1.6", "10.0.1.9"},
        {"mac", "02:00:00:00:00:01", "02:00:00:00:00:02"},
        {"network-card", "0", "0"},
        {"owner-id", "000000000001", "000000000001"},
        {"public-hostname", "ec2-203-0-113-5.compute-1.amazonaws.com", NULL},
        {"public-ipv4s", "203.0.113.5", NULL},
        {"security-group-ids", "sg-1\nsg-2", "sg-2"},
        {"security-groups", "web\nssh", "ssh"},
        {"subnet-id", "subnet-a", "subnet-a"},
        {"subnet-ipv4-cidr-block", "10.0.1.0/24", "10.0.1.0/24"},
        {"subnet-ipv6-cidr-blocks", "2001:db8::/64", "2001:db8::/64"},
        {"vpc-id", "vpc-a", "vpc-a"},
        {"vpc-ipv4-cidr-block", "10.0.0.0/16", "10.0.0.0/16"},
        {"vpc-ipv4-cidr-blocks", "10.0.0.0/16\n10.1.0.0/16", "10.0.0.0/16\n10.1.0.0/16"},
        {"vpc-ipv6-cidr-blocks", "2001:db8::/56", "2001:db8::/56"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        for (int e = 0; e < 2; e++) {
            const char *value = e ? rows[i].second : rows[i].first;
            char path[200];
            struct answer a;

            snprintf(path, sizeof(path), "network/interfaces/macs/02:00:00:00:00:0%d/%s", e + 1,
                     rows[i].name);
            a = meta("eni-1", path);
            if (a.status != (value ? 200 : 404) || (value && strcmp(a.body, value) != 0))
                fail_msg("%s: %d %s", path, a.status, a.body);
        }
}

static void test_paths(void **state) {
    static const char *const missing[] = {
        "/latest/meta-data/../meta-data/mac",
        "/latest/meta-data/%2e%2e/mac",
        "/latest/./meta-data/mac",
        "/etc/passwd",
        "/latest/meta-data/m%61c%00",
        "/latest/meta-data/%",
        "/latest/meta-data/%zz",
        "/2099-01-01/meta-data/mac",
        "/latestt/meta-data/mac",
        "/latest/metadata/mac",
        "/latest/meta-data/network/interfaces/macs/zz/mac",
        "/latest/meta-data/network/interfaces/macs/02:00:00:00:00:01:02/mac",
        "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r",
    };
    struct answer a;

    for (size_t i = 0; i < ARRAY_SIZE(missing); i++)
        assert_status(get("eni-1", missing[i]), 404);
    assert_body(get("eni-1", "/latest/meta-data/m%61c"), "02:00:00:00:00:01");
    assert_body(get("eni-1", "//latest//meta-data///mac?x=y"), "02:00:00:00:00:01");
    /* A version knows what it brought and what was there before. */
    assert_body(get("eni-1", "/2009-04-04/meta-data/placement/"), "availability-zone");
    assert_status(get("eni-1", "/2009-04-04/meta-data/mac"), 404);
    assert_status(get("eni-1", "/2021-01-03/meta-data/tags/instance/Name"), 404);
    assert_body(get("eni-1", "/2021-03-23/meta-data/tags/instance/Name"), "web server");
    assert_status(get("eni-1", "/1.0/dynamic/"), 404);
    a = get("eni-1", "/");
    assert_memory_equal(a.body, "1.0\n2007-01-19\n", 15);
    assert_string_equal(a.body + a.len - 17, "2024-04-11\nlatest");
    assert_body(get("eni-1", "/latest"), "dynamic\nmeta-data\nuser-data");
    /* Bytes as they were given. */
    a = get("eni-1", "/latest/user-data");
    assert_int_equal(a.len, 6);
    assert_memory_equal(a.body, "a\0b\r\n\xff", 6);
    assert_non_null(strstr(a.head, "Content-Type: application/octet-stream\r\n"));
}

static const char document[] = "{\n"
                               "  \"accountId\" : \"000000000001\",\n"
                               "  \"architecture\" : \"%s\",\n"
                               "  \"availabilityZone\" : \"us-east-1b\",\n"
                               "  \"billingProducts\" : null,\n"
                               "  \"devpayProductCodes\" : null,\n"
                               "  \"marketplaceProductCodes\" : null,\n"
                               "  \"imageId\" : \"ami-0000000000000netns\",\n"
                               "  \"instanceId\" : \"i-1\",\n"
                               "  \"instanceType\" : \"t3.micro\",\n"
                               "  \"kernelId\" : null,\n"
                               "  \"pendingTime\" : \"2016-11-19T16:32:11Z\",\n"
                               "  \"privateIp\" : \"10.0.1.5\",\n"
                               "  \"ramdiskId\" : null,\n"
                               "  \"region\" : \"us-east-1\",\n"
                               "  \"version\" : \"2017-09-30\"\n"
                               "}";

static void test_identity(void **state) {
    const char *base = "/latest/dynamic/instance-identity/";
    struct answer d = get("eni-2", "/latest/dynamic/instance-identity/document"), s, p;
    char expected[1000], path[200];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    _free_ uint8_t *bytes = NULL, *der = NULL;
    const uint8_t *at;
    X509 *cert;
    FILE *f;
    BIO *out = BIO_new(BIO_s_mem());
    char *content;
    size_t n;
    PKCS7 *pkcs7;
    struct imds again = {0};
    struct instance *changed;
    const char *why;

    snprintf(expected, sizeof(expected), document, instance_architecture());
    assert_string_equal(d.body, expected);
    assert_body(get("eni-1", base), "document\npkcs7\nrsa2048\nsignature");
    assert_body(get("eni-1", "/latest/dynamic/"), "fws/\ninstance-identity/");
    assert_body(get("eni-1", "/latest/dynamic/fws/instance-monitoring"), "disabled");

    /* Whoever has the certificate can verify. */
    snprintf(path, sizeof(path), "%s/certificate.pem", (char *)*state);
    f = fopen(path, "r");
    assert_non_null(f);
    cert = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    assert_non_null(cert);
    s = get("eni-1", "/latest/dynamic/instance-identity/signature");
    assert_int_equal(base64_decode(s.body, &bytes, &n), 0);
    assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, X509_get0_pubkey(cert)),
                     1);
    assert_int_equal(EVP_DigestVerify(ctx, bytes, n, (const uint8_t *)d.body, d.len), 1);
    p = get("eni-1", "/latest/dynamic/instance-identity/rsa2048");
    assert_int_equal(base64_decode(p.body, &der, &n), 0);
    at = der;
    pkcs7 = d2i_PKCS7(NULL, &at, (long)n);
    assert_non_null(pkcs7);
    {
        STACK_OF(X509) *certs = sk_X509_new_null();

        sk_X509_push(certs, cert);
        assert_int_equal(PKCS7_verify(pkcs7, certs, NULL, NULL, out, PKCS7_NOVERIFY), 1);
        sk_X509_free(certs);
    }
    n = (size_t)BIO_get_mem_data(out, &content);
    assert_int_equal(n, d.len);
    assert_memory_equal(content, d.body, n);
    /* Signed once: what is asked again is what was made. */
    s = get("eni-1", "/latest/dynamic/instance-identity/pkcs7");
    assert_string_equal(s.body, p.body);
    /* The other instance's are its own. */
    s = get("eni-3", "/latest/dynamic/instance-identity/pkcs7");
    assert_string_not_equal(s.body, p.body);
    /* A document that changed is signed anew. */
    changed = obj_clone(index_get(ix, KIND_INSTANCE, scope, "i-1"));
    obj_set(&changed->o, &changed->type, "t3.large");
    world_put(changed);
    s = get("eni-1", "/latest/dynamic/instance-identity/pkcs7");
    assert_int_equal(s.status, 200);
    assert_string_not_equal(s.body, p.body);
    /* The next start has the same key. */
    assert_int_equal(identity_open(*state, &again.identity, &why), 0);
    identity_free(again.identity);

    BIO_free(out);
    PKCS7_free(pkcs7);
    X509_free(cert);
    EVP_MD_CTX_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),    cmocka_unit_test(test_token_requests),
        cmocka_unit_test(test_http),      cmocka_unit_test(test_ipv6_endpoint),
        cmocka_unit_test(test_who),       cmocka_unit_test(test_tree),
        cmocka_unit_test(test_interface), cmocka_unit_test(test_paths),
        cmocka_unit_test(test_identity),
    };

    return cmocka_run_group_tests_name("imds", tests, world_set_up, world_tear_down);
}
