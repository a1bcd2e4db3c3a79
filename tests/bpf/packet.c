/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "packet.h"

const uint8_t mac_broadcast[6] = {255, 255, 255, 255, 255, 255};

static void put16(uint8_t *p, unsigned v) {
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static unsigned get16(const uint8_t *p) {
    return (unsigned)(p[0] << 8 | p[1]);
}

/* RFC 1071, byte by byte. */
uint16_t checksum(const void *data, size_t len, uint32_t sum) {
    const uint8_t *p = data;

    for (size_t i = 0; i < len; i++)
        sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

void packet_bytes(struct packet *k, const void *bytes, size_t n) {
    assert(k->len + n <= sizeof k->data);
    if (bytes)
        memcpy(k->data + k->len, bytes, n);
    else
        memset(k->data + k->len, 0x5a, n);
    k->len += n;
}

void packet_eth(struct packet *k, const uint8_t dst[6], const uint8_t src[6], uint16_t type) {
    uint8_t t[2];

    memset(k, 0, sizeof *k);
    put16(t, type);
    packet_bytes(k, dst, 6);
    packet_bytes(k, src, 6);
    packet_bytes(k, t, 2);
    k->l3 = k->len;
}

void packet_ip(struct packet *k, const char *src, const char *dst, uint8_t proto) {
    struct ip s, d;
    int r = ip_parse(src, &s) | ip_parse(dst, &d);

    assert(r == 0 && s.family == d.family);
    k->proto = proto;
    if (s.family == IP_V4) {
        uint8_t h[12] = {0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 64, proto};
        packet_bytes(k, h, sizeof h);
        packet_bytes(k, s.b, 4);
        packet_bytes(k, d.b, 4);
    } else {
        uint8_t h[8] = {0x60, 0, 0, 0, 0, 0, proto, 64};
        packet_bytes(k, h, sizeof h);
        packet_bytes(k, s.b, 16);
        packet_bytes(k, d.b, 16);
    }
    k->l4 = k->len;
}

void packet_tcp(struct packet *k, uint16_t sport, uint16_t dport, unsigned flags, size_t payload) {
    uint8_t h[20] = {0};

    put16(h, sport);
    put16(h + 2, dport);
    h[12] = 5 << 4;
    h[13] = (uint8_t)flags;
    put16(h + 14, 65535);
    packet_bytes(k, h, sizeof h);
    packet_bytes(k, NULL, payload);
}

void packet_udp(struct packet *k, uint16_t sport, uint16_t dport, size_t payload) {
    uint8_t h[8] = {0};

    put16(h, sport);
    put16(h + 2, dport);
    put16(h + 4, (unsigned)(8 + payload));
    packet_bytes(k, h, sizeof h);
    packet_bytes(k, NULL, payload);
}

void packet_icmp(struct packet *k, uint8_t type, uint8_t code, uint16_t id, size_t payload) {
    uint8_t h[8] = {type, code};

    put16(h + 4, id);
    put16(h + 6, 1);
    packet_bytes(k, h, sizeof h);
    packet_bytes(k, NULL, payload);
}

/* Where the transport checksum is, by protocol; -1: none. */
static int sum_at(uint8_t proto) {
    switch (proto) {
    case IPPROTO_TCP:
        return 16;
    case IPPROTO_UDP:
        return 6;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        return 2;
    default:
        return -1;
    }
}

static uint32_t pseudo(const uint8_t *ip, uint8_t proto, size_t l4_len) {
    bool v4 = ip[0] >> 4 == 4;
    const uint8_t *addrs = v4 ? ip + 12 : ip + 8;
    uint32_t sum = 0;

    if (proto == IPPROTO_ICMP)
        return 0;
    for (size_t i = 0; i < (v4 ? 8u : 32u); i += 2)
        sum += get16(addrs + i);
    return sum + proto + (uint32_t)(l4_len >> 16) + (uint32_t)(l4_len & 0xffff);
}

void packet_finish(struct packet *k) {
    uint8_t *ip = k->data + k->l3, *l4 = k->data + k->l4;
    size_t l4_len = k->len - k->l4;
    int at = sum_at(k->proto);

    if (ip[0] >> 4 == 4) {
        put16(ip + 2, (unsigned)(k->len - k->l3));
        put16(ip + 10, 0);
        put16(ip + 10, checksum(ip, (ip[0] & 15u) * 4, 0));
    } else {
        put16(ip + 4, (unsigned)(k->len - k->l3 - 40));
    }
    if (at >= 0 && l4_len >= (size_t)at + 2) {
        put16(l4 + at, 0);
        put16(l4 + at, checksum(l4, l4_len, pseudo(ip, k->proto, l4_len)));
    }
}

const char *packet_checksums(const uint8_t *data, size_t len) {
    const uint8_t *ip = data + 14, *l4;
    uint8_t proto;
    size_t l4_len;
    int at;

    if (ip[0] >> 4 == 4) {
        size_t header = (ip[0] & 15u) * 4;
        if (checksum(ip, header, 0) != 0)
            return "IPv4 header";
        proto = ip[9];
        l4 = ip + header;
        l4_len = get16(ip + 2) - header;
    } else {
        proto = ip[6];
        l4 = ip + 40;
        l4_len = get16(ip + 4);
    }
    if ((size_t)(l4 - data) + l4_len > len)
        return "length";
    at = sum_at(proto);
    if (at < 0 || (proto == IPPROTO_UDP && get16(l4 + at) == 0))
        return NULL;
    return checksum(l4, l4_len, pseudo(ip, proto, l4_len)) == 0 ? NULL : "transport";
}

static struct ip address_at(const uint8_t *data, size_t v4_off, size_t v6_off) {
    struct ip a = {.family = data[14] >> 4 == 4 ? IP_V4 : IP_V6};

    memcpy(a.b, data + 14 + (a.family == IP_V4 ? v4_off : v6_off), a.family == IP_V4 ? 4 : 16);
    return a;
}

struct ip packet_src(const uint8_t *data) {
    return address_at(data, 12, 8);
}

struct ip packet_dst(const uint8_t *data) {
    return address_at(data, 16, 24);
}

void packet_arp(struct packet *k, const uint8_t src_mac[6], uint16_t op, const char *spa,
                const char *tpa) {
    uint8_t h[8] = {0, 1, 8, 0, 6, 4, 0, (uint8_t)op};
    struct ip s, t;
    int r = ip_parse(spa, &s) | ip_parse(tpa, &t);

    assert(r == 0);
    packet_eth(k, mac_broadcast, src_mac, ETH_P_ARP);
    packet_bytes(k, h, sizeof h);
    packet_bytes(k, src_mac, 6);
    packet_bytes(k, s.b, 4);
    packet_bytes(k, (uint8_t[6]){0}, 6);
    packet_bytes(k, t.b, 4);
}

void packet_ns(struct packet *k, const uint8_t src_mac[6], const char *src, const char *target) {
    char group[IP_TEXT];
    uint8_t eth[6] = {0x33, 0x33, 0xff};
    struct ip t, g;
    int r = ip_parse(target, &t) | ip_parse("ff02::1:ff00:0", &g);

    assert(r == 0);
    memcpy(g.b + 13, t.b + 13, 3);
    memcpy(eth + 3, t.b + 13, 3);
    packet_eth(k, eth, src_mac, ETH_P_IPV6);
    packet_ip(k, src, ip_format(&g, group), IPPROTO_ICMPV6);
    k->data[k->l3 + 7] = 255;
    packet_bytes(k, (uint8_t[8]){135}, 8);
    packet_bytes(k, t.b, 16);
    packet_bytes(k, (uint8_t[2]){1, 1}, 2);
    packet_bytes(k, src_mac, 6);
    packet_finish(k);
}
