/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Stage 8, inward: a VPC's internet gateway may have a route table of its own. What it lets in then
 * goes to the interface that has the address (local), or to a middlebox on its way there.
 */
#ifndef VPCD_BPF_EDGE_H
#define VPCD_BPF_EDGE_H

#include "bpf/packet.h"

/* p->v.far has the destination: who receives the packet instead is left there. */
STAGE int edge_find(void) {
    struct pkt *p = pkt_get();
    struct subnet_key subnet_key = {};
    struct eni_key eni_key = {};
    struct route_value *route;
    struct route_key key = {};
    struct edge_value *edge;
    struct eni_value *e;

    if (!p)
        return DROP_INTERNAL;
    eni_key.eni = p->v.far;
    e = bpf_map_lookup_elem(&enis, &eni_key);
    if (!e)
        return DROP_NO_LINK;
    subnet_key.subnet = e->subnet;
    edge = bpf_map_lookup_elem(&edges, &subnet_key);
    if (!edge)
        return 0;
    key.prefixlen = ROUTE_PREFIX + (p->key.family == FAMILY_V4 ? 32 : 128);
    key.table = edge->route_table;
    key.family = p->key.family;
    key.addr = p->v.flags & FLOW_DNAT ? p->v.new_dst : p->key.dst;
    route = bpf_map_lookup_elem(&routes, &key);
    if (!route)
        return DROP_NO_ROUTE;
    switch (ROUTE_KIND(route->kind)) {
    case ROUTE_LOCAL:
        return 0;
    case ROUTE_ENI:
        if (!route->target) /* 0 would be the uplink */
            return DROP_BLACKHOLE;
        p->v.far = p->partner.eni = route->target;
        return 0;
    case ROUTE_BLACKHOLE:
        return DROP_BLACKHOLE;
    default:
        return DROP_ROUTE_KIND;
    }
}

#endif
