/* SPDX-License-Identifier: Apache-2.0 */
/* What flows carry from one look to the next. */
#ifndef VPCD_VPCCTL_FLOW_WATCH_H
#define VPCD_VPCCTL_FLOW_WATCH_H

#include "vpcctl/flow_query.h"

enum flow_by {
    FLOW_BY_FLOW,
    FLOW_BY_INSTANCE,
    FLOW_BY_INTERFACE,
    FLOW_BY_VPC,
};

struct flow_watch {
    unsigned seconds; /* between two looks */
    unsigned count;   /* looks to show; 0: until it is ended */
    size_t max;       /* rows of top; 0: as the screen */
    enum flow_by by;
    bool refused; /* only packets that were refused */
    bool json;
};

bool flow_watch_by(const char *text, enum flow_by *ret_by);

/* A line for each flow that carried something since the last look, and for each refused packet that
 * the agent was told of. Exit status. */
int flow_watch_follow(struct flow_query *q, const struct flow_watch *w);
/* Who carries most, refreshed. */
int flow_watch_top(struct flow_query *q, const struct flow_watch *w);

#endif
