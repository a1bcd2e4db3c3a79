/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The world of test_parse.c and test_paths.c. Everything is allowed by the groups.
 *
 *   VPC 1  subnet 1  10.0.1.0/24 fd00:0:0:1::/64     a (10.0.1.4, fd00:0:0:1::4; public .10)
 *                                                    b (10.0.1.5, fd00:0:0:1::5)
 *          subnet 2  10.0.2.0/24 2001:db8:ff00:2::/64  c (10.0.2.4, 2001:db8:ff00:2::4; public .11)
 *   VPC 2  subnet 3  10.0.1.0/24                     d (10.0.1.5; public .12)
 *   uplink: 203.0.113.1, 2001:db8:ff00::1
 */
#ifndef VPCD_TESTS_BPF_STANDARD_H
#define VPCD_TESTS_BPF_STANDARD_H

#include "world.h"

#define HOST "203.0.113.1"
#define HOST6 "2001:db8:ff00::1"

extern struct world w;
extern struct world_eni a, b, c, d;

/* For cmocka. */
int standard_setup(void **state);
int standard_teardown(void **state);
void standard_open_all(const struct world_eni *e);

/* Packets of `e` with its own MAC, to the router; NULL: of the host. */
struct packet standard_udp(const struct world_eni *e, const char *src, const char *dst,
                           uint16_t sport, uint16_t dport);
struct packet standard_tcp(const struct world_eni *e, const char *src, const char *dst,
                           uint16_t sport, uint16_t dport, unsigned flags);
struct packet standard_ping(const struct world_eni *e, const char *src, const char *dst, bool reply,
                            uint16_t id);

void assert_macs(const struct outcome *o, const uint8_t dst[6], const uint8_t src[6]);
/* The addresses, and that every checksum is right. */
void assert_addresses(const struct outcome *o, const char *src, const char *dst);

#endif
