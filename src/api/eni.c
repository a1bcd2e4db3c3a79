/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making and unmaking network interfaces.
 *
 * What an interface has and nobody else may have is claimed in its name:
 *
 *     ip/SUBNET/ADDRESS    each private address, both families
 *     mac/VPC/MAC          its MAC
 *
 * and its set of groups is counted (sgset.c). Public addresses: address.c.
 */
#include "api/eni.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"

/* The most IPv4 addresses of an interface of any instance type: the bound while it is detached. */
#define ADDRESSES_OF_ENI_MAX 64

static const struct field private_ip_param_fields[] = {
    FIELD(0, FT_IP, struct private_ip_param, ip, "PrivateIpAddress", .flags = FF_REQUIRED),
    FIELD(0, FT_TRI, struct private_ip_param, primary, "Primary"),
};
const struct desc private_ip_param_desc =
    DESC("private address", struct private_ip_param, private_ip_param_fields);

static const struct field ipv6_param_fields[] = {
    FIELD(0, FT_IP, struct ipv6_param, ip, "Ipv6Address", .flags = FF_REQUIRED),
};
const struct desc ipv6_param_desc = DESC("IPv6 address", struct ipv6_param, ipv6_param_fields);

/* Private addresses */

static char *ip_claim(const char *subnet_id, const struct ip *ip, char *out) {
    char text[IP_TEXT];

    snprintf(out, ID_MAX + 1, "ip/%s/%s", subnet_id, ip_format(ip, text));
    return out;
}

static bool claim_ip(struct call *c, const struct network_interface *eni, const struct ip *ip) {
    char claim[ID_MAX + 1];

    return txn_claim(c->txn, c->scope, ip_claim(eni->subnet_id, ip, claim), eni->o.id);
}

static int claim_wanted(struct call *c, const struct network_interface *eni, const struct subnet *s,
                        const struct cidr *cidr, const struct ip *ip) {
    char text[IP_TEXT];

    ip_format(ip, text);
    if (!cidr_contains_ip(cidr, ip))
        return call_error(c, "InvalidParameterValue",
                          "Address %s does not fall within the subnet's address range", text);
    if (subnet_reserves(s, ip))
        return call_error(c, "InvalidParameterValue",
                          "Address %s is in subnet's reserved address range", text);
    if (!claim_ip(c, eni, ip))
        return call_error(c, "InvalidIPAddress.InUse", "The specified address is already in use.");
    return 0;
}

/* The first free address behind a random one, so that one just released is rarely given out. */
static int claim_any_ipv4(struct call *c, const struct network_interface *eni,
                          const struct subnet *s, struct ip *ret_ip) {
    uint64_t size = cidr_size(&s->cidr);
    uint32_t start;

    random_bytes(&start, sizeof(start));
    for (uint64_t i = 0; i < size; i++) {
        struct ip ip = ip_add(&s->cidr.ip, (int64_t)((start + i) % size));

        if (!subnet_reserves(s, &ip) && claim_ip(c, eni, &ip)) {
            *ret_ip = ip;
            return 0;
        }
    }
    return call_error(c, "InsufficientFreeAddressesInSubnet",
                      "The specified subnet does not have enough free addresses to satisfy the "
                      "request.");
}

static int claim_any_ipv6(struct call *c, const struct network_interface *eni,
                          const struct subnet *s, const struct cidr *cidr, struct ip *ret_ip) {
    struct ip ip = cidr->ip;

    /* Of 2^64 addresses a random one is free; the loop is for the one time it is not. */
    for (;;) {
        random_bytes(ip.b + 8, 8);
        if (!subnet_reserves(s, &ip) && claim_ip(c, eni, &ip)) {
            *ret_ip = ip;
            return 0;
        }
    }
}

int eni_add_ipv4(struct call *c, struct network_interface *eni, const struct subnet *s,
                 const struct ip *wanted) {
    struct ip ip = wanted ? *wanted : (struct ip){0};
    struct eni_address *a;
    int r = wanted ? claim_wanted(c, eni, s, &s->cidr, wanted) : claim_any_ipv4(c, eni, s, &ip);

    if (r < 0)
        return r;
    a = list_add(&eni->addresses, sizeof(*a));
    if (!a)
        return call_no_memory(c);
    a->ip = ip;
    a->primary = eni->addresses.n == 1;
    return 0;
}

int eni_add_ipv6(struct call *c, struct network_interface *eni, const struct subnet *s,
                 const struct ip *wanted) {
    const struct cidr *cidr = subnet_cidr6(s);
    struct ip ip = wanted ? *wanted : (struct ip){0};
    struct eni_address *a;
    int r;

    if (!cidr)
        return call_error(c, "InvalidParameterCombination",
                          "The subnet '%s' does not have an IPv6 CIDR block.", s->o.id);
    r = wanted ? claim_wanted(c, eni, s, cidr, wanted) : claim_any_ipv6(c, eni, s, cidr, &ip);
    if (r < 0)
        return r;
    a = list_add(&eni->addresses6, sizeof(*a));
    if (!a)
        return call_no_memory(c);
    a->ip = ip;
    return 0;
}

void eni_cut_ipv4(struct call *c, struct network_interface *eni, uint32_t i) {
    struct eni_address *a = list_at(eni->addresses, struct eni_address, i);
    char claim[ID_MAX + 1];

    public_ip_drop(c, a);
    txn_release(c->txn, c->scope, ip_claim(eni->subnet_id, &a->ip, claim));
    free(a->unknown.data);
    list_cut(&eni->addresses, sizeof(*a), i);
}

void eni_cut_ipv6(struct call *c, struct network_interface *eni, uint32_t i) {
    struct eni_address *a = list_at(eni->addresses6, struct eni_address, i);
    char claim[ID_MAX + 1];

    txn_release(c->txn, c->scope, ip_claim(eni->subnet_id, &a->ip, claim));
    free(a->unknown.data);
    list_cut(&eni->addresses6, sizeof(*a), i);
}

int eni_check_counts(struct call *c, const struct instance_type *type, int64_t ipv4, int64_t ipv6) {
    int64_t max4 = type ? type->ips : ADDRESSES_OF_ENI_MAX,
            max6 = type ? instance_type_ipv6(type) : ADDRESSES_OF_ENI_MAX;
    const char *of = type ? type->name : "an interface";

    if (ipv4 > max4)
        return call_error(c, "PrivateIpAddressLimitExceeded",
                          "Number of private addresses will exceed limit: %lld, %lld for %s.",
                          (long long)ipv4, (long long)max4, of);
    if (ipv6 > max6)
        return call_error(c, "PrivateIpAddressLimitExceeded",
                          "Number of IPv6 addresses will exceed limit: %lld, %lld for %s.",
                          (long long)ipv6, (long long)max6, of);
    return 0;
}

const struct instance_type *eni_instance_type(struct call *c, const struct network_interface *eni) {
    const struct instance *i =
        eni->instance_id ? txn_get(c->txn, KIND_INSTANCE, c->scope, eni->instance_id) : NULL;

    return i ? instance_type_find(i->type) : NULL;
}

/* Groups */

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The ids in order, each once, all of groups of the VPC. */
static int groups_settle(struct call *c, const struct vpc *v, const struct list *ids,
                         struct list *ret_groups) {
    const struct security_group *g;

    if (!ids || !ids->n) {
        g = vpc_default_group(c->ix, v->o.id);
        if (!g || strs_add(ret_groups, g->o.id) < 0)
            return call_no_memory(c);
        txn_depend(c->txn, g);
        return 0;
    }
    list_each (char *, id, *ids) {
        if (strs_has(ret_groups, *id))
            continue;
        g = call_get(c, KIND_SECURITY_GROUP, *id);
        if (!g)
            return -1;
        if (strcmp(g->vpc_id, v->o.id) != 0)
            return call_error(c, "InvalidParameter",
                              "Security group %s and subnet belong to different networks.", *id);
        if (strs_add(ret_groups, *id) < 0)
            return call_no_memory(c);
        if (ret_groups->n > ENI_GROUPS_MAX)
            return call_error(c, "SecurityGroupsPerInterfaceLimitExceeded",
                              "The maximum number of security groups per interface has been "
                              "reached: %d.",
                              ENI_GROUPS_MAX);
    }
    qsort(ret_groups->items, ret_groups->n, sizeof(char *), by_text);
    return 0;
}

static void strs_clear(struct list *l) {
    list_each (char *, s, *l)
        free(*s);
    free(l->items);
    *l = (struct list){0};
}

int eni_set_groups(struct call *c, struct network_interface *eni, const struct list *groups) {
    const struct vpc *v = index_get(c->ix, KIND_VPC, c->scope, eni->vpc_id);
    struct list settled = {0};
    int64_t number;
    int r = v ? groups_settle(c, v, groups, &settled) : call_no_memory(c);

    if (r == 0)
        r = sgset_take(c, v, &settled, &number);
    if (r < 0) {
        strs_clear(&settled);
        return r;
    }
    if (eni->sgset)
        sgset_drop(c, eni->vpc_id, eni->sgset);
    eni->sgset = number;
    strs_clear(&eni->groups);
    eni->groups = settled;
    return 0;
}

/* Interfaces */

static char *mac_claim(const struct network_interface *eni, char *out) {
    char text[MAC_TEXT];

    snprintf(out, ID_MAX + 1, "mac/%s/%s", eni->vpc_id, mac_format(eni->mac, text));
    return out;
}

static void make_mac(struct call *c, struct network_interface *eni) {
    char claim[ID_MAX + 1];

    do {
        random_bytes(eni->mac, sizeof(eni->mac));
        eni->mac[0] = 0x02; /* locally administered, unicast */
    } while (!txn_claim(c->txn, c->scope, mac_claim(eni, claim), eni->o.id));
}

int eni_wish_addresses(struct call *c, const struct eni_addresses_param *p, struct eni_wish *wish) {
    const struct ip *primary = p->primary.family ? &p->primary : NULL;

    if (p->secondary.n && p->secondary_count.set && p->secondary_count.v)
        return call_error(c, "InvalidParameterCombination",
                          "The parameters privateIpAddresses and secondaryPrivateIpAddressCount "
                          "cannot be used together.");
    if (p->addresses6.n && p->addresses6_count.set && p->addresses6_count.v)
        return call_error(c, "InvalidParameterCombination",
                          "The parameters ipv6Addresses and ipv6AddressCount cannot be used "
                          "together.");
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
    wish->secondary_count = p->secondary_count.set ? p->secondary_count.v : 0;
    wish->addresses6 = &p->addresses6;
    wish->addresses6_count = p->addresses6_count.set ? p->addresses6_count.v : -1;
    return 0;
}

/* Address number i changes places with the first. */
static void make_primary(struct network_interface *eni, uint32_t i) {
    struct eni_address *a = eni->addresses.items, first = a[0];

    a[0] = a[i];
    a[i] = first;
    list_each (struct eni_address, each, eni->addresses)
        each->primary = each == a;
}

/* What is asked for by name comes before what is taken from the rest. */
static int add_ipv4(struct call *c, struct network_interface *eni, const struct eni_wish *w) {
    if (w->primary && eni_add_ipv4(c, eni, w->subnet, w->primary) < 0)
        return -1;
    if (w->secondary) {
        list_each (struct private_ip_param, p, *w->secondary) {
            if (p->primary != TRI_TRUE && eni_add_ipv4(c, eni, w->subnet, &p->ip) < 0)
                return -1;
        }
    }
    for (int64_t i = w->primary ? 1 : 0; i <= w->secondary_count; i++)
        if (eni_add_ipv4(c, eni, w->subnet, NULL) < 0)
            return -1;
    if (!w->primary)
        make_primary(eni, eni->addresses.n - 1);
    return 0;
}

static int add_ipv6(struct call *c, struct network_interface *eni, const struct eni_wish *w) {
    int64_t count = w->addresses6_count;

    if (count < 0)
        count = w->subnet->assign_ipv6 && !(w->addresses6 && w->addresses6->n);
    if (w->addresses6) {
        list_each (struct ipv6_param, p, *w->addresses6) {
            if (eni_add_ipv6(c, eni, w->subnet, &p->ip) < 0)
                return -1;
        }
    }
    for (int64_t i = 0; i < count; i++)
        if (eni_add_ipv6(c, eni, w->subnet, NULL) < 0)
            return -1;
    return 0;
}

static int check_enis_max(struct call *c) {
    struct cursor cur;
    size_t count = 0;

    if (index_count(c->ix, KIND_NETWORK_INTERFACE) < ENIS_MAX)
        return 0; /* of all accounts together */
    index_each_in(c->ix, cur, KIND_NETWORK_INTERFACE, c->scope) count++;
    if (count >= ENIS_MAX)
        return call_error(c, "NetworkInterfaceLimitExceeded",
                          "The maximum number of network interfaces has been reached: %d.",
                          ENIS_MAX);
    return 0;
}

const struct network_interface *eni_create(struct call *c, const struct eni_wish *w) {
    struct network_interface *eni;

    if (check_enis_max(c) < 0)
        return NULL;
    eni = call_new(c, KIND_NETWORK_INTERFACE);
    if (!eni) {
        call_no_memory(c);
        return NULL;
    }
    txn_touch(c->txn, w->subnet); /* its deletion must not miss this interface */
    obj_set(&eni->o, &eni->vpc_id, w->subnet->vpc_id);
    obj_set(&eni->o, &eni->subnet_id, w->subnet->o.id);
    obj_set(&eni->o, &eni->zone, w->subnet->zone);
    obj_set(&eni->o, &eni->description, w->description ? w->description : "");
    obj_set(&eni->o, &eni->interface_type, "interface");
    eni->source_dest_check = true;
    if (eni->o.no_memory) {
        call_no_memory(c);
        return NULL;
    }
    if (eni_set_groups(c, eni, w->groups) < 0 || add_ipv4(c, eni, w) < 0 ||
        add_ipv6(c, eni, w) < 0 ||
        eni_check_counts(c, NULL, eni->addresses.n, eni->addresses6.n) < 0 ||
        (w->tag_specifications && call_tags(c, w->tag_specifications, eni) < 0))
        return NULL;
    make_mac(c, eni);
    txn_put(c->txn, eni);
    return eni;
}

int eni_delete(struct call *c, const struct network_interface *eni) {
    struct network_interface *copy = txn_edit(c->txn, eni);
    char claim[ID_MAX + 1];

    if (!copy)
        return call_no_memory(c);
    while (copy->addresses.n)
        eni_cut_ipv4(c, copy, copy->addresses.n - 1);
    while (copy->addresses6.n)
        eni_cut_ipv6(c, copy, copy->addresses6.n - 1);
    txn_release(c->txn, c->scope, mac_claim(copy, claim));
    sgset_drop(c, copy->vpc_id, copy->sgset);
    txn_delete(c->txn, eni);
    return 0;
}
