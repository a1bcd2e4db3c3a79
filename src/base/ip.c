/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ip ip_v4(uint32_t addr) {
    struct ip ip = {.family = IP_V4};

    addr = htonl(addr);
    memcpy(ip.b, &addr, 4);
    return ip;
}

uint32_t ip_to_v4(const struct ip *ip) {
    uint32_t addr;

    memcpy(&addr, ip->b, 4);
    return ntohl(addr);
}

int ip_parse(const char *s, struct ip *ret_ip) {
    struct ip ip = {0};

    if (inet_pton(AF_INET, s, ip.b) == 1)
        ip.family = IP_V4;
    else if (inet_pton(AF_INET6, s, ip.b) == 1)
        ip.family = IP_V6;
    else
        return -EINVAL;
    *ret_ip = ip;
    return 0;
}

int cidr_parse(const char *s, struct cidr *ret_cidr) {
    const char *slash = strchr(s, '/');
    char addr[IP_TEXT], *end;
    struct cidr c = {0};
    unsigned long len;
    size_t n;

    if (!slash)
        return -EINVAL;
    n = (size_t)(slash - s);
    if (n >= sizeof(addr))
        return -EINVAL;
    memcpy(addr, s, n);
    addr[n] = 0;
    if (ip_parse(addr, &c.ip) < 0)
        return -EINVAL;
    /* strtoul also takes signs, blanks and leading zeros: a prefix length is plain digits. */
    if (slash[1] < '0' || slash[1] > '9' || (slash[1] == '0' && slash[2]))
        return -EINVAL;
    len = strtoul(slash + 1, &end, 10);
    if (*end || len > ip_bits(c.ip.family))
        return -EINVAL;
    c.len = (uint8_t)len;
    *ret_cidr = c;
    return 0;
}

char *ip_format(const struct ip *ip, char *out) {
    out[0] = 0;
    if (ip->family)
        inet_ntop(ip->family == IP_V4 ? AF_INET : AF_INET6, ip->b, out, IP_TEXT);
    return out;
}

char *cidr_format(const struct cidr *c, char *out) {
    ip_format(&c->ip, out);
    if (c->ip.family) {
        size_t n = strlen(out);

        snprintf(out + n, CIDR_TEXT - n, "/%u", c->len);
    }
    return out;
}

bool ip_equal(const struct ip *a, const struct ip *b) {
    return ip_cmp(a, b) == 0;
}

int ip_cmp(const struct ip *a, const struct ip *b) {
    if (a->family != b->family)
        return a->family < b->family ? -1 : 1;
    return memcmp(a->b, b->b, sizeof(a->b));
}

bool cidr_equal(const struct cidr *a, const struct cidr *b) {
    return a->len == b->len && ip_equal(&a->ip, &b->ip);
}

struct cidr cidr_mask(const struct cidr *c) {
    struct cidr m = *c;

    for (unsigned i = 0; i < 16; i++) {
        if (c->len >= (i + 1) * 8)
            continue;
        m.ip.b[i] = (uint8_t)(c->len <= i * 8 ? 0 : m.ip.b[i] & (0xff00 >> (c->len - i * 8)));
    }
    return m;
}

bool cidr_is_canonical(const struct cidr *c) {
    struct cidr m = cidr_mask(c);

    return cidr_equal(&m, c);
}

bool cidr_contains_ip(const struct cidr *c, const struct ip *ip) {
    struct cidr a, b;

    if (!c->ip.family || c->ip.family != ip->family)
        return false;
    a = cidr_mask(c);
    b = cidr_mask(&(struct cidr){.ip = *ip, .len = c->len});
    return ip_equal(&a.ip, &b.ip);
}

bool cidr_contains(const struct cidr *outer, const struct cidr *inner) {
    return inner->len >= outer->len && cidr_contains_ip(outer, &inner->ip);
}

bool cidr_overlaps(const struct cidr *a, const struct cidr *b) {
    return cidr_contains(a, b) || cidr_contains(b, a);
}

struct ip ip_add(const struct ip *ip, int64_t n) {
    struct ip r = *ip;
    int64_t carry = n;

    for (int i = (ip->family == IP_V4 ? 4 : 16) - 1; i >= 0 && carry; i--) {
        int64_t v = r.b[i] + (carry & 0xff);

        r.b[i] = (uint8_t)v;
        carry = (carry >> 8) + (v >> 8);
    }
    return r;
}

struct ip cidr_last(const struct cidr *c) {
    struct ip r = c->ip;

    for (unsigned bit = c->len; bit < ip_bits(c->ip.family); bit++)
        r.b[bit / 8] |= (uint8_t)(0x80 >> (bit % 8));
    return r;
}

uint64_t cidr_size(const struct cidr *c) {
    unsigned host = ip_bits(c->ip.family) - c->len;

    return host >= 64 ? UINT64_MAX : (uint64_t)1 << host;
}
