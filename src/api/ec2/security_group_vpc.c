/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Security groups in other VPCs of their account (VPC user guide, "Associate security groups with
 * multiple VPCs"): interfaces there may have the group too. Its rules are about the VPC in which
 * they are applied: a rule that names a group means the interfaces of that same VPC.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/actions.h"

struct association_params {
    char *group_id, *vpc_id;
};
static const struct field association_fields[] = {
    FIELD(0, FT_STR, struct association_params, group_id, "GroupId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct association_params, vpc_id, "VpcId", .flags = FF_REQUIRED),
};
static const struct desc association_desc =
    DESC("SecurityGroupVpc", struct association_params, association_fields);

static struct sg_association *find_association(const struct security_group *g, const char *vpc) {
    list_each (struct sg_association, a, g->vpcs)
        if (strcmp(a->vpc_id, vpc) == 0)
            return a;
    return NULL;
}

/* Pages go on behind the last one shown: the order must not depend on when they were made. */
static int by_vpc(const void *a, const void *b) {
    return strcmp(((const struct sg_association *)a)->vpc_id,
                  ((const struct sg_association *)b)->vpc_id);
}

static int associate(struct call *c, const void *params) {
    const struct association_params *p = params;
    const struct security_group *g = call_get(c, KIND_SECURITY_GROUP, p->group_id);
    const struct vpc *v = g ? call_get(c, KIND_VPC, p->vpc_id) : NULL;
    struct sg_association *a;
    struct security_group *n;

    if (!v)
        return -1;
    if (strcmp(g->name, "default") == 0)
        return call_error(c, "InvalidParameterValue",
                          "The default security group '%s' cannot be associated with another VPC.",
                          g->o.id);
    if (v->is_default)
        return call_error(c, "InvalidParameterValue",
                          "Security groups cannot be associated with the default VPC '%s'.",
                          v->o.id);
    if (strcmp(g->vpc_id, v->o.id) == 0)
        return call_error(c, "InvalidParameterValue",
                          "The security group '%s' was created in the VPC '%s'.", g->o.id, v->o.id);
    n = txn_edit(c->txn, g);
    a = n ? find_association(n, v->o.id) : NULL;
    if (n && !a) {
        a = list_add(&n->vpcs, sizeof(*a));
        if (a)
            obj_set(&n->o, &a->vpc_id, v->o.id);
    }
    if (!a || n->o.no_memory)
        return call_no_memory(c);
    a->stuck = false;
    if (n->vpcs.n)
        qsort(n->vpcs.items, n->vpcs.n, sizeof(*a), by_vpc);
    txn_put(c->txn, n);
    /* Not with a VPC that another writer is deleting. */
    txn_touch(c->txn, v);
    xml_text(&c->xml, "state", "associating");
    return 0;
}

static bool vpc_has_interface(struct call *c, const char *vpc_id, const char *group_id) {
    struct cursor cur;

    index_each_by(c->ix, cur, KIND_NETWORK_INTERFACE, ENI_BY_GROUP, group_id) {
        if (strcmp(((const struct network_interface *)cur.obj)->vpc_id, vpc_id) == 0)
            return true;
    }
    return false;
}

/* The call answers that it began; where interfaces still have the group, the state tells it. */
static int disassociate(struct call *c, const void *params) {
    const struct association_params *p = params;
    const struct security_group *g = call_get(c, KIND_SECURITY_GROUP, p->group_id);
    const struct vpc *v = g ? call_get(c, KIND_VPC, p->vpc_id) : NULL;
    struct sg_association *a;
    struct security_group *n;

    if (!v)
        return -1;
    if (!find_association(g, v->o.id))
        return call_error(c, "InvalidParameterValue",
                          "The security group '%s' is not associated with the VPC '%s'.", g->o.id,
                          v->o.id);
    n = txn_edit(c->txn, g);
    if (!n)
        return call_no_memory(c);
    a = find_association(n, v->o.id);
    if (vpc_has_interface(c, v->o.id, g->o.id)) {
        a->stuck = true;
    } else {
        desc_clear(&sg_association_desc, a);
        list_cut(&n->vpcs, sizeof(*a), (uint32_t)(a - (struct sg_association *)n->vpcs.items));
    }
    txn_put(c->txn, n);
    xml_text(&c->xml, "state", "disassociating");
    return 0;
}

/* A row of DescribeSecurityGroupVpcAssociations. */
struct association_row {
    const struct security_group *group;
    const struct sg_association *association;
};

static bool row_group(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, ((const struct association_row *)obj)->group->o.id);
    return true;
}

/* Both are the caller's. */
static bool row_owner(const struct look *look, const void *obj, struct buf *out) {
    return get_owner_id(look, ((const struct association_row *)obj)->group, out);
}

static bool row_vpc(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, ((const struct association_row *)obj)->association->vpc_id);
    return true;
}

static bool row_state(const struct look *look, const void *obj, struct buf *out) {
    bool stuck = ((const struct association_row *)obj)->association->stuck;

    buf_adds(out, stuck ? "disassociation-failed" : "associated");
    return true;
}

static bool row_reason(const struct look *look, const void *obj, struct buf *out) {
    if (!((const struct association_row *)obj)->association->stuck)
        return false;
    buf_adds(out, "Network interfaces in the VPC have the security group.");
    return true;
}

static const struct field row_fields[] = {
    {.type = FT_GET, .wire = "groupId", .filter = "group-id", .get = row_group},
    {.type = FT_GET, .wire = "vpcId", .filter = "vpc-id", .get = row_vpc},
    {.type = FT_GET, .wire = "vpcOwnerId", .filter = "vpc-owner-id", .get = row_owner},
    {.type = FT_GET, .wire = "state", .filter = "state", .get = row_state},
    {.type = FT_GET, .wire = "stateReason", .get = row_reason},
    {.type = FT_GET, .wire = "groupOwnerId", .filter = "group-owner-id", .get = row_owner},
};
static const struct desc row_desc = DESC("association", struct association_row, row_fields);

/* In the order of the groups' ids, then of the VPCs'. */
static int describe_associations(struct call *c, const void *params) {
    struct page page;
    struct cursor cur;
    int r = describe_begin(&page, c, &row_desc, "securityGroupVpcAssociationSet");

    if (r < 0)
        return r;
    index_each_in(c->ix, cur, KIND_SECURITY_GROUP, c->scope) {
        struct association_row row = {.group = cur.obj};
        char key[2 * ID_MAX];

        list_each (struct sg_association, a, row.group->vpcs) {
            row.association = a;
            snprintf(key, sizeof(key), "%s/%s", row.group->o.id, a->vpc_id);
            describe_row(&page, key, &row);
        }
        if (page.stop)
            break;
    }
    return describe_end(&page);
}

#define G struct security_group
static const struct field for_vpc_fields[] = {
    FIELD(0, FT_STR, G, description, "description", .filter = "description"),
    FIELD(0, FT_STR, G, name, "groupName", .filter = "group-name"),
    {.type = FT_GET, .wire = "ownerId", .filter = "owner-id", .get = get_owner_id},
    {.type = FT_GET, .wire = "groupId", .filter = "group-id", .get = get_id},
    FIELD(0, FT_LIST, G, tags, "tagSet", .filter = "", .sub = &tag_desc),
    FIELD(0, FT_STR, G, vpc_id, "primaryVpcId", .filter = "primary-vpc-id"),
};
static const struct desc for_vpc_desc = DESC("security group for a VPC", G, for_vpc_fields);

struct for_vpc_params {
    char *vpc_id;
};
static const struct field for_vpc_param_fields[] = {
    FIELD(0, FT_STR, struct for_vpc_params, vpc_id, "VpcId", .flags = FF_REQUIRED),
};
static const struct desc for_vpc_params =
    DESC("GetSecurityGroupsForVpc", struct for_vpc_params, for_vpc_param_fields);

static bool is_for_vpc(struct call *c, const void *obj, void *arg) {
    return security_group_in_vpc(obj, arg);
}

static int get_groups_for_vpc(struct call *c, const void *params) {
    const struct for_vpc_params *p = params;

    if (!call_get(c, KIND_VPC, p->vpc_id))
        return -1;
    return describe(c, &(struct describe){.kind = KIND_SECURITY_GROUP,
                                          .set = "securityGroupForVpcSet",
                                          .view = &for_vpc_desc,
                                          .keep = is_for_vpc,
                                          .arg = p->vpc_id});
}

static const struct action rows[] = {
    {"AssociateSecurityGroupVpc", &association_desc, associate},
    {"DescribeSecurityGroupVpcAssociations", NULL, describe_associations, ACT_FILTERS,
     "securityGroupVpcAssociationSet"},
    {"DisassociateSecurityGroupVpc", &association_desc, disassociate},
    {"GetSecurityGroupsForVpc", &for_vpc_params, get_groups_for_vpc, ACT_FILTERS,
     "securityGroupForVpcSet"},
};
ACTIONS(security_group_vpc_actions, rows);
