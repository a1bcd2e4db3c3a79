/* SPDX-License-Identifier: Apache-2.0 */
/* What does not fit: who is told what, what is cut, and that nothing is kept. The world:
 * standard.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/pkt_cls.h>

#include "base/cleanup.h"
#include "standard.h"

static void host_open(bool open) {
    struct config_value v;
    uint32_t zero = 0;

    assert_int_equal(dataplane_get(w.dp, DATAPLANE_CONFIG, &zero, &v), 0);
    v.flags = open ? CONFIG_HOST_OPEN : 0;
    assert_int_equal(dataplane_put(w.dp, DATAPLANE_CONFIG, &zero, &v), 0);
}

static int setup(void **state) {
    int r = standard_setup(state);

    host_open(true);
    return r;
}

static struct packet large(const struct world_eni *e, const char *src, const char *dst,
                           uint8_t proto, size_t payload) {
    struct packet k;

    packet_eth(&k, world_router_mac, e->mac, strchr(dst, ':') ? ETH_P_IPV6 : ETH_P_IP);
    packet_ip(&k, src, dst, proto);
    if (proto == IPPROTO_TCP)
        packet_tcp(&k, 1, 2, ACK, payload);
    else
        packet_udp(&k, 1, 2, payload);
    packet_finish(&k);
    return k;
}

/* The message for `k`, from the router of its sender. */
static void assert_told(const struct outcome *o, const struct world_eni *e, const struct packet *k,
                        const char *router, const char *sender, unsigned mtu) {
    bool v6 = k->data[12] == 0x86;
    size_t icmp = v6 ? 54u : 34u, quote = v6 ? 1232 : 548;

    assert_int_equal(o->reason, DROP_TOO_BIG);
    assert_int_equal(o->action, TC_ACT_REDIRECT);
    assert_int_equal(o->len, icmp + 8 + quote);
    assert_macs(o, e->mac, world_router_mac);
    assert_addresses(o, router, sender);
    assert_memory_equal(o->data + 12, k->data + 12, 2);
    assert_int_equal(o->data[v6 ? 20 : 23], v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
    assert_int_equal(o->data[icmp], v6 ? 2 : 3);
    assert_int_equal(o->data[icmp + 1], v6 ? 0 : 4);
    assert_int_equal(o->data[icmp + 4] << 24 | o->data[icmp + 5] << 16 | o->data[icmp + 6] << 8 |
                         o->data[icmp + 7],
                     mtu);
    assert_memory_equal(o->data + icmp + 8, k->data + 14, quote);
}

static void test_told(void **state) {
    struct packet k;
    struct outcome out;

    for (int extra = 0; extra < 2; extra++) {
        k = large(&a, "10.0.1.4", HOST, IPPROTO_UDP, (size_t)(1472 + extra));
        for (int i = 0; i < 2; i++) { /* the slow path and the fast one */
            world_send(&w, &a, &k, &out);
            if (extra)
                assert_told(&out, &a, &k, "10.0.1.1", "10.0.1.4", 1500);
            else
                assert_int_equal(out.reason, DROP_NONE);
        }
        k = large(&c, "2001:db8:ff00:2::4", HOST6, IPPROTO_UDP, (size_t)(1452 + extra));
        for (int i = 0; i < 2; i++) {
            world_send(&w, &c, &k, &out);
            if (extra)
                assert_told(&out, &c, &k, "fe80::1", "2001:db8:ff00:2::4", 1500);
            else
                assert_int_equal(out.reason, DROP_NONE);
        }
    }
    /* What turns round in the gateway is held to its MTU, too. */
    k = large(&a, "10.0.1.4", "203.0.113.11", IPPROTO_UDP, 1473);
    world_send(&w, &a, &k, &out);
    assert_told(&out, &a, &k, "10.0.1.1", "10.0.1.4", 1500);
    /* From outside nobody is told. */
    k = standard_udp(NULL, HOST, "203.0.113.10", 1, 2);
    packet_bytes(&k, NULL, 1500);
    packet_finish(&k);
    world_send(&w, NULL, &k, &out);
    assert_int_equal(out.reason, DROP_TOO_BIG);
    assert_int_equal(out.action, TC_ACT_SHOT);
}

/* Nothing is kept of a packet that was dropped. */
static void test_nothing_kept(void **state) {
    uint32_t entries = world_flow_entries(&w);
    struct packet k = large(&a, "10.0.1.4", HOST, IPPROTO_UDP, 1473);

    k.data[k.l4 + 1] = 77;
    expect_drop(&w, &a, &k, DROP_TOO_BIG);
    assert_int_equal(world_flow_entries(&w), entries);
}

/* A GSO packet is as large as its segments; the message about it is an ordinary packet. */
static void test_gso(void **state) {
    struct packet k = large(&a, "10.0.1.4", HOST, IPPROTO_TCP, 3000);
    struct outcome out;

    world_send_gso(&w, &a, &k, 1460, &out);
    assert_int_equal(out.reason, DROP_NONE);
    world_send_gso(&w, &a, &k, 1461, &out);
    assert_told(&out, &a, &k, "10.0.1.1", "10.0.1.4", 1500);
    k = large(&c, "2001:db8:ff00:2::4", HOST6, IPPROTO_TCP, 3000);
    world_send_gso(&w, &c, &k, 1440, &out);
    assert_int_equal(out.reason, DROP_NONE);
    world_send_gso(&w, &c, &k, 1441, &out);
    assert_told(&out, &c, &k, "fe80::1", "2001:db8:ff00:2::4", 1500);
}

/* Without "don't fragment" it is cut; what the hook itself sends is the last piece. */
static void test_split(void **state) {
    struct packet k = large(&a, "10.0.1.4", HOST, IPPROTO_UDP, 3000), options;
    struct outcome out;

    k.data[20] = 0;
    packet_finish(&k);
    for (int i = 0; i < 2; i++) {
        world_send(&w, &a, &k, &out);
        assert_int_equal(out.reason, DROP_NONE);
        assert_int_equal(out.action, TC_ACT_REDIRECT);
        assert_int_equal(out.len, 34 + 3008 - 2 * 1480);
        assert_int_equal(out.data[20] << 8 | out.data[21], 2 * 1480 / 8);
        assert_int_equal(checksum(out.data + 14, 20, 0), 0);
        assert_memory_equal(out.data + 34, k.data + 34 + 2 * 1480, 48);
    }
    /* With options, or to be segmented: told. */
    world_send_gso(&w, &a, &k, 1500, &out);
    assert_told(&out, &a, &k, "10.0.1.1", "10.0.1.4", 1500);
    options = k;
    memmove(options.data + 38, k.data + 34, k.len - 34);
    memset(options.data + 34, 1, 4);
    options.data[14] = 0x46;
    options.len += 4;
    options.l4 += 4;
    packet_finish(&options);
    world_send(&w, &a, &options, &out);
    assert_told(&out, &a, &options, "10.0.1.1", "10.0.1.4", 1500);
}

/* Not more than so many a second. */
static void test_rate(void **state) {
    struct packet k = large(&b, "10.0.1.5", "10.0.2.4", IPPROTO_TCP, 100);
    unsigned told = 0;
    struct outcome out;

    k = large(&c, "10.0.2.4", HOST, IPPROTO_UDP, 1473);
    for (int i = 0; i < 1000; i++) {
        world_send(&w, &c, &k, &out);
        assert_int_equal(out.reason, DROP_TOO_BIG);
        told += out.action == TC_ACT_REDIRECT;
    }
    assert_true(told >= 80 && told <= 300);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_told), cmocka_unit_test(test_nothing_kept),
        cmocka_unit_test(test_gso), cmocka_unit_test(test_split), cmocka_unit_test(test_rate)};

    return cmocka_run_group_tests(tests, setup, standard_teardown);
}
