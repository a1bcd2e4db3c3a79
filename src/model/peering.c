/* SPDX-License-Identifier: Apache-2.0 */
#include "model/peering.h"

#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "model/index.h"
#include "model/regions.h"
#include "model/xml.h"

static const char *const statuses[] = {
    "",        "pending-acceptance", "active",       "rejected", "deleted", "failed",
    "expired", "initiating-request", "provisioning", NULL};

const char *peering_status_name(enum peering_status status) {
    return statuses[status];
}

struct scope peering_scope(const struct peering_side *side) {
    return (struct scope){.account = side->account ? strtoull(side->account, NULL, 10) : 0,
                          .region = side->region ? region_by_name(side->region) : 0};
}

enum peering_status peering_status(const struct peering *p, int64_t now) {
    if (p->status == PEERING_PENDING && now >= p->expires)
        return PEERING_EXPIRED;
    return p->status;
}

int64_t peering_gone(const struct peering *p, int64_t now) {
    return peering_status(p, now) == PEERING_EXPIRED ? p->expires + PEERING_KEPT_OTHER_MS : p->gone;
}

const struct peering_side *peering_other(const struct peering *p, const char *vpc_id) {
    if (strcmp(p->requester.vpc_id, vpc_id) == 0)
        return &p->accepter;
    return strcmp(p->accepter.vpc_id, vpc_id) == 0 ? &p->requester : NULL;
}

const struct vpc *peering_peer(const struct index *ix, const struct peering *p,
                               const char *vpc_id) {
    const struct peering_side *side = peering_other(p, vpc_id);

    if (p->status != PEERING_ACTIVE || !side)
        return NULL;
    return index_get(ix, KIND_VPC, peering_scope(side), side->vpc_id);
}

/* The VPC whose CIDRs are shown. The accepter's are nobody else's business before it accepted. */
static const struct vpc *shown_vpc(const struct look *look, const struct peering *p,
                                   const struct peering_side *side) {
    const enum peering_status status = peering_status(p, time_ms());
    bool shown =
        status == PEERING_ACTIVE || status == PEERING_PROVISIONING ||
        (side == &p->requester && (status == PEERING_PENDING || status == PEERING_INITIATING));

    return shown ? index_get(look->ix, KIND_VPC, peering_scope(side), side->vpc_id) : NULL;
}

static void emit_cidrs(struct xml *x, const char *set, const char *element,
                       const struct list *cidrs) {
    char text[CIDR_TEXT];

    xml_open(x, set);
    list_each (struct cidr_association, a, *cidrs) {
        xml_open(x, "item");
        xml_text(x, element, cidr_format(&a->cidr, text));
        xml_close(x, "item");
    }
    xml_close(x, set);
}

static void emit_side(struct xml *x, const struct look *look, const struct peering *p,
                      const struct peering_side *side, const char *element) {
    const struct vpc *v = shown_vpc(look, p, side);
    char text[CIDR_TEXT];

    xml_open(x, element);
    if (v) {
        xml_text(x, "cidrBlock", cidr_format(&v->cidr, text));
        if (v->cidrs6.n)
            emit_cidrs(x, "ipv6CidrBlockSet", "ipv6CidrBlock", &v->cidrs6);
        emit_cidrs(x, "cidrBlockSet", "cidrBlock", &v->cidrs);
    }
    xml_text(x, "ownerId", side->account);
    if (v) {
        xml_open(x, "peeringOptions");
        xml_bool(x, "allowDnsResolutionFromRemoteVpc", side->resolves_dns);
        xml_bool(x, "allowEgressFromLocalClassicLinkToRemoteVpc", false);
        xml_bool(x, "allowEgressFromLocalVpcToRemoteClassicLink", false);
        xml_close(x, "peeringOptions");
    }
    xml_text(x, "vpcId", side->vpc_id);
    xml_text(x, "region", side->region);
    xml_close(x, element);
}

static void emit_requester(struct xml *x, const struct look *look, const void *obj) {
    const struct peering *p = obj;

    emit_side(x, look, p, &p->requester, "requesterVpcInfo");
}

static void emit_accepter(struct xml *x, const struct look *look, const void *obj) {
    const struct peering *p = obj;

    emit_side(x, look, p, &p->accepter, "accepterVpcInfo");
}

static bool get_cidrs(const struct look *look, const struct peering *p,
                      const struct peering_side *side, struct buf *out) {
    const struct vpc *v = shown_vpc(look, p, side);
    char text[CIDR_TEXT];

    if (!v)
        return false;
    list_each (struct cidr_association, a, v->cidrs) {
        cidr_format(&a->cidr, text);
        buf_add(out, text, strlen(text) + 1);
    }
    return v->cidrs.n != 0;
}

static bool get_requester_cidrs(const struct look *look, const void *obj, struct buf *out) {
    const struct peering *p = obj;

    return get_cidrs(look, p, &p->requester, out);
}

static bool get_accepter_cidrs(const struct look *look, const void *obj, struct buf *out) {
    const struct peering *p = obj;

    return get_cidrs(look, p, &p->accepter, out);
}

static bool get_code(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, statuses[peering_status(obj, time_ms())]);
    return true;
}

static bool get_message(const struct look *look, const void *obj, struct buf *out) {
    const struct peering *p = obj;

    if (peering_status(p, time_ms()) == PEERING_EXPIRED)
        buf_adds(out, "Expired");
    else
        buf_adds(out, p->message ? p->message : "");
    return true;
}

static bool get_expiration(const struct look *look, const void *obj, struct buf *out) {
    static const struct field time = FIELD(0, FT_TIME, struct peering, expires, NULL);
    const struct peering *p = obj;
    enum peering_status status = peering_status(p, time_ms());

    if (status != PEERING_PENDING && status != PEERING_EXPIRED && status != PEERING_INITIATING)
        return false;
    field_text(&time, NULL, p, out);
    return true;
}

static const struct field status_fields[] = {
    {.type = FT_GET, .wire = "code", .get = get_code},
    {.type = FT_GET, .wire = "message", .get = get_message},
};
static const struct desc status_desc = DESC("status", struct peering, status_fields);

static void emit_status(struct xml *x, const struct look *look, const void *obj) {
    xml_open(x, "status");
    xml_fields(x, &status_desc, look, obj);
    xml_close(x, "status");
}

#define P struct peering
static const struct field peering_fields[] = {
    {.type = FT_GET,
     .wire = "vpcPeeringConnectionId",
     .filter = "vpc-peering-connection-id",
     .get = get_id},
    FIELD(PEERING_BY_REQUESTER, FT_STR, P, requester.vpc_id, NULL,
          .filter = "requester-vpc-info.vpc-id", .flags = FF_INDEXED),
    FIELD(2, FT_STR, P, requester.account, NULL, .filter = "requester-vpc-info.owner-id"),
    FIELD(3, FT_STR, P, requester.region, NULL),
    FIELD(PEERING_BY_ACCEPTER, FT_STR, P, accepter.vpc_id, NULL,
          .filter = "accepter-vpc-info.vpc-id", .flags = FF_INDEXED),
    FIELD(5, FT_STR, P, accepter.account, NULL, .filter = "accepter-vpc-info.owner-id"),
    FIELD(6, FT_STR, P, accepter.region, NULL),
    FIELD(7, FT_BOOL, P, requester.resolves_dns, NULL),
    FIELD(8, FT_BOOL, P, accepter.resolves_dns, NULL),
    FIELD(9, FT_ENUM, P, status, NULL, .names = statuses),
    FIELD(10, FT_TIME, P, expires, NULL),
    FIELD(11, FT_TIME, P, gone, NULL),
    FIELD(12, FT_STR, P, message, NULL),
    {.type = FT_EMIT, .wire = "accepterVpcInfo", .emit = emit_accepter},
    {.type = FT_GET, .wire = "expirationTime", .filter = "expiration-time", .get = get_expiration},
    {.type = FT_EMIT, .wire = "requesterVpcInfo", .emit = emit_requester},
    {.type = FT_EMIT, .wire = "status", .emit = emit_status},
    {.type = FT_GET, .filter = "status-code", .get = get_code},
    {.type = FT_GET, .filter = "status-message", .get = get_message},
    {.type = FT_GET, .filter = "requester-vpc-info.cidr-block", .get = get_requester_cidrs},
    {.type = FT_GET, .filter = "accepter-vpc-info.cidr-block", .get = get_accepter_cidrs},
    FIELD(13, FT_LIST, P, tags, "tagSet", .filter = "", .sub = &tag_desc),
};
const struct desc peering_desc = DESC_STORED("VPC peering connection", P, peering_fields);
