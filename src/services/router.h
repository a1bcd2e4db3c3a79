/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The router's advertisements (RFC 4861) in subnets with an IPv6 prefix: addresses by DHCPv6 (the
 * managed flag; the prefix is on the link, not autonomous), MTU, and itself as the way out. Asked
 * for and, so that its lifetime never runs out, by itself.
 */
#ifndef VPCD_SERVICES_ROUTER_H
#define VPCD_SERVICES_ROUTER_H

#include "services/services.h"

#define ROUTER_LIFETIME 1800
#define ROUTER_PREFIX_LIFETIME 3600
#define ROUTER_INTERVAL 400 /* seconds between two advertisements to an interface */
#define ROUTER_MTU 9001
#define ROUTER_ADVERTISEMENT 64 /* bytes of one, at most */

/* Whether a solicitation is valid; `unspecified`: it comes from `::`. */
bool router_solicitation_is_valid(const struct asker *who, bool unspecified, const void *data,
                                  size_t len);
/* Its length; 0: the subnet has no IPv6. The checksum is the kernel's. */
size_t router_advertisement(const struct asker *who, uint8_t out[ROUTER_ADVERTISEMENT]);

const char *router_start(struct services *s, const struct services_options *o);

#endif
