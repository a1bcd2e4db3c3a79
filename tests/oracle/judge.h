/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests against the oracle share: the rig, a packet's bytes, and whether what became of
 * them is what the oracle says. */
#ifndef VPCD_TESTS_ORACLE_JUDGE_H
#define VPCD_TESTS_ORACLE_JUDGE_H

#include "packet.h"
#include "rig.h"
#include "rules/test_world.h"

extern struct rig rig;
extern uint64_t seed;
extern unsigned differences; /* so far */

double now(void); /* seconds */
/* ORACLE_SECONDS, or what it is otherwise. */
double limit(double otherwise);

/* The bytes of a packet. */
void write_packet(const struct oracle_packet *p, unsigned tcp_flags, struct packet *k);

/* Neighbour solicitations are answered, not judged. */
bool is_question(const struct oracle_packet *p);
/* Whether the packet opens a flow: not a TCP packet from the middle, no ICMP but queries. */
bool opens(const struct oracle_packet *p, unsigned tcp_flags);
/* Whether the gateway of a verdict is a NAT gateway. */
bool is_translated(const char *gateway);
/* The port of the side that began, or the identifier, in a packet as it was delivered. */
uint16_t inner_port(const struct oracle_packet *p, const uint8_t *frame, bool reply);

/* What is wrong with a question on its way to a service; NULL: nothing. */
const char *question_differs(const struct oracle_packet *p, const struct oracle_verdict *v,
                             const struct rig_outcome *o);
/* What is wrong with a packet that both accept; `begins`: it opens a flow. NULL: nothing. */
const char *delivery_differs(const struct oracle_packet *p, const struct oracle_verdict *v,
                             const struct rig_outcome *o, bool begins);

/* Prints and counts a difference; the test fails at the fifth. */
void report(const struct world *w, const struct oracle_host *host, const struct oracle_packet *p,
            const struct oracle_verdict *v, const struct rig_outcome *o, const char *what);

#endif
