/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams (and router solicitations, which are the same to us): read in batches of a bounded
 * size, each answered from the address that was asked. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "services/frame.h"
#include "services/private.h"

#define BATCH 32
#define DATAGRAM_MAX 9216 /* a frame of the VPC's MTU; fragments do not come this far */

union control {
    struct cmsghdr align;
    char room[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct in_pktinfo))];
};

static bool destination(struct msghdr *msg, struct in6_addr *ret) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        struct in6_pktinfo info;

        if (c->cmsg_level != IPPROTO_IPV6 || c->cmsg_type != IPV6_PKTINFO)
            continue;
        memcpy(&info, CMSG_DATA(c), sizeof(info));
        *ret = info.ipi6_addr;
        return true;
    }
    return false;
}

static void serve(const struct udp_socket *u, struct msghdr *msg, const struct sockaddr_in6 *from,
                  const void *data, size_t len) {
    struct services *s = u->services;
    struct question q = {.services = s, .fd = u->fd};
    struct in6_addr to;
    struct asker who;

    if (msg->msg_flags & (MSG_TRUNC | MSG_CTRUNC) || msg->msg_namelen < sizeof(*from) ||
        !destination(msg, &to) || !question_of(from, &to, &q) ||
        !services_asker(s, q.number, &who)) {
        services_count(s, COUNT_UNKNOWN_ASKER);
        return;
    }
    if (s->on_udp[u->door].fn)
        s->on_udp[u->door].fn(s->on_udp[u->door].arg, &q, data, len);
}

static void on_readable(evutil_socket_t fd, short what, void *arg) {
    static uint8_t data[BATCH][DATAGRAM_MAX];
    struct udp_socket *u = arg;
    struct sockaddr_in6 from[BATCH];
    union control control[BATCH];
    struct mmsghdr messages[BATCH];
    struct iovec io[BATCH];
    int n;

    for (int i = 0; i < BATCH; i++) {
        io[i] = (struct iovec){.iov_base = data[i], .iov_len = DATAGRAM_MAX};
        messages[i].msg_hdr = (struct msghdr){.msg_name = &from[i],
                                              .msg_namelen = sizeof(from[i]),
                                              .msg_iov = &io[i],
                                              .msg_iovlen = 1,
                                              .msg_control = &control[i],
                                              .msg_controllen = sizeof(control[i])};
    }
    n = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < n; i++)
        serve(u, &messages[i].msg_hdr, &from[i], data[i], messages[i].msg_len);
}

void services_answer(const struct question *q, const void *data, size_t len) {
    struct in6_pktinfo info = {.ipi6_addr = q->to.sin6_addr};
    struct sockaddr_in6 to = q->from;
    struct iovec io = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
    union control control = {0};
    struct msghdr msg = {.msg_name = &to,
                         .msg_namelen = sizeof(to),
                         .msg_iov = &io,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = CMSG_SPACE(sizeof(info))};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

    if (q->fd < 0)
        return;
    c->cmsg_level = IPPROTO_IPV6;
    c->cmsg_type = IPV6_PKTINFO;
    c->cmsg_len = CMSG_LEN(sizeof(info));
    memcpy(CMSG_DATA(c), &info, sizeof(info));
    (void)sendmsg(q->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void services_on_udp(struct services *s, enum door door, udp_fn *fn, void *arg) {
    s->on_udp[door].fn = fn;
    s->on_udp[door].arg = arg;
}

int services_udp_fd(const struct services *s, enum service_socket which) {
    return s->udp[which].services ? s->udp[which].fd : -1;
}

int udp_open(struct services *s, enum door door, enum service_socket which, int fd) {
    struct udp_socket *u = &s->udp[which];

    *u = (struct udp_socket){.services = s, .door = door, .fd = fd};
    u->event = event_new(s->base, fd, EV_READ | EV_PERSIST, on_readable, u);
    return u->event ? 0 : -ENOMEM;
}

void udp_start(struct services *s) {
    for (int i = 0; i < SERVICE_SOCKETS; i++)
        if (s->udp[i].event)
            event_add(s->udp[i].event, NULL);
}

void udp_close(struct services *s) {
    for (int i = 0; i < SERVICE_SOCKETS; i++) {
        if (!s->udp[i].services)
            continue;
        if (s->udp[i].event)
            event_free(s->udp[i].event);
        close(s->udp[i].fd);
    }
}
