/* SPDX-License-Identifier: Apache-2.0 */
#include "api/form.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* In place, NUL-terminated (the text was copied with room for it). */
static int decode(char *s) {
    char *out = s;

    for (; *s; s++, out++) {
        if (*s == '+') {
            *out = ' ';
        } else if (*s == '%') {
            int hi = hex_digit(s[1]), lo = hi < 0 ? -1 : hex_digit(s[2]);

            if (lo < 0 || (hi == 0 && lo == 0))
                return -EINVAL;
            *out = (char)(hi << 4 | lo);
            s += 2;
        } else {
            *out = *s;
        }
    }
    *out = 0;
    return 0;
}

static int add_pair(struct form *f, char *name) {
    char *value = strchr(name, '=');

    if (f->n == f->cap) {
        size_t cap = f->cap ? f->cap * 2 : 32;
        struct pair *pairs = reallocarray(f->pairs, cap, sizeof(*pairs));

        if (!pairs)
            return -ENOMEM;
        f->pairs = pairs;
        f->cap = cap;
    }
    if (value)
        *value++ = 0;
    else
        value = name + strlen(name);
    if (decode(name) < 0 || decode(value) < 0 || !utf8_valid(name) || !utf8_valid(value))
        return -EINVAL;
    f->pairs[f->n++] = (struct pair){.name = name, .value = value};
    return f->n > FORM_PAIRS_MAX ? -E2BIG : 0;
}

int form_add(struct form *f, const char *text, size_t len) {
    char **chunks, *copy, *next;

    if (memchr(text, 0, len))
        return -EINVAL;
    chunks = reallocarray(f->chunks, f->n_chunks + 1, sizeof(*chunks));
    if (!chunks)
        return -ENOMEM;
    f->chunks = chunks;
    copy = malloc(len + 1);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, text, len);
    copy[len] = 0;
    f->chunks[f->n_chunks++] = copy;
    for (char *at = copy; at; at = next) {
        next = strchr(at, '&');
        if (next)
            *next++ = 0;
        if (*at) {
            int r = add_pair(f, at);

            if (r < 0)
                return r;
        }
    }
    return 0;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct pair *)a)->name, ((const struct pair *)b)->name);
}

int form_sort(struct form *f) {
    if (f->n)
        qsort(f->pairs, f->n, sizeof(*f->pairs), by_name);
    for (size_t i = 1; i < f->n; i++)
        if (strcmp(f->pairs[i - 1].name, f->pairs[i].name) == 0)
            return -EEXIST;
    return 0;
}

void form_free(struct form *f) {
    for (size_t i = 0; i < f->n_chunks; i++)
        free(f->chunks[i]);
    free(f->chunks);
    free(f->pairs);
    *f = (struct form){0};
}

size_t form_lower(struct form *f, const char *name) {
    size_t lo = 0, hi = f->n;

    while (lo < hi) {
        f->steps++;
        size_t mid = (lo + hi) / 2;

        if (strcmp(f->pairs[mid].name, name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct pair *form_find(struct form *f, const char *name) {
    size_t i = form_lower(f, name);

    if (i == f->n || strcmp(f->pairs[i].name, name) != 0)
        return NULL;
    f->pairs[i].used = true;
    return &f->pairs[i];
}
