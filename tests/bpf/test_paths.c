/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stages 4 to 11, packet by packet: source, routes, the internet gateway, delivery; where a packet
 * goes and what was rewritten. The world: standard.h.
 */
#include <net/if.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "standard.h"

/* --- Stages 4 to 11 ----------------------------------------------------------------------- */

static void test_source(void **state) {
    struct packet k = standard_udp(&a, "10.0.1.5", "10.0.2.4", 1, 2);
    struct eni_value v = world_eni_get(&w, &a), before = v;

    expect_drop(&w, &a, &k, DROP_SPOOFED_ADDRESS);
    k = standard_udp(&a, "192.0.2.1", "10.0.2.4", 1, 2);
    expect_drop(&w, &a, &k, DROP_SPOOFED_ADDRESS);
    k = standard_udp(&a, "fe80::4", "fd00:0:0:1::5", 1, 2);
    expect_drop(&w, &a, &k, DROP_SPOOFED_ADDRESS);
    k = standard_udp(&a, "fd00:0:0:1::5", "fd00:0:0:1::5", 1, 2);
    expect_drop(&w, &a, &k, DROP_SPOOFED_ADDRESS);

    v.flags &= ~(uint32_t)ENI_SRC_DST_CHECK;
    world_eni_put(&w, &a, &v);
    world_bump(&w, 1, true, false);
    k = standard_udp(&a, "192.0.2.1", "10.0.2.4", 1, 2);
    expect_pass(&w, &a, &k, NULL);
    k = standard_udp(&a, "169.254.7.7", "10.0.2.4", 1, 2);
    expect_drop(&w, &a, &k, DROP_SPOOFED_ADDRESS);
    k = standard_udp(&a, "192.0.2.1", HOST, 1, 2);
    expect_drop(&w, &a, &k, DROP_NO_PUBLIC);
    world_eni_put(&w, &a, &before);
    world_bump(&w, 1, true, false);
    k = standard_udp(&a, "192.0.2.1", "10.0.2.4", 1, 2); /* the entry is there, the check is back */
    expect_drop(&w, &a, &k, DROP_SPOOFED_ADDRESS);
}

/* The link's services are not forwarded to, and neither groups nor the source matter. */
static void test_services(void **state) {
    static const struct {
        const char *src, *dst;
    } rows[] = {{"10.0.1.4", "169.254.169.254"},
                {"192.0.2.1", "169.254.168.9"},
                {"fd00:0:0:1::4", "fd00:ec2::254"},
                {"fd00:0:0:1::4", "fd00:ec2:ffff::1"},
                {"2001:db8::1", "fe80::9"}};
    const struct world_rule in = {DIR_INGRESS, 4, -1, -1, -1, "0.0.0.0/0", 0};

    world_rules(&w, &a, &in, 1);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct packet k = standard_udp(&a, rows[i].src, rows[i].dst, 1, 80);
        expect_drop(&w, &a, &k, DROP_LINK_LOCAL);
    }
    standard_open_all(&a);
}

static void test_local(void **state) {
    struct packet k = standard_udp(&a, "10.0.1.4", "10.0.1.5", 3000, 4000);
    struct outcome out;
    struct flow_value f;

    for (int i = 0; i < 3; i++) { /* slow path, then twice the fast one */
        expect_pass(&w, &a, &k, &out);
        assert_macs(&out, b.mac, a.mac); /* same subnet: the sender's own */
        assert_addresses(&out, "10.0.1.4", "10.0.1.5");
        assert_int_equal(out.data[22], 64); /* TTL untouched */
    }
    assert_int_equal(world_flow(&w, &a, &k, &f), 0);
    assert_int_equal(f.verdict.far, b.number);
    assert_int_equal(f.verdict.ifindex, b.ifindex);
    assert_int_equal(f.packets, 3);
    assert_int_equal(f.bytes, 3 * (k.len - 14));
    k = standard_udp(&a, "10.0.1.4", "10.0.2.4", 3000, 4000);
    expect_pass(&w, &a, &k, &out);
    assert_macs(&out, c.mac, world_router_mac);
    k = standard_udp(&a, "fd00:0:0:1::4", "2001:db8:ff00:2::4", 3000, 4000);
    expect_pass(&w, &a, &k, &out);
    assert_macs(&out, c.mac, world_router_mac);
    k = standard_udp(&d, "10.0.1.5", "10.0.1.4", 3000, 4000); /* the other VPC has no 10.0.1.4 */
    expect_drop(&w, &d, &k, DROP_NO_ADDRESS);
    k = standard_udp(&d, "10.0.1.5", "10.0.2.4", 3000, 4000);
    expect_drop(&w, &d, &k, DROP_NO_ADDRESS);
}

static void test_routes(void **state) {
    struct packet k = standard_udp(&a, "10.0.1.4", "10.0.3.4", 1, 2);

    expect_drop(&w, &a, &k, DROP_NO_ADDRESS);
    k = standard_udp(&a, "10.0.1.4", "192.0.2.4", 1, 2);
    expect_drop(&w, &a, &k, DROP_BLACKHOLE);
    k = standard_udp(&a, "10.0.1.4", "198.51.100.4", 1, 2);
    expect_drop(&w, &a, &k, DROP_NO_VPN);
    k = standard_udp(&d, "10.0.1.5", "198.51.100.4", 1, 2);
    expect_drop(&w, &d, &k, DROP_NO_ROUTE);
    k = standard_udp(&b, "10.0.1.5", HOST, 1, 2);
    expect_drop(&w, &b, &k, DROP_NO_PUBLIC);
    k = standard_udp(&b, "fd00:0:0:1::5", HOST6, 1, 2);
    expect_drop(&w, &b, &k, DROP_NO_PUBLIC);
}

/* A route to an appliance: it must not check destinations. */
static void test_route_eni(void **state) {
    struct packet k = standard_udp(&a, "10.0.1.4", "172.16.5.5", 1, 2);
    struct eni_value v = world_eni_get(&w, &c), before = v;
    struct outcome out;

    world_route(&w, 100, "172.16.0.0/12", ROUTE_ENI, c.number);
    expect_drop(&w, &a, &k, DROP_NOT_DESTINATION);
    v.flags &= ~(uint32_t)ENI_SRC_DST_CHECK;
    world_eni_put(&w, &c, &v);
    expect_pass(&w, &a, &k, &out);
    assert_macs(&out, c.mac, world_router_mac);
    k = standard_udp(&c, "172.16.5.5", "10.0.1.4", 2, 1); /* and back */
    expect_pass(&w, &c, &k, &out);
    assert_macs(&out, a.mac, world_router_mac);
    world_eni_put(&w, &c, &before);
}

static void test_no_link(void **state) {
    struct packet k = standard_udp(&a, "10.0.1.4", "10.0.1.5", 600, 700);
    struct dataplane_port port = {b.ifindex, LINK_VETH, b.number, 1, {0}};

    expect_pass(&w, &a, &k, NULL);
    assert_int_equal(dataplane_detach_eni(w.dp, b.number), 0);
    expect_drop(&w, &a, &k, DROP_NO_LINK); /* also what was cached */
    k = standard_udp(&b, "10.0.1.5", "10.0.1.4", 600, 700);
    expect_drop(&w, &b, &k, DROP_NOT_READY);
    memcpy(port.mac, b.mac, 6);
    assert_int_equal(dataplane_attach_eni(w.dp, &port), 0);
    expect_pass(&w, &b, &k, NULL);
}

static void test_guard(void **state) {
    struct packet k = standard_udp(&a, "10.0.1.4", "10.0.1.5", 1, 2);
    uint8_t out[PACKET_MAX];
    struct __sk_buff ctx = {.ifindex = a.ifindex}, ctx_out;
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = k.data, .data_size_in = (uint32_t)k.len,
                .data_out = out, .data_size_out = sizeof out, .ctx_in = &ctx,
                .ctx_size_in = sizeof ctx, .ctx_out = &ctx_out, .ctx_size_out = sizeof ctx_out);
    uint64_t before[DROP_SLOTS], after[DROP_SLOTS];

    dataplane_drops(w.dp, before);
    assert_int_equal(bpf_prog_test_run_opts(dataplane_prog_fd(w.dp, PROG_GUARD), &opts), 0);
    assert_int_equal(opts.retval, TC_ACT_SHOT);
    dataplane_drops(w.dp, after);
    assert_int_equal(after[DROP_HOST_TO_ENI] - before[DROP_HOST_TO_ENI], 1);
    ctx.mark = 0x76706364;
    assert_int_equal(bpf_prog_test_run_opts(dataplane_prog_fd(w.dp, PROG_GUARD), &opts), 0);
    assert_int_equal(opts.retval, TC_ACT_OK);
    assert_int_equal(ctx_out.mark, 0);
}

/* --- The internet gateway ----------------------------------------------------------------- */

static void config_flags(uint32_t flags) {
    struct config_value v;
    uint32_t zero = 0;

    assert_int_equal(dataplane_get(w.dp, DATAPLANE_CONFIG, &zero, &v), 0);
    v.flags = flags;
    assert_int_equal(dataplane_put(w.dp, DATAPLANE_CONFIG, &zero, &v), 0);
}

static void test_internet_out(void **state) {
    struct uplink_port_key port = {IPPROTO_UDP, 8080};
    struct uplink_port_value allowed = {1};
    struct packet k = standard_ping(&a, "10.0.1.4", HOST, false, 7);
    struct outcome out;

    for (int i = 0; i < 2; i++) {
        expect_pass(&w, &a, &k, &out);
        assert_macs(&out, world_host_mac, world_router_mac);
        assert_addresses(&out, "203.0.113.10", HOST);
        assert_int_equal(out.mark, 0x76706364);
    }
    k = standard_ping(NULL, HOST, "203.0.113.10", true, 7); /* the answer */
    for (int i = 0; i < 2; i++) {
        expect_pass(&w, NULL, &k, &out);
        assert_macs(&out, a.mac, world_router_mac);
        assert_addresses(&out, HOST, "10.0.1.4");
    }
    k = standard_udp(&a, "10.0.1.4", HOST, 999, 8080);
    expect_drop(&w, &a, &k, DROP_UPLINK_PORT);
    assert_int_equal(dataplane_put(w.dp, DATAPLANE_UPLINK_PORTS, &port, &allowed), 0);
    for (int i = 0; i < 2; i++) {
        expect_pass(&w, &a, &k, &out);
        assert_addresses(&out, "203.0.113.10", HOST);
    }
    k = standard_udp(&a, "10.0.1.4", HOST, 999, 22);
    expect_drop(&w, &a, &k, DROP_UPLINK_PORT);
    config_flags(CONFIG_HOST_OPEN);
    expect_pass(&w, &a, &k, NULL);
    config_flags(0);
    k = standard_ping(&c, "2001:db8:ff00:2::4", HOST6, false, 9);
    expect_pass(&w, &c, &k, &out);
    assert_addresses(&out, "2001:db8:ff00:2::4", HOST6);
    k = standard_ping(NULL, HOST6, "2001:db8:ff00:2::4", true, 9);
    expect_pass(&w, NULL, &k, &out);
    assert_macs(&out, c.mac, world_router_mac);
}

/* UDP without a checksum stays so; a checksum that becomes 0 is sent as 0xffff. */
static void test_udp_checksum_zero(void **state) {
    struct packet k = standard_udp(&a, "10.0.1.4", HOST, 1000, 8080);
    struct outcome out;

    config_flags(CONFIG_HOST_OPEN);
    k.data[40] = k.data[41] = 0;
    expect_pass(&w, &a, &k, &out);
    assert_int_equal(out.data[40] | out.data[41], 0);
    for (unsigned i = 0; i < 65536; i += 13) { /* some of these fold to 0 */
        k = standard_udp(&a, "10.0.1.4", HOST, 1000, 8080);
        k.data[k.len - 1] = (uint8_t)i;
        k.data[k.len - 2] = (uint8_t)(i >> 8);
        packet_finish(&k);
        if (i % 4099 && i != 13)
            continue;
        expect_pass(&w, &a, &k, &out);
        assert_addresses(&out, "203.0.113.10", HOST);
        assert_true(out.data[40] | out.data[41]);
    }
    config_flags(0);
}

static void test_internet_destinations(void **state) {
    static const struct {
        const char *dst;
        uint32_t flags;
        unsigned reason;
    } rows[] = {
        {"203.0.113.77", 0, DROP_UPLINK_DESTINATION}, /* nobody's in the pool */
        {"203.0.113.77", CONFIG_UPLINK_ANY | CONFIG_HOST_OPEN, DROP_UPLINK_DESTINATION},
        {"8.8.8.8", 0, DROP_UPLINK_DESTINATION},
        {"8.8.8.8", CONFIG_UPLINK_ANY, DROP_NONE},
        {"192.168.1.1", CONFIG_UPLINK_ANY, DROP_UPLINK_DESTINATION},
        {"100.64.0.1", CONFIG_UPLINK_ANY, DROP_UPLINK_DESTINATION},
        {"9.9.9.9", CONFIG_UPLINK_ANY, DROP_UPLINK_DESTINATION}, /* a network of the host */
    };
    struct host_net_key net = {.prefixlen = HOST_NET_PREFIX + 8, .family = 4, .addr.b = {9}};
    struct host_net_value refused = {1};

    assert_int_equal(dataplane_put(w.dp, DATAPLANE_HOST_NETS, &net, &refused), 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct packet k = standard_udp(&a, "10.0.1.4", rows[i].dst, 1000, 53);
        struct outcome out;
        config_flags(rows[i].flags);
        world_bump(&w, 1, true, false);
        world_send(&w, &a, &k, &out);
        if (out.reason != rows[i].reason)
            fail_msg("row %zu: %s", i, drop_name(out.reason));
    }
    config_flags(0);
    world_bump(&w, 1, true, false);
}

static void test_internet_in(void **state) {
    struct packet k = standard_udp(NULL, HOST, "203.0.113.11", 5000, 80);
    struct outcome out;

    expect_pass(&w, NULL, &k, &out);
    assert_macs(&out, c.mac, world_router_mac);
    assert_addresses(&out, HOST, "10.0.2.4");
    k = standard_udp(&c, "10.0.2.4", HOST, 80,
                     5000); /* the answer, though no port of the host is open */
    for (int i = 0; i < 2; i++) {
        expect_pass(&w, &c, &k, &out);
        assert_macs(&out, world_host_mac, world_router_mac);
        assert_addresses(&out, "203.0.113.11", HOST);
    }
    k = standard_udp(&c, "10.0.2.4", HOST, 80, 5001); /* but not another port */
    expect_drop(&w, &c, &k, DROP_UPLINK_PORT);
    k = standard_udp(NULL, HOST, "203.0.113.99", 5000, 80);
    expect_drop(&w, NULL, &k, DROP_UPLINK_UNKNOWN);
    k = standard_udp(NULL, HOST, "10.0.2.4", 5000, 80);
    expect_drop(&w, NULL, &k, DROP_UPLINK_UNKNOWN);
    k = standard_udp(NULL, "203.0.113.10", "203.0.113.11", 5000, 80);
    expect_drop(&w, NULL, &k, DROP_SPOOFED_ADDRESS);
    k = standard_udp(NULL, "198.51.100.1", "203.0.113.11", 5000, 80); /* from beyond the host */
    expect_pass(&w, NULL, &k, NULL);
    k = standard_udp(&c, "10.0.2.4", "198.51.100.1", 81, 5000);
    expect_drop(&w, &c, &k, DROP_NO_VPN);
    k = standard_udp(NULL, "198.18.0.1", "203.0.113.11", 5000, 80);
    expect_pass(&w, NULL, &k, NULL);
    k = standard_udp(&c, "10.0.2.4", "198.18.0.1", 80,
                     5000); /* the answer goes where it came from */
    expect_pass(&w, &c, &k, &out);
    assert_addresses(&out, "203.0.113.11", "198.18.0.1");
    k = standard_udp(&c, "10.0.2.4", "198.18.0.1", 81, 5000);
    expect_drop(&w, &c, &k, DROP_UPLINK_DESTINATION);
    k = standard_udp(NULL, HOST6, "2001:db8:ff00:2::4", 5000, 80);
    expect_pass(&w, NULL, &k, &out);
    assert_macs(&out, c.mac, world_router_mac);
    k = standard_udp(NULL, HOST6, "fd00:0:0:1::4", 5000, 80);
    expect_drop(&w, NULL, &k, DROP_UPLINK_UNKNOWN);
}

/* What the host began opens its port for answers only, and for as long as it goes on. */
static void test_internet_holes(void **state) {
    struct packet k = standard_tcp(NULL, HOST, "203.0.113.11", 5100, 80, SYN);
    struct eni_value v = world_eni_get(&w, &c), before = v;
    int64_t end;

    expect_pass(&w, NULL, &k, NULL);
    k = standard_tcp(&c, "10.0.2.4", HOST, 80, 5100, SYN);
    expect_drop(&w, &c, &k, DROP_UPLINK_PORT);
    k = standard_tcp(&c, "10.0.2.4", HOST, 80, 5100, SYN | ACK);
    expect_pass(&w, &c, &k, NULL);
    k = standard_tcp(NULL, HOST, "203.0.113.11", 5100, 80, ACK);
    expect_pass(&w, NULL, &k, NULL);
    k = standard_tcp(&c, "10.0.2.4", HOST, 80, 5100, SYN);
    expect_drop(&w, &c, &k, DROP_UPLINK_PORT);
    k = standard_tcp(NULL, HOST6, "2001:db8:ff00:2::4", 5100, 80, SYN);
    expect_pass(&w, NULL, &k, NULL);
    k = standard_tcp(&c, "2001:db8:ff00:2::4", HOST6, 80, 5100, SYN);
    expect_drop(&w, &c, &k, DROP_UPLINK_PORT);

    v.udp_single_ms = v.udp_stream_ms = 300;
    world_eni_put(&w, &c, &v);
    k = standard_udp(NULL, HOST, "203.0.113.11", 5101, 80);
    expect_pass(&w, NULL, &k, NULL);
    k = standard_udp(&c, "10.0.2.4", HOST, 80, 5101);
    expect_pass(&w, &c, &k, NULL);
    for (end = time_ms() + 10000; time_ms() < end; poll(NULL, 0, 20)) {
        struct outcome out;
        world_send(&w, &c, &k, &out);
        if (out.reason == DROP_UPLINK_PORT)
            break;
        assert_int_equal(out.reason, DROP_NONE);
    }
    assert_true(time_ms() < end);
    world_eni_put(&w, &c, &before);
}

/* A source inside the receiver's VPC: also where a middlebox' route hides the local one. */
static void test_internet_in_from_inside(void **state) {
    static const struct {
        const char *src, *dst;
        unsigned reason;
    } rows[] = {
        {"10.0.1.77", "203.0.113.11", DROP_SPOOFED_ADDRESS},
        {"10.0.1.4", "203.0.113.11", DROP_SPOOFED_ADDRESS},
        {"10.0.2.4", "203.0.113.11", DROP_SPOOFED_ADDRESS}, /* the receiver itself */
        {"10.0.200.1", "203.0.113.11", DROP_SPOOFED_ADDRESS},
        {"10.0.7.9", "203.0.113.11", DROP_SPOOFED_ADDRESS},
        {"10.0.1.77", "203.0.113.12", DROP_SPOOFED_ADDRESS},
        {"10.0.1.5", "203.0.113.12", DROP_SPOOFED_ADDRESS},
        {"10.1.0.1", "203.0.113.11", DROP_NONE}, /* private, but not of this VPC */
        {"fd00:0:0:1::77", "2001:db8:ff00:2::4", DROP_SPOOFED_ADDRESS},
        {"fd00:0:0:1::4", "2001:db8:ff00:2::4", DROP_SPOOFED_ADDRESS},
        {"fd00:0:0:7::4", "2001:db8:ff00:2::4", DROP_SPOOFED_ADDRESS},
        {"fd01::1", "2001:db8:ff00:2::4", DROP_NONE},
    };

    world_route(&w, 100, "10.0.7.0/24", ROUTE_ENI | ROUTE_INSIDE, b.number);
    world_route(&w, 100, "fd00:0:0:7::/64", ROUTE_BLACKHOLE | ROUTE_INSIDE, 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct packet k = standard_udp(NULL, rows[i].src, rows[i].dst, 5500, 80);
        struct outcome out;
        world_send(&w, NULL, &k, &out);
        if (out.reason != rows[i].reason)
            fail_msg("row %zu: %s", i, drop_name(out.reason));
    }
}

/* From a public address to another one, also of another VPC: both translated, both ways. */
static void test_internet_turn(void **state) {
    struct packet k = standard_udp(&a, "10.0.1.4", "203.0.113.12", 6000, 80);
    struct outcome out;

    for (int i = 0; i < 2; i++) {
        expect_pass(&w, &a, &k, &out);
        assert_macs(&out, d.mac, world_router_mac);
        assert_addresses(&out, "203.0.113.10", "10.0.1.5");
    }
    k = standard_udp(&d, "10.0.1.5", "203.0.113.10", 80, 6000);
    for (int i = 0; i < 2; i++) {
        expect_pass(&w, &d, &k, &out);
        assert_macs(&out, a.mac, world_router_mac);
        assert_addresses(&out, "203.0.113.12", "10.0.1.4");
    }
    k = standard_udp(&a, "10.0.1.4", "203.0.113.10", 6000, 6001); /* one's own */
    expect_pass(&w, &a, &k, &out);
    assert_addresses(&out, "203.0.113.10", "10.0.1.4");
    k = standard_udp(&a, "10.0.1.4", "203.0.113.10", 6001, 6000);
    expect_pass(&w, &a, &k, &out);
    k = standard_udp(&a, "10.0.1.4", "203.0.113.10", 7, 7); /* both halves have the same key */
    expect_pass(&w, &a, &k, &out);
    expect_pass(&w, &a, &k, &out);
    /* The receiver's own VPC publishes: seen, though the packet is of another. */
    struct world_rule none[] = {{DIR_EGRESS, 4, -1, -1, -1, "0.0.0.0/0", 0}};
    world_rules(&w, &d, none, 1);
    world_bump(&w, 2, false, true);
    k = standard_udp(&a, "10.0.1.4", "203.0.113.12", 6000, 80);
    expect_drop(&w, &a, &k, DROP_GROUP_INGRESS); /* was untracked at d */
    standard_open_all(&d);
    world_bump(&w, 2, false, true);
    expect_pass(&w, &a, &k, &out);
}

/* Over a peering come the sender's VPC's own addresses, whoever forwards. */
static void test_peering_source(void **state) {
    struct packet k = standard_udp(&a, "10.0.1.4", "10.9.1.4", 1, 2);
    struct eni_value v = world_eni_get(&w, &a), before = v;
    static const char *const others[] = {"10.9.1.77", "10.9.1.4", "172.16.5.5", HOST};

    world_route(&w, 100, "10.9.0.0/16", ROUTE_PCX, 2);
    world_addr(&w, &d, "10.9.1.4", NULL);
    expect_pass(&w, &a, &k, NULL);
    v.flags &= ~(uint32_t)ENI_SRC_DST_CHECK;
    world_eni_put(&w, &a, &v);
    world_bump(&w, 1, true, false);
    k = standard_udp(&a, "10.0.2.4", "10.9.1.4", 1, 2);
    expect_pass(&w, &a, &k, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        k = standard_udp(&a, others[i], "10.9.1.4", 1, 2);
        expect_drop(&w, &a, &k, DROP_SPOOFED_ADDRESS);
    }
    world_eni_put(&w, &a, &before);
    world_bump(&w, 1, true, false);
}

/* Nothing begins at whoever answers by an egress-only gateway, from other VPCs of the host either,
 * though its own VPC has an internet gateway, too. */
static void test_turn_to_egress_only(void **state) {
    static const char there[] = "2001:db8:ff00:9::4", here[] = "2001:db8:ff00:2::4";
    struct packet k = standard_udp(&d, there, here, 1, 2);

    world_route(&w, 200, "::/0", ROUTE_IGW, 2);
    world_addr(&w, &d, there, there);
    expect_pass(&w, &d, &k, NULL);
    world_route(&w, 101, "2001:db8:ff00:2::/64", ROUTE_LOCAL, 0);
    world_route(&w, 101, "::/0", ROUTE_EIGW, 5);
    world_subnet(&w, 2, 1, "10.0.2.0/24", "2001:db8:ff00:2::/64", 101);
    world_bump(&w, 1, true, false);
    expect_drop(&w, &d, &k, DROP_EGRESS_ONLY);
    world_subnet(&w, 2, 1, "10.0.2.0/24", "2001:db8:ff00:2::/64", 100);
    world_bump(&w, 1, true, false);
}

/* Segments on the wire and IP bytes, headers of each. */
static void test_gso_count(void **state) {
    struct flow_value f;
    struct packet k;
    struct outcome out;

    packet_eth(&k, b.mac, a.mac, ETH_P_IP);
    packet_ip(&k, "10.0.1.4", "10.0.1.5", IPPROTO_TCP);
    packet_tcp(&k, 321, 123, ACK, 3001);
    packet_finish(&k);
    world_send_gso(&w, &a, &k, 1000, &out);
    assert_int_equal(world_flow(&w, &a, &k, &f), 0);
    assert_int_equal(f.packets, 4);
    assert_int_equal(f.bytes, 3001 + 4 * 40);
    world_send_gso(&w, &a, &k, 3001, &out);
    assert_int_equal(world_flow(&w, &a, &k, &f), 0);
    assert_int_equal(f.packets, 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_source),
        cmocka_unit_test(test_services),
        cmocka_unit_test(test_local),
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_route_eni),
        cmocka_unit_test(test_no_link),
        cmocka_unit_test(test_guard),
        cmocka_unit_test(test_internet_out),
        cmocka_unit_test(test_udp_checksum_zero),
        cmocka_unit_test(test_internet_destinations),
        cmocka_unit_test(test_internet_in),
        cmocka_unit_test(test_internet_holes),
        cmocka_unit_test(test_internet_in_from_inside),
        cmocka_unit_test(test_internet_turn),
        cmocka_unit_test(test_peering_source),
        cmocka_unit_test(test_turn_to_egress_only),
        cmocka_unit_test(test_gso_count),
    };

    return cmocka_run_group_tests(tests, standard_setup, standard_teardown);
}
