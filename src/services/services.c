/* SPDX-License-Identifier: Apache-2.0 */
#include "services/frame.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "services/private.h"
#include "services/upstream_client.h"

static const char *const count_names[SERVICE_COUNTS] = {
    [COUNT_DNS_QUERIES] = "dns-queries",
    [COUNT_DNS_BAD] = "dns-bad",
    [COUNT_DNS_RELAYED] = "dns-relayed",
    [COUNT_DNS_FAILED] = "dns-failed",
    [COUNT_DNS_LIMITED] = "dns-limited",
    [COUNT_METADATA_REQUESTS] = "metadata-requests",
    [COUNT_METADATA_BAD] = "metadata-bad",
    [COUNT_METADATA_UNAUTHORIZED] = "metadata-unauthorized",
    [COUNT_DHCP_REQUESTS] = "dhcp-requests",
    [COUNT_DHCP_BAD] = "dhcp-bad",
    [COUNT_DHCP_NAKS] = "dhcp-naks",
    [COUNT_DHCP6_REQUESTS] = "dhcpv6-requests",
    [COUNT_DHCP6_BAD] = "dhcpv6-bad",
    [COUNT_ROUTER_SOLICITATIONS] = "router-solicitations",
    [COUNT_ROUTER_BAD] = "router-bad",
    [COUNT_TIME_REQUESTS] = "time-requests",
    [COUNT_TIME_BAD] = "time-bad",
    [COUNT_TIME_NO_SERVER] = "time-no-server",
    [COUNT_UNKNOWN_ASKER] = "unknown-asker",
    [COUNT_CONNS] = "connections",
    [COUNT_CONNS_REFUSED] = "connections-refused",
    [COUNT_CONNS_TIMED_OUT] = "connections-timed-out",
};

static const struct {
    enum service_socket which;
    enum door door;
    bool tcp;
} sockets[] = {
    {SERVICE_SOCKET_DNS, DOOR_DNS, false},          {SERVICE_SOCKET_DNS_TCP, DOOR_DNS, true},
    {SERVICE_SOCKET_METADATA, DOOR_METADATA, true}, {SERVICE_SOCKET_TIME, DOOR_TIME, false},
    {SERVICE_SOCKET_DHCP, DOOR_DHCP, false},        {SERVICE_SOCKET_DHCP6, DOOR_DHCP, false},
    {SERVICE_SOCKET_ROUTER, DOOR_ROUTER, false},
};
_Static_assert(ARRAY_SIZE(sockets) == SERVICE_SOCKETS, "a row for each socket");

#define TELL_SECONDS 1

/* ---- numbers ---- */

static void forget_numbers(struct services *s) {
    struct number *n, *next;

    HASH_ITER (hh, s->numbers, n, next) {
        HASH_DEL(s->numbers, n);
        free(n);
    }
}

static void number_set(struct services *s, uint32_t number, const char *key) {
    struct scope scope;
    struct number *n;
    enum kind kind;
    const char *id;

    HASH_FIND(hh, s->numbers, &number, sizeof(number), n);
    if (!key) {
        if (n) {
            HASH_DEL(s->numbers, n);
            free(n);
        }
        return;
    }
    if (obj_key_parse(key, &scope, &kind, &id) < 0 || kind != KIND_NETWORK_INTERFACE ||
        strlen(id) >= sizeof(n->id))
        return;
    if (!n) {
        n = calloc(1, sizeof(*n));
        if (!n)
            return; /* nobody; it is told again with the next snapshot */
        n->number = number;
        HASH_ADD(hh, s->numbers, number, sizeof(n->number), n);
    }
    n->scope = scope;
    snprintf(n->id, sizeof(n->id), "%s", id);
}

static void on_other(void *arg, const char *key, const void *data, size_t len) {
    struct services *s = arg;
    char value[OBJ_KEY_MAX];
    int64_t number;

    if (!key) {
        forget_numbers(s);
        return;
    }
    if (strncmp(key, SERVICE_NUMBER_KEY, strlen(SERVICE_NUMBER_KEY)) != 0 ||
        int_parse(key + strlen(SERVICE_NUMBER_KEY), 1, SERVICE_NUMBER_MAX, &number) < 0 ||
        len >= sizeof(value))
        return;
    if (data) {
        memcpy(value, data, len);
        value[len] = 0;
    }
    number_set(s, (uint32_t)number, data ? value : NULL);
}

/* ---- state ---- */

static void on_changed(void *arg, const struct obj *old, const struct obj *new) {
}

static void on_settled(void *arg, bool snapshot) {
    struct services *s = arg;

    if (!s->ready && snapshot) {
        log_info("in step with the agent");
        udp_start(s);
        tcp_start(s);
        s->ready = true;
    }
    if (s->settled)
        s->settled(s->settled_arg);
}

struct event_base *services_base(struct services *s) {
    return s->base;
}

const struct index *services_index(const struct services *s) {
    return s->alone ? s->alone : world_index(s->world);
}

bool services_ready(const struct services *s) {
    return s->ready;
}

const uint8_t *services_secret(const struct services *s) {
    return s->secret;
}

struct upstream *services_upstream(struct services *s) {
    return s->upstream;
}

bool asker_of(const struct index *ix, const struct network_interface *eni, uint32_t number,
              struct asker *ret) {
    *ret = (struct asker){.number = number, .eni = eni};
    ret->vpc = index_get(ix, KIND_VPC, eni->o.scope, eni->vpc_id);
    ret->subnet = index_get(ix, KIND_SUBNET, eni->o.scope, eni->subnet_id);
    if (eni->instance_id)
        ret->instance = index_get(ix, KIND_INSTANCE, eni->o.scope, eni->instance_id);
    return ret->vpc && ret->subnet;
}

bool services_asker(const struct services *s, uint32_t number, struct asker *ret) {
    const struct network_interface *eni;
    struct number *n;

    HASH_FIND(hh, s->numbers, &number, sizeof(number), n);
    if (!n)
        return false;
    eni = index_get(services_index(s), KIND_NETWORK_INTERFACE, n->scope, n->id);
    return eni && asker_of(services_index(s), eni, number, ret);
}

void services_each(struct services *s, void (*fn)(void *arg, uint32_t number), void *arg) {
    struct number *n, *next;

    HASH_ITER (hh, s->numbers, n, next) {
        fn(arg, n->number);
    }
}

void services_on_settled(struct services *s, void (*fn)(void *arg), void *arg) {
    s->settled = fn;
    s->settled_arg = arg;
}

/* ---- who asks what ---- */

static uint32_t word(const struct in6_addr *a, int i) {
    uint32_t w;

    memcpy(&w, a->s6_addr + 4 * i, 4);
    return ntohl(w);
}

bool question_of(const struct sockaddr_in6 *from, const struct in6_addr *to, struct question *q) {
    uint32_t client = word(&from->sin6_addr, 3), server = word(to, 3);

    q->from = *from;
    q->to = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = *to};
    if (IN6_IS_ADDR_V4MAPPED(&from->sin6_addr)) {
        if (!IN6_IS_ADDR_V4MAPPED(to) || client >> 28 != SERVICE4_CLIENT >> 28 ||
            server >> 20 != SERVICE4_SERVER >> 20)
            return false;
        q->family = IP_V4;
        q->number = client & SERVICE_NUMBER_MAX;
        q->what = (uint8_t)(server >> 16 & 15);
        q->link_resolver = q->what == SERVICE_DNS_LINK;
        q->unspecified = (server & 0xffff) == 0;
        return true;
    }
    if (word(&from->sin6_addr, 0) != SERVICE6_GLOBAL && word(&from->sin6_addr, 0) != SERVICE6_LINK)
        return false;
    q->family = IP_V6;
    q->number = word(&from->sin6_addr, 1);
    q->link_resolver = false;
    q->what = SERVICE_NONE;
    q->unspecified = !word(&from->sin6_addr, 2) && !client;
    return true;
}

/* ---- counters ---- */

void services_count(struct services *s, enum service_count c) {
    s->counts[c]++;
}

uint64_t services_counted(const struct services *s, enum service_count c) {
    return s->counts[c];
}

static void on_tell(evutil_socket_t fd, short what, void *arg) {
    struct services *s = arg;
    _buf_ struct buf text = BUF_INIT;

    if (memcmp(s->counts, s->told, sizeof(s->counts)) == 0 || !world_connected(s->world))
        return;
    for (int i = 0; i < SERVICE_COUNTS; i++)
        buf_addf(&text, "%s%s %llu", i ? "\n" : "", count_names[i],
                 (unsigned long long)s->counts[i]);
    if (text.failed)
        return;
    world_report(s->world, REPORT_SERVICES, "", buf_str(&text), "");
    memcpy(s->told, s->counts, sizeof(s->told));
}

/* ---- life ---- */

struct services *services_alone(struct event_base *base, struct index *ix) {
    struct services *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->base = base;
    s->alone = ix;
    s->ready = true;
    return s;
}

void services_alone_number(struct services *s, uint32_t number, const char *eni_key) {
    number_set(s, number, eni_key);
}

int services_new(struct event_base *base, const char *feed, const char *state,
                 const struct services_gift *gift, struct services **ret_services) {
    static const struct timeval interval = {.tv_sec = TELL_SECONDS};
    struct services *s = calloc(1, sizeof(*s));
    const struct world_handlers handlers = {
        .changed = on_changed, .settled = on_settled, .other = on_other, .arg = s};
    int r;

    if (!s)
        return -ENOMEM;
    s->base = base;
    memcpy(s->secret, gift->secret, sizeof(s->secret));
    s->upstream = upstream_new(base, state);
    r = s->upstream ? 0 : -ENOMEM;
    for (size_t i = 0; i < ARRAY_SIZE(sockets) && r == 0; i++) {
        int fd = gift->fds[sockets[i].which];

        r = sockets[i].tcp ? tcp_open(s, sockets[i].door, sockets[i].which, fd)
                           : udp_open(s, sockets[i].door, sockets[i].which, fd);
    }
    if (r == 0)
        r = world_new(base, feed, state, "the agent", &handlers, &s->world);
    s->tell = event_new(base, -1, EV_PERSIST, on_tell, s);
    if (r == 0 && (!s->tell || event_add(s->tell, &interval) < 0))
        r = -ENOMEM;
    if (r < 0) {
        services_free(s);
        return r;
    }
    *ret_services = s;
    return 0;
}

void services_free(struct services *s) {
    if (!s)
        return;
    if (s->tell)
        event_free(s->tell);
    udp_close(s);
    tcp_close(s);
    upstream_free(s->upstream);
    world_free(s->world);
    forget_numbers(s);
    free(s);
}
