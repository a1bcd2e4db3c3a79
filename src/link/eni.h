/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The veth pair of a network interface: `v<hash>e<number>` on the host, `eth<device>` inside.
 *
 * The host end is made down and stays down until eni_open: whoever attaches the packet filter does
 * so in between, and no packet of the instance ever meets the host's own stack.
 *
 * Inside, the interface is set up as an AWS image sets up its own: the IPv4 addresses with the
 * subnet's prefix, default route through the subnet's first host address; IPv6 addresses as /128
 * with a default route through fe80::1; the link-local address that follows from the MAC. No
 * address runs duplicate detection. Interfaces after the first also get a routing table of their
 * own that packets from their addresses consult, so that a reply leaves where its question came in.
 */
#ifndef VPCD_LINK_ENI_H
#define VPCD_LINK_ENI_H

#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"
#include "link/owner.h"

#define ENI_MTU 9001
#define ENI_ADDRS_MAX 256

struct plug_address {
    struct ip ip;
    uint8_t subnet_len; /* IPv4: the subnet's prefix length; IPv6: not used */
};

struct plug_spec {
    const char *id;                   /* eni-... */
    uint32_t number;                  /* 1 to OWNER_ENI_MAX */
    unsigned device;                  /* index: eth<device> */
    uint8_t mac[6];                   /* of the inner end */
    uint32_t mtu;                     /* 0: ENI_MTU */
    const struct plug_address *addrs; /* the first of a family is its primary one */
    size_t n_addrs;                   /* up to ENI_ADDRS_MAX */
};

/* Makes the pair and sets the inside up. -EEXIST when the host end exists. */
int eni_plug(const struct owner *owner, struct rtnl *rtnl, int netns_fd,
             const struct plug_spec *spec, int *ret_ifindex);

/* The filter is attached: packets may go. */
int eni_open(struct rtnl *rtnl, int ifindex);

/* Both ends go; the addresses with them. Fine when gone already. */
int eni_unplug(struct rtnl *rtnl, int ifindex);

/* The inside again, after the interface's addresses changed from `old` to those of `spec`. Routes
 * and addresses that the instance made itself stay. */
int eni_readdress(struct rtnl *rtnl, int ifindex, int netns_fd, const struct plug_address *old,
                  size_t n_old, const struct plug_spec *spec);

#endif
