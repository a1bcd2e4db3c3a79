/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the calls on the rules of security groups share.
 *
 * A permission (EC2's IpPermission) is a protocol, ports and a list of peers; each peer makes a
 * rule of its own. So every call first turns its permissions into wishes: rules without an id.
 */
#ifndef VPCD_API_SECURITY_GROUP_RULE_H
#define VPCD_API_SECURITY_GROUP_RULE_H

#include "api/call.h"
#include "model/peering.h"
#include "model/security_group.h"

/* Strings are borrowed, from the call's parameters or from objects. */
struct rule_wish {
    int64_t protocol, from, to;
    struct cidr cidr; /* or prefix_list_id, or group_id */
    const char *prefix_list_id;
    const char *group_id;
    int64_t group_owner;
    const char *group_vpc, *peering_id; /* of a peered VPC; NULL: the group's own */
    const char *description;
    bool unknown; /* to be revoked, but not there */
};

/* What the wishes are for: only new rules need peers that exist. */
enum wish_use {
    WISH_ADD,
    WISH_CHANGE, /* the same, but a group of any peered account may be named by its id alone */
    WISH_FIND,   /* rules that may name a peer that is gone by now */
};

/* security_group_permission.c */

/* IpPermissions.N of a call, a list of struct permission. */
extern const struct desc permission_desc;
/* The flat form of older clients: one permission, one CIDR or group. */
struct flat_permission {
    char *protocol;
    struct optint from, to;
    struct cidr cidr;
    char *source_name, *source_owner;
};
#define FLAT_FIELDS(s_, m_)                                                                        \
    FIELD(0, FT_STR, s_, m_.protocol, "IpProtocol"), FIELD(0, FT_OPTINT, s_, m_.from, "FromPort"), \
        FIELD(0, FT_OPTINT, s_, m_.to, "ToPort"), FIELD(0, FT_CIDR, s_, m_.cidr, "CidrIp"),        \
        FIELD(0, FT_STR, s_, m_.source_name, "SourceSecurityGroupName"),                           \
        FIELD(0, FT_STR, s_, m_.source_owner, "SourceSecurityGroupOwnerId")

/* Appends what either form asks of the group `g`; `flat` may be NULL. 0 or an error. The items of
 * `wishes` (struct rule_wish) are freed by the caller with free(wishes->items). */
int permissions_wish(struct call *c, const struct security_group *g, enum wish_use use,
                     const struct list *permissions, const struct flat_permission *flat,
                     struct list *wishes);

/* Protocol and ports, checked, into *w. */
int wish_ports(struct call *c, const char *protocol, const struct optint *from,
               const struct optint *to, struct rule_wish *w);
/* The one peer of a wish; each checks it, and its description. 0 or an error. */
int wish_cidr(struct call *c, struct rule_wish *w, const struct cidr *cidr, uint8_t family,
              const char *description);
int wish_prefix_list(struct call *c, struct rule_wish *w, const struct security_group *g,
                     enum wish_use use, const char *id, const char *description);
struct group_param { /* UserIdGroupPair */
    char *group_id, *name, *user_id, *vpc_id, *description, *status, *peering;
};
int wish_group(struct call *c, struct rule_wish *w, const struct security_group *g,
               enum wish_use use, const struct group_param *p);
/* a-z A-Z 0-9, spaces and ._-:/()#,@[]+=&;{}!$*, up to 255 of them; NULL is fine. 0 or an error. */
int check_rule_description(struct call *c, const char *description);

/* security_group_reference.c */

#define ANY_ACCOUNT 0
/*
 * A group of a VPC that an active connection joins with that of `g`, and the connection; NULL when
 * there is none (no error is set). Inter-region connections do not carry groups (VPC peering guide,
 * "Update your security groups to reference peer security groups").
 */
const struct security_group *peered_group(struct call *c, const struct security_group *g,
                                          const char *id, uint64_t owner,
                                          const struct peering **ret_peering);

/* security_group_rule.c */

/* The group by its id, or by its name in the default VPC; NULL with the error set. */
const struct security_group *rules_group(struct call *c, const char *id, const char *name);
/* True when the rule has what is wished for; descriptions do not count. */
bool wish_is(const struct rule_wish *w, bool egress, const struct sg_rule *r);
/* The rule for people: "peer: 10.0.0.0/8, tcp, ..." */
char *wish_text(const struct rule_wish *w, bool egress, char *out, size_t size);
/* What is wished for into a rule of a group that is being edited. */
void wish_apply(struct security_group *g, const struct rule_wish *w, bool egress,
                struct sg_rule *r);
/* Touches what a new rule of the group refers to; once a call for each peer is enough. 0 or an
 * error. */
int wish_refer(struct call *c, const struct security_group *g, const struct rule_wish *w);
/* The group's rule with this id, or NULL. */
struct sg_rule *rule_by_id(const struct security_group *g, const char *id);
int rule_not_found(struct call *c, const char *id);
int rule_duplicate(struct call *c, const struct rule_wish *w, bool egress);
/* Whether the changed group keeps to the number of rules. 0 or an error. */
int check_rules_count(struct call *c, const struct security_group *g, bool egress);

#endif
