/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions under way are in a table by their number and in a queue by their age: all wait equally
 * long, so the oldest is the next to be given up. A number is never used again, so an answer that
 * comes too late finds nobody. What the socket does not take at once is in a second queue.
 */
#include "services/upstream_client.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uthash.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "services/upstream.h"

#define BATCH 64 /* answers a turn */

struct waiting {
    uint64_t id;
    int64_t due; /* milliseconds, monotonic */
    upstream_fn *done;
    void *arg;
    TAILQ_ENTRY(waiting) queue, unsent;
    UT_hash_handle hh;
    bool sent;
    uint16_t kind;
    size_t len;
    uint8_t data[];
};

struct upstream {
    struct event_base *base;
    char path[PATH_MAX];
    int fd; /* -1: not connected */
    struct event *readable, *writable, *timer;
    uint64_t last_id;
    struct waiting *by_id;
    TAILQ_HEAD(, waiting) by_age, unsent;
};

static int64_t now_ms(void) {
    return (int64_t)(mono_ns() / 1000000);
}

static void forget(struct upstream *u, struct waiting *w) {
    HASH_DEL(u->by_id, w);
    TAILQ_REMOVE(&u->by_age, w, queue);
    if (!w->sent)
        TAILQ_REMOVE(&u->unsent, w, unsent);
    free(w);
}

/* `done` may ask again. */
static void finish(struct upstream *u, struct waiting *w, const void *data, size_t len) {
    upstream_fn *done = w->done;
    void *arg = w->arg;

    forget(u, w);
    done(arg, data, len);
}

static void close_socket(struct upstream *u) {
    if (u->readable)
        event_free(u->readable);
    if (u->writable)
        event_free(u->writable);
    u->readable = u->writable = NULL;
    if (u->fd >= 0)
        close(u->fd);
    u->fd = -1;
}

/* Whoever waits for the old one waits in vain. Those that come meanwhile ask the new one. */
static void lost(struct upstream *u) {
    uint64_t last = u->last_id;
    struct waiting *w;

    close_socket(u);
    while ((w = TAILQ_FIRST(&u->by_age)) && w->id <= last)
        finish(u, w, NULL, 0);
}

static void on_readable(evutil_socket_t fd, short what, void *arg) {
    static uint8_t data[sizeof(struct upstream_header) + UPSTREAM_ANSWER_MAX];
    struct upstream *u = arg;
    struct upstream_header h;
    struct waiting *w;

    for (int i = 0; i < BATCH && u->fd == fd; i++) {
        ssize_t n = recv(fd, data, sizeof(data), MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n < (ssize_t)sizeof(h)) {
            lost(u);
            return;
        }
        memcpy(&h, data, sizeof(h));
        if (h.len != (size_t)n - sizeof(h)) {
            lost(u);
            return;
        }
        HASH_FIND(hh, u->by_id, &h.id, sizeof(h.id), w);
        if (w)
            finish(u, w, data + sizeof(h), h.len);
    }
}

static int send_question(struct upstream *u, const struct waiting *w) {
    const struct upstream_header h = {.id = w->id, .kind = w->kind, .len = (uint16_t)w->len};
    const struct iovec io[] = {{(void *)(uintptr_t)&h, sizeof(h)},
                               {(void *)(uintptr_t)w->data, w->len}};
    const struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)io,
                               .msg_iovlen = ARRAY_SIZE(io)};

    return sendmsg(u->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void on_writable(evutil_socket_t fd, short what, void *arg) {
    struct upstream *u = arg;
    struct waiting *w;
    int r = 0;

    while (r == 0 && (w = TAILQ_FIRST(&u->unsent))) {
        r = send_question(u, w);
        if (r < 0)
            break;
        w->sent = true;
        TAILQ_REMOVE(&u->unsent, w, unsent);
    }
    if (r == -EAGAIN)
        event_add(u->writable, NULL);
    else if (r < 0)
        lost(u);
}

static int open_socket(struct upstream *u) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    _close_ int fd = -1;

    if (u->fd >= 0)
        return 0;
    if (strlen(u->path) >= sizeof(to.sun_path))
        return -ENAMETOOLONG;
    strcpy(to.sun_path, u->path);
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        return -ENOTCONN;
    u->readable = event_new(u->base, fd, EV_READ | EV_PERSIST, on_readable, u);
    u->writable = event_new(u->base, fd, EV_WRITE, on_writable, u);
    if (!u->readable || !u->writable || event_add(u->readable, NULL) < 0) {
        close_socket(u);
        return -ENOMEM;
    }
    u->fd = TAKE_FD(fd);
    return 0;
}

static void set_timer(struct upstream *u) {
    const struct waiting *first = TAILQ_FIRST(&u->by_age);
    int64_t left = first ? first->due - now_ms() : 0;
    struct timeval tv;

    if (!first)
        return;
    left = left > 0 ? left : 0;
    tv = (struct timeval){.tv_sec = left / 1000, .tv_usec = (suseconds_t)(left % 1000) * 1000};
    event_add(u->timer, &tv);
}

static void on_timer(evutil_socket_t fd, short what, void *arg) {
    struct upstream *u = arg;
    int64_t now = now_ms();
    struct waiting *w;

    while ((w = TAILQ_FIRST(&u->by_age)) && w->due <= now)
        finish(u, w, NULL, 0);
    set_timer(u);
}

int upstream_ask(struct upstream *u, uint16_t kind, const void *data, size_t len, upstream_fn *done,
                 void *arg) {
    struct waiting *w;
    int r;

    if (len > UPSTREAM_QUESTION_MAX)
        return -EINVAL;
    if (upstream_waiting(u) >= UPSTREAM_QUESTIONS)
        return -EBUSY;
    w = malloc(sizeof(*w) + len);
    if (!w)
        return -ENOMEM;
    *w = (struct waiting){.id = ++u->last_id,
                          .due = now_ms() + UPSTREAM_WAIT_MS,
                          .done = done,
                          .arg = arg,
                          .kind = kind,
                          .len = len};
    memcpy(w->data, data, len);
    /* A second time when the first finds that the other end was started again. */
    for (int i = 0; i < 2; i++) {
        r = open_socket(u);
        if (r < 0)
            break;
        r = TAILQ_EMPTY(&u->unsent) ? send_question(u, w) : -EAGAIN;
        if (r == 0 || r == -EAGAIN)
            break;
        lost(u);
    }
    if (r < 0 && r != -EAGAIN) {
        free(w);
        return r == -ENOMEM ? r : -ENOTCONN;
    }
    w->sent = r == 0;
    if (!w->sent) {
        TAILQ_INSERT_TAIL(&u->unsent, w, unsent);
        event_add(u->writable, NULL);
    }
    HASH_ADD(hh, u->by_id, id, sizeof(w->id), w);
    TAILQ_INSERT_TAIL(&u->by_age, w, queue);
    if (TAILQ_FIRST(&u->by_age) == w)
        set_timer(u);
    return 0;
}

unsigned upstream_waiting(const struct upstream *u) {
    return HASH_COUNT(u->by_id);
}

struct upstream *upstream_new(struct event_base *base, const char *state_dir) {
    struct upstream *u = calloc(1, sizeof(*u));

    if (!u)
        return NULL;
    u->base = base;
    u->fd = -1;
    TAILQ_INIT(&u->by_age);
    TAILQ_INIT(&u->unsent);
    snprintf(u->path, sizeof(u->path), "%.4000s/%s", state_dir, UPSTREAM_SOCKET);
    u->timer = evtimer_new(base, on_timer, u);
    if (!u->timer) {
        free(u);
        return NULL;
    }
    return u;
}

void upstream_free(struct upstream *u) {
    struct waiting *w;

    if (!u)
        return;
    while ((w = TAILQ_FIRST(&u->by_age)))
        forget(u, w);
    close_socket(u);
    event_free(u->timer);
    free(u);
}
