/* SPDX-License-Identifier: Apache-2.0 */
/* VPCs, their subnets, DHCP option sets and internet gateways. */
#ifndef VPCD_MODEL_VPC_H
#define VPCD_MODEL_VPC_H

#include "model/object.h"

/* A CIDR of a VPC or of a subnet, either family. */
struct cidr_association {
    char *id; /* vpc-cidr-assoc-..., subnet-cidr-assoc-... */
    struct cidr cidr;
    char *border_group; /* of a VPC's IPv6 block: its region's */
    struct blob unknown;
};

struct vpc {
    struct obj o;
    struct cidr cidr;      /* the primary one; also the first of cidrs */
    char *dhcp_options_id; /* or "default": none of its own */
    char *tenancy;
    bool is_default;
    bool dns_support;
    bool dns_hostnames;
    bool network_address_usage_metrics;
    int64_t sgset_last; /* the highest number that a set of groups ever had */
    struct list cidrs;  /* struct cidr_association, IPv4 */
    struct list cidrs6; /* the same, IPv6 */
    struct list tags;
    struct blob unknown;
};

struct subnet {
    struct obj o;
    char *vpc_id;
    char *zone;
    struct cidr cidr;
    struct list cidrs6; /* struct cidr_association; at most one /64 */
    bool default_for_az;
    bool map_public_ip;
    bool assign_ipv6;
    bool dns64;
    bool resource_name_dns_a, resource_name_dns_aaaa;
    char *hostname_type;      /* ip-name or resource-name */
    char *acl_id;             /* its network ACL */
    char *acl_association_id; /* aclassoc-... */
    struct list tags;
    struct blob unknown;
};

/* Row numbers for index_each_by(). */
enum {
    VPC_BY_ASSOCIATION = 5 * 256 + 1,
    VPC_BY_ASSOCIATION6 = 4 * 256 + 1,
    SUBNET_BY_VPC = 1,
    SUBNET_BY_CIDR_ASSOCIATION = 4 * 256 + 1,
    SUBNET_BY_ACL_ASSOCIATION = 13,
    SUBNET_BY_ACL = 14,
    IGW_BY_VPC = 1,
};

struct internet_gateway {
    struct obj o;
    char *vpc_id; /* NULL: detached */
    struct list tags;
    struct blob unknown;
};

struct dhcp_option {
    char *key;
    struct list values;
    struct blob unknown;
};

struct dhcp_options {
    struct obj o;
    bool is_default;     /* the one that new VPCs of its region get */
    struct list options; /* struct dhcp_option */
    struct list tags;
    struct blob unknown;
};

extern const struct desc vpc_desc, subnet_desc, internet_gateway_desc, dhcp_options_desc,
    cidr4_desc, cidr6_desc;

/* Addresses that AWS reserves in a subnet: the first four and the last (VPC user guide, "Subnet
 * sizing"). */
bool subnet_reserves(const struct subnet *s, const struct ip *ip);
/* The subnet's IPv6 prefix, or NULL. */
const struct cidr *subnet_cidr6(const struct subnet *s);
/* Free IPv4 addresses: all but the reserved and those of interfaces. */
uint64_t subnet_free(const struct index *ix, const struct subnet *s);

/* Getters that several tables use; obj is the whole object. */
bool get_owner_id(const struct look *look, const void *obj, struct buf *out);
bool get_id(const struct look *look, const void *obj, struct buf *out);

struct index;

/* What the VPC's set of DHCP options says of one of them; NULL or nothing in it: not said. */
const struct list *dhcp_option_values(const struct index *ix, const struct vpc *vpc,
                                      const char *key);

#endif
