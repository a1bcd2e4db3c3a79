/* SPDX-License-Identifier: Apache-2.0 */
/* What upstream answered, made into a reply: written by ldns, and the reply read by it. */
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
#include "services/dns_answer.h"

static ldns_pkt *upstream_says(const char *name, ldns_rr_type type, const char *const *answers,
                               const char *const *authorities) {
    ldns_pkt *p = ldns_pkt_query_new(ldns_dname_new_frm_str(name), type, LDNS_RR_CLASS_IN, 0);
    const struct {
        ldns_pkt_section s;
        const char *const *rr;
    } parts[] = {{LDNS_SECTION_ANSWER, answers}, {LDNS_SECTION_AUTHORITY, authorities}};

    ldns_pkt_set_qr(p, true);
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        for (const char *const *t = parts[i].rr; t && *t; t++) {
            ldns_rr *rr;

            assert_int_equal(ldns_rr_new_frm_str(&rr, *t, 0, NULL, NULL), LDNS_STATUS_OK);
            ldns_pkt_push_rr(p, parts[i].s, rr);
        }
    }
    return p;
}

static struct dns_query query_of(const char *name, uint16_t type, bool dnssec) {
    struct dns_query q = {.id = 7,
                          .flags = DNS_RD,
                          .has_question = true,
                          .type = type,
                          .class = DNS_CLASS_IN,
                          .edns = true,
                          .dnssec_ok = dnssec,
                          .udp_size = DNS_UDP_MAX};

    assert_true(dns_name_set(&q.name, name));
    return q;
}

static ldns_pkt *relay(ldns_pkt *up, const struct dns_query *q, bool tcp) {
    static uint8_t out[DNS_MESSAGE_MAX];
    uint8_t *wire;
    ldns_pkt *p;
    size_t len;

    assert_int_equal(ldns_pkt2wire(&wire, up, &len), LDNS_STATUS_OK);
    len = dns_relayed(q, tcp, wire, len, out);
    assert_true(tcp || len <= q->udp_size);
    assert_int_equal(ldns_wire2pkt(&p, out, len), LDNS_STATUS_OK);
    free(wire);
    return p;
}

static bool same_section(const ldns_pkt *a, const ldns_pkt *b, ldns_pkt_section s) {
    ldns_rr_list *x = ldns_pkt_get_section_clone(a, s), *y = ldns_pkt_get_section_clone(b, s);
    bool same = ldns_rr_list_compare(x, y) == 0;

    ldns_rr_list_deep_free(x);
    ldns_rr_list_deep_free(y);
    return same;
}

static void answers_are_passed_on(void **state) {
    static const char *const rr[] = {
        "www.example.com. 300 IN CNAME a.b.example.com.",
        "a.b.example.com. 200 IN CNAME other.example.net.",
        "other.example.net. 100 IN A 192.0.2.1",
        "other.example.net. 100 IN A 10.9.8.7", /* private ones too, as on AWS */
        "other.example.net. 100 IN MX 10 mail.example.com.",
        "other.example.net. 100 IN SRV 1 2 3 mail.example.com.",
        "other.example.net. 100 IN TXT \"a\" \"b\"",
        "other.example.net. 100 IN NAPTR 100 10 \"S\" \"SIP+D2U\" \"!^.*$!sip:a@b.c!\" "
        "x.example.com.",
        "other.example.net. 100 IN SOA ns.example.com. mail.example.com. 1 2 3 4 5",
        NULL,
    };
    ldns_pkt *up = upstream_says("www.example.com.", LDNS_RR_TYPE_A, rr, NULL), *p;
    struct dns_query q = query_of("wWw.exAMple.com", DNS_A, false);
    char *text;

    p = relay(up, &q, false);
    assert_true(same_section(up, p, LDNS_SECTION_ANSWER));
    assert_int_equal(ldns_pkt_id(p), 7);
    assert_true(ldns_pkt_qr(p) && ldns_pkt_rd(p) && ldns_pkt_ra(p) && !ldns_pkt_ad(p));
    text = ldns_rr_list2str(ldns_pkt_question(p));
    assert_int_equal(strncmp(text, "wWw.exAMple.com.", 16), 0);
    free(text);
    ldns_pkt_free(p);
    ldns_pkt_free(up);
}

static void signatures_are_for_who_asked(void **state) {
    static const char *const rr[] = {
        "www.example.com. 300 IN A 192.0.2.1",
        "www.example.com. 300 IN RRSIG A 8 2 3600 20300101000000 20200101000000 1 example.com. "
        "AAAA",
        NULL,
    };
    ldns_pkt *up = upstream_says("www.example.com.", LDNS_RR_TYPE_A, rr, NULL), *p;
    struct dns_query q = query_of("www.example.com", DNS_A, false);

    p = relay(up, &q, false);
    assert_int_equal(ldns_pkt_ancount(p), 1);
    ldns_pkt_free(p);
    q.dnssec_ok = true;
    p = relay(up, &q, false);
    assert_int_equal(ldns_pkt_ancount(p), 2);
    ldns_pkt_free(p);
    ldns_pkt_free(up);
}

static void a_denial_says_how_long(void **state) {
    static const char *const soa[] = {
        "example.com. 300 IN SOA ns.example.com. mail.example.com. 1 2 3 4 5", NULL};
    ldns_pkt *up = upstream_says("www.example.com.", LDNS_RR_TYPE_A, NULL, soa), *p;
    struct dns_query q = query_of("www.example.com", DNS_A, false);

    ldns_pkt_set_rcode(up, LDNS_RCODE_NXDOMAIN);
    p = relay(up, &q, false);
    assert_int_equal(ldns_pkt_get_rcode(p), LDNS_RCODE_NXDOMAIN);
    assert_true(same_section(up, p, LDNS_SECTION_AUTHORITY));
    ldns_pkt_free(p);
    ldns_pkt_set_rcode(up, LDNS_RCODE_REFUSED); /* upstream's trouble is not the client's fault */
    p = relay(up, &q, false);
    assert_int_equal(ldns_pkt_get_rcode(p), LDNS_RCODE_SERVFAIL);
    ldns_pkt_free(p);
    ldns_pkt_free(up);
}

static void large_answers_are_cut_over_udp_only(void **state) {
    struct dns_query q = query_of("many.example.com", DNS_A, false);
    ldns_pkt *up = upstream_says("many.example.com.", LDNS_RR_TYPE_A, NULL, NULL), *p;
    char text[64];

    for (int i = 0; i < 2000; i++) {
        ldns_rr *rr;

        snprintf(text, sizeof(text), "many.example.com. 60 IN A 192.0.%d.%d", i / 250, i % 250);
        assert_int_equal(ldns_rr_new_frm_str(&rr, text, 0, NULL, NULL), LDNS_STATUS_OK);
        ldns_pkt_push_rr(up, LDNS_SECTION_ANSWER, rr);
    }
    p = relay(up, &q, false);
    assert_true(ldns_pkt_tc(p));
    assert_int_equal(ldns_pkt_ancount(p), 0);
    assert_int_equal(ldns_pkt_qdcount(p), 1);
    assert_true(ldns_pkt_edns(p));
    ldns_pkt_free(p);
    p = relay(up, &q, true);
    assert_false(ldns_pkt_tc(p));
    assert_true(same_section(up, p, LDNS_SECTION_ANSWER));
    ldns_pkt_free(p);
    ldns_pkt_free(up);
}

/* An answer to another question, or one that is broken anywhere, is none. */
static void what_is_no_answer_fails(void **state) {
    static const char *const rr[] = {"www.example.com. 300 IN CNAME a.example.com.",
                                     "a.example.com. 300 IN MX 1 b.example.com.", NULL};
    ldns_pkt *up = upstream_says("www.example.com.", LDNS_RR_TYPE_A, rr, NULL);
    struct dns_query q = query_of("www.example.com", DNS_A, false);
    static uint8_t out[DNS_MESSAGE_MAX];
    uint8_t *wire;
    size_t len;

    assert_int_equal(ldns_pkt2wire(&wire, up, &len), LDNS_STATUS_OK);
    assert_true(dns_relayed(&q, false, wire, len, out) && (out[3] & 0xf) == DNS_NOERROR);
    for (size_t cut = 0; cut < len; cut++)
        assert_true(dns_relayed(&q, false, wire, cut, out) && (out[3] & 0xf) == DNS_SERVFAIL);
    q.type = DNS_AAAA;
    assert_true(dns_relayed(&q, false, wire, len, out) && (out[3] & 0xf) == DNS_SERVFAIL);
    q = query_of("wwx.example.com", DNS_A, false);
    assert_true(dns_relayed(&q, false, wire, len, out) && (out[3] & 0xf) == DNS_SERVFAIL);
    free(wire);
    ldns_pkt_free(up);
}

/* An owner that points at itself, behind itself, or at a name that points back at it. */
static void pointers_lead_back_only(void **state) {
    struct dns_query q = query_of("a", DNS_A, false);
    static uint8_t out[DNS_MESSAGE_MAX];
    uint8_t m[] = {0,    7,  0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, 1,   'a', 0, 0,
                   1,    0,  1, /* question */
                   0xc0, 12, 0,    1,    0, 1, 0, 0, 0, 9, 0, 4, 192, 0,   2, 1};
    static const uint8_t wrong[] = {19, 20, 21, 31, 34, 200};

    assert_true(dns_relayed(&q, false, m, sizeof(m), out) && (out[3] & 0xf) == DNS_NOERROR);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        m[20] = wrong[i];
        assert_true(dns_relayed(&q, false, m, sizeof(m), out) && (out[3] & 0xf) == DNS_SERVFAIL);
    }
}

/* The longest name there is, in all places of a small reply. */
static void the_longest_name(void **state) {
    char name[256] = "", rr[900];
    struct dns_query q;
    const char *rrs[] = {rr, NULL};
    ldns_pkt *up, *p;

    for (int i = 0; i < 3; i++) {
        memset(name + strlen(name), 'a' + i, 63);
        strcat(name, ".");
    }
    memset(name + strlen(name), 'd', 61);
    q = query_of(name, DNS_CNAME, false);
    assert_int_equal(q.name.len, 255);
    snprintf(rr, sizeof(rr), "%s. 60 IN CNAME x%s.", name, name + 2);
    up = upstream_says(name, LDNS_RR_TYPE_CNAME, rrs, NULL);
    q.udp_size = 512;
    p = relay(up, &q, false);
    assert_true(same_section(up, p, LDNS_SECTION_ANSWER));
    ldns_pkt_free(p);
    ldns_pkt_free(up);
    strcat(name, "d");
    assert_false(dns_name_set(&q.name, name));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_passed_on),
        cmocka_unit_test(signatures_are_for_who_asked),
        cmocka_unit_test(a_denial_says_how_long),
        cmocka_unit_test(large_answers_are_cut_over_udp_only),
        cmocka_unit_test(what_is_no_answer_fails),
        cmocka_unit_test(pointers_lead_back_only),
        cmocka_unit_test(the_longest_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
