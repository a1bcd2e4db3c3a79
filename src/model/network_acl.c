/* SPDX-License-Identifier: Apache-2.0 */
#include "model/network_acl.h"

#include <string.h>

#include "model/index.h"
#include "model/security_group.h"
#include "model/vpc.h"
#include "model/xml.h"

static void emit_ranges(struct xml *x, const struct look *look, const void *obj) {
    const struct acl_entry *e = obj;
    char text[CIDR_TEXT];

    xml_text(x, "ruleAction", e->allow ? "allow" : "deny");
    xml_text(x, e->cidr.ip.family == IP_V6 ? "ipv6CidrBlock" : "cidrBlock",
             cidr_format(&e->cidr, text));
    if (e->from.set) {
        xml_open(x, "portRange");
        xml_textf(x, "from", "%lld", (long long)e->from.v);
        xml_textf(x, "to", "%lld", (long long)e->to.v);
        xml_close(x, "portRange");
    }
    if (e->icmp_type.set) {
        xml_open(x, "icmpTypeCode");
        xml_textf(x, "type", "%lld", (long long)e->icmp_type.v);
        xml_textf(x, "code", "%lld", (long long)e->icmp_code.v);
        xml_close(x, "icmpTypeCode");
    }
}

static bool get_action(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, ((const struct acl_entry *)obj)->allow ? "allow" : "deny");
    return true;
}

static bool get_cidr(const struct acl_entry *e, uint8_t family, struct buf *out) {
    char text[CIDR_TEXT];

    if (e->cidr.ip.family != family)
        return false;
    buf_adds(out, cidr_format(&e->cidr, text));
    return true;
}

static bool get_cidr4(const struct look *look, const void *obj, struct buf *out) {
    return get_cidr(obj, IP_V4, out);
}

static bool get_cidr6(const struct look *look, const void *obj, struct buf *out) {
    return get_cidr(obj, IP_V6, out);
}

/* Its number, and its name where it has one. */
static bool get_protocol(const struct look *look, const void *obj, struct buf *out) {
    const struct acl_entry *e = obj;
    char name[16];

    buf_addf(out, "%lld", (long long)e->protocol);
    buf_add(out, "", 1);
    buf_adds(out, sg_protocol_name(e->protocol, name));
    return true;
}

static const struct field entry_fields[] = {
    FIELD(1, FT_INT, struct acl_entry, number, "ruleNumber", .filter = "rule-number"),
    FIELD(2, FT_BOOL, struct acl_entry, egress, "egress", .filter = "egress"),
    FIELD(3, FT_BOOL, struct acl_entry, allow, NULL),
    FIELD(4, FT_INT, struct acl_entry, protocol, "protocol"),
    {.type = FT_GET, .filter = "protocol", .get = get_protocol},
    FIELD(5, FT_CIDR, struct acl_entry, cidr, NULL),
    FIELD(6, FT_OPTINT, struct acl_entry, from, NULL, .filter = "port-range.from"),
    FIELD(7, FT_OPTINT, struct acl_entry, to, NULL, .filter = "port-range.to"),
    FIELD(8, FT_OPTINT, struct acl_entry, icmp_type, NULL, .filter = "icmp.type"),
    FIELD(9, FT_OPTINT, struct acl_entry, icmp_code, NULL, .filter = "icmp.code"),
    {.type = FT_EMIT, .wire = "ruleAction", .emit = emit_ranges},
    {.type = FT_GET, .filter = "rule-action", .get = get_action},
    {.type = FT_GET, .filter = "cidr", .get = get_cidr4},
    {.type = FT_GET, .filter = "ipv6-cidr", .get = get_cidr6},
};
static const struct desc entry_desc = DESC_STORED("entry", struct acl_entry, entry_fields);

static void emit_associations(struct xml *x, const struct look *look, const void *obj) {
    const struct network_acl *a = obj;
    struct cursor c;

    xml_open(x, "associationSet");
    index_each_by(look->ix, c, KIND_SUBNET, SUBNET_BY_ACL, a->o.id) {
        const struct subnet *s = c.obj;

        xml_open(x, "item");
        xml_text(x, "networkAclAssociationId", s->acl_association_id);
        xml_text(x, "networkAclId", a->o.id);
        xml_text(x, "subnetId", s->o.id);
        xml_close(x, "item");
    }
    xml_close(x, "associationSet");
}

static bool get_subnets(const struct look *look, const void *obj, struct buf *out) {
    struct cursor c;
    bool any = false;

    index_each_by(look->ix, c, KIND_SUBNET, SUBNET_BY_ACL, ((const struct obj *)obj)->id) {
        buf_adds(out, ((const struct obj *)c.obj)->id);
        buf_add(out, "", 1);
        any = true;
    }
    return any;
}

static bool get_association_ids(const struct look *look, const void *obj, struct buf *out) {
    struct cursor c;
    bool any = false;

    index_each_by(look->ix, c, KIND_SUBNET, SUBNET_BY_ACL, ((const struct obj *)obj)->id) {
        buf_adds(out, ((const struct subnet *)c.obj)->acl_association_id);
        buf_add(out, "", 1);
        any = true;
    }
    return any;
}

static const struct field network_acl_fields[] = {
    {.type = FT_GET, .wire = "networkAclId", .filter = "network-acl-id", .get = get_id},
    FIELD(ACL_BY_VPC, FT_STR, struct network_acl, vpc_id, "vpcId", .filter = "vpc-id",
          .flags = FF_INDEXED | FF_COUNTED),
    FIELD(2, FT_BOOL, struct network_acl, is_default, "default", .filter = "default"),
    {.type = FT_GET, .wire = "ownerId", .filter = "owner-id", .get = get_owner_id},
    FIELD(3, FT_LIST, struct network_acl, entries, "entrySet", .filter = "entry",
          .sub = &entry_desc),
    {.type = FT_EMIT, .wire = "associationSet", .emit = emit_associations},
    {.type = FT_GET, .filter = "association.subnet-id", .get = get_subnets},
    {.type = FT_GET, .filter = "association.association-id", .get = get_association_ids},
    {.type = FT_GET, .filter = "association.network-acl-id", .get = get_id},
    FIELD(4, FT_LIST, struct network_acl, tags, "tagSet", .filter = "", .sub = &tag_desc),
};
const struct desc network_acl_desc =
    DESC_STORED("network ACL", struct network_acl, network_acl_fields);

struct acl_entry *network_acl_find(const struct network_acl *a, bool egress, int64_t number) {
    list_each (struct acl_entry, e, a->entries) {
        if (e->egress == egress && e->number == number)
            return e;
    }
    return NULL;
}

/* Where a new entry goes. */
static uint32_t place(const struct network_acl *a, bool egress, int64_t number) {
    uint32_t i = 0;

    list_each (struct acl_entry, e, a->entries) {
        if (e->egress == egress ? e->number >= number : egress)
            break;
        i++;
    }
    return i;
}

struct acl_entry *network_acl_add(struct network_acl *a, bool egress, int64_t number) {
    uint32_t i = place(a, egress, number), behind = a->entries.n - i;
    struct acl_entry *e;

    if (!list_add(&a->entries, sizeof(*e)))
        return NULL;
    e = list_at(a->entries, struct acl_entry, i);
    memmove(e + 1, e, behind * sizeof(*e));
    *e = (struct acl_entry){.egress = egress, .number = number};
    return e;
}

void network_acl_cut(struct network_acl *a, const struct acl_entry *e) {
    uint32_t i = (uint32_t)(e - (const struct acl_entry *)a->entries.items);

    desc_clear(&entry_desc, list_at(a->entries, struct acl_entry, i));
    list_cut(&a->entries, sizeof(*e), i);
}

void acl_entry_reset(struct acl_entry *e) {
    struct acl_entry key = {.egress = e->egress, .number = e->number};

    desc_clear(&entry_desc, e);
    *e = key;
}

bool network_acl_add_base(struct network_acl *a, bool egress, uint8_t family, bool allow) {
    bool v6 = family == IP_V6;

    for (int last = !allow; last < 2; last++) {
        struct acl_entry *e = network_acl_add(a, egress, (last ? ACL_RULE_LAST : 100) + v6);

        if (!e)
            return false;
        e->allow = !last;
        e->protocol = -1;
        e->cidr.ip.family = family;
    }
    return true;
}

bool network_acl_open_ipv6(struct network_acl *a, bool egress) {
    const struct acl_entry *first = network_acl_find(a, egress, 100);
    bool as_made = a->is_default && first && first->allow && first->protocol == -1 &&
                   first->cidr.ip.family == IP_V4 && first->cidr.len == 0;

    if (network_acl_find(a, egress, ACL_RULE_LAST + 1))
        return true;
    list_each (struct acl_entry, e, a->entries)
        as_made &= e->egress != egress || e->number == 100 || e->number == ACL_RULE_LAST;
    return network_acl_add_base(a, egress, IP_V6, as_made);
}
