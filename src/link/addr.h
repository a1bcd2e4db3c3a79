/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, routes and routing rules of a namespace, IPv4 and IPv6. */
#ifndef VPCD_LINK_ADDR_H
#define VPCD_LINK_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"
#include "link/rtnl.h"

/* Adds the address with its prefix length; present already is fine. IPv6 addresses are usable at
 * once: whoever gives them out made sure that nobody else has them. */
int addr_add(struct rtnl *rtnl, int ifindex, const struct cidr *addr);
int addr_delete(struct rtnl *rtnl, int ifindex, const struct cidr *addr);

/* The device's addresses; the caller frees the array. */
int addr_list(struct rtnl *rtnl, int ifindex, struct cidr **ret_addrs, size_t *ret_n);

struct link_route {
    struct cidr to; /* length 0: the default route of the family */
    struct ip via;  /* IP_NONE: on-link */
    struct ip from; /* preferred source; IP_NONE: the kernel's choice */
    int ifindex;
    uint32_t metric; /* 0: the kernel's default */
    uint32_t table;  /* 0: main */
    bool local;      /* the destinations are this machine's own; table 0: the local one */
    bool onlink;     /* `via` is reached by the device, whatever its addresses are */
};

int route_replace(struct rtnl *rtnl, const struct link_route *route);
int route_delete(struct rtnl *rtnl,
                 const struct link_route *route); /* -ESRCH when it is not there */

/*
 * Looks for a route (of any table, own addresses among them) that shares addresses with `pool`,
 * default routes and those through `except_ifindex` (0: none) left out. 1 and the route, or 0.
 */
int route_find_overlap(struct rtnl *rtnl, const struct cidr *pool, int except_ifindex,
                       struct link_route *ret_route);

/* Packets from `from` consult `table`; `priority` names the rule. Present already is fine. */
int rule_add(struct rtnl *rtnl, const struct cidr *from, uint32_t table, uint32_t priority);

#endif
