/* SPDX-License-Identifier: Apache-2.0 */
#include "services/router.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "abi/service.h"
#include "services/frame.h"

#define SOLICITATION 133
#define ADVERTISEMENT 134
#define SOURCE_MAC 1
#define PREFIX 3
#define MTU 5
#define MANAGED 0x80
#define ON_LINK 0x80
#define HOPS 255
#define SLICES 20 /* of ROUTER_INTERVAL */

/* Of the router in every subnet (agent/outside.c). */
static const uint8_t router_mac[6] = {0x06, 0, 0, 0, 0, 1};

bool router_solicitation_is_valid(const struct asker *who, bool unspecified, const void *data,
                                  size_t len) {
    const uint8_t *p = data;

    if (len < 8 || p[0] != SOLICITATION || p[1] != 0)
        return false;
    for (size_t at = 8; at < len;) {
        if (len - at < 8 || !p[at + 1] || len - at < 8u * p[at + 1])
            return false;
        if (p[at] == SOURCE_MAC && (unspecified || memcmp(p + at + 2, who->eni->mac, 6) != 0))
            return false;
        at += 8u * p[at + 1];
    }
    return true;
}

static void put16(uint8_t *p, uint16_t v) {
    v = htons(v);
    memcpy(p, &v, 2);
}

static void put32(uint8_t *p, uint32_t v) {
    v = htonl(v);
    memcpy(p, &v, 4);
}

size_t router_advertisement(const struct asker *who, uint8_t out[ROUTER_ADVERTISEMENT]) {
    const struct cidr *c = subnet_cidr6(who->subnet);
    uint8_t *mac = out + 16, *mtu = out + 24, *prefix = out + 32;

    if (!c)
        return 0;
    memset(out, 0, ROUTER_ADVERTISEMENT);
    out[0] = ADVERTISEMENT;
    out[4] = HOPS;
    out[5] = MANAGED;
    put16(out + 6, ROUTER_LIFETIME);
    mac[0] = SOURCE_MAC;
    mac[1] = 1;
    memcpy(mac + 2, router_mac, 6);
    mtu[0] = MTU;
    mtu[1] = 1;
    put32(mtu + 4, ROUTER_MTU);
    prefix[0] = PREFIX;
    prefix[1] = 4;
    prefix[2] = c->len;
    prefix[3] = ON_LINK;
    put32(prefix + 4, ROUTER_PREFIX_LIFETIME);
    put32(prefix + 8, ROUTER_PREFIX_LIFETIME);
    memcpy(prefix + 16, c->ip.b, 16);
    return ROUTER_ADVERTISEMENT;
}

/* ---- at its door ---- */

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
