/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/frame.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <string.h>

#define TTL 64
#define DONT_FRAGMENT 0x4000

/* RFC 1071, as a sum that goes on. */
static uint32_t sum(uint32_t so_far, const uint8_t *data, size_t len) {
    for (size_t i = 0; i < len; i++)
        so_far += i % 2 ? data[i] : (uint32_t)data[i] << 8;
    return so_far;
}

static uint16_t fold(uint32_t s) {
    while (s >> 16)
        s = (s & 0xffff) + (s >> 16);
    return htons((uint16_t)~s);
}

static uint32_t pseudo_header(const struct oracle_packet *p, size_t l4_len) {
    size_t n = ip_bits(p->src.family) / 8;

    return sum(sum(p->protocol + (uint32_t)l4_len, p->src.b, n), p->dst.b, n);
}

static size_t l4_header(const struct oracle_packet *p) {
    switch (p->protocol) {
    case IPPROTO_TCP:
        return sizeof(struct tcphdr);
    case IPPROTO_UDP:
        return sizeof(struct udphdr);
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        return 8;
    default:
        return 0;
    }
}

static void write_l4(const struct oracle_packet *p, uint8_t *l4, size_t len) {
    struct tcphdr tcp = {.source = htons(p->sport),
                         .dest = htons(p->dport),
                         .doff = sizeof(tcp) / 4,
                         .syn = 1,
                         .window = htons(65535)};
    struct udphdr udp = {
        .source = htons(p->sport), .dest = htons(p->dport), .len = htons((uint16_t)len)};
    uint8_t icmp[8] = {p->icmp_type, p->icmp_code, [4] = 0x12, [5] = 0x34, [7] = 1};
    bool own_icmp = p->protocol == (p->src.family == IP_V4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
    uint16_t check;

    switch (p->protocol) {
    case IPPROTO_TCP:
        memcpy(l4, &tcp, sizeof(tcp));
        tcp.check = fold(pseudo_header(p, len) + sum(0, l4, len));
        memcpy(l4, &tcp, sizeof(tcp));
        break;
    case IPPROTO_UDP:
        memcpy(l4, &udp, sizeof(udp));
        udp.check = fold(pseudo_header(p, len) + sum(0, l4, len));
        memcpy(l4, &udp, sizeof(udp));
        break;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        if (!own_icmp)
            break;
        memcpy(l4, icmp, sizeof(icmp));
        check = fold((p->src.family == IP_V6 ? pseudo_header(p, len) : 0) + sum(0, l4, len));
        memcpy(l4 + 2, &check, 2);
        break;
    default:
        break;
    }
}

size_t frame_build(const struct oracle_packet *p, const uint8_t dst_mac[6],
                   uint8_t ret_frame[FRAME_MAX]) {
    bool four = p->src.family == IP_V4;
    size_t ip_len = four ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
    size_t len = ip_len + l4_header(p);
    uint8_t *ip = ret_frame + ETH_HLEN;
    struct ethhdr eth = {.h_proto = htons(four ? ETH_P_IP : ETH_P_IPV6)};

    if (p->length > len)
        len = p->length;
    if (p->src.family != p->dst.family || ETH_HLEN + len > FRAME_MAX)
        return 0;
    memset(ret_frame, 0, ETH_HLEN + len);
    memcpy(eth.h_dest, dst_mac, 6);
    memcpy(eth.h_source, p->src_mac, 6);
    memcpy(ret_frame, &eth, sizeof(eth));
    if (four) {
        struct iphdr h = {.version = 4,
                          .ihl = 5,
                          .tot_len = htons((uint16_t)len),
                          .frag_off = htons(DONT_FRAGMENT),
                          .ttl = TTL,
                          .protocol = p->protocol};
        memcpy(&h.saddr, p->src.b, 4);
        memcpy(&h.daddr, p->dst.b, 4);
        memcpy(ip, &h, sizeof(h));
        h.check = fold(sum(0, ip, sizeof(h)));
        memcpy(ip, &h, sizeof(h));
    } else {
        struct ipv6hdr h = {.version = 6,
                            .payload_len = htons((uint16_t)(len - ip_len)),
                            .nexthdr = p->protocol,
                            /* Neighbour discovery is for the link only. */
                            .hop_limit = p->protocol == 58 && p->icmp_type == 133 ? 255 : TTL};
        memcpy(&h.saddr, p->src.b, 16);
        memcpy(&h.daddr, p->dst.b, 16);
        memcpy(ip, &h, sizeof(h));
    }
    write_l4(p, ip + ip_len, len - ip_len);
    return ETH_HLEN + len;
}
