/* SPDX-License-Identifier: Apache-2.0 */
/* Network ACLs and which one a subnet has; their entries are in network_acl_entry.c. */
#include <string.h>

#include "api/actions.h"

static int create_network_acl(struct call *c, const void *params) {
    static const enum kind taggable[] = {KIND_NETWORK_ACL};
    const struct in_vpc_params *p = params;
    const struct vpc *v = call_get(c, KIND_VPC, p->vpc_id);
    struct network_acl *a;

    if (!v || call_tags_check(c, &p->tag_specifications, taggable, 1) < 0)
        return -1;
    if (index_count_by(c->ix, KIND_NETWORK_ACL, ACL_BY_VPC, v->o.id) >= NETWORK_ACLS_MAX)
        return call_error(c, "NetworkAclLimitExceeded",
                          "The maximum number of network ACLs has been reached.");
    a = call_new(c, KIND_NETWORK_ACL);
    if (!a || call_tags(c, &p->tag_specifications, a) < 0)
        return -1;
    obj_set(&a->o, &a->vpc_id, v->o.id);
    for (int egress = 0; egress < 2; egress++)
        if (!network_acl_add_base(a, egress, IP_V4, false) ||
            (v->cidrs6.n && !network_acl_add_base(a, egress, IP_V6, false)))
            return call_no_memory(c);
    txn_put(c->txn, a);
    /* Not in a VPC that another writer is deleting. */
    txn_touch(c->txn, v);
    call_object(c, "networkAcl", a);
    if (c->client_token)
        xml_text(&c->xml, "clientToken", c->client_token);
    return 0;
}

struct acl_id {
    char *acl_id;
};
static const struct field acl_id_fields[] = {
    FIELD(0, FT_STR, struct acl_id, acl_id, "NetworkAclId", .flags = FF_REQUIRED),
};
static const struct desc acl_id_desc = DESC("NetworkAclId", struct acl_id, acl_id_fields);

static int delete_network_acl(struct call *c, const void *params) {
    const struct acl_id *p = params;
    const struct network_acl *a = call_get(c, KIND_NETWORK_ACL, p->acl_id);
    struct cursor cur;

    if (!a)
        return -1;
    if (a->is_default)
        return call_error(c, "InvalidParameterValue", "cannot delete default network ACL %s",
                          a->o.id);
    if (cursor_by(c->ix, &cur, KIND_SUBNET, SUBNET_BY_ACL, a->o.id))
        return call_error(c, "DependencyViolation",
                          "The networkAcl '%s' has dependencies and cannot be deleted.", a->o.id);
    txn_delete(c->txn, a);
    return call_return_true(c);
}

DESCRIBE_PARAMS(describe_params, "NetworkAclId");

static int describe_network_acls(struct call *c, const void *params) {
    const struct describe_ids *p = params;

    return describe(
        c, &(struct describe){.kind = KIND_NETWORK_ACL, .ids = &p->ids, .set = "networkAclSet"});
}

struct replace_params {
    char *association_id, *acl_id;
};
static const struct field replace_fields[] = {
    FIELD(0, FT_STR, struct replace_params, association_id, "AssociationId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct replace_params, acl_id, "NetworkAclId", .flags = FF_REQUIRED),
};
static const struct desc replace_desc =
    DESC("ReplaceNetworkAclAssociation", struct replace_params, replace_fields);

static int replace_network_acl_association(struct call *c, const void *params) {
    const struct replace_params *p = params;
    const struct network_acl *a = call_get(c, KIND_NETWORK_ACL, p->acl_id);
    const struct subnet *s;
    struct subnet *n;
    struct cursor cur;
    char id[64];

    if (!a)
        return -1;
    if (!cursor_by_in(c->ix, &cur, KIND_SUBNET, SUBNET_BY_ACL_ASSOCIATION, p->association_id,
                      c->scope, NULL))
        return call_error(c, "InvalidAssociationID.NotFound",
                          "The association ID '%.64s' does not exist", p->association_id);
    s = cur.obj;
    txn_depend(c->txn, s);
    if (strcmp(s->vpc_id, a->vpc_id) != 0)
        return call_error(c, "InvalidParameterValue",
                          "networkAcl %s and subnet %s belong to different networks", a->o.id,
                          s->o.id);
    n = txn_edit(c->txn, s);
    if (!n)
        return call_no_memory(c);
    obj_set(&n->o, &n->acl_id, a->o.id);
    obj_set(&n->o, &n->acl_association_id, obj_make_id("aclassoc-", id));
    txn_put(c->txn, n);
    /* Not to an ACL that another writer is deleting. */
    txn_touch(c->txn, a);
    xml_text(&c->xml, "newAssociationId", id);
    return 0;
}

static const struct action rows[] = {
    {"CreateNetworkAcl", &in_vpc_desc, create_network_acl, ACT_TOKEN},
    {"DeleteNetworkAcl", &acl_id_desc, delete_network_acl},
    {"DescribeNetworkAcls", &describe_params, describe_network_acls, ACT_FILTERS, "networkAclSet"},
    {"ReplaceNetworkAclAssociation", &replace_desc, replace_network_acl_association},
};
ACTIONS(network_acl_actions, rows);
