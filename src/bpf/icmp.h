/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Stage 1 for ICMP of both families: queries and their replies are flows; errors may belong to the
 * flow that they quote (error.h); what is for the link only never goes further.
 */
#ifndef VPCD_BPF_ICMP_H
#define VPCD_BPF_ICMP_H

#include <linux/ip.h>
#include <linux/ipv6.h>

#include "bpf/packet.h"

#define ICMP_ECHO_REPLY 0
#define ICMP_UNREACHABLE 3
#define ICMP_ECHO 8
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETER_PROBLEM 12
#define ICMP_TIMESTAMP 13
#define ICMP_TIMESTAMP_REPLY 14
#define ICMP6_UNREACHABLE 1
#define ICMP6_TOO_BIG 2
#define ICMP6_PARAMETER_PROBLEM 4
#define ICMP6_ECHO 128
#define ICMP6_ECHO_REPLY 129
#define ICMP6_ROUTER_SOLICITATION 133
#define ICMP6_ROUTER_ADVERTISEMENT 134
#define ICMP6_NEIGHBOR_SOLICITATION 135
#define ICMP6_NEIGHBOR_ADVERTISEMENT 136
#define ICMP6_REDIRECT 137

struct icmp_start {
    u8 type, code;
    __be16 sum;
    __be16 id, seq;
};

/* The request that this type asks or answers; 0: it is no query. */
static __always_inline u8 icmp_request(u8 family, u8 type) {
    if (family == FAMILY_V6)
        return type == ICMP6_ECHO || type == ICMP6_ECHO_REPLY ? ICMP6_ECHO : 0;
    if (type == ICMP_TIMESTAMP || type == ICMP_TIMESTAMP_REPLY)
        return ICMP_TIMESTAMP;
    return type == ICMP_ECHO || type == ICMP_ECHO_REPLY ? ICMP_ECHO : 0;
}

/* Which query a message belongs to: the key's ports. 0: to none. */
static __always_inline int icmp_key(struct flow_key *key, const struct icmp_start *icmp) {
    u8 request = icmp_request(key->family, icmp->type);
    __be16 number = bpf_htons((u16)(request << 8 | icmp->code));

    if (!request)
        return 0;
    key->is_reply = icmp->type != request;
    key->sport = key->is_reply ? number : icmp->id;
    key->dport = key->is_reply ? icmp->id : number;
    return 1;
}

/* Errors quote the packet that they are about. Redirects and source quench are none: nobody should
 * heed them. */
static __always_inline int icmp_is_error(u8 family, u8 type) {
    if (family == FAMILY_V6)
        return type >= ICMP6_UNREACHABLE && type <= ICMP6_PARAMETER_PROBLEM;
    return type == ICMP_UNREACHABLE || type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETER_PROBLEM;
}

/* What of ICMPv6 ends at the link: 0, or the reason. */
static __always_inline int icmp6_link(struct pkt *p, u8 type) {
    switch (type) {
    case 130: /* listener query, report, done, report of version 2 */
    case 131:
    case 132:
    case 143:
        return DROP_MLD;
    case ICMP6_ROUTER_SOLICITATION:
        return DROP_ROUTER_SOLICITATION;
    case ICMP6_ROUTER_ADVERTISEMENT:
    case ICMP6_REDIRECT:
        return DROP_SPOOFED_ARP;
    case ICMP6_NEIGHBOR_ADVERTISEMENT: /* nobody here learns from them */
        return DROP_ARP_UNKNOWN;
    case ICMP6_NEIGHBOR_SOLICITATION:
        p->kind = PKT_NS;
        return 0;
    default:
        return 0;
    }
}

static __always_inline int parse_icmp(struct pkt *p, const struct icmp_start *icmp) {
    p->icmp_type = icmp->type;
    p->rule_port = bpf_htons((u16)(icmp->type << 8 | icmp->code));
    if (p->key.family == FAMILY_V6) {
        int reason = icmp6_link(p, icmp->type);
        if (reason || p->kind == PKT_NS)
            return reason;
    }
    if (!icmp_key(&p->key, icmp))
        p->kind = PKT_ONCE;
    else if (p->key.is_reply)
        p->kind = PKT_REPLY;
    p->quotes = icmp_is_error(p->key.family, icmp->type);
    return 0;
}

#endif
