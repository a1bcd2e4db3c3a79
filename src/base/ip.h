/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPv4 and IPv6 addresses and prefixes, one type for both families.
 *
 * An address is 16 bytes in network order. An IPv4 address stands in the first four bytes, the rest
 * is zero, and `family` keeps the two apart: 10.0.0.1 and ::ffff:10.0.0.1 are never equal.
 * The zero value is "no address".
 */
#ifndef VPCD_BASE_IP_H
#define VPCD_BASE_IP_H

#include <stdbool.h>
#include <stdint.h>

enum ip_family {
    IP_NONE = 0,
    IP_V4 = 4,
    IP_V6 = 6,
};

struct ip {
    uint8_t family; /* enum ip_family */
    uint8_t b[16];
};

struct cidr {
    struct ip ip;
    uint8_t len; /* prefix length: 0-32 or 0-128 */
};

#define IP_TEXT 46   /* "ffff:...:255.255.255.255" and the NUL */
#define CIDR_TEXT 50 /* the same and "/128" */

/* Width of an address in bits: 32 or 128. */
static inline unsigned ip_bits(uint8_t family) {
    return family == IP_V4 ? 32 : 128;
}

/* From host-order numbers. */
struct ip ip_v4(uint32_t addr);
uint32_t ip_to_v4(const struct ip *ip);

/* 0, or -EINVAL for anything that is not exactly one address. */
int ip_parse(const char *s, struct ip *ret_ip);

/* "ADDRESS/LENGTH"; 0 or -EINVAL. The bits behind the prefix are kept: see cidr_mask. */
int cidr_parse(const char *s, struct cidr *ret_cidr);

/* Text into `out` (IP_TEXT, CIDR_TEXT bytes); returns `out`. "" for no address. */
char *ip_format(const struct ip *ip, char *out);
char *cidr_format(const struct cidr *c, char *out);

bool ip_equal(const struct ip *a, const struct ip *b);
int ip_cmp(const struct ip *a, const struct ip *b); /* family first, then bytes */
bool cidr_equal(const struct cidr *a, const struct cidr *b);

/* The same prefix with all bits behind it zero. */
struct cidr cidr_mask(const struct cidr *c);
bool cidr_is_canonical(const struct cidr *c);
bool cidr_contains_ip(const struct cidr *c, const struct ip *ip);
bool cidr_contains(const struct cidr *outer, const struct cidr *inner);
bool cidr_overlaps(const struct cidr *a, const struct cidr *b);

/* ip + n, modulo the family's width; n may be negative. */
struct ip ip_add(const struct ip *ip, int64_t n);

/* The last address of the prefix (IPv4: the broadcast address). */
struct ip cidr_last(const struct cidr *c);

/* How many addresses, saturated at UINT64_MAX. */
uint64_t cidr_size(const struct cidr *c);

#endif
