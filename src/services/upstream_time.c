/* SPDX-License-Identifier: Apache-2.0 */
#include "services/upstream_time.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

struct asked {
    struct event *event;
    int fd;
    time_fn *done;
    void *arg;
};

static unsigned under_way;

static void end(struct asked *a, const void *data, size_t len) {
    under_way--;
    event_free(a->event);
    close(a->fd);
    a->done(a->arg, data, len);
    free(a);
}

static void on_readable(evutil_socket_t fd, short what, void *arg) {
    char data[TIME_BYTES + 1024]; /* with extensions, which nobody asked for */
    struct asked *a = arg;
    ssize_t n = what & EV_READ ? recv(fd, data, sizeof(data), MSG_DONTWAIT) : -1;

    end(a, n >= TIME_BYTES ? data : NULL, n >= TIME_BYTES ? TIME_BYTES : 0);
}

static struct asked *begin(struct event_base *base, const struct sockaddr_storage *server,
                           const void *data) {
    static const struct timeval wait = {.tv_sec = TIME_WAIT_MS / 1000,
                                        .tv_usec = TIME_WAIT_MS % 1000 * 1000};
    _close_ int fd =
        socket(server->ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
    struct asked *a;

    if (fd < 0 ||
        connect(fd, (const struct sockaddr *)server,
                server->ss_family == AF_INET ? sizeof(struct sockaddr_in)
                                             : sizeof(struct sockaddr_in6)) < 0 ||
        send(fd, data, TIME_BYTES, MSG_DONTWAIT | MSG_NOSIGNAL) != TIME_BYTES)
        return NULL;
    a = calloc(1, sizeof(*a));
    if (!a)
        return NULL;
    a->event = event_new(base, fd, EV_READ, on_readable, a);
    if (!a->event || event_add(a->event, &wait) < 0) {
        if (a->event)
            event_free(a->event);
        free(a);
        return NULL;
    }
    a->fd = TAKE_FD(fd);
    return a;
}

void time_ask(struct event_base *base, const struct sockaddr_storage *server, const void *data,
              time_fn *done, void *arg) {
    struct asked *a = under_way < TIME_QUESTIONS ? begin(base, server, data) : NULL;

    if (!a) {
        done(arg, NULL, 0);
        return;
    }
    under_way++;
    a->done = done;
    a->arg = arg;
}
