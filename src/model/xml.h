/* SPDX-License-Identifier: Apache-2.0 */
/* Writes XML, and objects by their field tables. Output only: nothing here reads XML. */
#ifndef VPCD_MODEL_XML_H
#define VPCD_MODEL_XML_H

#include "model/field.h"

struct xml {
    struct buf *out; /* one check of out->failed at the end is enough */
};

void xml_open(struct xml *x, const char *element);
void xml_close(struct xml *x, const char *element);
/* <element>text</element>, escaped; nothing for NULL. Bytes that XML 1.0 forbids become '?'. */
void xml_text(struct xml *x, const char *element, const char *text);
void xml_textf(struct xml *x, const char *element, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void xml_bool(struct xml *x, const char *element, bool v);

/* The fields of an object, without an element around them. `d` may be a view of it. */
void xml_fields(struct xml *x, const struct desc *d, const struct look *look, const void *obj);
/* The same with other text for one element: a Create call answers `pending` for what is there
 * already. */
void xml_fields_as(struct xml *x, const struct desc *d, const struct look *look, const void *obj,
                   const char *element, const char *text);

#endif
