/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VPCD_MODEL_NETWORK_ACL_H
#define VPCD_MODEL_NETWORK_ACL_H

#include "model/object.h"

#define ACL_RULE_LAST 32767 /* the `*` row, which denies; IPv6's has one more */

struct acl_entry {
    int64_t number; /* 1 to 32766, or the `*` row of its family; unique in its direction */
    bool egress;
    bool allow;
    int64_t protocol;                   /* -1: all */
    struct cidr cidr;                   /* canonical */
    struct optint from, to;             /* ports, TCP and UDP */
    struct optint icmp_type, icmp_code; /* -1: all */
    struct blob unknown;
};

struct network_acl {
    struct obj o;
    char *vpc_id;
    bool is_default;
    struct list entries; /* struct acl_entry, outbound first, then by number */
    struct list tags;
    struct blob unknown;
};

enum {
    ACL_BY_VPC = 1,
};

extern const struct desc network_acl_desc;

/* The entry of a direction with this number, or NULL. */
struct acl_entry *network_acl_find(const struct network_acl *a, bool egress, int64_t number);
/* A new entry in its place, all but number and direction zero; NULL when memory is short. */
struct acl_entry *network_acl_add(struct network_acl *a, bool egress, int64_t number);
void network_acl_cut(struct network_acl *a, const struct acl_entry *e);
/* Frees what the entry holds besides its number and direction. */
void acl_entry_reset(struct acl_entry *e);

/*
 * The `*` row of a family in a direction and, with `allow`, the row before it that allows all: 100
 * for IPv4, 101 for IPv6 (VPC user guide, "Default network ACL"). False when memory is short.
 */
bool network_acl_add_base(struct network_acl *a, bool egress, uint8_t family, bool allow);
/* What a direction gets when its VPC gets IPv6: its `*` row, and all is allowed where the default
 * ACL is as it was made. Nothing when it has the row. */
bool network_acl_open_ipv6(struct network_acl *a, bool egress);

#endif
