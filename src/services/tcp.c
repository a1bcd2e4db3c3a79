/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of instances. A visit ends in the loop and never inside a function that a service
 * calls: `ending` is set and the end comes with the next turn.
 *
 * Finished: what is queued is sent, the sending side closed, and what the client still says is read
 * and thrown away until it closes too (or LINGER_MS): closed at once with unread bytes, the kernel
 * would send a reset that overtakes the answer.
 */
#include <errno.h>
#include <event2/bufferevent.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "services/private.h"

#define ACCEPTS 16 /* a turn */
#define ACCEPT_PAUSE_MS 100
#define LINGER_MS 2000

struct visit {
    struct services *services;
    struct question q;
    enum door door;
    struct bufferevent *bev;
    struct event *life, *end;
    void *data;
    bool finished, lingers, ending;
    int fd;
};

static struct timeval ms(unsigned n) {
    return (struct timeval){.tv_sec = n / 1000, .tv_usec = (suseconds_t)(n % 1000) * 1000};
}

/* ---- how many of whom ---- */

static void visitor_drop(struct services *s, struct visitor *v) {
    if (v->conns)
        return;
    HASH_DEL(s->visitors, v);
    free(v);
}

static bool visitor_enter(struct services *s, uint32_t number) {
    struct visitor *v;

    if (s->conns >= SERVICES_CONNS)
        return false;
    HASH_FIND(hh, s->visitors, &number, sizeof(number), v);
    if (!v) {
        v = calloc(1, sizeof(*v));
        if (!v)
            return false;
        v->number = number;
        HASH_ADD(hh, s->visitors, number, sizeof(v->number), v);
    }
    /* Where half of all is taken, nobody gets many. */
    if (v->conns >=
        (s->conns < SERVICES_CONNS / 2 ? SERVICES_CONNS_PER_ENI : SERVICES_CONNS_PER_ENI / 8)) {
        visitor_drop(s, v);
        return false;
    }
    v->conns++;
    s->conns++;
    return true;
}

static void visitor_leave(struct services *s, uint32_t number) {
    struct visitor *v;

    HASH_FIND(hh, s->visitors, &number, sizeof(number), v);
    if (!v)
        return;
    s->conns--;
    v->conns--;
    visitor_drop(s, v);
}

/* ---- one visit ---- */

static void visit_free(struct visit *v) {
    if (v->bev)
        bufferevent_free(v->bev);
    else if (v->fd >= 0)
        close(v->fd);
    if (v->life)
        event_free(v->life);
    if (v->end)
        event_free(v->end);
    visitor_leave(v->services, v->q.number);
    free(v);
}

static void visit_end(struct visit *v) {
    static const struct timeval now = {0};

    if (v->ending)
        return;
    v->ending = true;
    bufferevent_disable(v->bev, EV_READ | EV_WRITE);
    event_add(v->end, &now);
}

static void on_end(evutil_socket_t fd, short what, void *arg) {
    struct visit *v = arg;
    const struct tcp_handlers *h = &v->services->on_tcp[v->door].handlers;

    if (h->closed)
        h->closed(v->services->on_tcp[v->door].arg, v);
    visit_free(v);
}

static void on_life(evutil_socket_t fd, short what, void *arg) {
    struct visit *v = arg;

    if (!v->lingers)
        services_count(v->services, COUNT_CONNS_TIMED_OUT);
    visit_end(v);
}

static void linger(struct visit *v) {
    const struct timeval wait = ms(LINGER_MS);

    v->lingers = true;
    shutdown(v->fd, SHUT_WR);
    bufferevent_enable(v->bev, EV_READ);
    event_add(v->life, &wait);
}

static void on_read(struct bufferevent *bev, void *arg) {
    struct visit *v = arg;
    struct evbuffer *in = bufferevent_get_input(bev);

    if (v->finished || v->ending) {
        evbuffer_drain(in, evbuffer_get_length(in));
        return;
    }
    v->services->on_tcp[v->door].handlers.input(v->services->on_tcp[v->door].arg, v, in);
    /* A service that leaves so much waits for something that cannot come. */
    if (!v->finished && evbuffer_get_length(in) >= SERVICES_INPUT_MAX)
        visit_end(v);
}

static void on_written(struct bufferevent *bev, void *arg) {
    struct visit *v = arg;

    if (v->finished && !v->lingers && !v->ending)
        linger(v);
}

static void on_event(struct bufferevent *bev, short what, void *arg) {
    struct visit *v = arg;

    if (what & BEV_EVENT_TIMEOUT && !v->lingers)
        services_count(v->services, COUNT_CONNS_TIMED_OUT);
    if (what & BEV_EVENT_EOF && v->finished && !v->lingers) {
        bufferevent_disable(bev, EV_READ); /* what is queued goes first */
        return;
    }
    visit_end(v);
}

static int visit_start(struct visit *v) {
    const struct timeval idle = ms(SERVICES_IDLE_MS), life = ms(SERVICES_LIFE_MS);
    struct event_base *base = v->services->base;

    v->life = evtimer_new(base, on_life, v);
    v->end = evtimer_new(base, on_end, v);
    v->bev = bufferevent_socket_new(base, v->fd, BEV_OPT_CLOSE_ON_FREE);
    if (!v->life || !v->end || !v->bev || event_add(v->life, &life) < 0)
        return -ENOMEM;
    bufferevent_setcb(v->bev, on_read, on_written, on_event, v);
    bufferevent_set_timeouts(v->bev, &idle, &idle);
    bufferevent_setwatermark(v->bev, EV_READ, 0, SERVICES_INPUT_MAX);
    return bufferevent_enable(v->bev, EV_READ | EV_WRITE) < 0 ? -ENOMEM : 0;
}

static void welcome(const struct tcp_socket *t, int accepted, const struct sockaddr_in6 *from) {
    struct services *s = t->services;
    struct question q = {.services = s, .fd = -1};
    _close_ int fd = accepted;
    struct sockaddr_in6 to;
    socklen_t len = sizeof(to);
    struct asker who;
    struct visit *v;

    if (getsockname(fd, (struct sockaddr *)&to, &len) < 0 ||
        !question_of(from, &to.sin6_addr, &q) || !services_asker(s, q.number, &who)) {
        services_count(s, COUNT_UNKNOWN_ASKER);
        return;
    }
    v = visitor_enter(s, q.number) ? calloc(1, sizeof(*v)) : NULL;
    if (!v) {
        services_count(s, COUNT_CONNS_REFUSED);
        return;
    }
    *v = (struct visit){.services = s, .q = q, .door = t->door, .fd = TAKE_FD(fd)};
    services_count(s, COUNT_CONNS);
    if (visit_start(v) < 0)
        visit_free(v);
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg) {
    const struct timeval pause = ms(ACCEPT_PAUSE_MS);
    struct tcp_socket *t = arg;

    for (int i = 0; i < ACCEPTS; i++) {
        struct sockaddr_in6 from = {0};
        socklen_t len = sizeof(from);
        int got = accept4(fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (got >= 0) {
            welcome(t, got, &from);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            event_del(t->event); /* trying again at once would only keep the processor busy */
            event_add(t->again, &pause);
        }
        return;
    }
}

static void on_again(evutil_socket_t fd, short what, void *arg) {
    event_add(((struct tcp_socket *)arg)->event, NULL);
}

/* ---- for services ---- */

void services_on_tcp(struct services *s, enum door door, const struct tcp_handlers *handlers,
                     void *arg) {
    s->on_tcp[door].handlers = *handlers;
    s->on_tcp[door].arg = arg;
}

struct services *visit_services(const struct visit *v) {
    return v->services;
}

uint32_t visit_number(const struct visit *v) {
    return v->q.number;
}

const struct question *visit_question(const struct visit *v) {
    return &v->q;
}

void visit_set_data(struct visit *v, void *data) {
    v->data = data;
}

void *visit_data(const struct visit *v) {
    return v->data;
}

void visit_write(struct visit *v, const void *data, size_t len) {
    struct evbuffer *out = bufferevent_get_output(v->bev);

    if (v->finished || v->ending)
        return;
    if (evbuffer_get_length(out) + len > SERVICES_OUTPUT_MAX ||
        bufferevent_write(v->bev, data, len) < 0)
        visit_end(v);
}

void visit_finish(struct visit *v) {
    if (v->finished || v->ending)
        return;
    v->finished = true;
    if (evbuffer_get_length(bufferevent_get_output(v->bev)) == 0)
        linger(v);
}

int visit_set_hops(struct visit *v, int hops) {
    int r = v->q.family == IP_V4
                ? setsockopt(v->fd, IPPROTO_IP, IP_TTL, &hops, sizeof(hops))
                : setsockopt(v->fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops, sizeof(hops));

    return r < 0 ? -errno : 0;
}

/* ---- life ---- */

int tcp_open(struct services *s, enum door door, enum service_socket which, int fd) {
    struct tcp_socket *t = &s->tcp[which];

    *t = (struct tcp_socket){.services = s, .door = door, .fd = fd};
    t->event = event_new(s->base, fd, EV_READ | EV_PERSIST, on_acceptable, t);
    t->again = evtimer_new(s->base, on_again, t);
    return t->event && t->again ? 0 : -ENOMEM;
}

void tcp_start(struct services *s) {
    for (int i = 0; i < SERVICE_SOCKETS; i++)
        if (s->tcp[i].event && s->on_tcp[s->tcp[i].door].handlers.input)
            event_add(s->tcp[i].event, NULL);
}

void tcp_close(struct services *s) {
    for (int i = 0; i < SERVICE_SOCKETS; i++) {
        if (!s->tcp[i].services)
            continue;
        if (s->tcp[i].event)
            event_free(s->tcp[i].event);
        if (s->tcp[i].again)
            event_free(s->tcp[i].again);
        close(s->tcp[i].fd);
    }
}
