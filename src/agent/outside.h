/* SPDX-License-Identifier: Apache-2.0 */
/* The uplink: the way between the VPCs' internet gateways and the host. */
#ifndef VPCD_AGENT_OUTSIDE_H
#define VPCD_AGENT_OUTSIDE_H

#include "base/buf.h"
#include "dataplane/dataplane.h"
#include "link/uplink.h"
#include "rules/oracle.h"

struct outside_options {
    struct cidr pool4, pool6;
    const char *allow; /* "tcp/8080,udp/53" or "all"; NULL: nothing */
};

/* "tcp/80" items, or "all": 0, or -EINVAL with the item that is none in `err`. */
int outside_check_allow(const char *allow, struct buf *err);

/* Makes the pair and tells the data plane of it; nothing passes yet. Errors in words in `err`. */
int outside_prepare(const struct owner *owner, struct rtnl *rtnl, struct dataplane *dp,
                    const struct outside_options *options, struct uplink *ret_uplink,
                    struct buf *err);

/* The same for the oracle. It points to `options` and `uplink`. */
void outside_oracle(const struct outside_options *options, const struct uplink *uplink,
                    struct oracle_host *ret_host);

/* The maps are filled and the programs active: packets may pass. */
int outside_open(struct rtnl *rtnl, struct dataplane *dp, const struct uplink *uplink);

#endif
