/* SPDX-License-Identifier: Apache-2.0 */
#include "api/limits.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/ec2/gateway.h"
#include "api/ec2/prefix_list.h"

static const struct {
    const char *name;
    int64_t value;
} rows[] = {
    [LIMIT_VPCS] = {"vpcs", VPCS_MAX},
    [LIMIT_SUBNETS] = {"subnets-per-vpc", SUBNETS_MAX},
    [LIMIT_SECURITY_GROUPS] = {"security-groups", SECURITY_GROUPS_MAX},
    [LIMIT_NETWORK_INTERFACES] = {"network-interfaces", ENIS_MAX},
    [LIMIT_SECURITY_GROUP_RULES] = {"rules-per-security-group", SG_RULES_MAX},
    [LIMIT_PREFIX_LISTS] = {"prefix-lists", PREFIX_LISTS_MAX},
    [LIMIT_ROUTE_TABLES] = {"route-tables-per-vpc", ROUTE_TABLES_MAX},
    [LIMIT_INTERNET_GATEWAYS] = {"internet-gateways", INTERNET_GATEWAYS_MAX},
    [LIMIT_NAT_GATEWAYS] = {"nat-gateways-per-zone", NAT_GATEWAYS_MAX},
    [LIMIT_VPN_GATEWAYS] = {"vpn-gateways", VPN_GATEWAYS_MAX},
    [LIMIT_CUSTOMER_GATEWAYS] = {"customer-gateways", CUSTOMER_GATEWAYS_MAX},
    [LIMIT_PEERINGS] = {"vpc-peerings-per-vpc", PEERINGS_MAX},
};
_Static_assert(sizeof(rows) / sizeof(rows[0]) == LIMIT_COUNT, "a limit has no row");

const char *limit_name(enum limit l) {
    return l < LIMIT_COUNT ? rows[l].name : NULL;
}

enum limit limit_by_name(const char *name) {
    enum limit l = 0;

    while (l < LIMIT_COUNT && strcmp(rows[l].name, name) != 0)
        l++;
    return l;
}

static struct account_limit *find(const struct account *a, enum limit l) {
    list_each (struct account_limit, own, a->limits)
        if (strcmp(own->name, rows[l].name) == 0)
            return own;
    return NULL;
}

int64_t limit_of(const struct index *ix, uint64_t account, enum limit l) {
    const struct account_limit *own;
    const struct account *a;
    char id[24];

    snprintf(id, sizeof(id), "%012llu", (unsigned long long)account);
    a = index_get(ix, KIND_ACCOUNT, (struct scope){0}, id);
    own = a ? find(a, l) : NULL;
    return own ? own->value : rows[l].value;
}

int limit_set(struct account *a, enum limit l, int64_t value) {
    struct account_limit *own = find(a, l);

    if (!own) {
        own = list_add(&a->limits, sizeof(*own));
        if (!own)
            return -ENOMEM;
        if (!str_set(&own->name, rows[l].name)) {
            list_cut(&a->limits, sizeof(*own), a->limits.n - 1);
            return -ENOMEM;
        }
    }
    own->value = value;
    return 0;
}
