/* SPDX-License-Identifier: Apache-2.0 */
#include "helper.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"

static uint64_t random_state;

void temp_dir_make(char path[32]) {
    snprintf(path, 32, "/tmp/vpcd-store-XXXXXX");
    assert_non_null(mkdtemp(path));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    return remove(path);
}

void temp_dir_remove(const char *path) {
    nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void random_seed_print(void) {
    const char *given = getenv("VPCD_SEED");
    uint32_t seed;

    random_bytes(&seed, sizeof(seed));
    if (given)
        seed = (uint32_t)strtoul(given, NULL, 0);
    random_state = seed * 2654435761u + 1;
    printf("seed: VPCD_SEED=%u\n", seed);
}

/* splitmix64 */
uint32_t random_below(uint32_t n) {
    uint64_t z = (random_state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) >> 32) % n;
}
