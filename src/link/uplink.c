/* SPDX-License-Identifier: Apache-2.0 */
#include "link/uplink.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "link/addr.h"

struct ip uplink_host_address(const struct cidr *pool) {
    struct cidr c = cidr_mask(pool);

    return c.ip.family ? ip_add(&c.ip, 1) : c.ip;
}

static int check_pool(struct rtnl *rtnl, const struct cidr *pool, int ours, char *ret_clash) {
    struct link_route clash;
    int r;

    if (!pool->ip.family)
        return 0;
    r = route_find_overlap(rtnl, pool, ours, &clash);
    if (r <= 0)
        return r;
    cidr_format(&clash.to, ret_clash);
    return -EADDRINUSE;
}

static int get_ours(const struct owner *owner, struct rtnl *rtnl, const char *name,
                    struct link_info *ret_link) {
    int r = link_get(rtnl, name, ret_link);

    if (r == 0 && !owner_what(owner, ret_link))
        return -EEXIST;
    return r;
}

int uplink_ensure(const struct owner *owner, struct rtnl *rtnl, const struct cidr *pool4,
                  const struct cidr *pool6, struct uplink *ret_uplink, char *ret_clash) {
    char host_name[IFNAMSIZ], data_name[IFNAMSIZ], alias[LINK_ALIAS_SIZE];
    struct veth_end host = {.name = host_name, .netns_fd = -1};
    struct veth_end data = {.name = data_name, .netns_fd = -1};
    struct link_info host_link, data_link;
    int made, r;

    snprintf(host_name, sizeof(host_name), "v%.6su", owner->hash);
    snprintf(data_name, sizeof(data_name), "v%.6sd", owner->hash);
    r = get_ours(owner, rtnl, host_name, &host_link);
    if (r < 0 && r != -ENODEV)
        return r;
    made = r == -ENODEV;
    r = check_pool(rtnl, pool4, made ? 0 : host_link.ifindex, ret_clash);
    if (r == 0)
        r = check_pool(rtnl, pool6, made ? 0 : host_link.ifindex, ret_clash);
    if (r < 0)
        return r;
    if (made) {
        int ifindex;

        r = link_create_veth(rtnl, &host, &data, owner_alias(owner, "uplink", alias), UPLINK_MTU,
                             &ifindex);
        if (r == 0)
            r = link_get(rtnl, data_name, &data_link);
        if (r == 0)
            r = link_set_alias(rtnl, data_link.ifindex, owner_alias(owner, "uplink-data", alias));
        if (r == 0)
            r = link_get(rtnl, host_name, &host_link);
    }
    if (r == 0)
        r = get_ours(owner, rtnl, data_name, &data_link);
    if (r == 0)
        r = link_disable_ipv6(data_name);
    if (r < 0)
        return r;
    *ret_uplink = (struct uplink){
        .pool4 = cidr_mask(pool4),
        .pool6 = cidr_mask(pool6),
        .host4 = uplink_host_address(pool4),
        .host6 = uplink_host_address(pool6),
        .host_ifindex = host_link.ifindex,
        .data_ifindex = data_link.ifindex,
    };
    memcpy(ret_uplink->host_mac, host_link.mac, 6);
    memcpy(ret_uplink->data_mac, data_link.mac, 6);
    return 0;
}

static int open_pool(struct rtnl *rtnl, int ifindex, const struct cidr *pool,
                     const struct ip *host) {
    struct cidr own = {.ip = *host, .len = (uint8_t)ip_bits(host->family)};
    struct link_route route = {.to = *pool, .from = *host, .ifindex = ifindex};
    int r;

    if (!pool->ip.family)
        return 0;
    r = addr_add(rtnl, ifindex, &own);
    return r < 0 ? r : route_replace(rtnl, &route);
}

int uplink_open(struct rtnl *rtnl, const struct uplink *u) {
    _free_ struct cidr *addrs = NULL;
    size_t n;
    int r = link_set_up(rtnl, u->data_ifindex, true);

    if (r == 0)
        r = link_set_up(rtnl, u->host_ifindex, true);
    if (r == 0)
        r = addr_list(rtnl, u->host_ifindex, &addrs, &n);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++)
        if (!ip_equal(&addrs[i].ip, &u->host4) && !ip_equal(&addrs[i].ip, &u->host6))
            addr_delete(rtnl, u->host_ifindex, &addrs[i]);
    r = open_pool(rtnl, u->host_ifindex, &u->pool4, &u->host4);
    return r < 0 ? r : open_pool(rtnl, u->host_ifindex, &u->pool6, &u->host6);
}
