/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what the kernel counted (abi/flow_log.h) to records at interfaces.
 *
 * Packets of one direction of a flow are seen at up to four places, each of which makes a record of
 * its own if it is logged:
 *
 *     sender --egress--> [ NAT gateway: ingress, egress ] --ingress--> receiver
 *
 *  1. at the sender's interface, egress: the tuple as the packet entered the network
 *  2. at the interface of a NAT gateway on the way, ingress
 *  3. there, egress; the gateway has its private address in both (user guide, "Traffic through a
 *     NAT gateway": its public one is the internet gateway's business)
 *  4. at the receiver's interface, ingress: the tuple as it was delivered, so behind an internet
 *     gateway with the private address
 *
 * A packet through a middlebox enters twice, and the kernel counted two flows.
 */
#ifndef VPCD_FLOWLOG_RECORD_H
#define VPCD_FLOWLOG_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/flow_log.h"
#include "base/ip.h"

/* What a record says of its interface, copied from the model. */
struct flowlog_eni {
    uint64_t account;
    char id[32], vpc[32], subnet[32];
    char instance[32]; /* "" for none, and where the interface is requester managed */
    char region[24], az_id[16];
    struct ip primary;      /* IPv4; absent: none */
    struct ip *addresses6;  /* its IPv6 addresses, the first stands for what is none of its own */
    struct cidr *prefixes6; /* delegated, whose addresses are its own, too */
    struct ip *nat_private; /* of a NAT gateway: its addresses, */
    struct ip *nat_public;  /* and what each is outside; absent for a private gateway */
    uint16_t n_addresses6, n_prefixes6, n_nat;
};
void flowlog_eni_free(struct flowlog_eni *eni); /* what it points to */

/* The values of the field traffic-path that occur here; 0: "-". */
enum flowlog_path {
    FLOWLOG_PATH_NONE = 0,
    FLOWLOG_PATH_SAME_VPC = 1,
    FLOWLOG_PATH_PEERING = 4,
    FLOWLOG_PATH_PEERING_REGION = 5,
    FLOWLOG_PATH_INTERNET = 8,
};

/* Two records with equal keys are one. */
struct flowlog_key {
    uint8_t family, protocol;
    uint8_t action; /* enum log_action */
    bool egress;
    uint16_t sport, dport; /* 0 for ICMP and protocols without ports */
    struct abi_addr src, dst;
};
_Static_assert(sizeof(struct flowlog_key) == 40, "no padding: keys are compared as bytes");

struct flowlog_record {
    struct flowlog_key key; /* addresses as in the packet: pkt-srcaddr, pkt-dstaddr */
    uint8_t path;           /* enum flowlog_path, of the newest packets */
    uint8_t tcp_flags;      /* OR of FIN 1, SYN 2, RST 4, SYN-ACK 18 */
    uint64_t packets, bytes;
    uint64_t first_ns, last_ns; /* CLOCK_MONOTONIC */
};

/* A record and where it belongs. */
struct flowlog_at {
    uint32_t eni; /* number */
    struct flowlog_record record;
};
#define FLOWLOG_AT_MAX 4

/* Who the numbers are; NULL: nobody knows, or nobody logs them. */
struct flowlog_who {
    const struct flowlog_eni *(*eni)(void *arg, uint32_t number);
    /* The interface of the gateway with this key (LOG_GATEWAY_KEY_OF) in one of two VPCs, by their
     * numbers; its own number in *ret_number. */
    const struct flowlog_eni *(*gateway)(void *arg, uint32_t key, uint32_t vpc, uint32_t far_vpc,
                                         uint32_t *ret_number);
    void *arg;
};

/* The records of packets that the kernel told of, in `ret`; how many. Of LOG_LOST there are none.
 */
unsigned flowlog_records_of(const struct log_record *raw, const struct flowlog_who *who,
                            struct flowlog_at ret[FLOWLOG_AT_MAX]);

/* The address shown as srcaddr or dstaddr: the interface's own side. `packet` is what the packet
 * had there. */
struct ip flowlog_own_address(const struct flowlog_eni *eni, const struct ip *packet);

#endif
