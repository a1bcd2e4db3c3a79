/* SPDX-License-Identifier: Apache-2.0 */
/* Random packets in a random world (test_world.h), and the host around it. */
#ifndef VPCD_RULES_TEST_PACKET_H
#define VPCD_RULES_TEST_PACKET_H

#include "rules/oracle.h"
#include "rules/test_world.h"

/* An uplink with the world's pools; what it carries is drawn at random. */
void packet_host(struct world *w, struct oracle_host *ret);
/* What `allows` and `is_own` of such a host are about. */
#define PACKET_OPEN_TCP 443
#define PACKET_OPEN_UDP 80
#define PACKET_OWN_NET "192.0.2.0/24"

/* From an interface (attached or not) or the uplink, mostly to somewhere, mostly honest. */
void packet_random(struct world *w, const struct oracle_host *host, struct oracle_packet *ret);
void packet_print(const struct oracle_packet *p);
void verdict_print(const struct oracle_verdict *v);

#endif
