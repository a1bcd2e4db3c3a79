/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The private addresses and prefixes of interfaces: which are free, whose they are.
 *
 *     claim  ip/SUBNET/ADDRESS       each private address; each of the 16 addresses of a /28
 *     claim  ip/SUBNET/PREFIX/80     each IPv6 prefix
 *
 * all in the name of the interface. So IPv4 prefixes and addresses exclude each other by their
 * claims alone. An IPv6 address is one of 2^48 in its /80, which no claims can hold: there the one
 * looks for the other, and both touch the subnet, so that two writers cannot pass each other by.
 */
#include <stdio.h>
#include <stdlib.h>

#include "api/ec2/eni.h"
#include "base/io.h"
#include "model/subnet_reservation.h"

static char *ip_claim(const char *subnet_id, const struct ip *ip, char *out) {
    char text[IP_TEXT];

    snprintf(out, ID_MAX + 1, "ip/%s/%s", subnet_id, ip_format(ip, text));
    return out;
}

static char *prefix_claim(const char *subnet_id, const struct cidr *prefix, char *out) {
    char text[CIDR_TEXT];

    snprintf(out, ID_MAX + 1, "ip/%s/%s", subnet_id, cidr_format(prefix, text));
    return out;
}

static struct cidr prefix_around(const struct ip *ip) {
    struct cidr c = {.ip = *ip, .len = ip->family == IP_V4 ? ENI_PREFIX4_LEN : ENI_PREFIX6_LEN};

    return cidr_mask(&c);
}

static bool is_claimed(struct call *c, const char *claim) {
    return txn_get(c->txn, KIND_CLAIM, c->scope, claim);
}

static bool claim_ip(struct call *c, const struct network_interface *eni, const struct ip *ip) {
    char claim[ID_MAX + 1];

    if (ip->family == IP_V6) {
        struct cidr around = prefix_around(ip);

        if (is_claimed(c, prefix_claim(eni->subnet_id, &around, claim)))
            return false;
    }
    return txn_claim(c->txn, c->scope, ip_claim(eni->subnet_id, ip, claim), eni->o.id);
}

const char *eni_ip_owner(struct call *c, const char *subnet_id, const struct ip *ip) {
    char text[ID_MAX + 1];
    const struct claim *claim =
        txn_get(c->txn, KIND_CLAIM, c->scope, ip_claim(subnet_id, ip, text));

    return claim ? claim->owner : NULL;
}

/* Any address of an IPv6 prefix that some interface of the subnet has by itself. */
static bool has_address_within(struct call *c, const char *subnet_id, const struct cidr *prefix) {
    struct cursor cur;

    index_each_by(c->ix, cur, KIND_NETWORK_INTERFACE, ENI_BY_SUBNET, subnet_id) {
        list_each (struct eni_address, a, ((const struct network_interface *)cur.obj)->addresses6)
            if (cidr_contains_ip(prefix, &a->ip))
                return true;
    }
    return false;
}

/* All or nothing. */
static bool claim_prefix(struct call *c, const struct network_interface *eni,
                         const struct cidr *prefix) {
    char claim[ID_MAX + 1];

    if (prefix->ip.family == IP_V6)
        return !has_address_within(c, eni->subnet_id, prefix) &&
               txn_claim(c->txn, c->scope, prefix_claim(eni->subnet_id, prefix, claim), eni->o.id);
    for (int64_t i = 0; i < (int64_t)cidr_size(prefix); i++) {
        struct ip ip = ip_add(&prefix->ip, i);

        if (is_claimed(c, ip_claim(eni->subnet_id, &ip, claim)))
            return false;
    }
    for (int64_t i = 0; i < (int64_t)cidr_size(prefix); i++) {
        struct ip ip = ip_add(&prefix->ip, i);

        if (!claim_ip(c, eni, &ip))
            return false; /* memory is short */
    }
    return true;
}

static void release_prefix(struct call *c, const struct network_interface *eni,
                           const struct cidr *prefix) {
    char claim[ID_MAX + 1];

    if (prefix->ip.family == IP_V6) {
        txn_release(c->txn, c->scope, prefix_claim(eni->subnet_id, prefix, claim));
        return;
    }
    for (int64_t i = 0; i < (int64_t)cidr_size(prefix); i++) {
        struct ip ip = ip_add(&prefix->ip, i);

        txn_release(c->txn, c->scope, ip_claim(eni->subnet_id, &ip, claim));
    }
}

/* The subnet's block of the family; NULL with the call's error set. */
static const struct cidr *subnet_block(struct call *c, const struct subnet *s, uint8_t family) {
    const struct cidr *block = family == IP_V4 ? &s->cidr : subnet_cidr6(s);

    if (!block)
        call_error(c, "InvalidParameterCombination",
                   "The subnet '%s' does not have an IPv6 CIDR block.", s->o.id);
    return block;
}

/* Whether the subnet keeps some address of it for itself: the first four or the last. */
static bool reserves_within(const struct subnet *s, const struct cidr *prefix) {
    struct ip last = cidr_last(prefix);

    return subnet_reserves(s, &prefix->ip) || subnet_reserves(s, &last);
}

static int claim_wanted_ip(struct call *c, const struct network_interface *eni,
                           const struct subnet *s, const struct cidr *block, const struct ip *ip) {
    char text[IP_TEXT];

    ip_format(ip, text);
    if (!cidr_contains_ip(block, ip))
        return call_error(c, "InvalidParameterValue",
                          "Address %s does not fall within the subnet's address range", text);
    if (subnet_reserves(s, ip))
        return call_error(c, "InvalidParameterValue",
                          "Address %s is in subnet's reserved address range", text);
    if (!claim_ip(c, eni, ip))
        return call_error(c, "InvalidIPAddress.InUse", "The specified address is already in use.");
    return 0;
}

/* Address number n of a block of up to 2^64. */
static struct ip ip_at(const struct cidr *block, uint64_t n) {
    struct ip ip = ip_add(&block->ip, (int64_t)(n & INT64_MAX));

    if (n > INT64_MAX)
        ip.b[8] |= 0x80; /* of a /64 */
    return ip;
}

/* The number of an address in its block of up to 2^64. */
static uint64_t low_bits(const struct ip *ip) {
    uint64_t n = 0;

    for (unsigned i = ip->family == IP_V4 ? 0 : 8; i < ip_bits(ip->family) / 8; i++)
        n = n << 8 | ip->b[i];
    return n;
}

/* How many addresses from this one on, besides it, are in the same reservation; false: it is in
 * none. Reserved addresses are only for who names them, or for prefixes. */
static bool is_set_aside(struct call *c, const struct subnet *s, const struct ip *ip,
                         uint64_t *ret_more) {
    struct cidr one = {.ip = *ip, .len = (uint8_t)ip_bits(ip->family)};
    const struct subnet_reservation *r = subnet_reservation_at(c->ix, s->o.id, &one);
    struct ip last;

    if (!r)
        return false;
    last = cidr_last(&r->cidr);
    *ret_more = low_bits(&last) - low_bits(ip);
    return true;
}

/* The first free address behind a random one, so that one just released is rarely given out. Of
 * 2^64 addresses a random one is free; the loop is for the one time it is not, and it passes
 * reservations by at once. */
static int claim_any_ip(struct call *c, const struct network_interface *eni, const struct subnet *s,
                        const struct cidr *block, struct ip *ret_ip) {
    uint64_t size = cidr_size(block), start, more;

    random_bytes(&start, sizeof(start));
    for (uint64_t i = 0; i < size; i++) {
        struct ip ip = ip_at(block, size == UINT64_MAX ? start + i : (start + i) % size);

        if (is_set_aside(c, s, &ip, &more)) {
            if (more >= size - i)
                break;
            i += more;
        } else if (!subnet_reserves(s, &ip) && claim_ip(c, eni, &ip)) {
            *ret_ip = ip;
            return 0;
        }
    }
    return call_error(c, "InsufficientFreeAddressesInSubnet",
                      "The specified subnet does not have enough free addresses to satisfy the "
                      "request.");
}

static int claim_wanted_prefix(struct call *c, const struct network_interface *eni,
                               const struct subnet *s, const struct cidr *block,
                               const struct cidr *prefix) {
    struct cidr around = prefix_around(&prefix->ip);
    char text[CIDR_TEXT];

    cidr_format(prefix, text);
    if (prefix->ip.family != block->ip.family || !cidr_equal(&around, prefix))
        return call_error(
            c, "InvalidParameterValue",
            "Value (%s) for parameter prefix is invalid. It must be a block of length "
            "/%d.",
            text, block->ip.family == IP_V4 ? ENI_PREFIX4_LEN : ENI_PREFIX6_LEN);
    if (!cidr_contains(block, prefix))
        return call_error(c, "InvalidParameterValue",
                          "Prefix %s does not fall within the subnet's address range", text);
    if (reserves_within(s, prefix))
        return call_error(c, "InvalidParameterValue",
                          "Prefix %s overlaps the subnet's reserved addresses", text);
    if (!claim_prefix(c, eni, prefix))
        return call_error(c, "InvalidIPAddress.InUse", "The specified prefix %s is already in use.",
                          text);
    return 0;
}

/* Whether a prefix may be given out that nobody named: of a reservation for prefixes, or of what
 * is not reserved at all. */
static bool may_give(struct call *c, const struct subnet *s, const struct cidr *prefix,
                     bool of_reservations) {
    const struct subnet_reservation *r = subnet_reservation_at(c->ix, s->o.id, prefix);

    return of_reservations ? r && r->prefix && cidr_contains(&r->cidr, prefix) : !r;
}

static int claim_any_prefix(struct call *c, const struct network_interface *eni,
                            const struct subnet *s, const struct cidr *block,
                            struct cidr *ret_prefix) {
    unsigned len = block->ip.family == IP_V4 ? ENI_PREFIX4_LEN : ENI_PREFIX6_LEN;
    uint32_t count = block->len > len ? 0 : 1U << (len - block->len), start;
    struct cursor cur;
    bool any = cursor_by(c->ix, &cur, KIND_SUBNET_RESERVATION, RESERVATION_BY_SUBNET, s->o.id);

    random_bytes(&start, sizeof(start));
    for (int of_reservations = any; of_reservations >= 0; of_reservations--) {
        for (uint32_t i = 0; i < count; i++) {
            /* As many addresses in each prefix as its length leaves: 2^4 or 2^48. */
            uint64_t at = (uint64_t)((start + i) % count) << (ip_bits(block->ip.family) - len);
            struct cidr prefix = {.ip = ip_at(block, at), .len = (uint8_t)len};

            if (may_give(c, s, &prefix, of_reservations) && !reserves_within(s, &prefix) &&
                claim_prefix(c, eni, &prefix)) {
                *ret_prefix = prefix;
                return 0;
            }
        }
    }
    return call_error(c, "InsufficientCidrBlocks",
                      "The specified subnet does not have enough free cidr blocks to satisfy the "
                      "request.");
}

int eni_add_address(struct call *c, struct network_interface *eni, const struct subnet *s,
                    uint8_t family, const struct ip *wanted) {
    const struct cidr *block = subnet_block(c, s, family);
    struct ip ip = wanted ? *wanted : (struct ip){0};
    struct list *addresses = eni_addresses(eni, family);
    struct eni_address *a;

    if (!block || (wanted ? claim_wanted_ip(c, eni, s, block, wanted)
                          : claim_any_ip(c, eni, s, block, &ip)) < 0)
        return -1;
    if (family == IP_V6)
        txn_touch(c->txn, s);
    a = list_add(addresses, sizeof(*a));
    if (!a)
        return call_no_memory(c);
    a->ip = ip;
    a->primary = family == IP_V4 && addresses->n == 1;
    return 0;
}

int eni_add_prefix(struct call *c, struct network_interface *eni, const struct subnet *s,
                   uint8_t family, const struct cidr *wanted) {
    const struct cidr *block = subnet_block(c, s, family);
    struct cidr prefix = wanted ? *wanted : (struct cidr){0};
    struct eni_prefix *p;

    if (!block || (wanted ? claim_wanted_prefix(c, eni, s, block, wanted)
                          : claim_any_prefix(c, eni, s, block, &prefix)) < 0)
        return -1;
    if (family == IP_V6)
        txn_touch(c->txn, s);
    p = list_add(eni_prefixes(eni, family), sizeof(*p));
    if (!p)
        return call_no_memory(c);
    p->cidr = prefix;
    return 0;
}

void eni_cut_address(struct call *c, struct network_interface *eni, uint8_t family, uint32_t i) {
    struct list *addresses = eni_addresses(eni, family);
    struct eni_address *a = list_at(*addresses, struct eni_address, i);
    char claim[ID_MAX + 1];

    public_ip_drop(c, a);
    txn_release(c->txn, c->scope, ip_claim(eni->subnet_id, &a->ip, claim));
    free(a->unknown.data);
    list_cut(addresses, sizeof(*a), i);
}

void eni_cut_prefix(struct call *c, struct network_interface *eni, uint8_t family, uint32_t i) {
    struct list *prefixes = eni_prefixes(eni, family);
    struct eni_prefix *p = list_at(*prefixes, struct eni_prefix, i);

    release_prefix(c, eni, &p->cidr);
    free(p->unknown.data);
    list_cut(prefixes, sizeof(*p), i);
}

/* The most addresses of an interface of any instance type: the bound while it is detached. */
#define ADDRESSES_OF_ENI_MAX 64

static int check_count(struct call *c, const struct instance_type *type, uint8_t family,
                       uint32_t n) {
    int64_t max = ADDRESSES_OF_ENI_MAX;

    if (type)
        max = family == IP_V4 ? type->ips : instance_type_ipv6(type);
    if (n > max)
        return call_error(c, "PrivateIpAddressLimitExceeded",
                          "Number of %s addresses and prefixes will exceed limit: %u, %lld for %s.",
                          family == IP_V4 ? "private" : "IPv6", n, (long long)max,
                          type ? type->name : "an interface");
    return 0;
}

int eni_check_counts(struct call *c, const struct instance_type *type,
                     const struct network_interface *eni) {
    if (type && (eni->prefixes.n || eni->prefixes6.n) && !instance_type_nitro(type))
        return call_error(c, "UnsupportedOperation",
                          "Prefixes are for instance types of the Nitro System; '%s' is none.",
                          type->name);
    /* A prefix takes the place of one address (EC2 user guide, "Prefix delegation"). */
    return check_count(c, type, IP_V4, eni->addresses.n + eni->prefixes.n) < 0 ||
                   check_count(c, type, IP_V6, eni->addresses6.n + eni->prefixes6.n) < 0
               ? -1
               : 0;
}
