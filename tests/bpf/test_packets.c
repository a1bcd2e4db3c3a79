/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single packets, each run through the programs: what is dropped and why, what is answered, where
 * the rest goes and what was rewritten.
 *
 *   VPC 1  subnet 1  10.0.1.0/24 fd00:0:0:1::/64     a (10.0.1.4, fd00:0:0:1::4; public .10)
 *                                                    b (10.0.1.5, fd00:0:0:1::5)
 *          subnet 2  10.0.2.0/24 2001:db8:ff00:2::/64  c (10.0.2.4, 2001:db8:ff00:2::4; public .11)
 *   VPC 2  subnet 3  10.0.1.0/24                     d (10.0.1.5; public .12)
 *   uplink: 203.0.113.1, 2001:db8:ff00::1
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
#include "world.h"

#define HOST "203.0.113.1"
#define HOST6 "2001:db8:ff00::1"

static struct world w;
static struct world_eni a, b, c, d;

static const struct world_rule all[] = {
    {DIR_EGRESS, 4, -1, -1, -1, "0.0.0.0/0", 0},
    {DIR_EGRESS, 6, -1, -1, -1, "::/0", 0},
    {DIR_INGRESS, 4, -1, -1, -1, "0.0.0.0/0", 0},
    {DIR_INGRESS, 6, -1, -1, -1, "::/0", 0},
};

static void open_all(const struct world_eni *e) {
    world_rules(&w, e, all, ARRAY_SIZE(all));
}

static int setup(void **state) {
    world_open(&w);
    world_vpc(&w, 1);
    world_vpc(&w, 2);
    world_subnet(&w, 1, 1, "10.0.1.0/24", "fd00:0:0:1::/64", 100);
    world_subnet(&w, 2, 1, "10.0.2.0/24", "2001:db8:ff00:2::/64", 100);
    world_subnet(&w, 3, 2, "10.0.1.0/24", NULL, 200);
    world_route(&w, 100, "10.0.0.0/16", ROUTE_LOCAL, 0);
    world_route(&w, 100, "fd00::/56", ROUTE_LOCAL, 0);
    world_route(&w, 100, "2001:db8:ff00:2::/64", ROUTE_LOCAL, 0);
    world_route(&w, 100, "0.0.0.0/0", ROUTE_IGW, 1);
    world_route(&w, 100, "::/0", ROUTE_IGW, 1);
    world_route(&w, 100, "192.0.2.0/24", ROUTE_BLACKHOLE, 0);
    world_route(&w, 100, "198.51.100.0/24", ROUTE_PCX, 7);
    world_route(&w, 200, "10.0.0.0/16", ROUTE_LOCAL, 0);
    world_route(&w, 200, "203.0.113.0/24", ROUTE_IGW, 2);
    a = world_eni(&w, 1, 1, 1, 0);
    b = world_eni(&w, 2, 1, 1, 0);
    c = world_eni(&w, 3, 1, 2, 0);
    d = world_eni(&w, 4, 2, 3, 0);
    world_addr(&w, &a, "10.0.1.4", "203.0.113.10");
    world_addr(&w, &a, "fd00:0:0:1::4", NULL);
    world_addr(&w, &b, "10.0.1.5", NULL);
    world_addr(&w, &b, "fd00:0:0:1::5", NULL);
    world_addr(&w, &c, "10.0.2.4", "203.0.113.11");
    world_addr(&w, &c, "2001:db8:ff00:2::4", "2001:db8:ff00:2::4");
    world_addr(&w, &d, "10.0.1.5", "203.0.113.12");
    open_all(&a);
    open_all(&b);
    open_all(&c);
    open_all(&d);
    return 0;
}

static int teardown(void **state) {
    world_close(&w);
    return 0;
}

/* A UDP packet of `e` with its own MAC, to the router. */
static struct packet udp(const struct world_eni *e, const char *src, const char *dst,
                         uint16_t sport, uint16_t dport) {
    struct packet k;

    packet_eth(&k, world_router_mac, e ? e->mac : world_host_mac,
               strchr(dst, ':') ? ETH_P_IPV6 : ETH_P_IP);
    packet_ip(&k, src, dst, IPPROTO_UDP);
    packet_udp(&k, sport, dport, 11);
    packet_finish(&k);
    return k;
}

static struct packet ping(const struct world_eni *e, const char *src, const char *dst, bool reply,
                          uint16_t id) {
    bool v6 = strchr(dst, ':');
    struct packet k;

    packet_eth(&k, world_router_mac, e ? e->mac : world_host_mac, v6 ? ETH_P_IPV6 : ETH_P_IP);
    packet_ip(&k, src, dst, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
    packet_icmp(&k, v6 ? (reply ? 129 : 128) : (reply ? 0 : 8), 0, id, 9);
    packet_finish(&k);
    return k;
}

static void assert_macs(const struct outcome *o, const uint8_t dst[6], const uint8_t src[6]) {
    assert_memory_equal(o->data, dst, 6);
    assert_memory_equal(o->data + 6, src, 6);
}

static void assert_addresses(const struct outcome *o, const char *src, const char *dst) {
    struct ip s = packet_src(o->data), t = packet_dst(o->data);
    char text[IP_TEXT];

    assert_string_equal(ip_format(&s, text), src);
    assert_string_equal(ip_format(&t, text), dst);
    const char *wrong = packet_checksums(o->data, o->len);
    if (wrong)
        fail_msg("%s checksum is wrong", wrong);
}

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
        {"10.0.1.4", "10.0.1.5", 14, 0x65, DROP_MALFORMED},  /* version 6 in IPv4 */
        {"10.0.1.4", "10.0.1.5", 14, 0x44, DROP_MALFORMED},  /* header of 16 bytes */
        {"10.0.1.4", "10.0.1.5", 14, 0x4f, DROP_MALFORMED},  /* header beyond the packet */
        {"10.0.1.4", "10.0.1.5", 16, 0x10, DROP_TRUNCATED},  /* total length beyond the frame */
        {"10.0.1.4", "10.0.1.5", 17, 19, DROP_MALFORMED},    /* total length below the header */
        {"10.0.1.4", "10.0.1.5", 17, 27, DROP_TRUNCATED},    /* UDP header cut off */
        {"10.0.1.4", "10.0.1.5", 39, 7, DROP_MALFORMED},     /* UDP length below its header */
        {"10.0.1.4", "10.0.1.5", 39, 99, DROP_MALFORMED},    /* UDP length beyond the packet */
        {"10.0.1.4", "10.0.1.5", 20, 0x20, DROP_FRAGMENT},   /* more fragments */
        {"10.0.1.4", "10.0.1.5", 21, 0x01, DROP_FRAGMENT},   /* an offset */
        {"10.0.1.4", "10.0.1.5", 26, 0xe0, DROP_BAD_SOURCE}, /* 224.0.1.4 */
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
        {"fd00:0:0:1::4", "fd00:0:0:1::5", 20, 44, DROP_FRAGMENT},
        {"fd00:0:0:1::4", "fd00:0:0:1::5", 20, 43, DROP_EXTENSIONS},
        {"10.0.1.4", "10.0.1.5", 6, 6, DROP_SPOOFED_MAC},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct packet k = udp(&a, rows[i].src, rows[i].dst, 1000, 2000);
        struct outcome out;
        k.data[rows[i].at] = rows[i].value;
        world_send(&w, &a, &k, &out);
        if (out.action != TC_ACT_SHOT || out.reason != rows[i].reason)
            fail_msg("row %zu: %s, expected %s", i, drop_name(out.reason),
                     drop_name(rows[i].reason));
    }
}

static void test_vlan(void **state) {
    struct packet k = udp(&a, "10.0.1.4", "10.0.1.5", 1, 2), tagged;

    packet_eth(&tagged, world_router_mac, a.mac, ETH_P_8021Q);
    packet_bytes(&tagged, (uint8_t[4]){0, 5, 8, 0}, 4);
    packet_bytes(&tagged, k.data + 14, k.len - 14);
    expect_drop(&w, &a, &tagged, DROP_VLAN);
    tagged.data[12] = 0x88;
    tagged.data[13] = 0xa8;
    expect_drop(&w, &a, &tagged, DROP_VLAN);
}

/* Options and a longer header are fine; the ports are found behind them. */
static void test_ipv4_options(void **state) {
    struct packet k = udp(&a, "10.0.1.4", "10.0.1.5", 1000, 2000), long_header;
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
        {{60, 44, 0xff}, DROP_FRAGMENT},
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
    k = udp(&a, "0.0.0.0", "255.255.255.255", 68, 67);
    expect_drop(&w, &a, &k, DROP_DHCP);
    k = udp(&a, "fe80::4", "ff02::1:2", 546, 547);
    expect_drop(&w, &a, &k, DROP_DHCP);
    k = udp(&a, "10.0.1.4", "169.254.169.254", 5, 80);
    expect_drop(&w, &a, &k, DROP_LINK_LOCAL);
    k = udp(&a, "10.0.1.4", "10.0.2.1", 5, 80);
    expect_drop(&w, &a, &k, DROP_NO_ADDRESS);
    k = udp(&a, "10.0.1.4", "10.0.1.1", 5, 80);
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

/* --- Stages 4 to 11 ----------------------------------------------------------------------- */

static void test_source(void **state) {
    struct packet k = udp(&a, "10.0.1.5", "10.0.2.4", 1, 2);
    struct eni_value v = world_eni_get(&w, &a), before = v;

    expect_drop(&w, &a, &k, DROP_SPOOFED_ADDRESS);
    k = udp(&a, "192.0.2.1", "10.0.2.4", 1, 2);
    expect_drop(&w, &a, &k, DROP_SPOOFED_ADDRESS);
    k = udp(&a, "fe80::4", "fd00:0:0:1::5", 1, 2);
    expect_drop(&w, &a, &k, DROP_SPOOFED_ADDRESS);
    k = udp(&a, "fd00:0:0:1::5", "fd00:0:0:1::5", 1, 2);
    expect_drop(&w, &a, &k, DROP_SPOOFED_ADDRESS);

    v.flags &= ~(uint32_t)ENI_SRC_DST_CHECK;
    world_eni_put(&w, &a, &v);
    world_bump(&w, 1, true, false);
    k = udp(&a, "192.0.2.1", "10.0.2.4", 1, 2);
    expect_pass(&w, &a, &k, NULL);
    k = udp(&a, "169.254.7.7", "10.0.2.4", 1, 2);
    expect_drop(&w, &a, &k, DROP_SPOOFED_ADDRESS);
    k = udp(&a, "192.0.2.1", HOST, 1, 2);
    expect_drop(&w, &a, &k, DROP_NO_PUBLIC);
    world_eni_put(&w, &a, &before);
    world_bump(&w, 1, true, false);
    k = udp(&a, "192.0.2.1", "10.0.2.4", 1, 2); /* the entry is there, the check is back */
    expect_drop(&w, &a, &k, DROP_SPOOFED_ADDRESS);
}

static void test_local(void **state) {
    struct packet k = udp(&a, "10.0.1.4", "10.0.1.5", 3000, 4000);
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
    k = udp(&a, "10.0.1.4", "10.0.2.4", 3000, 4000);
    expect_pass(&w, &a, &k, &out);
    assert_macs(&out, c.mac, world_router_mac);
    k = udp(&a, "fd00:0:0:1::4", "2001:db8:ff00:2::4", 3000, 4000);
    expect_pass(&w, &a, &k, &out);
    assert_macs(&out, c.mac, world_router_mac);
    k = udp(&d, "10.0.1.5", "10.0.1.4", 3000, 4000); /* the other VPC has no 10.0.1.4 */
    expect_drop(&w, &d, &k, DROP_NO_ADDRESS);
    k = udp(&d, "10.0.1.5", "10.0.2.4", 3000, 4000);
    expect_drop(&w, &d, &k, DROP_NO_ADDRESS);
}

static void test_routes(void **state) {
    struct packet k = udp(&a, "10.0.1.4", "10.0.3.4", 1, 2);

    expect_drop(&w, &a, &k, DROP_NO_ADDRESS);
    k = udp(&a, "10.0.1.4", "192.0.2.4", 1, 2);
    expect_drop(&w, &a, &k, DROP_BLACKHOLE);
    k = udp(&a, "10.0.1.4", "198.51.100.4", 1, 2);
    expect_drop(&w, &a, &k, DROP_ROUTE_KIND);
    k = udp(&d, "10.0.1.5", "198.51.100.4", 1, 2);
    expect_drop(&w, &d, &k, DROP_NO_ROUTE);
    k = udp(&b, "10.0.1.5", HOST, 1, 2);
    expect_drop(&w, &b, &k, DROP_NO_PUBLIC);
    k = udp(&b, "fd00:0:0:1::5", HOST6, 1, 2);
    expect_drop(&w, &b, &k, DROP_NO_PUBLIC);
}

/* A route to an appliance: it must not check destinations. */
static void test_route_eni(void **state) {
    struct packet k = udp(&a, "10.0.1.4", "172.16.5.5", 1, 2);
    struct eni_value v = world_eni_get(&w, &c), before = v;
    struct outcome out;

    world_route(&w, 100, "172.16.0.0/12", ROUTE_ENI, c.number);
    expect_drop(&w, &a, &k, DROP_NOT_DESTINATION);
    v.flags &= ~(uint32_t)ENI_SRC_DST_CHECK;
    world_eni_put(&w, &c, &v);
    expect_pass(&w, &a, &k, &out);
    assert_macs(&out, c.mac, world_router_mac);
    k = udp(&c, "172.16.5.5", "10.0.1.4", 2, 1); /* and back */
    expect_pass(&w, &c, &k, &out);
    assert_macs(&out, a.mac, world_router_mac);
    world_eni_put(&w, &c, &before);
}

static void test_no_link(void **state) {
    struct packet k = udp(&a, "10.0.1.4", "10.0.1.5", 600, 700);
    struct dataplane_port port = {b.ifindex, LINK_VETH, b.number, 1, {0}};

    expect_pass(&w, &a, &k, NULL);
    assert_int_equal(dataplane_detach_eni(w.dp, b.number), 0);
    expect_drop(&w, &a, &k, DROP_NO_LINK); /* also what was cached */
    k = udp(&b, "10.0.1.5", "10.0.1.4", 600, 700);
    expect_drop(&w, &b, &k, DROP_NOT_READY);
    memcpy(port.mac, b.mac, 6);
    assert_int_equal(dataplane_attach_eni(w.dp, &port), 0);
    expect_pass(&w, &b, &k, NULL);
}

static void test_guard(void **state) {
    struct packet k = udp(&a, "10.0.1.4", "10.0.1.5", 1, 2);
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
    struct packet k = ping(&a, "10.0.1.4", HOST, false, 7);
    struct outcome out;

    for (int i = 0; i < 2; i++) {
        expect_pass(&w, &a, &k, &out);
        assert_macs(&out, world_host_mac, world_router_mac);
        assert_addresses(&out, "203.0.113.10", HOST);
        assert_int_equal(out.mark, 0x76706364);
    }
    k = ping(NULL, HOST, "203.0.113.10", true, 7); /* the answer */
    for (int i = 0; i < 2; i++) {
        expect_pass(&w, NULL, &k, &out);
        assert_macs(&out, a.mac, world_router_mac);
        assert_addresses(&out, HOST, "10.0.1.4");
    }
    k = udp(&a, "10.0.1.4", HOST, 999, 8080);
    expect_drop(&w, &a, &k, DROP_UPLINK_PORT);
    assert_int_equal(dataplane_put(w.dp, DATAPLANE_UPLINK_PORTS, &port, &allowed), 0);
    for (int i = 0; i < 2; i++) {
        expect_pass(&w, &a, &k, &out);
        assert_addresses(&out, "203.0.113.10", HOST);
    }
    k = udp(&a, "10.0.1.4", HOST, 999, 22);
    expect_drop(&w, &a, &k, DROP_UPLINK_PORT);
    config_flags(CONFIG_HOST_OPEN);
    expect_pass(&w, &a, &k, NULL);
    config_flags(0);
    k = ping(&c, "2001:db8:ff00:2::4", HOST6, false, 9);
    expect_pass(&w, &c, &k, &out);
    assert_addresses(&out, "2001:db8:ff00:2::4", HOST6);
    k = ping(NULL, HOST6, "2001:db8:ff00:2::4", true, 9);
    expect_pass(&w, NULL, &k, &out);
    assert_macs(&out, c.mac, world_router_mac);
}

/* UDP without a checksum stays so; a checksum that becomes 0 is sent as 0xffff. */
static void test_udp_checksum_zero(void **state) {
    struct packet k = udp(&a, "10.0.1.4", HOST, 1000, 8080);
    struct outcome out;

    config_flags(CONFIG_HOST_OPEN);
    k.data[40] = k.data[41] = 0;
    expect_pass(&w, &a, &k, &out);
    assert_int_equal(out.data[40] | out.data[41], 0);
    for (unsigned i = 0; i < 65536; i += 13) { /* some of these fold to 0 */
        k = udp(&a, "10.0.1.4", HOST, 1000, 8080);
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
        struct packet k = udp(&a, "10.0.1.4", rows[i].dst, 1000, 53);
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
    struct packet k = udp(NULL, HOST, "203.0.113.11", 5000, 80);
    struct outcome out;

    expect_pass(&w, NULL, &k, &out);
    assert_macs(&out, c.mac, world_router_mac);
    assert_addresses(&out, HOST, "10.0.2.4");
    k = udp(&c, "10.0.2.4", HOST, 80, 5000); /* the answer, though no port of the host is open */
    for (int i = 0; i < 2; i++) {
        expect_pass(&w, &c, &k, &out);
        assert_macs(&out, world_host_mac, world_router_mac);
        assert_addresses(&out, "203.0.113.11", HOST);
    }
    k = udp(&c, "10.0.2.4", HOST, 80, 5001); /* but not another port */
    expect_drop(&w, &c, &k, DROP_UPLINK_PORT);
    k = udp(NULL, HOST, "203.0.113.99", 5000, 80);
    expect_drop(&w, NULL, &k, DROP_UPLINK_UNKNOWN);
    k = udp(NULL, HOST, "10.0.2.4", 5000, 80);
    expect_drop(&w, NULL, &k, DROP_UPLINK_UNKNOWN);
    k = udp(NULL, "203.0.113.10", "203.0.113.11", 5000, 80);
    expect_drop(&w, NULL, &k, DROP_SPOOFED_ADDRESS);
    k = udp(NULL, "198.51.100.1", "203.0.113.11", 5000, 80);
    expect_pass(&w, NULL, &k, NULL);
    k = udp(NULL, HOST6, "2001:db8:ff00:2::4", 5000, 80);
    expect_pass(&w, NULL, &k, &out);
    assert_macs(&out, c.mac, world_router_mac);
    k = udp(NULL, HOST6, "fd00:0:0:1::4", 5000, 80);
    expect_drop(&w, NULL, &k, DROP_UPLINK_UNKNOWN);
}

/* From a public address to another one, also of another VPC: both translated, both ways. */
static void test_internet_turn(void **state) {
    struct packet k = udp(&a, "10.0.1.4", "203.0.113.12", 6000, 80);
    struct outcome out;

    for (int i = 0; i < 2; i++) {
        expect_pass(&w, &a, &k, &out);
        assert_macs(&out, d.mac, world_router_mac);
        assert_addresses(&out, "203.0.113.10", "10.0.1.5");
    }
    k = udp(&d, "10.0.1.5", "203.0.113.10", 80, 6000);
    for (int i = 0; i < 2; i++) {
        expect_pass(&w, &d, &k, &out);
        assert_macs(&out, a.mac, world_router_mac);
        assert_addresses(&out, "203.0.113.12", "10.0.1.4");
    }
    k = udp(&a, "10.0.1.4", "203.0.113.10", 6000, 6001); /* one's own */
    expect_pass(&w, &a, &k, &out);
    assert_addresses(&out, "203.0.113.10", "10.0.1.4");
    k = udp(&a, "10.0.1.4", "203.0.113.10", 6001, 6000);
    expect_pass(&w, &a, &k, &out);
    k = udp(&a, "10.0.1.4", "203.0.113.10", 7, 7); /* both halves have the same key */
    expect_pass(&w, &a, &k, &out);
    expect_pass(&w, &a, &k, &out);
    /* The receiver's own VPC publishes: seen, though the packet is of another. */
    struct world_rule none[] = {{DIR_EGRESS, 4, -1, -1, -1, "0.0.0.0/0", 0}};
    world_rules(&w, &d, none, 1);
    world_bump(&w, 2, false, true);
    k = udp(&a, "10.0.1.4", "203.0.113.12", 6000, 80);
    expect_drop(&w, &a, &k, DROP_GROUP_INGRESS); /* was untracked at d */
    open_all(&d);
    world_bump(&w, 2, false, true);
    expect_pass(&w, &a, &k, &out);
}

static void test_too_big(void **state) {
    struct packet k;
    struct outcome out;

    config_flags(CONFIG_HOST_OPEN);
    for (int extra = 0; extra < 2; extra++) {
        packet_eth(&k, world_router_mac, a.mac, ETH_P_IP);
        packet_ip(&k, "10.0.1.4", HOST, IPPROTO_UDP);
        packet_udp(&k, 1, 2, (size_t)(1472 + extra));
        packet_finish(&k);
        world_send(&w, &a, &k, &out);
        assert_int_equal(out.reason, extra ? DROP_TOO_BIG : DROP_NONE);
        world_send(&w, &a, &k, &out); /* and on the fast path */
        assert_int_equal(out.reason, extra ? DROP_TOO_BIG : DROP_NONE);
    }
    /* A GSO packet is as large as its segments. */
    packet_eth(&k, world_router_mac, a.mac, ETH_P_IP);
    packet_ip(&k, "10.0.1.4", HOST, IPPROTO_TCP);
    packet_tcp(&k, 1, 2, ACK, 3000);
    packet_finish(&k);
    world_send_gso(&w, &a, &k, 1460, &out);
    assert_int_equal(out.reason, DROP_NONE);
    world_send_gso(&w, &a, &k, 1461, &out);
    assert_int_equal(out.reason, DROP_TOO_BIG);
    config_flags(0);
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
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_vlan),
        cmocka_unit_test(test_ipv4_options),
        cmocka_unit_test(test_ipv6_extensions),
        cmocka_unit_test(test_not_forwarded),
        cmocka_unit_test(test_arp),
        cmocka_unit_test(test_nd),
        cmocka_unit_test(test_nd_invalid),
        cmocka_unit_test(test_uplink_neighbours),
        cmocka_unit_test(test_source),
        cmocka_unit_test(test_local),
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_route_eni),
        cmocka_unit_test(test_no_link),
        cmocka_unit_test(test_guard),
        cmocka_unit_test(test_internet_out),
        cmocka_unit_test(test_udp_checksum_zero),
        cmocka_unit_test(test_internet_destinations),
        cmocka_unit_test(test_internet_in),
        cmocka_unit_test(test_internet_turn),
        cmocka_unit_test(test_too_big),
        cmocka_unit_test(test_gso_count),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
