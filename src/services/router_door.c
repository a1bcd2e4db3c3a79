/* SPDX-License-Identifier: Apache-2.0 */
/* Router solicitations at their socket, and the advertisements that nobody asked for: a slice of
 * the interfaces at a time. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "abi/service.h"
#include "services/frame.h"
#include "services/router.h"

#define SLICES 20 /* of ROUTER_INTERVAL */

static void put32(uint8_t *p, uint32_t v) {
    v = htonl(v);
    memcpy(p, &v, 4);
}

struct router {
    struct services *s;
    struct event *timer;
    unsigned slice;
};

static void advertise(const struct question *q) {
    uint8_t out[ROUTER_ADVERTISEMENT];
    struct asker who;
    size_t n;

    if (!services_asker(q->services, q->number, &who))
        return;
    n = router_advertisement(&who, out);
    if (n)
        services_answer(q, out, n);
}

static void on_solicitation(void *arg, const struct question *q, const void *data, size_t len) {
    struct asker who;

    if (!services_asker(q->services, q->number, &who))
        return;
    if (!router_solicitation_is_valid(&who, q->unspecified, data, len)) {
        services_count(q->services, COUNT_ROUTER_BAD);
        return;
    }
    services_count(q->services, COUNT_ROUTER_SOLICITATIONS);
    advertise(q);
}

static void address6(struct sockaddr_in6 *out, uint32_t first, uint32_t second, uint32_t last) {
    *out = (struct sockaddr_in6){.sin6_family = AF_INET6};
    put32(out->sin6_addr.s6_addr, first);
    put32(out->sin6_addr.s6_addr + 4, second);
    put32(out->sin6_addr.s6_addr + 12, last);
}

/* To everybody on the interface's link, which is the interface. */
static void tell_one(void *arg, uint32_t number) {
    struct router *r = arg;
    struct question q = {.services = r->s,
                         .number = number,
                         .family = IP_V6,
                         .fd = services_udp_fd(r->s, SERVICE_SOCKET_ROUTER)};

    if (number % SLICES != r->slice)
        return;
    address6(&q.from, SERVICE6_LINK, number, 0);
    address6(&q.to, SERVICE6_SERVER, 0, SERVICE6_ROUTER);
    advertise(&q);
}

static void on_timer(evutil_socket_t fd, short what, void *arg) {
    struct router *r = arg;

    services_each(r->s, tell_one, r);
    r->slice = (r->slice + 1) % SLICES;
}

const char *router_start(struct services *s, const struct services_options *o) {
    static const struct timeval interval = {.tv_sec = ROUTER_INTERVAL / SLICES};
    struct router *r = calloc(1, sizeof(*r));

    if (!r)
        return "memory is short";
    r->s = s;
    r->timer = event_new(services_base(s), -1, EV_PERSIST, on_timer, r);
    if (!r->timer || event_add(r->timer, &interval) < 0)
        return "memory is short";
    services_on_udp(s, DOOR_ROUTER, on_solicitation, r);
    return NULL;
}
