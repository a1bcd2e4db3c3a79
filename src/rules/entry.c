/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/entry.h"

#include <stdlib.h>
#include <string.h>

#include "abi/maps.h"

#define TABLE(map_name, key_struct, value_struct)                                                  \
    {                                                                                              \
        .name = map_name, .key_len = sizeof(struct key_struct),                                    \
        .value_len = sizeof(struct value_struct), .table_at = offsetof(struct key_struct, table)   \
    }
#define DIRECT(map_name, key_struct, value_struct)                                                 \
    {                                                                                              \
        .name = map_name, .key_len = sizeof(struct key_struct),                                    \
        .value_len = sizeof(struct value_struct), .direct = true                                   \
    }

static const struct entry_map_info maps[] = {
    [ENTRY_RULE_TABLES] = TABLE("rule_tables", rule_table_key, rule_table_value),
    [ENTRY_RULE_ADDRS] = TABLE("rule_addrs", rule_addr_key, rule_bits),
    [ENTRY_RULE_PORTS] = TABLE("rule_ports", rule_port_key, rule_bits),
    [ENTRY_RULE_SETS] = TABLE("rule_sets", rule_set_key, rule_bits),
    [ENTRY_ACL_ADDRS] = TABLE("acl_addrs", rule_addr_key, acl_addr_value),
    [ENTRY_ACL_PORTS] = TABLE("acl_ports", rule_port_key, acl_port_value),
    [ENTRY_ROUTES] = TABLE("routes", route_key, route_value),
    [ENTRY_SUBNETS] = DIRECT("subnets", subnet_key, subnet_value),
    [ENTRY_EDGES] = DIRECT("edges", subnet_key, edge_value),
    [ENTRY_RESOLVERS] = DIRECT("resolvers", subnet_key, resolver_value),
    [ENTRY_ENIS] = DIRECT("enis", eni_key, eni_value),
    [ENTRY_NATS] = DIRECT("nats", nat_key, nat_value),
    [ENTRY_NAT_SOURCES] = DIRECT("nat_sources", nat_source_key, nat_source_value),
    [ENTRY_NAT_ADDRS] = DIRECT("nat_addrs", addr_key, nat_addr_value),
    [ENTRY_EGRESS_GATEWAYS] = DIRECT("egress_gateways", vpc_key, egress_gateway_value),
    [ENTRY_ADDRS] = DIRECT("addrs", addr_key, addr_value),
    [ENTRY_PUBLICS] = DIRECT("publics", public_key, public_value),
    [ENTRY_VPCS] = DIRECT("vpcs", vpc_key, vpc_value),
};
_Static_assert(sizeof(maps) / sizeof(maps[0]) == ENTRY_MAPS, "a row for each map");
_Static_assert(sizeof(struct route_key) <= ENTRY_KEY_MAX, "largest key");
_Static_assert(sizeof(struct rule_addr_key) <= ENTRY_KEY_MAX, "largest key");
_Static_assert(sizeof(struct rule_table_value) <= ENTRY_VALUE_MAX, "largest value");
_Static_assert(sizeof(struct eni_value) <= ENTRY_VALUE_MAX, "largest value");

const struct entry_map_info *entry_map_info(enum entry_map map) {
    return &maps[map];
}

void entries_free(struct entries *es) {
    free(es->e);
    *es = ENTRIES_INIT;
}

void entries_add(struct entries *es, enum entry_map map, const void *key, const void *value) {
    struct entry *e;

    if (es->n == es->cap) {
        size_t cap = es->cap ? es->cap * 2 : 16;
        struct entry *more = reallocarray(es->e, cap, sizeof(*more));

        if (!more) {
            es->failed = true;
            return;
        }
        es->e = more;
        es->cap = cap;
    }
    e = &es->e[es->n++];
    memset(e, 0, sizeof(*e));
    e->map = (uint8_t)map;
    memcpy(e->key, key, maps[map].key_len);
    memcpy(e->value, value, maps[map].value_len);
}

int entry_cmp(const struct entry *a, const struct entry *b) {
    return a->map != b->map ? a->map - b->map : memcmp(a->key, b->key, sizeof(a->key));
}

static int sort_cmp(const void *a, const void *b) {
    return entry_cmp(a, b);
}

void entries_sort(struct entries *es) {
    if (es->n)
        qsort(es->e, es->n, sizeof(*es->e), sort_cmp);
}

bool entries_equal(const struct entries *a, const struct entries *b) {
    return a->n == b->n && (!a->n || memcmp(a->e, b->e, a->n * sizeof(*a->e)) == 0);
}

uint32_t entry_table(const struct entry *e) {
    uint32_t table;

    memcpy(&table, e->key + maps[e->map].table_at, sizeof(table));
    return table;
}

void entry_set_table(struct entry *e, uint32_t table) {
    memcpy(e->key + maps[e->map].table_at, &table, sizeof(table));
}
