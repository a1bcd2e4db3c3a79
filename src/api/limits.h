/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much an account may have. Each limit has a default for all accounts and may be another one
 * for an account: `vpcctl account limit ACCOUNT NAME VALUE`.
 */
#ifndef VPCD_API_LIMITS_H
#define VPCD_API_LIMITS_H

#include "model/account.h"
#include "model/index.h"

enum limit {
    LIMIT_VPCS,                 /* in a region */
    LIMIT_SUBNETS,              /* in a VPC */
    LIMIT_SECURITY_GROUPS,      /* in a region */
    LIMIT_NETWORK_INTERFACES,   /* in a region */
    LIMIT_SECURITY_GROUP_RULES, /* of a group, for each direction and family */
    LIMIT_PREFIX_LISTS,         /* in a region */
    LIMIT_ROUTE_TABLES,         /* in a VPC */
    LIMIT_INTERNET_GATEWAYS,    /* in a region */
    LIMIT_NAT_GATEWAYS,         /* in a zone */
    LIMIT_VPN_GATEWAYS,         /* in a region */
    LIMIT_CUSTOMER_GATEWAYS,    /* in a region */
    LIMIT_PEERINGS,             /* active ones of a VPC */
    LIMIT_COUNT,
};

/* Its name for people ("network-interfaces"), NULL behind the last; its default. */
const char *limit_name(enum limit l);
/* LIMIT_COUNT: there is none of this name. */
enum limit limit_by_name(const char *name);
/* What holds for the account. */
int64_t limit_of(const struct index *ix, uint64_t account, enum limit l);
/* Sets it in a copy of the account; 0 or -ENOMEM. */
int limit_set(struct account *a, enum limit l, int64_t value);

#endif
