/* SPDX-License-Identifier: Apache-2.0 */
/* Gateways that are attached to a VPC besides the internet gateway (vpc.h), and the customer's end
 * of a VPN. NAT gateways: nat_gateway.h. */
#ifndef VPCD_MODEL_GATEWAY_H
#define VPCD_MODEL_GATEWAY_H

#include "model/object.h"

/* IPv6 out, answers in; made with its VPC and attached to it as long as it exists. */
struct egress_only_gateway {
    struct obj o;
    char *vpc_id;
    struct list tags;
    struct blob unknown;
};

/* A virtual private gateway: the VPC's end of VPNs. */
struct vpn_gateway {
    struct obj o;
    char *type; /* ipsec.1 */
    char *zone; /* as asked for, or NULL */
    int64_t amazon_side_asn;
    char *vpc_id;      /* attached to; NULL: detached */
    char *last_vpc_id; /* was attached to before; shown as detached. NULL: never was */
    int64_t deleted;   /* milliseconds; 0: it lives. Shown as deleted for a while */
    struct list tags;
    struct blob unknown;
};

/* A router of the customer's; nothing of it is here. */
struct customer_gateway {
    struct obj o;
    char *type; /* ipsec.1 */
    struct ip ip;
    int64_t bgp_asn;
    char *certificate_arn;
    char *device_name;
    int64_t deleted; /* as above */
    struct list tags;
    struct blob unknown;
};

enum {
    EIGW_BY_VPC = 1,
    VGW_BY_VPC = 4,
};

extern const struct desc egress_only_gateway_desc, vpn_gateway_desc, customer_gateway_desc;

#endif
