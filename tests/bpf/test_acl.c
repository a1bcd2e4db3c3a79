/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stages 6 and 9: network ACLs, packet by packet. The world: standard.h; subnets 1 and 2 get ACLs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "standard.h"

struct entry {
    enum direction dir;
    bool allow;
    const char *cidr;
    int proto;    /* -1: all */
    int from, to; /* ports, or type << 8 | code; from -1: all */
};

static uint8_t family_of(const struct entry *e) {
    return strchr(e->cidr, ':') ? 6 : 4;
}

static struct cidr net_of(const struct entry *e) {
    struct cidr net;

    assert_int_equal(cidr_parse(e->cidr, &net), 0);
    return net;
}

static bool same_side(const struct entry *x, const struct entry *y) {
    return x->dir == y->dir && family_of(x) == family_of(y);
}

static void put_addr(uint32_t table, const struct entry *entries, size_t n, const struct entry *e) {
    struct cidr net = net_of(e);
    struct rule_addr_key key = {.prefixlen = RULE_ADDR_PREFIX + net.len,
                                .table = table,
                                .dir = (uint8_t)e->dir,
                                .family = family_of(e),
                                .addr = world_abi(&net.ip)};
    struct acl_addr_value v = {0};

    for (size_t i = 0; i < n; i++) {
        struct cidr other = net_of(&entries[i]);

        if (same_side(&entries[i], e) && cidr_contains(&other, &net))
            v.bits |= 1ull << i;
    }
    assert_int_equal(dataplane_put(w.dp, DATAPLANE_ACL_ADDRS, &key, &v), 0);
}

/* One port, all ports of a protocol (-1), or all protocols. */
static void put_port(uint32_t table, const struct entry *entries, size_t n, const struct entry *e,
                     int port) {
    struct rule_port_key key = {.table = table, .dir = (uint8_t)e->dir, .family = family_of(e)};
    struct acl_port_value v = {0};

    key.prefixlen = e->proto < 0 ? RULE_PORT_ANY_PROTO
                    : port < 0   ? RULE_PORT_PROTO
                                 : RULE_PORT_PROTO + 16;
    if (e->proto >= 0)
        key.proto = (uint8_t)e->proto;
    if (port >= 0)
        key.port = htons((uint16_t)port);
    for (size_t i = 0; i < n; i++) {
        const struct entry *o = &entries[i];
        bool covers =
            o->proto < 0 || (o->proto == e->proto &&
                             (o->from < 0 || (port >= 0 && o->from <= port && port <= o->to)));

        if (!same_side(o, e) || !covers)
            continue;
        v.bits |= 1ull << i;
        v.allow |= (uint64_t)o->allow << i;
    }
    assert_int_equal(dataplane_put(w.dp, DATAPLANE_ACL_PORTS, &key, &v), 0);
}

static void set_acl(uint32_t subnet, uint32_t table) {
    struct subnet_key key = {subnet};
    struct subnet_value v;

    assert_int_equal(dataplane_get(w.dp, DATAPLANE_SUBNETS, &key, &v), 0);
    v.acl_in = v.acl_out = table;
    assert_int_equal(dataplane_put(w.dp, DATAPLANE_SUBNETS, &key, &v), 0);
    world_bump(&w, v.vpc, true, false);
}

/* The entries in the order of their numbers, in force at the subnet. */
static void acl(uint32_t subnet, const struct entry *entries, size_t n) {
    uint32_t table = ++w.next_table;

    for (size_t i = 0; i < n; i++) {
        put_addr(table, entries, n, &entries[i]);
        for (int port = entries[i].from; port <= (entries[i].from < 0 ? -1 : entries[i].to); port++)
            put_port(table, entries, n, &entries[i], port);
    }
    set_acl(subnet, table);
}
#define ACL(subnet, ...)                                                                           \
    do {                                                                                           \
        const struct entry entries_[] = {__VA_ARGS__};                                             \
        acl(subnet, entries_, ARRAY_SIZE(entries_));                                               \
    } while (0)
#define NOTHING 0xfffffffe /* a table without entries */

static const struct entry out4 = {DIR_EGRESS, true, "0.0.0.0/0", -1, -1, -1},
                          out6 = {DIR_EGRESS, true, "::/0", -1, -1, -1},
                          in4 = {DIR_INGRESS, true, "0.0.0.0/0", -1, -1, -1},
                          in6 = {DIR_INGRESS, true, "::/0", -1, -1, -1};

static int no_acls(void **state) {
    set_acl(1, 0);
    set_acl(2, 0);
    return 0;
}

#define A4 "10.0.1.4"
#define C4 "10.0.2.4"
#define A6 "fd00:0:0:1::4"
#define C6 "2001:db8:ff00:2::4"

static void there(uint16_t sport, uint16_t dport, unsigned reason) {
    struct packet k = standard_udp(&a, A4, C4, sport, dport);

    expect_at(&w, &a, &k, reason, NULL, __LINE__);
}

static void back(uint16_t sport, uint16_t dport, unsigned reason) {
    struct packet k = standard_udp(&c, C4, A4, sport, dport);

    expect_at(&w, &c, &k, reason, NULL, __LINE__);
}

/* "The lowest number that matches decides"; without one, refused. */
static void test_order(void **state) {
    static const struct entry deny80 = {DIR_INGRESS, false, "0.0.0.0/0", IPPROTO_UDP, 80, 80},
                              allow80 = {DIR_INGRESS, true, A4 "/32", IPPROTO_UDP, 80, 80};

    ACL(2, deny80, in4, out4);
    there(1000, 80, DROP_ACL_INGRESS);
    there(1000, 81, DROP_NONE);
    ACL(2, in4, deny80, out4);
    there(1000, 80, DROP_NONE);
    ACL(2, allow80, deny80, out4);
    there(1001, 80, DROP_NONE);
    there(1001, 81, DROP_ACL_INGRESS);
    ACL(2, deny80, allow80, out4);
    there(1001, 80, DROP_ACL_INGRESS); /* a flow that was known */
    set_acl(2, NOTHING);
    there(1002, 80, DROP_ACL_INGRESS);
    set_acl(1, NOTHING);
    there(1003, 80, DROP_ACL_EGRESS); /* the earlier step */
}

/* Which side a rule is for, and which address it names. */
static void test_directions(void **state) {
    ACL(1, {DIR_EGRESS, true, C4 "/32", IPPROTO_UDP, 80, 80},
        {DIR_INGRESS, true, C4 "/32", IPPROTO_UDP, 2000, 2000});
    there(2000, 80, DROP_NONE);
    back(80, 2000, DROP_NONE);
    there(2000, 81, DROP_ACL_EGRESS);
    back(80, 2001, DROP_ACL_INGRESS);
    ACL(1, {DIR_EGRESS, true, A4 "/32", -1, -1, -1}, {DIR_INGRESS, true, A4 "/32", -1, -1, -1});
    there(2001, 80, DROP_ACL_EGRESS);
    back(80, 2001, DROP_ACL_INGRESS);
    /* The destination's ACL sees the source. */
    no_acls(NULL);
    ACL(2, {DIR_INGRESS, true, A4 "/32", IPPROTO_UDP, 80, 80},
        {DIR_EGRESS, true, A4 "/32", IPPROTO_UDP, 2002, 2002});
    there(2002, 80, DROP_NONE);
    back(80, 2002, DROP_NONE);
    back(80, 2003, DROP_ACL_EGRESS);
}

/* Stateless: the answer needs a rule of its own; without it the flow stays, and goes on later. */
static void test_stateless(void **state) {
    struct packet k = standard_udp(&a, A4, C4, 3000, 53);
    struct flow_value f, g;

    ACL(1, out4);
    there(3000, 53, DROP_NONE);
    assert_int_equal(world_flow(&w, &a, &k, &f), 0);
    for (int i = 0; i < 3; i++)
        back(53, 3000, DROP_ACL_INGRESS);
    there(3000, 53, DROP_NONE); /* the other way is as it was */
    ACL(1, out4, {DIR_INGRESS, true, "10.0.2.0/24", IPPROTO_UDP, 3000, 3001});
    back(53, 3000, DROP_NONE);
    set_acl(1, NOTHING);
    there(3000, 53, DROP_ACL_EGRESS);
    back(53, 3000, DROP_ACL_INGRESS);
    set_acl(1, 0);
    there(3000, 53, DROP_NONE);
    back(53, 3000, DROP_NONE);
    assert_int_equal(world_flow(&w, &a, &k, &g), 0);
    assert_int_equal(f.start_ns, g.start_ns);
}

/* A tracked flow whose group rule is gone survives a change of ACLs, a refusal too. */
static void test_tracked(void **state) {
    static const struct world_rule only_a = {DIR_INGRESS, 4, IPPROTO_UDP, 77, 77, A4 "/32", 0},
                                   nothing = {DIR_INGRESS, 4, IPPROTO_UDP, 9, 9, "192.0.2.1/32", 0};

    world_rules(&w, &c, &only_a, 1);
    world_bump(&w, 1, false, true);
    there(4000, 77, DROP_NONE);
    world_rules(&w, &c, &nothing, 1);
    world_bump(&w, 1, false, true);
    there(4001, 77, DROP_GROUP_INGRESS);
    ACL(2, in4, out4, {DIR_INGRESS, false, "10.9.0.0/16", -1, -1, -1});
    there(4000, 77, DROP_NONE);
    back(77, 4000, DROP_NONE);
    set_acl(2, NOTHING);
    there(4000, 77, DROP_ACL_INGRESS);
    back(77, 4000, DROP_ACL_EGRESS);
    set_acl(2, 0);
    there(4000, 77, DROP_NONE);
    back(77, 4000, DROP_NONE);
    there(4001, 77, DROP_GROUP_INGRESS);
    standard_open_all(&c);
    world_bump(&w, 1, false, true);
}

static void test_families(void **state) {
    struct packet six = standard_udp(&a, A6, C6, 5000, 80);

    ACL(2, in4, out4);
    there(5000, 80, DROP_NONE);
    expect_drop(&w, &a, &six, DROP_ACL_INGRESS);
    ACL(2, in6, out6);
    there(5000, 80, DROP_ACL_INGRESS);
    expect_pass(&w, &a, &six, NULL);
    ACL(1, {DIR_EGRESS, false, "::/0", IPPROTO_UDP, 80, 80}, out6, out4);
    expect_drop(&w, &a, &six, DROP_ACL_EGRESS);
}

static void test_protocols(void **state) {
    struct packet ping = standard_ping(&a, A4, C4, false, 7),
                  pong = standard_ping(&c, C4, A4, true, 7);
    struct packet syn = standard_tcp(&a, A4, C4, 6000, 80, SYN);

    ACL(2, {DIR_INGRESS, true, "0.0.0.0/0", IPPROTO_ICMP, 8 << 8, 8 << 8},
        {DIR_EGRESS, true, "0.0.0.0/0", IPPROTO_ICMP, 3 << 8, 3 << 8});
    expect_pass(&w, &a, &ping, NULL);
    expect_drop(&w, &c, &pong, DROP_ACL_EGRESS);
    expect_drop(&w, &a, &syn, DROP_ACL_INGRESS);
    ACL(2, {DIR_INGRESS, true, "0.0.0.0/0", IPPROTO_ICMP, -1, -1},
        {DIR_EGRESS, true, "0.0.0.0/0", IPPROTO_ICMP, 0, 0});
    expect_pass(&w, &a, &ping, NULL);
    expect_pass(&w, &c, &pong, NULL);
    ACL(2, {DIR_INGRESS, false, "0.0.0.0/0", IPPROTO_ICMP, -1, -1}, in4, out4);
    expect_drop(&w, &a, &ping, DROP_ACL_INGRESS);
    expect_pass(&w, &a, &syn, NULL);
    /* By number: all of that protocol. */
    ACL(2, {DIR_INGRESS, true, "0.0.0.0/0", 47, -1, -1}, out4);
    packet_eth(&syn, world_router_mac, a.mac, ETH_P_IP);
    packet_ip(&syn, A4, C4, 47);
    packet_bytes(&syn, NULL, 16);
    packet_finish(&syn);
    expect_pass(&w, &a, &syn, NULL);
    there(6001, 80, DROP_ACL_INGRESS);
}

/* Within a subnet nobody asks; nor by way of a middlebox in it. From it to another one, ACLs do. */
static void test_borders(void **state) {
    struct packet near = standard_udp(&a, A4, "10.0.1.5", 7000, 80), far, back_again;
    struct eni_value before = world_eni_get(&w, &b), open = before;

    set_acl(1, NOTHING);
    expect_pass(&w, &a, &near, NULL);
    there(7001, 80, DROP_ACL_EGRESS);

    open.flags &= ~(uint32_t)ENI_SRC_DST_CHECK;
    world_eni_put(&w, &b, &open);
    world_route(&w, 100, "10.0.2.0/24", ROUTE_ENI | ROUTE_INSIDE, b.number);
    world_bump(&w, 1, true, false);
    far = standard_udp(&a, A4, C4, 7002, 80);
    expect_pass(&w, &a, &far, NULL); /* a to b, in subnet 1 */
    /* What b forwards would leave the subnet; its table leads nowhere else. */
    world_route(&w, 100, "10.0.2.0/24", ROUTE_LOCAL, 0);
    world_bump(&w, 1, true, false);
    far = standard_udp(&b, A4, C4, 7002, 80);
    expect_drop(&w, &b, &far, DROP_ACL_EGRESS);
    back_again = standard_udp(&b, C4, A4, 80, 7002);
    expect_pass(&w, &b, &back_again, NULL); /* b to a, in subnet 1 */
    world_eni_put(&w, &b, &before);
    world_bump(&w, 1, true, false);
}

/* The internet gateway: the ACL sees the address outside; what turns round in it, public ones. */
static void test_gateway(void **state) {
    struct packet out = standard_ping(&a, A4, HOST, false, 8000),
                  in = standard_ping(NULL, HOST, "203.0.113.10", true, 8000),
                  turn = standard_udp(&a, A4, "203.0.113.11", 8001, 80);

    ACL(1, {DIR_EGRESS, true, HOST "/32", IPPROTO_ICMP, 8 << 8, 8 << 8},
        {DIR_INGRESS, true, HOST "/32", IPPROTO_ICMP, 0, 0});
    expect_pass(&w, &a, &out, NULL);
    expect_pass(&w, NULL, &in, NULL);
    ACL(1, {DIR_EGRESS, true, HOST "/32", IPPROTO_ICMP, 8 << 8, 8 << 8});
    expect_drop(&w, NULL, &in, DROP_ACL_INGRESS);
    expect_pass(&w, &a, &out, NULL);
    ACL(1, out4);
    ACL(2, {DIR_INGRESS, true, A4 "/32", -1, -1, -1});
    expect_drop(&w, &a, &turn, DROP_ACL_INGRESS);
    ACL(2, {DIR_INGRESS, true, "203.0.113.10/32", -1, -1, -1});
    expect_pass(&w, &a, &turn, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_order, no_acls),
        cmocka_unit_test_teardown(test_directions, no_acls),
        cmocka_unit_test_teardown(test_stateless, no_acls),
        cmocka_unit_test_teardown(test_tracked, no_acls),
        cmocka_unit_test_teardown(test_families, no_acls),
        cmocka_unit_test_teardown(test_protocols, no_acls),
        cmocka_unit_test_teardown(test_borders, no_acls),
        cmocka_unit_test_teardown(test_gateway, no_acls),
    };

    return cmocka_run_group_tests(tests, standard_setup, standard_teardown);
}
