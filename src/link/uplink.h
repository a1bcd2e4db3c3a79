/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way out without a real device: a veth pair in the host's own namespace.
 *
 *     host's stack -- v<hash>u ======= v<hash>d -- packet filter
 *                     host4/32          (ingress hook; the stack never sees a packet of this end)
 *                     host6/128
 *                     routes: pool4, pool6
 *
 * The first host address of each pool is the host's own.
 */
#ifndef VPCD_LINK_UPLINK_H
#define VPCD_LINK_UPLINK_H

#include "base/ip.h"
#include "link/owner.h"

#define UPLINK_MTU 1500

struct uplink {
    struct cidr pool4, pool6; /* family 0: no pool of that family */
    struct ip host4, host6;
    int host_ifindex;
    int data_ifindex;
    uint8_t host_mac[6]; /* of the host's end */
    uint8_t data_mac[6]; /* of the data plane's end: the router, as the host sees it */
};

/* The address that the host itself takes of a pool: the first behind the network's own. */
struct ip uplink_host_address(const struct cidr *pool);

/* Makes the pair, down, or finds the one that is there and leaves it as it is. -EADDRINUSE when a
 * pool shares addresses with a route of the host: *ret_clash (CIDR_TEXT bytes) names that route. */
int uplink_ensure(const struct owner *owner, struct rtnl *rtnl, const struct cidr *pool4,
                  const struct cidr *pool6, struct uplink *ret_uplink, char *ret_clash);

/* The filter is attached: addresses, routes, both ends up. Addresses of former pools go. */
int uplink_open(struct rtnl *rtnl, const struct uplink *uplink);

#endif
