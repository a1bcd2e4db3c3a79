/* SPDX-License-Identifier: Apache-2.0 */
/* The VPC's resolver at its doors: UDP and TCP, limits for each interface, the way upstream. */
#ifndef VPCD_SERVICES_DNS_H
#define VPCD_SERVICES_DNS_H

#include "services/services.h"

struct upstream;

/* Questions a second of an interface (VPC user guide, "DNS quotas": packets), in any number of
 * connections and datagrams. Beyond it a datagram is dropped, a connection waits. */
#define DNS_RATE 1024
/* Of one interface: questions upstream at once, and interfaces that ask at once. */
#define DNS_WAITING_PER_ENI 128
/* Questions of one connection that wait for their answers; then it is not read on. */
#define DNS_WAITING_PER_CONN 32

struct dns;

/* Registers at DOOR_DNS. `up` may be shared with others and outlives the resolver. NULL when memory
 * is short. */
struct dns *dns_new(struct services *s, struct upstream *up);
/* `up` must not call for its questions any more: nothing of the loop runs in between. */
void dns_free(struct dns *d);
/* With services_upstream(). */
const char *dns_start(struct services *s, const struct services_options *o);

#endif
