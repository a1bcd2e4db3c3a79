/* SPDX-License-Identifier: Apache-2.0 */
/* What the actions on network interfaces and on instances share: addresses and attachment. */
#ifndef VPCD_API_ENI_H
#define VPCD_API_ENI_H

#include "api/actions.h"

/*
 * The functions with a `struct network_interface *` change a copy that the caller got from
 * txn_edit and puts afterwards.
 */

/* One more private address: `wanted`, or, when that is NULL, a free one. */
int eni_add_ipv4(struct call *c, struct network_interface *eni, const struct subnet *s,
                 const struct ip *wanted);
int eni_add_ipv6(struct call *c, struct network_interface *eni, const struct subnet *s,
                 const struct ip *wanted);
/* Takes address number i away, and whatever public address stands for it. */
void eni_cut_ipv4(struct call *c, struct network_interface *eni, uint32_t i);
void eni_cut_ipv6(struct call *c, struct network_interface *eni, uint32_t i);

/* Whether an interface may have so many addresses; `type` NULL: it is not attached. */
int eni_check_counts(struct call *c, const struct instance_type *type, int64_t ipv4, int64_t ipv6);
/* The type of the instance that has the interface, or NULL. */
const struct instance_type *eni_instance_type(struct call *c, const struct network_interface *eni);

/* Attachment. eni_attach checks what the type of the instance allows and the device index. */
struct eni_attachment {
    const struct instance *instance;
    int64_t device_index;
    bool delete_on_termination;
};
int eni_attach(struct call *c, const struct network_interface *eni,
               const struct eni_attachment *how);
/* Takes it off its instance; public addresses that were given at launch go. */
int eni_detach(struct call *c, const struct network_interface *eni);

/* public_ip.c */
bool public_ip_usable(const struct cidr *pool, const struct ip *ip);
/* Takes this address; false when somebody has it. */
bool public_ip_claim(struct call *c, const struct ip *ip, const char *owner);
/* How many an account may have, and: it takes one more. AddressLimitExceeded. */
unsigned public_ip_share(const struct api_config *config);
int public_ip_take(struct call *c);
/* One address's association ends; an address given at launch is released. */
void public_ip_drop(struct call *c, struct eni_address *a);
/* A public address for the primary private one, as subnets and RunInstances give them. */
int public_ip_auto(struct call *c, struct network_interface *eni);

/* The parameters that describe private addresses, in several actions. */
struct eni_addresses_param {
    struct ip primary;
    struct list secondary; /* struct private_ip_param */
    struct optint secondary_count;
    struct list addresses6; /* struct ipv6_param */
    struct optint addresses6_count;
};
#define ENI_ADDRESSES_PARAM(s_, m_)                                                                \
    FIELD(0, FT_IP, s_, m_.primary, "PrivateIpAddress"),                                           \
        FIELD(0, FT_LIST, s_, m_.secondary, "PrivateIpAddresses", .sub = &private_ip_param_desc),  \
        FIELD(0, FT_OPTINT, s_, m_.secondary_count, "SecondaryPrivateIpAddressCount", .min = 0,    \
              .max = 255),                                                                         \
        FIELD(0, FT_LIST, s_, m_.addresses6, "Ipv6Addresses", .sub = &ipv6_param_desc),            \
        FIELD(0, FT_OPTINT, s_, m_.addresses6_count, "Ipv6AddressCount", .min = 0, .max = 255)
/* Checks their combination and puts them into the wish. */
int eni_wish_addresses(struct call *c, const struct eni_addresses_param *p, struct eni_wish *wish);

#endif
