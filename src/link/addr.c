/* SPDX-License-Identifier: Apache-2.0 */
#include "link/addr.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static uint8_t family_of(const struct ip *ip) {
    return ip->family == IP_V4 ? AF_INET : AF_INET6;
}

static void put_ip(struct nlmsghdr *msg, uint16_t type, const struct ip *ip) {
    mnl_attr_put(msg, type, ip->family == IP_V4 ? 4 : 16, ip->b);
}

static bool get_ip(const struct nlattr *attr, uint8_t family, struct ip *ret_ip) {
    size_t want = family == AF_INET ? 4 : 16;

    if (!attr || mnl_attr_get_payload_len(attr) != want)
        return false;
    *ret_ip = (struct ip){.family = family == AF_INET ? IP_V4 : IP_V6};
    memcpy(ret_ip->b, mnl_attr_get_payload(attr), want);
    return true;
}

static struct nlmsghdr *addr_request(void *buf, int type, int flags, int ifindex,
                                     const struct cidr *addr) {
    struct nlmsghdr *msg = rtnl_request(buf, type, flags);
    struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(msg, sizeof(*ifa));

    ifa->ifa_family = family_of(&addr->ip);
    ifa->ifa_prefixlen = addr->len;
    ifa->ifa_index = (uint32_t)ifindex;
    ifa->ifa_flags = addr->ip.family == IP_V6 ? IFA_F_NODAD : 0;
    if (addr->ip.family == IP_V6 && addr->ip.b[0] == 0xfe && (addr->ip.b[1] & 0xc0) == 0x80)
        ifa->ifa_scope = RT_SCOPE_LINK;
    put_ip(msg, IFA_LOCAL, &addr->ip);
    put_ip(msg, IFA_ADDRESS, &addr->ip);
    return msg;
}

int addr_add(struct rtnl *rtnl, int ifindex, const struct cidr *addr) {
    char buf[RTNL_REQUEST_SIZE];
    int r =
        rtnl_do(rtnl, addr_request(buf, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, ifindex, addr));

    return r == -EEXIST ? 0 : r;
}

int addr_delete(struct rtnl *rtnl, int ifindex, const struct cidr *addr) {
    char buf[RTNL_REQUEST_SIZE];

    return rtnl_do(rtnl, addr_request(buf, RTM_DELADDR, 0, ifindex, addr));
}

struct addrs {
    int ifindex;
    struct cidr *list;
    size_t n;
};

static int collect_addr(const struct nlmsghdr *msg, void *arg) {
    const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(msg);
    const struct nlattr *at[IFA_LOCAL + 1];
    struct addrs *a = arg;
    struct cidr *more, c = {.len = 0};

    if (msg->nlmsg_type != RTM_NEWADDR || (int)ifa->ifa_index != a->ifindex)
        return 0;
    rtnl_attributes(msg, sizeof(*ifa), at, IFA_LOCAL);
    if (!get_ip(at[IFA_LOCAL], ifa->ifa_family, &c.ip) &&
        !get_ip(at[IFA_ADDRESS], ifa->ifa_family, &c.ip))
        return 0;
    c.len = ifa->ifa_prefixlen;
    more = reallocarray(a->list, a->n + 1, sizeof(*more));
    if (!more)
        return -ENOMEM;
    a->list = more;
    a->list[a->n++] = c;
    return 0;
}

int addr_list(struct rtnl *rtnl, int ifindex, struct cidr **ret_addrs, size_t *ret_n) {
    struct addrs a = {.ifindex = ifindex};
    char buf[RTNL_REQUEST_SIZE];
    int r;

    for (int i = 0; i < 16; i++) {
        struct nlmsghdr *msg = rtnl_request(buf, RTM_GETADDR, NLM_F_DUMP);

        mnl_nlmsg_put_extra_header(msg, sizeof(struct ifaddrmsg));
        a.n = 0;
        r = rtnl_query(rtnl, msg, collect_addr, &a);
        if (r != -EINTR)
            break;
    }
    if (r < 0) {
        free(a.list);
        return r;
    }
    *ret_addrs = a.list;
    *ret_n = a.n;
    return 0;
}

/* ---- routes ---- */

static struct nlmsghdr *route_request(void *buf, int type, int flags,
                                      const struct link_route *route) {
    struct nlmsghdr *msg = rtnl_request(buf, type, flags);
    struct rtmsg *rt = mnl_nlmsg_put_extra_header(msg, sizeof(*rt));
    uint32_t table = route->table ? route->table : route->local ? RT_TABLE_LOCAL : RT_TABLE_MAIN;

    rt->rtm_family = family_of(&route->to.ip);
    rt->rtm_dst_len = route->to.len;
    rt->rtm_table = RT_TABLE_UNSPEC; /* the attribute counts */
    rt->rtm_protocol = RTPROT_STATIC;
    rt->rtm_type = route->local ? RTN_LOCAL : RTN_UNICAST;
    rt->rtm_flags = route->onlink ? RTNH_F_ONLINK : 0;
    rt->rtm_scope =
        route->via.family || route->to.ip.family == IP_V6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
    if (route->local && route->to.ip.family == IP_V4)
        rt->rtm_scope = RT_SCOPE_HOST;
    mnl_attr_put_u32(msg, RTA_TABLE, table);
    mnl_attr_put_u32(msg, RTA_OIF, (uint32_t)route->ifindex);
    if (route->to.len)
        put_ip(msg, RTA_DST, &route->to.ip);
    if (route->via.family)
        put_ip(msg, RTA_GATEWAY, &route->via);
    if (route->from.family)
        put_ip(msg, RTA_PREFSRC, &route->from);
    if (route->metric)
        mnl_attr_put_u32(msg, RTA_PRIORITY, route->metric);
    return msg;
}

int route_replace(struct rtnl *rtnl, const struct link_route *route) {
    char buf[RTNL_REQUEST_SIZE];

    return rtnl_do(rtnl, route_request(buf, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route));
}

int route_delete(struct rtnl *rtnl, const struct link_route *route) {
    char buf[RTNL_REQUEST_SIZE];

    return rtnl_do(rtnl, route_request(buf, RTM_DELROUTE, 0, route));
}

struct overlap {
    const struct cidr *pool;
    int except;
    bool found;
    struct link_route route;
};

static int compare_route(const struct nlmsghdr *msg, void *arg) {
    const struct rtmsg *rt = mnl_nlmsg_get_payload(msg);
    const struct nlattr *at[RTA_TABLE + 1];
    struct overlap *o = arg;
    struct link_route route = {.to.len = rt->rtm_dst_len};

    if (msg->nlmsg_type != RTM_NEWROUTE || o->found || rt->rtm_dst_len == 0 ||
        (rt->rtm_flags & RTM_F_CLONED) || rt->rtm_type == RTN_MULTICAST)
        return 0;
    rtnl_attributes(msg, sizeof(*rt), at, RTA_TABLE);
    if (!get_ip(at[RTA_DST], rt->rtm_family, &route.to.ip) || !cidr_overlaps(&route.to, o->pool))
        return 0;
    if (at[RTA_OIF])
        route.ifindex = (int)mnl_attr_get_u32(at[RTA_OIF]);
    if (route.ifindex && route.ifindex == o->except)
        return 0;
    get_ip(at[RTA_GATEWAY], rt->rtm_family, &route.via);
    route.table = at[RTA_TABLE] ? mnl_attr_get_u32(at[RTA_TABLE]) : rt->rtm_table;
    o->route = route;
    o->found = true;
    return 0;
}

int route_find_overlap(struct rtnl *rtnl, const struct cidr *pool, int except_ifindex,
                       struct link_route *ret_route) {
    struct overlap o = {.pool = pool, .except = except_ifindex};
    char buf[RTNL_REQUEST_SIZE];
    int r;

    for (int i = 0; i < 16; i++) {
        struct nlmsghdr *msg = rtnl_request(buf, RTM_GETROUTE, NLM_F_DUMP);
        struct rtmsg *rt = mnl_nlmsg_put_extra_header(msg, sizeof(*rt));

        rt->rtm_family = family_of(&pool->ip);
        r = rtnl_query(rtnl, msg, compare_route, &o);
        if (r != -EINTR || o.found)
            break;
    }
    if (o.found) {
        *ret_route = o.route;
        return 1;
    }
    return r < 0 ? r : 0;
}

int rule_add(struct rtnl *rtnl, const struct cidr *from, uint32_t table, uint32_t priority) {
    char buf[RTNL_REQUEST_SIZE];
    struct nlmsghdr *msg = rtnl_request(buf, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL);
    struct fib_rule_hdr *rule = mnl_nlmsg_put_extra_header(msg, sizeof(*rule));
    int r;

    rule->family = family_of(&from->ip);
    rule->src_len = from->len;
    rule->action = FR_ACT_TO_TBL;
    put_ip(msg, FRA_SRC, &from->ip);
    mnl_attr_put_u32(msg, FRA_TABLE, table);
    mnl_attr_put_u32(msg, FRA_PRIORITY, priority);
    r = rtnl_do(rtnl, msg);
    return r == -EEXIST ? 0 : r;
}
