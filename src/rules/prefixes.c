/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/prefixes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PORT_BITS 16

void prefixes_free(struct prefixes *ps) {
    free(ps->p);
    *ps = (struct prefixes){0};
}

void bits_set(struct rule_bits *bits, size_t i) {
    bits->w[i / 64] |= 1ull << (i % 64);
}

static int prefix_add(struct prefixes *ps, const struct prefix *p) {
    if (ps->n == ps->cap) {
        size_t cap = ps->cap ? ps->cap * 2 : 64;
        struct prefix *more = reallocarray(ps->p, cap, sizeof(*more));

        if (!more)
            return -ENOMEM;
        ps->p = more;
        ps->cap = cap;
    }
    ps->p[ps->n++] = *p;
    return 0;
}

int prefixes_add_cidr(struct prefixes *ps, const struct cidr *cidr, size_t rule) {
    struct cidr c = cidr_mask(cidr);
    struct prefix p = {.len = c.len, .rule = (uint16_t)rule};

    memcpy(p.b, c.ip.b, sizeof(p.b));
    return prefix_add(ps, &p);
}

static int add_port(struct prefixes *ps, int64_t protocol, unsigned port, unsigned port_bits,
                    size_t rule) {
    return prefix_add(
        ps, &(struct prefix){.b = {(uint8_t)protocol, 0, (uint8_t)(port >> 8), (uint8_t)port},
                             .len = (uint8_t)(PORT_BITS + port_bits),
                             .rule = (uint16_t)rule});
}

int prefixes_add_everything(struct prefixes *ps, size_t rule) {
    return prefix_add(ps, &(struct prefix){.rule = (uint16_t)rule});
}

int prefixes_add_protocol(struct prefixes *ps, int64_t protocol, size_t rule) {
    return add_port(ps, protocol, 0, 0, rule);
}

/* The fewest prefixes that make up [from, to]. */
int prefixes_add_ports(struct prefixes *ps, int64_t protocol, int64_t from, int64_t to,
                       size_t rule) {
    int r = 0;

    if (to > PORT_LAST)
        to = PORT_LAST;
    while (from <= to && r == 0) {
        unsigned bits = PORT_BITS;

        /* The largest aligned block that begins here and does not go beyond. */
        while (bits > 0) {
            int64_t size = 1ll << (PORT_BITS - (bits - 1));

            if (from % size || from + size - 1 > to)
                break;
            bits--;
        }
        r = add_port(ps, protocol, (unsigned)from, bits, rule);
        from += 1ll << (PORT_BITS - bits);
    }
    return r;
}

int prefixes_add_icmp(struct prefixes *ps, int64_t protocol, int64_t type, int64_t code,
                      size_t rule) {
    unsigned all = code < 0;

    return add_port(ps, protocol, (unsigned)(type & 0xff) << 8 | (all ? 0 : (unsigned)code & 0xff),
                    all ? 8 : 16, rule);
}

static bool prefix_contains(const struct prefix *outer, const struct prefix *inner) {
    size_t bytes = outer->len / 8;
    uint8_t mask = (uint8_t)(0xff00 >> (outer->len % 8));

    if (outer->len > inner->len || memcmp(outer->b, inner->b, bytes) != 0)
        return false;
    return outer->len % 8 == 0 || ((outer->b[bytes] ^ inner->b[bytes]) & mask) == 0;
}

/* So that each prefix stands behind those that contain it. */
static int prefix_cmp(const void *a, const void *b) {
    const struct prefix *x = a, *y = b;
    int r = memcmp(x->b, y->b, sizeof(x->b));

    return r ? r : x->len - y->len;
}

void prefixes_each(struct prefixes *ps, prefix_fn *fn, void *data) {
    struct {
        struct prefix p;
        struct rule_bits bits;
    } stack[129]; /* the prefixes that contain the present one: at most one of each length */
    size_t depth = 0;

    if (ps->n)
        qsort(ps->p, ps->n, sizeof(*ps->p), prefix_cmp);
    for (size_t i = 0; i < ps->n;) {
        struct prefix p = ps->p[i];
        struct rule_bits bits = {0};

        while (depth && !prefix_contains(&stack[depth - 1].p, &p))
            depth--;
        if (depth)
            bits = stack[depth - 1].bits;
        for (; i < ps->n && prefix_cmp(&ps->p[i], &p) == 0; i++)
            bits_set(&bits, ps->p[i].rule);
        stack[depth].p = p;
        stack[depth++].bits = bits;
        fn(data, &p, &bits);
    }
}

struct rule_addr_key prefix_addr_key(const struct prefix *p, uint32_t table, uint8_t dir,
                                     uint8_t family) {
    struct rule_addr_key key = {
        .prefixlen = RULE_ADDR_PREFIX + p->len, .table = table, .dir = dir, .family = family};

    memcpy(key.addr.b, p->b, sizeof(key.addr.b));
    return key;
}

struct rule_port_key prefix_port_key(const struct prefix *p, uint32_t table, uint8_t dir,
                                     uint8_t family) {
    struct rule_port_key key = {.prefixlen = RULE_PORT_ANY_PROTO + p->len,
                                .table = table,
                                .dir = dir,
                                .family = family,
                                .proto = p->b[0]};

    memcpy(&key.port, p->b + 2, sizeof(key.port));
    return key;
}
