/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VPCD_MODEL_SECURITY_GROUP_H
#define VPCD_MODEL_SECURITY_GROUP_H

#include "model/object.h"

/*
 * One row: `sgr-...`. Exactly one of cidr, prefix_list_id and group_id says who the peer is.
 * protocol -1 is all of them; then, and for protocols without ports, from and to are -1.
 * For ICMP (1) and ICMPv6 (58), from is the type and to the code, -1 for all.
 */
struct sg_rule {
    char *id;
    bool egress;
    int64_t protocol; /* -1 to 255 */
    int64_t from, to;
    struct cidr cidr;
    char *prefix_list_id;
    char *group_id;
    int64_t group_owner; /* account of group_id */
    /* Where the group is of another VPC, and the peering connection by which the rule may name it.
     * The rule is stale, and matches nothing, when either is gone. NULL: a group of the same VPC.
     */
    char *group_vpc;
    char *peering_id;
    char *description;
    struct list tags;
    struct blob unknown;
};

/* Another VPC of the same account, whose interfaces may have the group too. */
struct sg_association {
    char *vpc_id;
    bool stuck; /* it was to end, but interfaces have the group ("disassociation-failed") */
    struct blob unknown;
};

struct security_group {
    struct obj o;
    char *name;
    char *description;
    char *vpc_id;
    struct list rules; /* struct sg_rule */
    struct list vpcs;  /* struct sg_association: VPCs besides its own */
    struct list tags;
    struct blob unknown;
};

enum {
    SG_BY_NAME = 1,
    SG_BY_VPC = 3,
    SG_BY_RULE = 4 * 256 + 1,
    SG_BY_PREFIX_LIST = 4 * 256 + 7,
    SG_BY_REFERENCE = 4 * 256 + 8, /* groups whose rules name this group */
    SG_BY_PEERING = 4 * 256 + 13,  /* groups whose rules name a group by this connection */
    SG_BY_ASSOCIATION = 6 * 256 + 1,
};

#define SG_RULE_ANY (-1)

extern const struct desc security_group_desc, sg_rule_desc, sg_association_desc;
/* A rule as DescribeSecurityGroupRules shows it; what is described is a struct sg_rule_view. */
struct sg_rule_view {
    const struct security_group *group;
    const struct sg_rule *rule;
    struct list tags; /* the rule's own, borrowed for filters */
};
extern const struct desc sg_rule_view_desc;

/* True when the rule names a group of a peered VPC, and that or the connection is gone. */
bool sg_rule_is_stale(const struct index *ix, const struct security_group *g,
                      const struct sg_rule *r);
/* What EC2 shows of a rule's own: direction, protocol, ports, CIDR or prefix list. */
void sg_rule_emit(struct xml *x, const struct sg_rule *r);
/* What EC2 shows of a group in a rule: userId, groupId, and where it is when in another VPC. */
void sg_rule_emit_group(struct xml *x, const struct index *ix, const struct security_group *g,
                        const struct sg_rule *r);

/* True when interfaces in the VPC may have the group. */
bool security_group_in_vpc(const struct security_group *g, const char *vpc_id);

/* The protocol as EC2 writes it: "tcp", "udp", "icmp", "icmpv6", "-1", or the number. `out` holds
 * 16 bytes. */
char *sg_protocol_name(int64_t protocol, char *out);
/* And back; also "all" and numbers. 0 or -EINVAL. */
int sg_protocol_parse(const char *s, int64_t *ret_protocol);
/* True when the protocol has a port range (TCP, UDP) or types and codes (ICMP, ICMPv6). */
bool sg_protocol_has_ports(int64_t protocol);

/* The address family that a rule can match: IP_V4 or IP_V6 for a CIDR, IP_NONE (both) otherwise. */
uint8_t sg_rule_family(const struct sg_rule *r);

#endif
