/* SPDX-License-Identifier: Apache-2.0 */
/* The IPv6 block of a subnet that is there already. */
#include <stdlib.h>
#include <string.h>

#include "api/ec2/subnet.h"
#include "api/ec2/vpc_cidr.h"
#include "model/subnet_reservation.h"

static void show(struct call *c, const struct subnet *s, const struct cidr_association *a,
                 const char *state) {
    char text[CIDR_TEXT];

    xml_open(&c->xml, "ipv6CidrBlockAssociation");
    xml_text(&c->xml, "associationId", a->id);
    xml_text(&c->xml, "ipv6CidrBlock", cidr_format(&a->cidr, text));
    xml_open(&c->xml, "ipv6CidrBlockState");
    xml_text(&c->xml, "state", state);
    xml_close(&c->xml, "ipv6CidrBlockState");
    xml_text(&c->xml, "ipSource", "amazon");
    xml_text(&c->xml, "ipv6AddressAttribute", "public");
    xml_close(&c->xml, "ipv6CidrBlockAssociation");
    xml_text(&c->xml, "subnetId", s->o.id);
}

struct associate_params {
    char *subnet_id;
    struct cidr cidr;
    char *ipam;
    struct optint len;
};
static const struct field associate_fields[] = {
    FIELD(0, FT_STR, struct associate_params, subnet_id, "SubnetId", .flags = FF_REQUIRED),
    FIELD(0, FT_CIDR, struct associate_params, cidr, "Ipv6CidrBlock"),
    FIELD(0, FT_STR, struct associate_params, ipam, "Ipv6IpamPoolId"),
    FIELD(0, FT_OPTINT, struct associate_params, len, "Ipv6NetmaskLength"),
};
static const struct desc associate_desc =
    DESC("AssociateSubnetCidrBlock", struct associate_params, associate_fields);

static int associate_subnet_cidr_block(struct call *c, const void *params) {
    static const struct optint none;
    const struct associate_params *p = params;
    const struct subnet *s = call_get(c, KIND_SUBNET, p->subnet_id);
    const struct vpc *v = s ? call_get(c, KIND_VPC, s->vpc_id) : NULL;
    struct cidr cidr = cidr_mask(&p->cidr);
    const struct cidr_association *a;
    struct subnet *n;
    char text[CIDR_TEXT];

    if (!v || check_ipam_params(c, NULL, &none, p->ipam, &p->len) < 0)
        return -1;
    if (!cidr.ip.family)
        return call_error(c, "MissingParameter",
                          "The request must contain the parameter Ipv6CidrBlock");
    if (cidr.ip.family != IP_V6)
        return call_error(c, "InvalidParameterValue",
                          "Value (%s) for parameter ipv6CidrBlock is invalid. This is not a valid "
                          "IPv6 CIDR block.",
                          cidr_format(&cidr, text));
    if (subnet_cidr6(s))
        return call_error(c, "CidrLimitExceeded",
                          "The subnet '%s' has met its maximum number of allowed IPv6 CIDRs: 1",
                          s->o.id);
    if (subnet_check_cidr(c, v, &cidr) < 0)
        return -1;
    n = txn_edit(c->txn, s);
    a = n ? subnet_add_cidr6(c, n, &cidr) : NULL;
    if (!a)
        return call_no_memory(c);
    txn_put(c->txn, n);
    /* Two subnets that overlap must not both come to be. */
    txn_touch(c->txn, v);
    show(c, n, a, "associating");
    return 0;
}

struct disassociate_params {
    char *association_id;
};
static const struct field disassociate_fields[] = {
    FIELD(0, FT_STR, struct disassociate_params, association_id, "AssociationId",
          .flags = FF_REQUIRED),
};
static const struct desc disassociate_desc =
    DESC("DisassociateSubnetCidrBlock", struct disassociate_params, disassociate_fields);

/* Whether an interface has an address or a prefix of the block, or some of it is reserved. */
static bool is_used(struct call *c, const struct subnet *s, const struct cidr *cidr) {
    struct cursor cur;

    index_each_by(c->ix, cur, KIND_NETWORK_INTERFACE, ENI_BY_SUBNET, s->o.id) {
        const struct network_interface *eni = cur.obj;

        if (eni->addresses6.n || eni->prefixes6.n)
            return true;
    }
    return subnet_reservation_at(c->ix, s->o.id, cidr);
}

static int disassociate_subnet_cidr_block(struct call *c, const void *params) {
    const struct disassociate_params *p = params;
    struct cidr_association *a;
    const struct subnet *s;
    struct cursor cur;
    struct subnet *n;
    char text[CIDR_TEXT];

    if (!cursor_by_in(c->ix, &cur, KIND_SUBNET, SUBNET_BY_CIDR_ASSOCIATION, p->association_id,
                      c->scope, NULL))
        return call_error(c, "InvalidSubnetCidrBlockAssociationID.NotFound",
                          "The subnet CIDR block association ID '%.64s' does not exist",
                          p->association_id);
    s = cur.obj;
    n = txn_edit(c->txn, s);
    if (!n)
        return call_no_memory(c);
    a = list_at(n->cidrs6, struct cidr_association, 0);
    if (is_used(c, s, &a->cidr))
        return call_error(c, "InvalidCidrBlock.InUse",
                          "The subnet %s currently has addresses in use within CIDR block %s",
                          s->o.id, cidr_format(&a->cidr, text));
    show(c, n, a, "disassociating");
    desc_clear_list(&cidr6_desc, &n->cidrs6);
    /* There is nothing to assign any more. */
    n->assign_ipv6 = false;
    txn_put(c->txn, n);
    return 0;
}

static const struct action rows[] = {
    {"AssociateSubnetCidrBlock", &associate_desc, associate_subnet_cidr_block},
    {"DisassociateSubnetCidrBlock", &disassociate_desc, disassociate_subnet_cidr_block},
};
ACTIONS(subnet_cidr_actions, rows);
