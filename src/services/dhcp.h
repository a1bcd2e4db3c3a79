/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DHCP for IPv4 (RFC 2131, 2132), without a memory: an interface owns its addresses, so a lease is
 * what the model says, and every server knows it. The options are those of EC2: address, mask,
 * broadcast address, router, DNS servers, host name, domain, MTU, NTP and NetBIOS servers from the
 * VPC's DHCP options set; no classless routes. The server is the subnet's router.
 */
#ifndef VPCD_SERVICES_DHCP_H
#define VPCD_SERVICES_DHCP_H

#include "services/services.h"

#define DHCP_LEASE 3600 /* seconds */
#define DHCP_MTU 9001
#define DHCP_REPLY_MAX 1472

enum dhcp_result {
    DHCP_BAD,     /* no message of a client of this interface */
    DHCP_NOTHING, /* understood, and there is nothing to say */
    DHCP_ANSWER,
    DHCP_NAK,
};

struct dhcp_reply {
    uint8_t bytes[DHCP_REPLY_MAX];
    size_t len;
    struct ip to; /* absent: to everybody on the link */
};

/* The answer to a message of the interface; `ret` is valid for the last two results. */
enum dhcp_result dhcp_answer(const struct index *ix, const struct asker *who, const void *data,
                             size_t len, struct dhcp_reply *ret);

/* IPv4 and IPv6 (dhcp6.h). */
const char *dhcp_start(struct services *s, const struct services_options *o);

#endif
