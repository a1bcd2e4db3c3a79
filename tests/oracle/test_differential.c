/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The oracle against the BPF programs: random worlds go through the planner into the real maps,
 * random packets through the real programs, and every verdict, drop reason, translation, receiver
 * and flag of tracking is compared with what the oracle says of the model.
 *
 * Two tests. In the first each packet is the first of its flow: flows are forgotten after each. In
 * the second a flow lives on while the world changes under it through plan_change and plan_flush,
 * and its later packets, both ways, are judged too: what is tracked survives, what is untracked is
 * asked again, and a path that ends elsewhere is another flow.
 *
 * Each runs for half of ORACLE_SECONDS (20 by default); TEST_SEED repeats a run. A difference is
 * printed with its world and packet, and with as little of that world as it takes: so is a later
 * packet's, where it comes of the flow's own packets and not of the changes between them.
 */
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
#include "packet.h"
#include "quote.h"
#include "rig.h"
#include "rules/test_packet.h"
#include "shrink.h"

#define PACKETS 400 /* a world */
#define DIFFERENCES 5

static uint64_t seed;
static struct rig rig;
static unsigned reasons[DROP_COUNT], tracked[3], differences;

static double now(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double limit(double otherwise) {
    const char *text = getenv("ORACLE_SECONDS");

    return text ? strtod(text, NULL) : otherwise;
}

/* The bytes of a packet. */
static void write_packet(const struct oracle_packet *p, unsigned tcp_flags, struct packet *k) {
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

static bool is_translated(const char *gateway) {
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
static uint16_t inner_port(const struct oracle_packet *p, const uint8_t *frame, bool reply) {
    const uint8_t *l4 = frame + 14 + (frame[14] & 15) * 4;
    unsigned at = p->protocol == IPPROTO_ICMP ? 4 : reply ? 2 : 0;

    return (uint16_t)(l4[at] << 8 | l4[at + 1]);
}

/* A question on its way to a service: the addresses inside (abi/service.h). */
static const char *question_differs(const struct oracle_packet *p, const struct oracle_verdict *v,
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
static const char *delivery_differs(const struct oracle_packet *p, const struct oracle_verdict *v,
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

static void report(const struct world *w, const struct oracle_host *host,
                   const struct oracle_packet *p, const struct oracle_verdict *v,
                   const struct rig_outcome *o, const char *what) {
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
static bool is_question(const struct oracle_packet *p) {
    return p->protocol == IPPROTO_ICMPV6 && p->src.family == IP_V6 && p->icmp_type == 135;
}

/* Whether the packet opens a flow: not a TCP packet from the middle, no ICMP but queries. */
static bool opens(const struct oracle_packet *p, unsigned tcp_flags) {
    if (p->protocol == IPPROTO_TCP)
        return tcp_flags == SYN;
    if (p->protocol == IPPROTO_ICMP && p->src.family == IP_V4)
        return p->icmp_type == 8 || p->icmp_type == 13;
    if (p->protocol == IPPROTO_ICMPV6 && p->src.family == IP_V6)
        return p->icmp_type == 128;
    return true;
}

/* A first packet of its flow, in a world. */
struct first {
    const struct oracle_host *host;
    char from[64]; /* "": the uplink */
    struct oracle_packet p;
    unsigned tcp_flags;
    struct oracle_verdict v;
    struct rig_outcome o;
};

/* What is wrong; NULL: nothing. */
static const char *judge_first(const struct world *w, struct first *f) {
    const char *what = NULL;
    struct packet k;

    oracle_judge(w->ix, f->host, &f->p, &f->v);
    write_packet(&f->p, f->tcp_flags, &k);
    rig_send(&rig, f->p.from, k.data, k.len, &f->o);
    if (f->v.accepted != f->o.accepted)
        what = f->v.accepted ? "dropped" : "accepted";
    else if (!f->v.accepted && f->o.reason != f->v.reason)
        what = "reason";
    else if (f->o.counted != !f->v.accepted)
        what = "count of drops";
    else if (f->v.service)
        what = question_differs(&f->p, &f->v, &f->o);
    else if (f->v.accepted)
        what = delivery_differs(&f->p, &f->v, &f->o, opens(&f->p, f->tcp_flags));
    if (f->o.accepted)
        rig_no_flows(&rig);
    return what;
}

static bool still_differs(struct world *w, void *data) {
    struct first *f = data;

    f->p.from = f->from[0] ? index_get(w->ix, KIND_NETWORK_INTERFACE, w->scope, f->from) : NULL;
    if (f->from[0] && !f->p.from)
        return false;
    rig_world(&rig, w, f->host);
    return judge_first(w, f);
}

static void one_packet(struct world *w, const struct oracle_host *host) {
    static const unsigned flags[] = {SYN, SYN, SYN, SYN, SYN, SYN, ACK, SYN | ACK, RST, FIN | ACK};
    struct first f = {.host = host, .tcp_flags = flags[world_random(w, ARRAY_SIZE(flags))]};
    const char *what;

    packet_random(w, host, &f.p);
    if (is_question(&f.p))
        return;
    f.p.midway = f.p.protocol == IPPROTO_TCP && f.tcp_flags != SYN;
    what = judge_first(w, &f);
    reasons[f.v.reason]++;
    tracked[f.v.receiver]++;
    if (!what)
        return;
    snprintf(f.from, sizeof(f.from), "%s", f.p.from ? f.p.from->o.id : "");
    printf("a difference (%s); what it does not need is taken out of its world\n", what);
    if (still_differs(w, &f))
        printf("%u things went\n", shrink_world(w, still_differs, &f));
    else
        printf("it does not come again in the same world published anew\n");
    still_differs(w, &f);
    report(w, host, &f.p, &f.v, &f.o, what);
}

static void test_first_packets(void **state) {
    double end = now() + limit(20) / 2;
    unsigned worlds = 0, packets = 0;

    while (now() < end) {
        struct oracle_host host;
        struct world w;

        world_make(&w, seed + worlds++);
        packet_host(&w, &host);
        rig_world(&rig, &w, &host);
        for (int n = 0; n < PACKETS; n++) {
            /* Changes come in as they do in life: through plan_change and plan_flush. */
            if (n % 40 == 39) {
                world_mutate(&w);
                rig_change(&rig, &w);
            }
            one_packet(&w, &host);
            packets++;
        }
        world_free(&w);
    }
    printf("%u worlds, %u packets\n", worlds, packets);
    for (int i = 0; i < DROP_COUNT; i++)
        if (reasons[i])
            printf("  %-24s %u\n", drop_name((unsigned)i), reasons[i]);
    printf("  received tracked %u, untracked %u\n", tracked[ORACLE_TRACKED],
           tracked[ORACLE_UNTRACKED]);
    assert_int_equal(differences, 0);
}

/* --- Flows that live on ------------------------------------------------------------------- */

/* A known flow; interfaces by name, since objects are replaced when they change. */
struct life {
    struct oracle_flow flow;
    char from[64], to[64]; /* "": the uplink */
};

static const struct network_interface *by_name(const struct world *w, const char *id) {
    return id[0] ? index_get(w->ix, KIND_NETWORK_INTERFACE, w->scope, id) : NULL;
}

static void begin_life(struct life *l, const struct oracle_packet *p,
                       const struct oracle_verdict *v) {
    *l = (struct life){.flow = {.first = *p,
                                .to = v->to,
                                .src = v->src,
                                .dst = v->dst,
                                .sender = v->sender,
                                .receiver = v->receiver}};
    snprintf(l->flow.gateway, sizeof(l->flow.gateway), "%s", v->gateway);
    snprintf(l->from, sizeof(l->from), "%s", p->from ? p->from->o.id : "");
    snprintf(l->to, sizeof(l->to), "%s", v->to ? v->to->o.id : "");
}

/* The next packet of the flow, one way or the other; false: there is nobody to send it. */
static bool next_packet(const struct world *w, struct life *l, bool reply,
                        struct oracle_packet *ret) {
    const struct oracle_packet *first = &l->flow.first;

    l->flow.first.from = by_name(w, l->from);
    l->flow.to = by_name(w, l->to);
    *ret = *first;
    if (reply) {
        ret->from = l->flow.to;
        ret->src = l->flow.dst;
        ret->dst = l->flow.src;
        ret->sport = first->dport;
        ret->dport = l->flow.nat_port ? l->flow.nat_port : first->sport;
        if (l->flow.nat_port && first->protocol == IPPROTO_ICMP) /* the identifier (write_packet) */
            ret->sport = l->flow.nat_port;
        if (first->protocol == IPPROTO_ICMP && first->src.family == IP_V4)
            ret->icmp_type = first->icmp_type == 8 ? 0 : 14;
        if (first->protocol == IPPROTO_ICMPV6 && first->src.family == IP_V6)
            ret->icmp_type = 129;
    }
    if (!ret->from && (reply ? l->to : l->from)[0])
        return false;
    if (ret->from)
        memcpy(ret->src_mac, ret->from->mac, sizeof(ret->src_mac));
    return true;
}

static unsigned later_translated, later_inward, later_turned, later_seen, later_dropped, later_anew,
    later_untracked;

static unsigned errors_seen, errors_passed, errors_alone;

/* An ICMP error about one of the flow's packets, or nearly so. */
static void one_error(struct world *w, const struct oracle_host *host, struct life *l) {
    bool reply = world_chance(w, 50);
    struct oracle_packet error, quoted, back;
    struct packet k, inside;
    struct oracle_verdict v;
    struct rig_outcome o;
    const char *what = NULL;
    size_t n;

    if (!next_packet(w, l, true, &back) || !next_packet(w, l, false, &quoted))
        return;
    quote_random(w, &l->flow, &back, reply, &error, &quoted);
    write_packet(&quoted, ACK, &inside);
    n = quote_write(w, &error, &inside, &k);
    oracle_judge_error(w->ix, host, &l->flow, &error, &quoted, reply, &v);
    rig_send(&rig, error.from, k.data, k.len, &o);
    if (v.accepted != o.accepted)
        what = v.accepted ? "an ICMP error was dropped" : "an ICMP error was accepted";
    else if (!v.accepted && o.reason != v.reason)
        what = "reason of an ICMP error";
    else if (v.accepted)
        what = delivery_differs(&error, &v, &o, false);
    if (!what && v.accepted && !v.anew)
        what = quote_differs(&l->flow, &back, reply, o.frame, n);
    if (what) {
        printf("  the flow: tracking %d %d, the error goes %s, quotes:\n", l->flow.sender,
               l->flow.receiver, reply ? "back" : "the same way");
        packet_print(&l->flow.first);
        packet_print(&quoted);
        report(w, host, &error, &v, &o, what);
    }
    errors_seen++;
    errors_passed += v.accepted && !v.anew;
    errors_alone += v.anew;
}

/* A story of three packets in a world that does not change: the flow opens, is perhaps answered,
 * and then comes the packet that made the difference. */
struct story {
    const struct oracle_host *host;
    struct life life;
    bool reply, turned;
    struct oracle_packet p;
    struct oracle_verdict v;
    struct rig_outcome o;
};

static bool story_sends(struct story *s, const struct oracle_packet *p, unsigned flags) {
    struct packet k;

    write_packet(p, flags, &k);
    rig_send(&rig, p->from, k.data, k.len, &s->o);
    return s->o.accepted;
}

/* Whether it happens in this world, published anew, too. */
static bool story_differs(struct world *w, void *data) {
    struct story *s = data;
    struct life *l = &s->life;
    struct oracle_packet answer;
    struct oracle_verdict v;
    bool replied = l->flow.replied, differs;

    if (!next_packet(w, l, false, &l->flow.first))
        return false;
    rig_world(&rig, w, s->host);
    oracle_judge(w->ix, s->host, &l->flow.first, &v);
    if (!v.accepted || !story_sends(s, &l->flow.first, SYN))
        return false;
    begin_life(l, &l->flow.first, &v);
    if (is_translated(v.gateway))
        l->flow.nat_port = inner_port(&l->flow.first, s->o.frame, false);
    if (replied && next_packet(w, l, true, &answer))
        l->flow.replied = story_sends(s, &answer, SYN | ACK);
    if (!next_packet(w, l, s->reply, &s->p))
        return false;
    s->p.midway = s->p.protocol == IPPROTO_TCP && !s->turned;
    if (s->turned)
        oracle_judge(w->ix, s->host, &s->p, &s->v);
    else
        oracle_judge_later(w->ix, s->host, &l->flow, &s->p, s->reply, &s->v);
    story_sends(s, &s->p, s->turned ? SYN : s->reply ? SYN | ACK : ACK);
    differs = s->v.accepted != s->o.accepted || (!s->v.accepted && s->o.reason != s->v.reason) ||
              (s->v.accepted && delivery_differs(&s->p, &s->v, &s->o, s->turned));
    l->flow.replied |= replied;
    return differs;
}

/* The same with as little of the world as it takes; else it takes the changes on the way. */
static void tell_story(struct world *w, const struct oracle_host *host, const struct life *l,
                       bool reply, bool turned) {
    struct story s = {.host = host, .life = *l, .reply = reply, .turned = turned};

    if (!story_differs(w, &s)) {
        printf("  it needs the changes before it: opened in this world it does not differ\n");
        return;
    }
    printf("  opened in this world it differs as well; %u things of it went\n",
           shrink_world(w, story_differs, &s));
    story_differs(w, &s);
    printf("  the flow begins with:\n");
    packet_print(&s.life.flow.first);
    printf("  %sthen %s:\n", s.life.flow.replied ? "is answered, " : "",
           turned  ? "a call back"
           : reply ? "a reply"
                   : "another packet");
    if (--differences)
        world_print(w);
    report(w, host, &s.p, &s.v, &s.o, "the smallest such case");
}

/* One packet more; false: this flow's story is over. */
static bool go_on(struct world *w, const struct oracle_host *host, struct life *l) {
    bool reply = world_chance(w, 50);
    struct oracle_packet p;
    struct oracle_verdict v;
    struct rig_outcome o;
    const char *what = NULL;
    struct packet k;
    bool turned;

    if (!next_packet(w, l, reply, &p))
        return false;
    /* Who was called does not answer but calls back: another flow. */
    turned = reply && p.protocol == IPPROTO_TCP && world_chance(w, 25);
    p.midway = p.protocol == IPPROTO_TCP && !turned;
    if (turned)
        oracle_judge(w->ix, host, &p, &v);
    else
        oracle_judge_later(w->ix, host, &l->flow, &p, reply, &v);
    write_packet(&p, turned ? SYN : reply ? SYN | ACK : ACK, &k);
    rig_send(&rig, p.from, k.data, k.len, &o);
    if (v.accepted != o.accepted)
        what = v.accepted ? "a later packet was dropped" : "a later packet was accepted";
    else if (!v.accepted && o.reason != v.reason)
        what = "reason of a later packet";
    else if (v.accepted)
        what = delivery_differs(&p, &v, &o, turned);
    if (!what && v.accepted && is_translated(v.gateway) && !v.anew &&
        inner_port(&p, o.frame, reply) != (reply ? l->flow.first.sport : l->flow.nat_port))
        what = "port behind a NAT gateway";
    if (what) {
        printf("  the flow: tracking %d %d, this is %s\n", l->flow.sender, l->flow.receiver,
               turned  ? "a call back"
               : reply ? "a reply"
                       : "the same way");
        packet_print(&l->flow.first);
        report(w, host, &p, &v, &o, what);
        tell_story(w, host, l, reply, turned);
    }
    later_seen++;
    later_dropped += !v.accepted;
    later_anew += v.anew;
    later_untracked += l->flow.sender == ORACLE_UNTRACKED || l->flow.receiver == ORACLE_UNTRACKED;
    later_turned += turned;
    if (v.anew || what || (turned && v.accepted))
        return false;
    if (v.accepted) {
        l->flow.replied |= reply;
        l->flow.sender = reply ? v.receiver : v.sender;
        l->flow.receiver = reply ? v.sender : v.receiver;
    }
    return true;
}

/* From an interface to itself with equal ports: both halves of the flow would be the same entry. No
 * guest's stack sends such a packet; the data plane keeps no flow of it. */
static bool is_own_reply(const struct oracle_packet *p, const struct oracle_verdict *v) {
    bool query = p->protocol == (p->src.family == IP_V4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);

    return p->from == v->to && ip_equal(&p->src, &v->dst) && ip_equal(&p->dst, &v->src) &&
           p->sport == p->dport && !query;
}

static void one_life(struct world *w, const struct oracle_host *host) {
    struct oracle_packet p;
    struct oracle_verdict v;
    struct rig_outcome o;
    struct packet k;
    struct life l;

    for (;;) {
        packet_random(w, host, &p);
        oracle_judge(w->ix, host, &p, &v);
        if (v.service) /* no flow */
            continue;
        if (!v.accepted ? world_chance(w, 1) : v.gateway[0] && world_chance(w, 80))
            break;
        /* Half of the others by the internet gateway, where two VPCs meet. */
        if (v.accepted && world_chance(w, 30) &&
            (!ip_equal(&v.src, &p.src) || !ip_equal(&v.dst, &p.dst) || world_chance(w, 50)))
            break;
    }
    write_packet(&p, SYN, &k);
    if (!v.accepted || is_question(&p) || !opens(&p, SYN) || is_own_reply(&p, &v))
        return;
    rig_send(&rig, p.from, k.data, k.len, &o);
    if (!o.accepted) {
        report(w, host, &p, &v, &o, "dropped");
        return;
    }
    begin_life(&l, &p, &v);
    if (is_translated(v.gateway)) {
        l.flow.nat_port = inner_port(&p, o.frame, false);
        assert_true(l.flow.nat_port >= 1024);
        later_translated++;
    }
    later_inward += v.gateway[0] == 'e';
    for (int i = 0; i < 6; i++) {
        if (world_chance(w, 60)) {
            if (world_chance(w, 25))
                world_mutate_acl(w);
            else if (world_chance(w, 50))
                world_mutate_eni(w, world_chance(w, 50) ? l.from : l.to);
            else
                world_mutate(w);
            rig_change(&rig, w);
        }
        if (world_chance(w, 40))
            one_error(w, host, &l);
        if (!go_on(w, host, &l))
            break;
    }
    rig_no_flows(&rig);
}

static void test_lives(void **state) {
    double end = now() + limit(20) / 2;
    unsigned worlds = 0, lives = 0;

    while (now() < end) {
        struct oracle_host host;
        struct world w;

        world_make(&w, ~seed - worlds++);
        packet_host(&w, &host);
        rig_world(&rig, &w, &host);
        for (int n = 0; n < 40; n++, lives++)
            one_life(&w, &host);
        world_free(&w);
    }
    printf(
        "%u worlds, %u flows: %u later packets, %u of them dropped, %u of another flow, %u of "
        "untracked flows, %u calls back; %u flows through NAT, %u through egress-only gateways\n",
        worlds, lives, later_seen, later_dropped, later_anew, later_untracked, later_turned,
        later_translated, later_inward);
    printf("%u ICMP errors: %u passed with their flow, %u were of none\n", errors_seen,
           errors_passed, errors_alone);
    assert_int_equal(differences, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_first_packets),
                                       cmocka_unit_test(test_lives)};
    int r;

    rig_open(&rig);
    seed = world_seed("differential");
    r = cmocka_run_group_tests(tests, NULL, NULL);
    rig_close(&rig);
    return r;
}
