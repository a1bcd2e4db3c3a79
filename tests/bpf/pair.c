/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "pair.h"

struct world w;
struct world_eni a, b, c;
uint16_t next_port = 10000;

const struct world_rule out4 = {DIR_EGRESS, 4, -1, -1, -1, ANY4, 0};
const struct world_rule out6 = {DIR_EGRESS, 6, -1, -1, -1, ANY6, 0};

struct world_rule in4(int proto, int from, int to, const char *cidr) {
    return (struct world_rule){DIR_INGRESS, 4, proto, from, to, cidr, 0};
}

struct world_rule in6(int proto, int from, int to, const char *cidr) {
    return (struct world_rule){DIR_INGRESS, 6, proto, from, to, cidr, 0};
}

struct world_rule in_set(uint8_t family, int proto, int from, int to, uint32_t set) {
    return (struct world_rule){DIR_INGRESS, family, proto, from, to, NULL, set};
}

int pair_setup(void **state) {
    world_open(&w);
    world_vpc(&w, 1);
    world_subnet(&w, 1, 1, "10.0.1.0/24", "fd00:0:0:1::/64", 100);
    world_subnet(&w, 2, 1, "10.0.2.0/24", NULL, 100);
    world_route(&w, 100, "10.0.0.0/16", ROUTE_LOCAL, 0);
    a = world_eni(&w, 1, 1, 1, 0);
    b = world_eni(&w, 2, 1, 1, 0);
    c = world_eni(&w, 3, 1, 2, 0);
    world_addr(&w, &a, "10.0.1.4", NULL);
    world_addr(&w, &a, "fd00:0:0:1::4", NULL);
    world_addr(&w, &b, "10.0.1.5", NULL);
    world_addr(&w, &b, "fd00:0:0:1::5", NULL);
    world_addr(&w, &c, "10.0.2.4", NULL);
    RULES(&a, out4, out6);
    RULES(&c, out4, out6);
    return 0;
}

int pair_teardown(void **state) {
    world_close(&w);
    return 0;
}

static const char *addr_of(const struct world_eni *e, bool v6) {
    if (e == &a)
        return v6 ? "fd00:0:0:1::4" : "10.0.1.4";
    if (e == &b)
        return v6 ? "fd00:0:0:1::5" : "10.0.1.5";
    if (e == &c)
        return "10.0.2.4";
    static char text[2][IP_TEXT];
    static int turn;
    snprintf(text[turn ^= 1], IP_TEXT, "10.0.1.%u", e->number);
    return text[turn];
}

void start(struct packet *k, const struct world_eni *from, const struct world_eni *to, bool v6,
           uint8_t proto) {
    packet_eth(k, to->mac, from->mac, v6 ? ETH_P_IPV6 : ETH_P_IP);
    packet_ip(k, addr_of(from, v6), addr_of(to, v6), proto);
}

struct packet tcp(const struct world_eni *from, const struct world_eni *to, uint16_t sport,
                  uint16_t dport, unsigned flags) {
    struct packet k;

    start(&k, from, to, false, IPPROTO_TCP);
    packet_tcp(&k, sport, dport, flags, 0);
    packet_finish(&k);
    return k;
}

struct packet udp(const struct world_eni *from, const struct world_eni *to, uint16_t sport,
                  uint16_t dport) {
    struct packet k;

    start(&k, from, to, false, IPPROTO_UDP);
    packet_udp(&k, sport, dport, 1);
    packet_finish(&k);
    return k;
}

struct packet udp6(const struct world_eni *from, const struct world_eni *to, uint16_t sport,
                   uint16_t dport) {
    struct packet k;

    start(&k, from, to, true, IPPROTO_UDP);
    packet_udp(&k, sport, dport, 1);
    packet_finish(&k);
    return k;
}

struct packet icmp(const struct world_eni *from, const struct world_eni *to, bool v6, uint8_t type,
                   uint8_t code, uint16_t id) {
    struct packet k;

    start(&k, from, to, v6, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
    packet_icmp(&k, type, code, id, 4);
    packet_finish(&k);
    return k;
}

void pass_at(const struct world_eni *from, struct packet k, int line) {
    expect_at(&w, from, &k, DROP_NONE, NULL, line);
}

void drop_at(const struct world_eni *from, struct packet k, unsigned reason, int line) {
    expect_at(&w, from, &k, reason, NULL, line);
}

struct flow_value flow_of(const struct world_eni *from, struct packet k) {
    struct flow_value f;

    assert_int_equal(world_flow(&w, from, &k, &f), 0);
    return f;
}
