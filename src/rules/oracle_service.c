/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Step 3: the services of the link. "Security groups don't filter" and network ACLs do not either
 * what goes to the resolver ("Amazon DNS server" in the VPC user guide: "the base of the VPC IPv4
 * network range, plus two", 169.254.169.253, fd00:ec2::253), the metadata service, DHCP and the
 * time service. Nobody may ask as another, so the source is looked at here: an own address, or what
 * one has before there is one.
 */
#include <stdio.h>

#include "rules/oracle_private.h"

static const char *const names[SERVICE_WHATS] = {
    [SERVICE_DNS_VPC] = "DNS",   [SERVICE_DNS_LINK] = "DNS", [SERVICE_METADATA] = "metadata",
    [SERVICE_TIME] = "time",     [SERVICE_DHCP] = "DHCP",    [SERVICE_DHCP6] = "DHCPv6",
    [SERVICE_ROUTER] = "router",
};

const char *oracle_service_name(enum service_what what) {
    return names[what] ? names[what] : "";
}

static const struct vpc *vpc_of(const struct way *w) {
    const struct network_interface *from = w->p->from;

    return index_get(w->ix, KIND_VPC, from->o.scope, from->vpc_id);
}

static bool is_dns(const struct oracle_packet *p) {
    return (p->protocol == TCP || p->protocol == UDP) && p->dport == 53;
}

static bool is(const struct ip *ip, const char *text) {
    struct ip other;

    return ip_parse(text, &other) == 0 && ip_equal(ip, &other);
}

static bool is_resolver(const struct way *w, const struct ip *ip) {
    const struct vpc *vpc = vpc_of(w);
    struct ip plus_two;

    if (!vpc || ip->family != IP_V4)
        return false;
    plus_two = ip_add(&vpc->cidr.ip, 2);
    return ip_equal(ip, &plus_two);
}

static bool is_subnet_router(const struct way *w, const struct ip *ip) {
    const struct network_interface *from = w->p->from;
    const struct subnet *s = index_get(w->ix, KIND_SUBNET, from->o.scope, from->subnet_id);
    struct ip router;

    if (!s)
        return false;
    router = ip_add(&s->cidr.ip, 1);
    return ip_equal(ip, &router);
}

bool asks_link(const struct way *w) {
    return within_any(&w->p->dst, services) || (is_dns(w->p) && is_resolver(w, &w->p->dst));
}

static enum service_what service_of(const struct way *w) {
    const struct oracle_packet *p = w->p;

    if (p->protocol == UDP && p->src.family == IP_V4 && p->sport == 68 && p->dport == 67)
        return is(&p->dst, "255.255.255.255") || is_subnet_router(w, &p->dst) ? SERVICE_DHCP
                                                                              : SERVICE_NONE;
    if (p->protocol == UDP && p->src.family == IP_V6 && p->sport == 546 && p->dport == 547)
        return is(&p->dst, "ff02::1:2") ? SERVICE_DHCP6 : SERVICE_NONE;
    if (p->protocol == ICMPV6 && p->src.family == IP_V6 && p->icmp_type == 133)
        return is(&p->dst, "ff02::2") || is(&p->dst, "fe80::1") ? SERVICE_ROUTER : SERVICE_NONE;
    if (is_dns(p) && is_resolver(w, &p->dst))
        return SERVICE_DNS_VPC;
    if (is_dns(p) && (is(&p->dst, "169.254.169.253") || is(&p->dst, "fd00:ec2::253")))
        return SERVICE_DNS_LINK;
    if (p->protocol == TCP && p->dport == 80 &&
        (is(&p->dst, "169.254.169.254") || is(&p->dst, "fd00:ec2::254")))
        return SERVICE_METADATA;
    if (p->protocol == UDP && p->dport == 123 &&
        (is(&p->dst, "169.254.169.123") || is(&p->dst, "fd00:ec2::123")))
        return SERVICE_TIME;
    return SERVICE_NONE;
}

static bool may_ask(const struct way *w, enum service_what what) {
    const struct ip *src = &w->p->src;

    if (what == SERVICE_DHCP && is(src, "0.0.0.0"))
        return true;
    if (what == SERVICE_ROUTER && is(src, "::"))
        return true;
    if (what == SERVICE_DHCP6 || what == SERVICE_ROUTER)
        if (within(src, "fe80::/64") && !is(src, "fe80::"))
            return true;
    return has_private(w->p->from, src);
}

enum drop_reason to_service(struct way *w, enum drop_reason otherwise) {
    enum service_what what = w->host->services ? service_of(w) : SERVICE_NONE;
    const struct vpc *vpc = vpc_of(w);
    char text[IP_TEXT];

    ip_format(&w->p->dst, text);
    if (what == SERVICE_NONE)
        return hop(w, 3, "link-local services", text, otherwise);
    if (!may_ask(w, what))
        return hop(w, 4, "source check of a service", ip_format(&w->p->src, text),
                   DROP_SPOOFED_ADDRESS);
    if ((what == SERVICE_DNS_VPC || what == SERVICE_DNS_LINK) && (!vpc || !vpc->dns_support))
        return hop(w, 3, "enableDnsSupport", w->p->from->vpc_id, DROP_DNS_OFF);
    if (what == SERVICE_ROUTER && w->p->icmp_code)
        return hop(w, 3, "link-local services", "router", DROP_ND_INVALID);
    w->v->service = what;
    return hop(w, 3, "link-local services", names[what], DROP_NONE);
}
