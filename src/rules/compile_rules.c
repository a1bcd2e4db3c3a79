/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Security groups to bit vectors (the form: abi/maps.h, at `struct rule_bits`).
 *
 * All rules of all groups of a set are numbered, for each direction and family apart; a rule that
 * names a group counts in both families. Two dimensions are prefixes, of addresses and of
 * (protocol, port); both go through the same two steps: list the prefixes of each rule, then sort
 * them and let each take the bits of those that contain it. For a longest-prefix match finds one
 * entry only, which must speak for all the shorter ones.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "model/index.h"
#include "model/security_group.h"
#include "rules/compile.h"

#define PORT_BITS 16
#define PORT_LAST 65535

/* A prefix of one of the two dimensions, and a rule that matches all of it. */
struct prefix {
    uint8_t b[16];
    uint8_t len;
    uint16_t rule;
};

struct prefixes {
    struct prefix *p;
    size_t n, cap;
};

/* One direction and family of a set. */
struct side {
    uint32_t table;
    uint8_t dir, family;
    const struct sg_rule *rules[RULE_BITS];
    size_t n;
};

static void bits_set(struct rule_bits *bits, size_t i) {
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

typedef void prefix_fn(const struct side *s, const struct prefix *p, const struct rule_bits *bits,
                       struct entries *out);

/* Each different prefix once, with the bits of all prefixes that contain it. */
static void prefixes_each(const struct side *s, struct prefixes *ps, prefix_fn *fn,
                          struct entries *out) {
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
        fn(s, &p, &bits, out);
    }
}

static void emit_addr(const struct side *s, const struct prefix *p, const struct rule_bits *bits,
                      struct entries *out) {
    struct rule_addr_key key = {.prefixlen = RULE_ADDR_PREFIX + p->len,
                                .table = s->table,
                                .dir = s->dir,
                                .family = s->family};

    memcpy(key.addr.b, p->b, sizeof(key.addr.b));
    entries_add(out, ENTRY_RULE_ADDRS, &key, bits);
}

static int compile_addrs(const struct side *s, struct entries *out) {
    struct prefixes ps = {0};
    int r = 0;

    for (size_t i = 0; i < s->n && r == 0; i++) {
        struct cidr c = cidr_mask(&s->rules[i]->cidr);
        struct prefix p = {.len = c.len, .rule = (uint16_t)i};

        if (c.ip.family != s->family)
            continue; /* names a group */
        memcpy(p.b, c.ip.b, sizeof(p.b));
        r = prefix_add(&ps, &p);
    }
    if (r == 0)
        prefixes_each(s, &ps, emit_addr, out);
    free(ps.p);
    return r;
}

/*
 * In the dimension of ports a prefix is {protocol, 0, port}: the key's bits behind the family.
 * Length 0 is every protocol, 16 all of one protocol, 16 + n the first n bits of a port.
 */
static struct prefix port_prefix(int64_t protocol, unsigned port, unsigned port_bits, size_t rule) {
    return (struct prefix){.b = {(uint8_t)protocol, 0, (uint8_t)(port >> 8), (uint8_t)port},
                           .len = (uint8_t)(PORT_BITS + port_bits),
                           .rule = (uint16_t)rule};
}

static void emit_port(const struct side *s, const struct prefix *p, const struct rule_bits *bits,
                      struct entries *out) {
    struct rule_port_key key = {.prefixlen = RULE_PORT_ANY_PROTO + p->len,
                                .table = s->table,
                                .dir = s->dir,
                                .family = s->family,
                                .proto = p->b[0]};

    memcpy(&key.port, p->b + 2, sizeof(key.port));
    entries_add(out, ENTRY_RULE_PORTS, &key, bits);
}

/* The fewest prefixes that make up [from, to]. */
static int port_range(struct prefixes *ps, int64_t protocol, unsigned from, unsigned to,
                      size_t rule) {
    int r = 0;

    while (from <= to && r == 0) {
        unsigned bits = PORT_BITS;
        struct prefix p;

        /* The largest aligned block that begins here and does not go beyond. */
        while (bits > 0) {
            unsigned size = 1u << (PORT_BITS - (bits - 1));

            if (from % size || from + size - 1 > to)
                break;
            bits--;
        }
        p = port_prefix(protocol, from, bits, rule);
        r = prefix_add(ps, &p);
        from += 1u << (PORT_BITS - bits);
    }
    return r;
}

static bool is_icmp(int64_t protocol) {
    return protocol == 1 || protocol == 58;
}

static bool all_ports(const struct sg_rule *r) {
    if (!sg_protocol_has_ports(r->protocol) || r->from < 0)
        return true;
    return !is_icmp(r->protocol) && r->from == 0 && r->to >= PORT_LAST;
}

static int rule_ports(struct prefixes *ps, uint8_t family, const struct sg_rule *r, size_t rule) {
    struct prefix p;

    if (r->protocol < 0) {
        p = (struct prefix){.rule = (uint16_t)rule};
        return prefix_add(ps, &p);
    }
    if (all_ports(r)) {
        p = port_prefix(r->protocol, 0, 0, rule);
        return prefix_add(ps, &p);
    }
    if (is_icmp(r->protocol)) { /* from: type, to: code */
        /* A rule that names a group stands in both families; types exist in one. */
        if ((r->protocol == 58) != (family == IP_V6))
            return 0;
        p = port_prefix(r->protocol,
                        (unsigned)(r->from & 0xff) << 8 | (unsigned)(r->to < 0 ? 0 : r->to & 0xff),
                        r->to < 0 ? 8 : 16, rule);
        return prefix_add(ps, &p);
    }
    if (r->from > r->to || r->from > PORT_LAST)
        return 0;
    return port_range(ps, r->protocol, (unsigned)r->from,
                      (unsigned)(r->to > PORT_LAST ? PORT_LAST : r->to), rule);
}

static int compile_ports(const struct side *s, struct entries *out) {
    struct prefixes ps = {0};
    int r = 0;

    for (size_t i = 0; i < s->n && r == 0; i++)
        r = rule_ports(&ps, s->family, s->rules[i], i);
    if (r == 0)
        prefixes_each(s, &ps, emit_port, out);
    free(ps.p);
    return r;
}

/* A group that rules of a side name, and those rules. */
struct named {
    const char *group;
    struct rule_bits bits;
};

/* A set with that group. */
struct member {
    uint32_t vpc;
    int64_t set;
    size_t named;
};

static int member_cmp(const void *a, const void *b) {
    const struct member *x = a, *y = b;

    if (x->vpc != y->vpc)
        return x->vpc < y->vpc ? -1 : 1;
    return x->set < y->set ? -1 : x->set > y->set;
}

static int members_add(const struct index *ix, const struct compile_env *env,
                       const struct sgset *set, const char *group, size_t named,
                       struct list *members) {
    struct cursor c;

    index_each_by(ix, c, KIND_SGSET, SGSET_BY_GROUP, group) {
        const struct sgset *peer = c.obj;
        uint32_t vpc;
        struct member *m;
        int r;

        if (strcmp(peer->vpc_id, set->vpc_id) != 0)
            continue;
        if ((r = env->number_of(env->data, NUMBER_VPC, peer->vpc_id, &vpc)) < 0)
            return r;
        m = list_add(members, sizeof(*m));
        if (!m)
            return -ENOMEM;
        *m = (struct member){vpc, peer->number, named};
    }
    return 0;
}
/* For each group set of the VPC with a group that some rule names: those rules. Begins at the named
 * groups, for a VPC may have many sets. */
static int compile_sets(const struct index *ix, const struct compile_env *env,
                        const struct sgset *set, const struct side *s, struct entries *out) {
    struct list named = {0}, members = {0};
    int r = 0;

    for (size_t i = 0; i < s->n && r == 0; i++) {
        const char *group = s->rules[i]->group_id;
        struct named *n = NULL;

        if (!group)
            continue;
        list_each (struct named, have, named)
            if (strcmp(have->group, group) == 0)
                n = have;
        if (!n) {
            n = list_add(&named, sizeof(*n));
            r = n ? members_add(ix, env, set, group, named.n - 1, &members) : -ENOMEM;
        }
        if (n) {
            n->group = group;
            bits_set(&n->bits, i);
        }
    }
    if (members.n)
        qsort(members.items, members.n, sizeof(struct member), member_cmp);
    for (uint32_t i = 0; i < members.n && r == 0;) {
        const struct member *m = (const struct member *)members.items + i;
        struct rule_set_key key = {.table = s->table,
                                   .dir = s->dir,
                                   .family = s->family,
                                   .sgset = (uint32_t)m->set,
                                   .vpc = m->vpc};
        struct rule_bits bits = {0};

        for (; i < members.n; i++) {
            const struct member *same = (const struct member *)members.items + i;

            if (member_cmp(same, m) != 0)
                break;
            for (size_t w = 0; w < RULE_WORDS; w++)
                bits.w[w] |= ((const struct named *)named.items)[same->named].bits.w[w];
        }
        entries_add(out, ENTRY_RULE_SETS, &key, &bits);
    }
    free(named.items);
    free(members.items);
    return r;
}

/* What tracking asks: which rules are for all addresses, and whether one of them is for all ports
 * (EC2 user guide, "Security group connection tracking", "Untracked connections"). */
static void compile_table(const struct side *s, struct entries *out) {
    struct rule_table_key key = {.table = s->table, .dir = s->dir, .family = s->family};
    struct rule_table_value value = {0};

    for (size_t i = 0; i < s->n; i++) {
        const struct sg_rule *r = s->rules[i];

        if (r->cidr.ip.family != s->family || r->cidr.len != 0)
            continue;
        bits_set(&value.any_addr, i);
        if (r->protocol < 0 || (r->protocol == 6 && all_ports(r)))
            value.flags |= RULE_ALL_TCP;
        if (r->protocol < 0 || (r->protocol == 17 && all_ports(r)))
            value.flags |= RULE_ALL_UDP;
    }
    entries_add(out, ENTRY_RULE_TABLES, &key, &value);
}

/* The rules that can match in this direction and family. */
static int side_collect(const struct index *ix, const struct sgset *set, struct side *s) {
    list_each (char *, id, set->groups) {
        const struct security_group *g = index_get(ix, KIND_SECURITY_GROUP, set->o.scope, *id);

        if (!g)
            continue; /* a group that is gone allows nothing */
        list_each (struct sg_rule, r, g->rules) {
            if (r->egress != (s->dir == DIR_EGRESS))
                continue;
            if (!r->group_id && r->cidr.ip.family != s->family)
                continue; /* of the other family, or a prefix list: there are none yet */
            if (s->n == RULE_BITS)
                return -E2BIG;
            s->rules[s->n++] = r;
        }
    }
    return 0;
}

static int compile_side(const struct index *ix, const struct compile_env *env,
                        const struct sgset *set, struct side *s, struct entries *out) {
    int r = side_collect(ix, set, s);

    if (r < 0 || s->n == 0)
        return r;
    compile_table(s, out);
    r = compile_sets(ix, env, set, s, out);
    if (r == 0)
        r = compile_addrs(s, out);
    return r < 0 ? r : compile_ports(s, out);
}

int compile_rules(const struct index *ix, const struct compile_env *env, const struct sgset *set,
                  uint32_t table, struct entries *out) {
    static const uint8_t dirs[] = {DIR_INGRESS, DIR_EGRESS}, families[] = {IP_V4, IP_V6};
    int r = 0;

    for (size_t i = 0; i < 4 && r == 0; i++) {
        struct side s = {.table = table, .dir = dirs[i / 2], .family = families[i % 2]};

        r = compile_side(ix, env, set, &s, out);
    }
    return r < 0 ? r : out->failed ? -ENOMEM : 0;
}
