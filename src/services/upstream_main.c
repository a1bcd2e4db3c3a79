/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vpc-upstream: asks the host's network for vpc-services, which has none (upstream.h). It runs in
 * the host's network namespace, as a user of its own, without privileges.
 */
#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/ip.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/text.h"
#include "services/upstream.h"
#include "services/upstream_resolver.h"
#include "services/upstream_time.h"

#define EXIT_CONFIG 78 /* starting again would not help: vpcd/supervisor.h */
#define BATCH 64       /* questions a turn */
#define CONNS 4        /* one vpc-services, and those before it that are not quite gone */
#define NTP_PORT 123

static const char usage[] =
    "Usage: vpc-upstream --state-dir DIR [--dns-upstream LIST] [--ntp-server ADDRESS] [--peer "
    "UID]\n\n"
    "The part of vpcd that asks the host's network what instances want to know: names of the\n"
    "world, and the time. vpcd starts it.\n\n"
    "  --dns-upstream LIST   ADDRESS[:PORT],... (or [ADDRESS]:PORT), or none; default: the "
    "servers\n"
    "                        of /etc/resolv.conf\n"
    "  --ntp-server ADDRESS  default: 127.0.0.1\n"
    "  --peer UID            who may ask besides root and this program's own user\n"
    "  --help, --version\n";

struct options {
    const char *state_dir, *dns, *ntp;
    int64_t peer;
};

struct server {
    struct event_base *base;
    struct resolver *resolver;
    struct sockaddr_storage ntp;
    int64_t peer;
    int fd;
    unsigned n_conns;
    LIST_HEAD(, conn) conns;
};

struct conn {
    struct server *server;
    struct event *event;
    int fd;
    LIST_HEAD(, question) questions;
    LIST_ENTRY(conn) all;
};

struct question {
    struct conn *conn; /* NULL: nobody waits any more */
    uint64_t id;
    uint16_t kind;
    LIST_ENTRY(question) of_conn;
};

/* ---- one asker ---- */

/* An answer that finds no room is lost: whoever waits for it gives up by himself. */
static void on_answer(void *arg, const void *data, size_t len) {
    struct question *q = arg;

    if (q->conn && len <= UPSTREAM_ANSWER_MAX) {
        struct upstream_header h = {.id = q->id, .kind = q->kind, .len = (uint16_t)len};
        struct iovec io[] = {{&h, sizeof(h)}, {(void *)(uintptr_t)data, len}};
        struct msghdr msg = {.msg_iov = io, .msg_iovlen = ARRAY_SIZE(io)};

        (void)sendmsg(q->conn->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    if (q->conn)
        LIST_REMOVE(q, of_conn);
    free(q);
}

static bool name_fits(const uint8_t *name, size_t len) {
    size_t at = 0;

    while (at < len && name[at] && name[at] < 64)
        at += name[at] + 1u;
    return at + 1 == len && name[at] == 0;
}

/* False: not what vpc-services says. */
static bool ask(struct conn *c, const struct upstream_header *h, const uint8_t *data) {
    struct upstream_dns dns = {0};
    struct question *q;

    if (h->kind == UPSTREAM_DNS) {
        if (h->len < UPSTREAM_DNS_HEAD || h->len > sizeof(dns))
            return false;
        memcpy(&dns, data, h->len);
        if (h->len != UPSTREAM_DNS_HEAD + dns.len || !name_fits(dns.name, dns.len))
            return false;
    } else if (h->kind != UPSTREAM_TIME || h->len != TIME_BYTES) {
        return false;
    }
    q = calloc(1, sizeof(*q));
    if (!q)
        return true;
    *q = (struct question){.conn = c, .id = h->id, .kind = h->kind};
    LIST_INSERT_HEAD(&c->questions, q, of_conn);
    if (h->kind == UPSTREAM_DNS)
        resolver_ask(c->server->resolver, dns.name, dns.type, on_answer, q);
    else
        time_ask(c->server->base, &c->server->ntp, data, on_answer, q);
    return true;
}

static void conn_free(struct conn *c) {
    struct question *q;

    LIST_FOREACH (q, &c->questions, of_conn)
        q->conn = NULL;
    if (c->event)
        event_free(c->event);
    close(c->fd);
    LIST_REMOVE(c, all);
    c->server->n_conns--;
    free(c);
}

static void on_question(evutil_socket_t fd, short what, void *arg) {
    uint8_t data[sizeof(struct upstream_header) + UPSTREAM_QUESTION_MAX];
    struct conn *c = arg;

    for (int i = 0; i < BATCH; i++) {
        ssize_t n = recv(fd, data, sizeof(data), MSG_DONTWAIT | MSG_TRUNC);
        struct upstream_header h;

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n >= (ssize_t)sizeof(h) && (size_t)n <= sizeof(data)) {
            memcpy(&h, data, sizeof(h));
            if (h.len == (size_t)n - sizeof(h) && ask(c, &h, data + sizeof(h)))
                continue;
        }
        if (n > 0)
            log_warn("closing a connection that does not speak as vpc-services does");
        conn_free(c);
        return;
    }
}

/* ---- askers ---- */

static void welcome(struct server *s, int accepted) {
    _close_ int fd = accepted;
    struct peer who;
    struct conn *c;

    if (unix_peer(fd, &who) < 0 ||
        (who.uid != 0 && who.uid != geteuid() && (int64_t)who.uid != s->peer)) {
        log_warn("user %d may not ask here", (int)who.uid);
        return;
    }
    c = s->n_conns < CONNS ? calloc(1, sizeof(*c)) : NULL;
    if (!c)
        return;
    *c = (struct conn){.server = s, .fd = TAKE_FD(fd)};
    LIST_INIT(&c->questions);
    LIST_INSERT_HEAD(&s->conns, c, all);
    s->n_conns++;
    c->event = event_new(s->base, c->fd, EV_READ | EV_PERSIST, on_question, c);
    if (!c->event || event_add(c->event, NULL) < 0)
        conn_free(c);
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg) {
    int got = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (got >= 0)
        welcome(arg, got);
}

/* In a directory that is this user's: nobody else can put a socket in its place. */
static int listen_at(const char *state_dir) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    _close_ int fd = -1;

    if ((size_t)snprintf(at.sun_path, sizeof(at.sun_path), "%s/%s", state_dir, UPSTREAM_SOCKET) >=
        sizeof(at.sun_path))
        return -ENAMETOOLONG;
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || (unlink(at.sun_path) < 0 && errno != ENOENT) ||
        bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || chmod(at.sun_path, 0666) < 0 ||
        listen(fd, CONNS) < 0)
        return -errno;
    return TAKE_FD(fd);
}

/* ---- life ---- */

static int ntp_address(const char *text, struct sockaddr_storage *ret) {
    struct ip ip;

    if (ip_parse(text ? text : "127.0.0.1", &ip) < 0)
        return -EINVAL;
    memset(ret, 0, sizeof(*ret));
    if (ip.family == IP_V4) {
        struct sockaddr_in *in = (struct sockaddr_in *)ret;

        in->sin_family = AF_INET;
        in->sin_port = htons(NTP_PORT);
        memcpy(&in->sin_addr, ip.b, 4);
    } else {
        struct sockaddr_in6 *in = (struct sockaddr_in6 *)ret;

        in->sin6_family = AF_INET6;
        in->sin6_port = htons(NTP_PORT);
        memcpy(&in->sin6_addr, ip.b, 16);
    }
    return 0;
}

static int parse(int argc, char **argv, struct options *ret) {
    enum { STATE_DIR = 256, DNS, NTP, PEER, VERSION };
    static const struct option longs[] = {{"state-dir", 1, NULL, STATE_DIR},
                                          {"dns-upstream", 1, NULL, DNS},
                                          {"ntp-server", 1, NULL, NTP},
                                          {"peer", 1, NULL, PEER},
                                          {"help", 0, NULL, 'h'},
                                          {"version", 0, NULL, VERSION},
                                          {0}};
    int c;

    while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        switch (c) {
        case STATE_DIR:
            ret->state_dir = optarg;
            break;
        case DNS:
            ret->dns = optarg;
            break;
        case NTP:
            ret->ntp = optarg;
            break;
        case PEER:
            if (int_parse(optarg, 0, UINT32_MAX, &ret->peer) < 0) {
                fprintf(stderr, "vpc-upstream: --peer %s: no user's number\n", optarg);
                return -EINVAL;
            }
            break;
        case 'h':
            fputs(usage, stdout);
            return 1;
        case VERSION:
            printf("vpc-upstream %s\n", VPCD_VERSION);
            return 1;
        default:
            return -EINVAL;
        }
    }
    if (!ret->state_dir || optind < argc) {
        fprintf(stderr, "vpc-upstream: see vpc-upstream --help\n");
        return -EINVAL;
    }
    return 0;
}

static void on_end(evutil_socket_t sig, short what, void *arg) {
    event_base_loopbreak(arg);
}

static int run(const struct options *o, struct server *s) {
    struct event *events[3];
    int r = resolver_new(s->base, o->dns, &s->resolver);

    if (r == -EINVAL) {
        log_error("--dns-upstream %s: expected ADDRESS[:PORT],... or none", o->dns);
        return EXIT_CONFIG;
    }
    if (ntp_address(o->ntp, &s->ntp) < 0) {
        log_error("--ntp-server %s: expected an address", o->ntp);
        return EXIT_CONFIG;
    }
    if (r < 0)
        return 1;
    s->fd = listen_at(o->state_dir);
    if (s->fd < 0) {
        log_error("%s/%s: %s", o->state_dir, UPSTREAM_SOCKET, strerror(-s->fd));
        return 1;
    }
    events[0] = evsignal_new(s->base, SIGTERM, on_end, s->base);
    events[1] = evsignal_new(s->base, SIGINT, on_end, s->base);
    events[2] = event_new(s->base, s->fd, EV_READ | EV_PERSIST, on_acceptable, s);
    r = 0;
    for (size_t i = 0; i < ARRAY_SIZE(events); i++)
        if (!events[i] || event_add(events[i], NULL) < 0)
            r = 1;
    if (r == 0) {
        notify_systemd("READY=1");
        event_base_dispatch(s->base);
    }
    for (size_t i = 0; i < ARRAY_SIZE(events); i++)
        if (events[i])
            event_free(events[i]);
    return r;
}

int main(int argc, char **argv) {
    struct options o = {.peer = -1};
    struct server s = {.fd = -1};
    int r = parse(argc, argv, &o);

    if (r != 0)
        return r < 0 ? EXIT_CONFIG : 0;
    log_setup("vpc-upstream", LOG_INFO);
    signal(SIGPIPE, SIG_IGN);
    if (geteuid() == 0) {
        log_error("this reads what the network sends: never as root");
        return EXIT_CONFIG;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return EXIT_CONFIG;
    s.peer = o.peer;
    s.base = event_base_new();
    if (!s.base)
        return 1;
    r = run(&o, &s);
    resolver_free(s.resolver);
    while (!LIST_EMPTY(&s.conns))
        conn_free(LIST_FIRST(&s.conns));
    if (s.fd >= 0)
        close(s.fd);
    event_base_free(s.base);
    return r;
}
