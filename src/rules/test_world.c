/* SPDX-License-Identifier: Apache-2.0 */
/* Chance, the index and its changes, and single values. */
#include "rules/test_world_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "model/instance.h"

void *world_must(void *p) {
    if (!p)
        abort();
    return p;
}

uint64_t world_seed(const char *test) {
    const char *text = getenv("TEST_SEED");
    uint64_t seed;

    if (text)
        seed = strtoull(text, NULL, 0);
    else
        random_bytes(&seed, sizeof(seed));
    printf("%s: TEST_SEED=0x%llx\n", test, (unsigned long long)seed);
    fflush(stdout);
    return seed;
}

uint32_t world_random(struct world *w, uint32_t below) {
    w->rng += 0x9e3779b97f4a7c15;
    uint64_t z = w->rng;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (uint32_t)((z ^ (z >> 31)) >> 32) % below;
}

bool world_chance(struct world *w, uint32_t percent) {
    return world_random(w, 100) < percent;
}

const void *world_pick(struct world *w, enum kind k) {
    size_t n = index_count(w->ix, k);
    struct cursor c;
    uint32_t i;

    if (!n)
        return NULL;
    i = world_random(w, (uint32_t)n);
    index_each_all(w->ix, c, k) {
        if (i-- == 0)
            return c.obj;
    }
    return NULL;
}

const void *world_pick_by(struct world *w, enum kind k, uint16_t field, const char *value) {
    uint32_t n = 0, i;
    struct cursor c;

    index_each_by(w->ix, c, k, field, value) n++;
    if (!n)
        return NULL;
    i = world_random(w, n);
    index_each_by(w->ix, c, k, field, value) {
        if (i-- == 0)
            return c.obj;
    }
    return NULL;
}

/* Changes: an object is put (the world takes the caller's reference) or taken out. */
static void record(struct world *w, void *old, void *new) {
    if (w->n_changes == w->cap_changes) {
        w->cap_changes = w->cap_changes ? w->cap_changes * 2 : 64;
        w->changes = world_must(reallocarray(w->changes, w->cap_changes, sizeof(*w->changes)));
    }
    w->changes[w->n_changes++] = (struct change){.old = old, .new = new};
}

void world_put(struct world *w, void *obj) {
    void *old = NULL;

    if (index_put(w->ix, obj, &old) < 0)
        abort();
    record(w, old, obj);
}

void world_take(struct world *w, const void *obj) {
    const struct obj *o = obj;
    enum kind k = o->kind;

    record(w, world_must(index_remove(w->ix, k, o->scope, o->id)), NULL);
}

void world_settle(struct world *w) {
    for (size_t i = 0; i < w->n_changes; i++) {
        obj_unref(w->changes[i].old);
        obj_unref(w->changes[i].new);
    }
    w->n_changes = 0;
}

void *world_object(struct world *w, enum kind k) {
    char id[64];

    snprintf(id, sizeof(id), "%s%017x", kind_info(k)->prefix, w->next_id++);
    return world_must(obj_new(k, w->scope, id));
}

void world_set(char **member, const char *s) {
    if (!str_set(member, s))
        abort();
}

struct cidr world_cidr(const char *s) {
    struct cidr c;

    if (cidr_parse(s, &c) < 0)
        abort();
    return c;
}

static struct ip ip_of(const char *s) {
    struct ip ip;

    if (ip_parse(s, &ip) < 0)
        abort();
    return ip;
}

uint16_t world_port(struct world *w) {
    static const uint16_t borders[] = {0,   1,    22,   23,    79,    80,    81,   443,
                                       444, 1023, 1024, 32767, 32768, 65534, 65535};

    if (world_chance(w, 85))
        return borders[world_random(w, ARRAY_SIZE(borders))];
    return (uint16_t)world_random(w, 65536);
}

/* An address of an interface, or NULL's worth: of the pool or outside. */
static struct ip some_address(struct world *w, uint8_t family) {
    const struct network_interface *eni = world_pick(w, KIND_NETWORK_INTERFACE);

    if (eni && world_chance(w, 75)) {
        if (family == IP_V6 && eni->addresses6.n)
            return list_at(eni->addresses6, struct eni_address, world_random(w, eni->addresses6.n))
                ->ip;
        if (family == IP_V4 && eni->addresses.n) {
            const struct eni_address *a =
                list_at(eni->addresses, struct eni_address, world_random(w, eni->addresses.n));

            return a->public_ip.family && world_chance(w, 40) ? a->public_ip : a->ip;
        }
    }
    if (family == IP_V6) {
        struct ip ip = ip_of(world_chance(w, 50) ? WORLD_OUTSIDE6 : "::ffff:10.0.0.4");

        /* An IPv4 address that exists, in the form of an IPv6 one. */
        if (ip.b[0] == 0) {
            struct ip four = some_address(w, IP_V4);

            memcpy(ip.b + 12, four.b, 4);
        }
        return ip;
    }
    switch (world_random(w, 4)) {
    case 0:
        return ip_of(WORLD_OUTSIDE);
    case 1:
        return ip_v4(0xcb007100 + world_random(w, 16));
    case 2:
        return ip_v4(0x0a000000 + world_random(w, 3) * 256 + world_random(w, 20));
    default:
        return ip_v4(world_random(w, UINT32_MAX));
    }
}

struct ip world_address(struct world *w, uint8_t family) {
    struct ip ip = some_address(w, family);

    return world_chance(w, 15) ? ip_add(&ip, (int64_t)world_random(w, 3) - 1) : ip;
}

struct cidr world_some_cidr(struct world *w, uint8_t family) {
    static const uint8_t lens4[] = {0, 0, 8, 16, 22, 24, 28, 30, 31, 32, 32};
    static const uint8_t lens6[] = {0, 0, 32, 56, 63, 64, 80, 96, 120, 127, 128, 128};
    struct cidr c = {.ip = world_address(w, family)};

    c.len = family == IP_V4 ? lens4[world_random(w, ARRAY_SIZE(lens4))]
                            : lens6[world_random(w, ARRAY_SIZE(lens6))];
    if (world_chance(w, 10))
        c.len = (uint8_t)world_random(w, ip_bits(family) + 1);
    return cidr_mask(&c);
}

bool world_on_host(void *data, const struct index *ix, const struct network_interface *eni) {
    const struct instance *i = index_get(ix, KIND_INSTANCE, eni->o.scope, eni->instance_id);

    return !i || !i->host;
}
