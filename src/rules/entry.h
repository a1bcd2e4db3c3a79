/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries of the data plane's maps (abi/maps.h) as bytes: what compiling yields and what the
 * planner hands on.
 *
 * Two kinds of maps. Those whose keys begin with a table number (routes, rule_*, acl_*) hold
 * versions: entries under a number that nobody names are invisible, so a new version is written
 * aside. The others are direct: an update is seen by the next packet.
 */
#ifndef VPCD_RULES_ENTRY_H
#define VPCD_RULES_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order in which direct maps are put: what an entry names is there before it. */
enum entry_map {
    ENTRY_RULE_TABLES,
    ENTRY_RULE_ADDRS,
    ENTRY_RULE_PORTS,
    ENTRY_RULE_SETS,
    ENTRY_ACL_ADDRS,
    ENTRY_ACL_PORTS,
    ENTRY_ROUTES,
    ENTRY_SUBNETS, /* from here on: direct */
    ENTRY_EDGES,
    ENTRY_RESOLVERS,
    ENTRY_ENIS,
    ENTRY_NATS,
    ENTRY_NAT_SOURCES,
    ENTRY_NAT_ADDRS,
    ENTRY_EGRESS_GATEWAYS,
    ENTRY_ADDRS,
    ENTRY_PUBLICS,
    ENTRY_VPCS,
    ENTRY_MAPS,
};

#define ENTRY_KEY_MAX 28
#define ENTRY_VALUE_MAX 136

struct entry_map_info {
    const char *name; /* as in abi/maps.h: "rule_tables" */
    uint8_t key_len, value_len;
    bool direct;
    uint8_t table_at; /* not direct: offset of the table number in the key */
};
const struct entry_map_info *entry_map_info(enum entry_map map);

struct entry {
    uint8_t map; /* enum entry_map */
    /* Aligned as the structs of abi/maps.h that they are; zero behind the map's own sizes. */
    _Alignas(8) uint8_t key[ENTRY_KEY_MAX];
    _Alignas(8) uint8_t value[ENTRY_VALUE_MAX];
};

/* A growing array of entries. `failed` is set when memory was short: one check at the end. */
struct entries {
    struct entry *e;
    size_t n, cap;
    bool failed;
};

#define ENTRIES_INIT ((struct entries){0})
#define _entries_ __attribute__((cleanup(entries_free)))

void entries_free(struct entries *es); /* leaves an empty array */
/* The sizes are the map's. */
void entries_add(struct entries *es, enum entry_map map, const void *key, const void *value);
/* By map, then key bytes. Sorted arrays can be compared and searched. */
void entries_sort(struct entries *es);
bool entries_equal(const struct entries *a, const struct entries *b);

int entry_cmp(const struct entry *a, const struct entry *b); /* by map and key */
/* Not direct: the number of the table, and the same entry under another. */
uint32_t entry_table(const struct entry *e);
void entry_set_table(struct entry *e, uint32_t table);

#endif
