/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/trace.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/frame.h"
#include "agent/trace_names.h"
#include "model/instance.h"

#define LEGS_MAX 8           /* middleboxes that a trace follows */
#define EPHEMERAL_PORT 49152 /* a client's, when none is named (RFC 6335) */

enum { ICMP = 1, TCP = 6, UDP = 17, ICMPV6 = 58 };

/* ---- the question ---- */

static bool number_of(const json_t *request, const char *key, int64_t max, int64_t *ret) {
    const json_t *v = json_object_get(request, key);

    if (!v)
        return true;
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > max)
        return false;
    *ret = json_integer_value(v);
    return true;
}

static bool is_echo(const struct oracle_packet *p) {
    return (p->protocol == ICMP && p->icmp_type == 8) ||
           (p->protocol == ICMPV6 && p->icmp_type == 128);
}

/* Protocol, ports and length; false: a value that no packet has. */
static bool read_packet(const json_t *request, struct oracle_packet *p) {
    int64_t protocol = TCP, sport = EPHEMERAL_PORT, dport = 0, type = -1, code = 0, length = 0;

    if (!number_of(request, "protocol", 255, &protocol) ||
        !number_of(request, "sport", 65535, &sport) ||
        !number_of(request, "dport", 65535, &dport) ||
        !number_of(request, "icmp_type", 255, &type) ||
        !number_of(request, "icmp_code", 255, &code) ||
        !number_of(request, "length", 65535, &length))
        return false;
    /* Whoever says ICMP means the family's own. */
    if (protocol == ICMP && p->src.family == IP_V6)
        protocol = ICMPV6;
    else if (protocol == ICMPV6 && p->src.family == IP_V4)
        protocol = ICMP;
    p->protocol = (uint8_t)protocol;
    p->length = (uint32_t)length;
    if (protocol == TCP || protocol == UDP) {
        p->sport = (uint16_t)sport;
        p->dport = (uint16_t)dport;
    } else if (protocol == ICMP || protocol == ICMPV6) {
        p->icmp_type = (uint8_t)(type >= 0 ? type : protocol == ICMP ? 8 : 128);
        p->icmp_code = (uint8_t)code;
    }
    return true;
}

/* ---- the answer ---- */

static json_t *packet_json(const struct oracle_packet *p) {
    char src[IP_TEXT], dst[IP_TEXT];
    json_t *o = json_pack("{s:s,s:s,s:i}", "source", ip_format(&p->src, src), "destination",
                          ip_format(&p->dst, dst), "protocol", p->protocol);

    if (p->protocol == TCP || p->protocol == UDP) {
        json_object_set_new(o, "sport", json_integer(p->sport));
        json_object_set_new(o, "dport", json_integer(p->dport));
    } else if (p->protocol == ICMP || p->protocol == ICMPV6) {
        json_object_set_new(o, "icmp_type", json_integer(p->icmp_type));
        json_object_set_new(o, "icmp_code", json_integer(p->icmp_code));
    }
    return o;
}

static json_t *interface_json(const struct index *ix, const struct network_interface *eni) {
    if (!eni)
        return json_pack("{s:s}", "interface", "outside");
    return json_pack("{s:s,s:s,s:s,s:s,s:s}", "interface", eni->o.id, "instance",
                     eni->instance_id ? eni->instance_id : "", "name", trace_name(ix, eni),
                     "subnet", eni->subnet_id, "vpc", eni->vpc_id);
}

static const char *tracking_text(enum oracle_tracking t) {
    return t == ORACLE_TRACKED ? "tracked" : t == ORACLE_UNTRACKED ? "untracked" : "";
}

static json_t *verdict_json(const struct index *ix, const struct oracle_packet *p,
                            const struct oracle_verdict *v) {
    json_t *hops = json_array();
    char src[IP_TEXT], dst[IP_TEXT];
    json_t *o;

    for (unsigned i = 0; i < v->n_hops; i++)
        json_array_append_new(hops, json_pack("{s:i,s:s,s:b,s:s}", "step", v->hops[i].step,
                                              "question", v->hops[i].question, "passed",
                                              (int)v->hops[i].passed, "by", v->hops[i].by));
    o = json_pack("{s:o,s:o,s:o,s:b,s:s,s:s}", "packet", packet_json(p), "from",
                  interface_json(ix, p->from), "hops", hops, "accepted", (int)v->accepted, "reason",
                  drop_name(v->reason), "means", drop_sentence(v->reason));
    if (v->service)
        json_object_set_new(o, "service", json_string(oracle_service_name(v->service)));
    else if (v->accepted)
        json_object_set_new(o, "arrives",
                            json_pack("{s:o,s:s,s:s,s:s,s:s}", "at", interface_json(ix, v->to),
                                      "source", ip_format(&v->src, src), "destination",
                                      ip_format(&v->dst, dst), "sender_tracks",
                                      tracking_text(v->sender), "receiver_tracks",
                                      tracking_text(v->receiver)));
    return o;
}

/* The last step, which the oracle cannot know: whether the receiver's instance runs here. */
static void check_link(const struct tracer *t, struct oracle_verdict *v) {
    struct oracle_hop *h = &v->hops[v->n_hops];

    if (!v->accepted || !v->to || plug_find(t->plugs, v->to->o.id))
        return;
    v->accepted = false;
    v->reason = DROP_NO_LINK;
    if (v->n_hops == ORACLE_HOPS)
        return;
    *h = (struct oracle_hop){.step = 11, .question = "the receiver's instance runs"};
    snprintf(h->by, sizeof(h->by), "%s", v->to->instance_id ? v->to->instance_id : "");
    v->n_hops++;
}

/* The answer's way back; NULL where a protocol has no answers that anybody knows. */
static json_t *reply_json(const struct tracer *t, const struct oracle_host *host,
                          const struct oracle_packet *first, const struct oracle_verdict *v) {
    struct oracle_flow flow = {.first = *first,
                               .to = v->to,
                               .src = v->src,
                               .dst = v->dst,
                               .sender = v->sender,
                               .receiver = v->receiver};
    struct oracle_packet reply = {.from = v->to,
                                  .src = v->dst,
                                  .dst = v->src,
                                  .protocol = first->protocol,
                                  .sport = first->dport,
                                  .dport = first->sport,
                                  .icmp_code = first->icmp_code,
                                  .midway = first->protocol == TCP};
    struct oracle_verdict back;

    if ((first->protocol == ICMP || first->protocol == ICMPV6) && !is_echo(first))
        return NULL;
    snprintf(flow.gateway, sizeof(flow.gateway), "%s", v->gateway);
    if (is_echo(first))
        reply.icmp_type = first->protocol == ICMP ? 0 : 129;
    if (v->to)
        memcpy(reply.src_mac, v->to->mac, 6);
    oracle_judge_later(t->ix, host, &flow, &reply, true, &back);
    check_link(t, &back);
    return verdict_json(t->ix, &reply, &back);
}

/* ---- the loaded programs ---- */

/* Where they decide as the oracle: same end, same reason, same receiver and addresses. */
static bool agrees(const struct tracer *t, const struct oracle_verdict *v,
                   const struct dataplane_outcome *live) {
    uint32_t far = 0;
    struct ip src = v->src, dst = v->dst;

    if (v->accepted != live->accepted)
        return false;
    if (!v->accepted)
        return v->reason == live->reason;
    if (v->service || live->service)
        return v->service == live->service;
    if (v->to && dataplane_number(t->dp, NUMBER_ENI, v->to->o.id, &far) < 0)
        return false;
    return live->verdict.far == far &&
           (!(live->verdict.flags & FLOW_SNAT) ||
            memcmp(&live->verdict.new_src, src.b, sizeof(src.b)) == 0) &&
           (!(live->verdict.flags & FLOW_DNAT) ||
            memcmp(&live->verdict.new_dst, dst.b, sizeof(dst.b)) == 0);
}

static json_t *live_json(const struct tracer *t, const struct oracle_packet *p,
                         const struct oracle_verdict *v) {
    const struct plug *plug = p->from ? plug_find(t->plugs, p->from->o.id) : NULL;
    struct dataplane_outcome live;
    struct config_value config;
    uint8_t frame[FRAME_MAX];
    uint32_t zero = 0;
    size_t len;
    int r;

    if (p->from && !plug)
        return json_pack("{s:s}", "error", "the interface is not plugged in on this host");
    r = dataplane_get(t->dp, DATAPLANE_CONFIG, &zero, &config);
    if (r < 0)
        return json_pack("{s:s}", "error", strerror(-r));
    len = frame_build(p, config.router_mac, frame);
    if (!len)
        return json_pack("{s:s}", "error", "such a packet is not built here (at most 2,000 bytes)");
    r = dataplane_try(t->dp, (uint32_t)(plug ? plug->ifindex : t->uplink->data_ifindex), frame, len,
                      &live);
    if (r < 0)
        return json_pack("{s:s}", "error", strerror(-r));
    return json_pack("{s:b,s:s,s:b}", "accepted", (int)live.accepted, "reason",
                     drop_name(live.reason), "agrees", (int)agrees(t, v, &live));
}

/* One leg, and by `legs` middleboxes on. */
static json_t *leg_json(const struct tracer *t, const struct oracle_host *host,
                        const struct oracle_packet *p, bool live, int legs) {
    struct oracle_packet next = *p;
    struct oracle_verdict v;
    json_t *answer, *reply;

    oracle_judge(t->ix, host, p, &v);
    check_link(t, &v);
    answer = verdict_json(t->ix, p, &v);
    if (v.accepted && !v.service) {
        reply = reply_json(t, host, p, &v);
        if (reply)
            json_object_set_new(answer, "reply", reply);
    }
    if (live)
        json_object_set_new(answer, "live", live_json(t, p, &v));
    /* A middlebox: who gets it does not have the address to which it goes. */
    if (!v.accepted || !v.to || v.service || eni_find(v.to, &v.dst) || eni_prefix_of(v.to, &v.dst))
        return answer;
    json_object_set_new(answer, "forwards", json_true());
    if (!legs)
        return answer;
    next.from = v.to;
    next.src = v.src;
    next.dst = v.dst;
    memcpy(next.src_mac, v.to->mac, 6);
    json_object_set_new(answer, "next", leg_json(t, host, &next, live, legs - 1));
    return answer;
}

json_t *trace(const struct tracer *t, const json_t *request) {
    struct oracle_packet p = {0};
    struct oracle_host host;
    char why[TRACE_WHY] = "";

    outside_oracle(t->outside, t->uplink, &host);
    if (trace_endpoints(t, &host, request, &p, why) < 0)
        return json_pack("{s:s}", "error", why);
    if (!read_packet(request, &p))
        return json_pack("{s:s}", "error", "a number of the packet is out of range");
    return leg_json(t, &host, &p, json_is_true(json_object_get(request, "live")),
                    json_is_true(json_object_get(request, "follow")) ? LEGS_MAX : 0);
}

/* ---- what a dropped packet met ---- */

void trace_drop(const struct tracer *t, const struct drop_event *event, char ret_by[128]) {
    const struct flow_key *key = &event->key;
    struct oracle_packet p = {.from = trace_interface(t, key->eni),
                              .protocol = key->proto,
                              .src.family = key->family,
                              .dst.family = key->family};
    struct oracle_verdict v;
    struct oracle_host host;

    ret_by[0] = 0;
    if (key->eni && !p.from)
        return;
    memcpy(p.src.b, &key->src, sizeof(p.src.b));
    memcpy(p.dst.b, &key->dst, sizeof(p.dst.b));
    if (p.protocol == ICMP || p.protocol == ICMPV6) {
        p.icmp_type = (uint8_t)(be16toh(event->rule) >> 8);
        p.icmp_code = (uint8_t)be16toh(event->rule);
    } else {
        p.sport = be16toh(key->sport);
        p.dport = be16toh(key->dport);
    }
    if (p.from)
        memcpy(p.src_mac, p.from->mac, 6);
    outside_oracle(t->outside, t->uplink, &host);
    oracle_judge(t->ix, &host, &p, &v);
    /* Judged now, not then: only where the reason is still the same does it explain anything. */
    if (!v.accepted && v.reason == event->reason && v.n_hops)
        snprintf(ret_by, 128, "%s", v.hops[v.n_hops - 1].by);
}
