/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/services_net.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "link/addr.h"
#include "link/netns.h"

#define SERVICES_MTU 9001
#define INNER "svc0"
#define WHAT "services"
#define LOOPBACK 1 /* the first device of every namespace */
#define RECEIVE_BYTES (4 << 20)
#define BACKLOG 1024

static void netns_name(const struct owner *owner, char out[32]) {
    snprintf(out, 32, "vpcd-%.6s-" WHAT, owner->hash);
}

static void link_name(const struct owner *owner, char out[IFNAMSIZ]) {
    snprintf(out, IFNAMSIZ, "v%.6ss", owner->hash);
}

static bool is_netns(int fd) {
    _rtnl_ struct rtnl *there = NULL;

    return rtnl_open(fd, &there) == 0;
}

static int ensure_netns(const struct owner *owner, int *fd) {
    char name[32];
    int r;

    netns_name(owner, name);
    if (*fd >= 0)
        close(*fd);
    *fd = netns_open(name);
    if (*fd >= 0 && is_netns(*fd))
        return 0;
    if (*fd >= 0)
        close(*fd);
    netns_umount(name); /* half of one, as a crash leaves it */
    *fd = netns_new();
    if (*fd < 0)
        return *fd;
    r = netns_mount(name, *fd);
    return r < 0 ? r : 0;
}

static int set_sysctl(const char *path, const char *value) {
    int fd = open(path, O_WRONLY | O_CLOEXEC), r;

    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    r = write_all(fd, value, strlen(value));
    close(fd);
    return r;
}

/* The namespace's own settings, whatever the host's are. */
static int set_sysctls(void) {
    static const struct {
        const char *path, *value;
    } settings[] = {
        {"/proc/sys/net/ipv4/conf/all/rp_filter", "0\n"},
        {"/proc/sys/net/ipv4/conf/" INNER "/rp_filter", "0\n"},
        {"/proc/sys/net/ipv4/ip_forward", "0\n"},
        {"/proc/sys/net/ipv6/conf/all/forwarding", "0\n"},
        {"/proc/sys/net/ipv6/conf/all/disable_ipv6", "0\n"},
        {"/proc/sys/net/ipv6/conf/" INNER "/disable_ipv6", "0\n"},
        {"/proc/sys/net/ipv6/conf/" INNER "/accept_ra", "0\n"},
        {"/proc/sys/net/ipv6/conf/" INNER "/accept_redirects", "0\n"},
        {"/proc/sys/net/ipv4/tcp_syncookies", "1\n"},
    };
    int r = 0;

    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]) && r == 0; i++)
        r = set_sysctl(settings[i].path, settings[i].value);
    return r;
}

static struct cidr net_of(const char *text) {
    struct cidr c = {0};

    cidr_parse(text, &c);
    return c;
}

/* All addresses that a service may be asked at are this machine's; all that ask are behind the
 * device. There are no neighbours: each route has one next hop, whose MAC nobody asks for. */
static int set_routes(struct rtnl *inside, int ifindex) {
    struct ip via4 = ip_v4(0xa9fe0001), via6 = {.family = IP_V6, .b = {0xfe, 0x80, [15] = 1}};
    const struct link_route routes[] = {
        {.to = net_of("172.16.0.0/12"), .ifindex = LOOPBACK, .local = true},
        {.to = net_of("fd00:ec2::/32"), .ifindex = LOOPBACK, .local = true},
        {.to = net_of("16.0.0.0/4"), .via = via4, .ifindex = ifindex, .onlink = true},
        {.to = net_of("fd76:7063::/32"), .via = via6, .ifindex = ifindex, .onlink = true},
        {.to = net_of("fd76:7064::/32"), .via = via6, .ifindex = ifindex, .onlink = true},
    };
    int r = 0;

    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]) && r == 0; i++)
        r = route_replace(inside, &routes[i]);
    return r;
}

static int set_up_inside(int netns_fd, int ifindex) {
    _rtnl_ struct rtnl *inside = NULL;
    struct netns_visit visit;
    int r = netns_enter(netns_fd, &visit);

    if (r < 0)
        return r;
    r = set_sysctls();
    if (r == 0)
        r = link_disable_offload(INNER);
    netns_leave(&visit);
    if (r == 0)
        r = rtnl_open(netns_fd, &inside);
    if (r == 0)
        r = link_set_up(inside, LOOPBACK, true);
    if (r == 0)
        r = link_set_noarp(inside, ifindex);
    if (r == 0)
        r = link_set_up(inside, ifindex, true);
    return r < 0 ? r : set_routes(inside, ifindex);
}

/* Whether the device is whole: its other end is in this namespace. */
static bool is_whole(const struct link_info *link, int netns_fd, struct link_info *ret_inner) {
    _rtnl_ struct rtnl *inside = NULL;

    return rtnl_open(netns_fd, &inside) == 0 && link_get(inside, INNER, ret_inner) == 0 &&
           ret_inner->ifindex == link->peer;
}

static int ensure_link(const struct owner *owner, struct rtnl *rtnl, int netns_fd,
                       struct link_info *ret_link, struct link_info *ret_inner) {
    char name[IFNAMSIZ], alias[LINK_ALIAS_SIZE];
    struct veth_end end = {.name = name, .netns_fd = -1};
    struct veth_end inner = {.name = INNER, .netns_fd = netns_fd};
    int ifindex, r;

    link_name(owner, name);
    r = link_get(rtnl, name, ret_link);
    if (r == 0 && !owner_what(owner, ret_link))
        return -EEXIST;
    if (r == 0 && is_whole(ret_link, netns_fd, ret_inner))
        return 0;
    if (r == 0)
        r = link_delete(rtnl, ret_link->ifindex);
    if (r < 0 && r != -ENODEV)
        return r;
    r = link_create_veth(rtnl, &end, &inner, owner_alias(owner, WHAT, alias), SERVICES_MTU,
                         &ifindex);
    if (r == 0)
        r = link_disable_ipv6(name);
    if (r == 0)
        r = link_get(rtnl, name, ret_link);
    if (r == 0 && !is_whole(ret_link, netns_fd, ret_inner))
        r = -ENODEV;
    return r;
}

int services_net_ensure(const struct owner *owner, struct rtnl *rtnl, struct dataplane *dp,
                        struct services_net *net, const char **ret_what) {
    struct service_config_value config = {0};
    struct link_info link, inner;
    uint32_t zero = 0;
    int r;

    *ret_what = "the services' namespace";
    r = ensure_netns(owner, &net->netns_fd);
    if (r < 0)
        return r;
    *ret_what = "the services' device";
    r = ensure_link(owner, rtnl, net->netns_fd, &link, &inner);
    if (r == 0)
        r = set_up_inside(net->netns_fd, inner.ifindex);
    if (r < 0)
        return r;
    net->ifindex = link.ifindex;
    *ret_what = "the services' packet filter";
    config.ifindex = (uint32_t)link.ifindex;
    memcpy(config.mac, inner.mac, 6);
    r = dataplane_attach_services(dp, config.ifindex);
    if (r == 0)
        r = dataplane_put(dp, DATAPLANE_SERVICE_CONFIG, &zero, &config);
    /* Up only now: nothing of it ever meets the host's own stack. */
    return r < 0 ? r : link_set_up(rtnl, link.ifindex, true);
}

void services_net_close(struct services_net *net) {
    if (net->netns_fd >= 0)
        close(net->netns_fd);
    net->netns_fd = -1;
}

void services_net_down(const struct owner *owner) {
    char name[32];

    netns_name(owner, name);
    netns_umount(name);
}

/* ---- sockets ---- */

static int set(int fd, int level, int option, int value) {
    return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int open_socket(int type, int protocol, uint16_t port, bool both) {
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    int fd = socket(AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol), r = 0;

    if (fd < 0)
        return -errno;
    if (type != SOCK_RAW)
        r = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, !both);
    if (r == 0 && type == SOCK_STREAM)
        r = set(fd, SOL_SOCKET, SO_REUSEADDR, 1); /* past connections that wait for their end */
    if (r == 0 && type != SOCK_STREAM)
        r = set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    /* Answers come from addresses that are ours by a route, and on no device. */
    if (r == 0 && type != SOCK_STREAM)
        r = set(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1);
    if (r == 0 && type != SOCK_STREAM)
        r = set(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BYTES);
    if (r == 0 && type != SOCK_RAW && bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0)
        r = -errno;
    if (r == 0 && type == SOCK_STREAM && listen(fd, BACKLOG) < 0)
        r = -errno;
    if (r < 0) {
        close(fd);
        return r;
    }
    return fd;
}

static int open_router(void) {
    struct icmp6_filter solicitations;
    int fd = open_socket(SOCK_RAW, IPPROTO_ICMPV6, 0, false), r;

    if (fd < 0)
        return fd;
    ICMP6_FILTER_SETBLOCKALL(&solicitations);
    ICMP6_FILTER_SETPASS(ND_ROUTER_SOLICIT, &solicitations);
    r = setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &solicitations, sizeof(solicitations)) < 0
            ? -errno
            : set(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 255); /* RFC 4861, 4.2 */
    if (r < 0) {
        close(fd);
        return r;
    }
    return fd;
}

static int open_one(enum service_socket which) {
    switch (which) {
    case SERVICE_SOCKET_DNS:
        return open_socket(SOCK_DGRAM, 0, 53, true);
    case SERVICE_SOCKET_DNS_TCP:
        return open_socket(SOCK_STREAM, 0, 53, true);
    case SERVICE_SOCKET_METADATA:
        return open_socket(SOCK_STREAM, 0, 80, true);
    case SERVICE_SOCKET_TIME:
        return open_socket(SOCK_DGRAM, 0, 123, true);
    case SERVICE_SOCKET_DHCP:
        return open_socket(SOCK_DGRAM, 0, 67, true);
    case SERVICE_SOCKET_DHCP6:
        return open_socket(SOCK_DGRAM, 0, 547, false);
    case SERVICE_SOCKET_ROUTER:
        return open_router();
    case SERVICE_SOCKETS:
        break;
    }
    return -EINVAL;
}

int services_net_sockets(const struct services_net *net, int ret_fds[SERVICE_SOCKETS]) {
    struct netns_visit visit;
    int r = netns_enter(net->netns_fd, &visit), n;

    if (r < 0)
        return r;
    for (n = 0; n < SERVICE_SOCKETS; n++) {
        ret_fds[n] = open_one((enum service_socket)n);
        if (ret_fds[n] < 0) {
            r = ret_fds[n];
            break;
        }
    }
    netns_leave(&visit);
    while (r < 0 && n > 0)
        close(ret_fds[--n]);
    return r;
}
