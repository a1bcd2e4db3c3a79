/* SPDX-License-Identifier: Apache-2.0 */
#include "model/filter.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "model/object.h"

#define TEXT_STEPS 32 /* the cost of a field's text besides its length */

static const struct field filter_fields[] = {
    FIELD(0, FT_STR, struct filter, name, "Name", .flags = FF_REQUIRED, .max = 255),
    FIELD(0, FT_STRS, struct filter, values, "Value", .max = 4 * FILTER_VALUE_MAX),
};
const struct desc filter_desc = DESC("filter", struct filter, filter_fields);

/* If `name` is one of the alternatives, or begins with one and a dot: what follows ("" or "rest").
 */
static const char *name_after(const char *alternatives, const char *name, bool prefix) {
    while (*alternatives) {
        size_t n = strcspn(alternatives, "|");

        if (strncmp(name, alternatives, n) == 0) {
            if (!prefix && !name[n])
                return name + n;
            if (prefix && name[n] == '.')
                return name + n + 1;
        }
        alternatives += n;
        alternatives += *alternatives == '|';
    }
    return NULL;
}

static void spend(const struct look *look, uint64_t steps) {
    if (look->steps)
        *look->steps -= steps < *look->steps ? steps : *look->steps;
}

static bool value_matches(const struct look *look, const struct list *values, const char *text) {
    uint64_t unlimited = UINT64_MAX;

    list_each (char *, v, *values)
        if (wildcard_match_within(*v, text, look->steps ? look->steps : &unlimited))
            return true;
    return false;
}

/* Getters may yield several values, divided by NUL bytes. */
static bool text_matches(const struct field *f, const struct look *look, const void *obj,
                         const struct list *values) {
    _buf_ struct buf text = BUF_INIT;

    if (f->type == FT_GET) {
        if (!f->get(look, obj, &text))
            return false;
    } else if (field_absent(f, obj)) {
        return false;
    } else {
        field_text(f, look, obj, &text);
    }
    spend(look, TEXT_STEPS + text.len);
    for (size_t at = 0; at == 0 || at < text.len;) {
        const char *s = buf_str(&text) + at;

        if (value_matches(look, values, s))
            return true;
        at += strlen(s) + 1;
    }
    return false;
}

enum match { NO_SUCH_NAME, NO_MATCH, MATCH };

/* With obj NULL: only whether the name is known. */
static enum match match_fields(const struct desc *d, const struct look *look, const void *obj,
                               const char *name, const struct list *values) {
    enum match best = NO_SUCH_NAME;

    if (obj)
        spend(look, d->n_fields);
    for (uint16_t i = 0; i < d->n_fields && best != MATCH; i++) {
        const struct field *f = &d->fields[i];
        const void *p = obj ? field_at(f, obj) : NULL;
        enum match m = NO_SUCH_NAME;
        const char *rest;

        if (!f->filter)
            continue;
        if (f->type == FT_LIST || f->type == FT_STRUCT) {
            const struct list *l = p;

            rest = *f->filter ? name_after(f->filter, name, true) : name;
            if (!rest)
                continue;
            m = match_fields(f->sub, look, f->type == FT_STRUCT ? p : NULL, rest, values);
            if (f->type == FT_LIST && m != NO_SUCH_NAME)
                for (uint32_t k = 0; l && k < l->n && m != MATCH; k++)
                    m = match_fields(f->sub, look, (char *)l->items + k * f->sub->size, rest,
                                     values);
        } else if (name_after(f->filter, name, false)) {
            m = NO_MATCH;
            if (p && f->type == FT_STRS) {
                list_each (char *, s, *(const struct list *)p)
                    if (value_matches(look, values, *s))
                        m = MATCH;
            } else if (p && text_matches(f, look, obj, values)) {
                m = MATCH;
            }
        }
        if (m > best)
            best = m;
    }
    return best;
}

static const struct field *tags_field(const struct desc *d) {
    for (uint16_t i = 0; i < d->n_fields; i++)
        if (d->fields[i].type == FT_LIST && d->fields[i].sub == &tag_desc)
            return &d->fields[i];
    return NULL;
}

bool filter_known(const struct desc *d, const char *name) {
    static const struct list none;

    if (strncmp(name, "tag:", 4) == 0)
        return tags_field(d) != NULL;
    return match_fields(d, NULL, NULL, name, &none) != NO_SUCH_NAME;
}

const struct field *filter_indexed(const struct desc *d, const struct filter *fl) {
    static const struct list none;
    const struct field *found = NULL;

    if (fl->values.n > FILTER_INDEX_VALUES)
        return NULL;
    list_each (char *, v, fl->values)
        if (strpbrk(*v, "*?\\"))
            return NULL;
    for (uint16_t i = 0; i < d->n_fields; i++) {
        const struct field *f = &d->fields[i];
        const char *rest;

        if (!f->filter)
            continue;
        if (f->type == FT_LIST || f->type == FT_STRUCT) {
            rest = *f->filter ? name_after(f->filter, fl->name, true) : fl->name;
            if (rest && match_fields(f->sub, NULL, NULL, rest, &none) != NO_SUCH_NAME)
                return NULL;
        } else if (name_after(f->filter, fl->name, false)) {
            if (found || !f->num || !(f->flags & FF_INDEXED))
                return NULL;
            found = f;
        }
    }
    return found;
}

static bool filter_match(const struct desc *d, const struct look *look, const void *obj,
                         const struct filter *fl) {
    const struct field *tags;
    const char *value;

    if (strncmp(fl->name, "tag:", 4) != 0)
        return match_fields(d, look, obj, fl->name, &fl->values) == MATCH;
    tags = tags_field(d);
    value = tags ? tags_get(field_at(tags, obj), fl->name + 4) : NULL;
    return value && value_matches(look, &fl->values, value);
}

bool filters_match(const struct desc *d, const struct look *look, const void *obj,
                   const struct list *filters) {
    list_each (struct filter, fl, *filters)
        if (!filter_match(d, look, obj, fl) || (look->steps && !*look->steps))
            return false;
    return true;
}
