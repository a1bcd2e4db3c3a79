/* SPDX-License-Identifier: Apache-2.0 */
/* What vpc-upstream answers about the time: the reply of the host's NTP server. */
#ifndef VPCD_SERVICES_UPSTREAM_TIME_H
#define VPCD_SERVICES_UPSTREAM_TIME_H

#include <event2/event.h>
#include <netinet/in.h>
#include <stddef.h>

#define TIME_BYTES 48
#define TIME_WAIT_MS 1000
/* Questions under way at once; beyond it there is no answer. */
#define TIME_QUESTIONS 256

typedef void time_fn(void *arg, const void *data, size_t len);

/* TIME_BYTES to the server (any family), from a socket of its own; `done` once, perhaps at once,
 * with TIME_BYTES or with nothing. */
void time_ask(struct event_base *base, const struct sockaddr_storage *server, const void *data,
              time_fn *done, void *arg);

#endif
