/* SPDX-License-Identifier: Apache-2.0 */
/* What the store's tests share. Includes cmocka, with what it needs before it. */
#ifndef VPCD_TESTS_STORE_HELPER_H
#define VPCD_TESTS_STORE_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* A directory of its own under /tmp, and its removal with all that is in it. */
void temp_dir_make(char path[32]);
void temp_dir_remove(const char *path);

/* VPCD_SEED or the kernel's randomness; printed. random_below: a number below n > 0. */
void random_seed_print(void);
uint32_t random_below(uint32_t n);

#endif
