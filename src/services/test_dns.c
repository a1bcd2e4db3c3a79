/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VPC's resolver against ldns: questions are made by ldns, replies read by it.
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

/* ---- messages ---- */

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

    say(&s, vpc("vpc-1"), false, msg, len);
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
    say(&s, vpc("vpc-1"), false, m, n);
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
    say(&s, vpc("vpc-1"), false, m, n);
    assert_false(ldns_pkt_edns(s.pkt)); /* who does not speak it is not answered in it */
    assert_int_equal(s.q.udp_size, 512);
    forget(&s);
    say(&s, vpc("vpc-1"), false, m, with_opt(m, n, 4096, 0, true, NULL, 0));
    assert_true(ldns_pkt_edns(s.pkt));
    assert_true(ldns_pkt_edns_do(s.pkt));
    assert_int_equal(ldns_pkt_edns_udp_size(s.pkt), DNS_UDP_MAX);
    assert_int_equal(s.q.udp_size, DNS_UDP_MAX);
    forget(&s);
    plain(m);
    say(&s, vpc("vpc-1"), false, m, with_opt(m, n, 100, 0, false, NULL, 0));
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

/* ---- what upstream answered ---- */

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
        cmocka_unit_test_setup_teardown(malformed_questions, setup, teardown),
        cmocka_unit_test_setup_teardown(edns, setup, teardown),
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
