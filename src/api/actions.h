/* SPDX-License-Identifier: Apache-2.0 */
/* The families of actions, each in a file of its own; what the files share with each other. */
#ifndef VPCD_API_ACTIONS_H
#define VPCD_API_ACTIONS_H

#include "api/api.h"
#include "api/call.h"
#include "api/describe.h"
#include "model/account.h"
#include "model/address.h"
#include "model/instance.h"
#include "model/network_acl.h"
#include "model/network_interface.h"
#include "model/regions.h"
#include "model/route_table.h"
#include "model/security_group.h"
#include "model/vpc.h"

extern const struct actions address_actions;
extern const struct actions customer_gateway_actions;
extern const struct actions address_attribute_actions;
extern const struct actions address_transfer_actions;
extern const struct actions classic_link_actions;
extern const struct actions default_actions;
extern const struct actions dhcp_options_actions;
extern const struct actions egress_only_gateway_actions;
extern const struct actions eni_address_actions;
extern const struct actions eni_attachment_actions;
extern const struct actions eni_permission_actions;
extern const struct actions eni_trunk_actions;
extern const struct actions fact_actions;
extern const struct actions flow_log_actions;
extern const struct actions iam_actions;
extern const struct actions id_format_actions;
extern const struct actions image_actions;
extern const struct actions image_attribute_actions;
extern const struct actions instance_actions;
extern const struct actions instance_attribute_actions;
extern const struct actions instance_option_actions;
extern const struct actions instance_run_actions;
extern const struct actions instance_state_actions;
extern const struct actions instance_type_actions;
extern const struct actions internet_gateway_actions;
extern const struct actions nat_gateway_actions;
extern const struct actions nat_gateway_address_actions;
extern const struct actions key_pair_actions;
extern const struct actions network_acl_actions;
extern const struct actions network_acl_entry_actions;
extern const struct actions network_interface_actions;
extern const struct actions peering_actions;
extern const struct actions peering_option_actions;
extern const struct actions prefix_list_actions;
extern const struct actions prefix_list_show_actions;
extern const struct actions route_actions;
extern const struct actions route_association_actions;
extern const struct actions route_table_actions;
extern const struct actions security_group_actions;
extern const struct actions security_group_reference_actions;
extern const struct actions security_group_rule_actions;
extern const struct actions security_group_rule_modify_actions;
extern const struct actions security_group_vpc_actions;
extern const struct actions security_group_rule_show_actions;
extern const struct actions sts_actions;
extern const struct actions subnet_actions;
extern const struct actions subnet_attribute_actions;
extern const struct actions subnet_cidr_actions;
extern const struct actions subnet_reservation_actions;
extern const struct actions tag_actions;
extern const struct actions tag_row_actions;
extern const struct actions vpc_actions;
extern const struct actions vpn_gateway_actions;
extern const struct actions vpc_attribute_actions;
extern const struct actions vpc_cidr_actions;

#define ACTIONS(family_, rows_)                                                                    \
    const struct actions family_ = {.rows = (rows_), .n = sizeof(rows_) / sizeof((rows_)[0])}

/* All families of EC2's actions, *ret_n of them (api.c). */
const struct actions *const *api_families(size_t *ret_n);

/* How much an account may have (VPC user guide, "Amazon VPC quotas": adjustable there, above the
 * default here). */
enum {
    VPCS_MAX = 100,          /* in a region */
    VPC_CIDRS_MAX = 5,       /* of each family */
    DHCP_OPTIONS_MAX = 1000, /* sets in a region; AWS names no limit */
    SUBNETS_MAX = 200,       /* in a VPC */
    NETWORK_ACLS_MAX = 200,  /* in a VPC */
    ACL_ENTRIES_MAX = 40,    /* of an ACL, for each direction and family, the `*` row too */
    RESERVATIONS_MAX = 50,   /* of a subnet; AWS names no limit */
    ROUTE_TABLES_MAX = 200,  /* in a VPC */
    INTERNET_GATEWAYS_MAX = VPCS_MAX, /* in a region */
    ROUTES_MAX = 1000,                /* in a table, beyond the local ones */
    SECURITY_GROUPS_MAX = 2500,       /* in a region */
    SG_RULES_MAX = 60,                /* of a group, for each direction and family */
    ENI_GROUPS_MAX = 16,              /* of an interface */
    ENI_RULES_MAX = 1000,             /* its groups times the rules that each may have */
    ENIS_MAX = 5000,                  /* in a region */
    ADDRESSES_MAX = 100,              /* elastic IPs in a region */
    INSTANCES_MAX = 1000,             /* of one call; for an account's limit see api.h */
};

/* vpc.c */
struct vpc_parts { /* what is made together with a VPC */
    struct cidr cidr;
    bool amazon_ipv6;
    bool is_default;
};
struct vpc *vpc_create(struct call *c, const struct vpc_parts *parts,
                       const struct list *tag_specifications);
const struct network_acl *vpc_default_acl(const struct index *ix, const char *vpc_id);
const struct security_group *vpc_default_group(const struct index *ix, const char *vpc_id);
const struct internet_gateway *vpc_gateway(const struct index *ix, const char *vpc_id);

/* dhcp_options.c: the set that new VPCs of the caller's region get, made when there is none; NULL
 * when memory is short. */
const struct dhcp_options *dhcp_options_default(struct call *c);

/* subnet.c */
struct subnet *subnet_create(struct call *c, const struct vpc *v, const char *zone,
                             const struct cidr *cidr, const struct cidr *cidr6,
                             const struct list *tag_specifications);

/* subnet_reservation.c: a subnet's reservations go with it. */
void subnet_reservations_delete(struct call *c, const char *subnet_id);

/* defaults.c: the default VPC of the caller's account and region. 0 or an error. */
int defaults_make(struct call *c);
/* The caller's account; NULL when it was deleted meanwhile. */
const struct account *own_account(struct call *c);
const struct vpc *default_vpc(struct call *c);

/* route_table.c */
struct route_table *route_table_create(struct call *c, const struct vpc *v, bool main,
                                       const struct list *tag_specifications);
/* The local routes of a table follow the VPC's CIDRs. */
int route_tables_sync_local(struct call *c, const struct vpc *v);

/* security_group.c */
struct security_group *security_group_create(struct call *c, const struct vpc *v, const char *name,
                                             const char *description,
                                             const struct list *tag_specifications);
/* A rule with a new id at the end of the group's list; NULL when memory is short. */
struct sg_rule *security_group_add_rule(struct security_group *g);

/* How many rules the account's groups may have, for each direction and family, and how many groups
 * its interfaces: ENI_RULES_MAX bounds both together. */
int64_t security_group_rules_max(const struct call *c);
int64_t interface_groups_max(const struct call *c);

/* The VPC got IPv6: a group that lets all IPv4 out, as when it was made, lets all IPv6 out too.
 * 0 or an error. */
int security_groups_open_ipv6(struct call *c, const struct vpc *v);

/* A group of the default VPC by its name; NULL with the error set. */
const struct security_group *security_group_named(struct call *c, const char *name);

/* sgset.c: the number of a set of groups in its VPC; counts the set's users. 0 or an error. */
int sgset_take(struct call *c, const struct vpc *v, const struct list *groups, int64_t *ret_number);
void sgset_drop(struct call *c, const char *vpc_id, int64_t number);

/* eni.c */
struct eni_wish { /* what a new interface shall be */
    const struct subnet *subnet;
    const char *description;
    const char *interface_type;   /* NULL: "interface" */
    const struct list *groups;    /* ids; empty: the VPC's default group */
    const struct ip *primary;     /* NULL or absent: any free address */
    const struct list *secondary; /* struct private_ip_param, or NULL */
    int64_t secondary_count;
    const struct list *prefixes; /* struct prefix_param, or NULL */
    int64_t prefix_count;
    const struct list *addresses6; /* struct ipv6_param, or NULL */
    int64_t addresses6_count;      /* -1: as the subnet says */
    const struct list *prefixes6;  /* struct prefix_param, or NULL */
    int64_t prefix6_count;
    bool primary6; /* the first IPv6 address never changes */
    struct eni_tracking tracking;
    bool requester_managed;
    const struct list *tag_specifications;
};
struct private_ip_param {
    struct ip ip;
    uint8_t primary; /* enum tri */
};
struct ipv6_param {
    struct ip ip;
    uint8_t primary; /* enum tri */
};
struct prefix_param {
    struct cidr cidr;
};
extern const struct desc private_ip_param_desc, ipv6_param_desc, prefix4_param_desc,
    prefix6_param_desc;
/* A new interface, visible and with its claims; NULL with the call's error set. To change it,
 * txn_edit it. */
const struct network_interface *eni_create(struct call *c, const struct eni_wish *wish);
/* Detaches nothing; releases addresses, public addresses, the set of groups. 0 or an error. */
int eni_delete(struct call *c, const struct network_interface *eni);
int eni_set_groups(struct call *c, struct network_interface *eni, const struct list *groups);

/* public_ip.c */
/* A free address of the public pool, claimed by `owner`. 0 or InsufficientAddressCapacity. */
int public_ip_allocate(struct call *c, const char *owner, struct ip *ret_ip);
void public_ip_release(struct call *c, const struct ip *ip);
/* Ends whatever association the interface's addresses have: elastic IPs stay allocated, others are
 * released. */
void public_ips_drop(struct call *c, struct network_interface *eni);

/* instance_types.c */
struct instance_type {
    const char *name;
    uint16_t enis, ips;     /* interfaces; IPv4 addresses of each */
    const char *hypervisor; /* or NULL */
    bool bare_metal;
    uint16_t cards;
};
const struct instance_type *instance_type_find(const char *name);
/* IPv6 addresses of an interface; 0: the type has no IPv6. */
int64_t instance_type_ipv6(const struct instance_type *t);
/* Of the Nitro System: interfaces may have prefixes. */
bool instance_type_nitro(const struct instance_type *t);

#endif
