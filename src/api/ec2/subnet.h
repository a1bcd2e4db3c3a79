/* SPDX-License-Identifier: Apache-2.0 */
/* What the calls on subnets share. */
#ifndef VPCD_API_SUBNET_H
#define VPCD_API_SUBNET_H

#include "api/actions.h"

/* Whether a new block may be a subnet's, canonical and of either family: its length, in a block of
 * the VPC, apart from the other subnets. 0 or the call's error. */
int subnet_check_cidr(struct call *c, const struct vpc *v, const struct cidr *cidr);
/* A new association of a subnet that is being edited; NULL when memory is short. */
const struct cidr_association *subnet_add_cidr6(struct call *c, struct subnet *s,
                                                const struct cidr *cidr);
/* The zone by its name or its id (both may be NULL: the first): 0 to 2, or the call's error. */
int subnet_zone(struct call *c, const char *zone, const char *zone_id);
/* 0, or the call's error for TRI_TRUE. */
int subnet_refuse_ipv6_native(struct call *c, uint8_t wanted);

#endif
