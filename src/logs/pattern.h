/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filter patterns of CloudWatch Logs (user guide, "Filter pattern syntax"), two of its kinds:
 *
 *  - terms: ERROR "exact phrase" -not ?this ?orthis; case counts, a term is found anywhere in the
 *    text. Optional terms (?) have no effect beside others.
 *  - words between blanks: [version, account, eni, ..., destport="22", action=REJECT, status]; a
 *    word in "" or [] is one. Without ... there must be as many words as columns. A column may have
 *    conditions on itself: = and != with * as a wildcard, < <= > >= for numbers, && || and ().
 *
 * Patterns for JSON ({}) and regular expressions (%%) are refused: -ENOTSUP.
 */
#ifndef VPCD_LOGS_PATTERN_H
#define VPCD_LOGS_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#define PATTERN_MAX 1024 /* bytes */

struct pattern;

/* An empty pattern matches everything. 0; -EINVAL with *ret_why (static); -ENOTSUP; -ENOMEM. */
int pattern_parse(const char *text, struct pattern **ret_pattern, const char **ret_why);
void pattern_free(struct pattern *p);

bool pattern_match(const struct pattern *p, const char *message, size_t len);

#endif
