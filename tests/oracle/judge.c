/* SPDX-License-Identifier: Apache-2.0 */
#include "judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "rules/test_packet.h"

#define DIFFERENCES 5

struct rig rig;
uint64_t seed;
unsigned differences;

double now(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double limit(double otherwise) {
    const char *text = getenv("ORACLE_SECONDS");

    return text ? strtod(text, NULL) : otherwise;
}

/* The bytes of a packet. */
void write_packet(const struct oracle_packet *p, unsigned tcp_flags, struct packet *k) {
    char src[IP_TEXT], dst[IP_TEXT];
    size_t headers, payload = 9;
    bool icmp = p->protocol == IPPROTO_ICMP || p->protocol == IPPROTO_ICMPV6;

    packet_eth(k, rig_router_mac, p->from ? p->src_mac : rig_host_mac,
               p->src.family == IP_V4 ? ETH_P_IP : ETH_P_IPV6);
    packet_ip(k, ip_format(&p->src, src), ip_format(&p->dst, dst), p->protocol);
    headers = k->len - k->l3 + (p->protocol == IPPROTO_TCP ? 20u : 8u);
    if (p->length > headers)
        payload = p->length - headers;
    if (p->protocol == IPPROTO_TCP)
        packet_tcp(k, p->sport, p->dport, tcp_flags, payload);
    else if (p->protocol == IPPROTO_UDP)
        packet_udp(k, p->sport, p->dport, payload);
    else if (icmp)
        packet_icmp(k, p->icmp_type, p->icmp_code, p->sport, payload);
    else
        packet_bytes(k, NULL, 8 + payload);
    if (p->protocol == IPPROTO_ICMPV6 && p->src.family == IP_V6 && p->icmp_type == 133)
        k->data[k->l3 + 7] = 255; /* neighbour discovery is of the link */
    packet_finish(k);
}

static uint32_t want_flags(enum oracle_tracking t, uint32_t flag) {
    return t == ORACLE_TRACKED ? flag : 0;
}

/* Within a subnet there is no router on the way. */
static bool is_neighbour(const struct oracle_verdict *v) {
    for (unsigned i = 0; i < v->n_hops; i++)
        if (strcmp(v->hops[i].by, "within the subnet: not asked") == 0)
            return true;
    return false;
}

bool is_translated(const char *gateway) {
    return strncmp(gateway, "nat-", 4) == 0;
}

/* How long the flow may be idle once it is open: of the interfaces that track it, else of those
 * that are there, the shorter time (EC2 user guide, "Connection tracking timeouts"). */
static uint32_t open_ms(const struct oracle_packet *p, const struct oracle_verdict *v) {
    const struct network_interface *ends[] = {p->from, v->to};
    enum oracle_tracking how[] = {v->sender, v->receiver};
    bool any = how[0] == ORACLE_TRACKED || how[1] == ORACLE_TRACKED;
    int64_t least = INT64_MAX;

    for (int i = 0; i < 2; i++) {
        int64_t own, s = 600;

        if (!ends[i] || (any && how[i] != ORACLE_TRACKED))
            continue;
        if (p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP) {
            bool tcp = p->protocol == IPPROTO_TCP;

            own = tcp ? ends[i]->tracking.tcp_established : ends[i]->tracking.udp_stream;
            s = own ? own : tcp ? 432000 : 180;
        }
        least = s < least ? s : least;
    }
    if (is_translated(v->gateway) && least > 350) /* AWS: "idle for 350 seconds or more" */
        least = 350;
    return (uint32_t)(least * 1000);
}

/* The port of the side that began, or the identifier, in a packet as it was delivered. */
uint16_t inner_port(const struct oracle_packet *p, const uint8_t *frame, bool reply) {
    const uint8_t *l4 = frame + 14 + (frame[14] & 15) * 4;
    unsigned at = p->protocol == IPPROTO_ICMP ? 4 : reply ? 2 : 0;

    return (uint16_t)(l4[at] << 8 | l4[at + 1]);
}

/* A question on its way to a service: the addresses inside (abi/service.h). */
const char *question_differs(const struct oracle_packet *p, const struct oracle_verdict *v,
                             const struct rig_outcome *o) {
    struct ip src = packet_src(o->frame), dst = packet_dst(o->frame), to = p->dst;
    uint32_t number = rig_number(&rig, p->from);
    struct ip from = ip_v4(0x10000000u + number);
    char text[64];

    if (p->src.family == IP_V4) {
        to = ip_v4(0xac100000u + ((uint32_t)v->service << 16) + (ip_to_v4(&p->src) & 0xffff));
    } else {
        bool link = p->src.b[0] != 0x20;

        snprintf(text, sizeof(text), "fd76:%x:%x:%x::", link ? 0x7064 : 0x7063, number >> 16,
                 number & 0xffff);
        if (ip_parse(text, &from) < 0)
            return "the test";
        memcpy(from.b + 8, p->src.b + 8, 8);
        if (v->service == SERVICE_DHCP6 && ip_parse("fd00:ec2::547", &to) < 0)
            return "the test";
        if (v->service == SERVICE_ROUTER && ip_parse("fd00:ec2::133", &to) < 0)
            return "the test";
    }
    if (!ip_equal(&src, &from))
        return "who asks";
    if (!ip_equal(&dst, &to))
        return "what is asked";
    if (memcmp(o->frame, rig_service_mac, 6) != 0 || memcmp(o->frame + 6, rig_router_mac, 6) != 0)
        return "MAC";
    if (o->frame[p->src.family == IP_V4 ? 22 : 21] != (v->service == SERVICE_ROUTER ? 255 : 64))
        return "hop limit";
    return packet_checksums(o->frame, o->len) ? "checksum" : o->flow ? "a flow entry" : NULL;
}

/* What is wrong with a packet that both accept; NULL: nothing. */
const char *delivery_differs(const struct oracle_packet *p, const struct oracle_verdict *v,
                             const struct rig_outcome *o, bool begins) {
    struct ip src = packet_src(o->frame), dst = packet_dst(o->frame);
    const uint8_t *mac = v->to ? v->to->mac : rig_host_mac;
    uint32_t want =
        want_flags(v->sender, FLOW_TRACKED_SRC) | want_flags(v->receiver, FLOW_TRACKED_DST);
    bool own_icmp = (p->protocol == IPPROTO_ICMP) == (p->src.family == IP_V4);

    if (!ip_equal(&src, &v->src))
        return "source address";
    if (!ip_equal(&dst, &v->dst))
        return "destination address";
    if (memcmp(o->frame, mac, 6) != 0)
        return "receiver's MAC";
    if (memcmp(o->frame + 6, is_neighbour(v) ? p->src_mac : rig_router_mac, 6) != 0)
        return "source MAC";
    if ((own_icmp || (p->protocol != IPPROTO_ICMP && p->protocol != IPPROTO_ICMPV6)) &&
        packet_checksums(o->frame, o->len))
        return "checksum";
    if (!begins)
        return NULL;
    if (!o->flow)
        return "no flow entry";
    if (o->verdict.far != rig_number(&rig, v->to))
        return "receiver in the flow entry";
    if (o->timeouts.open_ms != open_ms(p, v))
        return "idle time";
    if ((o->verdict.flags & (FLOW_TRACKED_SRC | FLOW_TRACKED_DST)) != want)
        return "tracking";
    return NULL;
}

void report(const struct world *w, const struct oracle_host *host, const struct oracle_packet *p,
            const struct oracle_verdict *v, const struct rig_outcome *o, const char *what) {
    printf("DIFFERENCE: %s\n", what);
    packet_print(p);
    printf("  uplink %d, open %d, anywhere %d\n  the oracle:\n", host->uplink, host->open,
           host->anywhere);
    verdict_print(v);
    printf("  the data plane: %s, reason %s, counted %u, flow %d flags %x far %u\n",
           o->accepted ? "accepted" : "dropped", drop_name(o->reason), o->counted, o->flow,
           o->flow ? o->verdict.flags : 0, o->flow ? o->verdict.far : 0);
    if (v->to)
        printf("  the receiver's number is %u\n", rig_number(&rig, v->to));
    if (differences == 0)
        world_print(w);
    fflush(stdout);
    if (++differences >= DIFFERENCES)
        fail_msg("%u differences", differences);
}

/* Neighbour solicitations are answered, not judged. */
bool is_question(const struct oracle_packet *p) {
    return p->protocol == IPPROTO_ICMPV6 && p->src.family == IP_V6 && p->icmp_type == 135;
}

/* Whether the packet opens a flow: not a TCP packet from the middle, no ICMP but queries. */
bool opens(const struct oracle_packet *p, unsigned tcp_flags) {
    if (p->protocol == IPPROTO_TCP)
        return tcp_flags == SYN;
    if (p->protocol == IPPROTO_ICMP && p->src.family == IP_V4)
        return p->icmp_type == 8 || p->icmp_type == 13;
    if (p->protocol == IPPROTO_ICMPV6 && p->src.family == IP_V6)
        return p->icmp_type == 128;
    return true;
}
