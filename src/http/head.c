/* SPDX-License-Identifier: Apache-2.0 */
#include "http/head.h"

#include <ctype.h>
#include <http_parser.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/text.h"

#define METHOD_MAX 32

static int refuse(struct http_head *h, int status, const char *why) {
    h->why = why;
    return status;
}

/* RFC 9110 section 5.6.2. */
static bool is_token(uint8_t c) {
    return c > 0x20 && c < 0x7f && !strchr("\"(),/:;<=>?@[\\]{}", c);
}

static bool is_value(uint8_t c) {
    return c == '\t' || (c >= 0x20 && c != 0x7f);
}

/* Debian's http_parser takes any four letters for "HTTP". */
static int gate_version(struct http_head *h) {
    const char *version = h->raw.data + h->version_at;
    size_t n = h->raw.len - h->version_at;

    if (n < 6 || memcmp(version, "HTTP/", 5) != 0 || version[5] < '0' || version[5] > '9')
        return refuse(h, 400, "The request line is malformed.");
    if (n != 8 || memcmp(version + 5, "1.", 2) != 0 || (version[7] != '0' && version[7] != '1'))
        return refuse(h, 505, "The HTTP version is not supported.");
    return 0;
}

/* One byte through the gate: 0, or the status to refuse with. */
static int gate_byte(struct http_head *h, const struct http_limits *limits, uint8_t c) {
    switch (h->gate) {
    case GATE_METHOD_START:
    case GATE_METHOD:
        if (c == ' ' && h->gate == GATE_METHOD) {
            h->is_head = h->raw.len == 4 && !memcmp(h->raw.data, "HEAD", 4);
            h->gate = GATE_TARGET_START;
        } else if (!is_token(c) || h->raw.len >= METHOD_MAX) {
            return refuse(h, 400, "The request line does not begin with a method.");
        } else {
            h->gate = GATE_METHOD;
        }
        return 0;
    case GATE_TARGET_START:
    case GATE_TARGET:
        if (c == ' ' && h->gate == GATE_TARGET) {
            h->gate = GATE_VERSION;
            h->version_at = h->raw.len + 1;
            return 0;
        }
        if (c <= 0x20 || c >= 0x7f || c == '#')
            return refuse(h, 400, "The request target has a character that it must not have.");
        if (++h->target_len > limits->target)
            return refuse(h, 414, "The request target is too long.");
        h->gate = GATE_TARGET;
        return 0;
    case GATE_VERSION:
        if (c == '\r') {
            h->gate = GATE_LINE_LF;
            return gate_version(h);
        }
        if (c <= 0x20 || c >= 0x7f)
            return refuse(h, 400, "The request line is malformed.");
        return 0;
    case GATE_NAME_START:
        if (c == '\r') {
            h->gate = GATE_END_LF;
            return 0;
        }
        if (c == ' ' || c == '\t')
            return refuse(h, 400, "Folded header lines are not accepted.");
        if (++h->lines > limits->headers)
            return refuse(h, 431, "There are too many headers.");
        if (!is_token(c))
            return refuse(h, 400, "A header name is malformed.");
        h->gate = GATE_NAME;
        return 0;
    case GATE_NAME:
        if (c == ':')
            h->gate = GATE_VALUE;
        else if (!is_token(c))
            return refuse(h, 400, "A header name is malformed.");
        return 0;
    case GATE_VALUE:
        if (c == '\r')
            h->gate = GATE_VALUE_LF;
        else if (!is_value(c))
            return refuse(h, 400, "A header has a character that it must not have.");
        return 0;
    case GATE_LINE_LF:
    case GATE_VALUE_LF:
    case GATE_END_LF:
        if (c != '\n')
            return refuse(h, 400, "A carriage return stands alone.");
        h->gate = h->gate == GATE_END_LF ? GATE_DONE : GATE_NAME_START;
        return 0;
    case GATE_DONE:
        break;
    }
    return refuse(h, 500, "The head is complete already.");
}

/* Where http_parser found things; pointers into `raw`. */
struct parse {
    struct http_head *h;
    char *target;
    size_t target_len;
    bool in_value;
    bool done;
};

/* http_parser may report a text in pieces; they are contiguous, as everything is in one buffer. */
static int on_url(http_parser *parser, const char *at, size_t len) {
    struct parse *p = parser->data;

    if (!p->target)
        p->target = (char *)(uintptr_t)at;
    p->target_len = (size_t)(at + len - p->target);
    return 0;
}

static int on_name(http_parser *parser, const char *at, size_t len) {
    struct parse *p = parser->data;

    if (p->in_value || !p->h->header_count) {
        if (p->h->header_count >= p->h->lines)
            return -1;
        p->h->headers[p->h->header_count++].name = at;
    }
    p->in_value = false;
    return 0;
}

static int on_value(http_parser *parser, const char *at, size_t len) {
    struct parse *p = parser->data;

    if (!p->h->header_count)
        return -1;
    if (!p->in_value)
        p->h->headers[p->h->header_count - 1].value = at;
    p->in_value = true;
    return 0;
}

static int on_headers_complete(http_parser *parser) {
    struct parse *p = parser->data;

    p->done = true;
    return 0;
}

/* Ends names and values with NULs in place. The gate guarantees the ':' and the CR behind them. */
static int cut_headers(struct http_head *h) {
    for (size_t i = 0; i < h->header_count; i++) {
        char *name = (char *)(uintptr_t)h->headers[i].name, *value, *end;

        if (!h->headers[i].value)
            return -1;
        value = strchr(name, ':');
        if (!value)
            return -1;
        *value++ = 0;
        end = strchr(value, '\r');
        if (!end)
            return -1;
        while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
            end--;
        *end = 0;
        h->headers[i].value = value + strspn(value, " \t");
    }
    return 0;
}

static const char *find(const struct http_head *h, const char *name, size_t *ret_count) {
    const char *found = NULL;

    *ret_count = 0;
    for (size_t i = 0; i < h->header_count; i++)
        if (!strcasecmp(h->headers[i].name, name)) {
            if (!found)
                found = h->headers[i].value;
            (*ret_count)++;
        }
    return found;
}

static bool host_is_sane(const char *host) {
    size_t n = strlen(host);

    return n > 0 && n <= 300 &&
           strspn(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:[]%") ==
               n;
}

/*
 * Splits a copy of the target into path and query. Of the four forms of RFC 9112 section 3.2 the
 * origin form is served, and the absolute one if it names the same host as the Host header, which
 * is what the signature covers.
 */
static int split_target(struct http_head *h, const char *host) {
    char *path;

    h->target_copy = path = strdup(h->target);
    if (!path)
        return refuse(h, 500, "Memory is short.");
    if (*path != '/') {
        size_t scheme = !strncasecmp(path, "http://", 7)    ? 7
                        : !strncasecmp(path, "https://", 8) ? 8
                                                            : 0;
        char *authority = path + scheme;
        size_t n = strcspn(authority, "/?");

        if (!scheme)
            return refuse(h, 400, "The request target is not a path.");
        if (!host || strlen(host) != n || strncasecmp(host, authority, n) != 0)
            return refuse(h, 400, "The request target names another host than the Host header.");
        path = authority + n;
    }
    h->query = strchr(path, '?');
    if (h->query) {
        bool bare = h->query == path; /* http://host?query */

        *h->query++ = 0;
        if (bare)
            path = NULL;
    } else {
        h->query = path + strlen(path);
        if (!*path)
            path = NULL;
    }
    h->path = path ? path : (char *)(uintptr_t) "/";
    return 0;
}

/* What the parser's errors mean. */
static int refuse_parse(struct http_head *h, enum http_errno error) {
    switch (error) {
    case HPE_INVALID_METHOD:
        return refuse(h, 501, "The method is not known.");
    case HPE_INVALID_VERSION:
        return refuse(h, 505, "The HTTP version is not supported.");
    case HPE_HEADER_OVERFLOW:
        return refuse(h, 431, "The headers are too large.");
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_UNEXPECTED_CONTENT_LENGTH:
        return refuse(h, 400, "The body's length is malformed or given twice.");
    case HPE_INVALID_TRANSFER_ENCODING:
        return refuse(h, 400, "The Transfer-Encoding is malformed.");
    default:
        return refuse(h, 400, "The request is malformed.");
    }
}

/* How long is the body? In this order:
 *  1. Transfer-Encoding with Content-Length, or in HTTP/1.0: malformed, an attack
 *  2. Transfer-Encoding alone: nothing that EC2's clients send; refused with 411
 *  3. more than one Content-Length, equal or not: malformed
 *  4. the text must be digits, and the number http_parser's
 *  5. the limit
 */
static int check_length(struct http_head *h, const struct http_limits *limits,
                        const http_parser *parser) {
    size_t encodings, lengths;
    const char *length = find(h, "Content-Length", &lengths);
    int64_t n;

    find(h, "Transfer-Encoding", &encodings);
    if (encodings && (lengths || parser->http_minor == 0))
        return refuse(h, 400, "The body's length is malformed or given twice.");
    if (encodings)
        return refuse(h, 411, "A body needs a Content-Length; transfer codings are not accepted.");
    if (lengths > 1)
        return refuse(h, 400, "The body's length is malformed or given twice.");
    if (!lengths)
        return 0;
    if (!*length || strspn(length, "0123456789") != strlen(length))
        return refuse(h, 400, "The body's length is malformed or given twice.");
    while (length[0] == '0' && length[1])
        length++;
    if (int_parse(length, 0, INT64_MAX, &n) < 0)
        return refuse(h, 413, "The body is too large.");
    if (parser->content_length != (uint64_t)n)
        return refuse(h, 400, "The body's length is malformed or given twice.");
    if ((uint64_t)n > limits->body)
        return refuse(h, 413, "The body is too large.");
    h->content_length = (size_t)n;
    return 0;
}

static int check_method(struct http_head *h, const struct http_limits *limits, unsigned method) {
    unsigned serves = limits->methods ? limits->methods : HTTP_SERVES_GET | HTTP_SERVES_POST,
             bit = method == HTTP_GET    ? HTTP_SERVES_GET
                   : method == HTTP_POST ? HTTP_SERVES_POST
                   : method == HTTP_PUT  ? HTTP_SERVES_PUT
                   : method == HTTP_HEAD ? HTTP_SERVES_HEAD
                                         : 0;

    if (serves & bit)
        return 0;
    return refuse(h, 405,
                  limits->methods ? "The method is not served here."
                                  : "Only GET and POST are served here.");
}

static int check(struct http_head *h, const struct http_limits *limits, const http_parser *parser) {
    size_t hosts, expects;
    const char *host = find(h, "Host", &hosts), *expect = find(h, "Expect", &expects);
    int status;

    if (parser->http_major != 1 || parser->http_minor > 1)
        return refuse(h, 505, "The HTTP version is not supported.");
    status = check_length(h, limits, parser);
    if (status)
        return status;
    status = check_method(h, limits, parser->method);
    if (status)
        return status;
    if (hosts > 1 || (!hosts && parser->http_minor == 1) || (hosts && !host_is_sane(host)))
        return refuse(h, 400, "The request needs one Host header.");
    if (expects > 1 || (expects && strcasecmp(expect, "100-continue") != 0))
        return refuse(h, 417, "The expectation is not known.");
    h->expect_continue = expects && parser->http_minor == 1;
    return split_target(h, host);
}

static int parse(struct http_head *h, const struct http_limits *limits) {
    static const http_parser_settings settings = {
        .on_url = on_url,
        .on_header_field = on_name,
        .on_header_value = on_value,
        .on_headers_complete = on_headers_complete,
    };
    struct parse p = {.h = h};
    http_parser parser;
    size_t used;
    int status;

    h->headers = calloc(h->lines ? h->lines : 1, sizeof(*h->headers));
    if (!h->headers)
        return refuse(h, 500, "Memory is short.");
    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = &p;
    used = http_parser_execute(&parser, &settings, h->raw.data, h->raw.len);
    if (HTTP_PARSER_ERRNO(&parser) != HPE_OK)
        return refuse_parse(h, HTTP_PARSER_ERRNO(&parser));
    if (!p.done || used != h->raw.len || h->header_count != h->lines || !p.target ||
        p.target_len != h->target_len)
        return refuse(h, 400, "The request is malformed.");
    h->keep_alive = parser.http_minor == 1 && http_should_keep_alive(&parser);

    p.target[p.target_len] = 0;
    h->target = p.target;
    h->method = http_method_str((enum http_method)parser.method);
    if (cut_headers(h) < 0)
        return refuse(h, 400, "The request is malformed.");
    status = check(h, limits, &parser);
    return status ? status : HEAD_DONE;
}

int http_head_feed(struct http_head *h, const struct http_limits *limits, const void *data,
                   size_t len, size_t *ret_used) {
    const uint8_t *bytes = data;
    size_t begin = h->raw.len, i;
    int status = 0;

    /* `raw` is extended once for all bytes, but the gate counts in raw.len as it goes. */
    buf_add(&h->raw, data, len);
    if (h->raw.failed) {
        *ret_used = 0;
        return refuse(h, 500, "Memory is short.");
    }
    for (i = 0; i < len && h->gate != GATE_DONE && !status; i++) {
        h->raw.len = begin + i;
        if (h->raw.len >= limits->head)
            status = refuse(h, 431, "The headers are too large.");
        else
            status = gate_byte(h, limits, bytes[i]);
    }
    h->raw.len = begin + i;
    h->raw.data[h->raw.len] = 0;
    *ret_used = i;
    if (status)
        return status;
    return h->gate == GATE_DONE ? parse(h, limits) : HEAD_MORE;
}

void http_head_reset(struct http_head *h) {
    buf_free(&h->raw);
    free(h->target_copy);
    free(h->headers);
    *h = (struct http_head){0};
}
