/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The oracle: model + packet -> verdict, the reason, and what decided.
 *
 * Plain, slow, written for reading next to AWS's documentation. It looks at the model only, never
 * at compiled entries, and shares no code with what it judges. It judges the first packet of a new
 * flow; what later packets may do follows from that and from `tracked` (docs/RULES.md).
 */
#ifndef VPCD_RULES_ORACLE_H
#define VPCD_RULES_ORACLE_H

#include "abi/drop.h"
#include "abi/service.h"
#include "model/index.h"
#include "model/network_interface.h"

/* A packet as it enters: whole and well-formed, but perhaps a lie. */
struct oracle_packet {
    const struct network_interface *from; /* NULL: it comes in by the uplink */
    uint8_t src_mac[6];                   /* of the frame; not looked at on the uplink */
    struct ip src, dst;                   /* of one family */
    uint8_t protocol;
    uint16_t sport, dport;        /* TCP and UDP */
    uint8_t icmp_type, icmp_code; /* ICMP over IPv4, ICMPv6 over IPv6 */
    uint32_t length;              /* of the IP packet in bytes; 0: a small one */
    bool may_fragment;            /* IPv4 without DF */
    bool midway;                  /* TCP, and not the first packet of a connection: no SYN alone */
};

/* What is not in the model: this host and its uplink. */
struct oracle_host {
    bool uplink;
    bool services;                                               /* of the link, step 3 */
    struct ip address4, address6;                                /* the host's end of the uplink */
    struct cidr pool4, pool6;                                    /* public pools */
    bool open;                                                   /* --uplink-allow all */
    bool anywhere;                                               /* --uplink-masquerade */
    bool (*allows)(void *data, uint8_t protocol, uint16_t port); /* --uplink-allow; NULL: none */
    bool (*is_own)(void *data, const struct ip *ip); /* a network of the host; NULL: none */
    /* Whether an attached interface is on this host; NULL: all are. */
    bool (*on_host)(void *data, const struct index *ix, const struct network_interface *eni);
    void *data;
};

enum oracle_tracking {
    ORACLE_NO_ENI = 0, /* this end is the uplink, or was not reached */
    ORACLE_TRACKED,
    ORACLE_UNTRACKED,
};

/* One question on the way. */
struct oracle_hop {
    uint8_t step;         /* 1 to 12, as in oracle.c and DESIGN's order of the packet path */
    const char *question; /* "security groups of the sender, egress" */
    bool passed;
    char by[96]; /* what decided: id of the rule, route, ACL...; "" where there is none */
};
#define ORACLE_HOPS 20
#define ORACLE_GATEWAY 32

struct oracle_verdict {
    bool accepted;
    enum drop_reason reason; /* DROP_NONE when accepted */
    struct oracle_hop hops[ORACLE_HOPS];
    unsigned n_hops;
    /* Valid when accepted: who receives it (NULL: the uplink), and its addresses then. */
    const struct network_interface *to;
    struct ip src, dst;
    /* Whether the groups of the sender's and the receiver's interface track the flow. */
    enum oracle_tracking sender, receiver;
    /* The gateway with a state of its own that it went through ("nat-...", "eigw-..."), or "".
     * Behind a NAT gateway, the port or ICMP identifier of the side that began is another, which
     * only the gateway knows. */
    char gateway[ORACLE_GATEWAY];
    /* Accepted, and answered by a service of this host: `to`, `sender`, `receiver` say nothing. */
    enum service_what service;
    /* A later packet: the flow is over, and this packet was judged as the first of another. */
    bool anew;
};

/* A flow that is known: what its first packet was, and what became of it. */
struct oracle_flow {
    struct oracle_packet first;
    const struct network_interface *to;    /* NULL: the uplink */
    struct ip src, dst;                    /* of the first packet as delivered */
    enum oracle_tracking sender, receiver; /* of the first packet's */
    char gateway[ORACLE_GATEWAY];          /* as in the first packet's verdict */
    uint16_t nat_port; /* the port or identifier that a NAT gateway chose; else 0 */
    bool replied;      /* a packet went the other way since */
};

/* "DNS", "metadata"...; "" for SERVICE_NONE. */
const char *oracle_service_name(enum service_what what);

/* `host` NULL: no uplink, every interface here. */
void oracle_judge(const struct index *ix, const struct oracle_host *host,
                  const struct oracle_packet *packet, struct oracle_verdict *ret);

/* A later packet of the flow; `reply`: one that goes the other way. The interfaces that `packet`
 * and `flow` name are those of the index as it is now. */
void oracle_judge_later(const struct index *ix, const struct oracle_host *host,
                        const struct oracle_flow *flow, const struct oracle_packet *packet,
                        bool reply, struct oracle_verdict *ret);

/*
 * An ICMP error. `quoted` is the packet that it quotes, as the quotation has it (`sport` of a
 * query: its identifier); `reply`: the error goes the way of the flow's replies. It passes with the
 * flow if it belongs to it, and is a packet like any other (`ret->anew`) if not.
 */
void oracle_judge_error(const struct index *ix, const struct oracle_host *host,
                        const struct oracle_flow *flow, const struct oracle_packet *error,
                        const struct oracle_packet *quoted, bool reply, struct oracle_verdict *ret);

/*
 * One interface's groups and a flow that begins in this direction as the interface sees it.
 * `peer` is the other end's address; `peer_eni` the interface, of the same VPC or a peer's, that
 * has it as a private address and sends or receives it untranslated, or NULL: only then rules that
 * name groups match. False: refused. *ret_by: the deciding rule's id (or ""), *ret_tracking as AWS
 * tracks it.
 */
bool oracle_groups(const struct index *ix, const struct network_interface *eni, bool egress,
                   const struct oracle_packet *packet, const struct ip *peer,
                   const struct network_interface *peer_eni, char ret_by[96],
                   enum oracle_tracking *ret_tracking);

/* Whether a subnet's network ACL lets the packet pass: out of it to `peer`, or in from there. */
bool oracle_acl(const struct index *ix, struct scope scope, const char *subnet_id, bool egress,
                const struct oracle_packet *packet, const struct ip *peer, char ret_by[96]);

#endif
