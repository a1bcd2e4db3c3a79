/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters of a call as they came: name=value pairs of a query string and of a form body. */
#ifndef VPCD_API_FORM_H
#define VPCD_API_FORM_H

#include <stdbool.h>
#include <stddef.h>

/* The largest that clients need: CreateTags of 1,000 resources, Describe calls with 1,000 ids and
 * 200 filter values, RunInstances with all its tags and interfaces. */
#define FORM_PAIRS_MAX 4096

struct pair {
    char *name, *value; /* decoded; point into the form's own memory */
    bool used;          /* some table asked for it */
};

struct form {
    struct pair *pairs; /* after form_sort: ordered by name */
    size_t n, cap;
    char **chunks; /* decoded text, one for each form_add */
    size_t n_chunks;
    size_t steps; /* pairs looked at since the start: what the decoding cost */
};

/* Adds what `text` (application/x-www-form-urlencoded) holds. 0, -EINVAL (a bad %-escape, or
 * what is no UTF-8 text that XML can hold: it would come back in replies), -E2BIG, -ENOMEM. */
int form_add(struct form *f, const char *text, size_t len);
/* Once, after the last form_add. -EEXIST when a name stands twice. */
int form_sort(struct form *f);
void form_free(struct form *f);

/* The pair of this name, marked as used; or NULL. */
struct pair *form_find(struct form *f, const char *name);
/* Index of the first pair whose name is not less than `name`. */
size_t form_lower(struct form *f, const char *name);

#endif
