/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Stage 2 for IPv4: ARP is answered here and never forwarded.
 *
 * For an ENI: its subnet's router and NAT gateways have the router's MAC, each other ENI of the
 * subnet its own. Its own addresses, addresses nobody has, and probes (from 0.0.0.0) stay
 * unanswered, or duplicate address detection would fail. The sender must be the ENI itself.
 * For the uplink: every address of the pool but the host's own has the router's MAC.
 */
#ifndef VPCD_BPF_ARP_H
#define VPCD_BPF_ARP_H

#include "bpf/deliver.h"
#include "bpf/internet.h"
#include "bpf/packet.h"
#include "bpf/route.h"
#include "bpf/source.h"

struct arp_packet { /* RFC 826, Ethernet and IPv4 */
    __be16 hardware, protocol;
    u8 hardware_len, protocol_len;
    __be16 op;
    u8 sha[6], spa[4], tha[6], tpa[4];
};
_Static_assert(sizeof(struct arp_packet) == 28, "arp_packet");

#define ARP_REQUEST 1
#define ARP_REPLY 2

/* Common to ARP and ND: the MAC that `addr` has for the ENI p->key.eni; 0, or the drop reason. */
STAGE int neighbour_mac(const struct abi_addr *addr, u32 family) {
    struct pkt *p = pkt_get();
    struct eni_key own_key = {}, key = {};
    struct subnet_key subnet_key = {};
    struct config_value *c = config_get();
    struct subnet_value *subnet;
    struct eni_value *own, *e;
    struct addr_value *a;

    if (!p || !addr || !c)
        return DROP_INTERNAL;
    own_key.eni = p->key.eni;
    own = bpf_map_lookup_elem(&enis, &own_key);
    if (!own)
        return DROP_NOT_READY;
    subnet_key.subnet = own->subnet;
    subnet = bpf_map_lookup_elem(&subnets, &subnet_key);
    if (!subnet)
        return DROP_NOT_READY;
    if (is_router(subnet, (u8)family, addr) ||
        (family == FAMILY_V6 && addr_equal(addr, &c->router6))) {
        __builtin_memcpy(p->v.dst_mac, c->router_mac, 6);
        return 0;
    }
    a = addr_find(p->vpc, (u8)family, addr);
    if (!a && nat_subnet(p->vpc, (u8)family, addr) == own->subnet) {
        __builtin_memcpy(p->v.dst_mac, c->router_mac, 6);
        return 0;
    }
    if (!a || a->eni == p->key.eni)
        return DROP_ARP_UNKNOWN;
    key.eni = a->eni;
    e = bpf_map_lookup_elem(&enis, &key);
    if (!e || e->subnet != own->subnet)
        return DROP_ARP_UNKNOWN;
    __builtin_memcpy(p->v.dst_mac, e->mac, 6);
    return 0;
}

/* The reply goes back where the request came from. */
static __always_inline int neighbour_send(struct __sk_buff *skb, struct pkt *p) {
    struct eni_stats_value *stats = stats_of(p->key.eni);

    if (stats)
        __sync_fetch_and_add(&stats->arp_answered, 1);
    return deliver_back(skb, p);
}

/* Leaves the answer in p->v.dst_mac. */
static __always_inline int arp_check(struct pkt *p, const struct arp_packet *arp) {
    struct abi_addr sender = {}, target = {};
    struct config_value *c = config_get();
    struct addr_value *a;

    if (!c)
        return DROP_INTERNAL;
    if (arp->hardware != bpf_htons(1) || arp->protocol != bpf_htons(ETH_P_IP) ||
        arp->hardware_len != 6 || arp->protocol_len != 4)
        return DROP_MALFORMED;
    if (!mac_equal(arp->sha, p->eth_src.b))
        return DROP_SPOOFED_ARP;
    __builtin_memcpy(&sender, arp->spa, 4);
    __builtin_memcpy(&target, arp->tpa, 4);
    if (!p->key.eni) {
        if (arp->op != bpf_htons(ARP_REQUEST) || !sender.w[0] ||
            !is_pool_address(c, FAMILY_V4, &target) || is_host_address(c, FAMILY_V4, &target))
            return DROP_ARP_UNKNOWN;
        __builtin_memcpy(p->v.dst_mac, c->router_mac, 6);
        return 0;
    }
    if (sender.w[0]) {
        a = addr_find(p->vpc, FAMILY_V4, &sender);
        if (!a || a->eni != p->key.eni)
            return DROP_SPOOFED_ARP;
    }
    if (arp->op != bpf_htons(ARP_REQUEST) || !sender.w[0])
        return DROP_ARP_UNKNOWN;
    return neighbour_mac(&target, FAMILY_V4);
}

STAGE int arp_answer(struct __sk_buff *skb) {
    struct pkt *p = pkt_get();
    struct {
        u8 dst[6], src[6];
        __be16 type;
    } eth;
    struct arp_packet arp, reply;
    int reason;

    if (!p)
        return TC_ACT_SHOT;
    if (bpf_skb_load_bytes(skb, ETH_LEN, &arp, sizeof arp))
        return pkt_drop(DROP_TRUNCATED);
    reason = arp_check(p, &arp);
    if (reason)
        return pkt_drop((u32)reason);
    reply = arp;
    reply.op = bpf_htons(ARP_REPLY);
    __builtin_memcpy(reply.sha, p->v.dst_mac, 6);
    __builtin_memcpy(reply.spa, arp.tpa, 4);
    __builtin_memcpy(reply.tha, arp.sha, 6);
    __builtin_memcpy(reply.tpa, arp.spa, 4);
    __builtin_memcpy(eth.dst, arp.sha, 6);
    __builtin_memcpy(eth.src, p->v.dst_mac, 6);
    eth.type = bpf_htons(ETH_P_ARP);
    if (bpf_skb_store_bytes(skb, 0, &eth, sizeof eth, 0) ||
        bpf_skb_store_bytes(skb, ETH_LEN, &reply, sizeof reply, 0))
        return pkt_drop(DROP_INTERNAL);
    return neighbour_send(skb, p);
}

#endif
