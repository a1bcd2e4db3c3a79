/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tap device of a network interface: `v<hash>t<digits>` on the host (owner_tap_name), the
 * network card of a virtual machine on its other side. It is persistent: it outlives the agent and
 * whoever has it open, so a machine keeps its packets while the agent is replaced.
 *
 * One queue: QEMU, Firecracker and libvirt open a tap with one unless told otherwise, and the
 * kernel lets nobody open a device made for several in that way, or the other way round. A second
 * one who opens it is refused, so no process reads along.
 *
 * Which offloads the machine takes is settled between it and the kernel (TUNSETOFFLOAD). What it
 * does not take, the kernel does before a packet reaches it: it computes checksums and cuts packets
 * of many segments.
 *
 * It has no addresses: a machine asks for them by DHCP.
 */
#ifndef VPCD_LINK_TAP_H
#define VPCD_LINK_TAP_H

#include <stdint.h>
#include <sys/types.h>

#include "link/owner.h"

struct tap_spec {
    const char *id; /* eni-... */
    uint32_t mtu;
    uid_t user; /* who may open it, besides whoever has CAP_NET_ADMIN */
};

/* Makes the device, down, with nobody at it. -EEXIST when there is one; -ENOENT, -ENODEV: the
 * kernel has no taps (/dev/net/tun). An agent that dies within leaves no device behind. */
int tap_make(const struct owner *owner, struct rtnl *rtnl, const struct tap_spec *spec,
             int *ret_ifindex);

/* An existing tap gets another user. -EBUSY: a machine has it open; 0 also when it is so already.
 */
int tap_set_user(const char *name, uid_t user);

#endif
