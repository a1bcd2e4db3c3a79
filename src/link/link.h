/* SPDX-License-Identifier: Apache-2.0 */
/* Network devices: making, changing, deleting and listing them. */
#ifndef VPCD_LINK_LINK_H
#define VPCD_LINK_LINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "link/rtnl.h"

#define LINK_ALIAS_SIZE 256 /* IFALIASZ */

struct link_info {
    int ifindex;
    int peer; /* ifindex of a veth's other end, in the other end's namespace; 0: none */
    bool up;
    bool carrier; /* of a tap: somebody has it open */
    uint32_t mtu;
    uint64_t tx_dropped; /* packets that it could not hand on */
    uint8_t mac[6];
    char name[IFNAMSIZ];
    char kind[16]; /* "veth", "tun"; "" for a device of the machine */
    char alias[LINK_ALIAS_SIZE];
};

/* One end of a new veth pair. */
struct veth_end {
    const char *name;   /* "eth%d" lets the kernel choose the number */
    const uint8_t *mac; /* NULL: the kernel chooses */
    int netns_fd;       /* -1: where the request is made */
    bool eui64;         /* false: no IPv6 link-local address is made by the kernel */
};

/*
 * Makes a pair, both ends down. The second end is made where it belongs: one that is moved there
 * later costs an RCU grace period. The alias says whose the first end is. `mtu` holds for both.
 */
int link_create_veth(struct rtnl *rtnl, const struct veth_end *end, const struct veth_end *peer,
                     const char *alias, uint32_t mtu, int *ret_ifindex);

int link_delete(struct rtnl *rtnl, int ifindex); /* -ENODEV when it is gone already */
int link_set_up(struct rtnl *rtnl, int ifindex, bool up);
/* No neighbour is looked for: what goes out has the device's own MAC as its destination. */
int link_set_noarp(struct rtnl *rtnl, int ifindex);
/* The kernel computes the checksums of what goes out, and no segments larger than the MTU come.
 * Caller's own namespace. */
int link_disable_offload(const char *name);
int link_set_alias(struct rtnl *rtnl, int ifindex, const char *alias);
int link_set_mtu(struct rtnl *rtnl, int ifindex, uint32_t mtu);
/* The kernel makes no IPv6 link-local address of the MAC when the device goes up. */
int link_no_local_address(struct rtnl *rtnl, int ifindex);

/* The host's stack keeps its IPv6 off the device: for ends that only BPF reads. The caller's own
 * namespace; fine where the kernel has no IPv6. */
int link_disable_ipv6(const char *name);

int link_get(struct rtnl *rtnl, const char *name, struct link_info *ret_info);
int link_get_index(struct rtnl *rtnl, int ifindex, struct link_info *ret_info);

/* Devices whose names begin with `prefix` ("" for all), in the kernel's order; the caller frees the
 * array. */
int link_list(struct rtnl *rtnl, const char *prefix, struct link_info **ret_links, size_t *ret_n);

/* fe80::/64 and the MAC's modified EUI-64 (RFC 4291, appendix A). */
void link_local_of_mac(const uint8_t mac[6], uint8_t ret_addr[16]);

#endif
