/* SPDX-License-Identifier: Apache-2.0 */
/* What people call the ends of a packet's way: instances, interfaces, addresses, names of tags. */
#ifndef VPCD_AGENT_TRACE_NAMES_H
#define VPCD_AGENT_TRACE_NAMES_H

#include "agent/trace.h"

#define TRACE_WHY 512

/* Fills p->from, src_mac, src and dst from "from", "to", "source" and "family". -EINVAL with a
 * sentence in ret_why (TRACE_WHY bytes). */
int trace_endpoints(const struct tracer *t, const struct oracle_host *host, const json_t *request,
                    struct oracle_packet *p, char *ret_why);

#endif
