/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups in the rules of peered VPCs: who may name whom, who does, and which rules are stale.
 *
 * A rule of a peered VPC keeps neither the group nor the connection from being deleted. It stays,
 * matches nothing, and DescribeStaleSecurityGroups tells of it.
 */
#include <string.h>

#include "api/actions.h"
#include "api/ec2/peering.h"
#include "api/ec2/security_group_rule.h"

const struct security_group *peered_group(struct call *c, const struct security_group *g,
                                          const char *id, uint64_t owner,
                                          const struct peering **ret_peering) {
    const struct vpc *v = index_get(c->ix, KIND_VPC, c->scope, g->vpc_id);
    struct peering_walk walk;

    if (!v)
        return NULL;
    peering_each(c, v, walk, p) {
        const struct vpc *peer_vpc = peering_peer(c->ix, p, v->o.id);
        const struct security_group *peer;

        if (!peer_vpc || peer_vpc->o.scope.region != c->scope.region ||
            (owner != ANY_ACCOUNT && peer_vpc->o.scope.account != owner))
            continue;
        peer = txn_get(c->txn, KIND_SECURITY_GROUP, peer_vpc->o.scope, id);
        if (!peer || strcmp(peer->vpc_id, peer_vpc->o.id) != 0)
            continue;
        txn_depend(c->txn, p);
        *ret_peering = p;
        return peer;
    }
    return NULL;
}

/* Who names the caller's groups from the other side of a connection. */

static const struct field references_fields[] = {
    FIELD(0, FT_STRS, struct describe_ids, ids, "GroupId", .flags = FF_REQUIRED),
};
static const struct desc references_desc =
    DESC("DescribeSecurityGroupReferences", struct describe_ids, references_fields);

/* True when an earlier rule of the group names the same one by the same connection. */
static bool named_before(const struct security_group *g, const struct sg_rule *r) {
    for (const struct sg_rule *e = g->rules.items; e < r; e++)
        if (e->peering_id && strcmp(e->peering_id, r->peering_id) == 0 &&
            strcmp(e->group_id, r->group_id) == 0)
            return true;
    return false;
}

static void show_references(struct call *c, const char *id) {
    const struct security_group *last = NULL;
    struct cursor cur;

    index_each_by(c->ix, cur, KIND_SECURITY_GROUP, SG_BY_REFERENCE, id) {
        const struct security_group *g = cur.obj;

        if (g == last)
            continue;
        last = g;
        list_each (struct sg_rule, r, g->rules) {
            if (!r->group_id || strcmp(r->group_id, id) != 0 || !r->peering_id ||
                sg_rule_is_stale(c->ix, g, r) || named_before(g, r))
                continue;
            xml_open(&c->xml, "item");
            xml_text(&c->xml, "groupId", id);
            xml_text(&c->xml, "referencingVpcId", g->vpc_id);
            xml_text(&c->xml, "vpcPeeringConnectionId", r->peering_id);
            xml_close(&c->xml, "item");
        }
    }
}

static int describe_references(struct call *c, const void *params) {
    const struct describe_ids *p = params;

    list_each (char *, id, p->ids)
        if (!call_get(c, KIND_SECURITY_GROUP, *id))
            return -1;
    xml_open(&c->xml, "securityGroupReferenceSet");
    list_each (char *, id, p->ids)
        show_references(c, *id);
    xml_close(&c->xml, "securityGroupReferenceSet");
    return 0;
}

/* Stale rules of a VPC's groups. */

static void emit_stale(struct xml *x, const struct look *look, const void *obj, bool egress) {
    const struct security_group *g = obj;
    char text[16];

    xml_open(x, egress ? "staleIpPermissionsEgress" : "staleIpPermissions");
    list_each (struct sg_rule, r, g->rules) {
        if (r->egress != egress || !sg_rule_is_stale(look->ix, g, r))
            continue;
        xml_open(x, "item");
        xml_text(x, "ipProtocol", sg_protocol_name(r->protocol, text));
        if (sg_protocol_has_ports(r->protocol)) {
            xml_textf(x, "fromPort", "%lld", (long long)r->from);
            xml_textf(x, "toPort", "%lld", (long long)r->to);
        }
        xml_open(x, "groups");
        xml_open(x, "item");
        sg_rule_emit_group(x, look->ix, g, r);
        xml_text(x, "description", r->description);
        xml_close(x, "item");
        xml_close(x, "groups");
        xml_close(x, "item");
    }
    xml_close(x, egress ? "staleIpPermissionsEgress" : "staleIpPermissions");
}

static void emit_stale_ingress(struct xml *x, const struct look *look, const void *obj) {
    emit_stale(x, look, obj, false);
}

static void emit_stale_egress(struct xml *x, const struct look *look, const void *obj) {
    emit_stale(x, look, obj, true);
}

#define G struct security_group
static const struct field stale_fields[] = {
    FIELD(0, FT_STR, G, description, "description"),
    {.type = FT_GET, .wire = "groupId", .get = get_id},
    FIELD(0, FT_STR, G, name, "groupName"),
    FIELD(0, FT_STR, G, vpc_id, "vpcId"),
    {.type = FT_EMIT, .wire = "staleIpPermissions", .emit = emit_stale_ingress},
    {.type = FT_EMIT, .wire = "staleIpPermissionsEgress", .emit = emit_stale_egress},
};
static const struct desc stale_desc = DESC("stale security group", G, stale_fields);

static bool has_stale_rule(const struct index *ix, const struct security_group *g) {
    list_each (struct sg_rule, r, g->rules)
        if (sg_rule_is_stale(ix, g, r))
            return true;
    return false;
}

struct stale_params {
    char *vpc_id;
};
static const struct field stale_param_fields[] = {
    FIELD(0, FT_STR, struct stale_params, vpc_id, "VpcId", .flags = FF_REQUIRED),
};
static const struct desc stale_params =
    DESC("DescribeStaleSecurityGroups", struct stale_params, stale_param_fields);

static int describe_stale(struct call *c, const void *params) {
    const struct stale_params *p = params;
    struct page page;
    struct cursor cur;
    int r;

    if (!call_get(c, KIND_VPC, p->vpc_id))
        return -1;
    r = describe_begin(&page, c, &stale_desc, "staleSecurityGroupSet");
    if (r < 0)
        return r;
    index_each_by(c->ix, cur, KIND_SECURITY_GROUP, SG_BY_VPC, p->vpc_id) {
        const struct security_group *g = cur.obj;

        if (has_stale_rule(c->ix, g) && !describe_row(&page, g->o.id, g))
            break;
    }
    return describe_end(&page);
}

static const struct action rows[] = {
    {"DescribeSecurityGroupReferences", &references_desc, describe_references},
    {"DescribeStaleSecurityGroups", &stale_params, describe_stale, ACT_PAGES,
     "staleSecurityGroupSet", .page_min = 5, .page_max = 255},
};
ACTIONS(security_group_reference_actions, rows);
