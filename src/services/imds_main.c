/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metadata service at its door: connections, and their deadline. It runs from the first byte
 * and none renews it: a byte a second gets no further than silence, which the frame ends.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "services/imds.h"
#include "services/imds_conn.h"
#include "services/imds_identity.h"
#include "services/imds_token.h"

#define REQUEST_SECONDS 10

struct guest {
    struct imds_conn *conn;
    struct event *deadline;
    struct visit *visit;
    bool answered;
};

static int64_t clock_now(void) {
    struct timespec ts;

    clock_gettime(CLOCK_BOOTTIME, &ts);
    return ts.tv_sec;
}

static void guest_free(struct guest *g) {
    if (!g)
        return;
    if (g->deadline)
        event_free(g->deadline);
    imds_conn_free(g->conn);
    free(g);
}

static void answer(struct guest *g, const struct buf *out, int hops) {
    g->answered = true;
    event_del(g->deadline);
    /* What must not go further than that is not said otherwise. */
    if (!out->failed && (hops <= 0 || visit_set_hops(g->visit, hops) == 0))
        visit_write(g->visit, buf_str(out), out->len);
    visit_finish(g->visit);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg) {
    struct guest *g = arg;
    _buf_ struct buf out = BUF_INIT;

    services_count(visit_services(g->visit), COUNT_METADATA_BAD);
    imds_conn_late(&out);
    answer(g, &out, 0);
}

static struct guest *guest_new(struct visit *v) {
    static const struct timeval wait = {.tv_sec = REQUEST_SECONDS};
    struct guest *g = calloc(1, sizeof(*g));

    if (!g)
        return NULL;
    g->visit = v;
    g->conn = imds_conn_new();
    g->deadline = evtimer_new(services_base(visit_services(v)), on_deadline, g);
    if (!g->conn || !g->deadline || event_add(g->deadline, &wait) < 0) {
        guest_free(g);
        return NULL;
    }
    visit_set_data(v, g);
    return g;
}

static void count(struct services *s, int status) {
    services_count(s, COUNT_METADATA_REQUESTS);
    if (status == 401)
        services_count(s, COUNT_METADATA_UNAUTHORIZED);
    else if (status >= 400 && status != 404 && status != 403)
        services_count(s, COUNT_METADATA_BAD);
}

static void on_input(void *arg, struct visit *v, struct evbuffer *in) {
    struct services *s = visit_services(v);
    struct guest *g = visit_data(v);
    struct evbuffer_iovec piece;
    struct asker who;
    bool known;

    if (!g)
        g = guest_new(v);
    if (!g) {
        visit_finish(v);
        return;
    }
    known = services_asker(s, visit_number(v), &who);
    while (!g->answered && evbuffer_get_length(in) > 0 &&
           evbuffer_peek(in, -1, NULL, &piece, 1) > 0) {
        _buf_ struct buf out = BUF_INIT;
        int hops, status = imds_conn_feed(g->conn, arg, services_index(s), known ? &who : NULL,
                                          visit_question(v)->family, clock_now(), piece.iov_base,
                                          piece.iov_len, &out, &hops);

        evbuffer_drain(in, piece.iov_len);
        if (status) {
            count(s, status);
            answer(g, &out, hops);
        }
    }
}

static void on_closed(void *arg, struct visit *v) {
    guest_free(visit_data(v));
    visit_set_data(v, NULL);
}

const char *imds_start(struct services *s, const struct services_options *o) {
    static const struct tcp_handlers handlers = {.input = on_input, .closed = on_closed};
    static struct imds imds; /* as long as the process */
    char dir[PATH_MAX];
    const char *why;

    if (imds_token_key(services_secret(s), imds.key) < 0)
        return "cannot make the key of session tokens";
    snprintf(dir, sizeof(dir), "%.4000s/services/identity", o->state_dir);
    /* The rest of the metadata does not depend on it. */
    if (identity_open(dir, &imds.identity, &why) < 0)
        log_warn("%s: identity documents have no signatures", why);
    services_on_tcp(s, DOOR_METADATA, &handlers, &imds);
    return NULL;
}
