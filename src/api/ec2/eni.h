/* SPDX-License-Identifier: Apache-2.0 */
/* What the actions on network interfaces and on instances share: addresses and attachment. */
#ifndef VPCD_API_ENI_H
#define VPCD_API_ENI_H

#include "api/actions.h"

/*
 * The functions with a `struct network_interface *` change a copy that the caller got from
 * txn_edit and puts afterwards.
 */

/* eni_claim.c */
/* One more private address of a family: `wanted`, or, when that is NULL, a free one. */
int eni_add_address(struct call *c, struct network_interface *eni, const struct subnet *s,
                    uint8_t family, const struct ip *wanted);
/* The same for a prefix, /28 or /80. */
int eni_add_prefix(struct call *c, struct network_interface *eni, const struct subnet *s,
                   uint8_t family, const struct cidr *wanted);
/* Takes address or prefix number i away, and whatever public address stands for it. */
void eni_cut_address(struct call *c, struct network_interface *eni, uint8_t family, uint32_t i);
void eni_cut_prefix(struct call *c, struct network_interface *eni, uint8_t family, uint32_t i);
/* Id of the interface that has the address, by itself or (IPv4) within a prefix; NULL: nobody. */
const char *eni_ip_owner(struct call *c, const char *subnet_id, const struct ip *ip);
/* Whether an interface may have the addresses and prefixes it has; `type` NULL: not attached. */
int eni_check_counts(struct call *c, const struct instance_type *type,
                     const struct network_interface *eni);
/* The one interface of an instance; one with several must be asked for by interface: NULL with the
 * call's error set. */
const struct network_interface *eni_only(struct call *c, const struct instance *i);
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

/* An interface that a service manages (a NAT gateway) is not for its owner to change. */
int eni_check_managed(struct call *c, const struct network_interface *eni);

/* address.c: the elastic IP, which is not associated, stands for the interface's private address
 * from now on. The internet gateway must be there, and touched. */
int address_associate(struct call *c, const char *allocation_id, const char *eni_id,
                      const struct ip *private_ip);

/* eni_permission.c: all that was granted on an interface. */
void eni_permissions_drop(struct call *c, const char *eni_id);

/* public_ip.c */
bool public_ip_usable(const struct cidr *pool, const struct ip *ip);
/* Takes this address; false when somebody has it. */
bool public_ip_claim(struct call *c, const struct ip *ip, const char *owner);
/* How many an account may have, and: it takes one more. AddressLimitExceeded. */
unsigned public_ip_share(const struct api_config *config);
int public_ip_take(struct call *c);
/* address.c: AddressLimitExceeded when the account has as many elastic IPs in the region as it may.
 */
int addresses_check_max(struct call *c);
/* address_transfer.c: a pending offer of the allocation ends. */
void address_transfer_drop(struct call *c, const char *allocation_id);
/* One address's association ends; an address given at launch is released. */
void public_ip_drop(struct call *c, struct eni_address *a);
/* A public address for the primary private one, as subnets and RunInstances give them. */
int public_ip_auto(struct call *c, struct network_interface *eni);
/* Whether the interface was given a public address at launch and may have one again: not where its
 * instance has several interfaces. */
bool public_ip_automatic(struct call *c, const struct network_interface *eni);
/* Gives such an interface of a running instance a public address, now that it may be without. It
 * stays without when there is none to have: what took the old one away must not fail for it. */
void public_ip_regain(struct call *c, struct network_interface *eni);

/* eni_params.c: the parameters that describe an interface, in several actions. */
struct eni_addresses_param {
    struct ip primary;
    struct list secondary; /* struct private_ip_param */
    struct optint secondary_count;
    struct list prefixes; /* struct prefix_param */
    struct optint prefix_count;
    struct list addresses6; /* struct ipv6_param */
    struct optint addresses6_count;
    struct list prefixes6; /* struct prefix_param */
    struct optint prefix6_count;
    struct eni_tracking_param {
        struct optint tcp_established, udp_stream, udp;
    } tracking;
};
extern const struct desc eni_tracking_param_desc;
#define ENI_COUNT(s_, m_, wire_) FIELD(0, FT_OPTINT, s_, m_, wire_, .min = 0, .max = 255)
#define ENI_ADDRESSES_PARAM(s_, m_)                                                                \
    FIELD(0, FT_IP, s_, m_.primary, "PrivateIpAddress"),                                           \
        FIELD(0, FT_LIST, s_, m_.secondary, "PrivateIpAddresses", .sub = &private_ip_param_desc),  \
        ENI_COUNT(s_, m_.secondary_count, "SecondaryPrivateIpAddressCount"),                       \
        FIELD(0, FT_LIST, s_, m_.prefixes, "Ipv4Prefix", .sub = &prefix4_param_desc),              \
        ENI_COUNT(s_, m_.prefix_count, "Ipv4PrefixCount"),                                         \
        FIELD(0, FT_LIST, s_, m_.addresses6, "Ipv6Addresses", .sub = &ipv6_param_desc),            \
        ENI_COUNT(s_, m_.addresses6_count, "Ipv6AddressCount"),                                    \
        FIELD(0, FT_LIST, s_, m_.prefixes6, "Ipv6Prefix", .sub = &prefix6_param_desc),             \
        ENI_COUNT(s_, m_.prefix6_count, "Ipv6PrefixCount"), ENI_TRACKING_PARAM(s_, m_.tracking)
#define ENI_TRACKING_PARAM(s_, m_)                                                                 \
    FIELD(0, FT_STRUCT, s_, m_, "ConnectionTrackingSpecification", .sub = &eni_tracking_param_desc)
/* Checks their combination and puts them into the wish. */
int eni_wish_addresses(struct call *c, const struct eni_addresses_param *p, struct eni_wish *wish);
/* Takes over the timeouts that are given. */
void eni_set_tracking(const struct eni_tracking_param *p, struct eni_tracking *t);
bool eni_tracking_given(const struct eni_tracking_param *p);
/* The one kind of interface that people can make; others are refused by name. */
int eni_check_type(struct call *c, const char *interface_type);
/* Marks the first IPv6 address as the primary one. */
int eni_make_primary6(struct call *c, struct network_interface *eni);

#endif
