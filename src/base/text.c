/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

char *hex_format(const void *data, size_t n, char *out) {
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = data;

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * n] = 0;
    return out;
}

int int_parse(const char *s, int64_t min, int64_t max, int64_t *ret_value) {
    char *end;
    long long v;

    if (!isdigit((unsigned char)s[0]) && !(s[0] == '-' && isdigit((unsigned char)s[1])))
        return -EINVAL;
    errno = 0;
    v = strtoll(s, &end, 10);
    if (*end)
        return -EINVAL;
    if (errno == ERANGE || v < min || v > max)
        return -ERANGE;
    *ret_value = v;
    return 0;
}

int mac_parse(const char *s, uint8_t ret_mac[6]) {
    uint8_t mac[6];

    for (int i = 0; i < 6; i++) {
        char two[3] = {s[0], s[0] ? s[1] : 0, 0};

        if (!isxdigit((unsigned char)two[0]) || !isxdigit((unsigned char)two[1]))
            return -EINVAL;
        mac[i] = (uint8_t)strtoul(two, NULL, 16);
        s += 2;
        if (*s++ != (i < 5 ? ':' : 0))
            return -EINVAL;
    }
    memcpy(ret_mac, mac, 6);
    return 0;
}

char *mac_format(const uint8_t m[6], char *out) {
    snprintf(out, MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
    return out;
}

char *time_format(int64_t ms, char *out) {
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    size_t n;

    gmtime_r(&s, &tm);
    n = strftime(out, TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, TIME_TEXT - n, ".%03dZ", (int)(ms % 1000));
    return out;
}

size_t utf8_length(const char *s) {
    const uint8_t *p = (const uint8_t *)s;
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    uint32_t c = n > 1 ? p[0] & (0x7fu >> n) : p[0];

    if (n <= 1)
        return n && (c >= 0x20 || c == '\t' || c == '\n' || c == '\r');
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    if ((n == 3 && c < 0x800) || (n == 4 && (c < 0x10000 || c > 0x10ffff)))
        return 0; /* longer than need be, or beyond Unicode */
    return (c >= 0xd800 && c <= 0xdfff) || c == 0xfffe || c == 0xffff ? 0 : n;
}

bool utf8_valid(const char *s) {
    for (size_t n; *s; s += n)
        if ((n = utf8_length(s)) == 0)
            return false;
    return true;
}

size_t utf8_count(const char *s) {
    size_t count = 0;

    for (size_t n; *s; s += n ? n : 1, count++)
        n = utf8_length(s);
    return count;
}

bool wildcard_match(const char *pattern, const char *s) {
    uint64_t steps = UINT64_MAX;

    return wildcard_match_within(pattern, s, &steps);
}

bool wildcard_match_within(const char *pattern, const char *s, uint64_t *steps) {
    const char *star = NULL, *from = NULL;

    /* On a mismatch, let the last `*` swallow one character more: linear space, no recursion. */
    for (; *steps; --*steps) {
        if (*pattern == '*') {
            star = ++pattern;
            from = s;
            continue;
        }
        if (!*s && !*pattern)
            return true;
        if (*s && *pattern) {
            bool quoted = *pattern == '\\' && pattern[1];
            char want = quoted ? pattern[1] : *pattern;

            if ((!quoted && want == '?') || want == *s) {
                size_t n = !quoted && want == '?' ? utf8_length(s) : 1;

                pattern += quoted ? 2 : 1;
                s += n ? n : 1;
                continue;
            }
        }
        if (!star || !*from)
            return false;
        pattern = star;
        s = ++from;
    }
    return false;
}

static const char b64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const void *data, size_t n) {
    const uint8_t *p = data;
    char *out = malloc((n + 2) / 3 * 4 + 1), *o = out;

    if (!out)
        return NULL;
    for (; n >= 3; n -= 3, p += 3) {
        *o++ = b64[p[0] >> 2];
        *o++ = b64[(p[0] & 3) << 4 | p[1] >> 4];
        *o++ = b64[(p[1] & 15) << 2 | p[2] >> 6];
        *o++ = b64[p[2] & 63];
    }
    if (n) {
        uint8_t second = n > 1 ? p[1] : 0;

        *o++ = b64[p[0] >> 2];
        *o++ = b64[(p[0] & 3) << 4 | second >> 4];
        *o++ = n > 1 ? b64[(second & 15) << 2] : '=';
        *o++ = '=';
    }
    *o = 0;
    return out;
}

int base64_decode(const char *s, uint8_t **ret_data, size_t *ret_len) {
    uint8_t *out = malloc(strlen(s) / 4 * 3 + 4), *o = out;
    uint32_t group = 0;
    int bits = 0, pad = 0;

    if (!out)
        return -ENOMEM;
    for (; *s; s++) {
        const char *at;

        if (isspace((unsigned char)*s))
            continue;
        if (*s == '=') {
            pad++;
            continue;
        }
        at = strchr(b64, *s);
        if (!at || pad)
            goto bad;
        group = group << 6 | (uint32_t)(at - b64);
        bits += 6;
        if (bits == 24) {
            *o++ = (uint8_t)(group >> 16);
            *o++ = (uint8_t)(group >> 8);
            *o++ = (uint8_t)group;
            bits = 0;
            group = 0;
        }
    }
    if (bits == 6 || pad > 2 || (pad && bits + pad * 6 != 24))
        goto bad;
    if (bits >= 12)
        *o++ = (uint8_t)(group >> (bits - 8));
    if (bits == 18)
        *o++ = (uint8_t)(group >> 2);
    *o = 0;
    *ret_data = out;
    *ret_len = (size_t)(o - out);
    return 0;
bad:
    free(out);
    return -EINVAL;
}
