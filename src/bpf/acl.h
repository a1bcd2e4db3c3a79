/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Stages 6 and 9: network ACLs, for packets that cross a subnet's border. They know no flows: each
 * packet is asked about as it goes, by its own destination port, and the answer is kept with the
 * path of its direction (gen_net). A packet that is refused leaves its flow as it is.
 *
 * The lowest number that matches decides (src/abi/maps.h, ACL_BITS). Table 0 allows all; one that
 * is not there refuses all.
 */
#ifndef VPCD_BPF_ACL_H
#define VPCD_BPF_ACL_H

#include "bpf/packet.h"

/* The lowest bit of those that match. */
static __always_inline int acl_judge(const struct pkt *p, u32 acl, u32 dir,
                                     const struct abi_addr *peer) {
    struct rule_addr_key addr_key = {};
    struct rule_port_key port_key = {};
    struct acl_addr_value *addrs;
    struct acl_port_value *ports;
    u64 hit;

    addr_key.prefixlen = RULE_ADDR_PREFIX + (p->key.family == FAMILY_V4 ? 32 : 128);
    addr_key.table = acl;
    addr_key.dir = (u8)dir;
    addr_key.family = p->key.family;
    addr_key.addr = *peer;
    addrs = bpf_map_lookup_elem(&acl_addrs, &addr_key);
    port_key.prefixlen = RULE_PORT_PROTO + 16;
    port_key.table = acl;
    port_key.dir = (u8)dir;
    port_key.family = p->key.family;
    port_key.proto = p->wire_proto;
    port_key.port = p->wire_port;
    ports = bpf_map_lookup_elem(&acl_ports, &port_key);
    if (!addrs || !ports)
        return 0;
    hit = addrs->bits & ports->bits;
    return (hit & -hit & ports->allow) != 0;
}

/* 0, or the reason why the packet may not enter (DIR_INGRESS) or leave this subnet. `peer` is its
 * source or its destination as it has it at the border; protocol and port are p's wire_proto and
 * wire_port. */
STAGE int acl_ask(u32 subnet, u32 dir, const struct abi_addr *peer) {
    struct subnet_key key = {.subnet = subnet};
    struct pkt *p = pkt_get();
    struct subnet_value *s;
    u32 acl;

    if (!p || !peer)
        return DROP_INTERNAL;
    s = bpf_map_lookup_elem(&subnets, &key);
    if (!s)
        return DROP_NOT_READY;
    acl = dir == DIR_EGRESS ? s->acl_out : s->acl_in;
    if (!acl || acl_judge(p, acl, dir, peer))
        return 0;
    return dir == DIR_EGRESS ? DROP_ACL_EGRESS : DROP_ACL_INGRESS;
}

/* 6: out of the sender's subnet. */
static __always_inline int acl_egress(const struct pkt *p) {
    struct abi_addr peer = p->key.dst;

    return acl_ask(p->subnet, DIR_EGRESS, &peer);
}

/* 9: into the receiver's. */
static __always_inline int acl_ingress(const struct pkt *p, u32 subnet) {
    struct abi_addr peer = p->v.flags & FLOW_SNAT ? p->v.new_src : p->wire_src;

    return acl_ask(subnet, DIR_INGRESS, &peer);
}

#endif
