/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A NAT gateway's addresses are those of its interface: what changes them changes the interface,
 * and then takes them over into the gateway (nat_take_addresses), which still tells of them when
 * the interface is gone.
 */
#ifndef VPCD_API_NAT_GATEWAY_H
#define VPCD_API_NAT_GATEWAY_H

#include "api/ec2/eni.h"
#include "api/ec2/gateway.h"

/* Elastic IPs that a call names, each once, each the caller's own. 0 or an error. */
int nat_check_allocations(struct call *c, const struct list *ids);
/* Reads addresses; the list of struct private_ip_param is the caller's to free. 0 or an error. */
int nat_read_addresses(struct call *c, const struct list *texts, struct list *ret_addresses);
/* Elastic IP number i of the list stands for address `first` + i of the interface. */
int nat_associate(struct call *c, const char *eni_id, uint32_t first, const struct list *ids);
/* The gateway's list of addresses becomes that of its interface. */
int nat_take_addresses(struct call *c, struct nat_gateway *g);
/* The caller's gateway, of those that are not deleted. NULL with the call's error set. */
const struct nat_gateway *nat_gateway_get(struct call *c, const char *id);

#endif
