/* SPDX-License-Identifier: Apache-2.0 */
#include "api/ec2/gateway.h"

#include <string.h>

bool gateways_in_vpc(const struct call *c, const char *vpc_id) {
    struct cursor cur;

    index_each_by(c->ix, cur, KIND_NAT_GATEWAY, NAT_BY_VPC, vpc_id) {
        const struct nat_gateway *g = cur.obj;

        if (g->state != NAT_DELETED && g->state != NAT_FAILED)
            return true;
    }
    return vpc_gateway(c->ix, vpc_id) ||
           cursor_by(c->ix, &cur, KIND_EGRESS_ONLY_GATEWAY, EIGW_BY_VPC, vpc_id) ||
           cursor_by(c->ix, &cur, KIND_VPN_GATEWAY, VGW_BY_VPC, vpc_id);
}

int gateway_check_detach(struct call *c, const char *gateway_id) {
    struct cursor cur;

    if (cursor_by_in(c->ix, &cur, KIND_ROUTE_TABLE, RTB_BY_GATEWAY, gateway_id, c->scope, NULL))
        return call_error(c, "DependencyViolation",
                          "The gateway '%s' is associated with route table %s and cannot be "
                          "detached.",
                          gateway_id, ((const struct obj *)cur.obj)->id);
    return 0;
}
