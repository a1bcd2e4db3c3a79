/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "standard.h"

struct world w;
struct world_eni a, b, c, d;

static const struct world_rule all[] = {
    {DIR_EGRESS, 4, -1, -1, -1, "0.0.0.0/0", 0},
    {DIR_EGRESS, 6, -1, -1, -1, "::/0", 0},
    {DIR_INGRESS, 4, -1, -1, -1, "0.0.0.0/0", 0},
    {DIR_INGRESS, 6, -1, -1, -1, "::/0", 0},
};

void standard_open_all(const struct world_eni *e) {
    world_rules(&w, e, all, ARRAY_SIZE(all));
}

int standard_setup(void **state) {
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
    world_route(&w, 100, "198.51.100.0/24", ROUTE_VGW, 7);
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
    standard_open_all(&a);
    standard_open_all(&b);
    standard_open_all(&c);
    standard_open_all(&d);
    return 0;
}

int standard_teardown(void **state) {
    world_close(&w);
    return 0;
}

struct packet standard_udp(const struct world_eni *e, const char *src, const char *dst,
                           uint16_t sport, uint16_t dport) {
    struct packet k;

    packet_eth(&k, world_router_mac, e ? e->mac : world_host_mac,
               strchr(dst, ':') ? ETH_P_IPV6 : ETH_P_IP);
    packet_ip(&k, src, dst, IPPROTO_UDP);
    packet_udp(&k, sport, dport, 11);
    packet_finish(&k);
    return k;
}

struct packet standard_tcp(const struct world_eni *e, const char *src, const char *dst,
                           uint16_t sport, uint16_t dport, unsigned flags) {
    struct packet k;

    packet_eth(&k, world_router_mac, e ? e->mac : world_host_mac,
               strchr(dst, ':') ? ETH_P_IPV6 : ETH_P_IP);
    packet_ip(&k, src, dst, IPPROTO_TCP);
    packet_tcp(&k, sport, dport, flags, 0);
    packet_finish(&k);
    return k;
}

struct packet standard_ping(const struct world_eni *e, const char *src, const char *dst, bool reply,
                            uint16_t id) {
    bool v6 = strchr(dst, ':');
    struct packet k;

    packet_eth(&k, world_router_mac, e ? e->mac : world_host_mac, v6 ? ETH_P_IPV6 : ETH_P_IP);
    packet_ip(&k, src, dst, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
    packet_icmp(&k, v6 ? (reply ? 129 : 128) : (reply ? 0 : 8), 0, id, 9);
    packet_finish(&k);
    return k;
}

void assert_macs(const struct outcome *o, const uint8_t dst[6], const uint8_t src[6]) {
    assert_memory_equal(o->data, dst, 6);
    assert_memory_equal(o->data + 6, src, 6);
}

void assert_addresses(const struct outcome *o, const char *src, const char *dst) {
    struct ip s = packet_src(o->data), t = packet_dst(o->data);
    char text[IP_TEXT];

    assert_string_equal(ip_format(&s, text), src);
    assert_string_equal(ip_format(&t, text), dst);
    const char *wrong = packet_checksums(o->data, o->len);
    if (wrong)
        fail_msg("%s checksum is wrong", wrong);
}
