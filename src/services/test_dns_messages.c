/* SPDX-License-Identifier: Apache-2.0 */
/* Questions that are spoilt in every way, and EDNS; the replies are read by ldns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "model/regions.h"
#include "model/vpc.h"
#include "services/dns_answer.h"

struct said {
    enum dns_verdict verdict;
    struct dns_query q;
    uint8_t out[DNS_MESSAGE_MAX];
    size_t len;
    ldns_pkt *pkt; /* NULL: no reply */
};

static struct index *ix;
static struct vpc *vpc;

static int setup(void **state) {
    ix = index_new();
    vpc = obj_new(KIND_VPC, (struct scope){.account = 1, .region = region_by_name("us-east-1")},
                  "vpc-1");
    vpc->dns_support = vpc->dns_hostnames = true;
    return 0;
}

static int teardown(void **state) {
    obj_unref(vpc);
    index_free(ix);
    return 0;
}

static void forget(struct said *s) {
    ldns_pkt_free(s->pkt);
    s->pkt = NULL;
}

static void say(struct said *s, const uint8_t *msg, size_t len) {
    s->verdict = dns_answer(ix, vpc, false, msg, len, &s->q, s->out, &s->len);
    s->pkt = NULL;
    if (s->verdict == DNS_REPLY)
        assert_int_equal(ldns_wire2pkt(&s->pkt, s->out, s->len), LDNS_STATUS_OK);
}

/* "ip-10-0-1-5.ec2.internal" A, as bytes that tests spoil. */
static size_t plain(uint8_t *out) {
    static const uint8_t q[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
                               "\x0bip-10-0-1-5\x03"
                               "ec2\x08internal\x00\x00\x01\x00\x01";

    memcpy(out, q, sizeof(q) - 1);
    return sizeof(q) - 1;
}

static void expect(const uint8_t *msg, size_t len, int rcode) {
    struct said s;

    say(&s, msg, len);
    if (rcode < 0) {
        assert_int_equal(s.verdict, DNS_DROP);
        return;
    }
    assert_int_equal(s.verdict, DNS_REPLY);
    assert_int_equal((int)ldns_pkt_get_rcode(s.pkt) | ldns_pkt_edns_extended_rcode(s.pkt) << 4,
                     rcode);
    assert_int_equal(ldns_pkt_id(s.pkt), 0x1234);
    forget(&s);
}

static void malformed_questions(void **state) {
    uint8_t m[600];
    const size_t n = plain(m);
    struct said s;

    expect(m, n, DNS_NOERROR);
    for (size_t cut = 0; cut < n; cut++)
        expect(m, cut, cut < DNS_HEADER ? -1 : DNS_FORMERR);
    m[n] = 0;
    expect(m, n + 1, DNS_FORMERR); /* something behind it */
    m[2] = 0x81;
    expect(m, n, -1); /* an answer */
    m[2] = 0x29;
    expect(m, n, DNS_NOTIMP); /* update */
    say(&s, m, n);
    assert_int_equal(s.len, DNS_HEADER);
    assert_int_equal(ldns_pkt_get_opcode(s.pkt), 5);
    forget(&s);
    m[2] = 0x03;
    expect(m, n, DNS_FORMERR); /* truncated */
    m[2] = 0x00;
    expect(m, n, DNS_REFUSED); /* not recursive */
    m[2] = 0x01;
    for (int at = 5; at < 12; at += 2) {
        m[at] = at == 5 ? 2 : 1; /* two questions; answers, authorities, additionals not there */
        expect(m, n, DNS_FORMERR);
        m[at] = at == 5 ? 0 : 1;
        if (at == 5)
            expect(m, n, DNS_FORMERR);
        m[at] = at == 5;
    }
    m[12] = 0xc0; /* a pointer to itself, and one to the header */
    m[13] = 12;
    expect(m, n, DNS_FORMERR);
    m[13] = 0;
    expect(m, n, DNS_FORMERR);
    m[13] = 10; /* to a zero byte, which would be the root */
    memcpy(m + 14, "\0\1\0\1", 4);
    expect(m, 18, DNS_FORMERR);
    m[12] = 0x40;
    expect(m, n, DNS_FORMERR);
    plain(m);
    m[n - 1] = 3; /* CHAOS */
    expect(m, n, DNS_REFUSED);
    m[n - 1] = 255;
    expect(m, n, DNS_REFUSED);
    plain(m);
    m[n - 3] = 252; /* AXFR */
    expect(m, n, DNS_REFUSED);
    m[n - 3] = 250;
    expect(m, n, DNS_NOTIMP);
    m[n - 3] = 41;
    expect(m, n, DNS_FORMERR);
}

/* Appends an OPT record. */
static size_t with_opt(uint8_t *m, size_t n, uint16_t size, uint8_t version, bool dnssec,
                       const char *data, uint16_t len) {
    const uint8_t opt[] = {0,
                           0,
                           41,
                           (uint8_t)(size >> 8),
                           (uint8_t)size,
                           0,
                           version,
                           dnssec ? 0x80 : 0,
                           0,
                           (uint8_t)(len >> 8),
                           (uint8_t)len};

    memcpy(m + n, opt, sizeof(opt));
    if (len)
        memcpy(m + n + sizeof(opt), data, len);
    m[11]++;
    return n + sizeof(opt) + len;
}

static void edns(void **state) {
    uint8_t m[600];
    const size_t n = plain(m);
    struct said s;

    assert_int_equal(n, plain(m));
    say(&s, m, n);
    assert_false(ldns_pkt_edns(s.pkt)); /* who does not speak it is not answered in it */
    assert_int_equal(s.q.udp_size, 512);
    forget(&s);
    say(&s, m, with_opt(m, n, 4096, 0, true, NULL, 0));
    assert_true(ldns_pkt_edns(s.pkt));
    assert_true(ldns_pkt_edns_do(s.pkt));
    assert_int_equal(ldns_pkt_edns_udp_size(s.pkt), DNS_UDP_MAX);
    assert_int_equal(s.q.udp_size, DNS_UDP_MAX);
    forget(&s);
    plain(m);
    say(&s, m, with_opt(m, n, 100, 0, false, NULL, 0));
    assert_int_equal(s.q.udp_size, 512);
    assert_false(ldns_pkt_edns_do(s.pkt));
    forget(&s);
    plain(m);
    expect(m, with_opt(m, n, 1232, 1, false, NULL, 0), DNS_BADVERS);
    plain(m); /* a cookie, and an option that nobody knows */
    expect(m,
           with_opt(m, n, 1232, 0, false,
                    "\0\x0a\0\x08"
                    "12345678\xff\xff\0\0",
                    16),
           DNS_NOERROR);
    plain(m); /* an option longer than what is there */
    expect(m,
           with_opt(m, n, 1232, 0, false,
                    "\0\x0a\0\x09"
                    "12345678",
                    12),
           DNS_FORMERR);
    plain(m);
    expect(m, with_opt(m, n, 1232, 0, false, "\0\x0a\0", 3), DNS_FORMERR);
    plain(m); /* two of them */
    expect(m, with_opt(m, with_opt(m, n, 1232, 0, false, NULL, 0), 1232, 0, false, NULL, 0),
           DNS_FORMERR);
    plain(m); /* not at the root */
    {
        size_t len = with_opt(m, n, 1232, 0, false, NULL, 0);

        memmove(m + n + 2, m + n, len - n);
        memcpy(m + n, "\x01x", 2);
        expect(m, len + 2, DNS_FORMERR);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(malformed_questions, setup, teardown),
        cmocka_unit_test_setup_teardown(edns, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
