/* SPDX-License-Identifier: Apache-2.0 */
/* What either side of an active peering connection lets the other do. */
#include "api/ec2/peering.h"

#include <stdio.h>

struct options {
    uint8_t dns, from_classic, to_classic; /* enum tri */
};
#define OPTIONS(s_, m_)                                                                            \
    FIELD(0, FT_TRI, s_, m_.dns, "AllowDnsResolutionFromRemoteVpc"),                               \
        FIELD(0, FT_TRI, s_, m_.from_classic, "AllowEgressFromLocalClassicLinkToRemoteVpc"),       \
        FIELD(0, FT_TRI, s_, m_.to_classic, "AllowEgressFromLocalVpcToRemoteClassicLink")

struct option_group {
    struct options o;
};
static const struct field group_fields[] = {OPTIONS(struct option_group, o)};
static const struct desc group_desc =
    DESC("PeeringConnectionOptions", struct option_group, group_fields);

struct modify_params {
    char *id;
    struct option_group side[2]; /* the requester's, the accepter's */
};
static const struct field modify_fields[] = {
    FIELD(0, FT_STR, struct modify_params, id, "VpcPeeringConnectionId", .flags = FF_REQUIRED),
    FIELD(0, FT_STRUCT, struct modify_params, side[0], "RequesterPeeringConnectionOptions",
          .sub = &group_desc),
    FIELD(0, FT_STRUCT, struct modify_params, side[1], "AccepterPeeringConnectionOptions",
          .sub = &group_desc),
};
static const struct desc modify_desc =
    DESC("ModifyVpcPeeringConnectionOptions", struct modify_params, modify_fields);

static const char *const side_names[] = {"requester", "accepter"};

static bool is_given(const struct option_group *g) {
    return g->o.dns || g->o.from_classic || g->o.to_classic;
}

static bool has_names(const struct vpc *v) {
    return v && v->dns_support && v->dns_hostnames;
}

static int check_side(struct call *c, const struct peering *p, const struct modify_params *params,
                      int side) {
    const struct options *o = &params->side[side].o;
    const struct peering_side *sides[] = {&p->requester, &p->accepter};

    if (!is_given(&params->side[side]))
        return 0;
    if (!peering_is_side(c, p, side))
        return call_error(c, "OperationNotPermitted",
                          "User %012llu cannot modify %s options of peering %s in region %s",
                          (unsigned long long)c->scope.account, side_names[side], p->o.id,
                          region_name(c->scope.region));
    if (o->from_classic == TRI_TRUE || o->to_classic == TRI_TRUE)
        return call_error(c, "InvalidParameterValue",
                          "Options for ClassicLink cannot be enabled: EC2-Classic is no more.");
    for (int i = 0; o->dns == TRI_TRUE && i < 2; i++)
        if (!has_names(txn_get(c->txn, KIND_VPC, peering_scope(sides[i]), sides[i]->vpc_id)))
            return call_error(c, "InvalidVpcPeeringConnectionState.DnsHostnamesDisabled",
                              "To enable DNS hostname resolution for the VPC peering connection, "
                              "DNS hostname support must be enabled for the VPCs.");
    return 0;
}

static void emit_side(struct call *c, const struct peering *p, int side) {
    char element[64];

    snprintf(element, sizeof(element), "%sPeeringConnectionOptions", side_names[side]);
    xml_open(&c->xml, element);
    xml_bool(&c->xml, "allowDnsResolutionFromRemoteVpc",
             (side ? &p->accepter : &p->requester)->resolves_dns);
    xml_bool(&c->xml, "allowEgressFromLocalClassicLinkToRemoteVpc", false);
    xml_bool(&c->xml, "allowEgressFromLocalVpcToRemoteClassicLink", false);
    xml_close(&c->xml, element);
}

static int modify_options(struct call *c, const void *params) {
    const struct modify_params *m = params;
    const struct peering *p = call_get(c, KIND_PEERING, m->id);
    struct peering_both both;

    if (!p)
        return -1;
    if (!is_given(&m->side[0]) && !is_given(&m->side[1]))
        return call_error(c, "MissingParameter",
                          "The request must contain the parameter "
                          "AccepterPeeringConnectionOptions or RequesterPeeringConnectionOptions");
    if (p->status != PEERING_ACTIVE)
        return call_error(c, "OperationNotPermitted",
                          "Peering %s is not active. Peering options can be added only to active "
                          "peerings.",
                          p->o.id);
    if (check_side(c, p, m, 0) < 0 || check_side(c, p, m, 1) < 0 || peering_edit(c, p, &both) < 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        struct peering *n = both.side[i];

        if (n && m->side[0].o.dns)
            n->requester.resolves_dns = m->side[0].o.dns == TRI_TRUE;
        if (n && m->side[1].o.dns)
            n->accepter.resolves_dns = m->side[1].o.dns == TRI_TRUE;
    }
    peering_put(c, &both);
    p = index_get(c->ix, KIND_PEERING, c->scope, p->o.id);
    for (int i = 0; i < 2; i++)
        if (is_given(&m->side[i]))
            emit_side(c, p, i);
    return 0;
}

static const struct action rows[] = {
    {"ModifyVpcPeeringConnectionOptions", &modify_desc, modify_options},
};
ACTIONS(peering_option_actions, rows);
