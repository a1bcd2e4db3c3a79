/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `Filter.N` of a Describe call, by the field table of what it describes.
 *
 * A filter matches when any of its values matches any value that its name stands for; an object
 * passes when all filters match. Values may hold the wildcards `*` and `?` (`\` quotes them).
 * A field's `filter` may give several names, divided by '|'. The names of the fields of a list or
 * struct begin with the list's own: "cidr-block-association" and "state" make
 * "cidr-block-association.state". "tag:KEY" looks at tags.
 */
#ifndef VPCD_MODEL_FILTER_H
#define VPCD_MODEL_FILTER_H

#include "model/field.h"

struct filter {
    char *name;
    struct list values; /* of strings */
};
extern const struct desc filter_desc; /* as a request parameter: Name, Value.N */

#define FILTERS_MAX 50        /* of one call (EC2's limit is 10 to 50, by action) */
#define FILTER_VALUES_MAX 200 /* of one call, in all (EC2 user guide, "Resource filters") */
#define FILTER_VALUE_MAX 256  /* characters, as many as a tag's value has */

/*
 * What the filters of one call may cost, in steps: one for each character that is compared and each
 * field that is looked at. A wildcard costs up to pattern times text, for each value and object;
 * all other calls wait meanwhile. A step takes one or two nanoseconds, and 200 plain values over
 * 5,000 interfaces take fewer than half of them.
 */
#define FILTER_STEPS_MAX 20000000

/*
 * The field by which the index finds all objects that the filter lets pass: an indexed one that
 * alone has the filter's name, for a few values without wildcards. Else NULL.
 */
#define FILTER_INDEX_VALUES 16
const struct field *filter_indexed(const struct desc *d, const struct filter *f);

/* True when the description knows a filter of this name. */
bool filter_known(const struct desc *d, const char *name);
/* False also when look->steps came to its end, which is then 0: the caller's error. */
bool filters_match(const struct desc *d, const struct look *look, const void *obj,
                   const struct list *filters);

#endif
