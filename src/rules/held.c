/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/held.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct walk {
    struct held *h;
    enum entry_map map;
};

static int held_add(const void *key, const void *value, void *arg) {
    struct walk *w = arg;
    struct held *h = w->h;
    uint32_t table;

    memcpy(&table, (const char *)key + entry_map_info(w->map)->table_at, sizeof(table));
    /* Keys of one table mostly come together. */
    if (h->n && h->t[h->n - 1].table == table) {
        h->t[h->n - 1].entries++;
        return 0;
    }
    if (h->n == h->cap) {
        size_t cap = h->cap ? h->cap * 2 : 256;
        struct held_table *more = reallocarray(h->t, cap, sizeof(*more));

        if (!more)
            return -ENOMEM;
        h->t = more;
        h->cap = cap;
    }
    h->t[h->n++] = (struct held_table){table, 1};
    return 0;
}

static int table_cmp(const void *a, const void *b) {
    const struct held_table *x = a, *y = b;

    return x->table < y->table ? -1 : x->table > y->table;
}

int held_read(struct held *h, const struct plan_callbacks *callbacks) {
    size_t n = 0;
    int r = 0;

    held_free(h);
    if (!callbacks->each || !callbacks->get)
        return 0;
    for (int map = 0; map < ENTRY_SUBNETS && r == 0; map++) {
        struct walk w = {h, (enum entry_map)map};

        r = callbacks->each(callbacks->data, w.map, held_add, &w);
    }
    if (r < 0 || !h->n)
        return r;
    qsort(h->t, h->n, sizeof(*h->t), table_cmp);
    for (size_t i = 1; i < h->n; i++) {
        if (h->t[i].table == h->t[n].table)
            h->t[n].entries += h->t[i].entries;
        else
            h->t[++n] = h->t[i];
    }
    h->n = n + 1;
    return 0;
}

void held_free(struct held *h) {
    free(h->t);
    *h = (struct held){0};
}

bool held_is(const struct held *h, const struct plan_callbacks *callbacks, uint32_t table,
             const struct entries *es) {
    const struct held_table probe = {.table = table};
    const struct held_table *t =
        h->n ? bsearch(&probe, h->t, h->n, sizeof(probe), table_cmp) : NULL;

    if (!t || t->entries != es->n)
        return false;
    for (size_t i = 0; i < es->n; i++) {
        struct entry e = es->e[i];
        _Alignas(8) uint8_t value[ENTRY_VALUE_MAX];

        entry_set_table(&e, table);
        if (callbacks->get(callbacks->data, e.map, e.key, value) < 0 ||
            memcmp(value, e.value, entry_map_info(e.map)->value_len) != 0)
            return false;
    }
    return true;
}
