/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver/credentials.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/io.h"

#define FILE_MAX_BYTES (1024 * 1024)

struct text {
    const char *p;
    size_t len;
};

static struct text trim(const char *p, size_t len) {
    while (len && strchr(" \t\r", p[len - 1]))
        len--;
    while (len && strchr(" \t", *p)) {
        p++;
        len--;
    }
    return (struct text){p, len};
}

static bool is(struct text t, const char *s) {
    return t.len == strlen(s) && strncasecmp(t.p, s, t.len) == 0;
}

static void take(struct text value, char *out, size_t size) {
    if (value.len >= size)
        return;
    /* A control character would end a header or a URL. */
    for (size_t i = 0; i < value.len; i++)
        if ((unsigned char)value.p[i] <= ' ' || value.p[i] == 0x7f)
            return;
    memcpy(out, value.p, value.len);
    out[value.len] = 0;
}

static void take_line(struct text line, struct credentials *c) {
    const char *equals = memchr(line.p, '=', line.len);
    struct text name, value;

    if (!equals)
        return;
    name = trim(line.p, (size_t)(equals - line.p));
    value = trim(equals + 1, line.len - (size_t)(equals - line.p) - 1);
    if (is(name, "aws_access_key_id"))
        take(value, c->key, sizeof(c->key));
    else if (is(name, "aws_secret_access_key"))
        take(value, c->secret, sizeof(c->secret));
    else if (is(name, "aws_session_token"))
        take(value, c->token, sizeof(c->token));
}

int credentials_parse(const char *text, uint64_t account, struct credentials *ret) {
    struct credentials own = {0}, other = {0}, *into = NULL;
    char section[16];

    snprintf(section, sizeof(section), "%012" PRIu64, account);
    while (*text) {
        size_t n = strcspn(text, "\n");
        struct text line = trim(text, n);

        text += n + (text[n] == '\n');
        if (!line.len || *line.p == '#' || *line.p == ';')
            continue;
        if (*line.p == '[') {
            struct text name =
                trim(line.p + 1, line.len - 1 - (line.len > 1 && line.p[line.len - 1] == ']'));

            into = is(name, section) ? &own : is(name, "default") ? &other : NULL;
        } else if (into) {
            take_line(line, into);
        }
    }
    if (own.key[0] && own.secret[0])
        *ret = own;
    else if (other.key[0] && other.secret[0])
        *ret = other;
    else
        return -ENOKEY;
    return 0;
}

int credentials_read(const char *path, uint64_t account, struct credentials *ret) {
    _buf_ struct buf text = BUF_INIT;
    int r = read_file(path, FILE_MAX_BYTES, &text);

    return r < 0 ? r : credentials_parse(buf_str(&text), account, ret);
}
