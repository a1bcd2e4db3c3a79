/* SPDX-License-Identifier: Apache-2.0 */
#include "model/test_random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"

static uint64_t random_state;

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
static uint64_t random_word(void) {
    uint64_t z = (random_state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint32_t random_below(uint32_t n) {
    return (uint32_t)(random_word() >> 32) % n;
}

static char *random_text(void) {
    static const char *const some[] = {"",     "a",      "vpc-1", "vpc-2",
                                       "sg-1", "\u00fc", "x y",   "tag:\x01/<&>"};
    char number[32];

    if (random_below(8))
        return strdup(some[random_below(sizeof(some) / sizeof(some[0]))]);
    snprintf(number, sizeof(number), "%llx", (unsigned long long)random_word());
    return strdup(number);
}

/* Small and large, positive and negative. */
static int64_t random_number(void) {
    return (int64_t)random_word() >> random_below(64);
}

static struct ip random_ip(void) {
    struct ip ip = {.family = random_below(2) ? IP_V4 : IP_V6};
    size_t n = ip.family == IP_V4 ? 4 : 16;

    for (size_t i = 0; i < n; i++)
        ip.b[i] = (uint8_t)random_below(256);
    return ip;
}

static void random_field(const struct field *f, void *p) {
    uint8_t names = 0;
    struct blob *b = p;
    struct list *l = p;

    switch ((enum field_type)f->type) {
    case FT_STR:
        *(char **)p = random_text();
        break;
    case FT_STRS:
        for (uint32_t n = random_below(5); n; n--)
            *(char **)list_add(l, sizeof(char *)) = random_text();
        break;
    case FT_BOOL:
        *(bool *)p = random_below(2);
        break;
    case FT_TRI:
        *(uint8_t *)p = (uint8_t)random_below(3);
        break;
    case FT_INT:
    case FT_TIME:
        *(int64_t *)p = random_number();
        break;
    case FT_OPTINT:
        *(struct optint *)p = (struct optint){.v = random_number(), .set = true};
        break;
    case FT_IP:
        *(struct ip *)p = random_ip();
        break;
    case FT_CIDR: {
        struct cidr *c = p;

        c->ip = random_ip();
        c->len = (uint8_t)random_below(c->ip.family == IP_V4 ? 33 : 129);
        break;
    }
    case FT_MAC:
        for (int i = 0; i < 6; i++)
            ((uint8_t *)p)[i] = (uint8_t)random_below(256);
        break;
    case FT_ENUM:
        while (f->names[names])
            names++;
        *(uint8_t *)p = (uint8_t)random_below(names);
        break;
    case FT_BLOB:
        b->len = random_below(300);
        b->data = malloc(b->len + 1);
        for (uint32_t i = 0; i < b->len; i++)
            b->data[i] = (uint8_t)random_below(256);
        break;
    case FT_STRUCT:
        random_fill(f->sub, p);
        break;
    case FT_LIST:
        for (uint32_t n = random_below(5); n; n--)
            random_fill(f->sub, list_add(l, f->sub->size));
        break;
    case FT_GET:
    case FT_EMIT:
        break;
    }
}

void random_fill(const struct desc *d, void *obj) {
    for (uint16_t i = 0; i < d->n_fields; i++)
        if (d->fields[i].num && random_below(3))
            random_field(&d->fields[i], field_at(&d->fields[i], obj));
}

struct scope random_scope(uint32_t scopes) {
    uint32_t n = random_below(scopes);

    return (struct scope){.account = n / 2, .region = (uint16_t)(n % 2 ? n : 0)};
}

void *random_object(enum kind k, uint32_t ids, uint32_t scopes) {
    char id[64];
    void *o;

    snprintf(id, sizeof(id), "%s-%u", kind_info(k)->name, random_below(ids));
    o = obj_new(k, random_scope(scopes), id);
    assert_non_null(o);
    random_fill(kind_info(k)->desc, o);
    return o;
}

static bool same_bytes(const void *a, uint32_t a_len, const void *b, uint32_t b_len) {
    return a_len == b_len && (!a_len || memcmp(a, b, a_len) == 0);
}

static bool same_field(const struct field *f, const void *a, const void *b) {
    const struct blob *ba = a, *bb = b;
    const struct list *la = a, *lb = b;
    const struct cidr *ca = a, *cb = b;

    switch ((enum field_type)f->type) {
    case FT_STR:
        return strcmp(*(char *const *)a, *(char *const *)b) == 0;
    case FT_STRS:
        for (uint32_t i = 0; i < la->n && la->n == lb->n; i++)
            if (strcmp(list_str(*la, i), list_str(*lb, i)) != 0)
                return false;
        return la->n == lb->n;
    case FT_BOOL:
        return *(const bool *)a == *(const bool *)b;
    case FT_TRI:
    case FT_ENUM:
        return *(const uint8_t *)a == *(const uint8_t *)b;
    case FT_INT:
    case FT_TIME:
        return *(const int64_t *)a == *(const int64_t *)b;
    case FT_OPTINT:
        return ((const struct optint *)a)->v == ((const struct optint *)b)->v;
    case FT_IP:
        return ip_equal(a, b);
    case FT_CIDR:
        return ip_equal(&ca->ip, &cb->ip) && ca->len == cb->len;
    case FT_MAC:
        return memcmp(a, b, 6) == 0;
    case FT_BLOB:
        return same_bytes(ba->data, ba->len, bb->data, bb->len);
    case FT_STRUCT:
        return same_fields(f->sub, a, b);
    case FT_LIST:
        for (uint32_t i = 0; i < la->n && la->n == lb->n; i++)
            if (!same_fields(f->sub, (char *)la->items + i * f->sub->size,
                             (char *)lb->items + i * f->sub->size))
                return false;
        return la->n == lb->n;
    case FT_GET:
    case FT_EMIT:
        break;
    }
    return true;
}

bool same_fields(const struct desc *d, const void *a, const void *b) {
    for (uint16_t i = 0; i < d->n_fields; i++) {
        const struct field *f = &d->fields[i];

        if (!f->num)
            continue;
        if (field_absent(f, a) != field_absent(f, b))
            return false;
        if (!field_absent(f, a) && !same_field(f, field_at(f, a), field_at(f, b)))
            return false;
    }
    if (d->unknown >= 0) {
        const struct blob *x = (const struct blob *)((const char *)a + d->unknown),
                          *y = (const struct blob *)((const char *)b + d->unknown);

        return same_bytes(x->data, x->len, y->data, y->len);
    }
    return true;
}
