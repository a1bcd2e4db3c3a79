/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters that describe an interface in CreateNetworkInterface, RunInstances and others. */
#include <string.h>

#include "api/ec2/eni.h"

static const struct field private_ip_param_fields[] = {
    FIELD(0, FT_IP, struct private_ip_param, ip, "PrivateIpAddress", .flags = FF_REQUIRED),
    FIELD(0, FT_TRI, struct private_ip_param, primary, "Primary"),
};
const struct desc private_ip_param_desc =
    DESC("private address", struct private_ip_param, private_ip_param_fields);

static const struct field ipv6_param_fields[] = {
    FIELD(0, FT_IP, struct ipv6_param, ip, "Ipv6Address", .flags = FF_REQUIRED),
    FIELD(0, FT_TRI, struct ipv6_param, primary, "IsPrimaryIpv6"),
};
const struct desc ipv6_param_desc = DESC("IPv6 address", struct ipv6_param, ipv6_param_fields);

static const struct field prefix4_param_fields[] = {
    FIELD(0, FT_CIDR, struct prefix_param, cidr, "Ipv4Prefix", .flags = FF_REQUIRED),
};
const struct desc prefix4_param_desc =
    DESC("IPv4 prefix", struct prefix_param, prefix4_param_fields);

static const struct field prefix6_param_fields[] = {
    FIELD(0, FT_CIDR, struct prefix_param, cidr, "Ipv6Prefix", .flags = FF_REQUIRED),
};
const struct desc prefix6_param_desc =
    DESC("IPv6 prefix", struct prefix_param, prefix6_param_fields);

/* Bounds: EC2 user guide, "Idle connection tracking timeout". */
static const struct field tracking_param_fields[] = {
    FIELD(0, FT_OPTINT, struct eni_tracking_param, tcp_established, "TcpEstablishedTimeout",
          .min = 60, .max = 432000),
    FIELD(0, FT_OPTINT, struct eni_tracking_param, udp_stream, "UdpStreamTimeout", .min = 60,
          .max = 180),
    FIELD(0, FT_OPTINT, struct eni_tracking_param, udp, "UdpTimeout", .min = 30, .max = 60),
};
const struct desc eni_tracking_param_desc =
    DESC("connection tracking", struct eni_tracking_param, tracking_param_fields);

bool eni_tracking_given(const struct eni_tracking_param *p) {
    return p->tcp_established.set || p->udp_stream.set || p->udp.set;
}

void eni_set_tracking(const struct eni_tracking_param *p, struct eni_tracking *t) {
    if (p->tcp_established.set)
        t->tcp_established = p->tcp_established.v;
    if (p->udp_stream.set)
        t->udp_stream = p->udp_stream.v;
    if (p->udp.set)
        t->udp = p->udp.v;
}

int eni_check_type(struct call *c, const char *interface_type) {
    if (interface_type && strcmp(interface_type, "interface") != 0)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter interfaceType is invalid. Only 'interface' "
                          "is offered.",
                          interface_type);
    return 0;
}

static bool some(const struct optint *count) {
    return count->set && count->v;
}

/* Of the ways to name what an interface shall have of a family, one may be used. */
static int check_one_way(struct call *c, const char *family, int ways) {
    if (ways > 1)
        return call_error(
            c, "InvalidParameterCombination",
            "Specific %s addresses, a count of them, specific %s prefixes and a count "
            "of them cannot be used together.",
            family, family);
    return 0;
}

int eni_wish_addresses(struct call *c, const struct eni_addresses_param *p, struct eni_wish *wish) {
    const struct ip *primary = p->primary.family ? &p->primary : NULL;

    if (check_one_way(c, "IPv4",
                      !!p->secondary.n + some(&p->secondary_count) + !!p->prefixes.n +
                          some(&p->prefix_count)) < 0 ||
        check_one_way(c, "IPv6",
                      !!p->addresses6.n + some(&p->addresses6_count) + !!p->prefixes6.n +
                          some(&p->prefix6_count)) < 0)
        return -1;
    list_each (struct private_ip_param, s, p->secondary) {
        if (s->primary != TRI_TRUE)
            continue;
        if (primary)
            return call_error(c, "InvalidParameterCombination",
                              "Only one primary private IP address can be specified.");
        primary = &s->ip;
    }
    wish->primary = primary;
    wish->secondary = &p->secondary;
    wish->secondary_count = p->secondary_count.v;
    wish->prefixes = &p->prefixes;
    wish->prefix_count = p->prefix_count.v;
    wish->addresses6 = &p->addresses6;
    wish->addresses6_count = p->addresses6_count.set ? p->addresses6_count.v : -1;
    wish->prefixes6 = &p->prefixes6;
    wish->prefix6_count = p->prefix6_count.v;
    eni_set_tracking(&p->tracking, &wish->tracking);
    return 0;
}
