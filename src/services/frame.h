/* SPDX-License-Identifier: Apache-2.0 */
/* The frame's own life: what main.c and the tests use and a service does not. */
#ifndef VPCD_SERVICES_FRAME_H
#define VPCD_SERVICES_FRAME_H

#include "abi/service.h"
#include "services/services.h"

/* What the agent hands over. */
struct services_gift {
    int fds[SERVICE_SOCKETS]; /* by enum service_socket */
    uint8_t secret[SERVICES_SECRET];
};

/* Waits for the agent at this Unix socket, for ever: it may come later than we. 0, or -errno that
 * waiting does not mend. */
int gift_receive(const char *path, struct services_gift *ret_gift);

/* Follows the agent's stream at `feed` and serves on the sockets, which it takes over. */
int services_new(struct event_base *base, const char *feed, const char *state,
                 const struct services_gift *gift, struct services **ret_services);
void services_free(struct services *s);

/* To send what nobody asked for; -1 in tests. */
int services_udp_fd(const struct services *s, enum service_socket which);

/* For tests: without sockets and stream, over objects of the caller's. */
struct services *services_alone(struct event_base *base, struct index *ix);
void services_alone_number(struct services *s, uint32_t number, const char *eni_key);
uint64_t services_counted(const struct services *s, enum service_count c);

#endif
