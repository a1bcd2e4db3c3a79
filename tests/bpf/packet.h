/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets made by hand, and looked at again: a small writer, and checksums computed in full from
 * the RFCs, with no code in common with the packet path.
 *
 *     struct packet k = {0};
 *     packet_eth(&k, dst, src, ETH_P_IP);
 *     packet_ip(&k, "10.0.0.4", "10.0.0.5", IPPROTO_UDP);
 *     packet_udp(&k, 1000, 53, 4);      (payload bytes)
 *     packet_finish(&k);                lengths and checksums
 */
#ifndef VPCD_TESTS_BPF_PACKET_H
#define VPCD_TESTS_BPF_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

#include "base/ip.h"

#define PACKET_MAX 4096

enum tcp_flag {
    FIN = 1,
    SYN = 2,
    RST = 4,
    ACK = 16,
};

struct packet {
    uint8_t data[PACKET_MAX];
    size_t len;
    size_t l3, l4; /* offsets; 0: none */
    uint8_t proto;
};

extern const uint8_t mac_broadcast[6];

void packet_bytes(struct packet *k, const void *bytes, size_t n);
void packet_eth(struct packet *k, const uint8_t dst[6], const uint8_t src[6], uint16_t type);
/* The family follows from the addresses. */
void packet_ip(struct packet *k, const char *src, const char *dst, uint8_t proto);
void packet_tcp(struct packet *k, uint16_t sport, uint16_t dport, unsigned flags, size_t payload);
void packet_udp(struct packet *k, uint16_t sport, uint16_t dport, size_t payload);
void packet_icmp(struct packet *k, uint8_t type, uint8_t code, uint16_t id, size_t payload);
void packet_finish(struct packet *k);

/* Whole frames. */
void packet_arp(struct packet *k, const uint8_t src_mac[6], uint16_t op, const char *spa,
                const char *tpa);
void packet_ns(struct packet *k, const uint8_t src_mac[6], const char *src, const char *target);

/* Every checksum of an IPv4 or IPv6 packet that has one: NULL if right, else which one is wrong. */
const char *packet_checksums(const uint8_t *data, size_t len);
/* Addresses of an IP packet. */
struct ip packet_src(const uint8_t *data);
struct ip packet_dst(const uint8_t *data);

uint16_t checksum(const void *data, size_t len, uint32_t sum);

#endif
