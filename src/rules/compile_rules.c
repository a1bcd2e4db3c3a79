/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Security groups to bit vectors (the form: abi/maps.h, at `struct rule_bits`).
 *
 * All rules of all groups of a set are numbered, for each direction and family apart; a rule that
 * names a group counts in both families, one that names a prefix list in the list's. Two dimensions
 * are prefixes, of addresses and of (protocol, port): prefixes.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "model/index.h"
#include "model/peering.h"
#include "model/prefix_list.h"
#include "model/security_group.h"
#include "rules/compile.h"
#include "rules/prefixes.h"

/* One direction and family of a set. */
struct side {
    const struct index *ix;
    const struct sgset *set;
    uint32_t table;
    uint8_t dir, family;
    const struct sg_rule *rules[RULE_BITS];
    size_t n;
};

/* The list that a rule names, as it is now; NULL when it is gone: the rule names nobody. */
static const struct prefix_list *prefix_list_of(const struct side *s, const struct sg_rule *r) {
    return index_get(s->ix, KIND_PREFIX_LIST, s->set->o.scope, r->prefix_list_id);
}

struct emission {
    const struct side *s;
    struct entries *out;
};

static void emit_addr(void *data, const struct prefix *p, const struct rule_bits *bits) {
    const struct emission *e = data;
    struct rule_addr_key key = prefix_addr_key(p, e->s->table, e->s->dir, e->s->family);

    entries_add(e->out, ENTRY_RULE_ADDRS, &key, bits);
}

static int rule_addrs(struct prefixes *ps, const struct side *s, size_t i) {
    const struct sg_rule *r = s->rules[i];
    int error = 0;

    if (r->prefix_list_id) {
        list_each (struct prefix_entry, e, prefix_list_of(s, r)->entries)
            error = error ? error : prefixes_add_cidr(ps, &e->cidr, i);
        return error;
    }
    return r->group_id ? 0 : prefixes_add_cidr(ps, &r->cidr, i);
}

static int compile_addrs(const struct side *s, struct entries *out) {
    _prefixes_ struct prefixes ps = {0};
    struct emission e = {s, out};
    int r = 0;

    for (size_t i = 0; i < s->n && r == 0; i++)
        r = rule_addrs(&ps, s, i);
    if (r == 0)
        prefixes_each(&ps, emit_addr, &e);
    return r;
}

static void emit_port(void *data, const struct prefix *p, const struct rule_bits *bits) {
    const struct emission *e = data;
    struct rule_port_key key = prefix_port_key(p, e->s->table, e->s->dir, e->s->family);

    entries_add(e->out, ENTRY_RULE_PORTS, &key, bits);
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
    if (r->protocol < 0)
        return prefixes_add_everything(ps, rule);
    if (all_ports(r))
        return prefixes_add_protocol(ps, r->protocol, rule);
    if (!is_icmp(r->protocol))
        return prefixes_add_ports(ps, r->protocol, r->from, r->to, rule);
    /* A rule that names a group stands in both families; types exist in one. */
    if ((r->protocol == 58) != (family == IP_V6))
        return 0;
    return prefixes_add_icmp(ps, r->protocol, r->from, r->to, rule);
}

static int compile_ports(const struct side *s, struct entries *out) {
    _prefixes_ struct prefixes ps = {0};
    struct emission e = {s, out};
    int r = 0;

    for (size_t i = 0; i < s->n && r == 0; i++)
        r = rule_ports(&ps, s->family, s->rules[i], i);
    if (r == 0)
        prefixes_each(&ps, emit_port, &e);
    return r;
}

/* A group that rules of a side name, the VPC whose interfaces with it are meant, and those rules.
 */
struct named {
    const char *group, *vpc;
    struct rule_bits bits;
};

/* A set with that group, and the number of its VPC. */
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

/* Whose interfaces a rule means: of the set's own VPC, or of the one at the other end of a peering,
 * while that is active; NULL: nobody's. */
static const char *vpc_named(const struct side *s, const struct sg_rule *r) {
    const struct peering *p;
    const struct vpc *peer;

    if (!r->peering_id)
        return s->set->vpc_id;
    p = index_get(s->ix, KIND_PEERING, s->set->o.scope, r->peering_id);
    peer = p ? peering_peer(s->ix, p, s->set->vpc_id) : NULL;
    return peer && r->group_vpc && strcmp(peer->o.id, r->group_vpc) == 0 ? r->group_vpc : NULL;
}

static int members_add(const struct side *s, const struct compile_env *env, const struct named *of,
                       size_t named, struct list *members) {
    struct cursor c;

    index_each_by(s->ix, c, KIND_SGSET, SGSET_BY_GROUP, of->group) {
        const struct sgset *peer = c.obj;
        uint32_t vpc;
        struct member *m;
        int r;

        if (strcmp(peer->vpc_id, of->vpc) != 0)
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

static void emit_sets(const struct side *s, const struct list *named, struct list *members,
                      struct entries *out) {
    const struct member *m = members->items, *end = m + members->n;

    if (members->n)
        qsort(members->items, members->n, sizeof(*m), member_cmp);
    while (m < end) {
        const struct member *first = m;
        struct rule_set_key key = {.table = s->table,
                                   .dir = s->dir,
                                   .family = s->family,
                                   .vpc = m->vpc,
                                   .sgset = (uint32_t)m->set};
        struct rule_bits bits = {0};

        for (; m < end && member_cmp(m, first) == 0; m++)
            for (size_t w = 0; w < RULE_WORDS; w++)
                bits.w[w] |= ((const struct named *)named->items)[m->named].bits.w[w];
        entries_add(out, ENTRY_RULE_SETS, &key, &bits);
    }
}

/* For each group set with a group that some rule names: those rules. Begins at the named groups,
 * for a VPC may have many sets. */
static int compile_sets(const struct side *s, const struct compile_env *env, struct entries *out) {
    struct list named = {0}, members = {0};
    int r = 0;

    for (size_t i = 0; i < s->n && r == 0; i++) {
        const char *group = s->rules[i]->group_id;
        const char *vpc = group ? vpc_named(s, s->rules[i]) : NULL;
        struct named *n = NULL;

        if (!vpc)
            continue;
        list_each (struct named, have, named)
            if (strcmp(have->group, group) == 0 && strcmp(have->vpc, vpc) == 0)
                n = have;
        if (!n) {
            n = list_add(&named, sizeof(*n));
            if (n)
                *n = (struct named){.group = group, .vpc = vpc};
            r = n ? members_add(s, env, n, named.n - 1, &members) : -ENOMEM;
        }
        if (n)
            bits_set(&n->bits, i);
    }
    if (r == 0)
        emit_sets(s, &named, &members, out);
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

static bool rule_has_family(const struct side *s, const struct sg_rule *r) {
    const struct prefix_list *pl;

    if (r->group_id)
        return true;
    if (!r->prefix_list_id)
        return r->cidr.ip.family == s->family;
    pl = prefix_list_of(s, r);
    return pl && prefix_list_ip_family(pl) == s->family;
}

/* The rules that can match in this direction and family. */
static int side_collect(struct side *s) {
    list_each (char *, id, s->set->groups) {
        const struct security_group *g =
            index_get(s->ix, KIND_SECURITY_GROUP, s->set->o.scope, *id);

        if (!g)
            continue; /* a group that is gone allows nothing */
        list_each (struct sg_rule, r, g->rules) {
            if (r->egress != (s->dir == DIR_EGRESS) || !rule_has_family(s, r))
                continue;
            /* A peering is one of the group's own VPC. */
            if (r->peering_id && strcmp(g->vpc_id, s->set->vpc_id) != 0)
                continue;
            if (s->n == RULE_BITS)
                return -E2BIG;
            s->rules[s->n++] = r;
        }
    }
    return 0;
}

static int compile_side(struct side *s, const struct compile_env *env, struct entries *out) {
    int r = side_collect(s);

    if (r < 0 || s->n == 0)
        return r;
    compile_table(s, out);
    r = compile_sets(s, env, out);
    if (r == 0)
        r = compile_addrs(s, out);
    return r < 0 ? r : compile_ports(s, out);
}

int compile_rules(const struct index *ix, const struct compile_env *env, const struct sgset *set,
                  uint32_t table, struct entries *out) {
    static const uint8_t dirs[] = {DIR_INGRESS, DIR_EGRESS}, families[] = {IP_V4, IP_V6};
    int r = 0;

    for (size_t i = 0; i < 4 && r == 0; i++) {
        struct side s = {
            .ix = ix, .set = set, .table = table, .dir = dirs[i / 2], .family = families[i % 2]};

        r = compile_side(&s, env, out);
    }
    return r < 0 ? r : out->failed ? -ENOMEM : 0;
}
