/* SPDX-License-Identifier: Apache-2.0 */
/* Commands from the agent's event loop to the flow log thread, with all that they need as copies.
 */
#ifndef VPCD_AGENT_FLOW_QUEUE_H
#define VPCD_AGENT_FLOW_QUEUE_H

#include <sys/queue.h>

#include "flowlog/window.h"

enum flow_command_kind {
    FLOW_ENI = 1,
    FLOW_ENI_GONE,
    FLOW_LOG,
    FLOW_LOG_GONE,
    FLOW_SETTLED,
    FLOW_SWEEP,
};

struct flow_command {
    STAILQ_ENTRY(flow_command) link;
    enum flow_command_kind kind;
    uint32_t number, vpc, gateway;
    struct flowlog_eni eni;
    struct flowlog_log log; /* its texts belong to the command */
};
STAILQ_HEAD(flow_commands, flow_command);

/* NULL when memory is short. */
struct flow_command *flow_command_new(enum flow_command_kind kind);
struct flow_command *flow_command_log(enum flow_command_kind kind, const struct flowlog_log *log);
void flow_command_free(struct flow_command *c);

#endif
