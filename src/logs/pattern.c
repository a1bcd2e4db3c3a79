/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pattern is a table of terms, or a table of columns whose conditions are trees in one array of
 * nodes. All of it is bounded by the length of the pattern; matching costs its length times the
 * message's at worst.
 */
#include "logs/pattern.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define DEPTH_MAX 16
#define NUMBER_MAX 40
#define NODES_MAX 512
#define COLUMNS_MAX 256
#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

struct text {
    const char *p;
    size_t len;
};

enum term_kind { TERM_INCLUDE, TERM_EXCLUDE, TERM_OPTIONAL };

struct term {
    enum term_kind kind;
    struct text text;
};

enum op { OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE, OP_AND, OP_OR };

struct node {
    enum op op;
    struct text value; /* of a comparison */
    bool is_number;
    double number;
    int left, right; /* of AND and OR */
};

struct column {
    struct text name;
    bool rest; /* "..." */
    int root;  /* node, or -1: any word */
};

struct pattern {
    char text[PATTERN_MAX + 1]; /* everything points into it */
    bool words;
    struct term terms[PATTERN_MAX / 2 + 1];
    size_t n_terms, n_include; /* include: both INCLUDE and EXCLUDE */
    struct column columns[COLUMNS_MAX];
    size_t n_columns;
    struct node nodes[NODES_MAX];
    int n_nodes;
};

struct parser {
    struct pattern *pattern;
    char *p;
    const char *why;
    int depth;
    struct text column; /* the name of the one whose conditions are read */
};

static int fail(struct parser *s, const char *why) {
    s->why = why;
    return -EINVAL;
}

static void skip_blanks(struct parser *s) {
    s->p += strspn(s->p, " \t");
}

static bool take(struct parser *s, const char *what) {
    size_t n = strlen(what);

    skip_blanks(s);
    if (strncmp(s->p, what, n) != 0)
        return false;
    s->p += n;
    return true;
}

/* Behind the opening quote; \" and \\ lose their backslash in place. */
static int take_quoted(struct parser *s, struct text *ret) {
    char *out = s->p;

    ret->p = out;
    for (;; s->p++) {
        if (!*s->p)
            return fail(s, "a quotation mark is not closed");
        if (*s->p == '"')
            break;
        if (*s->p == '\\' && (s->p[1] == '"' || s->p[1] == '\\'))
            s->p++;
        *out++ = *s->p;
    }
    ret->len = (size_t)(out - ret->p);
    s->p++;
    return 0;
}

/* ---- terms ---- */

static int take_term(struct parser *s) {
    struct pattern *p = s->pattern;
    struct term t = {.kind = TERM_INCLUDE};

    if (*s->p == '-' || *s->p == '?')
        t.kind = *s->p++ == '-' ? TERM_EXCLUDE : TERM_OPTIONAL;
    if (*s->p == '"') {
        s->p++;
        if (take_quoted(s, &t.text) < 0)
            return -EINVAL;
    } else {
        t.text = (struct text){s->p, strspn(s->p, NAME_CHARS)};
        s->p += t.text.len;
        if (!t.text.len)
            return fail(s, "terms with other characters than letters, digits and _ must stand in "
                           "double quotation marks");
    }
    if (*s->p && !strchr(" \t", *s->p))
        return fail(s, "terms with other characters than letters, digits and _ must stand in "
                       "double quotation marks");
    /* Nothing but blanks, "   ": everything. */
    if (strspn(t.text.p, " \t") >= t.text.len && t.kind != TERM_EXCLUDE)
        return 0;
    p->n_include += t.kind != TERM_OPTIONAL;
    p->terms[p->n_terms++] = t;
    return 0;
}

/* ---- words ---- */

static int add_node(struct parser *s, struct node n) {
    if (s->pattern->n_nodes == NODES_MAX)
        return fail(s, "there are too many conditions");
    s->pattern->nodes[s->pattern->n_nodes] = n;
    return s->pattern->n_nodes++;
}

static bool number_of(struct text t, double *ret) {
    char copy[NUMBER_MAX], *end;

    if (!t.len || t.len >= sizeof(copy))
        return false;
    memcpy(copy, t.p, t.len);
    copy[t.len] = 0;
    if (strspn(copy, "+-.0123456789eE") != t.len)
        return false;
    *ret = strtod(copy, &end);
    return !*end;
}

static int take_comparison(struct parser *s) {
    static const struct {
        const char *text;
        enum op op;
    } ops[] = {{"!=", OP_NE}, {"<=", OP_LE}, {">=", OP_GE},
               {"=", OP_EQ},  {"<", OP_LT},  {">", OP_GT}};
    struct node n = {.left = -1, .right = -1};
    size_t i;

    for (i = 0; i < ARRAY_SIZE(ops) && !take(s, ops[i].text); i++)
        ;
    if (i == ARRAY_SIZE(ops))
        return fail(s, "behind a column's name one of = != < <= > >= is expected");
    n.op = ops[i].op;
    skip_blanks(s);
    if (*s->p == '%')
        return -ENOTSUP;
    if (*s->p == '"') {
        s->p++;
        if (take_quoted(s, &n.value) < 0)
            return -EINVAL;
    } else {
        n.value = (struct text){s->p, strcspn(s->p, " \t,[]()&|\"")};
        s->p += n.value.len;
        if (!n.value.len)
            return fail(s, "a value is missing");
    }
    n.is_number = number_of(n.value, &n.number);
    if (n.op >= OP_LT && n.op <= OP_GE && !n.is_number)
        return fail(s, "< <= > >= compare with a number");
    return add_node(s, n);
}

static int take_or(struct parser *s);

static int take_unit(struct parser *s) {
    size_t n;
    int r;

    if (take(s, "(")) {
        if (++s->depth > DEPTH_MAX)
            return fail(s, "the parentheses are too deep");
        r = take_or(s);
        s->depth--;
        if (r >= 0 && !take(s, ")"))
            return fail(s, "a parenthesis is not closed");
        return r;
    }
    skip_blanks(s);
    n = strspn(s->p, NAME_CHARS);
    if (!n || n != s->column.len || memcmp(s->p, s->column.p, n) != 0)
        return fail(s, "a column's conditions are about that column");
    s->p += n;
    return take_comparison(s);
}

static int take_chain(struct parser *s, const char *text, enum op op,
                      int (*next)(struct parser *)) {
    int left = next(s);

    while (left >= 0 && take(s, text)) {
        int right = next(s);

        if (right < 0)
            return right;
        left = add_node(s, (struct node){.op = op, .left = left, .right = right});
    }
    return left;
}

static int take_and(struct parser *s) {
    return take_chain(s, "&&", OP_AND, take_unit);
}

static int take_or(struct parser *s) {
    return take_chain(s, "||", OP_OR, take_and);
}

/* The name at hand, also behind parentheses. */
static struct text peek_name(const char *p) {
    p += strspn(p, " \t(");
    return (struct text){p, strspn(p, NAME_CHARS)};
}

static int take_column(struct parser *s) {
    struct pattern *p = s->pattern;
    struct column c = {.root = -1};
    const char *behind;

    if (p->n_columns == COLUMNS_MAX)
        return fail(s, "there are too many columns");
    if (take(s, "...")) {
        for (size_t i = 0; i < p->n_columns; i++)
            if (p->columns[i].rest)
                return fail(s, "... stands twice");
        c.rest = true;
    } else {
        c.name = s->column = peek_name(s->p);
        if (!c.name.len)
            return fail(s, "a column needs a name of letters, digits and _");
        behind = c.name.p + c.name.len;
        behind += strspn(behind, " \t");
        if (*behind == ',' || *behind == ']') {
            skip_blanks(s);
            if (s->p != c.name.p)
                return fail(s, "a parenthesis needs a condition");
            s->p += c.name.len;
        } else {
            c.root = take_or(s);
            if (c.root < 0)
                return c.root;
        }
    }
    p->columns[p->n_columns++] = c;
    return 0;
}

static int take_columns(struct parser *s) {
    int r;

    s->pattern->words = true;
    do {
        r = take_column(s);
        if (r < 0)
            return r;
    } while (take(s, ","));
    if (!take(s, "]"))
        return fail(s, "columns end with ], with commas between");
    skip_blanks(s);
    return *s->p ? fail(s, "nothing may stand behind the ]") : 0;
}

int pattern_parse(const char *text, struct pattern **ret_pattern, const char **ret_why) {
    struct pattern *p;
    struct parser s = {.why = ""};
    int r = 0;

    *ret_why = "";
    if (strlen(text) > PATTERN_MAX) {
        *ret_why = "it is longer than 1024 characters";
        return -EINVAL;
    }
    p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    memcpy(p->text, text, strlen(text) + 1);
    s.pattern = p;
    s.p = p->text;
    skip_blanks(&s);
    if (*s.p == '{' || *s.p == '%')
        r = -ENOTSUP;
    else if (take(&s, "["))
        r = take_columns(&s);
    else
        for (; r == 0 && *s.p; skip_blanks(&s))
            r = take_term(&s);
    if (r < 0) {
        *ret_why = s.why;
        pattern_free(p);
        return r;
    }
    *ret_pattern = p;
    return 0;
}

void pattern_free(struct pattern *p) {
    free(p);
}

/* ---- matching ---- */

static bool match_terms(const struct pattern *p, const char *message, size_t len) {
    bool optional = false, any = false;

    for (size_t i = 0; i < p->n_terms; i++) {
        const struct term *t = &p->terms[i];
        bool found;

        if (t->kind == TERM_OPTIONAL && p->n_include)
            continue;
        found = memmem(message, len, t->text.p, t->text.len) != NULL;
        if (t->kind == TERM_OPTIONAL) {
            optional = true;
            any |= found;
        } else if (found != (t->kind == TERM_INCLUDE)) {
            return false;
        }
    }
    return !optional || any;
}

/* `*` is any text, nothing else is special. */
static bool match_text(struct text pattern, struct text word) {
    size_t p = 0, w = 0, star = SIZE_MAX, mark = 0;

    while (w < word.len) {
        if (p < pattern.len && pattern.p[p] == '*') {
            star = p++;
            mark = w;
        } else if (p < pattern.len && pattern.p[p] == word.p[w]) {
            p++;
            w++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            w = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.p[p] == '*')
        p++;
    return p == pattern.len;
}

static bool equals(const struct node *n, struct text word) {
    double number;

    return match_text(n->value, word) || (n->is_number && number_of(word, &number) &&
                                          !(number < n->number) && !(number > n->number));
}

static bool match_node(const struct pattern *p, int at, struct text word) {
    const struct node *n = &p->nodes[at];
    double number;

    switch (n->op) {
    case OP_AND:
        return match_node(p, n->left, word) && match_node(p, n->right, word);
    case OP_OR:
        return match_node(p, n->left, word) || match_node(p, n->right, word);
    case OP_EQ:
        return equals(n, word);
    case OP_NE:
        return !equals(n, word);
    case OP_LT:
        return number_of(word, &number) && number < n->number;
    case OP_LE:
        return number_of(word, &number) && number <= n->number;
    case OP_GT:
        return number_of(word, &number) && number > n->number;
    case OP_GE:
        return number_of(word, &number) && number >= n->number;
    }
    return false;
}

/* The next word of [*at, end); what is in "" or [] is one, without them. */
static bool next_word(const char **at, const char *end, struct text *ret) {
    const char *p = *at, *close = NULL;

    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n'))
        p++;
    if (p == end)
        return false;
    if (*p == '"' || *p == '[')
        close = memchr(p + 1, *p == '[' ? ']' : '"', (size_t)(end - p) - 1);
    if (close) {
        *ret = (struct text){p + 1, (size_t)(close - p) - 1};
        *at = close + 1;
        return true;
    }
    ret->p = p;
    while (p < end && *p != ' ' && *p != '\t' && *p != '\n')
        p++;
    ret->len = (size_t)(p - ret->p);
    *at = p;
    return true;
}

static bool match_words(const struct pattern *p, const char *message, size_t len) {
    const char *at = message, *end = message + len;
    struct text word;
    size_t n = 0, column = 0, skip = 0;
    bool rest = false;

    while (next_word(&at, end, &word))
        n++;
    for (size_t i = 0; i < p->n_columns; i++)
        rest |= p->columns[i].rest;
    if (rest ? n + 1 < p->n_columns : n != p->n_columns)
        return false;
    at = message;
    for (column = 0; column < p->n_columns; column++) {
        const struct column *c = &p->columns[column];

        if (c->rest) {
            for (skip = n + 1 - p->n_columns; skip; skip--)
                next_word(&at, end, &word);
            continue;
        }
        if (!next_word(&at, end, &word) || (c->root >= 0 && !match_node(p, c->root, word)))
            return false;
    }
    return true;
}

bool pattern_match(const struct pattern *p, const char *message, size_t len) {
    return p->words ? match_words(p, message, len) : match_terms(p, message, len);
}
