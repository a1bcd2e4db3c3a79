/* SPDX-License-Identifier: Apache-2.0 */
#include "quote.h"

#include <string.h>

#include "base/cleanup.h"
#include "rig.h"

void quote_random(struct world *w, const struct oracle_flow *flow, const struct oracle_packet *back,
                  bool reply, struct oracle_packet *ret, struct oracle_packet *quoted) {
    static const uint8_t types[2][3] = {{3, 11, 12}, {1, 2, 3}};
    bool v6 = quoted->src.family == IP_V6;
    struct oracle_packet got = *quoted;

    if (reply) { /* the first packet as it was delivered */
        got.src = flow->src;
        got.dst = flow->dst;
        if (flow->nat_port)
            got.sport = flow->nat_port;
    } else { /* the reply, as it was */
        got = *back;
        got.src = flow->first.dst;
        got.dst = flow->first.src;
        if (flow->nat_port && got.protocol == IPPROTO_ICMP)
            got.sport = flow->first.sport;
        else if (flow->nat_port)
            got.dport = flow->first.sport;
    }
    *quoted = got;
    quoted->length = 0;
    *ret = (struct oracle_packet){.from = reply ? back->from : flow->first.from,
                                  .src = got.dst,
                                  .dst = got.src,
                                  .protocol = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
                                  .icmp_type = types[v6][world_random(w, 3)],
                                  .icmp_code = (uint8_t)world_random(w, 5)};
    if (ret->from)
        memcpy(ret->src_mac, ret->from->mac, sizeof(ret->src_mac));
    switch (world_random(w, 14)) {
    case 0:
        quoted->sport ^= 1;
        break;
    case 1:
        quoted->dport ^= 1;
        break;
    case 2: /* a packet that the error's sender sent */
        quoted->src = got.dst;
        quoted->dst = got.src;
        break;
    case 3:
        ret->dst = world_address(w, got.src.family);
        break;
    case 4:
        ret->src = world_address(w, got.src.family);
        break;
    case 5:
        quoted->protocol ^= 1;
        break;
    default:
        break;
    }
}

size_t quote_write(struct world *w, const struct oracle_packet *error, const struct packet *quoted,
                   struct packet *ret) {
    char src[IP_TEXT], dst[IP_TEXT];
    size_t whole = quoted->len - quoted->l3, n = quoted->l4 - quoted->l3 + 8;
    uint8_t header[8] = {error->icmp_type, error->icmp_code};

    if (world_chance(w, 50))
        n = whole;
    else if (world_chance(w, 30))
        n += world_random(w, (uint32_t)(whole - n + 1));
    packet_eth(ret, rig_router_mac, error->from ? error->src_mac : rig_host_mac,
               error->src.family == IP_V4 ? ETH_P_IP : ETH_P_IPV6);
    packet_ip(ret, ip_format(&error->src, src), ip_format(&error->dst, dst), error->protocol);
    packet_bytes(ret, header, sizeof(header));
    packet_bytes(ret, quoted->data + quoted->l3, n);
    packet_finish(ret);
    return n;
}

/* The port of the side that began, or the identifier, in an IPv4 packet. */
static uint16_t port_of(const struct oracle_packet *p, const uint8_t *frame, bool forward) {
    const uint8_t *l4 = frame + 34;
    unsigned at = p->protocol == IPPROTO_ICMP ? 4 : forward ? 0 : 2;

    return (uint16_t)(l4[at] << 8 | l4[at + 1]);
}

const char *quote_differs(const struct oracle_flow *flow, const struct oracle_packet *back,
                          bool reply, const uint8_t *frame, size_t n) {
    const struct oracle_packet *sent = reply ? &flow->first : back;
    bool v6 = sent->src.family == IP_V6;
    uint8_t inside[PACKET_MAX] = {0};
    struct ip src, dst;

    memcpy(inside + 14, frame + 14 + (v6 ? 40 : 20) + 8, n);
    src = packet_src(inside);
    dst = packet_dst(inside);
    if (!ip_equal(&src, &sent->src))
        return "source in the quotation";
    if (!ip_equal(&dst, &sent->dst))
        return "destination in the quotation";
    if (flow->nat_port && port_of(sent, inside, reply) != (reply ? sent->sport : flow->nat_port))
        return "port in the quotation";
    if (!v6 && checksum(inside + 14, 20, 0) != 0)
        return "IPv4 checksum in the quotation";
    if (n == (size_t)(v6 ? 40 + (inside[18] << 8 | inside[19]) : (inside[16] << 8 | inside[17])) &&
        packet_checksums(inside, 14 + n))
        return "transport checksum in the quotation";
    return NULL;
}
