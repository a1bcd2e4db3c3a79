/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Answers that come to a gateway which keeps state: a NAT gateway's addresses and what lies behind
 * an egress-only gateway are reached by answers to flows that began inside, and by nothing else.
 *
 * The flow entry by which the packet entered (p->was) is what such a gateway knows. It counts only
 * if it is the answering half of a flow through this very gateway; where the packet goes follows
 * from the other half's key: back to the ENI, address and port from which the flow came.
 *
 * A NAT gateway stands in a subnet, so an answer crosses its border twice:
 *  1. in, to the gateway's private address: ACL of its subnet, unless the sender is in it
 *  2. translation
 *  3. out, towards the instance: route table and ACL of the gateway's subnet, unless the instance
 *     is in it; then the ACL of the instance's subnet (receiver.h)
 */
#ifndef VPCD_BPF_ANSWER_H
#define VPCD_BPF_ANSWER_H

#include "bpf/acl.h"
#include "bpf/packet.h"
#include "bpf/source.h"

#define GATEWAY_TAG(number) ((u32)(number) << FLOW_GATEWAY_SHIFT)
#define GATEWAY_FLAGS (FLOW_NAT | FLOW_EGRESS_ONLY | GATEWAY_TAG(0xffff))

/* A second VPC takes part: its generations, before anything of it is believed. 0: no such VPC. */
static __always_inline int far_vpc_read(struct pkt *p, u32 number) {
    struct vpc_key key = {.vpc = number};
    struct vpc_value *vpc = bpf_map_lookup_elem(&vpcs, &key);

    if (!vpc)
        return 0;
    p->v.far_vpc = number;
    p->v.far_gen_net = READ_ONCE(vpc->gen_net);
    p->v.far_gen_sg = READ_ONCE(vpc->gen_sg);
    barrier();
    return 1;
}

/* The same where the packet came by the uplink and has no VPC yet. */
static __always_inline int vpc_enter(struct pkt *p, u32 number) {
    struct vpc_key key = {.vpc = number};
    struct vpc_value *vpc;

    if (p->vpc)
        return p->vpc == number || far_vpc_read(p, number);
    vpc = bpf_map_lookup_elem(&vpcs, &key);
    if (!vpc)
        return 0;
    p->vpc = p->v.vpc = number;
    p->v.gen_net = READ_ONCE(vpc->gen_net);
    p->v.gen_sg = READ_ONCE(vpc->gen_sg);
    barrier();
    return 1;
}

/* A NAT gateway's address: private of the VPC, or public (`vpc` 0). */
static __always_inline struct nat_addr_value *nat_addr_find(u32 vpc, u8 family,
                                                            const struct abi_addr *addr) {
    struct addr_key key = {.vpc = vpc, .family = family, .addr = *addr};

    return bpf_map_lookup_elem(&nat_addrs, &key);
}

static __always_inline struct nat_value *nat_find(u32 number) {
    struct nat_key key = {.nat = number};

    return bpf_map_lookup_elem(&nats, &key);
}

/* The subnet of the NAT gateway that has this private address; 0: none has. */
static __always_inline u32 nat_subnet(u32 vpc, u8 family, const struct abi_addr *addr) {
    struct nat_addr_value *a = nat_addr_find(vpc, family, addr);
    struct nat_value *nat = a ? nat_find(a->nat) : 0;

    return nat ? nat->subnet : 0;
}

/* The answering half of a flow through the gateway. `flag` tells its kind. */
static __always_inline int is_answer(const struct pkt *p, u32 flag, u32 gateway) {
    return p->known && !(p->was.flags & FLOW_FORWARD) &&
           (p->was.flags & GATEWAY_FLAGS) == (flag | GATEWAY_TAG(gateway));
}

/* The same with any gateway of the kind. */
static __always_inline int is_answer_of(const struct pkt *p, u32 flag) {
    return p->known && !(p->was.flags & FLOW_FORWARD) && p->was.flags & flag;
}

/* Who has p->v.new_dst in the VPC, and whether that is in this subnet; 0: nobody. */
static __always_inline u32 behind_find(struct pkt *p, u32 vpc, u32 subnet) {
    struct addr_value *a = addr_find(vpc, p->key.family, &p->v.new_dst);
    struct eni_key key = {};
    struct eni_value *e;

    if (!a)
        return 0;
    key.eni = a->eni;
    e = bpf_map_lookup_elem(&enis, &key);
    if (!e)
        return 0;
    p->crosses = e->subnet != subnet;
    return a->eni;
}

STAGE int route_look(u32 subnet_number, u32 translated);

/* Step 3. */
STAGE int answer_leave(u32 vpc, u32 subnet) {
    struct pkt *p = pkt_get();
    u32 eni;
    int reason;

    if (!p)
        return DROP_INTERNAL;
    p->crosses = 1;
    eni = behind_find(p, vpc, subnet);
    if (p->crosses) {
        reason = acl_ask(subnet, DIR_EGRESS, &p->v.new_dst);
        if (!reason)
            reason = route_look(subnet, 1);
        if (reason)
            return reason;
        if (p->route_kind == ROUTE_ENI)
            eni = p->route_target;
        else if (p->route_kind != ROUTE_LOCAL)
            eni = 0;
    }
    p->v.far = eni;
    return eni && eni == p->was_partner.eni ? 0 : DROP_NAT_UNSOLICITED;
}

/* To p->key.dst, as an address of a NAT gateway: private of p->next_vpc, or public. */
STAGE int answer_nat(void) {
    struct pkt *p = pkt_get();
    struct nat_addr_value *a;
    struct nat_value *nat;
    struct abi_addr seen;
    u32 number, inside, subnet, nat_vpc, vpc;
    int reason = 0;

    if (!p)
        return DROP_INTERNAL;
    vpc = p->next_vpc;
    a = nat_addr_find(vpc, p->key.family, &p->key.dst);
    nat = a ? nat_find(a->nat) : 0;
    if (!nat)
        return vpc ? DROP_NO_ADDRESS : DROP_UPLINK_UNKNOWN;
    number = a->nat;
    nat_vpc = nat->vpc;
    if (!vpc_enter(p, nat_vpc))
        return DROP_NOT_READY;
    a = nat_addr_find(vpc, p->key.family, &p->key.dst);
    nat = a && a->nat == number ? nat_find(number) : 0;
    if (!nat || nat->vpc != nat_vpc)
        return DROP_NAT_UNSOLICITED;
    subnet = nat->subnet;
    p->log_place = LOG_GATEWAY;
    p->log_gateway = number;
    inside = vpc && p->same_subnet;
    p->same_subnet = 0; /* it comes from the gateway */
    seen = p->v.flags & FLOW_SNAT ? p->v.new_src : p->wire_src;
    if (!inside) /* 1 */
        reason = acl_ask(subnet, DIR_INGRESS, &seen);
    if (reason)
        return reason;
    if (!is_answer(p, FLOW_NAT, number))
        return DROP_NAT_UNSOLICITED;
    /* 2. Whoever was asked by a public address answers from it, with an error of its own, too. */
    if ((!p->error || addr_equal(&p->wire_src, &p->key.src)) &&
        !addr_equal(&seen, &p->was_partner.dst))
        return DROP_NAT_UNSOLICITED;
    p->v.flags |= FLOW_NAT | FLOW_DNAT | (vpc ? 0 : FLOW_INTERNET) | GATEWAY_TAG(number);
    p->v.new_dst = p->was_partner.src;
    p->v.new_dport = p->was_partner.sport;
    if (!p->error && p->key.proto != IPPROTO_ICMP)
        p->wire_port = p->v.new_dport;
    p->partner = p->was_partner;
    return answer_leave(nat_vpc, subnet);
}

/* To what lies behind an egress-only gateway, once is_answer_of() is known. */
STAGE int answer_egress_only(void) {
    struct pkt *p = pkt_get();
    struct egress_gateway_value *gateway;
    struct eni_key key = {};
    struct vpc_key vpc_key = {};
    struct addr_value *a;
    struct eni_value *e;

    if (!p)
        return DROP_INTERNAL;
    key.eni = p->was_partner.eni;
    e = bpf_map_lookup_elem(&enis, &key);
    if (!e || !vpc_enter(p, e->vpc))
        return DROP_NO_LINK;
    vpc_key.vpc = e->vpc;
    gateway = bpf_map_lookup_elem(&egress_gateways, &vpc_key);
    a = addr_find(e->vpc, p->key.family, &p->key.dst);
    if (!gateway || !is_answer(p, FLOW_EGRESS_ONLY, gateway->gateway) || !a || a->eni != key.eni)
        return DROP_EGRESS_ONLY;
    p->v.flags |= FLOW_INTERNET | FLOW_EGRESS_ONLY | GATEWAY_TAG(gateway->gateway);
    p->v.far = key.eni;
    p->partner = p->was_partner;
    return 0;
}

#endif
