/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VPCD_MODEL_NAT_GATEWAY_H
#define VPCD_MODEL_NAT_GATEWAY_H

#include "model/object.h"

struct xml;

enum nat_state {
    NAT_PENDING = 1,
    NAT_FAILED, /* failure_code, failure_message; it never had an interface */
    NAT_AVAILABLE,
    NAT_DELETING,
    NAT_DELETED, /* its interface is gone, its addresses are only remembered */
};

enum nat_connectivity {
    NAT_PUBLIC = 1, /* to the internet gateway of its VPC, by its public addresses */
    NAT_PRIVATE,    /* onward by its subnet's route table, by its private addresses */
};

/* An address that translated packets have as their source. */
struct nat_address {
    struct ip ip; /* private, of its interface */
    bool primary; /* the first of the list, and only that */
    /* public gateways: */
    struct ip public_ip;
    char *allocation_id;
    char *association_id;
    char *failure; /* why it is not in use; NULL: it is */
    struct blob unknown;
};

struct nat_gateway {
    struct obj o;
    char *vpc_id;
    char *subnet_id;
    char *eni_id;         /* its interface: of type nat_gateway, requester managed, no groups */
    uint8_t state;        /* enum nat_state */
    uint8_t connectivity; /* enum nat_connectivity */
    char *failure_code, *failure_message;
    int64_t created, deleted; /* milliseconds; deleted 0: not yet */
    struct list addresses;    /* struct nat_address */
    struct list tags;
    struct blob unknown;
};
#define NAT_ADDRESSES_MAX 8 /* VPC user guide, "NAT gateway basics" */

enum {
    NAT_BY_VPC = 1,
    NAT_BY_SUBNET = 2,
    NAT_BY_ENI = 3,
};

extern const struct desc nat_gateway_desc, nat_address_desc;

/* <natGatewayAddressSet> of these addresses of the gateway; `status` NULL: each one's own. */
void nat_addresses_emit(struct xml *x, const struct nat_gateway *g, const struct list *addresses,
                        const char *status);

#endif
