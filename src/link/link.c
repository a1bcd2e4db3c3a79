/* SPDX-License-Identifier: Apache-2.0 */
#include "link/link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/io.h"

static struct nlmsghdr *link_request(void *buf, int type, int flags, int ifindex) {
    struct nlmsghdr *msg = rtnl_request(buf, type, flags);
    struct ifinfomsg *info = mnl_nlmsg_put_extra_header(msg, sizeof(*info));

    info->ifi_family = AF_UNSPEC;
    info->ifi_index = ifindex;
    return msg;
}

static void put_end(struct nlmsghdr *msg, const struct veth_end *end, uint32_t mtu) {
    mnl_attr_put_strz(msg, IFLA_IFNAME, end->name);
    mnl_attr_put_u32(msg, IFLA_MTU, mtu);
    if (end->mac)
        mnl_attr_put(msg, IFLA_ADDRESS, 6, end->mac);
    if (end->netns_fd >= 0)
        mnl_attr_put_u32(msg, IFLA_NET_NS_FD, (uint32_t)end->netns_fd);
}

/* How the kernel makes IPv6 link-local addresses. It takes this of existing devices only. */
static int set_addr_gen_mode(struct rtnl *rtnl, int ifindex, uint8_t mode) {
    char buf[RTNL_REQUEST_SIZE];
    struct nlmsghdr *msg = link_request(buf, RTM_NEWLINK, 0, ifindex);
    struct nlattr *spec = mnl_attr_nest_start(msg, IFLA_AF_SPEC);
    struct nlattr *inet6 = mnl_attr_nest_start(msg, AF_INET6);
    int r;

    mnl_attr_put_u8(msg, IFLA_INET6_ADDR_GEN_MODE, mode);
    mnl_attr_nest_end(msg, inet6);
    mnl_attr_nest_end(msg, spec);
    r = rtnl_do(rtnl, msg);
    return r == -EAFNOSUPPORT || r == -EOPNOTSUPP ? 0 : r;
}

int link_create_veth(struct rtnl *rtnl, const struct veth_end *end, const struct veth_end *peer,
                     const char *alias, uint32_t mtu, int *ret_ifindex) {
    char buf[RTNL_REQUEST_SIZE];
    struct nlmsghdr *msg = link_request(buf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
    struct nlattr *info, *data, *other;
    struct link_info made;
    int r;

    if (strlen(alias) >= LINK_ALIAS_SIZE)
        return -ENAMETOOLONG;
    put_end(msg, end, mtu);
    info = mnl_attr_nest_start(msg, IFLA_LINKINFO);
    mnl_attr_put_strz(msg, IFLA_INFO_KIND, "veth");
    data = mnl_attr_nest_start(msg, IFLA_INFO_DATA);
    other = mnl_attr_nest_start(msg, VETH_INFO_PEER);
    mnl_nlmsg_put_extra_header(msg, sizeof(struct ifinfomsg));
    put_end(msg, peer, mtu);
    mnl_attr_nest_end(msg, other);
    mnl_attr_nest_end(msg, data);
    mnl_attr_nest_end(msg, info);
    r = rtnl_do(rtnl, msg);
    if (r < 0)
        return r;

    r = link_get(rtnl, end->name, &made);
    if (r < 0)
        return r;
    r = link_set_alias(rtnl, made.ifindex, alias);
    if (r == 0 && !end->eui64)
        r = set_addr_gen_mode(rtnl, made.ifindex, IN6_ADDR_GEN_MODE_NONE);
    if (r == 0 && !peer->eui64) {
        struct rtnl *there = rtnl;

        if (peer->netns_fd >= 0)
            r = rtnl_open(peer->netns_fd, &there);
        if (r == 0)
            r = set_addr_gen_mode(there, made.peer, IN6_ADDR_GEN_MODE_NONE);
        if (there != rtnl)
            rtnl_close(there);
    }
    if (r < 0) {
        link_delete(rtnl, made.ifindex);
        return r;
    }
    *ret_ifindex = made.ifindex;
    return 0;
}

int link_delete(struct rtnl *rtnl, int ifindex) {
    char buf[RTNL_REQUEST_SIZE];

    return rtnl_do(rtnl, link_request(buf, RTM_DELLINK, 0, ifindex));
}

int link_set_up(struct rtnl *rtnl, int ifindex, bool up) {
    char buf[RTNL_REQUEST_SIZE];
    struct nlmsghdr *msg = link_request(buf, RTM_NEWLINK, 0, ifindex);
    struct ifinfomsg *info = mnl_nlmsg_get_payload(msg);

    info->ifi_change = IFF_UP;
    info->ifi_flags = up ? IFF_UP : 0;
    return rtnl_do(rtnl, msg);
}

int link_set_noarp(struct rtnl *rtnl, int ifindex) {
    char buf[RTNL_REQUEST_SIZE];
    struct nlmsghdr *msg = link_request(buf, RTM_NEWLINK, 0, ifindex);
    struct ifinfomsg *info = mnl_nlmsg_get_payload(msg);

    info->ifi_change = IFF_NOARP;
    info->ifi_flags = IFF_NOARP;
    return rtnl_do(rtnl, msg);
}

int link_disable_offload(const char *name) {
    struct ethtool_value off = {.cmd = ETHTOOL_STXCSUM};
    struct ifreq request = {.ifr_data = (void *)&off};
    _close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    if (snprintf(request.ifr_name, IFNAMSIZ, "%s", name) >= IFNAMSIZ)
        return -ENODEV;
    return ioctl(fd, SIOCETHTOOL, &request) < 0 ? -errno : 0;
}

int link_set_alias(struct rtnl *rtnl, int ifindex, const char *alias) {
    char buf[RTNL_REQUEST_SIZE];
    struct nlmsghdr *msg = link_request(buf, RTM_NEWLINK, 0, ifindex);

    mnl_attr_put_str(msg, IFLA_IFALIAS, alias);
    return rtnl_do(rtnl, msg);
}

int link_set_mtu(struct rtnl *rtnl, int ifindex, uint32_t mtu) {
    char buf[RTNL_REQUEST_SIZE];
    struct nlmsghdr *msg = link_request(buf, RTM_NEWLINK, 0, ifindex);

    mnl_attr_put_u32(msg, IFLA_MTU, mtu);
    return rtnl_do(rtnl, msg);
}

int link_no_local_address(struct rtnl *rtnl, int ifindex) {
    return set_addr_gen_mode(rtnl, ifindex, IN6_ADDR_GEN_MODE_NONE);
}

int link_disable_ipv6(const char *name) {
    char path[128];
    _close_ int fd = -1;

    snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    return write_all(fd, "1\n", 2);
}

/* ---- reading ---- */

static void copy_text(char *out, size_t size, const struct nlattr *attr) {
    const char *s = mnl_attr_get_payload(attr);
    size_t len = strnlen(s, mnl_attr_get_payload_len(attr));

    if (len >= size)
        len = size - 1;
    memcpy(out, s, len);
    out[len] = 0;
}

static int link_kind(const struct nlattr *attr, void *arg) {
    struct link_info *out = arg;

    if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
        copy_text(out->kind, sizeof(out->kind), attr);
    return MNL_CB_OK;
}

static void link_of_message(const struct nlmsghdr *msg, struct link_info *out) {
    const struct ifinfomsg *info = mnl_nlmsg_get_payload(msg);
    const struct nlattr *at[IFLA_CARRIER + 1];
    struct rtnl_link_stats64 stats = {0};

    rtnl_attributes(msg, sizeof(*info), at, IFLA_CARRIER);
    *out = (struct link_info){.ifindex = info->ifi_index, .up = info->ifi_flags & IFF_UP};
    if (at[IFLA_IFNAME])
        copy_text(out->name, sizeof(out->name), at[IFLA_IFNAME]);
    if (at[IFLA_IFALIAS])
        copy_text(out->alias, sizeof(out->alias), at[IFLA_IFALIAS]);
    if (at[IFLA_MTU])
        out->mtu = mnl_attr_get_u32(at[IFLA_MTU]);
    if (at[IFLA_LINK])
        out->peer = (int)mnl_attr_get_u32(at[IFLA_LINK]);
    if (at[IFLA_ADDRESS] && mnl_attr_get_payload_len(at[IFLA_ADDRESS]) == 6)
        memcpy(out->mac, mnl_attr_get_payload(at[IFLA_ADDRESS]), 6);
    if (at[IFLA_CARRIER])
        out->carrier = mnl_attr_get_u8(at[IFLA_CARRIER]) != 0;
    if (at[IFLA_STATS64]) {
        size_t len = mnl_attr_get_payload_len(at[IFLA_STATS64]);

        memcpy(&stats, mnl_attr_get_payload(at[IFLA_STATS64]),
               len < sizeof(stats) ? len : sizeof(stats));
        out->tx_dropped = stats.tx_dropped;
    }
    if (at[IFLA_LINKINFO])
        mnl_attr_parse_nested(at[IFLA_LINKINFO], link_kind, out);
}

struct found {
    const char *prefix;
    struct link_info *links;
    size_t n, cap;
};

static int collect(const struct nlmsghdr *msg, void *arg) {
    struct found *f = arg;
    struct link_info info;

    if (msg->nlmsg_type != RTM_NEWLINK)
        return 0;
    link_of_message(msg, &info);
    if (strncmp(info.name, f->prefix, strlen(f->prefix)) != 0)
        return 0;
    if (f->n == f->cap) {
        size_t cap = f->cap ? f->cap * 2 : 16;
        struct link_info *more = reallocarray(f->links, cap, sizeof(*more));

        if (!more)
            return -ENOMEM;
        f->links = more;
        f->cap = cap;
    }
    f->links[f->n++] = info;
    return 0;
}

int link_list(struct rtnl *rtnl, const char *prefix, struct link_info **ret_links, size_t *ret_n) {
    struct found f = {.prefix = prefix};
    char buf[RTNL_REQUEST_SIZE];
    int r;

    /* Devices that came or went while the kernel listed them: list again, within a bound. */
    for (int i = 0; i < 16; i++) {
        f.n = 0;
        r = rtnl_query(rtnl, link_request(buf, RTM_GETLINK, NLM_F_DUMP, 0), collect, &f);
        if (r != -EINTR)
            break;
    }
    if (r < 0) {
        free(f.links);
        return r;
    }
    *ret_links = f.links;
    *ret_n = f.n;
    return 0;
}

static int get_one(struct rtnl *rtnl, struct nlmsghdr *msg, struct link_info *ret_info) {
    struct found f = {.prefix = ""};
    int r = rtnl_query(rtnl, msg, collect, &f);

    if (r == 0 && f.n == 0)
        r = -ENODEV;
    if (r == 0)
        *ret_info = f.links[0];
    free(f.links);
    return r;
}

int link_get(struct rtnl *rtnl, const char *name, struct link_info *ret_info) {
    char buf[RTNL_REQUEST_SIZE];
    struct nlmsghdr *msg = link_request(buf, RTM_GETLINK, 0, 0);

    if (strlen(name) >= IFNAMSIZ)
        return -ENODEV;
    mnl_attr_put_strz(msg, IFLA_IFNAME, name);
    return get_one(rtnl, msg, ret_info);
}

int link_get_index(struct rtnl *rtnl, int ifindex, struct link_info *ret_info) {
    char buf[RTNL_REQUEST_SIZE];

    return get_one(rtnl, link_request(buf, RTM_GETLINK, 0, ifindex), ret_info);
}

void link_local_of_mac(const uint8_t mac[6], uint8_t ret_addr[16]) {
    const uint8_t addr[16] = {0xfe,       0x80,   0,      0,    0,    0,      0,      0,
                              mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]};

    memcpy(ret_addr, addr, 16);
}
