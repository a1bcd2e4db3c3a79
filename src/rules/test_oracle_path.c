/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What AWS's documents say of network ACLs, route priority, prefix lists and gateway route tables,
 * as rows for the oracle. The world:
 *
 *                    internet (host 203.0.113.1)
 *                       |
 *                     igw-a [rtb-edge: 10.0.2.0/24 -> eni-m]
 *     vpc-a 10.0.0.0/16 |
 *     +-----------------+-------------------+---------------------------+
 *     | subnet-1 10.0.1.0/24 [acl-1, rtb-1] | subnet-2 10.0.2.0/24      |
 *     |   eni-a .10  203.0.113.10           |   [acl-2, rtb-2]          |
 *     |   eni-n .11                         |   eni-c .20  203.0.113.20 |
 *     |   eni-m .40  SourceDestCheck off    |                           |
 *     +-------------------------------------+---------------------------+
 *
 * All groups allow everything.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "model/instance.h"
#include "model/network_acl.h"
#include "model/prefix_list.h"
#include "model/route_table.h"
#include "model/security_group.h"
#include "model/vpc.h"
#include "rules/test_packet.h"

enum { ICMP = 1, TCP = 6, UDP = 17, GRE = 47, ALL = -1 };

static const struct scope scope = {.account = 1, .region = 1};
static struct index *ix;

static struct cidr cidr_of(const char *s) {
    struct cidr c;

    assert_int_equal(cidr_parse(s, &c), 0);
    return c;
}

static struct ip ip_of(const char *s) {
    struct ip ip;

    assert_int_equal(ip_parse(s, &ip), 0);
    return ip;
}

static void put(void *o) {
    void *old = NULL;

    assert_int_equal(index_put(ix, o, &old), 0);
    obj_unref(old);
    obj_unref(o);
}

static const struct {
    const char *acl;
    int64_t number;
    bool egress, allow;
    int64_t protocol;
    const char *cidr;
    int64_t from, to; /* ports; of ICMP: type and code */
} entries[] = {
    {"acl-1", 100, true, true, ALL, "0.0.0.0/0", 0, 0},
    {"acl-1", 100, false, true, TCP, "0.0.0.0/0", 1024, 65535}, /* ephemeral ports: answers */
    {"acl-1", 110, false, true, ICMP, "0.0.0.0/0", 3, 4},
    {"acl-2", 90, false, false, TCP, "10.0.1.0/24", 22, 22},
    {"acl-2", 100, false, true, TCP, "0.0.0.0/0", 0, 1023},
    {"acl-2", 110, false, false, TCP, "0.0.0.0/0", 80, 80}, /* never reached */
    {"acl-2", 120, false, true, ICMP, "0.0.0.0/0", 8, -1},
    {"acl-2", 130, false, true, GRE, "10.0.1.10/32", 0, 0},
    {"acl-2", 100, true, true, TCP, "0.0.0.0/0", 1024, 65535},
    {"acl-2", ACL_RULE_LAST, false, false, ALL, "0.0.0.0/0", 0, 0},
};

static void make_acl(const char *id) {
    struct network_acl *a = obj_new(KIND_NETWORK_ACL, scope, id);

    str_set(&a->vpc_id, "vpc-a");
    for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
        struct acl_entry *e;

        if (strcmp(entries[i].acl, id) != 0)
            continue;
        e = network_acl_add(a, entries[i].egress, entries[i].number);
        e->allow = entries[i].allow;
        e->protocol = entries[i].protocol;
        e->cidr = cidr_of(entries[i].cidr);
        if (e->protocol == TCP) {
            e->from = (struct optint){.set = true, .v = entries[i].from};
            e->to = (struct optint){.set = true, .v = entries[i].to};
        } else if (e->protocol == ICMP) {
            e->icmp_type = (struct optint){.set = true, .v = entries[i].from};
            e->icmp_code = (struct optint){.set = true, .v = entries[i].to};
        }
    }
    put(a);
}

static const struct {
    const char *table, *to, *target; /* `to`: a CIDR or a prefix list */
    uint8_t origin;
} routes[] = {
    {"rtb-1", "10.0.0.0/16", "local", ROUTE_ORIGIN_CREATE_TABLE},
    {"rtb-1", "0.0.0.0/0", "igw-a", ROUTE_ORIGIN_CREATE},
    {"rtb-1", "192.0.2.0/24", "eni-m", ROUTE_ORIGIN_CREATE}, /* within the sender's own subnet */
    {"rtb-1", "pl-1", "eni-c", ROUTE_ORIGIN_CREATE},
    {"rtb-1", "198.51.100.0/24", "eni-n", ROUTE_ORIGIN_PROPAGATED},
    {"rtb-2", "10.0.0.0/16", "local", ROUTE_ORIGIN_CREATE_TABLE},
    {"rtb-2", "0.0.0.0/0", "eni-m", ROUTE_ORIGIN_CREATE},
    {"rtb-edge", "10.0.0.0/16", "local", ROUTE_ORIGIN_CREATE_TABLE},
    {"rtb-edge", "10.0.2.0/24", "eni-m", ROUTE_ORIGIN_CREATE},
};

static void make_routes(const char *id, const char *subnet, const char *gateway) {
    struct route_table *t = obj_new(KIND_ROUTE_TABLE, scope, id);
    struct route_association *a = list_add(&t->associations, sizeof(*a));

    str_set(&t->vpc_id, "vpc-a");
    str_set(&a->subnet_id, subnet);
    str_set(&a->gateway_id, gateway);
    for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
        struct route *r;

        if (strcmp(routes[i].table, id) != 0)
            continue;
        r = list_add(&t->routes, sizeof(*r));
        if (strncmp(routes[i].to, "pl-", 3) == 0)
            str_set(&r->prefix_list_id, routes[i].to);
        else
            r->cidr = cidr_of(routes[i].to);
        str_set(&r->target, routes[i].target);
        r->origin = routes[i].origin;
    }
    put(t);
}

static void make_eni(const char *id, const char *subnet, const char *ip, const char *public_ip) {
    struct network_interface *e = obj_new(KIND_NETWORK_INTERFACE, scope, id);
    struct eni_address *a = list_add(&e->addresses, sizeof(*a));
    struct instance *i = obj_new(KIND_INSTANCE, scope, "i-1");

    i->state = INSTANCE_RUNNING;
    put(i);
    a->ip = ip_of(ip);
    a->primary = true;
    if (public_ip)
        a->public_ip = ip_of(public_ip);
    str_set(&e->vpc_id, "vpc-a");
    str_set(&e->subnet_id, subnet);
    str_set(&e->instance_id, "i-1");
    strs_add(&e->groups, "sg-any");
    e->sgset = 1;
    e->source_dest_check = strcmp(id, "eni-m") != 0;
    e->mac[5] = a->ip.b[3];
    put(e);
}

static void make_subnet(const char *id, const char *cidr, const char *acl) {
    struct subnet *s = obj_new(KIND_SUBNET, scope, id);

    str_set(&s->vpc_id, "vpc-a");
    str_set(&s->acl_id, acl);
    s->cidr = cidr_of(cidr);
    put(s);
}

static int setup(void **state) {
    struct vpc *v = obj_new(KIND_VPC, scope, "vpc-a");
    struct internet_gateway *igw = obj_new(KIND_INTERNET_GATEWAY, scope, "igw-a");
    struct security_group *g = obj_new(KIND_SECURITY_GROUP, scope, "sg-any");
    struct prefix_list *pl = obj_new(KIND_PREFIX_LIST, scope, "pl-1");
    static const char *const listed[] = {"192.0.2.0/24", "198.51.100.0/24", "198.18.7.0/24"};

    ix = index_new();
    v->cidr = cidr_of("10.0.0.0/16");
    ((struct cidr_association *)list_add(&v->cidrs, sizeof(struct cidr_association)))->cidr =
        v->cidr;
    put(v);
    str_set(&igw->vpc_id, "vpc-a");
    put(igw);
    str_set(&g->vpc_id, "vpc-a");
    for (int egress = 0; egress < 2; egress++) {
        struct sg_rule *r = list_add(&g->rules, sizeof(*r));

        r->egress = egress;
        r->protocol = r->from = r->to = -1;
        r->cidr = cidr_of("0.0.0.0/0");
    }
    put(g);
    pl->family = PREFIX_LIST_IPV4;
    for (size_t i = 0; i < ARRAY_SIZE(listed); i++)
        ((struct prefix_entry *)list_add(&pl->entries, sizeof(struct prefix_entry)))->cidr =
            cidr_of(listed[i]);
    put(pl);
    make_acl("acl-1");
    make_acl("acl-2");
    make_subnet("subnet-1", "10.0.1.0/24", "acl-1");
    make_subnet("subnet-2", "10.0.2.0/24", "acl-2");
    make_routes("rtb-1", "subnet-1", NULL);
    make_routes("rtb-2", "subnet-2", NULL);
    make_routes("rtb-edge", NULL, "igw-a");
    make_eni("eni-a", "subnet-1", "10.0.1.10", "203.0.113.10");
    make_eni("eni-n", "subnet-1", "10.0.1.11", NULL);
    make_eni("eni-m", "subnet-1", "10.0.1.40", NULL);
    make_eni("eni-c", "subnet-2", "10.0.2.20", "203.0.113.20");
    return 0;
}

static int teardown(void **state) {
    index_free(ix);
    return 0;
}

static const struct {
    const char *what, *from, *src, *dst; /* from NULL: the uplink */
    uint8_t protocol;
    uint16_t sport, dport; /* ICMP: type and code */
    enum drop_reason reason;
    const char *to, *decided; /* NULL: not asked */
} rows[] = {
    /* clang-format off */
    /* "Network ACL rules", "Network ACL basics" */
    {"the lowest number that matches applies", "eni-a", "10.0.1.10", "10.0.2.20", TCP, 40000, 80, DROP_NONE, "eni-c", "acl-2 rule 100"},
    {"an earlier one denies", "eni-a", "10.0.1.10", "10.0.2.20", TCP, 40000, 22, DROP_ACL_INGRESS, NULL, "acl-2 rule 90"},
    {"no rule matches: *", "eni-a", "10.0.1.10", "10.0.2.20", UDP, 40000, 53, DROP_ACL_INGRESS, NULL, "acl-2 rule *"},
    {"stateless: an answer by its own rule", "eni-c", "10.0.2.20", "10.0.1.10", TCP, 80, 40000, DROP_NONE, "eni-a", "acl-1 rule 100"},
    {"to a port that is not ephemeral", "eni-c", "10.0.2.20", "10.0.1.10", TCP, 80, 1023, DROP_ACL_EGRESS, NULL, "acl-2 rule *"},
    {"a type with all codes", "eni-a", "10.0.1.10", "10.0.2.20", ICMP, 8, 5, DROP_NONE, "eni-c", "acl-2 rule 120"},
    {"another type", "eni-a", "10.0.1.10", "10.0.2.20", ICMP, 13, 0, DROP_ACL_INGRESS, NULL, "acl-2 rule *"},
    {"a protocol by its number", "eni-a", "10.0.1.10", "10.0.2.20", GRE, 0, 0, DROP_NONE, "eni-c", "acl-2 rule 130"},
    {"and another source", "eni-n", "10.0.1.11", "10.0.2.20", GRE, 0, 0, DROP_ACL_INGRESS, NULL, "acl-2 rule *"},
    {"within a subnet no ACL is asked", "eni-a", "10.0.1.10", "10.0.1.11", UDP, 1, 1, DROP_NONE, "eni-n", NULL},
    {"nor on the way to a middlebox in it", "eni-a", "10.0.1.10", "192.0.2.9", UDP, 1, 1, DROP_NONE, "eni-m", "rtb-1: 192.0.2.0/24"},
    {"from outside, by its address there", NULL, "203.0.113.1", "203.0.113.10", TCP, 80, 40000, DROP_NONE, "eni-a", "acl-1 rule 100"},
    {"and refused", NULL, "203.0.113.1", "203.0.113.10", TCP, 40000, 80, DROP_ACL_INGRESS, NULL, "acl-1 rule *"},
    /* "Route priority" */
    {"a CIDR before a prefix list", "eni-a", "10.0.1.10", "192.0.2.1", TCP, 40000, 80, DROP_NONE, "eni-m", "rtb-1: 192.0.2.0/24"},
    {"a prefix list before a propagated route", "eni-a", "10.0.1.10", "198.51.100.1", TCP, 40000, 80, DROP_NOT_DESTINATION, NULL, "rtb-1: pl-1"},
    {"a prefix list's prefix is longer than the default", "eni-a", "10.0.1.10", "198.18.7.1", TCP, 40000, 80, DROP_NOT_DESTINATION, NULL, "rtb-1: pl-1"},
    /* "Gateway route tables", "Middlebox routing" */
    {"in by the gateway: to the middlebox", NULL, "203.0.113.1", "203.0.113.20", TCP, 80, 40000, DROP_NONE, "eni-m", "eni-m"},
    {"its subnet's ACL is asked", NULL, "203.0.113.1", "203.0.113.20", TCP, 40000, 80, DROP_ACL_INGRESS, NULL, "acl-1 rule *"},
    {"on from there", "eni-m", "203.0.113.1", "10.0.2.20", TCP, 40000, 80, DROP_NONE, "eni-c", "acl-2 rule 100"},
    {"out by way of the middlebox", "eni-c", "10.0.2.20", "203.0.113.1", TCP, 80, 40000, DROP_NONE, "eni-m", "rtb-2: 0.0.0.0/0"},
    {"which the gateway translates", "eni-m", "10.0.2.20", "203.0.113.1", TCP, 80, 40000, DROP_NONE, "", "igw-a"},
    {"what is local in the gateway's table", NULL, "203.0.113.1", "203.0.113.10", TCP, 80, 50000, DROP_NONE, "eni-a", "rtb-edge: 10.0.0.0/16"},
    /* clang-format on */
};

static bool allow_any(void *data, uint8_t protocol, uint16_t port) {
    return true;
}

static bool was_asked(const struct oracle_verdict *v, const char *by) {
    for (unsigned i = 0; i < v->n_hops; i++)
        if (strcmp(v->hops[i].by, by) == 0)
            return true;
    return false;
}

static void test_rows(void **state) {
    const struct oracle_host host = {.uplink = true,
                                     .address4 = ip_of("203.0.113.1"),
                                     .pool4 = cidr_of("203.0.113.0/24"),
                                     .allows = allow_any};
    int wrong = 0;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct oracle_packet p = {.src = ip_of(rows[i].src),
                                  .dst = ip_of(rows[i].dst),
                                  .protocol = rows[i].protocol,
                                  .sport = rows[i].sport,
                                  .dport = rows[i].dport};
        struct oracle_verdict v;

        if (p.protocol == ICMP) {
            p.icmp_type = (uint8_t)rows[i].sport;
            p.icmp_code = (uint8_t)rows[i].dport;
        }
        if (rows[i].from) {
            p.from = index_get(ix, KIND_NETWORK_INTERFACE, scope, rows[i].from);
            memcpy(p.src_mac, p.from->mac, 6);
        }
        oracle_judge(ix, &host, &p, &v);
        if (v.reason == rows[i].reason &&
            (!v.accepted || strcmp(rows[i].to, v.to ? v.to->o.id : "") == 0) &&
            (!rows[i].decided || was_asked(&v, rows[i].decided)))
            continue;
        printf("not so: %s\n", rows[i].what);
        packet_print(&p);
        verdict_print(&v);
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};

    return cmocka_run_group_tests(tests, setup, teardown);
}
