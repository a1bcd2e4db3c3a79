/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the index counts beside its rows (index.h): one tally for each scope and kind, and for each
 * value of a field with FF_COUNTED.
 */
#ifndef VPCD_MODEL_TALLY_H
#define VPCD_MODEL_TALLY_H

#include "model/object.h"

struct tallies;

struct tally {
    size_t objects;
    int64_t weights[WEIGHTS];
};

struct tallies *tallies_new(void);
void tallies_free(struct tallies *t); /* NULL is fine */
/* Counts an object in; 0 or -ENOMEM (nothing changed). */
int tallies_add(struct tallies *t, const struct obj *o);
void tallies_drop(struct tallies *t, const struct obj *o);
/* Never NULL; valid until the next change. */
const struct tally *tally_in(const struct tallies *t, enum kind k, struct scope s);
const struct tally *tally_by(const struct tallies *t, enum kind k, uint16_t field,
                             const char *value);

#endif
