/* SPDX-License-Identifier: Apache-2.0 */
/* Elastic IPs, and their way from one account to another. */
#ifndef VPCD_MODEL_ADDRESS_H
#define VPCD_MODEL_ADDRESS_H

#include "model/object.h"

/* An elastic IP: an allocation. */
struct address {
    struct obj o;
    struct ip public_ip;
    char *association_id; /* NULL: not associated */
    char *eni_id;
    struct ip private_ip;
    char *domain_name; /* what its reverse DNS name shall be; NULL: none of its own */
    struct list tags;
    struct blob unknown;
};

enum {
    ADDRESS_BY_ENI = 3,
    ADDRESS_BY_ASSOCIATION = 2,
};

/*
 * An elastic IP offered to another account, or taken by it. It belongs to the account that offers
 * and has the id of the allocation there.
 */
struct address_transfer {
    struct obj o;
    struct ip public_ip;
    char *account;    /* whom it is offered to: 12 digits */
    int64_t expires;  /* when the offer ends */
    int64_t accepted; /* when it was taken; 0: not yet */
    struct blob unknown;
};

enum {
    TRANSFER_BY_ACCOUNT = 2,
};

extern const struct desc address_desc, address_attribute_desc, address_transfer_desc;

#endif
