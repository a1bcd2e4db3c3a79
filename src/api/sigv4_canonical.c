/* SPDX-License-Identifier: Apache-2.0 */
#include "api/sigv4_canonical.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_unreserved(uint8_t c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static void add_encoded(struct buf *out, uint8_t c) {
    static const char digits[] = "0123456789ABCDEF";

    if (is_unreserved(c)) {
        buf_addc(out, (char)c);
    } else {
        char text[3] = {'%', digits[c >> 4], digits[c & 15]};

        buf_add(out, text, 3);
    }
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The byte at `*p`, which moves on; -EINVAL for a broken escape. */
static int next_byte(const char **p) {
    int high, low;

    if (**p != '%')
        return (uint8_t) * (*p)++;
    high = hex_value((*p)[1]);
    low = high < 0 ? -1 : hex_value((*p)[2]);
    if (low < 0)
        return -EINVAL;
    *p += 3;
    return high << 4 | low;
}

/* Decoded and encoded again up to one of `ends`: '+' is a blank, as in the API's own decoding. */
static int add_normal(struct buf *out, const char **p, const char *ends) {
    while (**p && !strchr(ends, **p)) {
        int c = **p == '+' ? ((*p)++, ' ') : next_byte(p);

        if (c < 0)
            return c;
        add_encoded(out, (uint8_t)c);
    }
    buf_addc(out, 0);
    return 0;
}

static int compare_parts(const void *a, const void *b) {
    const struct query_part *x = a, *y = b;
    int r = strcmp(x->name, y->name);

    return r ? r : strcmp(x->value, y->value);
}

int sigv4_query_parse(const char *query, struct sigv4_query *ret_query) {
    struct sigv4_query q = {0};
    size_t max = 1;
    char *at;
    int r = 0;

    for (const char *p = query; *p; p++)
        max += *p == '&';
    q.parts = calloc(max, sizeof(*q.parts));
    if (!q.parts)
        r = -ENOMEM;
    for (const char *p = query; r == 0 && *p;) {
        if (*p == '&') {
            p++;
            continue;
        }
        r = add_normal(&q.text, &p, "&=");
        if (r == 0 && *p == '=')
            p++;
        if (r == 0)
            r = add_normal(&q.text, &p, "&");
        q.count++;
    }
    if (r == 0 && q.text.failed)
        r = -ENOMEM;
    /* The text has stopped moving: now it can be pointed into. */
    at = q.text.data;
    for (size_t i = 0; r == 0 && i < q.count; i++) {
        q.parts[i].name = at;
        at += strlen(at) + 1;
        q.parts[i].value = at;
        at += strlen(at) + 1;
    }
    if (r == 0)
        qsort(q.parts, q.count, sizeof(*q.parts), compare_parts);
    else
        q.count = 0;
    *ret_query = q;
    return r;
}

void sigv4_query_free(struct sigv4_query *query) {
    buf_free(&query->text);
    free(query->parts);
    *query = (struct sigv4_query){0};
}

const char *sigv4_query_find(const struct sigv4_query *query, const char *name, size_t *ret_count) {
    const char *found = NULL;

    *ret_count = 0;
    for (size_t i = 0; i < query->count; i++)
        if (!strcmp(query->parts[i].name, name)) {
            if (!found)
                found = query->parts[i].value;
            (*ret_count)++;
        }
    return found;
}

int sigv4_query_decode(const char *encoded, char *out, size_t size) {
    size_t n = 0;

    while (*encoded) {
        int c = next_byte(&encoded);

        if (c <= 0 || n + 1 >= size)
            return -EINVAL;
        out[n++] = (char)c;
    }
    out[n] = 0;
    return 0;
}

/*
 * The path without empty, "." and ".." segments, encoded once more on top of the client's own
 * encoding (all services but S3 do that).
 */
static void add_path(struct buf *out, const char *path) {
    size_t begin = out->len, len = strlen(path);
    bool slash = len > 0 && path[len - 1] == '/';

    while (*path) {
        size_t n;

        path += strspn(path, "/");
        n = strcspn(path, "/");
        if (n == 2 && path[0] == '.' && path[1] == '.') {
            while (out->len > begin && out->data[--out->len] != '/')
                ;
        } else if (n && !(n == 1 && path[0] == '.')) {
            buf_addc(out, '/');
            for (size_t i = 0; i < n; i++)
                add_encoded(out, (uint8_t)path[i]);
        }
        path += n;
    }
    if (slash || out->len == begin)
        buf_addc(out, '/');
}

/* Without blanks around it, and runs of them as one. */
static void add_value(struct buf *out, const char *value) {
    bool blank = false, begun = false;

    for (; *value; value++) {
        if (*value == ' ' || *value == '\t') {
            blank = true;
            continue;
        }
        if (blank && begun)
            buf_addc(out, ' ');
        buf_addc(out, *value);
        blank = false;
        begun = true;
    }
}

/* "name:value,value\n" of all the headers of that name, in their order. */
static void add_header(struct buf *out, const struct sigv4_request *req, const char *name,
                       size_t n) {
    bool first = true;

    buf_add(out, name, n);
    buf_addc(out, ':');
    for (size_t i = 0; i < req->header_count; i++) {
        if (strlen(req->headers[i].name) != n || strncasecmp(req->headers[i].name, name, n) != 0)
            continue;
        if (!first)
            buf_addc(out, ',');
        add_value(out, req->headers[i].value);
        first = false;
    }
    buf_addc(out, '\n');
}

void sigv4_canonical_request(const struct sigv4_request *req, const struct sigv4_query *query,
                             const char *without, const char *signed_headers,
                             const char *payload_hash, struct buf *out) {
    const char *separator = "";

    buf_adds(out, req->method);
    buf_addc(out, '\n');
    add_path(out, req->path);
    buf_addc(out, '\n');
    for (size_t i = 0; i < query->count; i++) {
        if (without && !strcmp(query->parts[i].name, without))
            continue;
        buf_adds(out, separator);
        buf_adds(out, query->parts[i].name);
        buf_addc(out, '=');
        buf_adds(out, query->parts[i].value);
        separator = "&";
    }
    buf_addc(out, '\n');
    for (const char *p = signed_headers; *p;) {
        size_t n = strcspn(p, ";");

        add_header(out, req, p, n);
        p += n + (p[n] == ';');
    }
    buf_addc(out, '\n');
    buf_adds(out, signed_headers);
    buf_addc(out, '\n');
    buf_adds(out, payload_hash);
}
