/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VPCD_MODEL_NETWORK_ACL_H
#define VPCD_MODEL_NETWORK_ACL_H

#include "model/object.h"

#define ACL_RULE_LAST 32767 /* the `*` row, which denies */

struct acl_entry {
    int64_t number; /* 1 to 32766, or ACL_RULE_LAST */
    bool egress;
    bool allow;
    int64_t protocol; /* -1: all */
    struct cidr cidr;
    struct optint from, to; /* ports, TCP and UDP */
    struct optint icmp_type, icmp_code;
    struct blob unknown;
};

struct network_acl {
    struct obj o;
    char *vpc_id;
    bool is_default;
    struct list entries; /* struct acl_entry */
    struct list tags;
    struct blob unknown;
};

enum {
    ACL_BY_VPC = 1,
};

extern const struct desc network_acl_desc;

#endif
