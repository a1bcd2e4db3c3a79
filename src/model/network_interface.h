/* SPDX-License-Identifier: Apache-2.0 */
/* Elastic network interfaces, and the public addresses that may stand for theirs. */
#ifndef VPCD_MODEL_NETWORK_INTERFACE_H
#define VPCD_MODEL_NETWORK_INTERFACE_H

#include "model/object.h"

struct eni_address { /* IPv4 */
    struct ip ip;
    bool primary;
    struct ip public_ip; /* 1:1 at the internet gateway; absent: none */
    char *
        allocation_id; /* of an elastic IP; NULL: given at launch, and released with the instance */
    char *association_id; /* eipassoc-... */
    struct blob unknown;
};

struct eni_address6 {
    struct ip ip;
    struct blob unknown;
};

struct network_interface {
    struct obj o;
    char *vpc_id;
    char *subnet_id;
    char *zone;
    char *description;
    uint8_t mac[6];
    struct list addresses;  /* struct eni_address, the primary first */
    struct list addresses6; /* struct eni_address6 */
    struct list groups;     /* ids, sorted */
    int64_t sgset;          /* number of that set in the VPC */
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
};

/* An elastic IP: an allocation. */
struct address {
    struct obj o;
    struct ip public_ip;
    char *association_id; /* NULL: not associated */
    char *eni_id;
    struct ip private_ip;
    struct list tags;
    struct blob unknown;
};

enum {
    ADDRESS_BY_ENI = 3,
    ADDRESS_BY_ASSOCIATION = 2,
};

extern const struct desc network_interface_desc, eni_in_instance_desc, address_desc;

const struct eni_address *eni_primary(const struct network_interface *eni);
struct eni_address *eni_find(const struct network_interface *eni, const struct ip *ip);

/* <groupSet> of an interface, with the groups' names. */
void eni_emit_groups(struct xml *x, const struct look *look, const void *eni);

/* "ip-10-0-1-5.ec2.internal", or ".REGION.compute.internal" outside us-east-1; 96 bytes. */
char *private_dns_name(uint16_t region, const struct ip *ip, char *out);
/* "ec2-203-0-113-5.compute-1.amazonaws.com" and its kin; 96 bytes. */
char *public_dns_name(uint16_t region, const struct ip *ip, char *out);

#endif
