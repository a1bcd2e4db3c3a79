/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The addresses inside the services' namespace, and what is handed over with the sockets there.
 *
 * A request of an instance gets a source that is unique to its interface, and a destination that
 * names what it asked; both ways the packet path can tell the original addresses from these alone,
 * and from what it knows of the interface and its subnet. N: the interface's number (28 bits), h:
 * the last 16 bits of the IPv4 address that asks (no subnet is larger than a /16), i: the last 64
 * of the IPv6 address.
 *
 *     IPv4   from  16.0.0.0/4 | N               to  172.16.0.0/12 | what << 16 | h
 *     IPv6   from  fd76:7063:NNNN:NNNN:iiii...  (from the interface's /64)
 *                  fd76:7064:NNNN:NNNN:iiii...  (from a link-local address; i = 0: from `::`)
 *            to    the service's own address; what is sent to a group goes to
 *                  fd00:ec2::547 (ff02::1:2), fd00:ec2::133 (ff02::2)
 *
 * Back, h = 0 (DHCP) means everybody on the link: 255.255.255.255; so does i = 0: ff02::1.
 */
#ifndef VPCD_ABI_SERVICE_H
#define VPCD_ABI_SERVICE_H

#include <linux/types.h>

#define SERVICE4_CLIENT 0x10000000u /* /4 */
#define SERVICE4_SERVER 0xac100000u /* /12 */
#define SERVICE_NUMBER_MAX 0x0fffffffu
#define SERVICE6_GLOBAL 0xfd767063u /* the first 32 bits */
#define SERVICE6_LINK 0xfd767064u
#define SERVICE6_SERVER 0xfd000ec2u /* the first 32 bits of fd00:ec2::/32 */

/* What is asked: 4 bits of an IPv4 address inside. */
enum service_what {
    SERVICE_NONE = 0,
    SERVICE_DNS_VPC = 1,  /* the VPC's base + 2 */
    SERVICE_DNS_LINK = 2, /* 169.254.169.253; fd00:ec2::253 */
    SERVICE_METADATA = 3, /* 169.254.169.254; fd00:ec2::254 */
    SERVICE_TIME = 4,     /* 169.254.169.123; fd00:ec2::123 */
    SERVICE_DHCP = 5,     /* 255.255.255.255 and the subnet's router */
    SERVICE_DHCP6 = 6,    /* ff02::1:2 */
    SERVICE_ROUTER = 7,   /* router solicitations */
    SERVICE_WHATS,
};

/* The last 16 bits of the services' addresses in fd00:ec2::/32. */
#define SERVICE6_DNS 0x253
#define SERVICE6_METADATA 0x254
#define SERVICE6_TIME 0x123
#define SERVICE6_DHCP 0x547
#define SERVICE6_ROUTER 0x133

/* "1024 packets per second to services that use link-local addresses" (EC2 user guide). */
#define SERVICE_PACKETS_A_SECOND 1024

/* The sockets, in the order in which they are handed over (SCM_RIGHTS). All are of IPv6 and take
 * IPv4 too, but for the last two. */
enum service_socket {
    SERVICE_SOCKET_DNS = 0,  /* UDP 53 */
    SERVICE_SOCKET_DNS_TCP,  /* listens */
    SERVICE_SOCKET_METADATA, /* TCP 80, listens */
    SERVICE_SOCKET_TIME,     /* UDP 123 */
    SERVICE_SOCKET_DHCP,     /* UDP 67 */
    SERVICE_SOCKET_DHCP6,    /* UDP 547 */
    SERVICE_SOCKET_ROUTER,   /* raw ICMPv6, router solicitations only */
    SERVICE_SOCKETS,
};

/* The message that carries them. */
#define SERVICE_GIFT_VERSION 1
struct service_gift {
    __u32 version;
    __u32 sockets;   /* SERVICE_SOCKETS */
    __u8 secret[32]; /* the same as long as the state directory lives */
};

/* Between the agent and vpc-services beside the model's objects, on their stream: the key
 * "@eni/NUMBER" (decimal) has as its bytes the key of the network interface. */
#define SERVICE_NUMBER_KEY "@eni/"

#endif
