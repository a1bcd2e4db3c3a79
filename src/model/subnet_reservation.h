/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of a subnet that are not given out on their own (VPC user guide, "Subnet CIDR
 * reservations"). */
#ifndef VPCD_MODEL_SUBNET_RESERVATION_H
#define VPCD_MODEL_SUBNET_RESERVATION_H

#include "model/object.h"

struct subnet_reservation {
    struct obj o;
    char *subnet_id;
    struct cidr cidr; /* canonical; no two of a subnet overlap */
    bool prefix; /* for prefixes that are assigned to interfaces; else for who names addresses */
    char *description;
    struct list tags;
    struct blob unknown;
};

enum {
    RESERVATION_BY_SUBNET = 1,
};

extern const struct desc subnet_reservation_desc;

struct index;
/* The reservation of the subnet that overlaps with the prefix, or NULL. */
const struct subnet_reservation *
subnet_reservation_at(const struct index *ix, const char *subnet_id, const struct cidr *cidr);

#endif
