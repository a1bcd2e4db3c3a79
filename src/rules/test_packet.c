/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/test_packet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "model/nat_gateway.h"
#include "model/vpc.h"

static struct ip ip_of(const char *s) {
    struct ip ip;

    if (ip_parse(s, &ip) < 0)
        abort();
    return ip;
}

static bool allows(void *data, uint8_t protocol, uint16_t port) {
    return (protocol == 6 && port == PACKET_OPEN_TCP) ||
           (protocol == 17 && port == PACKET_OPEN_UDP);
}

static bool is_own(void *data, const struct ip *ip) {
    struct cidr c;

    return cidr_parse(PACKET_OWN_NET, &c) == 0 && cidr_contains_ip(&c, ip);
}

void packet_host(struct world *w, struct oracle_host *ret) {
    *ret = (struct oracle_host){.uplink = !world_chance(w, 10),
                                .services = !world_chance(w, 20),
                                .address4 = ip_of("203.0.113.1"),
                                .address6 = ip_of("2001:db8:100::1"),
                                .open = world_chance(w, 30),
                                .anywhere = world_chance(w, 60),
                                .allows = allows,
                                .is_own = is_own,
                                .on_host = world_on_host};
    if (cidr_parse(WORLD_POOL, &ret->pool4) < 0 || cidr_parse("2001:db8:100::/40", &ret->pool6) < 0)
        abort();
}

/* A private address of the interface, or one close to its prefix. */
static struct ip own_address(struct world *w, const struct network_interface *eni, uint8_t family) {
    const struct list *prefixes = eni_prefixes(eni, family);

    if (prefixes->n && world_chance(w, 50)) {
        const struct cidr *c =
            &list_at(*prefixes, struct eni_prefix, world_random(w, prefixes->n))->cidr;

        /* The last of them too, and one beside it. */
        return world_chance(w, 20) ? cidr_last(c) : ip_add(&c->ip, world_random(w, 17));
    }
    if (family == IP_V6 && eni->addresses6.n)
        return list_at(eni->addresses6, struct eni_address, world_random(w, eni->addresses6.n))->ip;
    if (family == IP_V4 && eni->addresses.n)
        return list_at(eni->addresses, struct eni_address, world_random(w, eni->addresses.n))->ip;
    return world_address(w, family);
}

/* Somebody in the sender's VPC, or NULL. */
static const struct network_interface *colleague(struct world *w,
                                                 const struct network_interface *from) {
    for (int i = 0; i < 8; i++) {
        const struct network_interface *eni = world_pick(w, KIND_NETWORK_INTERFACE);

        if (eni && from && strcmp(eni->vpc_id, from->vpc_id) == 0)
            return eni;
    }
    return NULL;
}

/* A public address of somebody. */
static struct ip public_address(struct world *w, uint8_t family) {
    for (int i = 0; i < 8; i++) {
        const struct network_interface *eni = world_pick(w, KIND_NETWORK_INTERFACE);
        struct ip ip;

        if (!eni)
            break;
        ip = own_address(w, eni, family);
        if (family == IP_V6)
            return ip;
        list_each (struct eni_address, a, eni->addresses)
            if (a->public_ip.family)
                return a->public_ip;
    }
    return world_address(w, family);
}

static struct ip odd_address(struct world *w, uint8_t family) {
    static const char *const four[] = {
        "0.0.0.0",         "127.0.0.1",  "255.255.255.255", "224.0.0.251", "10.0.0.1",  "10.0.1.1",
        "169.254.169.254", "10.0.0.2",   "10.0.0.255",      "10.0.3.9",    "192.0.2.9", "8.8.8.8",
        "203.0.113.200",   "172.16.1.1", "0.1.2.3",         "239.1.1.1",   "241.0.0.1", "10.7.7.7"};
    static const char *const six[] = {"::",         "::1",           "ff02::fb",
                                      "fe80::1",    "fd00:ec2::254", "::ffff:10.0.0.4",
                                      "ff0e::1",    "fd12::1",       "2001:db8:1ff:ffff::9",
                                      "64:ff9b::1", "2606:4700::1",  "::5"};

    return ip_of(family == IP_V4 ? four[world_random(w, ARRAY_SIZE(four))]
                                 : six[world_random(w, ARRAY_SIZE(six))]);
}

/* An address of a NAT gateway. */
static struct ip nat_address(struct world *w, const struct oracle_packet *p) {
    const struct nat_gateway *nat = world_pick(w, KIND_NAT_GATEWAY);
    const struct nat_address *a;

    if (!nat || !nat->addresses.n)
        return world_address(w, IP_V4);
    a = list_at(nat->addresses, struct nat_address, world_random(w, nat->addresses.n));
    return a->public_ip.family && (!p->from || world_chance(w, 50)) ? a->public_ip : a->ip;
}

static struct ip destination(struct world *w, const struct oracle_packet *p,
                             const struct oracle_host *host) {
    uint8_t family = p->src.family;
    const struct network_interface *eni = colleague(w, p->from);
    const struct network_interface *anybody = world_pick(w, KIND_NETWORK_INTERFACE);
    uint32_t what = world_random(w, 100);

    if (family == IP_V4 && world_chance(w, 6))
        return nat_address(w, p);
    if (anybody && world_chance(w, 10))
        return own_address(w, anybody, family);
    if (p->from && eni && what < 45)
        return own_address(w, eni, family);
    if (what < 78)
        return public_address(w, family);
    if (what < 84)
        return family == IP_V4 ? host->address4 : host->address6;
    if (what < 90)
        return ip_of(family == IP_V4 ? WORLD_OUTSIDE : WORLD_OUTSIDE6);
    return what < 94 ? odd_address(w, family) : world_address(w, family);
}

static struct ip source(struct world *w, const struct oracle_packet *p,
                        const struct oracle_host *host, uint8_t family) {
    uint32_t what = world_random(w, 100);

    if (p->from)
        return what < 88   ? own_address(w, p->from, family)
               : what < 97 ? world_address(w, family)
                           : odd_address(w, family);
    if (what < 40)
        return family == IP_V4 ? host->address4 : host->address6;
    if (what < 85)
        return ip_of(family == IP_V4 ? WORLD_OUTSIDE : WORLD_OUTSIDE6);
    return what < 95 ? world_address(w, family) : odd_address(w, family);
}

static void what_it_carries(struct world *w, struct oracle_packet *p) {
    static const uint8_t protocols[] = {6, 6, 6, 6, 17, 17, 17, 1, 58, 47, 132, 0};
    static const uint8_t types4[] = {8, 8, 0, 3, 11, 13, 14, 255};
    static const uint8_t types6[] = {128, 128, 129, 1, 2, 3, 0, 133, 136, 143, 134, 255};

    p->protocol = protocols[world_random(w, ARRAY_SIZE(protocols))];
    if (p->protocol == 0) /* hop-by-hop options are no protocol in IPv6 */
        p->protocol = p->src.family == IP_V6 ? 50 : 0;
    if (p->protocol == 1 && p->src.family == IP_V6 && world_chance(w, 80))
        p->protocol = 58;
    if (p->protocol == 58 && p->src.family == IP_V4 && world_chance(w, 80))
        p->protocol = 1;
    if (p->protocol == 6 || p->protocol == 17) {
        p->sport = world_chance(w, 50) ? world_port(w) : (uint16_t)(1024 + world_random(w, 60000));
        p->dport = world_port(w);
    } else if (p->protocol == 1 && p->src.family == IP_V4) {
        p->icmp_type = types4[world_random(w, ARRAY_SIZE(types4))];
        p->icmp_code = (uint8_t)world_random(w, 3);
    } else if (p->protocol == 58 && p->src.family == IP_V6) {
        p->icmp_type = types6[world_random(w, ARRAY_SIZE(types6))];
        p->icmp_code = (uint8_t)world_random(w, 3);
    }
    if (p->protocol == 17 && world_chance(w, 2)) { /* DHCP */
        p->sport = p->src.family == IP_V4 ? 68 : 546;
        p->dport = p->src.family == IP_V4 ? 67 : 547;
        if (world_chance(w, 50)) {
            uint16_t client = p->sport;
            p->sport = p->dport;
            p->dport = client;
        }
    }
}

/* A question to a service of the link, or almost one. */
static void ask_service(struct world *w, struct oracle_packet *p) {
    static const struct {
        const char *dst;
        uint8_t protocol;
        uint16_t sport, dport;
    } asks[] = {
        {"10.0.0.2", 17, 0, 53},         {"10.0.0.2", 6, 0, 53},
        {"169.254.169.253", 17, 0, 53},  {"169.254.169.254", 6, 0, 80},
        {"169.254.169.123", 17, 0, 123}, {"255.255.255.255", 17, 68, 67},
        {"10.0.1.1", 17, 68, 67},        {"fd00:ec2::253", 17, 0, 53},
        {"fd00:ec2::253", 6, 0, 53},     {"fd00:ec2::254", 6, 0, 80},
        {"fd00:ec2::123", 17, 0, 123},   {"ff02::1:2", 17, 546, 547},
        {"ff02::2", 58, 0, 0},           {"172.16.0.2", 17, 0, 53},
    };
    static const char *const none4[] = {"0.0.0.0", "169.254.3.4"};
    static const char *const none6[] = {"::", "fe80::", "fe80::5:1", "fe80:0:0:1::7"};
    uint32_t which = world_random(w, ARRAY_SIZE(asks));

    p->dst = ip_of(asks[which].dst);
    p->protocol = asks[which].protocol;
    p->sport = asks[which].sport ? asks[which].sport : (uint16_t)(1024 + world_random(w, 60000));
    p->dport = world_chance(w, 5) ? world_port(w) : asks[which].dport;
    p->icmp_type = p->icmp_code = 0;
    if (p->protocol == 58) {
        p->sport = p->dport = 0;
        p->icmp_type = 133;
        p->icmp_code = (uint8_t)world_chance(w, 10);
    }
    if (p->src.family != p->dst.family && p->from)
        p->src = own_address(w, p->from, p->dst.family);
    if (world_chance(w, 25))
        p->src = ip_of(p->dst.family == IP_V4 ? none4[world_random(w, ARRAY_SIZE(none4))]
                                              : none6[world_random(w, ARRAY_SIZE(none6))]);
    if (p->src.family != p->dst.family)
        p->src = world_address(w, p->dst.family);
}

void packet_random(struct world *w, const struct oracle_host *host, struct oracle_packet *ret) {
    uint8_t family = world_chance(w, 55) ? IP_V4 : IP_V6;

    *ret = (struct oracle_packet){0};
    if (world_chance(w, 80))
        ret->from = world_pick(w, KIND_NETWORK_INTERFACE);
    if (ret->from) {
        memcpy(ret->src_mac, ret->from->mac, sizeof(ret->src_mac));
        if (world_chance(w, 2))
            ret->src_mac[5] ^= 1;
        if (family == IP_V6 && !ret->from->addresses6.n && world_chance(w, 90))
            family = IP_V4;
    }
    ret->src = source(w, ret, host, family);
    ret->dst = destination(w, ret, host);
    what_it_carries(w, ret);
    if (world_chance(w, 8))
        ask_service(w, ret);
    ret->length = world_chance(w, 5) ? 1499 + world_random(w, 4) : 0;
}

void packet_print(const struct oracle_packet *p) {
    char src[IP_TEXT], dst[IP_TEXT];

    printf("  from %s: %s -> %s protocol %u, ports %u %u, type %u code %u, length %u%s%s\n",
           p->from ? p->from->o.id : "the uplink", ip_format(&p->src, src), ip_format(&p->dst, dst),
           p->protocol, p->sport, p->dport, p->icmp_type, p->icmp_code, p->length,
           p->from && memcmp(p->src_mac, p->from->mac, 6) != 0 ? ", another's MAC" : "",
           p->midway ? ", midway" : "");
}

void verdict_print(const struct oracle_verdict *v) {
    char src[IP_TEXT], dst[IP_TEXT];

    for (unsigned i = 0; i < v->n_hops; i++)
        printf("    %2u %-45s %-5s %s\n", v->hops[i].step, v->hops[i].question,
               v->hops[i].passed ? "yes" : "no", v->hops[i].by);
    if (v->service)
        printf("    answered by service %d\n", v->service);
    else if (v->accepted)
        printf("    delivered to %s: %s -> %s, tracking %d %d\n",
               v->to ? v->to->o.id : "the uplink", ip_format(&v->src, src), ip_format(&v->dst, dst),
               v->sender, v->receiver);
    else
        printf("    dropped: reason %d\n", v->reason);
}
