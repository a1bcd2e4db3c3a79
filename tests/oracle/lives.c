/* SPDX-License-Identifier: Apache-2.0 */
#include "lives.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "judge.h"
#include "quote.h"
#include "rules/test_packet.h"
#include "shrink.h"

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

void test_lives(void **state) {
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
