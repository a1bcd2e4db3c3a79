/* SPDX-License-Identifier: Apache-2.0 */
/* ICMP errors that quote a flow's packets, and lies of that kind. */
#ifndef VPCD_TESTS_ORACLE_QUOTE_H
#define VPCD_TESTS_ORACLE_QUOTE_H

#include "packet.h"
#include "rules/test_packet.h"

/* An error about a packet of the flow; `reply`: it goes the way of the replies. `back` is the
 * flow's reply as its sender writes it. *quoted comes in as the flow's first packet. Now and then
 * something is not right. */
void quote_random(struct world *w, const struct oracle_flow *flow, const struct oracle_packet *back,
                  bool reply, struct oracle_packet *ret, struct oracle_packet *quoted);

/* Writes the error around as much of the packet as it happens to quote: returns that. */
size_t quote_write(struct world *w, const struct oracle_packet *error, const struct packet *quoted,
                   struct packet *ret);

/* Whether the receiver finds its own packet quoted, `n` bytes of it; NULL: yes. */
const char *quote_differs(const struct oracle_flow *flow, const struct oracle_packet *back,
                          bool reply, const uint8_t *frame, size_t n);

#endif
