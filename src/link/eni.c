/* SPDX-License-Identifier: Apache-2.0 */
#include "link/eni.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "link/addr.h"

/* Routes of later interfaces lose against those of earlier ones. */
#define METRIC_BASE 512
/* The own routing table of interface N, and the priority of the rules that lead to it. */
#define TABLE_BASE 10000

static struct cidr cidr_of(const struct plug_address *a) {
    return (struct cidr){.ip = a->ip, .len = a->ip.family == IP_V4 ? a->subnet_len : 128};
}

static struct ip router_of(const struct plug_address *a) {
    static const struct ip router6 = {.family = IP_V6, .b = {0xfe, 0x80, [15] = 1}};
    struct cidr c = cidr_of(a);

    if (a->ip.family == IP_V6)
        return router6;
    c = cidr_mask(&c);
    return ip_add(&c.ip, 1);
}

/* Default routes for the family of `a`, its primary address. */
static int add_routes(struct rtnl *inside, int ifindex, unsigned device,
                      const struct plug_address *a) {
    struct link_route route = {.ifindex = ifindex,
                               .to.ip.family = a->ip.family,
                               .via = router_of(a),
                               .metric = METRIC_BASE + device};
    struct cidr subnet = cidr_of(a);
    int r = route_replace(inside, &route);

    if (r < 0 || device == 0)
        return r;
    route.table = TABLE_BASE + device;
    if (a->ip.family == IP_V4) {
        struct link_route link = {
            .ifindex = ifindex, .to = cidr_mask(&subnet), .from = a->ip, .table = route.table};

        r = route_replace(inside, &link);
    }
    return r < 0 ? r : route_replace(inside, &route);
}

static int add_addresses(struct rtnl *inside, int ifindex, const struct plug_spec *spec) {
    bool routed4 = false, routed6 = false;

    for (size_t i = 0; i < spec->n_addrs; i++) {
        const struct plug_address *a = &spec->addrs[i];
        struct cidr c = cidr_of(a);
        bool *routed = a->ip.family == IP_V4 ? &routed4 : &routed6;
        int r = addr_add(inside, ifindex, &c);

        if (r < 0)
            return r;
        if (!*routed) {
            r = add_routes(inside, ifindex, spec->device, a);
            if (r < 0)
                return r;
            *routed = true;
        }
        if (spec->device) {
            c.len = (uint8_t)ip_bits(a->ip.family);
            r = rule_add(inside, &c, TABLE_BASE + spec->device, TABLE_BASE + spec->device);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

static int set_up_inside(int netns_fd, int ifindex, const struct plug_spec *spec) {
    struct cidr local = {.ip.family = IP_V6, .len = 64};
    _rtnl_ struct rtnl *inside = NULL;
    int r = rtnl_open(netns_fd, &inside);

    if (r < 0)
        return r;
    r = link_set_up(inside, ifindex, true);
    if (r < 0)
        return r;
    link_local_of_mac(spec->mac, local.ip.b);
    r = addr_add(inside, ifindex, &local);
    if (r < 0)
        return r;
    return add_addresses(inside, ifindex, spec);
}

int eni_plug(const struct owner *owner, struct rtnl *rtnl, int netns_fd,
             const struct plug_spec *spec, int *ret_ifindex) {
    char name[IFNAMSIZ], inner[IFNAMSIZ], alias[LINK_ALIAS_SIZE];
    struct veth_end end = {.name = owner_eni_name(owner, spec->number, name), .netns_fd = -1};
    struct veth_end peer = {.name = inner, .netns_fd = netns_fd, .mac = spec->mac};
    uint32_t mtu = spec->mtu ? spec->mtu : ENI_MTU;
    struct link_info link;
    int ifindex, r;

    if (spec->number == 0 || spec->number > OWNER_ENI_MAX || spec->n_addrs > ENI_ADDRS_MAX)
        return -EINVAL;
    if (link_get(rtnl, name, &link) == 0)
        return -EEXIST;
    snprintf(inner, sizeof(inner), "eth%u", spec->device);
    owner_alias(owner, spec->id, alias);
    r = link_create_veth(rtnl, &end, &peer, alias, mtu, &ifindex);
    if (r == -EEXIST) {
        /* The instance's root took the name for a device of its own: then any other. */
        snprintf(inner, sizeof(inner), "eth%%d");
        r = link_create_veth(rtnl, &end, &peer, alias, mtu, &ifindex);
    }
    if (r < 0)
        return r;
    r = link_disable_ipv6(name);
    if (r == 0)
        r = link_get_index(rtnl, ifindex, &link);
    if (r == 0)
        r = set_up_inside(netns_fd, link.peer, spec);
    if (r < 0) {
        link_delete(rtnl, ifindex);
        return r;
    }
    *ret_ifindex = ifindex;
    return 0;
}

int eni_open(struct rtnl *rtnl, int ifindex) {
    return link_set_up(rtnl, ifindex, true);
}

int eni_unplug(struct rtnl *rtnl, int ifindex) {
    int r = link_delete(rtnl, ifindex);

    return r == -ENODEV ? 0 : r;
}

int eni_readdress(struct rtnl *rtnl, int ifindex, int netns_fd, const struct plug_address *old,
                  size_t n_old, const struct plug_spec *spec) {
    _rtnl_ struct rtnl *inside = NULL;
    struct link_info link;
    int r = link_get_index(rtnl, ifindex, &link);

    if (r == 0)
        r = rtnl_open(netns_fd, &inside);
    if (r < 0)
        return r;
    /* New ones first: a family never loses its last address, and with it its routes. */
    r = add_addresses(inside, link.peer, spec);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n_old; i++) {
        struct cidr c = cidr_of(&old[i]);
        bool kept = false;

        for (size_t j = 0; j < spec->n_addrs && !kept; j++)
            kept = ip_equal(&old[i].ip, &spec->addrs[j].ip);
        if (kept)
            continue;
        r = addr_delete(inside, link.peer, &c);
        if (r < 0 && r != -EADDRNOTAVAIL)
            return r;
    }
    /* Taking a primary address away took its secondary ones and routes along. */
    return n_old ? add_addresses(inside, link.peer, spec) : 0;
}
