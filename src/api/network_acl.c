/* SPDX-License-Identifier: Apache-2.0 */
/* Network ACLs: each VPC has its default one, which allows all. */
#include "api/actions.h"

DESCRIBE_PARAMS(describe_params, "NetworkAclId");

static int describe_network_acls(struct call *c, const void *params) {
    const struct describe_ids *p = params;

    return describe(
        c, &(struct describe){.kind = KIND_NETWORK_ACL, .ids = &p->ids, .set = "networkAclSet"});
}

static const struct action rows[] = {
    {"DescribeNetworkAcls", &describe_params, describe_network_acls, ACT_FILTERS, "networkAclSet"},
};
ACTIONS(network_acl_actions, rows);
