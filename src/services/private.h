/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the frame (services.c, udp.c, tcp.c) share. */
#ifndef VPCD_SERVICES_PRIVATE_H
#define VPCD_SERVICES_PRIVATE_H

#include <uthash.h>

#include "abi/service.h"
#include "follow/world.h"
#include "services/services.h"

/* An interface's number, as the agent told it. */
struct number {
    uint32_t number;
    struct scope scope;
    char id[32]; /* eni-... */
    UT_hash_handle hh;
};

/* How many connections an interface has. */
struct visitor {
    uint32_t number;
    unsigned conns;
    UT_hash_handle hh;
};

struct udp_socket {
    struct services *services;
    struct event *event;
    enum door door;
    int fd;
};

struct tcp_socket {
    struct services *services;
    struct event *event;
    struct event *again; /* after descriptors ran out */
    enum door door;
    int fd;
};

struct services {
    struct event_base *base;
    struct world *world;
    struct upstream *upstream;
    struct index *alone; /* tests: the objects, without a stream */
    struct number *numbers;
    bool ready;
    uint8_t secret[SERVICES_SECRET];
    struct udp_socket udp[SERVICE_SOCKETS];
    struct tcp_socket tcp[SERVICE_SOCKETS];
    struct {
        udp_fn *fn;
        void *arg;
    } on_udp[DOORS];
    struct {
        struct tcp_handlers handlers;
        void *arg;
    } on_tcp[DOORS];
    struct visitor *visitors;
    unsigned conns;
    uint64_t counts[SERVICE_COUNTS], told[SERVICE_COUNTS];
    struct event *tell;
    void (*settled)(void *arg);
    void *settled_arg;
};

/* Whose packet it is and what it asked, by the addresses inside (abi/service.h); false: none of
 * ours. `to` as the kernel has it; IPv4 as ::ffff:a.b.c.d. */
bool question_of(const struct sockaddr_in6 *from, const struct in6_addr *to,
                 struct question *ret_question);

int udp_open(struct services *s, enum door door, enum service_socket which, int fd);
/* Once the state is known: what came before waits in the socket. */
void udp_start(struct services *s);
void udp_close(struct services *s);
int tcp_open(struct services *s, enum door door, enum service_socket which, int fd);
void tcp_start(struct services *s);
void tcp_close(struct services *s);

#endif
