/* SPDX-License-Identifier: Apache-2.0 */
/* DHCP, DHCPv6, router advertisements and time as functions of bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/dhcp6.h"
#include "services/ntp.h"
#include "services/router.h"
#include "services/test_asker.h"

static struct test_asker t;

static int setup(void **state) {
    test_asker_make(&t);
    return 0;
}

static int teardown(void **state) {
    test_asker_free(&t);
    return 0;
}

/* ---- DHCP ---- */

enum { DISCOVER = 1, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM };

struct message {
    uint8_t b[600];
    size_t len;
};

static void option(struct message *m, uint8_t code, const void *value, uint8_t len) {
    m->b[m->len++] = code;
    m->b[m->len++] = len;
    memcpy(m->b + m->len, value, len);
    m->len += len;
}

static struct message message(uint8_t type) {
    struct message m = {.b = {1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef}, .len = 240};

    memcpy(m.b + 28, t.eni->mac, 6);
    memcpy(m.b + 236, "\x63\x82\x53\x63", 4);
    option(&m, 53, &type, 1);
    return m;
}

static enum dhcp_result ask(const struct message *m, struct dhcp_reply *ret) {
    return dhcp_answer(t.ix, &t.who, m->b, m->len, ret);
}

/* The value of an option of the answer, or NULL. */
static const uint8_t *find(const struct dhcp_reply *r, uint8_t code, uint8_t *ret_len) {
    for (size_t at = 240; at < r->len && r->bytes[at] != 255; at += 2u + r->bytes[at + 1]) {
        if (r->bytes[at] != code)
            continue;
        *ret_len = r->bytes[at + 1];
        return r->bytes + at + 2;
    }
    return NULL;
}

static void assert_option(const struct dhcp_reply *r, uint8_t code, const void *value, size_t len) {
    uint8_t n = 0;
    const uint8_t *v = find(r, code, &n);

    assert_non_null(v);
    assert_int_equal(n, len);
    assert_memory_equal(v, value, len);
}

static void assert_text(const struct dhcp_reply *r, uint8_t code, const char *text) {
    assert_option(r, code, text, strlen(text));
}

static void assert_to(const struct dhcp_reply *r, const char *address) {
    char text[IP_TEXT];

    assert_string_equal(ip_format(&r->to, text), address);
}

static void offers(void **state) {
    struct message m = message(DISCOVER);
    struct dhcp_reply r;

    assert_int_equal(ask(&m, &r), DHCP_ANSWER);
    assert_int_equal(r.bytes[0], 2);
    assert_memory_equal(r.bytes + 4, m.b + 4, 4);
    assert_memory_equal(r.bytes + 16, "\x0a\0\x01\x05", 4);
    assert_memory_equal(r.bytes + 28, t.eni->mac, 6);
    assert_option(&r, 53, "\x02", 1);
    assert_option(&r, 54, "\x0a\0\x01\x01", 4);
    assert_option(&r, 51, "\0\0\x0e\x10", 4);
    assert_option(&r, 1, "\xff\xff\xff\0", 4);
    assert_option(&r, 3, "\x0a\0\x01\x01", 4);
    assert_option(&r, 6, "\x0a\0\0\x02", 4);
    assert_option(&r, 26, "\x23\x29", 2);
    assert_option(&r, 28, "\x0a\0\x01\xff", 4);
    assert_text(&r, 12, "ip-10-0-1-5");
    assert_text(&r, 15, "ec2.internal");
    assert_to(&r, "10.0.1.5");
    /* A client that cannot be reached yet says so. */
    m.b[10] = 0x80;
    assert_int_equal(ask(&m, &r), DHCP_ANSWER);
    assert_to(&r, "");
}

static void requests(void **state) {
    struct message m = message(REQUEST);
    struct dhcp_reply r;

    assert_int_equal(ask(&m, &r), DHCP_BAD); /* for what? */
    option(&m, 50, "\x0a\0\x01\x05", 4);
    assert_int_equal(ask(&m, &r), DHCP_ANSWER);
    assert_option(&r, 53, "\x05", 1);
    option(&m, 54, "\x0a\0\x01\x01", 4);
    assert_int_equal(ask(&m, &r), DHCP_ANSWER);
    option(&m, 54, "\x0a\0\x01\x63", 4); /* another server's offer */
    assert_int_equal(ask(&m, &r), DHCP_NOTHING);

    m = message(REQUEST);
    option(&m, 50, "\x0a\0\x01\x09", 4);
    assert_int_equal(ask(&m, &r), DHCP_NAK);
    assert_option(&r, 53, "\x06", 1);
    assert_memory_equal(r.bytes + 16, "\0\0\0\0", 4);
    assert_to(&r, "");

    m = message(REQUEST); /* renewing */
    memcpy(m.b + 12, "\x0a\0\x01\x05", 4);
    assert_int_equal(ask(&m, &r), DHCP_ANSWER);
    assert_to(&r, "10.0.1.5");
    m.b[15] = 6; /* a secondary address is no lease */
    assert_int_equal(ask(&m, &r), DHCP_NAK);
}

static void informs(void **state) {
    struct message m = message(INFORM);
    struct dhcp_reply r;
    uint8_t n;

    assert_int_equal(ask(&m, &r), DHCP_BAD);
    memcpy(m.b + 12, "\x0a\0\x01\x06", 4);
    assert_int_equal(ask(&m, &r), DHCP_ANSWER);
    assert_memory_equal(r.bytes + 16, "\0\0\0\0", 4);
    assert_null(find(&r, 51, &n));
    assert_to(&r, "10.0.1.6");
    m.b[15] = 7; /* not its own */
    assert_int_equal(ask(&m, &r), DHCP_BAD);
}

static void needs_no_answer(void **state) {
    const uint8_t types[] = {DECLINE, RELEASE};
    struct dhcp_reply r;

    for (size_t i = 0; i < sizeof(types); i++) {
        struct message m = message(types[i]);

        assert_int_equal(ask(&m, &r), DHCP_NOTHING);
    }
}

static void refuses(void **state) {
    struct message good = message(DISCOVER), m;
    struct dhcp_reply r;

    for (size_t len = 0; len < good.len; len++)
        assert_int_equal(dhcp_answer(t.ix, &t.who, good.b, len, &r), DHCP_BAD);
    m = good;
    m.b[0] = 2; /* an answer */
    assert_int_equal(ask(&m, &r), DHCP_BAD);
    m = good;
    m.b[33] ^= 1; /* another's MAC */
    assert_int_equal(ask(&m, &r), DHCP_BAD);
    m = good;
    m.b[24] = 10; /* through a relay */
    assert_int_equal(ask(&m, &r), DHCP_BAD);
    m = good;
    m.b[236] ^= 1;
    assert_int_equal(ask(&m, &r), DHCP_BAD);
    m = good;
    m.b[m.len - 1] = OFFER;
    assert_int_equal(ask(&m, &r), DHCP_BAD);
    m = good;
    option(&m, 57, "\x05", 1);
    assert_int_equal(ask(&m, &r), DHCP_BAD);
}

static void options_of_the_set(void **state) {
    struct message m = message(DISCOVER);
    struct dhcp_reply r;
    uint8_t n;

    assert_int_equal(ask(&m, &r), DHCP_ANSWER);
    assert_null(find(&r, 42, &n));
    test_asker_option(&t, "ntp-servers", "10.9.9.9");
    test_asker_option(&t, "netbios-name-servers", "10.9.9.8");
    test_asker_option(&t, "netbios-node-type", "2");
    test_asker_option(&t, "domain-name-servers", "10.9.9.7");
    test_asker_option(&t, "domain-name", "example.com");
    assert_int_equal(ask(&m, &r), DHCP_ANSWER);
    assert_option(&r, 42, "\x0a\x09\x09\x09", 4);
    assert_option(&r, 44, "\x0a\x09\x09\x08", 4);
    assert_option(&r, 46, "\x02", 1);
    assert_option(&r, 6, "\x0a\x09\x09\x07", 4);
    assert_text(&r, 15, "example.com");
    /* No set at all. */
    free(t.vpc->dhcp_options_id);
    t.vpc->dhcp_options_id = strdup("default");
    assert_int_equal(ask(&m, &r), DHCP_ANSWER);
    assert_option(&r, 6, "\xa9\xfe\xa9\xfd", 4);
    assert_null(find(&r, 15, &n));
    /* Named by its id. */
    free(t.subnet->hostname_type);
    t.subnet->hostname_type = strdup("resource-name");
    assert_int_equal(ask(&m, &r), DHCP_ANSWER);
    assert_text(&r, 12, "i-1");
}

/* A domain that leaves no room for more, and a client that takes more. */
static void keeps_to_the_size(void **state) {
    struct message m = message(DISCOVER);
    char domain[256];
    struct dhcp_reply r;
    uint8_t n;

    memset(domain, 'a', 255);
    domain[255] = 0;
    test_asker_option(&t, "domain-name", domain);
    assert_int_equal(ask(&m, &r), DHCP_ANSWER);
    assert_true(r.len <= 548);
    assert_null(find(&r, 15, &n));
    option(&m, 57, "\x05\xdc", 2);
    assert_int_equal(ask(&m, &r), DHCP_ANSWER);
    assert_text(&r, 15, domain);
}

/* ---- DHCPv6 ---- */

enum { SOLICIT6 = 1, ADVERTISE6, REQUEST6, CONFIRM6, RENEW6, REBIND6, REPLY6, RELEASE6 };

static const uint8_t server_duid[] = {0, 3, 0, 1, 6, 0, 0, 0, 0, 1};

static void option6(struct message *m, uint8_t code, const void *value, uint8_t len) {
    m->b[m->len++] = 0;
    m->b[m->len++] = code;
    m->b[m->len++] = 0;
    m->b[m->len++] = len;
    memcpy(m->b + m->len, value, len);
    m->len += len;
}

static struct message message6(uint8_t type, bool server) {
    struct message m = {.b = {type, 1, 2, 3}, .len = 4};

    option6(&m, 1, "\0\x04me", 4);
    if (server)
        option6(&m, 2, server_duid, sizeof(server_duid));
    return m;
}

/* An IA that names an address, or none. */
static void ia(struct message *m, uint8_t code, const char *address) {
    uint8_t value[40] = {1, 2, 3, 4, [13] = 5, [15] = 24};
    struct ip ip;

    if (address) {
        assert_int_equal(ip_parse(address, &ip), 0);
        memcpy(value + 16, ip.b, 16);
    }
    option6(m, code, value, address ? 40 : 12);
}

static enum dhcp_result ask6(const struct message *m, struct dhcp6_reply *ret) {
    return dhcp6_answer(t.ix, &t.who, m->b, m->len, ret);
}

static bool has6(const struct dhcp6_reply *r, const void *what, size_t len) {
    return memmem(r->bytes, r->len, what, len);
}

/* The address with these lifetimes. */
static bool gives(const struct dhcp6_reply *r, const char *address, uint8_t preferred,
                  uint16_t valid) {
    uint8_t want[28] = {0, 5, 0, 24};
    struct ip ip;

    assert_int_equal(ip_parse(address, &ip), 0);
    memcpy(want + 4, ip.b, 16);
    want[23] = preferred;
    want[26] = (uint8_t)(valid >> 8);
    want[27] = (uint8_t)valid;
    return has6(r, want, sizeof(want));
}

static void gives_addresses(void **state) {
    struct message m = message6(SOLICIT6, false);
    struct dhcp6_reply r;

    ia(&m, 3, NULL);
    ia(&m, 25, NULL);
    assert_int_equal(ask6(&m, &r), DHCP_ANSWER);
    assert_memory_equal(r.bytes, "\x02\x01\x02\x03", 4);
    assert_true(has6(&r, server_duid, sizeof(server_duid)));
    assert_true(gives(&r, "2001:db8:1:1::5", 140, 450));
    assert_true(gives(&r, "2001:db8:1:1::6", 140, 450));
    assert_true(has6(&r, "\0\x0d\0\x02\0\x06", 6)); /* no prefix */
    option6(&m, 14, "", 0);
    assert_int_equal(ask6(&m, &r), DHCP_ANSWER);
    assert_int_equal(r.bytes[0], REPLY6);

    m = message6(REQUEST6, true);
    ia(&m, 3, "2001:db8:1:1::9");
    assert_int_equal(ask6(&m, &r), DHCP_ANSWER);
    assert_int_equal(r.bytes[0], REPLY6);
    assert_true(gives(&r, "2001:db8:1:1::5", 140, 450));
    assert_true(gives(&r, "2001:db8:1:1::9", 0, 0)); /* it has it no more */
}

static void has_none(void **state) {
    struct message m = message6(SOLICIT6, false);
    struct dhcp6_reply r;

    t.eni->addresses6.n = 0;
    ia(&m, 3, NULL);
    assert_int_equal(ask6(&m, &r), DHCP_ANSWER);
    assert_true(has6(&r, "\0\x0d\0\x02\0\x02", 6));
    t.eni->addresses6.n = 2;
}

static void confirms(void **state) {
    struct message m = message6(CONFIRM6, false);
    struct dhcp6_reply r;

    assert_int_equal(ask6(&m, &r), DHCP_NOTHING);
    ia(&m, 3, "2001:db8:1:1::77");
    assert_int_equal(ask6(&m, &r), DHCP_ANSWER);
    assert_true(has6(&r, "\0\x0d\0\x02\0\0", 6));
    ia(&m, 3, "2001:db8:1:2::5");
    assert_int_equal(ask6(&m, &r), DHCP_ANSWER);
    assert_true(has6(&r, "\0\x0d\0\x02\0\x04", 6));
}

static void refuses6(void **state) {
    struct message m = message6(SOLICIT6, false);
    struct dhcp6_reply r;

    ia(&m, 3, "2001:db8:1:1::5");
    for (size_t len = 0; len < m.len; len++)
        if (len != 4 + 8) /* whole without the IA */
            assert_int_equal(dhcp6_answer(t.ix, &t.who, m.b, len, &r), DHCP_BAD);
    m = message6(SOLICIT6, true); /* of a server it cannot know */
    assert_int_equal(ask6(&m, &r), DHCP_BAD);
    m = message6(REQUEST6, false);
    assert_int_equal(ask6(&m, &r), DHCP_BAD);
    m = message6(REQUEST6, false);
    option6(&m, 2, "another", 7);
    assert_int_equal(ask6(&m, &r), DHCP_NOTHING);
    m = message6(ADVERTISE6, true);
    assert_int_equal(ask6(&m, &r), DHCP_BAD);
    m = message6(12, true); /* a relay's */
    assert_int_equal(ask6(&m, &r), DHCP_BAD);
}

/* ---- the router ---- */

static void solicitations(void **state) {
    uint8_t rs[16] = {133, [8] = 1, 1, 2, 0, 0, 0, 0, 5};

    assert_true(router_solicitation_is_valid(&t.who, false, rs, 16));
    assert_true(router_solicitation_is_valid(&t.who, true, rs, 8));
    assert_false(router_solicitation_is_valid(&t.who, true, rs, 16)); /* RFC 4861, 6.1.1 */
    assert_false(router_solicitation_is_valid(&t.who, false, rs, 7));
    assert_false(router_solicitation_is_valid(&t.who, false, rs, 15));
    rs[15] = 6;
    assert_false(router_solicitation_is_valid(&t.who, false, rs, 16));
    rs[15] = 5;
    rs[9] = 0;
    assert_false(router_solicitation_is_valid(&t.who, false, rs, 16));
    rs[9] = 1;
    rs[1] = 1;
    assert_false(router_solicitation_is_valid(&t.who, false, rs, 16));
}

static void advertisements(void **state) {
    uint8_t ra[ROUTER_ADVERTISEMENT];
    struct ip prefix;

    assert_int_equal(router_advertisement(&t.who, ra), 64);
    assert_memory_equal(ra, "\x86\0\0\0\xff\x80\x07\x08\0\0\0\0\0\0\0\0", 16);
    assert_memory_equal(ra + 16, "\x01\x01\x06\0\0\0\0\x01", 8);
    assert_memory_equal(ra + 24, "\x05\x01\0\0\0\0\x23\x29", 8);
    assert_memory_equal(ra + 32, "\x03\x04\x40\x80\0\0\x0e\x10\0\0\x0e\x10\0\0\0\0", 16);
    assert_int_equal(ip_parse("2001:db8:1:1::", &prefix), 0);
    assert_memory_equal(ra + 48, prefix.b, 16);
    t.subnet->cidrs6.n = 0;
    assert_int_equal(router_advertisement(&t.who, ra), 0);
    t.subnet->cidrs6.n = 1;
}

/* ---- time ---- */

static void time_packets(void **state) {
    uint8_t q[48] = {0x23, [40] = 1, 2, 3, 4, 5, 6, 7, 8}, a[48] = {0x24};

    memcpy(a + 24, q + 40, 8);
    assert_true(ntp_question_is_valid(q, 48));
    assert_false(ntp_question_is_valid(q, 47));
    assert_false(ntp_question_is_valid(q, 49));
    assert_false(ntp_question_is_valid(a, 48));
    assert_true(ntp_answer_is_valid(q, a, 48));
    assert_false(ntp_answer_is_valid(q, a, 44));
    a[24] ^= 1; /* to another question */
    assert_false(ntp_answer_is_valid(q, a, 48));
    a[24] ^= 1;
    a[0] = 0x26; /* a control message */
    assert_false(ntp_answer_is_valid(q, a, 48));
    q[0] = 0x2b; /* version 5 */
    assert_false(ntp_question_is_valid(q, 48));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(offers, setup, teardown),
        cmocka_unit_test_setup_teardown(requests, setup, teardown),
        cmocka_unit_test_setup_teardown(informs, setup, teardown),
        cmocka_unit_test_setup_teardown(needs_no_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(options_of_the_set, setup, teardown),
        cmocka_unit_test_setup_teardown(keeps_to_the_size, setup, teardown),
        cmocka_unit_test_setup_teardown(gives_addresses, setup, teardown),
        cmocka_unit_test_setup_teardown(has_none, setup, teardown),
        cmocka_unit_test_setup_teardown(confirms, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses6, setup, teardown),
        cmocka_unit_test_setup_teardown(solicitations, setup, teardown),
        cmocka_unit_test_setup_teardown(advertisements, setup, teardown),
        cmocka_unit_test_setup_teardown(time_packets, setup, teardown),
    };

    return cmocka_run_group_tests_name("link-services", tests, NULL, NULL);
}
