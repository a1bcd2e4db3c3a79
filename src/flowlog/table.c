/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instances choose the keys, so the hash has a secret: they cannot aim at one slot. At most three
 * quarters of the slots are taken; a search ends at the first free one.
 */
#include "flowlog/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_MIN 16u

static uint64_t mix(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint32_t hash_of(uint64_t seed, const struct flowlog_key *k) {
    uint64_t words[5], h = seed;

    memcpy(words, k, sizeof(words));
    for (int i = 0; i < 5; i++)
        h = mix(h ^ words[i], seed | 1) + UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(mix(h, seed | 1) >> 16);
}

static uint32_t *slot_of(const struct flowlog_table *t, uint64_t seed,
                         const struct flowlog_key *key) {
    uint32_t i = hash_of(seed, key) & t->slot_mask;

    while (t->slots[i] && memcmp(&t->records[t->slots[i] - 1].key, key, sizeof(*key)) != 0)
        i = (i + 1) & t->slot_mask;
    return &t->slots[i];
}

static int grow(struct flowlog_table *t, uint64_t seed) {
    uint32_t room = t->room ? t->room * 2 : ROOM_MIN, n_slots = room * 4 / 3 + 1, slots = 1;
    struct flowlog_record *records;
    uint32_t *index;

    while (slots < n_slots)
        slots *= 2;
    index = calloc(slots, sizeof(*index));
    records = index ? reallocarray(t->records, room, sizeof(*records)) : NULL;
    if (!records) {
        free(index);
        return -ENOMEM;
    }
    free(t->slots);
    t->records = records;
    t->slots = index;
    t->slot_mask = slots - 1;
    t->room = room;
    for (uint32_t i = 0; i < t->n; i++)
        *slot_of(t, seed, &records[i].key) = i + 1;
    return 0;
}

static void merge(struct flowlog_record *into, const struct flowlog_record *r) {
    if (r->last_ns >= into->last_ns) {
        into->last_ns = r->last_ns;
        into->path = r->path;
    }
    if (r->first_ns < into->first_ns)
        into->first_ns = r->first_ns;
    into->tcp_flags |= r->tcp_flags;
    into->packets += r->packets;
    into->bytes += r->bytes;
}

int flowlog_table_add(struct flowlog_table *t, uint64_t seed, const struct flowlog_record *r) {
    uint32_t *slot;

    if (t->n) {
        slot = slot_of(t, seed, &r->key);
        if (*slot) {
            merge(&t->records[*slot - 1], r);
            return 0;
        }
    }
    if (t->n == t->room && grow(t, seed) < 0)
        return -ENOMEM;
    t->records[t->n] = *r;
    *slot_of(t, seed, &r->key) = ++t->n;
    return 1;
}

void flowlog_table_reset(struct flowlog_table *t, uint32_t expect) {
    if (t->room > ROOM_MIN && t->room / 4 > expect) {
        flowlog_table_free(t);
        return;
    }
    t->n = 0;
    if (t->slots)
        memset(t->slots, 0, ((size_t)t->slot_mask + 1) * sizeof(*t->slots));
}

void flowlog_table_free(struct flowlog_table *t) {
    free(t->records);
    free(t->slots);
    *t = (struct flowlog_table){0};
}

size_t flowlog_table_bytes(const struct flowlog_table *t) {
    return t->room * sizeof(*t->records) + (t->slots ? (t->slot_mask + 1) * sizeof(*t->slots) : 0);
}
