/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VPC's resolver on any bytes. The first byte chooses: bit 0 a connection, else a datagram; bit
 * 1 the rest is a question followed by what upstream answers to it, with the question's length in
 * the second byte. Every reply must be one: no longer than its transport takes, with the question's
 * number, whole when it is read; what the resolver writes by itself, ldns reads too.
 */
#include <ldns/ldns.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/instance.h"
#include "model/peering.h"
#include "model/regions.h"
#include "services/dns_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct index *ix;
static const struct vpc *vpcs[2];

static void *made(enum kind k, const char *id) {
    void *o = obj_new(k, (struct scope){.account = 1, .region = region_by_name("us-east-1")}, id);

    if (!o)
        abort();
    return o;
}

static const struct vpc *add_vpc(const char *id, const char *cidr, bool names) {
    struct vpc *v = made(KIND_VPC, id);
    struct cidr_association *a = list_add(&v->cidrs, sizeof(*a));
    struct cidr_association *six = list_add(&v->cidrs6, sizeof(*six));

    if (cidr_parse(cidr, &v->cidr) < 0 || cidr_parse("2001:db8::/56", &six->cidr) < 0)
        abort();
    a->cidr = v->cidr;
    v->dns_support = true;
    v->dns_hostnames = names;
    index_put(ix, v, NULL);
    obj_unref(v);
    return v;
}

static void make_world(void) {
    struct network_interface *n;
    struct eni_address *a;
    struct instance *i;
    struct peering *p;

    ix = index_new();
    vpcs[0] = add_vpc("vpc-1", "10.0.0.0/16", true);
    vpcs[1] = add_vpc("vpc-2", "54.0.0.0/16", false);
    n = made(KIND_NETWORK_INTERFACE, "eni-1");
    obj_set(&n->o, &n->vpc_id, "vpc-1");
    obj_set(&n->o, &n->instance_id, "i-1");
    a = list_add(&n->addresses, sizeof(*a));
    ip_parse("10.0.0.5", &a->ip);
    ip_parse("203.0.113.5", &a->public_ip);
    a = list_add(&n->addresses6, sizeof(*a));
    ip_parse("2001:db8::5", &a->ip);
    index_put(ix, n, NULL);
    obj_unref(n);
    i = made(KIND_INSTANCE, "i-1");
    obj_set(&i->o, &i->vpc_id, "vpc-1");
    i->names.a = i->names.aaaa = true;
    index_put(ix, i, NULL);
    obj_unref(i);
    p = made(KIND_PEERING, "pcx-1");
    obj_set(&p->o, &p->requester.vpc_id, "vpc-1");
    obj_set(&p->o, &p->accepter.vpc_id, "vpc-2");
    obj_set(&p->o, &p->accepter.account, "000000000001");
    obj_set(&p->o, &p->accepter.region, "us-east-1");
    p->accepter.resolves_dns = true;
    p->status = PEERING_ACTIVE;
    index_put(ix, p, NULL);
    obj_unref(p);
}

static void must(bool holds) {
    if (!holds)
        abort();
}

static void check(const struct dns_query *q, bool tcp, const uint8_t *out, size_t len, bool ours) {
    struct dns_walk walk;
    struct dns_record r;
    int s;

    must(len >= DNS_HEADER && len <= (tcp ? DNS_MESSAGE_MAX : q->udp_size));
    must(out[0] == q->id >> 8 && out[1] == (q->id & 0xff) && (out[2] & 0x80));
    if (q->has_question && q->class == DNS_CLASS_IN) {
        must(dns_walk_begin(&walk, out, len, &q->name, q->type) == 0);
        do
            s = dns_walk_next(&walk, &r);
        while (s > 0);
        must(s == 0 && walk.at == len);
    }
    if (ours) {
        ldns_pkt *p = NULL;

        must(ldns_wire2pkt(&p, out, len) == LDNS_STATUS_OK);
        ldns_pkt_free(p);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t out[DNS_MESSAGE_MAX];
    const uint8_t *msg = data + 2;
    struct dns_query q;
    size_t len, n;
    bool tcp;

    if (!ix)
        make_world();
    if (size < 2)
        return 0;
    tcp = data[0] & 1;
    len = size - 2;
    if (data[0] & 2 && data[1] < len)
        len = data[1];
    for (int i = 0; i < 2; i++) {
        switch (dns_answer(ix, vpcs[i], tcp, msg, len, &q, out, &n)) {
        case DNS_REPLY:
            check(&q, tcp, out, n, true);
            break;
        case DNS_ASK:
            must(q.has_question && q.class == DNS_CLASS_IN);
            check(&q, tcp, out, dns_relayed(&q, tcp, msg + len, size - 2 - len, out), false);
            break;
        case DNS_DROP:
            break;
        }
    }
    return 0;
}
