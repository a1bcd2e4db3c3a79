/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of the model flow logs are about, told to the thread that keeps them (flow_reader.h): the
 * logs, and the interfaces that may have traffic on this host, those of instances and of NAT
 * gateways.
 */
#ifndef VPCD_AGENT_FLOW_LOGS_H
#define VPCD_AGENT_FLOW_LOGS_H

#include "agent/flow_reader.h"
#include "model/index.h"

struct flow_logs {
    struct flow_reader *reader; /* NULL: there are none */
    struct dataplane *dp;
    bool changed; /* since the last flow_logs_settled */
};

void flow_logs_change(struct flow_logs *f, const struct index *ix, const struct obj *old,
                      const struct obj *new);
void flow_logs_settled(struct flow_logs *f, bool snapshot);

#endif
