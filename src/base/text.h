/* SPDX-License-Identifier: Apache-2.0 */
/* Small conversions between text and values. */
#ifndef VPCD_BASE_TEXT_H
#define VPCD_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lower-case hexadecimal; `out` holds 2 * n + 1 bytes. Returns `out`. */
char *hex_format(const void *data, size_t n, char *out);

/* Decimal, the whole string, within [min, max]: 0, -EINVAL (no number) or -ERANGE. */
int int_parse(const char *s, int64_t min, int64_t max, int64_t *ret_value);

/* Six colon-separated bytes; out holds MAC_TEXT. 0 or -EINVAL. */
#define MAC_TEXT 18
int mac_parse(const char *s, uint8_t ret_mac[6]);
char *mac_format(const uint8_t mac[6], char *out);

/* "2026-11-22T10:00:00.000Z"; out holds TIME_TEXT. */
#define TIME_TEXT 32
char *time_format(int64_t ms, char *out);

/* Bytes of the character that `s` begins with, 1 to 4; 0 when it begins with none that is UTF-8
 * (RFC 3629) and that XML 1.0 can hold: control characters are none but for tab, LF and CR. */
size_t utf8_length(const char *s);
/* The whole string is such characters; and how many they are (a byte that is none counts one). */
bool utf8_valid(const char *s);
size_t utf8_count(const char *s);

/* Matches `s` against a pattern where `*` is any text, `?` any character and `\` quotes the next.
 */
bool wildcard_match(const char *pattern, const char *s);
/* The same for patterns of strangers, which may cost pattern times text: every step counts `*steps`
 * down, and false once it is 0. */
bool wildcard_match_within(const char *pattern, const char *s, uint64_t *steps);

/* Standard base64 with padding, into memory that the caller frees. NULL when memory is short. */
char *base64_encode(const void *data, size_t n);
/* 0, -EINVAL, -ENOMEM; blanks and line ends between groups are ignored. `*ret` is NUL-terminated.
 */
int base64_decode(const char *s, uint8_t **ret_data, size_t *ret_len);

#endif
