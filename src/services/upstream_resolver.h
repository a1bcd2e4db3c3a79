/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What vpc-upstream answers about names: libunbound, which forwards to the resolvers that it is
 * told, tries again, asks over TCP what does not fit, and remembers answers.
 */
#ifndef VPCD_SERVICES_UPSTREAM_RESOLVER_H
#define VPCD_SERVICES_UPSTREAM_RESOLVER_H

#include <event2/event.h>
#include <stddef.h>
#include <stdint.h>

struct resolver;

/* `data` is a DNS message, valid during the call; len 0: there is no answer. */
typedef void resolver_fn(void *arg, const void *data, size_t len);

/*
 * `servers`: ADDRESS[:PORT] or [ADDRESS]:PORT, divided by commas; "none": every question is without
 * an answer; NULL: those of /etc/resolv.conf, which is looked at again when it changes. 0, -EINVAL
 * (servers) or -ENOMEM.
 */
int resolver_new(struct event_base *base, const char *servers, struct resolver **ret_resolver);
/* What is under way ends without an answer. NULL is fine. */
void resolver_free(struct resolver *r);

/* The name as on the wire, checked by the caller. `done` is called once, perhaps at once. */
void resolver_ask(struct resolver *r, const uint8_t *name, uint16_t type, resolver_fn *done,
                  void *arg);

#endif
