/* SPDX-License-Identifier: Apache-2.0 */
/* Between socket addresses, struct ip, and the text "ADDRESS:PORT" or "[ADDRESS]:PORT". */
#ifndef VPCD_HTTP_ADDRESS_H
#define VPCD_HTTP_ADDRESS_H

#include <stddef.h>
#include <sys/socket.h>

#include "base/ip.h"

#define ADDRESS_TEXT (IP_TEXT + 8)

/* 0 or -EINVAL. An IPv6 address needs its brackets; the port may be 0. */
int address_parse(const char *text, struct sockaddr_storage *ret_addr, socklen_t *ret_len);

/* An IPv4 client of a listener on [::] is an IPv4 address. IP_NONE for other families. */
struct ip address_ip(const struct sockaddr *addr, uint16_t *ret_port);

/* Returns `out`, ADDRESS_TEXT bytes. */
char *address_format(const struct sockaddr *addr, char *out);

#endif
