/* SPDX-License-Identifier: Apache-2.0 */
#include "model/security_group.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "model/index.h"
#include "model/peering.h"
#include "model/regions.h"
#include "model/vpc.h"
#include "model/xml.h"

static const struct {
    const char *name;
    int64_t number;
} protocols[] = {{"-1", -1}, {"tcp", 6}, {"udp", 17}, {"icmp", 1}, {"icmpv6", 58}, {"all", -1}};

char *sg_protocol_name(int64_t protocol, char *out) {
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
        if (protocols[i].number == protocol) {
            snprintf(out, 16, "%s", protocols[i].name);
            return out;
        }
    }
    snprintf(out, 16, "%d", (int)protocol);
    return out;
}

int sg_protocol_parse(const char *s, int64_t *ret_protocol) {
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
        if (strcasecmp(protocols[i].name, s) == 0) {
            *ret_protocol = protocols[i].number;
            return 0;
        }
    }
    return int_parse(s, 0, 255, ret_protocol) < 0 ? -EINVAL : 0;
}

bool sg_protocol_has_ports(int64_t protocol) {
    return protocol == 6 || protocol == 17 || protocol == 1 || protocol == 58;
}

uint8_t sg_rule_family(const struct sg_rule *r) {
    return r->cidr.ip.family;
}

bool security_group_in_vpc(const struct security_group *g, const char *vpc_id) {
    if (strcmp(g->vpc_id, vpc_id) == 0)
        return true;
    list_each (struct sg_association, a, g->vpcs)
        if (strcmp(a->vpc_id, vpc_id) == 0)
            return true;
    return false;
}

static bool is_peered(const struct index *ix, const struct security_group *g,
                      const struct sg_rule *r) {
    const struct peering *p = index_get(ix, KIND_PEERING, g->o.scope, r->peering_id);

    return p && p->status == PEERING_ACTIVE;
}

bool sg_rule_is_stale(const struct index *ix, const struct security_group *g,
                      const struct sg_rule *r) {
    const struct scope s = {.account = (uint64_t)r->group_owner, .region = g->o.scope.region};

    if (!r->peering_id)
        return false;
    return !is_peered(ix, g, r) || !index_get(ix, KIND_SECURITY_GROUP, s, r->group_id);
}

void sg_rule_emit_group(struct xml *x, const struct index *ix, const struct security_group *g,
                        const struct sg_rule *r) {
    xml_textf(x, "userId", "%012lld", (long long)r->group_owner);
    xml_text(x, "groupId", r->group_id);
    if (!r->peering_id)
        return;
    xml_text(x, "vpcId", r->group_vpc);
    xml_text(x, "vpcPeeringConnectionId", r->peering_id);
    xml_text(x, "peeringStatus", is_peered(ix, g, r) ? "active" : "deleted");
}

/* EC2 shows rules of one protocol and port range as one permission. */
static bool same_permission(const struct sg_rule *a, const struct sg_rule *b) {
    return a->egress == b->egress && a->protocol == b->protocol && a->from == b->from &&
           a->to == b->to;
}

static void emit_peers(struct xml *x, const struct security_group *g, const struct sg_rule *first,
                       uint8_t family) {
    char text[CIDR_TEXT];

    xml_open(x, family == IP_V4 ? "ipRanges" : "ipv6Ranges");
    list_each (struct sg_rule, r, g->rules) {
        if (!same_permission(first, r) || r->cidr.ip.family != family)
            continue;
        xml_open(x, "item");
        xml_text(x, family == IP_V4 ? "cidrIp" : "cidrIpv6", cidr_format(&r->cidr, text));
        xml_text(x, "description", r->description);
        xml_close(x, "item");
    }
    xml_close(x, family == IP_V4 ? "ipRanges" : "ipv6Ranges");
}

static void emit_group_peers(struct xml *x, const struct look *look, const struct security_group *g,
                             const struct sg_rule *first) {
    xml_open(x, "groups");
    list_each (struct sg_rule, r, g->rules) {
        if (!same_permission(first, r) || !r->group_id)
            continue;
        xml_open(x, "item");
        sg_rule_emit_group(x, look->ix, g, r);
        xml_text(x, "description", r->description);
        xml_close(x, "item");
    }
    xml_close(x, "groups");
    xml_open(x, "prefixListIds");
    list_each (struct sg_rule, r, g->rules) {
        if (!same_permission(first, r) || !r->prefix_list_id)
            continue;
        xml_open(x, "item");
        xml_text(x, "prefixListId", r->prefix_list_id);
        xml_text(x, "description", r->description);
        xml_close(x, "item");
    }
    xml_close(x, "prefixListIds");
}

static void emit_permissions(struct xml *x, const struct look *look, const struct security_group *g,
                             bool egress) {
    const char *element = egress ? "ipPermissionsEgress" : "ipPermissions";
    char text[16];

    xml_open(x, element);
    list_each (struct sg_rule, first, g->rules) {
        const struct sg_rule *earlier = g->rules.items;

        if (first->egress != egress)
            continue;
        while (!same_permission(earlier, first))
            earlier++;
        if (earlier != first)
            continue; /* shown with the earlier one */
        xml_open(x, "item");
        xml_text(x, "ipProtocol", sg_protocol_name(first->protocol, text));
        if (sg_protocol_has_ports(first->protocol)) {
            xml_textf(x, "fromPort", "%lld", (long long)first->from);
            xml_textf(x, "toPort", "%lld", (long long)first->to);
        }
        emit_group_peers(x, look, g, first);
        emit_peers(x, g, first, IP_V4);
        emit_peers(x, g, first, IP_V6);
        xml_close(x, "item");
    }
    xml_close(x, element);
}

static void emit_ingress(struct xml *x, const struct look *look, const void *obj) {
    emit_permissions(x, look, obj, false);
}

static void emit_egress(struct xml *x, const struct look *look, const void *obj) {
    emit_permissions(x, look, obj, true);
}

static bool get_arn(const struct look *look, const void *obj, struct buf *out) {
    const struct obj *o = obj;

    buf_addf(out, "arn:aws:ec2:%s:%012llu:security-group/%s", region_name(o->scope.region),
             (unsigned long long)o->scope.account, o->id);
    return true;
}

/* Filters over permissions: all values of one column, of one direction. A column that has no value
 * in a row appends nothing. */
typedef bool column_fn(const struct security_group *g, const struct sg_rule *r,
                       const struct look *look, struct buf *out);

static bool get_column(const struct look *look, const void *obj, bool egress, column_fn *column,
                       struct buf *out) {
    const struct security_group *g = obj;
    bool any = false;

    list_each (struct sg_rule, r, g->rules) {
        if (r->egress == egress && column(g, r, look, out)) {
            buf_add(out, "", 1);
            any = true;
        }
    }
    return any;
}

static bool column_cidr(const struct sg_rule *r, uint8_t family, struct buf *out) {
    char text[CIDR_TEXT];

    if (r->cidr.ip.family != family)
        return false;
    buf_adds(out, cidr_format(&r->cidr, text));
    return true;
}

static bool column_cidr4(const struct security_group *g, const struct sg_rule *r,
                         const struct look *look, struct buf *out) {
    return column_cidr(r, IP_V4, out);
}

static bool column_cidr6(const struct security_group *g, const struct sg_rule *r,
                         const struct look *look, struct buf *out) {
    return column_cidr(r, IP_V6, out);
}

static bool column_from(const struct security_group *g, const struct sg_rule *r,
                        const struct look *look, struct buf *out) {
    if (!sg_protocol_has_ports(r->protocol))
        return false;
    buf_addf(out, "%lld", (long long)r->from);
    return true;
}

static bool column_to(const struct security_group *g, const struct sg_rule *r,
                      const struct look *look, struct buf *out) {
    if (!sg_protocol_has_ports(r->protocol))
        return false;
    buf_addf(out, "%lld", (long long)r->to);
    return true;
}

static bool column_protocol(const struct security_group *g, const struct sg_rule *r,
                            const struct look *look, struct buf *out) {
    char text[16];

    buf_adds(out, sg_protocol_name(r->protocol, text));
    return true;
}

static bool column_group(const struct security_group *g, const struct sg_rule *r,
                         const struct look *look, struct buf *out) {
    buf_adds(out, r->group_id ? r->group_id : "");
    return r->group_id;
}

/* Names of other accounts' groups are not told. */
static bool column_group_name(const struct security_group *g, const struct sg_rule *r,
                              const struct look *look, struct buf *out) {
    const struct security_group *peer =
        r->group_id && !r->peering_id
            ? index_get(look->ix, KIND_SECURITY_GROUP, g->o.scope, r->group_id)
            : NULL;

    if (peer)
        buf_adds(out, peer->name);
    return peer;
}

static bool column_user(const struct security_group *g, const struct sg_rule *r,
                        const struct look *look, struct buf *out) {
    if (!r->group_id)
        return false;
    buf_addf(out, "%012lld", (long long)r->group_owner);
    return true;
}

static bool column_prefix_list(const struct security_group *g, const struct sg_rule *r,
                               const struct look *look, struct buf *out) {
    buf_adds(out, r->prefix_list_id ? r->prefix_list_id : "");
    return r->prefix_list_id;
}

/* Two getters for each column: a rule's direction is part of the filter's name. */
#define COLUMN(name)                                                                               \
    static bool get_in_##name(const struct look *look, const void *obj, struct buf *out) {         \
        return get_column(look, obj, false, column_##name, out);                                   \
    }                                                                                              \
    static bool get_out_##name(const struct look *look, const void *obj, struct buf *out) {        \
        return get_column(look, obj, true, column_##name, out);                                    \
    }
COLUMN(cidr4)
COLUMN(cidr6)
COLUMN(from)
COLUMN(to)
COLUMN(protocol)
COLUMN(group)
COLUMN(group_name)
COLUMN(user)
COLUMN(prefix_list)
#define COLUMN_FIELDS(filter_, name_)                                                              \
    {.type = FT_GET, .filter = "ip-permission." filter_, .get = get_in_##name_}, {                 \
        .type = FT_GET, .filter = "egress.ip-permission." filter_, .get = get_out_##name_          \
    }

static const struct field rule_fields[] = {
    FIELD(1, FT_STR, struct sg_rule, id, NULL, .flags = FF_INDEXED),
    FIELD(2, FT_BOOL, struct sg_rule, egress, NULL),
    FIELD(3, FT_INT, struct sg_rule, protocol, NULL),
    FIELD(4, FT_INT, struct sg_rule, from, NULL),
    FIELD(5, FT_INT, struct sg_rule, to, NULL),
    FIELD(6, FT_CIDR, struct sg_rule, cidr, NULL),
    FIELD(7, FT_STR, struct sg_rule, prefix_list_id, NULL, .flags = FF_INDEXED),
    FIELD(8, FT_STR, struct sg_rule, group_id, NULL, .flags = FF_INDEXED),
    FIELD(9, FT_INT, struct sg_rule, group_owner, NULL),
    FIELD(10, FT_STR, struct sg_rule, description, NULL),
    FIELD(11, FT_LIST, struct sg_rule, tags, NULL, .sub = &tag_desc),
    FIELD(12, FT_STR, struct sg_rule, group_vpc, NULL),
    FIELD(13, FT_STR, struct sg_rule, peering_id, NULL, .flags = FF_INDEXED),
};
const struct desc sg_rule_desc = DESC_STORED("rule", struct sg_rule, rule_fields);

static const struct field association_fields[] = {
    FIELD(1, FT_STR, struct sg_association, vpc_id, NULL, .flags = FF_INDEXED),
    FIELD(2, FT_BOOL, struct sg_association, stuck, NULL),
};
const struct desc sg_association_desc =
    DESC_STORED("association", struct sg_association, association_fields);

static const struct field security_group_fields[] = {
    FIELD(SG_BY_NAME, FT_STR, struct security_group, name, "groupName", .filter = "group-name",
          .flags = FF_INDEXED),
    {.type = FT_GET, .wire = "groupId", .filter = "group-id", .get = get_id},
    {.type = FT_GET, .wire = "securityGroupArn", .get = get_arn},
    FIELD(2, FT_STR, struct security_group, description, "groupDescription",
          .filter = "description"),
    FIELD(SG_BY_VPC, FT_STR, struct security_group, vpc_id, "vpcId", .filter = "vpc-id",
          .flags = FF_INDEXED),
    {.type = FT_GET, .wire = "ownerId", .filter = "owner-id", .get = get_owner_id},
    FIELD(4, FT_LIST, struct security_group, rules, NULL, .sub = &sg_rule_desc),
    {.type = FT_EMIT, .wire = "ipPermissions", .emit = emit_ingress},
    {.type = FT_EMIT, .wire = "ipPermissionsEgress", .emit = emit_egress},
    COLUMN_FIELDS("cidr", cidr4),
    COLUMN_FIELDS("ipv6-cidr", cidr6),
    COLUMN_FIELDS("from-port", from),
    COLUMN_FIELDS("to-port", to),
    COLUMN_FIELDS("protocol", protocol),
    COLUMN_FIELDS("group-id", group),
    COLUMN_FIELDS("group-name", group_name),
    COLUMN_FIELDS("user-id", user),
    COLUMN_FIELDS("prefix-list-id", prefix_list),
    FIELD(6, FT_LIST, struct security_group, vpcs, NULL, .sub = &sg_association_desc),
    FIELD(5, FT_LIST, struct security_group, tags, "tagSet", .filter = "", .sub = &tag_desc),
};
const struct desc security_group_desc =
    DESC_STORED("security group", struct security_group, security_group_fields);

/* The rows of DescribeSecurityGroupRules. */

static bool view_rule_id(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, ((const struct sg_rule_view *)obj)->rule->id);
    return true;
}

static bool view_group_id(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, ((const struct sg_rule_view *)obj)->group->o.id);
    return true;
}

void sg_rule_emit(struct xml *x, const struct sg_rule *r) {
    char text[CIDR_TEXT];

    xml_bool(x, "isEgress", r->egress);
    xml_text(x, "ipProtocol", sg_protocol_name(r->protocol, text));
    xml_textf(x, "fromPort", "%lld", (long long)r->from);
    xml_textf(x, "toPort", "%lld", (long long)r->to);
    if (r->cidr.ip.family)
        xml_text(x, r->cidr.ip.family == IP_V4 ? "cidrIpv4" : "cidrIpv6",
                 cidr_format(&r->cidr, text));
    xml_text(x, "prefixListId", r->prefix_list_id);
}

static void emit_view(struct xml *x, const struct look *look, const void *obj) {
    const struct sg_rule_view *v = obj;
    const struct sg_rule *r = v->rule;
    unsigned long long owner = v->group->o.scope.account;

    xml_textf(x, "groupOwnerId", "%012llu", owner);
    sg_rule_emit(x, r);
    if (r->group_id) {
        xml_open(x, "referencedGroupInfo");
        sg_rule_emit_group(x, look->ix, v->group, r);
        xml_close(x, "referencedGroupInfo");
    }
    xml_text(x, "description", r->description);
    xml_open(x, "tagSet");
    list_each (struct tag, t, r->tags) {
        xml_open(x, "item");
        xml_fields(x, &tag_desc, look, t);
        xml_close(x, "item");
    }
    xml_close(x, "tagSet");
    xml_textf(x, "securityGroupRuleArn", "arn:aws:ec2:%s:%012llu:security-group-rule/%s",
              region_name(v->group->o.scope.region), owner, r->id);
}

static const struct field sg_rule_view_fields[] = {
    {.type = FT_GET,
     .wire = "securityGroupRuleId",
     .filter = "security-group-rule-id",
     .get = view_rule_id},
    {.type = FT_GET, .wire = "groupId", .filter = "group-id", .get = view_group_id},
    FIELD(0, FT_LIST, struct sg_rule_view, tags, NULL, .filter = "", .sub = &tag_desc),
    {.type = FT_EMIT, .wire = "isEgress", .emit = emit_view},
};
const struct desc sg_rule_view_desc =
    DESC("security group rule", struct sg_rule_view, sg_rule_view_fields);
