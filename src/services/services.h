/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vpc-services: what instances ask the link for (DNS, metadata, DHCP, time). One loop, one state,
 * and sockets that somebody else made; each service is a file of its own, plugged in here.
 *
 * Who asks is known by the address that the packet path gave the request: the number of the
 * interface is part of it (abi/service.h). So equal addresses in several VPCs are told apart, and
 * nobody asks as somebody else. A number is never used for another interface.
 *
 *     static void on_query(void *arg, const struct question *q, const void *data, size_t len) {
 *         struct asker who;
 *
 *         if (!services_asker(q->services, q->number, &who))
 *             return;                                            it is gone
 *         ... answer = f(services_index(q->services), &who, time, data, len) ...
 *         services_answer(q, answer, answer_len);
 *     }
 *     services_on_udp(s, DOOR_DNS, on_query, dns);
 *
 * What is behind a pointer into the state lives until the handler returns: the loop changes the
 * state between two calls. What must last keeps the question (a value) and asks again.
 */
#ifndef VPCD_SERVICES_SERVICES_H
#define VPCD_SERVICES_SERVICES_H

#include <event2/buffer.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"
#include "model/index.h"
#include "model/instance.h"
#include "model/network_interface.h"
#include "model/vpc.h"

struct services;

/* The sockets, both families behind each. */
enum door {
    DOOR_DNS = 0,  /* UDP and TCP 53 */
    DOOR_METADATA, /* TCP 80 */
    DOOR_TIME,     /* UDP 123 */
    DOOR_DHCP,     /* UDP 67, and 547 of IPv6 */
    DOOR_ROUTER,   /* ICMPv6, router solicitations */
    DOORS,
};

/* What is known of an interface that asks. All but `instance` are there. */
struct asker {
    uint32_t number;
    const struct network_interface *eni;
    const struct vpc *vpc;
    const struct subnet *subnet;
    const struct instance *instance; /* to which it is attached; NULL: to none of EC2's */
};

struct event_base *services_base(struct services *s);
/* The objects of kinds with `for_services` (model/kinds.c) of all VPCs of this host. */
const struct index *services_index(const struct services *s);
/* Whether the first snapshot was read whole. Before, no handler is called. */
bool services_ready(const struct services *s);
/* False: the number is no interface's (any more). Valid until the handler returns. */
bool services_asker(const struct services *s, uint32_t number, struct asker *ret);
/* The same for tests and for whoever has the interface already. False: its VPC is not known. */
bool asker_of(const struct index *ix, const struct network_interface *eni, uint32_t number,
              struct asker *ret);
/* Every number that is known. */
void services_each(struct services *s, void (*fn)(void *arg, uint32_t number), void *arg);
/* One function, called behind each change of the state. */
void services_on_settled(struct services *s, void (*fn)(void *arg), void *arg);
/* 32 bytes that nobody else knows and that stay the same when vpc-services starts again. */
#define SERVICES_SECRET 32
const uint8_t *services_secret(const struct services *s);
/* The way to the host's network (upstream_client.h). */
struct upstream *services_upstream(struct services *s);

/* ---- datagrams ---- */

/* Where a datagram came from and which of our addresses it was sent to. A value: copy it to answer
 * later, at any time. */
struct question {
    struct services *services;
    uint32_t number;    /* who asks */
    uint8_t family;     /* enum ip_family */
    bool link_resolver; /* IPv4 DNS: asked at 169.254.169.253, and not at the VPC's base + 2 */
    uint8_t what;       /* IPv4: enum service_what (abi/service.h); IPv6: 0 */
    bool unspecified;   /* from 0.0.0.0 or `::`: it has no address yet */
    int fd;
    struct sockaddr_in6 from, to; /* as the kernel has them: IPv4 as ::ffff:a.b.c.d */
};

typedef void udp_fn(void *arg, const struct question *q, const void *data, size_t len);
/* One handler a door. Datagrams up to 64 KiB; in turns, so that nobody's flood is read ahead of
 * the others' (the packet path lets 1,024 packets a second of each interface through). */
void services_on_udp(struct services *s, enum door door, udp_fn *fn, void *arg);
/* Sent at once or lost, as UDP is. Larger than the path is fragmented; DNS keeps below its limit.
 */
void services_answer(const struct question *q, const void *data, size_t len);

/* ---- connections ---- */

/* A TCP connection of an instance. Its limits are kept here: SERVICES_CONNS_PER_ENI of each
 * interface, a total, IDLE_MS without a byte, LIFE_MS in all, INPUT_MAX unread bytes. */
struct visit;
#define SERVICES_CONNS 4096
#define SERVICES_CONNS_PER_ENI 64
#define SERVICES_IDLE_MS 10000
#define SERVICES_LIFE_MS 120000
#define SERVICES_INPUT_MAX (128 * 1024)
#define SERVICES_OUTPUT_MAX (1024 * 1024)

struct tcp_handlers {
    /* Bytes came: take whole requests out of `in`, leave the rest. */
    void (*input)(void *arg, struct visit *v, struct evbuffer *in);
    /* It ends, for whatever reason; `v` must be forgotten. May be NULL. */
    void (*closed)(void *arg, struct visit *v);
};
void services_on_tcp(struct services *s, enum door door, const struct tcp_handlers *handlers,
                     void *arg);

struct services *visit_services(const struct visit *v);
uint32_t visit_number(const struct visit *v);
/* The question's like: family, link_resolver, from and to; its fd is not for services_answer. */
const struct question *visit_question(const struct visit *v);
/* The service's own, NULL at first. */
void visit_set_data(struct visit *v, void *data);
void *visit_data(const struct visit *v);
/* Queued. Beyond SERVICES_OUTPUT_MAX unsent bytes the connection ends. */
void visit_write(struct visit *v, const void *data, size_t len);
/* No more is read; the connection ends once all is sent. Fine from a handler. */
void visit_finish(struct visit *v);
/* TTL (IPv6: hop limit) of the packets that are sent from now on, 1 to 255. 0 or -errno. */
int visit_set_hops(struct visit *v, int hops);

/* ---- counters ---- */

/* Of everything that came in and was not served, and of what was. The names are what `vpcctl
 * status` prints. */
enum service_count {
    COUNT_DNS_QUERIES,
    COUNT_DNS_BAD, /* no query at all */
    COUNT_DNS_RELAYED,
    COUNT_DNS_FAILED,  /* upstream did not answer */
    COUNT_DNS_LIMITED, /* more than DNS_RATE a second of an interface */
    COUNT_METADATA_REQUESTS,
    COUNT_METADATA_BAD,
    COUNT_METADATA_UNAUTHORIZED,
    COUNT_DHCP_REQUESTS,
    COUNT_DHCP_BAD,
    COUNT_DHCP_NAKS,
    COUNT_DHCP6_REQUESTS,
    COUNT_DHCP6_BAD,
    COUNT_ROUTER_SOLICITATIONS,
    COUNT_ROUTER_BAD,
    COUNT_TIME_REQUESTS,
    COUNT_TIME_BAD,
    COUNT_TIME_NO_SERVER,
    COUNT_UNKNOWN_ASKER, /* of an interface that is gone, or not known yet */
    COUNT_CONNS,
    COUNT_CONNS_REFUSED, /* beyond the limits */
    COUNT_CONNS_TIMED_OUT,
    SERVICE_COUNTS,
};
void services_count(struct services *s, enum service_count c);

/* ---- the services, each started by main.c once; NULL or a message for people ---- */

struct services_options {
    const char *state_dir;
};

#endif
