/* SPDX-License-Identifier: Apache-2.0 */
#include "link/rtnl.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <stdlib.h>
#include <time.h>

#include "link/netns.h"

struct rtnl {
    struct mnl_socket *socket;
    unsigned port;
    unsigned seq;
};

int rtnl_open(int netns_fd, struct rtnl **ret_rtnl) {
    struct rtnl *rtnl = calloc(1, sizeof(*rtnl));
    struct netns_visit visit;
    int r;

    if (!rtnl)
        return -ENOMEM;
    r = netns_enter(netns_fd, &visit);
    if (r < 0) {
        free(rtnl);
        return r;
    }
    rtnl->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    r = rtnl->socket ? 0 : -errno;
    netns_leave(&visit);
    if (r == 0 && mnl_socket_bind(rtnl->socket, 0, MNL_SOCKET_AUTOPID) < 0)
        r = -errno;
    if (r < 0) {
        rtnl_close(rtnl);
        return r;
    }
    rtnl->port = mnl_socket_get_portid(rtnl->socket);
    rtnl->seq = (unsigned)time(NULL);
    *ret_rtnl = rtnl;
    return 0;
}

void rtnl_close(struct rtnl *rtnl) {
    if (!rtnl)
        return;
    if (rtnl->socket)
        mnl_socket_close(rtnl->socket);
    free(rtnl);
}

struct nlmsghdr *rtnl_request(void *buf, int type, int flags) {
    struct nlmsghdr *msg;

    memset(buf, 0, RTNL_REQUEST_SIZE);
    msg = mnl_nlmsg_put_header(buf);
    msg->nlmsg_type = (uint16_t)type;
    msg->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    return msg;
}

struct query {
    int (*each)(const struct nlmsghdr *msg, void *arg);
    void *arg;
    int result;
};

static int query_message(const struct nlmsghdr *msg, void *arg) {
    struct query *q = arg;

    q->result = q->each ? q->each(msg, q->arg) : 0;
    return q->result < 0 ? MNL_CB_ERROR : MNL_CB_OK;
}

/* Whether the answer to request `seq` ends in these bytes. */
static bool is_end(const void *data, size_t size, unsigned seq) {
    const struct nlmsghdr *msg = data;
    int left = (int)size;

    for (; mnl_nlmsg_ok(msg, left); msg = mnl_nlmsg_next(msg, &left))
        if (msg->nlmsg_seq == seq &&
            (msg->nlmsg_type == NLMSG_DONE || msg->nlmsg_type == NLMSG_ERROR))
            return true;
    return false;
}

int rtnl_query(struct rtnl *rtnl, struct nlmsghdr *request,
               int (*each)(const struct nlmsghdr *msg, void *arg), void *arg) {
    struct query q = {.each = each, .arg = arg};
    char *buf;
    int more = MNL_CB_OK, r = 0;

    /* An answer that nobody waited for (an `each` that stopped) has an older number: skipped. */
    request->nlmsg_seq = ++rtnl->seq;
    if (mnl_socket_sendto(rtnl->socket, request, request->nlmsg_len) < 0)
        return -errno;
    buf = malloc((size_t)32768);
    if (!buf)
        return -ENOMEM;
    while (r == 0 && more > MNL_CB_STOP) {
        ssize_t n = mnl_socket_recvfrom(rtnl->socket, buf, 32768);
        const struct nlmsghdr *first = (const void *)buf;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            r = -errno;
            break;
        }
        if ((size_t)n >= sizeof(*first) && first->nlmsg_seq != rtnl->seq)
            continue;
        errno = 0;
        more = mnl_cb_run(buf, (size_t)n, rtnl->seq, rtnl->port, query_message, &q);
        if (more == MNL_CB_ERROR)
            r = q.result < 0 ? q.result : errno ? -errno : -EIO;
        /* While a list is not read to its end the kernel takes no other request (EBUSY). */
        while (r < 0 && (request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP && n > 0 &&
               !is_end(buf, (size_t)n, rtnl->seq))
            do {
                n = mnl_socket_recvfrom(rtnl->socket, buf, 32768);
            } while (n < 0 && errno == EINTR);
        if (r < 0)
            break;
        if (more > MNL_CB_STOP && first->nlmsg_type != NLMSG_ERROR &&
            !(first->nlmsg_flags & NLM_F_MULTI) && !(request->nlmsg_flags & NLM_F_ACK))
            break; /* a single answer to a plain get */
    }
    free(buf);
    return r;
}

int rtnl_do(struct rtnl *rtnl, struct nlmsghdr *request) {
    request->nlmsg_flags |= NLM_F_ACK;
    return rtnl_query(rtnl, request, NULL, NULL);
}

struct table {
    const struct nlattr **at;
    unsigned max;
};

static int table_add(const struct nlattr *attr, void *arg) {
    struct table *t = arg;
    unsigned type = mnl_attr_get_type(attr);

    if (type <= t->max)
        t->at[type] = attr;
    return MNL_CB_OK;
}

void rtnl_attributes(const struct nlmsghdr *msg, size_t offset, const struct nlattr **table,
                     unsigned max) {
    struct table t = {.at = table, .max = max};

    memset(table, 0, (max + 1) * sizeof(*table));
    mnl_attr_parse(msg, (unsigned)offset, table_add, &t);
}
