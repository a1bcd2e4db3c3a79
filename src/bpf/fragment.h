/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Fragments. AWS does not say how its groups treat them; this version refuses them all, the first
 * one too: a receiver could otherwise be made to hold the pieces of packets that no rule ever saw.
 *
 * Here is the place to let them pass: the first fragment has the ports and is judged like a whole
 * packet, leaving (ENI, addresses, protocol, identification) -> ports in a small table with a
 * deadline; later fragments take their key from there, or are dropped when there is none.
 */
#ifndef VPCD_BPF_FRAGMENT_H
#define VPCD_BPF_FRAGMENT_H

#include "bpf/packet.h"

static __always_inline int fragment_ipv4(struct pkt *p) {
    (void)p;
    return DROP_FRAGMENT;
}

static __always_inline int fragment_ipv6(struct pkt *p) {
    (void)p;
    return DROP_FRAGMENT;
}

#endif
