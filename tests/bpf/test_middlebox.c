/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Middleboxes, packet by packet: between subnets, and at the internet gateway by its own route
 * table. The same flow enters twice and is two flows. The world: standard.h; b forwards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "standard.h"

#define A4 "10.0.1.4"
#define C4 "10.0.2.4"
#define C6 "2001:db8:ff00:2::4"
#define C_PUBLIC "203.0.113.11"
#define EDGE 300

static void set_edge(uint32_t subnet, uint32_t table) {
    struct subnet_key key = {subnet};
    struct edge_value v = {table};

    if (table)
        assert_int_equal(dataplane_put(w.dp, DATAPLANE_EDGES, &key, &v), 0);
    else
        dataplane_del(w.dp, DATAPLANE_EDGES, &key);
    world_bump(&w, 1, true, false);
}

static int setup(void **state) {
    struct eni_value v;

    standard_setup(state);
    v = world_eni_get(&w, &b);
    v.flags &= ~(uint32_t)ENI_SRC_DST_CHECK;
    world_eni_put(&w, &b, &v);
    /* Subnet 2 sends everything by way of b; subnet 1, where b is, has table 100. */
    world_subnet(&w, 2, 1, "10.0.2.0/24", "2001:db8:ff00:2::/64", 150);
    world_route(&w, 150, "10.0.0.0/16", ROUTE_LOCAL, 0);
    world_route(&w, 150, "0.0.0.0/0", ROUTE_ENI, b.number);
    world_route(&w, 150, "::/0", ROUTE_ENI, b.number);
    world_route(&w, EDGE, "10.0.0.0/16", ROUTE_LOCAL, 0);
    world_route(&w, EDGE, "10.0.2.0/24", ROUTE_ENI | ROUTE_INSIDE, b.number);
    world_route(&w, EDGE, "2001:db8:ff00:2::/64", ROUTE_ENI, b.number);
    set_edge(1, EDGE);
    set_edge(2, EDGE);
    return 0;
}

/* `k` goes from `from` to `to` with these addresses then. */
static void arrives_at(const struct world_eni *from, struct packet k, const struct world_eni *to,
                       const char *src, const char *dst, int line) {
    struct outcome out;

    expect_at(&w, from, &k, DROP_NONE, &out, line);
    assert_addresses(&out, src, dst);
    assert_memory_equal(out.data, to ? to->mac : world_host_mac, 6);
}
#define arrives(from, k, to, src, dst) arrives_at(from, k, to, src, dst, __LINE__)

/* From outside, through b, to c; and the answer. Each hop twice: by the rules, then by the flow. */
static void test_inward(void **state) {
    for (int i = 0; i < 2; i++) {
        arrives(NULL, standard_ping(NULL, HOST, C_PUBLIC, false, 5), &b, HOST, C4);
        arrives(&b, standard_ping(&b, HOST, C4, false, 5), &c, HOST, C4);
        arrives(&c, standard_ping(&c, C4, HOST, true, 5), &b, C4, HOST);
        arrives(&b, standard_ping(&b, C4, HOST, true, 5), NULL, C_PUBLIC, HOST);
        arrives(NULL, standard_ping(NULL, HOST6, C6, false, 5), &b, HOST6, C6);
        arrives(&b, standard_ping(&b, HOST6, C6, false, 5), &c, HOST6, C6);
        arrives(&c, standard_ping(&c, C6, HOST6, true, 5), &b, C6, HOST6);
        arrives(&b, standard_ping(&b, C6, HOST6, true, 5), NULL, C6, HOST6);
    }
}

static void test_outward(void **state) {
    for (int i = 0; i < 2; i++) {
        arrives(&c, standard_ping(&c, C4, HOST, false, 6), &b, C4, HOST);
        arrives(&b, standard_ping(&b, C4, HOST, false, 6), NULL, C_PUBLIC, HOST);
        arrives(NULL, standard_ping(NULL, HOST, C_PUBLIC, true, 6), &b, HOST, C4);
        arrives(&b, standard_ping(&b, HOST, C4, true, 6), &c, HOST, C4);
    }
}

/* Only who need not check its sources may send with another's address. */
static void test_only_a_middlebox(void **state) {
    struct packet k = standard_ping(&a, C4, HOST, false, 7);

    expect_drop(&w, &a, &k, DROP_SPOOFED_ADDRESS);
    k = standard_ping(&b, "10.0.2.99", HOST, false, 7);
    expect_drop(&w, &b, &k, DROP_NO_PUBLIC);
    k = standard_ping(&b, "10.0.1.5", HOST, false, 7); /* its own, without a public one */
    expect_drop(&w, &b, &k, DROP_NO_PUBLIC);
}

/* What turns round in the gateway comes in there, too. */
static void test_turn(void **state) {
    arrives(&a, standard_ping(&a, A4, C_PUBLIC, false, 8), &b, "203.0.113.10", C4);
}

/* Other kinds of routes; a's subnet is local in the table. */
static void test_routes(void **state) {
    struct packet k = standard_ping(NULL, HOST, C_PUBLIC, false, 9);
    struct eni_value v = world_eni_get(&w, &b), before = v;

    world_route(&w, EDGE, "10.0.2.4/32", ROUTE_BLACKHOLE | ROUTE_INSIDE, 0);
    world_bump(&w, 1, true, false);
    expect_drop(&w, NULL, &k, DROP_BLACKHOLE);
    world_route(&w, EDGE, "10.0.2.4/32", ROUTE_IGW | ROUTE_INSIDE, 0);
    world_bump(&w, 1, true, false);
    expect_drop(&w, NULL, &k, DROP_ROUTE_KIND);
    world_route(&w, EDGE, "10.0.2.4/32", ROUTE_LOCAL, 0);
    world_bump(&w, 1, true, false);
    arrives(NULL, k, &c, HOST, C4);
    world_route(&w, EDGE, "10.0.2.4/32", ROUTE_ENI | ROUTE_INSIDE, b.number);
    v.flags |= ENI_SRC_DST_CHECK;
    world_eni_put(&w, &b, &v);
    world_bump(&w, 1, true, false);
    expect_drop(&w, NULL, &k, DROP_NOT_DESTINATION);
    world_eni_put(&w, &b, &before);
    world_bump(&w, 1, true, false);
    arrives(NULL, k, &b, HOST, C4);
    arrives(NULL, standard_ping(NULL, HOST, "203.0.113.10", false, 9), &a, HOST, A4);
    set_edge(2, 4000); /* a table that is not there */
    expect_drop(&w, NULL, &k, DROP_NO_ROUTE);
    set_edge(2, 0);
    arrives(NULL, k, &c, HOST, C4);
    set_edge(2, EDGE);
}

/* Two subnets by way of b: two flows of the same addresses and ports, each with its own entry. */
static void test_between_subnets(void **state) {
    struct flow_value first, second;
    struct packet k = standard_udp(&a, A4, C4, 900, 901),
                  again = standard_udp(&b, A4, C4, 900, 901);

    world_subnet(&w, 1, 1, "10.0.1.0/24", "fd00:0:0:1::/64",
                 160); /* a's table; b leaves by it, too */
    world_route(&w, 160, "10.0.0.0/16", ROUTE_LOCAL, 0);
    world_route(&w, 160, "10.0.2.0/24", ROUTE_ENI | ROUTE_INSIDE, b.number);
    world_route(&w, 150, "10.0.1.0/24", ROUTE_ENI | ROUTE_INSIDE, b.number);
    world_bump(&w, 1, true, false);
    arrives(&a, k, &b, A4, C4);
    expect_drop(&w, &b, &again, DROP_BLACKHOLE); /* its own route leads back to b */
    world_route(&w, 160, "10.0.2.0/24", ROUTE_LOCAL, 0);
    world_bump(&w, 1, true, false);
    arrives(&b, again, &c, A4, C4);
    world_route(&w, 160, "10.0.2.0/24", ROUTE_ENI | ROUTE_INSIDE, b.number);
    world_bump(&w, 1, true, false);
    assert_int_equal(world_flow(&w, &a, &k, &first), 0);
    assert_int_equal(world_flow(&w, &b, &again, &second), 0);
    assert_int_equal(first.verdict.far, b.number);
    assert_int_equal(second.verdict.far, c.number);
    arrives(&c, standard_udp(&c, C4, A4, 901, 900), &b, C4, A4);
    arrives(&b, standard_udp(&b, C4, A4, 901, 900), &a, C4, A4); /* within the subnet */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inward),           cmocka_unit_test(test_outward),
        cmocka_unit_test(test_only_a_middlebox), cmocka_unit_test(test_turn),
        cmocka_unit_test(test_routes),           cmocka_unit_test(test_between_subnets),
    };

    return cmocka_run_group_tests(tests, setup, standard_teardown);
}
