/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CIDR blocks of VPCs: the primary one, up to four more, and IPv6 blocks of /56 (VPC user
 * guide, "VPC CIDR blocks").
 *
 * With a block come a local route in each table of the VPC and, for the first IPv6 one, entries of
 * its network ACLs and rules of its groups. Whose an IPv6 block is says a claim, ipv6/BLOCK, in the
 * scope of nobody.
 */
#include "api/ec2/vpc_cidr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/ec2/gateway.h"
#include "base/cleanup.h"
#include "model/prefix_list.h"

/* Which blocks go together */

static bool is_within(const struct cidr *c, const char *range) {
    struct cidr r;

    return cidr_parse(range, &r) == 0 && cidr_overlaps(&r, c);
}

/* What never is a network of a VPC: "this" network, loopback, link-local (RFC 6890, 2.2.2),
 * multicast and what is reserved behind it. */
static bool is_special(const struct cidr *c) {
    return is_within(c, "0.0.0.0/8") || is_within(c, "127.0.0.0/8") ||
           is_within(c, "169.254.0.0/16") || is_within(c, "224.0.0.0/3");
}

/* "IPv4 CIDR block association restrictions": the first row that the primary block is in. */
static const struct restriction {
    const char *primary, *restricted[5];
} restrictions[] = {
    {"10.0.0.0/8", {"172.16.0.0/12", "192.168.0.0/16", "198.19.0.0/16"}},
    {"172.16.0.0/12", {"10.0.0.0/8", "192.168.0.0/16", "172.31.0.0/16", "198.19.0.0/16"}},
    {"192.168.0.0/16", {"10.0.0.0/8", "172.16.0.0/12", "198.19.0.0/16"}},
    {"198.19.0.0/16", {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}},
    {"0.0.0.0/0", {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "198.19.0.0/16"}},
};

static bool is_restricted(const struct vpc *v, const struct cidr *cidr) {
    const struct restriction *r = restrictions;

    while (!is_within(&v->cidr, r->primary))
        r++;
    for (size_t i = 0; i < ARRAY_SIZE(r->restricted) && r->restricted[i]; i++)
        if (is_within(cidr, r->restricted[i]))
            return true;
    list_each (struct cidr_association, a, v->cidrs)
        if (is_within(&a->cidr, "10.0.0.0/15") && is_within(cidr, "10.0.0.0/16"))
            return true;
    return false;
}

int check_ipam_params(struct call *c, const char *ipam4, const struct optint *len4,
                      const char *ipam6, const struct optint *len6) {
    /* As EC2 answers for a pool that is not there; there is none here. */
    if (ipam4 || ipam6)
        return call_error(c, "InvalidIpamPoolId.NotFound",
                          "The ipam-pool ID '%.64s' does not exist", ipam4 ? ipam4 : ipam6);
    if (len4->set || len6->set)
        return call_error(c, "MissingParameter", "The request must contain the parameter %s",
                          len4->set ? "Ipv4IpamPoolId" : "Ipv6IpamPoolId");
    return 0;
}

int vpc_check_cidr_params(struct call *c, const struct vpc_cidr_params *p) {
    const char *region = region_name(c->scope.region);
    char text[CIDR_TEXT];

    if (check_ipam_params(c, p->ipam4, &p->len4, p->ipam6, &p->len6) < 0)
        return -1;
    if (p->pool6)
        return call_error(c, "InvalidPoolID.NotFound", "The pool ID '%.64s' does not exist",
                          p->pool6);
    if (p->cidr6.ip.family)
        return call_error(c, "MissingParameter",
                          "The request must contain the parameter Ipv6Pool besides Ipv6CidrBlock");
    if (p->border_group && p->amazon_ipv6 != TRI_TRUE)
        return call_error(c, "InvalidParameterCombination",
                          "Ipv6CidrBlockNetworkBorderGroup goes with AmazonProvidedIpv6CidrBlock");
    if (p->border_group && strcmp(p->border_group, region) != 0)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter ipv6CidrBlockNetworkBorderGroup is invalid. "
                          "The only one is %s.",
                          p->border_group, region);
    if (!p->cidr.ip.family)
        return 0;
    cidr_format(&p->cidr, text);
    if (p->cidr.ip.family != IP_V4)
        return call_error(
            c, "InvalidParameterValue",
            "Value (%s) for parameter cidrBlock is invalid. This is not a valid CIDR block.", text);
    if (p->cidr.len < 16 || p->cidr.len > 28 || is_special(&p->cidr))
        return call_error(c, "InvalidVpc.Range", "The CIDR '%s' is invalid.", text);
    return 0;
}

/* Blocks come and go */

static const struct cidr_association *add(struct call *c, struct list *list,
                                          const struct cidr *cidr) {
    struct cidr_association *a = list_add(list, sizeof(*a));
    char id[64];

    if (!a || !str_set(&a->id, obj_make_id("vpc-cidr-assoc-", id))) {
        call_no_memory(c);
        return NULL;
    }
    a->cidr = *cidr;
    return a;
}

const struct cidr_association *vpc_add_cidr(struct call *c, struct vpc *v,
                                            const struct cidr *cidr) {
    return add(c, &v->cidrs, cidr);
}

static char *ipv6_claim(const struct cidr *c, char *out) {
    char text[CIDR_TEXT];

    snprintf(out, ID_MAX, "ipv6/%s", cidr_format(c, text));
    return out;
}

const struct cidr_association *vpc_add_ipv6(struct call *c, struct vpc *v) {
    const struct cidr *pool = &api_config(c->api)->ipv6_pool;
    struct cidr candidate = {.ip = pool->ip, .len = 56};
    const struct cidr_association *a;
    struct scope global = {0};
    char claim[ID_MAX];
    uint64_t n = pool->len >= 56 ? 1 : (uint64_t)1 << (56 - pool->len);

    /* The first /56 is the host's. */
    for (uint64_t i = 1; i < n; i++) {
        /* Bytes 0 to 6 count /56 prefixes. */
        for (int b = 6, carry = 1; b >= 0 && carry; b--)
            carry = ++candidate.ip.b[b] == 0;
        if (!txn_claim(c->txn, global, ipv6_claim(&candidate, claim), v->o.id))
            continue;
        a = add(c, &v->cidrs6, &candidate);
        if (a &&
            !str_set(&list_at(v->cidrs6, struct cidr_association, v->cidrs6.n - 1)->border_group,
                     region_name(c->scope.region))) {
            call_no_memory(c);
            return NULL;
        }
        return a;
    }
    call_error(c, "InsufficientCidrBlocks", "The pool of IPv6 prefixes is used up");
    return NULL;
}

void vpc_release_ipv6(struct call *c, const struct cidr *cidr) {
    char claim[ID_MAX];

    txn_release(c->txn, (struct scope){0}, ipv6_claim(cidr, claim));
}

/* The destination of the route that the block is as large as or larger than; NULL: there is none.
 * Of a prefix list, any of its entries. */
static const struct cidr *route_within(struct call *c, const struct route_table *t,
                                       const struct route *r, const struct cidr *block) {
    const struct prefix_list *list;

    if (r->origin == ROUTE_ORIGIN_CREATE_TABLE)
        return NULL;
    if (!r->prefix_list_id)
        return cidr_contains(block, &r->cidr) ? &r->cidr : NULL;
    list = index_get(c->ix, KIND_PREFIX_LIST, t->o.scope, r->prefix_list_id);
    if (!list)
        return NULL;
    txn_depend(c->txn, list);
    list_each (struct prefix_entry, e, list->entries)
        if (cidr_contains(block, &e->cidr))
            return &e->cidr;
    return NULL;
}

/* A block "must not be the same or larger than the CIDR range of a route". */
static int check_routes(struct call *c, const struct vpc *v, const struct cidr *cidr) {
    struct cursor cur;
    char text[CIDR_TEXT], text2[CIDR_TEXT];

    index_each_by(c->ix, cur, KIND_ROUTE_TABLE, RTB_BY_VPC, v->o.id) {
        const struct route_table *t = cur.obj;

        list_each (struct route, r, t->routes) {
            const struct cidr *to = route_within(c, t, r, cidr);

            if (to)
                return call_error(c, "InvalidVpc.Range",
                                  "The CIDR '%s' conflicts with the route to %s in route table %s.",
                                  cidr_format(cidr, text), cidr_format(to, text2), t->o.id);
        }
    }
    return 0;
}

static int check_new_cidr(struct call *c, const struct vpc *v, const struct cidr *cidr) {
    char text[CIDR_TEXT];

    cidr_format(cidr, text);
    list_each (struct cidr_association, a, v->cidrs)
        if (cidr_overlaps(&a->cidr, cidr))
            return call_error(c, "InvalidVpc.Range",
                              "The CIDR '%s' conflicts with another CIDR of the vpc '%s'.", text,
                              v->o.id);
    if (is_restricted(v, cidr))
        return call_error(c, "InvalidVpc.Range",
                          "The CIDR '%s' is restricted. Use a CIDR from the same private address "
                          "range as the current VPC CIDR, or use a publicly-routable CIDR. For "
                          "additional restrictions, see "
                          "https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html",
                          text);
    return check_routes(c, v, cidr) < 0 ? -1 : peering_check_cidr(c, v, cidr);
}

/* An ACL is asked about IPv6 from now on. The default one goes on to allow all where it did. */
static int open_acls(struct call *c, const struct vpc *v) {
    const struct obj *after = NULL;
    struct cursor cur;

    /* The index changes at each step, so the walk begins anew behind what it did. */
    while (cursor_by_in(c->ix, &cur, KIND_NETWORK_ACL, ACL_BY_VPC, v->o.id, c->scope,
                        after ? after->id : NULL)) {
        struct network_acl *a = txn_edit(c->txn, cur.obj);

        if (!a)
            return call_no_memory(c);
        for (int egress = 0; egress < 2; egress++)
            if (!network_acl_open_ipv6(a, egress))
                return call_no_memory(c);
        txn_put(c->txn, a);
        after = &a->o;
    }
    return 0;
}

/* The calls */

static void show(struct call *c, const struct vpc *v, const struct cidr_association *a,
                 const char *state) {
    bool v6 = a->cidr.ip.family == IP_V6;
    char text[CIDR_TEXT];

    xml_open(&c->xml, v6 ? "ipv6CidrBlockAssociation" : "cidrBlockAssociation");
    xml_text(&c->xml, "associationId", a->id);
    xml_text(&c->xml, v6 ? "ipv6CidrBlock" : "cidrBlock", cidr_format(&a->cidr, text));
    xml_open(&c->xml, v6 ? "ipv6CidrBlockState" : "cidrBlockState");
    xml_text(&c->xml, "state", state);
    xml_close(&c->xml, v6 ? "ipv6CidrBlockState" : "cidrBlockState");
    if (v6) {
        xml_text(&c->xml, "ipSource", "amazon");
        xml_text(&c->xml, "ipv6AddressAttribute", "public");
        xml_text(&c->xml, "networkBorderGroup", a->border_group);
        xml_text(&c->xml, "ipv6Pool", "Amazon");
    }
    xml_close(&c->xml, v6 ? "ipv6CidrBlockAssociation" : "cidrBlockAssociation");
    xml_text(&c->xml, "vpcId", v->o.id);
}

struct associate_params {
    char *vpc_id;
    struct vpc_cidr_params cidrs;
};
static const struct field associate_fields[] = {
    FIELD(0, FT_STR, struct associate_params, vpc_id, "VpcId", .flags = FF_REQUIRED),
    VPC_CIDR_PARAMS(struct associate_params, cidrs),
};
static const struct desc associate_desc =
    DESC("AssociateVpcCidrBlock", struct associate_params, associate_fields);

static int associate_vpc_cidr_block(struct call *c, const void *params) {
    const struct associate_params *p = params;
    const struct vpc *v = call_get(c, KIND_VPC, p->vpc_id);
    bool v6 = p->cidrs.amazon_ipv6 == TRI_TRUE, v4 = p->cidrs.cidr.ip.family;
    struct cidr cidr = cidr_mask(&p->cidrs.cidr);
    const struct cidr_association *a;
    struct vpc *n;

    if (!v || vpc_check_cidr_params(c, &p->cidrs) < 0)
        return -1;
    if (v4 == v6)
        return call_error(c, v4 ? "InvalidParameterCombination" : "MissingParameter",
                          "Exactly one of CidrBlock and AmazonProvidedIpv6CidrBlock must be "
                          "specified.");
    if ((v6 ? v->cidrs6.n : v->cidrs.n) >= VPC_CIDRS_MAX)
        return call_error(c, "CidrLimitExceeded",
                          "This network '%s' has met its maximum number of allowed CIDRs: %d",
                          v->o.id, VPC_CIDRS_MAX);
    if (v4 && check_new_cidr(c, v, &cidr) < 0)
        return -1;
    n = txn_edit(c->txn, v);
    if (!n)
        return call_no_memory(c);
    a = v6 ? vpc_add_ipv6(c, n) : vpc_add_cidr(c, n, &cidr);
    if (!a)
        return -1;
    txn_put(c->txn, n);
    if (route_tables_sync_local(c, n) < 0 ||
        (v6 && (open_acls(c, n) < 0 || security_groups_open_ipv6(c, n) < 0)))
        return -1;
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
    DESC("DisassociateVpcCidrBlock", struct disassociate_params, disassociate_fields);

static uint32_t find_association(const struct list *l, const char *id) {
    uint32_t i = 0;

    while (i < l->n && strcmp(list_at(*l, struct cidr_association, i)->id, id) != 0)
        i++;
    return i;
}

static bool has_subnet_within(struct call *c, const struct vpc *v, const struct cidr *cidr) {
    struct cursor cur;

    index_each_by(c->ix, cur, KIND_SUBNET, SUBNET_BY_VPC, v->o.id) {
        const struct subnet *s = cur.obj;
        const struct cidr *cidr6 = subnet_cidr6(s);

        if (cidr_contains(cidr, &s->cidr) || (cidr6 && cidr_contains(cidr, cidr6)))
            return true;
    }
    return false;
}

static int disassociate_vpc_cidr_block(struct call *c, const void *params) {
    const struct disassociate_params *p = params;
    struct cidr_association *a;
    const struct vpc *v;
    struct cursor cur;
    struct list *list;
    struct vpc *n;
    uint32_t i;
    bool v6 = false;
    char text[CIDR_TEXT];

    if (!cursor_by_in(c->ix, &cur, KIND_VPC, VPC_BY_ASSOCIATION, p->association_id, c->scope,
                      NULL)) {
        v6 = true;
        if (!cursor_by_in(c->ix, &cur, KIND_VPC, VPC_BY_ASSOCIATION6, p->association_id, c->scope,
                          NULL))
            return call_error(c, "InvalidVpcCidrBlockAssociationID.NotFound",
                              "The vpc CIDR block association ID '%.64s' does not exist",
                              p->association_id);
    }
    v = cur.obj;
    i = find_association(v6 ? &v->cidrs6 : &v->cidrs, p->association_id);
    if (!v6 && i == 0)
        return call_error(c, "OperationNotPermitted",
                          "The vpc CIDR block with association ID %s may not be disassociated. It "
                          "is the primary IPv4 CIDR block of the VPC",
                          p->association_id);
    n = txn_edit(c->txn, v);
    if (!n)
        return call_no_memory(c);
    list = v6 ? &n->cidrs6 : &n->cidrs;
    a = list_at(*list, struct cidr_association, i);
    if (has_subnet_within(c, v, &a->cidr))
        return call_error(c, "InvalidCidrBlock.InUse",
                          "The vpc %s currently has a subnet within CIDR block %s", v->o.id,
                          cidr_format(&a->cidr, text));
    show(c, n, a, "disassociating");
    if (v6)
        vpc_release_ipv6(c, &a->cidr);
    desc_clear(v6 ? &cidr6_desc : &cidr4_desc, a);
    list_cut(list, sizeof(*a), i);
    txn_put(c->txn, n);
    return route_tables_sync_local(c, n);
}

static const struct action rows[] = {
    {"AssociateVpcCidrBlock", &associate_desc, associate_vpc_cidr_block},
    {"DisassociateVpcCidrBlock", &disassociate_desc, disassociate_vpc_cidr_block},
};
ACTIONS(vpc_cidr_actions, rows);
