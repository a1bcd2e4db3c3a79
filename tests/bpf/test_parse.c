/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stages 1 and 2, packet by packet: what is dropped and why, and what is answered on the spot.
 * The world: standard.h.
 */
#include <net/if.h>
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
#include "standard.h"

/* --- Stage 1 ------------------------------------------------------------------------------ */

/* Each row damages a good packet at an offset from its start. */
static void test_malformed(void **state) {
    static const struct {
        const char *src, *dst;
        size_t at;
        uint8_t value;
        unsigned reason;
    } rows[] = {
        {"10.0.1.4", "10.0.1.5", 12, 0x86, DROP_ETHERTYPE},
        {"10.0.1.4", "10.0.1.5", 13, 0xdd, DROP_ETHERTYPE},
        {"10.0.1.4", "10.0.1.5", 14, 0x65, DROP_MALFORMED},     /* version 6 in IPv4 */
        {"10.0.1.4", "10.0.1.5", 14, 0x44, DROP_MALFORMED},     /* header of 16 bytes */
        {"10.0.1.4", "10.0.1.5", 14, 0x4f, DROP_MALFORMED},     /* header beyond the packet */
        {"10.0.1.4", "10.0.1.5", 16, 0x10, DROP_TRUNCATED},     /* total length beyond the frame */
        {"10.0.1.4", "10.0.1.5", 17, 19, DROP_MALFORMED},       /* total length below the header */
        {"10.0.1.4", "10.0.1.5", 17, 27, DROP_TRUNCATED},       /* UDP header cut off */
        {"10.0.1.4", "10.0.1.5", 39, 7, DROP_MALFORMED},        /* UDP length below its header */
        {"10.0.1.4", "10.0.1.5", 39, 99, DROP_MALFORMED},       /* UDP length beyond the packet */
        {"10.0.1.4", "10.0.1.5", 20, 0x20, DROP_FRAGMENT},      /* more fragments */
        {"10.0.1.4", "10.0.1.5", 21, 0x01, DROP_FRAGMENT_LATE}, /* an offset */
        {"10.0.1.4", "10.0.1.5", 26, 0xe0, DROP_BAD_SOURCE},    /* 224.0.1.4 */
        {"10.0.1.4", "10.0.1.5", 26, 127, DROP_BAD_SOURCE},
        {"0.0.0.0", "10.0.1.5", 26, 0, DROP_BAD_SOURCE},
        {"255.255.255.255", "10.0.1.5", 26, 255, DROP_BAD_SOURCE},
        {"10.0.1.4", "224.0.0.251", 30, 224, DROP_MULTICAST},
        {"10.0.1.4", "255.255.255.255", 30, 255, DROP_MULTICAST},
        {"10.0.1.4", "10.0.1.5", 0, 0xff, DROP_MULTICAST}, /* a group in the frame only */
        {"10.0.1.4", "127.0.0.1", 30, 127, DROP_MALFORMED},
        {"fd00:0:0:1::4", "fd00:0:0:1::5", 14, 0x40, DROP_MALFORMED},
        {"fd00:0:0:1::4", "fd00:0:0:1::5", 18, 0x10, DROP_TRUNCATED},
        {"fd00:0:0:1::4", "fd00:0:0:1::5", 19, 7, DROP_TRUNCATED},
        {"ff02::1", "fd00:0:0:1::5", 22, 0xff, DROP_BAD_SOURCE},
        {"::", "fd00:0:0:1::5", 22, 0, DROP_BAD_SOURCE},
        {"::1", "fd00:0:0:1::5", 22, 0, DROP_BAD_SOURCE},
        {"::ffff:10.0.1.4", "fd00:0:0:1::5", 22, 0, DROP_MAPPED},
        {"fd00:0:0:1::4", "::ffff:10.0.1.5", 22, 0xfd, DROP_MAPPED},
        {"fd00:0:0:1::4", "ff02::fb", 22, 0xfd, DROP_MULTICAST},
        {"fd00:0:0:1::4", "::1", 22, 0xfd, DROP_MALFORMED},
        {"fd00:0:0:1::4", "fd00:0:0:1::5", 20, 44, DROP_FRAGMENT_LATE},
        {"fd00:0:0:1::4", "fd00:0:0:1::5", 20, 43, DROP_EXTENSIONS},
        {"10.0.1.4", "10.0.1.5", 6, 6, DROP_SPOOFED_MAC},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct packet k = standard_udp(&a, rows[i].src, rows[i].dst, 1000, 2000);
        struct outcome out;
        k.data[rows[i].at] = rows[i].value;
        world_send(&w, &a, &k, &out);
        if (out.action != TC_ACT_SHOT || out.reason != rows[i].reason)
            fail_msg("row %zu: %s, expected %s", i, drop_name(out.reason),
                     drop_name(rows[i].reason));
    }
}

static void test_vlan(void **state) {
    struct packet k = standard_udp(&a, "10.0.1.4", "10.0.1.5", 1, 2), tagged;

    packet_eth(&tagged, world_router_mac, a.mac, ETH_P_8021Q);
    packet_bytes(&tagged, (uint8_t[4]){0, 5, 8, 0}, 4);
    packet_bytes(&tagged, k.data + 14, k.len - 14);
    expect_drop(&w, &a, &tagged, DROP_VLAN);
    tagged.data[12] = 0x88;
    tagged.data[13] = 0xa8;
    expect_drop(&w, &a, &tagged, DROP_VLAN);
}

/* Options and a longer header are fine; the ports are found behind them. */
/* Source routes, wherever they stand among the options; and options that contradict themselves. */
static void test_ipv4_source_route(void **state) {
    static const struct {
        uint8_t options[8];
        unsigned reason;
    } rows[] = {
        {{131, 7, 4, 203, 0, 113, 9, 0}, DROP_EXTENSIONS},
        {{137, 7, 4, 203, 0, 113, 9, 0}, DROP_EXTENSIONS},
        {{1, 137, 3, 4, 0, 0, 0, 0}, DROP_EXTENSIONS},
        {{148, 4, 0, 0, 131, 3, 4, 0}, DROP_EXTENSIONS},
        {{1, 1, 1, 1, 1, 1, 1, 131}, DROP_EXTENSIONS},
        {{148, 4, 0, 0, 1, 1, 1, 1}, DROP_NONE}, /* router alert */
        {{7, 7, 4, 0, 0, 0, 0, 0}, DROP_NONE},   /* record route */
        {{0, 131, 7, 4, 0, 0, 0, 0}, DROP_NONE}, /* after the end */
        {{148, 9, 0, 0, 0, 0, 0, 0}, DROP_MALFORMED},
        {{148, 1, 0, 0, 0, 0, 0, 0}, DROP_MALFORMED},
        {{1, 1, 1, 1, 1, 1, 1, 7}, DROP_MALFORMED},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct packet k = standard_udp(&a, "10.0.1.4", "10.0.1.5", 1, 2);
        struct outcome out;
        memmove(k.data + 42, k.data + 34, k.len - 34);
        memcpy(k.data + 34, rows[i].options, 8);
        k.len += 8;
        k.l4 += 8;
        k.data[14] = 0x47;
        k.data[17] = (uint8_t)(k.data[17] + 8);
        world_send(&w, &a, &k, &out);
        if (out.reason != rows[i].reason)
            fail_msg("row %zu: %s", i, drop_name(out.reason));
    }
}

static void test_ipv4_options(void **state) {
    struct packet k = standard_udp(&a, "10.0.1.4", "10.0.1.5", 1000, 2000), long_header;
    uint8_t no_ops[8] = {1, 1, 1, 1, 1, 1, 1, 0};

    packet_eth(&long_header, world_router_mac, a.mac, ETH_P_IP);
    packet_bytes(&long_header, k.data + 14, 20);
    packet_bytes(&long_header, no_ops, sizeof no_ops);
    packet_bytes(&long_header, k.data + 34, k.len - 34);
    long_header.data[14] = 0x47;
    long_header.l4 = 42;
    long_header.proto = IPPROTO_UDP;
    packet_finish(&long_header);
    expect_pass(&w, &a, &long_header, NULL);
    struct flow_value f;
    assert_int_equal(world_flow(&w, &a, &long_header, &f), 0);
}

static void test_ipv6_extensions(void **state) {
    static const struct {
        uint8_t chain[12]; /* types in order; 0xff ends; the last is UDP */
        unsigned reason;
    } rows[] = {
        {{0, 60, 0xff}, DROP_NONE},
        {{60, 0, 0xff}, DROP_MALFORMED}, /* hop-by-hop must come first */
        {{60, 60, 60, 60, 60, 60, 60, 0xff}, DROP_NONE},
        {{60, 60, 60, 60, 60, 60, 60, 60, 60, 0xff}, DROP_EXTENSIONS},
        {{0, 43, 0xff}, DROP_EXTENSIONS},
        {{60, 44, 0xff}, DROP_FRAGMENT_LATE},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct packet k;
        struct outcome out;
        packet_eth(&k, world_router_mac, a.mac, ETH_P_IPV6);
        packet_ip(&k, "fd00:0:0:1::4", "fd00:0:0:1::5", rows[i].chain[0]);
        for (size_t e = 0; rows[i].chain[e] != 0xff; e++) {
            uint8_t next = rows[i].chain[e + 1] == 0xff ? IPPROTO_UDP : rows[i].chain[e + 1];
            packet_bytes(&k, (uint8_t[8]){next, 0, 1, 4}, 8);
        }
        packet_udp(&k, 7000, (uint16_t)(8000 + i), 3);
        k.proto = 0xfe; /* the checksum is not ours to look at */
        packet_finish(&k);
        world_send(&w, &a, &k, &out);
        if (out.reason != rows[i].reason)
            fail_msg("row %zu: %s, expected %s", i, drop_name(out.reason),
                     drop_name(rows[i].reason));
    }
}

static void test_not_forwarded(void **state) {
    static const struct {
        uint8_t type;
        unsigned reason;
    } icmp6[] = {
        {130, DROP_MLD},         {131, DROP_MLD},
        {143, DROP_MLD},         {133, DROP_ROUTER_SOLICITATION},
        {134, DROP_SPOOFED_ARP}, {136, DROP_ARP_UNKNOWN},
        {137, DROP_SPOOFED_ARP},
    };
    struct packet k;

    for (size_t i = 0; i < ARRAY_SIZE(icmp6); i++) {
        packet_eth(&k, world_router_mac, a.mac, ETH_P_IPV6);
        packet_ip(&k, "fe80::4", "ff02::2", IPPROTO_ICMPV6);
        packet_icmp(&k, icmp6[i].type, 0, 0, 20);
        packet_finish(&k);
        expect_drop(&w, &a, &k, icmp6[i].reason);
    }
    k = standard_udp(&a, "0.0.0.0", "255.255.255.255", 68, 67);
    expect_drop(&w, &a, &k, DROP_DHCP);
    k = standard_udp(&a, "fe80::4", "ff02::1:2", 546, 547);
    expect_drop(&w, &a, &k, DROP_DHCP);
    k = standard_udp(&a, "10.0.1.4", "169.254.169.254", 5, 80);
    expect_drop(&w, &a, &k, DROP_LINK_LOCAL);
    k = standard_udp(&a, "10.0.1.4", "10.0.2.1", 5, 80);
    expect_drop(&w, &a, &k, DROP_NO_ADDRESS);
    k = standard_udp(&a, "10.0.1.4", "10.0.1.1", 5, 80);
    expect_drop(&w, &a, &k, DROP_TO_ROUTER);
}

/* --- Stage 2 ------------------------------------------------------------------------------ */

static void expect_arp(const char *target, const uint8_t *mac) {
    struct packet k;
    struct outcome out;
    struct ip t, s;

    ip_parse(target, &t);
    ip_parse("10.0.1.4", &s);
    packet_arp(&k, a.mac, ARPOP_REQUEST, "10.0.1.4", target);
    if (!mac) {
        expect_drop(&w, &a, &k, DROP_ARP_UNKNOWN);
        return;
    }
    expect_pass(&w, &a, &k, &out);
    assert_macs(&out, a.mac, mac);
    assert_int_equal(out.len, 42);
    assert_memory_equal(out.data + 12, ((uint8_t[]){8, 6, 0, 1, 8, 0, 6, 4, 0, 2}), 10);
    assert_memory_equal(out.data + 22, mac, 6);
    assert_memory_equal(out.data + 28, t.b, 4);
    assert_memory_equal(out.data + 32, a.mac, 6);
    assert_memory_equal(out.data + 38, s.b, 4);
}

static void test_arp(void **state) {
    struct packet k;

    expect_arp("10.0.1.1", world_router_mac);
    expect_arp("10.0.1.5", b.mac);
    expect_arp("10.0.1.4", NULL); /* its own */
    expect_arp("10.0.1.9", NULL); /* nobody's */
    expect_arp("10.0.2.4", NULL); /* of another subnet */
    world_nat(&w, 9, 1, 1, 0, "10.0.1.60", NULL);
    world_nat(&w, 8, 1, 2, 0, "10.0.2.60", NULL);
    expect_arp("10.0.1.60", world_router_mac); /* a NAT gateway, which is to be answered */
    expect_arp("10.0.2.60", NULL);
    packet_arp(&k, a.mac, ARPOP_REQUEST, "0.0.0.0", "10.0.1.5");
    expect_drop(&w, &a, &k, DROP_ARP_UNKNOWN); /* a probe */
    packet_arp(&k, a.mac, ARPOP_REPLY, "10.0.1.4", "10.0.1.5");
    expect_drop(&w, &a, &k, DROP_ARP_UNKNOWN); /* nobody asked */
    packet_arp(&k, a.mac, ARPOP_REQUEST, "10.0.1.5", "10.0.1.1");
    expect_drop(&w, &a, &k, DROP_SPOOFED_ARP);
    packet_arp(&k, a.mac, ARPOP_REPLY, "10.0.1.1", "10.0.1.4");
    expect_drop(&w, &a, &k, DROP_SPOOFED_ARP);
    packet_arp(&k, a.mac, ARPOP_REQUEST, "10.0.1.4", "10.0.1.1");
    k.data[22 + 5] = 99;
    expect_drop(&w, &a, &k, DROP_SPOOFED_ARP); /* MAC inside differs */
    packet_arp(&k, b.mac, ARPOP_REQUEST, "10.0.1.4", "10.0.1.1");
    expect_drop(&w, &a, &k, DROP_SPOOFED_MAC);
    packet_arp(&k, a.mac, ARPOP_REQUEST, "10.0.1.4", "10.0.1.1");
    k.data[18] = 8;
    expect_drop(&w, &a, &k, DROP_MALFORMED);
    packet_arp(&k, a.mac, ARPOP_REQUEST, "10.0.1.4", "10.0.1.1");
    k.len = 40;
    expect_drop(&w, &a, &k, DROP_TRUNCATED);
    packet_arp(&k, d.mac, ARPOP_REQUEST, "10.0.1.5", "10.0.1.4");
    expect_drop(&w, &d, &k, DROP_ARP_UNKNOWN); /* of the other VPC with the same CIDR */
}

static void expect_nd(const char *src, const char *target, const uint8_t *mac, bool router) {
    struct packet k;
    struct outcome out;
    struct ip t;

    ip_parse(target, &t);
    packet_ns(&k, a.mac, src, target);
    if (!mac) {
        expect_drop(&w, &a, &k, DROP_ARP_UNKNOWN);
        return;
    }
    expect_pass(&w, &a, &k, &out);
    assert_macs(&out, a.mac, mac);
    assert_addresses(&out, target, src);
    assert_int_equal(out.len, 86);
    assert_int_equal(out.data[21], 255);
    assert_int_equal(out.data[54], 136);
    assert_int_equal(out.data[58], (router ? 0x80 : 0) | 0x60);
    assert_memory_equal(out.data + 62, t.b, 16);
    assert_memory_equal(out.data + 78, ((uint8_t[]){2, 1}), 2);
    assert_memory_equal(out.data + 80, mac, 6);
}

static void test_nd(void **state) {
    struct packet k;

    expect_nd("fe80::4", "fe80::1", world_router_mac, true);
    expect_nd("fd00:0:0:1::4", "fe80::1", world_router_mac, true);
    expect_nd("fd00:0:0:1::4", "fd00:0:0:1::5", b.mac, false);
    expect_nd("fd00:0:0:1::4", "fd00:0:0:1::4", NULL, false);
    expect_nd("fd00:0:0:1::4", "fd00:0:0:1::9", NULL, false);
    expect_nd("fd00:0:0:1::4", "2001:db8:ff00:2::4", NULL, false);
    expect_nd("::", "fd00:0:0:1::5", NULL, false); /* duplicate detection */
    packet_ns(&k, a.mac, "fd00:0:0:1::5", "fe80::1");
    expect_drop(&w, &a, &k, DROP_SPOOFED_ARP);
    packet_ns(&k, b.mac, "fd00:0:0:1::4", "fe80::1");
    expect_drop(&w, &a, &k, DROP_SPOOFED_MAC);
    packet_ns(&k, b.mac, "fd00:0:0:1::4", "fe80::1");
    memcpy(k.data + 6, a.mac, 6);
    expect_drop(&w, &a, &k, DROP_SPOOFED_ARP); /* option with somebody's MAC */
}

/* RFC 4861, 7.1.1. */
static void test_nd_invalid(void **state) {
    static const struct {
        size_t at;
        uint8_t value;
        bool finish; /* with a right checksum */
        unsigned reason;
    } rows[] = {
        {21, 64, true, DROP_ND_INVALID},    /* hop limit */
        {56, 0xab, false, DROP_ND_INVALID}, /* checksum */
        {55, 1, true, DROP_ND_INVALID},     /* code */
        {62, 0xff, true, DROP_ND_INVALID},  /* multicast target */
        {79, 0, true, DROP_ND_INVALID},     /* option of no length */
        {79, 2, true, DROP_ND_INVALID},     /* option beyond the packet */
    };
    struct packet k;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        packet_ns(&k, a.mac, "fd00:0:0:1::4", "fd00:0:0:1::5");
        k.data[rows[i].at] = rows[i].value;
        if (rows[i].finish)
            packet_finish(&k);
        expect_drop(&w, &a, &k, rows[i].reason);
    }
    packet_ns(&k, a.mac, "fd00:0:0:1::4", "fd00:0:0:1::5");
    k.len -= 12;
    packet_finish(&k);
    expect_drop(&w, &a, &k, DROP_ND_INVALID);
    packet_ns(&k, a.mac, "fd00:0:0:1::4", "fd00:0:0:1::5");
    packet_bytes(&k, (uint8_t[8]){14, 1, 1, 2, 3, 4, 5, 6}, 8); /* a nonce is fine */
    packet_finish(&k);
    expect_pass(&w, &a, &k, NULL);
    /* So is none of the options: the answer is longer than the question. */
    struct outcome out;
    packet_ns(&k, a.mac, "fd00:0:0:1::4", "fd00:0:0:1::5");
    k.len -= 8;
    packet_finish(&k);
    expect_pass(&w, &a, &k, &out);
    assert_int_equal(out.len, 86);
    assert_addresses(&out, "fd00:0:0:1::5", "fd00:0:0:1::4");
}

static void test_uplink_neighbours(void **state) {
    struct packet k;
    struct outcome out;

    packet_arp(&k, world_host_mac, ARPOP_REQUEST, HOST, "203.0.113.77");
    expect_pass(&w, NULL, &k, &out);
    assert_macs(&out, world_host_mac, world_router_mac);
    assert_memory_equal(out.data + 22, world_router_mac, 6);
    packet_arp(&k, world_host_mac, ARPOP_REQUEST, "0.0.0.0", HOST);
    expect_drop(&w, NULL, &k, DROP_ARP_UNKNOWN);
    packet_arp(&k, world_host_mac, ARPOP_REQUEST, HOST, "10.0.1.4");
    expect_drop(&w, NULL, &k, DROP_ARP_UNKNOWN);
    packet_ns(&k, world_host_mac, HOST6, "2001:db8:ff00:2::4");
    expect_pass(&w, NULL, &k, &out);
    assert_macs(&out, world_host_mac, world_router_mac);
    assert_addresses(&out, "2001:db8:ff00:2::4", HOST6);
    packet_ns(&k, world_host_mac, "::", HOST6);
    expect_drop(&w, NULL, &k, DROP_ARP_UNKNOWN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_vlan),
        cmocka_unit_test(test_ipv4_options),
        cmocka_unit_test(test_ipv4_source_route),
        cmocka_unit_test(test_ipv6_extensions),
        cmocka_unit_test(test_not_forwarded),
        cmocka_unit_test(test_arp),
        cmocka_unit_test(test_nd),
        cmocka_unit_test(test_nd_invalid),
        cmocka_unit_test(test_uplink_neighbours),
    };

    return cmocka_run_group_tests(tests, standard_setup, standard_teardown);
}
