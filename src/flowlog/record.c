/* SPDX-License-Identifier: Apache-2.0 */
#include "flowlog/record.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define ICMP 1
#define ICMPV6 58

void flowlog_eni_free(struct flowlog_eni *eni) {
    free(eni->addresses6);
    free(eni->prefixes6);
    free(eni->nat_private);
    free(eni->nat_public);
}

/* A tuple as some place sees it. */
struct tuple {
    struct abi_addr src, dst;
    __be16 sport, dport;
};

static struct tuple as_entered(const struct log_record *raw) {
    return (struct tuple){raw->key.src, raw->key.dst, raw->key.sport, raw->key.dport};
}

static struct tuple as_delivered(const struct log_record *raw) {
    return (struct tuple){raw->src, raw->dst, raw->sport, raw->dport};
}

static struct flowlog_record make(const struct log_record *raw, const struct tuple *t, bool egress,
                                  uint8_t action, bool delivered) {
    bool ports = raw->key.proto != ICMP && raw->key.proto != ICMPV6;
    struct flowlog_record r = {
        .key = {.family = raw->key.family,
                .protocol = raw->key.proto,
                .action = action,
                .egress = egress,
                .sport = ports ? be16toh(t->sport) : 0,
                .dport = ports ? be16toh(t->dport) : 0,
                .src = t->src,
                .dst = t->dst},
        .tcp_flags = (uint8_t)raw->tcp_flags,
        .packets = delivered ? raw->far_packets : raw->packets,
        .bytes = delivered ? raw->far_bytes : raw->bytes,
        .first_ns = raw->first_ns,
        .last_ns = raw->last_ns,
    };

    return r;
}

static uint8_t peering(const struct flowlog_eni *from, const struct flowlog_eni *far) {
    return from && far && strcmp(from->region, far->region) != 0 ? FLOWLOG_PATH_PEERING_REGION
                                                                 : FLOWLOG_PATH_PEERING;
}

/* Where packets go that leave `from`, a sender or a gateway, by the flow's own path. */
static uint8_t path_of(const struct log_record *raw, const struct flowlog_who *who,
                       const struct flowlog_eni *from) {
    if (raw->flags & (FLOW_INTERNET | FLOW_EGRESS_ONLY))
        return FLOWLOG_PATH_INTERNET;
    if (raw->far_vpc && raw->far_vpc != raw->vpc)
        return peering(from, raw->far ? who->eni(who->arg, raw->far) : NULL);
    return raw->far ? FLOWLOG_PATH_SAME_VPC : FLOWLOG_PATH_NONE;
}

/* The gateway's private address where the packet has the public one. */
static struct abi_addr gateway_private(const struct flowlog_eni *g, const struct abi_addr *addr) {
    struct abi_addr a = *addr;

    for (unsigned i = 0; i < g->n_nat; i++) {
        if (g->nat_public[i].family == IP_V4 && memcmp(g->nat_public[i].b, addr->b, 16) == 0) {
            memcpy(a.b, g->nat_private[i].b, 16);
            break;
        }
    }
    return a;
}

static bool gateway_has(const struct flowlog_eni *g, const struct abi_addr *addr) {
    for (unsigned i = 0; i < g->n_nat; i++)
        if (memcmp(g->nat_private[i].b, addr->b, 16) == 0 ||
            (g->nat_public[i].family && memcmp(g->nat_public[i].b, addr->b, 16) == 0))
            return true;
    return false;
}

/* Points 2 and 3, of a flow's packets. */
static unsigned at_gateway(const struct log_record *raw, const struct flowlog_who *who,
                           const struct flowlog_eni *g, uint32_t number, struct flowlog_at *ret) {
    bool forward = raw->flags & FLOW_FORWARD;
    struct tuple entered = as_entered(raw), left = as_delivered(raw);
    struct tuple in = {
        .src = forward ? entered.src : left.src,
        .dst = forward ? entered.dst : gateway_private(g, &entered.dst),
        .sport = forward ? entered.sport : left.sport,
        .dport = entered.dport,
    };
    struct tuple out = {
        .src = forward ? gateway_private(g, &left.src) : left.src,
        .dst = forward ? entered.dst : left.dst,
        .sport = left.sport,
        .dport = forward ? entered.dport : left.dport,
    };

    ret[0] = (struct flowlog_at){number, make(raw, &in, false, raw->gateway_action, false)};
    ret[1] = (struct flowlog_at){number, make(raw, &out, true, raw->gateway_out_action, true)};
    ret[1].record.path = forward ? path_of(raw, who, g) : FLOWLOG_PATH_SAME_VPC;
    return 2;
}

/*
 * A single packet on one side of a gateway; the tuple is that of its entrance to the network. Where
 * it did not get as far as to be translated nobody knows by which address, so the gateway's primary
 * one stands for it.
 */
static unsigned single_at_gateway(const struct log_record *raw, const struct flowlog_who *who,
                                  const struct flowlog_eni *g, uint32_t number,
                                  struct flowlog_at *ret) {
    bool egress = raw->gateway_out_action, answer;
    const struct flowlog_eni *far;
    struct tuple t = as_entered(raw);

    answer = gateway_has(g, &t.dst);
    if (answer)
        t.dst = gateway_private(g, &t.dst);
    if (egress && !answer)
        memcpy(t.src.b, g->primary.b, 16);
    if (egress && answer && raw->far && (far = who->eni(who->arg, raw->far)))
        memcpy(t.dst.b, far->primary.b, 16);
    ret[0] = (struct flowlog_at){
        number,
        make(raw, &t, egress, egress ? raw->gateway_out_action : raw->gateway_action, false)};
    ret[0].record.path = answer ? FLOWLOG_PATH_SAME_VPC : path_of(raw, who, g);
    return 1;
}

unsigned flowlog_records_of(const struct log_record *raw, const struct flowlog_who *who,
                            struct flowlog_at ret[FLOWLOG_AT_MAX]) {
    struct tuple entered = as_entered(raw), delivered = as_delivered(raw);
    const struct flowlog_eni *e;
    unsigned n = 0;
    uint32_t number;

    if (raw->kind != LOG_FLOW && raw->kind != LOG_PACKETS)
        return 0;
    if (raw->near && raw->near_action && (e = who->eni(who->arg, raw->near))) {
        ret[n] = (struct flowlog_at){raw->near, make(raw, &entered, true, raw->near_action, false)};
        ret[n++].record.path = (raw->flags & (FLOW_NAT | FLOW_FORWARD)) == (FLOW_NAT | FLOW_FORWARD)
                                   ? FLOWLOG_PATH_SAME_VPC /* the gateway */
                                   : path_of(raw, who, e);
    }
    if ((raw->gateway_action || raw->gateway_out_action) &&
        (e = who->gateway(who->arg, LOG_GATEWAY_KEY_OF(raw->flags >> FLOW_GATEWAY_SHIFT), raw->vpc,
                          raw->far_vpc, &number)))
        n += raw->kind == LOG_FLOW ? at_gateway(raw, who, e, number, ret + n)
                                   : single_at_gateway(raw, who, e, number, ret + n);
    if (raw->far && raw->far_action && who->eni(who->arg, raw->far)) {
        /* Of single packets there is one count, as this place saw them. */
        ret[n++] = (struct flowlog_at){
            raw->far, make(raw, &delivered, false, raw->far_action, raw->kind == LOG_FLOW)};
    }
    return n;
}

struct ip flowlog_own_address(const struct flowlog_eni *eni, const struct ip *packet) {
    if (packet->family == IP_V4)
        return eni->primary.family ? eni->primary : *packet;
    for (unsigned i = 0; i < eni->n_addresses6; i++)
        if (ip_equal(&eni->addresses6[i], packet))
            return *packet;
    for (unsigned i = 0; i < eni->n_prefixes6; i++)
        if (cidr_contains_ip(&eni->prefixes6[i], packet))
            return *packet;
    return eni->n_addresses6 ? eni->addresses6[0] : *packet;
}
