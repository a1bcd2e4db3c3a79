/* SPDX-License-Identifier: Apache-2.0 */
#include "link/monitor.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "link/rtnl.h"

struct link_monitor {
    struct mnl_socket *socket;
};

int link_monitor_open(struct link_monitor **ret_monitor) {
    struct link_monitor *m = calloc(1, sizeof(*m));
    int size = 1 << 20;

    if (!m)
        return -ENOMEM;
    m->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (!m->socket || mnl_socket_bind(m->socket, RTMGRP_LINK, MNL_SOCKET_AUTOPID) < 0) {
        int r = -errno;

        link_monitor_close(m);
        return r;
    }
    /* Room for a few thousand devices that go at once; more than that is a relisting. */
    setsockopt(mnl_socket_get_fd(m->socket), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
    *ret_monitor = m;
    return 0;
}

void link_monitor_close(struct link_monitor *monitor) {
    if (!monitor)
        return;
    if (monitor->socket)
        mnl_socket_close(monitor->socket);
    free(monitor);
}

int link_monitor_fd(const struct link_monitor *monitor) {
    return mnl_socket_get_fd(monitor->socket);
}

struct news {
    void (*gone)(int ifindex, const char *name, void *arg);
    void *arg;
};

static int news_message(const struct nlmsghdr *msg, void *arg) {
    const struct ifinfomsg *info = mnl_nlmsg_get_payload(msg);
    const struct nlattr *at[IFLA_IFNAME + 1];
    struct news *news = arg;

    /* Bridges report their ports with the same message type and a family of their own. */
    if (msg->nlmsg_type != RTM_DELLINK || info->ifi_family != AF_UNSPEC)
        return MNL_CB_OK;
    rtnl_attributes(msg, sizeof(*info), at, IFLA_IFNAME);
    news->gone(info->ifi_index, at[IFLA_IFNAME] ? mnl_attr_get_str(at[IFLA_IFNAME]) : "",
               news->arg);
    return MNL_CB_OK;
}

int link_monitor_read(struct link_monitor *monitor,
                      void (*gone)(int ifindex, const char *name, void *arg), void *arg) {
    struct news news = {.gone = gone, .arg = arg};
    char buf[32768] __attribute__((aligned(NLMSG_ALIGNTO)));
    bool lost = false;

    for (;;) {
        ssize_t n = mnl_socket_recvfrom(monitor->socket, buf, sizeof(buf));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == ENOBUFS) {
            lost = true;
            continue;
        }
        if (n < 0)
            return errno == EAGAIN ? lost : -errno;
        mnl_cb_run(buf, (size_t)n, 0, 0, news_message, &news);
    }
}
