/* SPDX-License-Identifier: Apache-2.0 */
/* Random objects of any kind, by their field tables. Includes cmocka, with what it needs. */
#ifndef VPCD_MODEL_TEST_RANDOM_H
#define VPCD_MODEL_TEST_RANDOM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "model/object.h"

/* VPCD_SEED or the kernel's randomness; printed. random_below: a number below n > 0. */
void random_seed_print(void);
uint32_t random_below(uint32_t n);

/* Fills zeroed memory; about a third of the fields stay absent. Strings come from a small set, so
 * that values meet. */
void random_fill(const struct desc *d, void *obj);
/* With an id "KIND-n", n < ids, in one of `scopes` scopes. */
void *random_object(enum kind k, uint32_t ids, uint32_t scopes);
struct scope random_scope(uint32_t scopes);

/* Equal in every stored field, and in what is kept of unknown ones. */
bool same_fields(const struct desc *d, const void *a, const void *b);

#endif
