/* SPDX-License-Identifier: Apache-2.0 */
/* Elastic network interfaces, and the public addresses that may stand for theirs. */
#ifndef VPCD_MODEL_NETWORK_INTERFACE_H
#define VPCD_MODEL_NETWORK_INTERFACE_H

#include "model/object.h"

/* A private address, either family. */
struct eni_address {
    struct ip ip;
    bool primary;        /* IPv4: the first; IPv6: the one that never changes, if there is one */
    struct ip public_ip; /* IPv4, 1:1 at the internet gateway; absent: none */
    char *
        allocation_id; /* of an elastic IP; NULL: given at launch, and released with the instance */
    char *association_id; /* eipassoc-... */
    struct blob unknown;
};

/* All addresses of a /28 (IPv4) or /80 (IPv6) are the interface's. */
struct eni_prefix {
    struct cidr cidr;
    struct blob unknown;
};
#define ENI_PREFIX4_LEN 28
#define ENI_PREFIX6_LEN 80

/* How long flows are tracked that carry nothing, in seconds; 0: as EC2 does by default (EC2 user
 * guide, "Security group connection tracking"). */
struct eni_tracking {
    int64_t tcp_established; /* 60 to 432,000 */
    int64_t udp_stream;      /* 60 to 180 */
    int64_t udp;             /* 30 to 60 */
};

struct network_interface {
    struct obj o;
    char *vpc_id;
    char *subnet_id;
    char *zone;
    char *description;
    uint8_t mac[6];
    struct list addresses;  /* struct eni_address, the primary first */
    struct list addresses6; /* the same, IPv6 */
    struct list prefixes;   /* struct eni_prefix, IPv4 */
    struct list prefixes6;  /* the same, IPv6 */
    struct eni_tracking tracking;
    struct list groups; /* ids, sorted */
    int64_t sgset;      /* number of that set in the VPC */
    bool source_dest_check;
    bool requester_managed;
    char *interface_type;
    /* While attached: */
    char *instance_id;
    char *attachment_id;
    int64_t device_index;
    int64_t attach_time;
    bool delete_on_termination;
    bool auto_public; /* the primary address gets a public one whenever its instance starts */
    struct list tags;
    struct blob unknown;
};

enum {
    ENI_BY_VPC = 1,
    ENI_BY_SUBNET = 2,
    ENI_BY_GROUP = 8,
    ENI_BY_INSTANCE = 13,
    ENI_BY_ATTACHMENT = 14,
    ENI_BY_PUBLIC_IP = 6 * 256 + 3, /* its public IPv4 addresses, as text */
    ENI_BY_IPV6 = 7 * 256 + 1,      /* its IPv6 addresses, as text */
};

extern const struct desc network_interface_desc, eni_in_instance_desc;

void eni_weigh(const void *obj, int64_t ret_weights[WEIGHTS]);
const struct eni_address *eni_primary(const struct network_interface *eni);
/* The private address of either family; NULL: it is none of its own, or only within a prefix. */
struct eni_address *eni_find(const struct network_interface *eni, const struct ip *ip);
/* The prefix of the interface that holds the address, or NULL. */
const struct eni_prefix *eni_prefix_of(const struct network_interface *eni, const struct ip *ip);
/* The lists of one family. */
struct list *eni_addresses(const struct network_interface *eni, uint8_t family);
struct list *eni_prefixes(const struct network_interface *eni, uint8_t family);

/* <groupSet> of an interface, with the groups' names. */
void eni_emit_groups(struct xml *x, const struct look *look, const void *eni);

/* "ip-10-0-1-5.ec2.internal", or ".REGION.compute.internal" outside us-east-1; 96 bytes. */
char *private_dns_name(uint16_t region, const struct ip *ip, char *out);
/* "ec2-203-0-113-5.compute-1.amazonaws.com" and its kin; 96 bytes. */
char *public_dns_name(uint16_t region, const struct ip *ip, char *out);

#endif
