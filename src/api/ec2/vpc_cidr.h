/* SPDX-License-Identifier: Apache-2.0 */
/* The CIDR blocks of VPCs. */
#ifndef VPCD_API_VPC_CIDR_H
#define VPCD_API_VPC_CIDR_H

#include "api/actions.h"

/* What CreateVpc and AssociateVpcCidrBlock may ask for. */
struct vpc_cidr_params {
    struct cidr cidr, cidr6;
    uint8_t amazon_ipv6; /* enum tri */
    char *border_group, *pool6, *ipam4, *ipam6;
    struct optint len4, len6;
};
#define VPC_CIDR_PARAMS(s_, m_)                                                                    \
    FIELD(0, FT_CIDR, s_, m_.cidr, "CidrBlock"), FIELD(0, FT_CIDR, s_, m_.cidr6, "Ipv6CidrBlock"), \
        FIELD(0, FT_TRI, s_, m_.amazon_ipv6, "AmazonProvidedIpv6CidrBlock"),                       \
        FIELD(0, FT_STR, s_, m_.border_group, "Ipv6CidrBlockNetworkBorderGroup"),                  \
        FIELD(0, FT_STR, s_, m_.pool6, "Ipv6Pool"),                                                \
        FIELD(0, FT_STR, s_, m_.ipam4, "Ipv4IpamPoolId"),                                          \
        FIELD(0, FT_STR, s_, m_.ipam6, "Ipv6IpamPoolId"),                                          \
        FIELD(0, FT_OPTINT, s_, m_.len4, "Ipv4NetmaskLength"),                                     \
        FIELD(0, FT_OPTINT, s_, m_.len6, "Ipv6NetmaskLength")
/* 0, or the call's error: a block that no VPC may have, or pools, of which there are none. */
int vpc_check_cidr_params(struct call *c, const struct vpc_cidr_params *p);
/* The same for pools alone, of subnets too. */
int check_ipam_params(struct call *c, const char *ipam4, const struct optint *len4,
                      const char *ipam6, const struct optint *len6);

/* A new association with an IPv4 block, with a free /56 of the pool; NULL with the error set. */
const struct cidr_association *vpc_add_cidr(struct call *c, struct vpc *v, const struct cidr *cidr);
const struct cidr_association *vpc_add_ipv6(struct call *c, struct vpc *v);
/* The /56 is anybody's again. */
void vpc_release_ipv6(struct call *c, const struct cidr *cidr);

#endif
