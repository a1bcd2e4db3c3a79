/* SPDX-License-Identifier: Apache-2.0 */
#include "model/xml.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

void xml_open(struct xml *x, const char *element) {
    buf_addc(x->out, '<');
    buf_adds(x->out, element);
    buf_addc(x->out, '>');
}

void xml_close(struct xml *x, const char *element) {
    buf_adds(x->out, "</");
    buf_adds(x->out, element);
    buf_addc(x->out, '>');
}

/* Whatever the text holds, the document stays well-formed. */
static void add_escaped(struct buf *out, const char *s) {
    for (size_t n; *s; s += n ? n : 1) {
        n = utf8_length(s);
        switch (*s) {
        case '&':
            buf_adds(out, "&amp;");
            break;
        case '<':
            buf_adds(out, "&lt;");
            break;
        case '>':
            buf_adds(out, "&gt;");
            break;
        case '"':
            buf_adds(out, "&quot;");
            break;
        case '\r':
            buf_adds(out, "&#13;");
            break;
        default:
            buf_add(out, n ? s : "?", n ? n : 1);
        }
    }
}

void xml_text(struct xml *x, const char *element, const char *text) {
    if (!text)
        return;
    xml_open(x, element);
    add_escaped(x->out, text);
    xml_close(x, element);
}

void xml_textf(struct xml *x, const char *element, const char *fmt, ...) {
    char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0) {
        text = NULL;
        x->out->failed = true;
    }
    va_end(ap);
    xml_text(x, element, text);
    free(text);
}

void xml_bool(struct xml *x, const char *element, bool v) {
    xml_text(x, element, v ? "true" : "false");
}

static void field_list(struct xml *x, const struct field *f, const struct look *look,
                       const struct list *l) {
    if (!l->n && (f->flags & FF_SKIP_EMPTY))
        return;
    xml_open(x, f->wire);
    for (uint32_t i = 0; i < l->n; i++) {
        if (f->type == FT_STRS) {
            xml_text(x, "item", list_str(*l, i));
            continue;
        }
        xml_open(x, "item");
        xml_fields(x, f->sub, look, (char *)l->items + i * f->sub->size);
        xml_close(x, "item");
    }
    xml_close(x, f->wire);
}

static void field_scalar(struct xml *x, const struct field *f, const struct look *look,
                         const void *obj) {
    _buf_ struct buf text = BUF_INIT;

    if (f->type == FT_GET) {
        if (!f->get(look, obj, &text))
            return;
    } else {
        field_text(f, look, obj, &text);
    }
    if (text.failed)
        x->out->failed = true;
    if (f->flags & FF_WRAP_VALUE) {
        xml_open(x, f->wire);
        xml_text(x, "value", buf_str(&text));
        xml_close(x, f->wire);
    } else {
        xml_text(x, f->wire, buf_str(&text));
    }
}

void xml_fields_as(struct xml *x, const struct desc *d, const struct look *look, const void *obj,
                   const char *element, const char *text) {
    for (uint16_t i = 0; i < d->n_fields; i++) {
        const struct field *f = &d->fields[i];

        if (!f->wire)
            continue;
        if (element && strcmp(f->wire, element) == 0) {
            xml_text(x, element, text);
        } else if (f->type == FT_LIST || f->type == FT_STRS) {
            field_list(x, f, look, field_at(f, obj));
        } else if (f->type == FT_EMIT) {
            f->emit(x, look, obj);
        } else if (field_absent(f, obj)) {
            continue;
        } else if (f->type == FT_STRUCT) {
            xml_open(x, f->wire);
            xml_fields(x, f->sub, look, field_at(f, obj));
            xml_close(x, f->wire);
        } else {
            field_scalar(x, f, look, obj);
        }
    }
}

void xml_fields(struct xml *x, const struct desc *d, const struct look *look, const void *obj) {
    xml_fields_as(x, d, look, obj, NULL, NULL);
}
