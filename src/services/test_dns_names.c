/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names that a VPC knows: questions are made by ldns, replies read by it.
 *
 *   us-east-1   vpc-1 10.0.0.0/16, 2001:db8:1::/56   both attributes   eni-1 10.0.1.5,
 * 203.0.113.25, i-1 vpc-2 10.0.0.0/16                    both attributes   eni-2 10.0.1.5,
 * 203.0.113.26 vpc-3 10.3.0.0/16                    support only      eni-3 10.3.0.5, 203.0.113.27
 *               vpc-4 54.1.0.0/16                    both; a peer of vpc-1 that tells its names
 *                                                                      eni-4 54.1.0.5,
 * 203.0.113.28, i-4 vpc-5 10.5.0.0/16                    neither us-west-2   vpc-6 10.6.0.0/16
 * both; a peer of vpc-1 that tells its names vpc-7 10.7.0.0/16                    both; a peer of
 * vpc-1 that does not
 */
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
#include "model/instance.h"
#include "model/peering.h"
#include "model/regions.h"
#include "services/dns_answer.h"
#include "services/dns_names.h"

static struct index *ix;

static struct ip ip_of(const char *text) {
    struct ip ip;

    assert_int_equal(ip_parse(text, &ip), 0);
    return ip;
}

static struct scope in(const char *region) {
    return (struct scope){.account = 1, .region = region_by_name(region)};
}

static void put(void *obj) {
    assert_int_equal(index_put(ix, obj, NULL), 0);
    obj_unref(obj);
}

static void add_cidr(struct list *l, const char *text) {
    struct cidr_association *a = list_add(l, sizeof(*a));

    assert_int_equal(cidr_parse(text, &a->cidr), 0);
}

static void add_vpc(const char *id, const char *region, const char *cidr, const char *cidr6,
                    bool support, bool hostnames) {
    struct vpc *v = obj_new(KIND_VPC, in(region), id);

    assert_int_equal(cidr_parse(cidr, &v->cidr), 0);
    add_cidr(&v->cidrs, cidr);
    if (cidr6)
        add_cidr(&v->cidrs6, cidr6);
    v->dns_support = support;
    v->dns_hostnames = hostnames;
    put(v);
}

static void add_eni(const char *id, const char *vpc, const char *region, const char *ip,
                    const char *public_ip, const char *ip6, const char *instance) {
    struct network_interface *n = obj_new(KIND_NETWORK_INTERFACE, in(region), id);
    struct eni_address *a = list_add(&n->addresses, sizeof(*a));

    obj_set(&n->o, &n->vpc_id, vpc);
    a->ip = ip_of(ip);
    if (public_ip)
        a->public_ip = ip_of(public_ip);
    if (ip6)
        ((struct eni_address *)list_add(&n->addresses6, sizeof(*a)))->ip = ip_of(ip6);
    obj_set(&n->o, &n->instance_id, instance);
    put(n);
}

static void add_instance(const char *id, const char *vpc, const char *region, bool a, bool aaaa) {
    struct instance *i = obj_new(KIND_INSTANCE, in(region), id);

    obj_set(&i->o, &i->vpc_id, vpc);
    i->state = INSTANCE_RUNNING;
    i->names.a = a;
    i->names.aaaa = aaaa;
    put(i);
}

static void add_peering(const char *id, const char *vpc, const char *region, const char *peer,
                        const char *peer_region, bool tells, uint8_t status) {
    struct peering *p = obj_new(KIND_PEERING, in(region), id);

    obj_set(&p->o, &p->requester.vpc_id, vpc);
    obj_set(&p->o, &p->requester.account, "000000000001");
    obj_set(&p->o, &p->requester.region, region);
    obj_set(&p->o, &p->accepter.vpc_id, peer);
    obj_set(&p->o, &p->accepter.account, "000000000001");
    obj_set(&p->o, &p->accepter.region, peer_region);
    p->accepter.resolves_dns = tells;
    p->status = status;
    put(p);
}

static int setup(void **state) {
    ix = index_new();
    add_vpc("vpc-1", "us-east-1", "10.0.0.0/16", "2001:db8:1::/56", true, true);
    add_vpc("vpc-2", "us-east-1", "10.0.0.0/16", NULL, true, true);
    add_vpc("vpc-3", "us-east-1", "10.3.0.0/16", NULL, true, false);
    add_vpc("vpc-4", "us-east-1", "54.1.0.0/16", NULL, true, true);
    add_vpc("vpc-5", "us-east-1", "10.5.0.0/16", NULL, false, false);
    add_vpc("vpc-6", "us-west-2", "10.6.0.0/16", NULL, true, true);
    add_vpc("vpc-7", "us-west-2", "10.7.0.0/16", NULL, true, true);
    add_eni("eni-1", "vpc-1", "us-east-1", "10.0.1.5", "203.0.113.25", "2001:db8:1::5", "i-1");
    add_eni("eni-2", "vpc-2", "us-east-1", "10.0.1.5", "203.0.113.26", NULL, NULL);
    add_eni("eni-3", "vpc-3", "us-east-1", "10.3.0.5", "203.0.113.27", NULL, NULL);
    add_eni("eni-4", "vpc-4", "us-east-1", "54.1.0.5", "203.0.113.28", NULL, "i-4");
    add_eni("eni-6", "vpc-6", "us-west-2", "10.6.0.5", "203.0.113.29", NULL, "i-6");
    add_eni("eni-7", "vpc-7", "us-west-2", "10.7.0.5", "203.0.113.30", NULL, "i-7");
    add_instance("i-1", "vpc-1", "us-east-1", true, true);
    add_instance("i-4", "vpc-4", "us-east-1", true, true);
    add_instance("i-6", "vpc-6", "us-west-2", false, true);
    add_instance("i-7", "vpc-7", "us-west-2", true, true);
    add_peering("pcx-1", "vpc-1", "us-east-1", "vpc-4", "us-east-1", true, PEERING_ACTIVE);
    add_peering("pcx-2", "vpc-1", "us-east-1", "vpc-6", "us-west-2", true, PEERING_ACTIVE);
    add_peering("pcx-3", "vpc-1", "us-east-1", "vpc-7", "us-west-2", false, PEERING_ACTIVE);
    return 0;
}

static int teardown(void **state) {
    index_free(ix);
    return 0;
}

static const struct vpc *vpc(const char *id) {
    const struct vpc *v = index_get(ix, KIND_VPC, in("us-east-1"), id);

    return v ? v : index_get(ix, KIND_VPC, in("us-west-2"), id);
}

/* ---- asking ---- */

struct said {
    enum dns_verdict verdict;
    struct dns_query q;
    uint8_t out[DNS_MESSAGE_MAX];
    size_t len;
    ldns_pkt *pkt; /* NULL: no reply */
};

static void forget(struct said *s) {
    ldns_pkt_free(s->pkt);
    s->pkt = NULL;
}

/* What stands in the reply of the section, as text: "NAME TTL IN TYPE DATA\n"... */
static char *section(const struct said *s, ldns_pkt_section which) {
    ldns_rr_list *l = ldns_pkt_get_section_clone(s->pkt, which);
    char *text = ldns_rr_list2str(l);

    ldns_rr_list_deep_free(l);
    for (char *p = text; *p; p++)
        if (*p == '\t')
            *p = ' ';
    return text;
}

static void say(struct said *s, const struct vpc *v, bool tcp, const uint8_t *msg, size_t len) {
    s->verdict = dns_answer(ix, v, tcp, msg, len, &s->q, s->out, &s->len);
    s->pkt = NULL;
    if (s->verdict == DNS_REPLY) {
        assert_int_equal(ldns_wire2pkt(&s->pkt, s->out, s->len), LDNS_STATUS_OK);
        assert_true(ldns_pkt_qr(s->pkt));
        assert_true(ldns_pkt_ra(s->pkt));
        assert_false(ldns_pkt_aa(s->pkt));
    }
}

static void ask(struct said *s, const char *id, const char *name, ldns_rr_type type) {
    ldns_pkt *q = ldns_pkt_query_new(ldns_dname_new_frm_str(name), type, LDNS_RR_CLASS_IN, LDNS_RD);
    uint8_t *wire;
    size_t len;

    ldns_pkt_set_id(q, 0x1234);
    ldns_pkt_set_edns_udp_size(q, 1400);
    assert_int_equal(ldns_pkt2wire(&wire, q, &len), LDNS_STATUS_OK);
    say(s, vpc(id), false, wire, len);
    if (s->pkt) {
        char *asked = section(s, LDNS_SECTION_QUESTION);

        assert_int_equal(ldns_pkt_id(s->pkt), 0x1234);
        assert_int_equal(strncmp(asked, name, strlen(name)), 0); /* letter for letter */
        free(asked);
    }
    ldns_pkt_free(q);
    free(wire);
}

/* The answer's records without name, TTL and class: "A 10.0.1.5", several divided by ", ";
 * "NODATA", "NXDOMAIN", "REFUSED"... without; "upstream". */
static const char *told(const char *id, const char *name, ldns_rr_type type) {
    static char text[1024];
    struct said s;
    char *answer, *line, *save, *authority;

    ask(&s, id, name, type);
    if (s.verdict == DNS_ASK)
        return "upstream";
    assert_int_equal(s.verdict, DNS_REPLY);
    text[0] = 0;
    answer = section(&s, LDNS_SECTION_ANSWER);
    authority = section(&s, LDNS_SECTION_AUTHORITY);
    for (line = strtok_r(answer, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *data = strstr(line, " IN ");

        assert_int_equal(strncasecmp(line, name, strlen(name)), 0);
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", *text ? ", " : "",
                 data + 4);
    }
    if (!*text && ldns_pkt_get_rcode(s.pkt) == LDNS_RCODE_NOERROR)
        snprintf(text, sizeof(text), "NODATA");
    else if (!*text)
        snprintf(text, sizeof(text), "%s",
                 ldns_lookup_by_id(ldns_rcodes, (int)ldns_pkt_get_rcode(s.pkt))->name);
    /* An answer without records says how long that holds. */
    if (strcmp(text, "NODATA") == 0 || strcmp(text, "NXDOMAIN") == 0)
        assert_non_null(strstr(authority, " 60 IN SOA "));
    else
        assert_string_equal(authority, "");
    free(answer);
    free(authority);
    forget(&s);
    return text;
}
#define A(vpc_, name_) told((vpc_), (name_), LDNS_RR_TYPE_A)
#define AAAA(vpc_, name_) told((vpc_), (name_), LDNS_RR_TYPE_AAAA)
#define PTR(vpc_, name_) told((vpc_), (name_), LDNS_RR_TYPE_PTR)

/* ---- names ---- */

static void private_names_stand_for_their_addresses(void **state) {
    assert_string_equal(A("vpc-1", "ip-10-0-1-5.ec2.internal."), "A 10.0.1.5");
    assert_string_equal(A("vpc-1", "IP-10-0-1-5.eC2.Internal."), "A 10.0.1.5");
    assert_string_equal(AAAA("vpc-1", "ip-10-0-1-5.ec2.internal."), "NODATA");
    /* Used or not, in the VPC or of RFC 1918. */
    assert_string_equal(A("vpc-1", "ip-10-0-77-7.ec2.internal."), "A 10.0.77.7");
    assert_string_equal(A("vpc-1", "ip-192-168-3-4.ec2.internal."), "A 192.168.3.4");
    assert_string_equal(A("vpc-1", "ip-172-32-3-4.ec2.internal."), "NXDOMAIN");
    assert_string_equal(A("vpc-1", "ip-8-8-8-8.ec2.internal."), "NXDOMAIN");
    /* A VPC of other addresses, and its peer. */
    assert_string_equal(A("vpc-4", "ip-54-1-9-9.ec2.internal."), "A 54.1.9.9");
    assert_string_equal(A("vpc-1", "ip-54-1-0-5.ec2.internal."), "A 54.1.0.5");
    assert_string_equal(A("vpc-2", "ip-54-1-0-5.ec2.internal."), "NXDOMAIN");
    /* Every region has a zone of its own. */
    assert_string_equal(A("vpc-6", "ip-10-6-0-5.us-west-2.compute.internal."), "A 10.6.0.5");
    assert_string_equal(A("vpc-6", "ip-10-6-0-5.ec2.internal."), "NXDOMAIN");
    assert_string_equal(A("vpc-1", "ip-10-6-0-5.us-west-2.compute.internal."), "A 10.6.0.5");
    assert_string_equal(A("vpc-1", "ip-10-7-0-5.us-west-2.compute.internal."), "NXDOMAIN");
    assert_string_equal(A("vpc-1", "ip-10-0-1-5.us-east-1.compute.internal."), "NXDOMAIN");
    assert_string_equal(A("vpc-1", "ip-10-0-1-5.nowhere-1.compute.internal."), "NXDOMAIN");
}

static void what_is_no_name_is_none(void **state) {
    static const char *const names[] = {
        "ip-10-0-1.ec2.internal.",
        "ip-10-0-1-5-6.ec2.internal.",
        "ip-10-0-1-256.ec2.internal.",
        "ip-10-0-1-05.ec2.internal.",
        "ip-10-0--1-5.ec2.internal.",
        "ip-.ec2.internal.",
        "ip-10-0-1-5x.ec2.internal.",
        "10-0-1-5.ec2.internal.",
        "a.ip-10-0-1-5.ec2.internal.",
        "ip-10-0-1-5-.ec2.internal.",
        "i-.ec2.internal.",
        "i-none.ec2.internal.",
        "ip-10-0-1-5\\.ec2.internal.",
        "ip-10\\.0-1-5.ec2.internal.",
        "i-1\\000.ec2.internal.",
        "ip-10-0-1-5\\000.ec2.internal.",
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct said s;

        ldns_pkt *q = ldns_pkt_query_new(ldns_dname_new_frm_str(names[i]), LDNS_RR_TYPE_A,
                                         LDNS_RR_CLASS_IN, LDNS_RD);
        uint8_t *wire;
        size_t len;

        assert_int_equal(ldns_pkt2wire(&wire, q, &len), LDNS_STATUS_OK);
        say(&s, vpc("vpc-1"), false, wire, len);
        assert_int_equal(s.verdict, DNS_REPLY);
        assert_int_equal(ldns_pkt_get_rcode(s.pkt), LDNS_RCODE_NXDOMAIN);
        forget(&s);
        ldns_pkt_free(q);
        free(wire);
    }
}

static void the_zone_itself_exists(void **state) {
    assert_string_equal(A("vpc-1", "ec2.internal."), "NODATA");
    assert_string_equal(
        told("vpc-1", "ec2.internal.", LDNS_RR_TYPE_SOA),
        "SOA ns0.ec2.internal. hostmaster.amazon.com. 2012103100 3600 3600 3600 60");
    assert_string_equal(told("vpc-1", "ec2.internal.", LDNS_RR_TYPE_NS), "NS ns0.ec2.internal.");
    assert_string_equal(A("vpc-1", "ns0.ec2.internal."), "A 10.0.0.2");
    /* What stands above the regions' zones must not be denied: that would deny them too. */
    assert_string_equal(A("vpc-6", "compute.internal."), "NODATA");
    assert_string_equal(A("vpc-6", "internal."), "NODATA");
}

static void an_instance_is_known_by_its_id(void **state) {
    assert_string_equal(A("vpc-1", "i-1.ec2.internal."), "A 10.0.1.5");
    assert_string_equal(A("vpc-1", "I-1.ec2.internal."), "A 10.0.1.5");
    assert_string_equal(AAAA("vpc-1", "i-1.ec2.internal."), "AAAA 2001:db8:1::5");
    assert_string_equal(told("vpc-1", "i-1.ec2.internal.", LDNS_RR_TYPE_ANY),
                        "A 10.0.1.5, AAAA 2001:db8:1::5");
    assert_string_equal(A("vpc-1", "i-4.ec2.internal."), "A 54.1.0.5"); /* of the peer */
    assert_string_equal(A("vpc-2", "i-4.ec2.internal."), "NXDOMAIN");
    assert_string_equal(A("vpc-2", "i-1.ec2.internal."), "NXDOMAIN");
    assert_string_equal(A("vpc-1", "i-1.us-west-2.compute.internal."), "NXDOMAIN");
    /* As its options say. */
    add_instance("i-1", "vpc-1", "us-east-1", true, false);
    assert_string_equal(AAAA("vpc-1", "i-1.ec2.internal."), "NODATA");
    assert_string_equal(A("vpc-6", "i-6.us-west-2.compute.internal."), "NODATA");
    add_instance("i-6", "vpc-6", "us-west-2", true, true);
    assert_string_equal(A("vpc-6", "i-6.us-west-2.compute.internal."), "A 10.6.0.5");
    assert_string_equal(A("vpc-1", "i-6.us-west-2.compute.internal."), "A 10.6.0.5");
    assert_string_equal(A("vpc-1", "i-7.us-west-2.compute.internal."), "NXDOMAIN");
    add_instance("i-9", "vpc-1", "us-east-1", true, true); /* without an interface: terminated */
    assert_string_equal(A("vpc-1", "i-9.ec2.internal."), "NXDOMAIN");
    add_eni("eni-9", "vpc-1", "us-east-1", "10.0.1.9", NULL, NULL, "i-9"); /* and at once */
    assert_string_equal(A("vpc-1", "i-9.ec2.internal."), "A 10.0.1.9");
}

static void public_names_have_two_sides(void **state) {
    assert_string_equal(A("vpc-1", "ec2-203-0-113-25.compute-1.amazonaws.com."), "A 10.0.1.5");
    assert_string_equal(AAAA("vpc-1", "ec2-203-0-113-25.compute-1.amazonaws.com."), "NODATA");
    assert_string_equal(A("vpc-2", "ec2-203-0-113-25.compute-1.amazonaws.com."), "A 203.0.113.25");
    assert_string_equal(A("vpc-2", "ec2-203-0-113-26.compute-1.amazonaws.com."), "A 10.0.1.5");
    assert_string_equal(A("vpc-3", "ec2-203-0-113-25.compute-1.amazonaws.com."), "A 203.0.113.25");
    /* A VPC without DNS hostnames gives none. */
    assert_string_equal(A("vpc-3", "ec2-203-0-113-27.compute-1.amazonaws.com."), "NXDOMAIN");
    /* The peer tells its private addresses; the other one does not. */
    assert_string_equal(A("vpc-1", "ec2-203-0-113-28.compute-1.amazonaws.com."), "A 54.1.0.5");
    assert_string_equal(A("vpc-4", "ec2-203-0-113-25.compute-1.amazonaws.com."), "A 203.0.113.25");
    assert_string_equal(A("vpc-1", "ec2-203-0-113-29.us-west-2.compute.amazonaws.com."),
                        "A 10.6.0.5");
    assert_string_equal(A("vpc-1", "ec2-203-0-113-30.us-west-2.compute.amazonaws.com."),
                        "A 203.0.113.30");
    /* The world's. */
    assert_string_equal(A("vpc-1", "ec2-203-0-113-25.us-west-2.compute.amazonaws.com."),
                        "upstream");
    assert_string_equal(A("vpc-1", "ec2-203-0-113-99.compute-1.amazonaws.com."), "upstream");
    assert_string_equal(A("vpc-1", "compute-1.amazonaws.com."), "upstream");
    assert_string_equal(A("vpc-1", "s3.amazonaws.com."), "upstream");
}

static void peers_are_asked_only_while_they_are(void **state) {
    add_peering("pcx-1", "vpc-1", "us-east-1", "vpc-4", "us-east-1", true, PEERING_DELETED);
    assert_string_equal(A("vpc-1", "ec2-203-0-113-28.compute-1.amazonaws.com."), "A 203.0.113.28");
    assert_string_equal(A("vpc-1", "i-4.ec2.internal."), "NXDOMAIN");
    add_peering("pcx-1", "vpc-1", "us-east-1", "vpc-4", "us-east-1", true, PEERING_ACTIVE);
    add_vpc("vpc-4", "us-east-1", "54.1.0.0/16", NULL, true, false);
    assert_string_equal(A("vpc-1", "i-4.ec2.internal."), "NXDOMAIN");
    assert_string_equal(A("vpc-1", "ec2-203-0-113-28.compute-1.amazonaws.com."), "NXDOMAIN");
    add_vpc("vpc-4", "us-east-1", "54.1.0.0/16", NULL, true, true);
    assert_string_equal(A("vpc-1", "i-4.ec2.internal."), "A 54.1.0.5");
}

static void attributes_of_the_vpc(void **state) {
    /* Without DNS hostnames there are no private names, and they are nobody else's either. */
    assert_string_equal(A("vpc-3", "ip-10-3-0-5.ec2.internal."), "NXDOMAIN");
    assert_string_equal(PTR("vpc-3", "5.0.3.10.in-addr.arpa."), "NXDOMAIN");
    assert_string_equal(A("vpc-3", "www.example.com."), "upstream");
    /* Without DNS support there is no resolver. */
    assert_string_equal(A("vpc-5", "ip-10-5-0-5.ec2.internal."), "REFUSED");
    assert_string_equal(A("vpc-5", "www.example.com."), "REFUSED");
}

static void addresses_have_names(void **state) {
    assert_string_equal(PTR("vpc-1", "5.1.0.10.in-addr.arpa."), "PTR ip-10-0-1-5.ec2.internal.");
    assert_string_equal(PTR("vpc-1", "4.3.168.192.in-addr.arpa."),
                        "PTR ip-192-168-3-4.ec2.internal.");
    assert_string_equal(PTR("vpc-1", "5.0.1.54.in-addr.arpa."), "PTR ip-54-1-0-5.ec2.internal.");
    assert_string_equal(PTR("vpc-2", "5.0.1.54.in-addr.arpa."), "upstream");
    assert_string_equal(PTR("vpc-1", "5.0.6.10.in-addr.arpa."),
                        "PTR ip-10-6-0-5.us-west-2.compute.internal.");
    assert_string_equal(PTR("vpc-1", "25.113.0.203.in-addr.arpa."),
                        "PTR ec2-203-0-113-25.compute-1.amazonaws.com.");
    assert_string_equal(PTR("vpc-1", "27.113.0.203.in-addr.arpa."), "NXDOMAIN");
    assert_string_equal(PTR("vpc-1", "99.113.0.203.in-addr.arpa."), "NXDOMAIN"); /* TEST-NET-3 */
    assert_string_equal(PTR("vpc-1", "1.0.0.127.in-addr.arpa."), "PTR localhost.");
    assert_string_equal(PTR("vpc-1", "254.169.254.169.in-addr.arpa."), "NXDOMAIN");
    assert_string_equal(PTR("vpc-1", "8.8.8.8.in-addr.arpa."), "upstream");
    assert_string_equal(
        PTR("vpc-1", "5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."),
        "PTR i-1.ec2.internal.");
    assert_string_equal(
        PTR("vpc-1", "6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."),
        "NXDOMAIN");
    assert_string_equal(
        PTR("vpc-2", "5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."),
        "NXDOMAIN");
    assert_string_equal(
        PTR("vpc-1", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa."),
        "PTR localhost.");
    assert_string_equal(PTR("vpc-1", "0.7.4.1.0.0.2.ip6.arpa."), "upstream");
}

/* Parts of reversed names, and what stands below addresses: nothing of ours is asked elsewhere. */
static void reverse_zones_are_whole(void **state) {
    assert_string_equal(PTR("vpc-1", "1.0.10.in-addr.arpa."), "NODATA");
    assert_string_equal(PTR("vpc-1", "10.in-addr.arpa."), "NODATA");
    assert_string_equal(PTR("vpc-1", "lb._dns-sd._udp.0.1.0.10.in-addr.arpa."), "NXDOMAIN");
    assert_string_equal(PTR("vpc-1", "lb._dns-sd._udp.10.in-addr.arpa."), "NXDOMAIN");
    assert_string_equal(PTR("vpc-1", "0/25.1.0.10.in-addr.arpa."), "NXDOMAIN");
    assert_string_equal(PTR("vpc-1", "256.0.10.in-addr.arpa."), "NXDOMAIN");
    assert_string_equal(PTR("vpc-1", "05.1.0.10.in-addr.arpa."), "NXDOMAIN");
    assert_string_equal(PTR("vpc-1", "x.25.113.0.203.in-addr.arpa."), "NXDOMAIN");
    assert_string_equal(PTR("vpc-1", "172.in-addr.arpa."), "upstream");
    assert_string_equal(PTR("vpc-1", "20.172.in-addr.arpa."), "NODATA");
    assert_string_equal(PTR("vpc-1", "in-addr.arpa."), "upstream");
    assert_string_equal(PTR("vpc-1", "ip6.arpa."), "upstream");
    assert_string_equal(PTR("vpc-1", "d.f.ip6.arpa."), "NODATA");
    assert_string_equal(PTR("vpc-1", "1.d.f.ip6.arpa."), "NODATA");
    assert_string_equal(PTR("vpc-1", "xx.d.f.ip6.arpa."), "NXDOMAIN");
    assert_string_equal(
        told("vpc-1", "168.192.in-addr.arpa.", LDNS_RR_TYPE_SOA),
        "SOA ns0.ec2.internal. hostmaster.amazon.com. 2012103100 3600 3600 3600 60");
}

static void what_stays_in_a_network(void **state) {
    assert_string_equal(A("vpc-1", "localhost."), "A 127.0.0.1");
    assert_string_equal(AAAA("vpc-1", "a.localhost."), "AAAA ::1");
    assert_string_equal(told("vpc-1", "localhost.", LDNS_RR_TYPE_MX), "NODATA");
    assert_string_equal(A("vpc-1", "printer.local."), "NXDOMAIN");
    assert_string_equal(A("vpc-1", "db.corp.internal."), "NXDOMAIN");
    assert_string_equal(A("vpc-1", "router.home.arpa."), "NXDOMAIN");
    assert_string_equal(A("vpc-1", "a.test."), "NXDOMAIN");
    assert_string_equal(told("vpc-1", "_dns.resolver.arpa.", LDNS_RR_TYPE_SVCB), "NXDOMAIN");
    assert_string_equal(told("vpc-1", "com.", LDNS_RR_TYPE_DS), "upstream");
    assert_string_equal(told("vpc-1", "www.example.com.", LDNS_RR_TYPE_TXT), "upstream");
    assert_string_equal(told("vpc-1", ".", LDNS_RR_TYPE_NS), "upstream");
    assert_string_equal(told("vpc-1", "www.example.com.", LDNS_RR_TYPE_ANY),
                        "HINFO \"RFC8482\" \"\"");
}

/* A neighbour of the host, by a name without a dot: nobody is asked. */
static void names_without_a_dot_have_no_addresses(void **state) {
    struct said s;

    ask(&s, "vpc-1", "gateway.", LDNS_RR_TYPE_A);
    assert_int_equal(s.verdict, DNS_REPLY);
    assert_int_equal(ldns_pkt_get_rcode(s.pkt), LDNS_RCODE_NOERROR);
    assert_int_equal(ldns_pkt_ancount(s.pkt), 0);
    forget(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(private_names_stand_for_their_addresses, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_name_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(the_zone_itself_exists, setup, teardown),
        cmocka_unit_test_setup_teardown(an_instance_is_known_by_its_id, setup, teardown),
        cmocka_unit_test_setup_teardown(public_names_have_two_sides, setup, teardown),
        cmocka_unit_test_setup_teardown(peers_are_asked_only_while_they_are, setup, teardown),
        cmocka_unit_test_setup_teardown(attributes_of_the_vpc, setup, teardown),
        cmocka_unit_test_setup_teardown(addresses_have_names, setup, teardown),
        cmocka_unit_test_setup_teardown(reverse_zones_are_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(what_stays_in_a_network, setup, teardown),
        cmocka_unit_test_setup_teardown(names_without_a_dot_have_no_addresses, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
