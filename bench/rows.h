/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of bench-packet: kinds of packets, measured in turns, printed as a table (packet.c). */
#ifndef VPCD_BENCH_ROWS_H
#define VPCD_BENCH_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "world.h"

#define ROUNDS_MAX 64

struct bench {
    struct world w;
    unsigned rounds, runs; /* packets of each row in a round */
    bool quick;
    const char *only; /* groups whose names begin so; NULL: all */
};
extern struct bench bench;

/* A kind of packet, and where it enters. `next` makes the n-th packet of the row out of `k`. */
struct row {
    const char *group, *name;
    const struct world_eni *from; /* NULL: the uplink; for the empty program: any */
    bool empty;
    struct packet k;
    void (*next)(struct row *r, uint32_t n);
    uint32_t n, span; /* packets so far; keys to choose from */
    bool fresh;       /* its packets begin flows */
    double ns[ROUNDS_MAX];
};

/* Loads the empty program and switches the kernel's statistics on; -1 and errno. */
int rows_open(void);

/* One more row, with a name of its own; it lives as long as the program. */
struct row *row_add(const char *group, const struct world_eni *from, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A group's first row, the empty program on a packet of `from`: the group's number. */
size_t rows_begin(const char *group, const struct world_eni *from, const struct packet *k);

bool rows_wanted(const char *group);

/* Measures the rows from `first` on, taking turns, and prints them. */
void rows_measure(size_t first);

/* All flows are forgotten, and how many of them a NAT gateway had. */
void rows_forget(void);

/* The raw figures as JSON. */
void rows_write(const char *path);

#endif
