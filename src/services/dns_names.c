/* SPDX-License-Identifier: Apache-2.0 */
#include "services/dns_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "model/instance.h"
#include "model/peering.h"
#include "model/regions.h"

/* Who asks, and what. */
struct ask {
    const struct index *ix;
    const struct vpc *vpc;
    const struct dns_name *name;
    struct dns_local *out;
};

/* ---- whose names there are ---- */

/* Both attributes: only then has a VPC names of its own (VPC user guide, "DNS attributes"). */
static bool has_names(const struct vpc *v) {
    return v && v->dns_support && v->dns_hostnames;
}

static bool vpc_holds(const struct vpc *v, const struct ip *ip) {
    const struct list *cidrs = ip->family == IP_V4 ? &v->cidrs : &v->cidrs6;

    list_each (struct cidr_association, a, *cidrs)
        if (cidr_contains_ip(&a->cidr, ip))
            return true;
    return false;
}

/*
 * Calls fn for the asker's VPC and for each peer of it that lets its names be resolved from here,
 * until it returns other than NULL, and returns that. Nothing is called where the asker's VPC has
 * no names: then nobody's private ones resolve in it.
 */
static const void *each_vpc(const struct ask *a,
                            const void *(*fn)(const struct ask *a, const struct vpc *v,
                                              const void *arg),
                            const void *arg) {
    static const uint16_t fields[] = {PEERING_BY_REQUESTER, PEERING_BY_ACCEPTER};
    const void *found;
    struct cursor c;

    if (!has_names(a->vpc))
        return NULL;
    found = fn(a, a->vpc, arg);
    for (size_t i = 0; !found && i < ARRAY_SIZE(fields); i++) {
        index_each_by(a->ix, c, KIND_PEERING, fields[i], a->vpc->o.id) {
            const struct peering *p = c.obj;
            const struct vpc *peer = peering_peer(a->ix, p, a->vpc->o.id);

            if (has_names(peer) && peering_other(p, a->vpc->o.id)->resolves_dns)
                found = fn(a, peer, arg);
            if (found)
                break;
        }
    }
    return found;
}

static const void *if_it_holds(const struct ask *a, const struct vpc *v, const void *ip) {
    return vpc_holds(v, ip) ? v : NULL;
}

/* The VPC with this address among those whose names the asker sees. */
static const struct vpc *vpc_of(const struct ask *a, const struct ip *ip) {
    return each_vpc(a, if_it_holds, ip);
}

static const void *if_in_region(const struct ask *a, const struct vpc *v, const void *region) {
    return v->o.scope.region == *(const uint16_t *)region ? v : NULL;
}

static const void *if_it_is(const struct ask *a, const struct vpc *v, const void *id) {
    return strcmp(v->o.id, id) == 0 ? v : NULL;
}

static const void *its_instance(const struct ask *a, const struct vpc *v, const void *id) {
    const struct instance *i = index_get(a->ix, KIND_INSTANCE, v->o.scope, id);

    return i && i->vpc_id && strcmp(i->vpc_id, v->o.id) == 0 ? i : NULL;
}

static bool rfc1918(const struct ip *ip) {
    uint32_t v = ip->family == IP_V4 ? ip_to_v4(ip) : 0;

    return v >> 24 == 10 || v >> 20 == 0xac1 || v >> 16 == 0xc0a8;
}

/* ---- the answer ---- */

char *dns_private_zone(uint16_t region, char *out) {
    if (strcmp(region_name(region), "us-east-1") == 0)
        snprintf(out, 64, "ec2.internal");
    else
        snprintf(out, 64, "%s.compute.internal", region_name(region));
    return out;
}

static char *public_zone(uint16_t region, char *out) {
    if (strcmp(region_name(region), "us-east-1") == 0)
        snprintf(out, 64, "compute-1.amazonaws.com");
    else
        snprintf(out, 64, "%s.compute.amazonaws.com", region_name(region));
    return out;
}

/* The zone is what is left of the name without its first `front` labels. */
static void set_zone(const struct ask *a, unsigned front, bool shared) {
    a->out->zone = dns_name_parent(a->name, front);
    a->out->has_zone = true;
    a->out->apex = front == 0;
    a->out->shared = shared;
}

static void add_ip(const struct ask *a, const struct ip *ip) {
    a->out->result = DNS_KNOWN;
    a->out->rr[a->out->n++] =
        (struct dns_local_record){.type = ip->family == IP_V4 ? DNS_A : DNS_AAAA, .ip = *ip};
}

static void add_name(const struct ask *a, uint16_t type, const char *text) {
    struct dns_local_record *rr = &a->out->rr[a->out->n];

    a->out->result = DNS_KNOWN;
    rr->type = type;
    a->out->n += dns_name_set(&rr->name, text);
}

/* "ip-10-0-1-5": four decimal numbers and nothing else. */
static bool parse_label(const char *label, const char *prefix, struct ip *ret) {
    const size_t n = strlen(prefix);
    char text[IP_TEXT], *p;

    if (strncmp(label, prefix, n) != 0 || strlen(label + n) >= sizeof(text) ||
        strspn(label + n, "0123456789-") != strlen(label + n))
        return false;
    strcpy(text, label + n);
    for (p = text; *p; p++)
        if (*p == '-')
            *p = '.';
    return ip_parse(text, ret) == 0 && ret->family == IP_V4;
}

/* ---- private names ---- */

static void private_ip(const struct ask *a, uint16_t region, const struct ip *ip) {
    const struct vpc *v = vpc_of(a, ip);

    /* Names of RFC 1918 stand for their addresses in the whole region, whoever has them: they may
     * be those of instances in other VPCs (VPC user guide, "Private IP DNS name"). */
    if ((v && v->o.scope.region == region) ||
        (region == a->vpc->o.scope.region && has_names(a->vpc) && rfc1918(ip)))
        add_ip(a, ip);
}

/* The options say which of its addresses an instance's own name has. */
static void instance_addresses(const struct ask *a, const struct instance *i) {
    const struct network_interface *eni = instance_primary_eni(a->ix, i);

    if (!eni)
        return; /* terminated */
    a->out->result = DNS_KNOWN;
    if (i->names.a && eni->addresses.n)
        add_ip(a, &eni_primary(eni)->ip);
    if (i->names.aaaa && eni->addresses6.n)
        add_ip(a, &list_at(eni->addresses6, struct eni_address, 0)->ip);
}

static void private_name(const struct ask *a, uint16_t region, unsigned front) {
    char label[64], text[80], zone[64];
    const struct instance *i;
    struct ip ip;

    set_zone(a, front, false);
    a->out->result = DNS_UNKNOWN;
    if (!has_names(a->vpc) || !each_vpc(a, if_in_region, &region))
        return;
    if (front == 0) {
        snprintf(text, sizeof(text), "ns0.%s", dns_private_zone(region, zone));
        add_name(a, DNS_NS, text);
        return;
    }
    if (front > 1 || !dns_name_label(a->name, 0, label))
        return;
    if (strcmp(label, "ns0") == 0) {
        ip = ip_add(&a->vpc->cidr.ip, 2);
        add_ip(a, &ip);
    } else if (parse_label(label, "ip-", &ip)) {
        private_ip(a, region, &ip);
    } else if (strncmp(label, "i-", 2) == 0) {
        i = each_vpc(a, its_instance, label);
        if (i && i->o.scope.region == region)
            instance_addresses(a, i);
    }
}

/* ---- public names ---- */

/* The interface that the internet knows by this address, and the private one behind it. */
static const struct network_interface *find_public(const struct ask *a, const struct ip *ip,
                                                   const struct eni_address **ret_address) {
    struct cursor c;
    char text[IP_TEXT];

    index_each_by(a->ix, c, KIND_NETWORK_INTERFACE, ENI_BY_PUBLIC_IP, ip_format(ip, text)) {
        list_each (struct eni_address, e, ((const struct network_interface *)c.obj)->addresses) {
            if (ip_equal(&e->public_ip, ip)) {
                *ret_address = e;
                return c.obj;
            }
        }
    }
    return NULL;
}

static const struct vpc *vpc_of_eni(const struct ask *a, const struct network_interface *eni) {
    return index_get(a->ix, KIND_VPC, eni->o.scope, eni->vpc_id);
}

/* "ec2-203-0-113-25": to the private address for who is in its VPC or in a peer to which the VPC
 * tells its names, to the public one for all others. Addresses that are nobody's here are the
 * world's. */
static void public_name(const struct ask *a, uint16_t region, unsigned front) {
    const struct network_interface *eni;
    const struct eni_address *e = NULL;
    struct ip ip;
    char label[64];

    if (front != 1 || !dns_name_label(a->name, 0, label) || !parse_label(label, "ec2-", &ip))
        return;
    eni = find_public(a, &ip, &e);
    if (!eni || eni->o.scope.region != region)
        return;
    set_zone(a, front, false);
    a->out->result = DNS_UNKNOWN;
    if (has_names(vpc_of_eni(a, eni)))
        add_ip(a, each_vpc(a, if_it_is, eni->vpc_id) ? &e->ip : &ip);
}

/* ---- from addresses to names ---- */

/* One reversed label as a number; -1: it is none. */
static long reverse_label(const struct dns_name *name, unsigned i, uint8_t family) {
    const char *digits = family == IP_V4 ? "0123456789" : "0123456789abcdef";
    char label[64];
    long v;

    if (!dns_name_label(name, i, label) || strlen(label) > (family == IP_V4 ? 3 : 1) ||
        strspn(label, digits) != strlen(label) || (label[0] == '0' && label[1]))
        return -1;
    v = strtol(label, NULL, family == IP_V4 ? 10 : 16);
    return v < (family == IP_V4 ? 256 : 16) ? v : -1;
}

/* The address that begins with the labels from the right, as many as are numbers: how many. */
static unsigned parse_reverse(const struct dns_name *name, unsigned front, uint8_t family,
                              struct ip *ret) {
    const unsigned whole = family == IP_V4 ? 4 : 32;
    unsigned n = 0;

    *ret = (struct ip){.family = family};
    for (; n < front && n < whole; n++) {
        long v = reverse_label(name, front - 1 - n, family);

        if (v < 0)
            break;
        if (family == IP_V4)
            ret->b[n] = (uint8_t)v;
        else
            ret->b[n / 2] |= (uint8_t)(n % 2 ? v : v << 4);
    }
    return n;
}

/* Address space that is asked of nobody else (RFC 6303; 100.64.0.0/10: RFC 7793). */
static const char *const own_space[] = {
    "0.0.0.0/8",          "10.0.0.0/8",   "100.64.0.0/10",  "127.0.0.0/8",     "169.254.0.0/16",
    "172.16.0.0/12",      "192.0.2.0/24", "192.168.0.0/16", "198.51.100.0/24", "203.0.113.0/24",
    "255.255.255.255/32", "::/127",       "fc00::/7",       "fe80::/10",       "2001:db8::/32",
};

struct block {
    struct cidr cidr;
    bool found;
};

static const void *its_block(const struct ask *a, const struct vpc *v, const void *arg) {
    struct block *b = (struct block *)(uintptr_t)arg;
    const struct list *cidrs = b->cidr.ip.family == IP_V4 ? &v->cidrs : &v->cidrs6;

    list_each (struct cidr_association, e, *cidrs) {
        if (!cidr_contains(&e->cidr, &b->cidr))
            continue;
        b->cidr = e->cidr;
        b->found = true;
        return v;
    }
    return NULL;
}

/* The block that `c` lies in and that is not asked about elsewhere. The asker's own VPC counts
 * whether it has names or not. */
static bool own_block(const struct ask *a, const struct cidr *c, struct cidr *ret) {
    struct block b = {.cidr = *c};

    if (!its_block(a, a->vpc, &b))
        each_vpc(a, its_block, &b);
    for (size_t i = 0; !b.found && i < ARRAY_SIZE(own_space); i++) {
        struct cidr own;

        if (cidr_parse(own_space[i], &own) == 0 && cidr_contains(&own, c)) {
            b.cidr = own;
            b.found = true;
        }
    }
    *ret = b.cidr;
    return b.found;
}

static const struct instance *instance_by_ipv6(const struct ask *a, const struct vpc *v,
                                               const struct ip *ip) {
    struct cursor c;
    char text[IP_TEXT];

    index_each_by(a->ix, c, KIND_NETWORK_INTERFACE, ENI_BY_IPV6, ip_format(ip, text)) {
        const struct network_interface *eni = c.obj;
        const struct instance *i;

        if (strcmp(eni->vpc_id, v->o.id) != 0 || !eni->instance_id)
            continue;
        i = index_get(a->ix, KIND_INSTANCE, eni->o.scope, eni->instance_id);
        /* Only where the name leads back to the address. */
        if (i && i->names.aaaa && instance_primary_eni(a->ix, i) == eni &&
            ip_equal(&list_at(eni->addresses6, struct eni_address, 0)->ip, ip))
            return i;
    }
    return NULL;
}

/* The name of one whole address. */
static void pointer(const struct ask *a, const struct ip *ip) {
    const struct vpc *v = vpc_of(a, ip);
    char text[96], zone[64];

    if (ip->family == IP_V4 && (v || (has_names(a->vpc) && rfc1918(ip)))) {
        add_name(a, DNS_PTR, private_dns_name((v ? v : a->vpc)->o.scope.region, ip, text));
    } else if (ip->family == IP_V6 && v) {
        const struct instance *i = instance_by_ipv6(a, v, ip);

        if (!i)
            return;
        snprintf(text, sizeof(text), "%.25s.%s", i->o.id,
                 dns_private_zone(i->o.scope.region, zone));
        add_name(a, DNS_PTR, text);
    }
}

static bool is_loopback(const struct ip *ip) {
    static const struct ip one = {.family = IP_V6, .b[15] = 1};

    return ip_equal(ip, &one) || (ip->family == IP_V4 && ip->b[0] == 127);
}

/* The PTR record of a public address of ours; false: it is none. */
static bool public_pointer(const struct ask *a, const struct ip *ip, unsigned below) {
    const struct eni_address *e;
    const struct network_interface *eni =
        ip->family == IP_V4 && !vpc_of(a, ip) ? find_public(a, ip, &e) : NULL;
    char text[96];

    if (!eni || !has_names(vpc_of_eni(a, eni)))
        return false;
    set_zone(a, below + 1, false);
    a->out->result = DNS_UNKNOWN;
    if (!below)
        add_name(a, DNS_PTR, public_dns_name(eni->o.scope.region, ip, text));
    return true;
}

static void reverse_name(const struct ask *a, uint8_t family, unsigned front) {
    const unsigned whole = family == IP_V4 ? 4 : 32, bits = family == IP_V4 ? 8 : 4;
    struct cidr block = {0};
    /* Labels that belong to the address, and those below them, which no name here has. */
    const unsigned n = parse_reverse(a->name, front, family, &block.ip), below = front - n;
    const struct ip ip = block.ip;

    if (n == 0 || (n == whole && public_pointer(a, &ip, below)))
        return;
    block.len = (uint8_t)(n * bits);
    if (!own_block(a, &block, &block))
        return;
    /* A zone ends where a label does. */
    set_zone(a, front - (block.len + bits - 1) / bits, false);
    a->out->result = below == 0 && n < whole ? DNS_KNOWN : DNS_UNKNOWN;
    if (below || n < whole)
        return;
    if (is_loopback(&ip))
        add_name(a, DNS_PTR, "localhost");
    else
        pointer(a, &ip);
}

/* ---- what stays in a network ---- */

static void localhost(const struct ask *a) {
    const struct ip loopback6 = {.family = IP_V6, .b[15] = 1};
    const struct ip loopback4 = ip_v4(0x7f000001);

    add_ip(a, &loopback4);
    add_ip(a, &loopback6);
}

/*
 * Names that must not reach the public DNS, and behind which a resolver of the host might keep what
 * is not the tenants' (RFC 6761, 6762, 7686, 8375, 9462, 9476; `internal`: ICANN; `localdomain`:
 * as the Route 53 Resolver).
 */
static const char *const kept[] = {
    "compute.internal", "internal", "local",     "localdomain", "test",
    "invalid",          "onion",    "home.arpa", "alt",         "resolver.arpa",
};

static bool stays_here(const struct ask *a) {
    unsigned front;

    if (dns_name_under(a->name, "localhost", &front)) {
        set_zone(a, front, true);
        localhost(a);
        return true;
    }
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        if (!dns_name_under(a->name, kept[i], &front))
            continue;
        set_zone(a, front, true);
        a->out->result = front ? DNS_UNKNOWN : DNS_KNOWN;
        return true;
    }
    return false;
}

/* The region whose zone the name is in, or 0. */
static uint16_t zone_region(const struct dns_name *name, char *(*zone)(uint16_t, char *),
                            const char *all, unsigned *ret_front) {
    unsigned front;
    char text[64];
    uint16_t region;

    if (dns_name_under(name, zone(region_by_name("us-east-1"), text), ret_front))
        return region_by_name("us-east-1");
    if (!dns_name_under(name, all, &front) || front == 0 || !dns_name_label(name, front - 1, text))
        return 0;
    region = region_by_name(text);
    *ret_front = front - 1;
    return region != region_by_name("us-east-1") ? region : 0;
}

void dns_local(const struct index *ix, const struct vpc *vpc, const struct dns_name *name,
               struct dns_local *ret) {
    const struct ask a = {ix, vpc, name, ret};
    uint16_t region;
    unsigned front;

    *ret = (struct dns_local){.result = DNS_NOT_LOCAL};
    if ((region = zone_region(name, dns_private_zone, "compute.internal", &front)))
        private_name(&a, region, front);
    else if ((region = zone_region(name, public_zone, "compute.amazonaws.com", &front)))
        public_name(&a, region, front);
    else if (dns_name_under(name, "in-addr.arpa", &front))
        reverse_name(&a, IP_V4, front);
    else if (dns_name_under(name, "ip6.arpa", &front))
        reverse_name(&a, IP_V6, front);
    else
        stays_here(&a);
}
