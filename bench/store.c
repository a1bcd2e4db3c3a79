/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many transactions a second the store makes durable, by how many are in flight; and the load.
 * Each transaction is what a small call writes: one new document of 300 bytes, one new claim, one
 * changed parent. The ratio is to the line above it.
 *
 *     build/src/store/bench-store [DIR]      (a new directory under DIR, default /var/tmp: a real
 * disk)
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "store/store.h"

#define RUN_NS 1500000000u

struct client {
    uint32_t number;
    uint64_t n;
};

static struct {
    struct event_base *base;
    struct store *store;
    uint64_t began, done, loaded;
    uint32_t in_flight;
    struct client clients[256];
} B;

static void submit(struct client *c);

static void on_done(void *arg, const struct store_result *result) {
    if (result->status) {
        fprintf(stderr, "bench: %s\n", result->text);
        exit(1);
    }
    B.done++;
    B.in_flight--;
    if (mono_ns() - B.began < RUN_NS)
        submit(arg);
    else if (!B.in_flight)
        event_base_loopbreak(B.base);
}

static void submit(struct client *c) {
    struct store_txn *t = store_txn_new(on_done, c);
    char key[128], value[300];

    memset(value, 'v', sizeof(value));
    snprintf(key, sizeof(key), "us-east-1/000000000001/eni/eni-%u-%llu", c->number,
             (unsigned long long)c->n);
    store_txn_put(t, key, 0, value, sizeof(value));
    snprintf(key, sizeof(key), "us-east-1/000000000001/claim/address/%u/%llu", c->number,
             (unsigned long long)c->n);
    store_txn_put(t, key, 0, key, strlen(key));
    snprintf(key, sizeof(key), "us-east-1/000000000001/subnet/subnet-%u", c->number);
    store_txn_put(t, key, c->n, value, sizeof(value));
    c->n++;
    B.in_flight++;
    if (store_submit(B.store, t) < 0)
        abort();
}

static int count_doc(void *arg, const struct store_doc *doc) {
    B.loaded++;
    return 0;
}

static int open_store(const char *dir) {
    char error[STORE_TEXT];
    int r = store_open(B.base, "sqlite", dir, NULL, &B.store, error);

    if (r == 0)
        r = store_load(B.store, count_doc, NULL);
    if (r < 0)
        fprintf(stderr, "bench: %s\n", error);
    return r;
}

/* Returns the transactions a second. */
static double run(uint32_t in_flight, double before) {
    struct store_stats s0 = store_stats(B.store), s1;
    double rate;

    B.done = 0;
    B.began = mono_ns();
    for (uint32_t i = 0; i < in_flight; i++)
        submit(&B.clients[i]);
    event_base_dispatch(B.base);
    rate = (double)B.done * 1e9 / (double)(mono_ns() - B.began);
    s1 = store_stats(B.store);
    printf("%-24u %10.0f %14.1f %14.2f\n", in_flight, rate,
           (double)B.done / (double)(s1.commits - s0.commits), before > 0 ? rate / before : 1.0);
    return rate;
}

int main(int argc, char **argv) {
    const uint32_t steps[] = {1, 4, 16, 64, 256};
    const char *under = argc > 1 ? argv[1] : "/var/tmp";
    char dir[128], command[160];
    double rate = 0;
    uint64_t began;

    snprintf(dir, sizeof(dir), "%.100s/vpcd-bench-XXXXXX", under);
    B.base = event_base_new();
    for (uint32_t i = 0; i < ARRAY_SIZE(B.clients); i++)
        B.clients[i].number = i;
    if (!B.base || !mkdtemp(dir) || open_store(dir) < 0)
        return 1;
    printf("%-24s %10s %14s %14s\n", "in flight", "txns/s", "txns/commit", "ratio");
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
        rate = run(steps[i], rate);
    store_close(B.store);
    B.loaded = 0;
    began = mono_ns();
    if (open_store(dir) < 0)
        return 1;
    printf("load: %llu documents, %.0f ns each\n", (unsigned long long)B.loaded,
           (double)(mono_ns() - began) / (double)B.loaded);
    store_close(B.store);
    event_base_free(B.base);
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    return system(command);
}
