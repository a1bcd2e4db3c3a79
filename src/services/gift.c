/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets, from the agent: one message that carries them all. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "services/frame.h"

#define PAUSE_MS 100
#define ANSWER_MS 5000

_Static_assert(sizeof(((struct service_gift *)0)->secret) == SERVICES_SECRET, "the same secret");

static void close_all(const int *fds, size_t n) {
    for (size_t i = 0; i < n; i++)
        close(fds[i]);
}

/* -EAGAIN: not now. */
static int receive(int fd, struct services_gift *ret) {
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(ret->fds))];
    } control;
    struct service_gift gift;
    struct iovec io = {.iov_base = &gift, .iov_len = sizeof(gift)};
    struct msghdr msg = {.msg_iov = &io,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    struct pollfd p = {.fd = fd, .events = POLLIN};
    struct cmsghdr *c;
    size_t n = 0;
    ssize_t got;

    if (poll(&p, 1, ANSWER_MS) != 1)
        return -EAGAIN;
    got = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
    if (got <= 0)
        return -EAGAIN;
    c = CMSG_FIRSTHDR(&msg);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
        n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(ret->fds, CMSG_DATA(c), n * sizeof(int));
    }
    if (got != sizeof(gift) || gift.version != SERVICE_GIFT_VERSION ||
        gift.sockets != SERVICE_SOCKETS || n != SERVICE_SOCKETS) {
        close_all(ret->fds, n);
        return -EPROTO;
    }
    memcpy(ret->secret, gift.secret, sizeof(ret->secret));
    return 0;
}

int gift_receive(const char *path, struct services_gift *ret_gift) {
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000};
    struct peer peer;
    bool told = false;

    for (;;) {
        _close_ int fd = unix_connect(path);
        int r = -EAGAIN;

        if (fd >= 0)
            r = unix_peer(fd, &peer) < 0 || peer.uid != 0 ? -EPERM : receive(fd, ret_gift);
        if (r != -EAGAIN)
            return r;
        if (!told)
            log_info("waiting for the agent");
        told = true;
        nanosleep(&pause, NULL);
    }
}
