/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VPCD_API_FLOW_LOG_H
#define VPCD_API_FLOW_LOG_H

#include "api/actions.h"
#include "model/flow_log.h"

/* A VPC, subnet or interface goes away: its flow logs go with it. */
void flow_logs_drop(struct call *c, const char *resource_id);

#endif
