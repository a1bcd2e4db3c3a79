/* SPDX-License-Identifier: Apache-2.0 */
/* Customer gateways: what is known about a router of the customer's. */
#include <string.h>

#include "api/ec2/gateway.h"
#include "api/sweep.h"

#define ASN_DEFAULT 65000
#define ASN_MAX 4294967294 /* BgpAsn up to 2,147,483,647, BgpAsnExtended beyond */

struct create_params {
    char *type;
    struct optint asn, asn_extended;
    struct ip ip, public_ip; /* the same: the older name is public_ip */
    char *certificate_arn, *device_name;
    struct list tag_specifications;
};
#define P struct create_params
static const struct field create_fields[] = {
    FIELD(0, FT_STR, P, type, "Type", .flags = FF_REQUIRED),
    FIELD(0, FT_OPTINT, P, asn, "BgpAsn", .min = 1, .max = 2147483647),
    FIELD(0, FT_OPTINT, P, asn_extended, "BgpAsnExtended", .min = 2147483648, .max = ASN_MAX),
    FIELD(0, FT_IP, P, ip, "IpAddress"),
    FIELD(0, FT_IP, P, public_ip, "PublicIp"),
    FIELD(0, FT_STR, P, certificate_arn, "CertificateArn", .max = 2048),
    FIELD(0, FT_STR, P, device_name, "DeviceName", .max = 255),
    TAG_SPECIFICATIONS(P),
};
static const struct desc create_desc = DESC("CreateCustomerGateway", P, create_fields);

/* Numbers of Amazon's own in some regions (Site-to-Site VPN user guide, "Customer gateway
 * options"). */
static const struct {
    const char *region;
    int64_t asn;
} reserved_asns[] = {
    {"us-east-1", 7224},
    {"eu-west-1", 9059},
    {"ap-northeast-1", 10124},
    {"ap-southeast-1", 17943},
};

static int check_asn(struct call *c, const struct create_params *p, int64_t asn) {
    if (p->asn.set && p->asn_extended.set)
        return call_error(c, "InvalidParameterCombination",
                          "BgpAsn and BgpAsnExtended cannot be used together.");
    for (size_t i = 0; i < sizeof(reserved_asns) / sizeof(reserved_asns[0]); i++)
        if (reserved_asns[i].asn == asn &&
            strcmp(reserved_asns[i].region, region_name(c->scope.region)) == 0)
            return call_error(c, "InvalidParameterValue",
                              "Value (%lld) for parameter bgpAsn is invalid. It is reserved in "
                              "this region.",
                              (long long)asn);
    return 0;
}

/* A host's address that could be reached from outside. */
static bool is_host(const struct ip *ip) {
    if (ip->family == IP_V6)
        return ip->b[0] != 0xff && ip->b[0] != 0 && !(ip->b[0] == 0xfe && ip->b[1] >= 0x80);
    return ip->b[0] != 0 && ip->b[0] != 127 && ip->b[0] < 224 &&
           !(ip->b[0] == 169 && ip->b[1] == 254);
}

static int check_address(struct call *c, const struct create_params *p, const struct ip *ip) {
    char text[IP_TEXT];

    if (p->ip.family && p->public_ip.family)
        return call_error(c, "InvalidParameterCombination",
                          "IpAddress and PublicIp cannot be used together.");
    if (!ip->family && !p->certificate_arn)
        return call_error(c, "MissingParameter",
                          "The request must contain the parameter ipAddress or certificateArn");
    if (ip->family && !is_host(ip))
        return call_error(c, "InvalidParameterValue",
                          "Value (%s) for parameter ipAddress is invalid. It is no address of a "
                          "host.",
                          ip_format(ip, text));
    if (p->certificate_arn && strncmp(p->certificate_arn, "arn:", 4) != 0)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter certificateArn is invalid.",
                          p->certificate_arn);
    return 0;
}

static bool same_text(const char *a, const char *b) {
    return strcmp(a ? a : "", b ? b : "") == 0;
}

/* "An identical request returns information about the existing customer gateway" (EC2 API
 * reference); the device's name tells apart what is equal otherwise. */
static const struct customer_gateway *find_same(struct call *c, const struct create_params *p,
                                                const struct ip *ip, int64_t asn,
                                                int64_t *ret_count) {
    const struct customer_gateway *same = NULL;
    struct cursor cur;

    *ret_count = 0;
    index_each_in(c->ix, cur, KIND_CUSTOMER_GATEWAY, c->scope) {
        const struct customer_gateway *g = cur.obj;

        if (g->deleted)
            continue;
        ++*ret_count;
        if (strcmp(g->type, p->type) == 0 && ip_equal(&g->ip, ip) && g->bgp_asn == asn &&
            same_text(g->certificate_arn, p->certificate_arn) &&
            same_text(g->device_name, p->device_name))
            same = g;
    }
    if (same)
        txn_depend(c->txn, same);
    return same;
}

static int create_customer_gateway(struct call *c, const void *params) {
    static const enum kind taggable[] = {KIND_CUSTOMER_GATEWAY};
    const struct create_params *p = params;
    const struct ip *ip = p->ip.family ? &p->ip : &p->public_ip;
    int64_t asn = p->asn.set ? p->asn.v : p->asn_extended.set ? p->asn_extended.v : ASN_DEFAULT;
    const struct customer_gateway *same;
    struct customer_gateway *g;
    int64_t count;

    if (vpn_type_check(c, p->type) < 0 || check_asn(c, p, asn) < 0 || check_address(c, p, ip) < 0 ||
        call_tags_check(c, &p->tag_specifications, taggable, 1) < 0)
        return -1;
    same = find_same(c, p, ip, asn, &count);
    if (same) {
        call_object(c, "customerGateway", same);
        return 0;
    }
    if (count >= limit_of(c->ix, c->scope.account, LIMIT_CUSTOMER_GATEWAYS))
        return call_error(c, "CustomerGatewayLimitExceeded",
                          "The maximum number of customer gateways has been reached.");
    g = call_new(c, KIND_CUSTOMER_GATEWAY);
    if (!g || call_tags(c, &p->tag_specifications, g) < 0)
        return -1;
    obj_set(&g->o, &g->type, p->type);
    obj_set(&g->o, &g->certificate_arn, p->certificate_arn);
    obj_set(&g->o, &g->device_name, p->device_name);
    g->ip = *ip;
    g->bgp_asn = asn;
    txn_put(c->txn, g);
    call_object(c, "customerGateway", g);
    return 0;
}

static const struct field id_fields[] = {
    FIELD(0, FT_STR, struct one_id, id, "CustomerGatewayId", .flags = FF_REQUIRED),
};
static const struct desc id_desc = DESC("CustomerGatewayId", struct one_id, id_fields);

static int delete_customer_gateway(struct call *c, const void *params) {
    const struct one_id *p = params;
    const struct customer_gateway *g = call_get(c, KIND_CUSTOMER_GATEWAY, p->id);
    struct customer_gateway *n;

    if (!g)
        return -1;
    if (g->deleted)
        return call_error(c, kind_info(KIND_CUSTOMER_GATEWAY)->not_found,
                          "The customerGateway ID '%s' does not exist", g->o.id);
    n = txn_edit(c->txn, g);
    if (!n)
        return call_no_memory(c);
    n->deleted = c->now;
    txn_put(c->txn, n);
    sweep_litter(api_sweeper(c->api), c->scope.account, sizeof(*n));
    return call_return_true(c);
}

DESCRIBE_PARAMS(describe_params, "CustomerGatewayId");

static int describe_customer_gateways(struct call *c, const void *params) {
    const struct describe_ids *p = params;

    return describe(c, &(struct describe){.kind = KIND_CUSTOMER_GATEWAY,
                                          .ids = &p->ids,
                                          .set = "customerGatewaySet"});
}

static const struct action rows[] = {
    {"CreateCustomerGateway", &create_desc, create_customer_gateway},
    {"DeleteCustomerGateway", &id_desc, delete_customer_gateway},
    {"DescribeCustomerGateways", &describe_params, describe_customer_gateways, ACT_FILTER,
     "customerGatewaySet"},
};
ACTIONS(customer_gateway_actions, rows);
