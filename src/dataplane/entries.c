/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of the maps, numbers, generations, counters. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "dataplane/private.h"

int dataplane_put(struct dataplane *dp, enum dataplane_map map, const void *key,
                  const void *value) {
    if (bpf_map_update_elem(dp->fds[map], key, value, BPF_ANY) == 0)
        return 0;
    return errno == E2BIG ? -ENOSPC : -errno; /* hashes say E2BIG, tries ENOSPC */
}

int dataplane_del(struct dataplane *dp, enum dataplane_map map, const void *key) {
    if (bpf_map_delete_elem(dp->fds[map], key) == 0 || errno == ENOENT)
        return 0;
    return -errno;
}

int dataplane_get(struct dataplane *dp, enum dataplane_map map, const void *key, void *ret_value) {
    return bpf_map_lookup_elem(dp->fds[map], key, ret_value) == 0 ? 0 : -errno;
}

int dataplane_each(struct dataplane *dp, enum dataplane_map map, dataplane_each_fn each,
                   void *arg) {
    const struct dataplane_map_row *row = &dataplane_maps[map];
    _free_ uint8_t *room = malloc(2 * row->key_size + row->value_size);
    uint8_t *key = room, *next = room + row->key_size, *value = room + 2 * row->key_size;
    bool more;

    if (map == DATAPLANE_DROPS || map == DATAPLANE_PROGS)
        return -EINVAL;
    if (!room)
        return -ENOMEM;
    more = bpf_map_get_next_key(dp->fds[map], NULL, key) == 0;
    while (more) {
        more = bpf_map_get_next_key(dp->fds[map], key, next) == 0;
        if (bpf_map_lookup_elem(dp->fds[map], key, value) == 0) {
            int r = each(key, value, arg);
            if (r != 0)
                return r;
        }
        memcpy(key, next, row->key_size);
    }
    return errno == ENOENT ? 0 : -errno;
}

int dataplane_number_new(struct dataplane *dp, uint32_t *ret_number) {
    struct number_key key = {.kind = NUMBER_NEXT};
    struct number_value counter = {0};
    int r = dataplane_get(dp, DATAPLANE_NUMBERS, &key, &counter);

    if (r < 0 && r != -ENOENT)
        return r;
    if (counter.number == UINT32_MAX)
        return -EOVERFLOW;
    counter.number++;
    r = dataplane_put(dp, DATAPLANE_NUMBERS, &key, &counter);
    if (r < 0)
        return r;
    *ret_number = counter.number;
    return 0;
}

int dataplane_number(struct dataplane *dp, enum number_kind kind, const char *id,
                     uint32_t *ret_number) {
    struct number_key key = {.kind = (uint8_t)kind};
    struct number_value value;
    int r;

    if (strlen(id) > sizeof key.id)
        return -ENAMETOOLONG;
    memcpy(key.id, id, strlen(id));
    r = dataplane_get(dp, DATAPLANE_NUMBERS, &key, &value);
    if (r == -ENOENT) {
        /* A crash between the two loses a number and never gives one out twice. */
        r = dataplane_number_new(dp, &value.number);
        if (r == 0)
            r = dataplane_put(dp, DATAPLANE_NUMBERS, &key, &value);
    }
    if (r < 0)
        return r;
    *ret_number = value.number;
    return 0;
}

/* The lower half counts what others publish by writing the entry, each on the value it wrote last;
 * so that no value comes twice, we count in the upper half. 0 is for flows without a path. */
static uint32_t next_gen(uint32_t gen) {
    gen += 0x10000;
    return gen ? gen : 1;
}

int dataplane_publish(struct dataplane *dp, uint32_t vpc, unsigned gens) {
    struct vpc_key key = {.vpc = vpc};
    struct vpc_value value = {0};
    int r = dataplane_get(dp, DATAPLANE_VPCS, &key, &value);

    if (r < 0)
        return r == -ENOENT ? 0 : r; /* no flow can have started in it */
    if (gens & DATAPLANE_GEN_NET)
        value.gen_net = next_gen(value.gen_net);
    if (gens & DATAPLANE_GEN_SG)
        value.gen_sg = next_gen(value.gen_sg);
    return dataplane_put(dp, DATAPLANE_VPCS, &key, &value);
}

int dataplane_drops(struct dataplane *dp, uint64_t ret_packets[DROP_SLOTS]) {
    int cpus = libbpf_num_possible_cpus();
    _free_ uint64_t *counts = cpus > 0 ? calloc((size_t)cpus, sizeof *counts) : NULL;

    if (!counts)
        return -ENOMEM;
    for (uint32_t i = 0; i < DROP_SLOTS; i++) {
        if (bpf_map_lookup_elem(dp->fds[DATAPLANE_DROPS], &i, counts) < 0)
            return -errno;
        ret_packets[i] = 0;
        for (int cpu = 0; cpu < cpus; cpu++)
            ret_packets[i] += counts[cpu];
    }
    return 0;
}

static const struct {
    const char *name, *sentence;
} drop_rows[] = {
#define ROW(number, symbol, name, sentence) [number] = {name, sentence},
    DROP_REASONS(ROW)
#undef ROW
};

const char *drop_name(unsigned reason) {
    return reason < DROP_COUNT ? drop_rows[reason].name : "?";
}

const char *drop_sentence(unsigned reason) {
    return reason < DROP_COUNT ? drop_rows[reason].sentence : "?";
}

int dataplane_eni_stats(struct dataplane *dp, uint32_t eni, struct eni_stats_value *ret_stats) {
    struct eni_key key = {.eni = eni};

    return dataplane_get(dp, DATAPLANE_ENI_STATS, &key, ret_stats);
}
