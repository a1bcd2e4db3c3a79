/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DHCP for IPv6 (RFC 8415), without a memory, as dhcp.h. As in a dual-stack subnet of EC2 it gives
 * addresses and nothing else: "It cannot retrieve any additional network configurations from the
 * IPv6 DHCP server, such as DNS server names or domain names" (VPC user guide, "What is DHCP?").
 * All subnets here are dual-stack. Prefixes are not delegated: an instance learns of those of its
 * interfaces from its metadata.
 */
#ifndef VPCD_SERVICES_DHCP6_H
#define VPCD_SERVICES_DHCP6_H

#include "services/dhcp.h"

#define DHCP6_PREFERRED 140 /* seconds; "the default lease time is 140 seconds" */
#define DHCP6_VALID 450
#define DHCP6_REPLY_MAX 8192

struct dhcp6_reply {
    uint8_t bytes[DHCP6_REPLY_MAX];
    size_t len;
};

/* DHCP_BAD, DHCP_NOTHING or DHCP_ANSWER. */
enum dhcp_result dhcp6_answer(const struct index *ix, const struct asker *who, const void *data,
                              size_t len, struct dhcp6_reply *ret);

#endif
