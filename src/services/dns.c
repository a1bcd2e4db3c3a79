/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a question costs whom:
 *
 *   an interface has DNS_RATE questions a second, refilled all the time; a datagram beyond it is
 *   dropped, a connection that sends more is read on when there is room again;
 *
 *   of the places for questions upstream it may hold DNS_WAITING_PER_ENI, and never more than an
 *   eighth of those that are free: so whoever comes last still finds some, however many others
 *   fill theirs. Beyond it the answer is SERVFAIL, at once.
 *
 * A question that waits is a `struct pending`. It belongs to the interface's `struct client`, which
 * lives as long as something waits or its rate is not full again, and it may outlive its
 * connection.
 */
#include "services/dns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <uthash.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "services/dns_answer.h"
#include "services/upstream.h"
#include "services/upstream_client.h"

#define SWEEP_SECONDS 5
#define RESUME_MS 20

struct client {
    uint32_t number;
    unsigned waiting;
    double tokens;
    uint64_t filled; /* when, mono_ns */
    UT_hash_handle hh;
};

struct conn {
    struct dns *dns;
    struct visit *visit;
    struct evbuffer *in;
    struct event *resume;
    unsigned waiting;
    LIST_HEAD(, pending) pending;
};

struct pending {
    struct dns *dns;
    struct client *client;
    struct conn *conn; /* NULL: a datagram, or the connection has ended */
    struct question question;
    struct dns_query query;
    bool tcp;
    LIST_ENTRY(pending) of_conn, all;
};

struct dns {
    struct services *services;
    struct upstream *upstream;
    struct client *clients;
    LIST_HEAD(, pending) pending;
    struct event *sweep;
    uint8_t message[DNS_MESSAGE_MAX]; /* from a connection */
    uint8_t out[2 + DNS_MESSAGE_MAX]; /* the length of a message on a connection, and the message */
};

/* ---- clients ---- */

static void refill(struct client *c) {
    uint64_t now = mono_ns();

    c->tokens += (double)(now - c->filled) * DNS_RATE / 1e9;
    if (c->tokens > DNS_RATE)
        c->tokens = DNS_RATE;
    c->filled = now;
}

static struct client *client_of(struct dns *d, uint32_t number) {
    struct client *c;

    HASH_FIND(hh, d->clients, &number, sizeof(number), c);
    if (!c) {
        c = calloc(1, sizeof(*c));
        if (!c)
            return NULL;
        *c = (struct client){.number = number, .tokens = DNS_RATE, .filled = mono_ns()};
        HASH_ADD(hh, d->clients, number, sizeof(c->number), c);
    }
    refill(c);
    return c;
}

static void on_sweep(evutil_socket_t fd, short what, void *arg) {
    struct dns *d = arg;
    struct client *c, *next;

    HASH_ITER (hh, d->clients, c, next) {
        refill(c);
        if (c->waiting || c->tokens < DNS_RATE)
            continue;
        HASH_DEL(d->clients, c);
        free(c);
    }
}

static bool may_wait(const struct dns *d, const struct client *c) {
    unsigned waiting = upstream_waiting(d->upstream);
    unsigned left = waiting < UPSTREAM_QUESTIONS ? UPSTREAM_QUESTIONS - waiting : 0;
    unsigned share = left / 8 < DNS_WAITING_PER_ENI ? left / 8 : DNS_WAITING_PER_ENI;

    return c->waiting < (share ? share : 1);
}

/* ---- upstream ---- */

/* On a connection the length goes ahead. */
static void say(struct dns *d, const struct question *q, struct visit *v, size_t len) {
    if (!v) {
        services_answer(q, d->out + 2, len);
        return;
    }
    d->out[0] = (uint8_t)(len >> 8);
    d->out[1] = (uint8_t)len;
    visit_write(v, d->out, 2 + len);
}

static void on_answer(void *arg, const void *data, size_t len) {
    struct pending *p = arg;
    struct dns *d = p->dns;
    struct conn *c = p->conn;

    if (len)
        len = dns_relayed(&p->query, p->tcp, data, len, d->out + 2);
    else
        len =
            dns_failed(&p->query, p->tcp, DNS_SERVFAIL, DNS_WHY_NO_REACHABLE_AUTHORITY, d->out + 2);
    if ((d->out[2 + 3] & 0xf) == DNS_SERVFAIL)
        services_count(d->services, COUNT_DNS_FAILED);
    if (!p->tcp || c)
        say(d, &p->question, c ? c->visit : NULL, len);
    p->client->waiting--;
    if (c) {
        LIST_REMOVE(p, of_conn);
        c->waiting--;
    }
    LIST_REMOVE(p, all);
    free(p);
    if (c)
        event_active(c->resume, EV_TIMEOUT, 0);
}

/* The bytes of a failure in d->out, or 0: the answer comes later. */
static size_t ask(struct dns *d, struct client *client, const struct question *q, struct conn *conn,
                  const struct dns_query *query) {
    struct upstream_dns u = {.type = query->type, .len = query->name.len};
    struct pending *p = may_wait(d, client) ? calloc(1, sizeof(*p)) : NULL;

    memcpy(u.name, query->name.wire, query->name.len);
    if (p) {
        *p = (struct pending){.dns = d,
                              .client = client,
                              .conn = conn,
                              .question = *q,
                              .query = *query,
                              .tcp = conn != NULL};
        /* Counted first: upstream_ask() may finish others of the same client. */
        client->waiting++;
        if (upstream_ask(d->upstream, UPSTREAM_DNS, &u, UPSTREAM_DNS_HEAD + u.len, on_answer, p) ==
            0) {
            services_count(d->services, COUNT_DNS_RELAYED);
            LIST_INSERT_HEAD(&d->pending, p, all);
            if (conn) {
                LIST_INSERT_HEAD(&conn->pending, p, of_conn);
                conn->waiting++;
            }
            return 0;
        }
        client->waiting--;
        free(p);
    }
    services_count(d->services, COUNT_DNS_FAILED);
    return dns_failed(query, conn != NULL, DNS_SERVFAIL, DNS_WHY_NO_REACHABLE_AUTHORITY,
                      d->out + 2);
}

/* One message. False: it was none; nothing is answered. */
static bool serve(struct dns *d, struct client *client, const struct question *q, struct conn *conn,
                  const uint8_t *msg, size_t len) {
    enum dns_verdict verdict;
    struct dns_query query;
    struct asker who;
    size_t n = 0;

    if (!services_asker(d->services, q->number, &who)) {
        services_count(d->services, COUNT_UNKNOWN_ASKER);
        return false;
    }
    verdict = dns_answer(services_index(d->services), who.vpc, conn != NULL, msg, len, &query,
                         d->out + 2, &n);
    if (verdict == DNS_DROP) {
        services_count(d->services, COUNT_DNS_BAD);
        return false;
    }
    services_count(d->services, COUNT_DNS_QUERIES);
    if (verdict == DNS_ASK)
        n = ask(d, client, q, conn, &query);
    if (n)
        say(d, q, conn ? conn->visit : NULL, n);
    return true;
}

/* ---- datagrams ---- */

static void on_query(void *arg, const struct question *q, const void *data, size_t len) {
    struct dns *d = arg;
    struct client *c = client_of(d, q->number);

    if (!c || c->tokens < 1) {
        services_count(d->services, COUNT_DNS_LIMITED);
        return;
    }
    c->tokens--;
    (void)serve(d, c, q, NULL, data, len);
}

/* ---- connections ---- */

/* Whole messages out of what was read: as many as may wait, and as its rate lets. */
static void read_on(struct conn *c) {
    static const struct timeval later = {.tv_usec = RESUME_MS * 1000};
    struct dns *d = c->dns;

    while (c->waiting < DNS_WAITING_PER_CONN) {
        struct client *client = client_of(d, visit_number(c->visit));
        uint8_t head[2];
        size_t len;

        if (evbuffer_copyout(c->in, head, sizeof(head)) < (ssize_t)sizeof(head))
            return;
        len = (size_t)(head[0] << 8 | head[1]);
        if (evbuffer_get_length(c->in) < sizeof(head) + len)
            return;
        if (!client || client->tokens < 1) {
            event_add(c->resume, &later);
            return;
        }
        client->tokens--;
        evbuffer_drain(c->in, sizeof(head));
        evbuffer_remove(c->in, d->message, len);
        if (!serve(d, client, visit_question(c->visit), c, d->message, len)) {
            evbuffer_drain(c->in, evbuffer_get_length(c->in));
            visit_finish(c->visit); /* what stands behind no message is none either */
            return;
        }
    }
}

static void on_resume(evutil_socket_t fd, short what, void *arg) {
    read_on(arg);
}

static void on_closed(void *arg, struct visit *v) {
    struct conn *c = visit_data(v);
    struct pending *p;

    if (!c)
        return;
    LIST_FOREACH (p, &c->pending, of_conn)
        p->conn = NULL;
    event_free(c->resume);
    free(c);
}

static void on_input(void *arg, struct visit *v, struct evbuffer *in) {
    struct dns *d = arg;
    struct conn *c = visit_data(v);

    if (!c) {
        c = calloc(1, sizeof(*c));
        if (c && !(c->resume = evtimer_new(services_base(d->services), on_resume, c))) {
            free(c);
            c = NULL;
        }
        if (!c) {
            visit_finish(v);
            return;
        }
        c->dns = d;
        c->visit = v;
        LIST_INIT(&c->pending);
        visit_set_data(v, c);
    }
    c->in = in;
    read_on(c);
}

/* ---- life ---- */

struct dns *dns_new(struct services *s, struct upstream *up) {
    static const struct tcp_handlers handlers = {.input = on_input, .closed = on_closed};
    static const struct timeval period = {.tv_sec = SWEEP_SECONDS};
    struct dns *d = calloc(1, sizeof(*d));

    if (!d)
        return NULL;
    d->services = s;
    d->upstream = up;
    d->sweep = event_new(services_base(s), -1, EV_PERSIST, on_sweep, d);
    if (!d->sweep || event_add(d->sweep, &period) < 0) {
        dns_free(d);
        return NULL;
    }
    services_on_udp(s, DOOR_DNS, on_query, d);
    services_on_tcp(s, DOOR_DNS, &handlers, d);
    return d;
}

const char *dns_start(struct services *s, const struct services_options *o) {
    return dns_new(s, services_upstream(s)) ? NULL : "not enough memory";
}

void dns_free(struct dns *d) {
    struct client *c, *next;
    struct pending *p;

    if (!d)
        return;
    while ((p = LIST_FIRST(&d->pending))) {
        LIST_REMOVE(p, all);
        free(p);
    }
    HASH_ITER (hh, d->clients, c, next) {
        HASH_DEL(d->clients, c);
        free(c);
    }
    if (d->sweep)
        event_free(d->sweep);
    free(d);
}
