/* SPDX-License-Identifier: Apache-2.0 */
#include "api/params.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/text.h"

#define NAME_MAX_BYTES 256
#define STRING_MAX 4096 /* of a value whose field gives no bound */

static int bad(struct param_error *e, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int bad(struct param_error *e, const char *code, const char *fmt, ...) {
    va_list ap;

    e->code = code;
    va_start(ap, fmt);
    vsnprintf(e->message, sizeof(e->message), fmt, ap);
    va_end(ap);
    return -EINVAL;
}

static int no_memory(struct param_error *e) {
    return bad(e, "InternalError", "Memory is short; try again");
}

static int bad_value(struct param_error *e, const char *name, const char *value, const char *what) {
    return bad(e, "InvalidParameterValue", "Value (%.128s) for parameter %s is invalid. %s", value,
               name, what);
}

static int decode_string(const struct field *f, const char *name, const char *v, char **ret,
                         struct param_error *e) {
    size_t max = f->max ? (size_t)f->max : STRING_MAX, n = strlen(v);

    if (n > max)
        return bad(e, "InvalidParameterValue",
                   "The value of parameter %s is longer than %zu characters.", name, max);
    if (n < (size_t)f->min)
        return bad(e, "InvalidParameterValue",
                   "The value of parameter %s is shorter than %zu characters.", name,
                   (size_t)f->min);
    free(*ret);
    *ret = strdup(v);
    return *ret ? 0 : no_memory(e);
}

static int decode_bool(const char *v, bool *ret) {
    bool yes = strcasecmp(v, "true") == 0;

    if (!yes && strcasecmp(v, "false") != 0)
        return -EINVAL;
    *ret = yes;
    return 0;
}

static int decode_number(const struct field *f, const char *name, const char *v, int64_t *ret,
                         struct param_error *e) {
    int64_t min = f->min || f->max ? f->min : INT32_MIN,
            max = f->min || f->max ? f->max : INT32_MAX;
    int r = int_parse(v, min, max, ret);

    if (r == -ERANGE)
        return bad(e, "InvalidParameterValue",
                   "Value (%.32s) for parameter %s is invalid. It must be from %lld to %lld.", v,
                   name, (long long)min, (long long)max);
    return r < 0 ? bad_value(e, name, v, "It must be an integer.") : 0;
}

static int decode_value(const struct field *f, const char *name, const char *v, void *p,
                        struct param_error *e) {
    struct blob *b = p;
    int64_t number;
    size_t len;
    bool yes;
    int r;

    switch ((enum field_type)f->type) {
    case FT_STR:
        return decode_string(f, name, v, p, e);
    case FT_BOOL:
        return decode_bool(v, p) < 0 ? bad_value(e, name, v, "It must be true or false.") : 0;
    case FT_TRI:
        if (decode_bool(v, &yes) < 0)
            return bad_value(e, name, v, "It must be true or false.");
        *(uint8_t *)p = yes ? TRI_TRUE : TRI_FALSE;
        return 0;
    case FT_INT:
        return decode_number(f, name, v, p, e);
    case FT_OPTINT:
        r = decode_number(f, name, v, &number, e);
        if (r == 0)
            *(struct optint *)p = (struct optint){.v = number, .set = true};
        return r;
    case FT_IP:
        return ip_parse(v, p) < 0 ? bad_value(e, name, v, "It is not a valid IP address.") : 0;
    case FT_CIDR:
        return cidr_parse(v, p) < 0 ? bad_value(e, name, v, "This is not a valid CIDR block.") : 0;
    case FT_MAC:
        return mac_parse(v, p) < 0 ? bad_value(e, name, v, "It is not a valid MAC address.") : 0;
    case FT_ENUM:
        for (uint8_t i = 1; f->names[i]; i++) {
            if (strcmp(f->names[i], v) == 0) {
                *(uint8_t *)p = i;
                return 0;
            }
        }
        return bad_value(e, name, v, "It is not one of the values that are known.");
    case FT_BLOB:
        if (base64_decode(v, &b->data, &len) < 0)
            return bad_value(e, name, "...", "It must be base64.");
        b->len = (uint32_t)len;
        if (f->max && (int64_t)len > f->max)
            return bad(e, "InvalidParameterValue",
                       "The value of parameter %s is longer than %lld bytes.", name,
                       (long long)f->max);
        return 0;
    default:
        return bad(e, "InternalError", "Parameter %s cannot be decoded", name);
    }
}

static int decode_struct(const struct desc *d, struct form *form, const char *prefix, void *out,
                         struct param_error *e);

static int by_number(const void *a, const void *b) {
    long x = *(const long *)a, y = *(const long *)b;

    return x < y ? -1 : x > y;
}

/*
 * The item numbers of the list `name`, ascending: its pairs begin with "name.N". One pass over the
 * list's pairs, so that decoding a form costs its pairs times the depth of the tables, whatever was
 * sent. 0 or -ENOMEM; *ret_numbers is the caller's.
 */
static int item_numbers(struct form *form, const char *name, long **ret_numbers, size_t *ret_n) {
    char prefix[NAME_MAX_BYTES + 1];
    size_t n = (size_t)snprintf(prefix, sizeof(prefix), "%s.", name);
    size_t first = form_lower(form, prefix), end = first, count = 0, unique = 0;
    long *numbers;

    while (end < form->n && strncmp(form->pairs[end].name, prefix, n) == 0)
        end++;
    form->steps += end - first + 1;
    numbers = calloc(end - first + 1, sizeof(*numbers));
    if (!numbers)
        return -ENOMEM;
    for (size_t i = first; i < end; i++) {
        const char *digits = form->pairs[i].name + n;
        char *rest;
        long v;

        if (*digits < '0' || *digits > '9')
            continue;
        v = strtol(digits, &rest, 10);
        if (*rest == '.' || !*rest)
            numbers[count++] = v;
    }
    qsort(numbers, count, sizeof(*numbers), by_number);
    for (size_t i = 0; i < count; i++)
        if (!unique || numbers[i] != numbers[unique - 1])
            numbers[unique++] = numbers[i];
    *ret_numbers = numbers;
    *ret_n = unique;
    return 0;
}

/* The first one is told, unless something worse is found: decoding goes on. */
static void missing(struct param_error *e, const char *name) {
    if (!e->code)
        bad(e, "MissingParameter", "The request must contain the parameter %s", name);
}

static int decode_item(const struct field *f, struct form *form, const char *name, long number,
                       struct list *l, struct param_error *e) {
    void *item = list_add(l, f->type == FT_STRS ? sizeof(char *) : f->sub->size);
    char item_name[NAME_MAX_BYTES];
    struct pair *p;

    if (!item)
        return no_memory(e);
    if (snprintf(item_name, sizeof(item_name), "%s.%ld", name, number) >= (int)sizeof(item_name))
        return bad(e, "InvalidParameterValue", "The name of a parameter is too long.");
    if (f->type == FT_LIST)
        return decode_struct(f->sub, form, item_name, item, e);
    p = form_find(form, item_name);
    return decode_string(f, item_name, p ? p->value : "", item, e);
}

static int decode_list(const struct field *f, struct form *form, const char *name, struct list *l,
                       struct param_error *e) {
    _free_ long *numbers = NULL;
    size_t n = 0;
    int r = 0;

    if (item_numbers(form, name, &numbers, &n) < 0)
        return no_memory(e);
    if (n > LIST_PARAMS_MAX)
        return bad(e, "InvalidParameterValue", "The list %s has more than %d items.", name,
                   LIST_PARAMS_MAX);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = decode_item(f, form, name, numbers[i], l, e);
    if (r == 0 && !n && (f->flags & FF_REQUIRED))
        missing(e, name);
    return r;
}

static int decode_struct(const struct desc *d, struct form *form, const char *prefix, void *out,
                         struct param_error *e) {
    char name[NAME_MAX_BYTES];

    for (uint16_t i = 0; i < d->n_fields; i++) {
        const struct field *f = &d->fields[i];
        void *at = field_at(f, out);
        struct pair *p;
        int r;

        if (snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? "." : "", f->wire) >=
            (int)sizeof(name))
            return bad(e, "InvalidParameterValue", "The name of a parameter is too long.");
        if (f->type == FT_LIST || f->type == FT_STRS) {
            r = decode_list(f, form, name, at, e);
        } else if (f->type == FT_STRUCT) {
            r = decode_struct(f->sub, form, name, at, e);
        } else {
            p = form_find(form, name);
            if (!p && (f->flags & FF_REQUIRED))
                missing(e, name);
            if (p && !*p->value && (f->flags & FF_REQUIRED)) {
                missing(e, name);
                p = NULL;
            }
            r = p ? decode_value(f, name, p->value, at, e) : 0;
        }
        if (r < 0)
            return r;
    }
    return 0;
}

int params_decode(const struct desc *d, struct form *f, void *out, struct param_error *ret_error) {
    int r;

    ret_error->code = NULL;
    r = decode_struct(d, f, "", out, ret_error);
    if (r == 0 && ret_error->code)
        r = -EINVAL;
    if (r < 0)
        desc_clear(d, out);
    return r;
}

int params_unused(const struct form *f, struct param_error *ret_error) {
    for (size_t i = 0; i < f->n; i++)
        if (!f->pairs[i].used)
            return bad(ret_error, "UnknownParameter", "The parameter %.128s is not recognized",
                       f->pairs[i].name);
    return 0;
}
