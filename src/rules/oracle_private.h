/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the oracle share:
 *
 *   oracle.c          the order of the steps; 1 to 4 and 9 to 12
 *   oracle_path.c     5 to 8: out of the sender's subnet, to the route's target
 *   oracle_gateway.c  8, where the target keeps state: NAT and egress-only gateways
 *   oracle_address.c  whose an address is
 *   oracle_service.c  3: the services of the link
 *   oracle_rules.c    one security group's, one network ACL's answer
 */
#ifndef VPCD_RULES_ORACLE_PRIVATE_H
#define VPCD_RULES_ORACLE_PRIVATE_H

#include "model/nat_gateway.h"
#include "model/peering.h"
#include "model/route_table.h"
#include "model/vpc.h"
#include "rules/oracle.h"

enum { ICMP = 1, TCP = 6, UDP = 17, ICMPV6 = 58 };

/* One judgement on its way. */
struct way {
    const struct index *ix;
    const struct oracle_host *host;
    const struct oracle_packet *p;
    /* What is asked of every single packet (source, ACLs) is asked of this: `p` itself, but for an
     * ICMP error. That goes as a packet `p` of its flow would. */
    const struct oracle_packet *self;
    const struct oracle_flow *flow; /* a later packet's; NULL: a first packet */
    bool reply;                     /* of that flow */
    struct oracle_verdict *v;
    const struct network_interface *to; /* the next hop's interface; NULL: the uplink */
    struct ip src, dst;                 /* as they leave the last translation */
    bool own;                           /* the source is the sender's own private address */
    bool crosses;                       /* it leaves one subnet and enters another place */
    bool internet;                      /* through an internet gateway */
    const char *gateway;                /* that keeps state, and that it went through; NULL: none */
    bool translated;                    /* by a NAT gateway: it comes from no interface */
    struct oracle_packet behind;        /* what ACLs are asked about behind a NAT gateway */
};

/* Writes a question and its answer down; returns `reason`. */
enum drop_reason hop(struct way *w, uint8_t step, const char *question, const char *by,
                     enum drop_reason reason);

/* --- oracle.c --- */

/* Where the packet itself comes from, after the translations so far. */
const struct ip *source_now(const struct way *w);

/* The groups at the packet's sender, or at its receiver: for a reply, as the flow began there. */
bool ask_groups(struct way *w, const struct network_interface *eni, bool at_sender,
                const struct ip *peer, const struct network_interface *peer_eni, char ret_by[96],
                enum oracle_tracking *ret_tracking);

/* --- oracle_service.c --- */

/* Whether the packet's destination is for step 3 at all. */
bool asks_link(const struct way *w);
/* Step 3; `otherwise`: the reason when it asks no service. */
enum drop_reason to_service(struct way *w, enum drop_reason otherwise);

/* --- oracle_path.c --- */

/* Steps 5 to 8: from an interface to the next hop. */
enum drop_reason leave(struct way *w);
/* Step 8 for what enters w->to's VPC by its internet gateway: w->to may become a middlebox. */
enum drop_reason edge(struct way *w);
/* The route for the destination; NULL: none. `table` NULL: none, too. */
const struct route *find_route(const struct way *w, const struct route_table *table,
                               const struct ip *dst);
bool is_target(const struct route *r, const char *prefix);
/* The route of a subnet for the destination, written down as step 7; NULL: none, so written, too.
 */
const struct route *ask_routes(struct way *w, const char *vpc_id, const char *subnet_id,
                               const struct ip *dst);
enum drop_reason to_vpn(struct way *w, const struct route *r);
/* Out by the internet gateway, with the source w->src. */
enum drop_reason cross_internet(struct way *w, const char *by);
/* The network ACL of a subnet on the way. */
enum drop_reason ask_acl(struct way *w, uint8_t step, const char *question, struct scope scope,
                         const char *subnet_id, bool egress, const struct ip *peer);

/* --- oracle_gateway.c --- */

enum drop_reason to_nat(struct way *w, const struct route *r);
enum drop_reason to_egress_only(struct way *w, const struct route *r);
enum drop_reason to_peering(struct way *w, const struct route *r);
/* Whether it is available, and has an address that is in use. */
bool nat_works(const struct nat_gateway *nat);
/* The NAT gateway that has the address: private in the VPC, or public (`vpc_id` NULL). */
const struct nat_gateway *nat_with(const struct way *w, const char *vpc_id, const struct ip *ip);
/* To that address: only answers go on. `inside`: the sender is in the gateway's subnet. */
enum drop_reason answer_nat(struct way *w, const struct nat_gateway *nat, bool inside);
/* Whether the interface answers this address by such a gateway: then nothing begins there. */
bool answers_egress_only(const struct way *w, const struct network_interface *eni,
                         const struct ip *ip);
/* Whether the packet is an answer to what went out by an egress-only gateway; and where it goes. */
bool is_answer_inward(const struct way *w);
enum drop_reason answer_egress_only(struct way *w);

/* --- oracle_address.c --- */

/* Lists of prefixes of both families, ended by NULL. */
extern const char *const multicast[],
    *const host_only[], *const link_local[], *const services[], *const not_global[];
bool within(const struct ip *ip, const char *prefix);
bool within_any(const struct ip *ip, const char *const *prefixes);
/* Whether an interface exists for packets: attached, and on this host. */
bool is_here(const struct way *w, const struct network_interface *eni);
/* Whether it can be a route's target: attached to an instance that is not stopped. */
bool is_running(const struct way *w, const struct network_interface *eni);
bool has_private(const struct network_interface *eni, const struct ip *ip);
/* The interface of the VPC that has this private address; NULL: nobody. */
const struct network_interface *find_private(const struct way *w, const char *vpc_id,
                                             const struct ip *ip);
const struct internet_gateway *gateway_of(const struct way *w, const char *vpc_id);
/* The public address that stands for a private one; false: none. */
bool public_of(const struct way *w, const struct network_interface *eni,
               const struct ip *private_ip, struct ip *ret);
/* The interface behind a public address, and its private address; NULL: nobody. */
const struct network_interface *find_public(const struct way *w, const struct ip *ip,
                                            struct ip *ret_private);
/* Whether the address lies in one of the VPC's networks, or is somebody's there. */
bool is_inside(const struct way *w, const struct network_interface *eni, const struct ip *ip);
/* The host's end of the uplink. */
const struct ip *host_address(const struct way *w, uint8_t family);
bool in_pool(const struct way *w, const struct ip *ip);

#endif
