/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network ACLs to bit vectors (the form: abi/maps.h, at ACL_BITS). The entries of one direction and
 * family are numbered by their rule numbers, so that the lowest bit is the entry that decides. The
 * `*` row has no bit: it is what happens where no bit is set.
 */
#include <errno.h>
#include <stdlib.h>

#include "rules/compile.h"
#include "rules/prefixes.h"

struct side {
    uint32_t table;
    uint8_t dir, family;
    const struct acl_entry *entries[ACL_BITS];
    size_t n;
    uint64_t allow;
    struct entries *out;
};

static int number_cmp(const void *a, const void *b) {
    const struct acl_entry *x = *(const struct acl_entry *const *)a,
                           *y = *(const struct acl_entry *const *)b;

    return x->number < y->number ? -1 : x->number > y->number;
}

static int side_collect(const struct network_acl *acl, struct side *s) {
    list_each (struct acl_entry, e, acl->entries) {
        if (e->egress != (s->dir == DIR_EGRESS) || e->cidr.ip.family != s->family ||
            e->number >= ACL_RULE_LAST)
            continue;
        if (s->n == ACL_BITS)
            return -E2BIG;
        s->entries[s->n++] = e;
    }
    if (s->n)
        qsort(s->entries, s->n, sizeof(s->entries[0]), number_cmp);
    for (size_t i = 0; i < s->n; i++)
        s->allow |= (uint64_t)s->entries[i]->allow << i;
    return 0;
}

static void emit_addr(void *data, const struct prefix *p, const struct rule_bits *bits) {
    const struct side *s = data;
    struct rule_addr_key key = prefix_addr_key(p, s->table, s->dir, s->family);
    struct acl_addr_value value = {.bits = bits->w[0]};

    entries_add(s->out, ENTRY_ACL_ADDRS, &key, &value);
}

static void emit_port(void *data, const struct prefix *p, const struct rule_bits *bits) {
    const struct side *s = data;
    struct rule_port_key key = prefix_port_key(p, s->table, s->dir, s->family);
    struct acl_port_value value = {.bits = bits->w[0], .allow = bits->w[0] & s->allow};

    entries_add(s->out, ENTRY_ACL_PORTS, &key, &value);
}

/* EC2's CreateNetworkAclEntry: types exist for ICMP in its own family only; "if you specify
 * protocol 58 (ICMPv6) and an IPv4 CIDR block, traffic for all ICMP types and codes allowed". */
static int entry_ports(struct prefixes *ps, const struct side *s, size_t i) {
    const struct acl_entry *e = s->entries[i];

    if (e->protocol < 0)
        return prefixes_add_everything(ps, i);
    if (e->protocol == (s->family == IP_V4 ? 1 : 58) && e->icmp_type.set && e->icmp_type.v >= 0)
        return prefixes_add_icmp(ps, e->protocol, e->icmp_type.v,
                                 e->icmp_code.set ? e->icmp_code.v : -1, i);
    if ((e->protocol == 6 || e->protocol == 17) && e->from.set)
        return prefixes_add_ports(ps, e->protocol, e->from.v, e->to.v, i);
    return prefixes_add_protocol(ps, e->protocol, i);
}

static int compile_side(const struct network_acl *acl, struct side *s) {
    _prefixes_ struct prefixes addrs = {0}, ports = {0};
    int r = side_collect(acl, s);

    for (size_t i = 0; i < s->n && r == 0; i++) {
        r = prefixes_add_cidr(&addrs, &s->entries[i]->cidr, i);
        if (r == 0)
            r = entry_ports(&ports, s, i);
    }
    if (r < 0)
        return r;
    prefixes_each(&addrs, emit_addr, s);
    prefixes_each(&ports, emit_port, s);
    return 0;
}

int compile_acl(const struct network_acl *acl, uint32_t table, struct entries *out) {
    static const uint8_t dirs[] = {DIR_INGRESS, DIR_EGRESS}, families[] = {IP_V4, IP_V6};
    int r = 0;

    for (size_t i = 0; i < 4 && r == 0; i++) {
        struct side s = {.table = table, .dir = dirs[i / 2], .family = families[i % 2], .out = out};

        r = compile_side(acl, &s);
    }
    return r < 0 ? r : out->failed ? -ENOMEM : 0;
}

/* No entry denies before one that allows all. */
static bool family_allows_all(const struct network_acl *acl, bool egress, uint8_t family) {
    int64_t allows = ACL_RULE_LAST, denies = ACL_RULE_LAST;

    list_each (struct acl_entry, e, acl->entries) {
        if (e->egress != egress || e->cidr.ip.family != family)
            continue;
        if (!e->allow && e->number < denies)
            denies = e->number;
        if (e->allow && e->protocol < 0 && e->cidr.len == 0 && e->number < allows)
            allows = e->number;
    }
    return allows < denies;
}

bool compile_acl_allows_all(const struct network_acl *acl, bool egress) {
    return family_allows_all(acl, egress, IP_V4) && family_allows_all(acl, egress, IP_V6);
}
