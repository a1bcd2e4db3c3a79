/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "What becomes of a packet?": the oracle's answer over the model as it is in force here, and with
 * "live" the loaded programs' own, side by side.
 *
 *     {"cmd":"trace","from":"i-...","to":"10.0.2.7","protocol":6,"dport":443}
 *
 *   from, to   an instance, an interface, an address; "internet": outside
 *   source     an address to send from, instead of the interface's own
 *   protocol   number; sport, dport; icmp_type, icmp_code; length in bytes of the IP packet
 *   family     6: by IPv6 where `from` and `to` leave it open
 *   live       true: run it through the programs, too
 *   follow     true: what a middlebox gets is traced on, as if it forwarded it unchanged
 *
 * The answer: "packet", "hops", "verdict", "reason"..., and for what is delivered "reply": the same
 * for the answer's way back. "forwards" where a middlebox gets it, and with "follow" its own way
 * from there as "next".
 */
#ifndef VPCD_AGENT_TRACE_H
#define VPCD_AGENT_TRACE_H

#include <jansson.h>

#include "agent/outside.h"
#include "agent/plugs.h"
#include "rules/oracle.h"

/* An interface by its number in the maps. */
struct trace_number {
    uint32_t number;
    char id[24];
    const struct network_interface *eni; /* NULL: it is gone */
};

struct tracer {
    const struct index *ix;
    struct dataplane *dp;
    struct plugs *plugs;
    const struct outside_options *outside;
    const struct uplink *uplink;
    /* What trace_numbers found; else each number is looked for among all interfaces. */
    const struct trace_number *known;
    size_t n_known;
};

json_t *trace(const struct tracer *t, const json_t *request);

/* A packet that was dropped, as far as its flow's key tells: what decided, in words ("" if nothing
 * does now); 128 bytes. */
void trace_drop(const struct tracer *t, const struct drop_event *event, char ret_by[128]);

/* Fills in the interfaces of rows with numbers, which it sorts and rids of duplicates; how many are
 * left. One walk over all interfaces, however many rows. */
size_t trace_numbers(const struct tracer *t, struct trace_number *rows, size_t n);
/* The interface of this number in the maps, or NULL. */
const struct network_interface *trace_interface(const struct tracer *t, uint32_t number);
/* Who has the dropped packet's destination, private in the sender's VPC or public; or NULL. */
const struct network_interface *trace_receiver(const struct tracer *t,
                                               const struct network_interface *from,
                                               const struct drop_event *event);
/* The value of its Name tag, or of its instance's; "" for none. */
const char *trace_name(const struct index *ix, const struct network_interface *eni);

#endif
