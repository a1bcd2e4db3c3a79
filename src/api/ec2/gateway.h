/* SPDX-License-Identifier: Apache-2.0 */
/* What the families of gateways share with each other and with those that they keep in place. */
#ifndef VPCD_API_GATEWAY_H
#define VPCD_API_GATEWAY_H

#include "api/actions.h"
#include "api/limits.h"
#include "model/gateway.h"
#include "model/nat_gateway.h"
#include "model/peering.h"

/* How much an account may have; see actions.h. */
enum {
    NAT_GATEWAYS_MAX = 50,       /* in a zone */
    VPN_GATEWAYS_MAX = 100,      /* in a region */
    CUSTOMER_GATEWAYS_MAX = 100, /* in a region */
    PEERINGS_MAX = 125,          /* active ones of a VPC */
    PEERINGS_PENDING_MAX = 25,   /* that a VPC asks for */
};

/* gateway.c */
/* Whether a gateway is in the VPC or attached to it, so that the VPC cannot be deleted. */
bool gateways_in_vpc(const struct call *c, const char *vpc_id);
/* While a route table is associated with a gateway, this stays attached. 0 or an error. */
int gateway_check_detach(struct call *c, const char *gateway_id);

/* vpn_gateway.c */
/* The caller's gateway, of those that are not deleted. NULL with the call's error set. */
const struct vpn_gateway *vpn_gateway_get(struct call *c, const char *id);
/* The one type there is, of VPN and of customer gateways. 0 or an error. */
int vpn_type_check(struct call *c, const char *type);

/* peering_life.c */
/* Whether `cidr` may become one more of the VPC's: not while it asks for a peering, nor when it
 * overlaps a peer's (VPC user guide, "VPC CIDR blocks"). 0 or an error. */
int peering_check_cidr(struct call *c, const struct vpc *v, const struct cidr *cidr);
/* The VPC is being deleted: its peerings end. An error where somebody else still waits for an
 * answer (VPC peering guide, "Delete a VPC peering connection"). */
int peerings_end(struct call *c, const struct vpc *v);

#endif
