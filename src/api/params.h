/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decodes a call's parameters into a C struct by its field table (model/field.h).
 *
 * A field's `wire` is the parameter's name; it may hold dots ("EnableDnsSupport.Value"). Lists
 * count their items in the name ("Filter.1.Name", "SubnetId.1"), from 1 or, as some clients do,
 * from 0, in the order of the numbers; gaps are allowed. What the table does not know is an error,
 * and so are values that are no number, address, ... or beyond the field's bounds.
 */
#ifndef VPCD_API_PARAMS_H
#define VPCD_API_PARAMS_H

#include "api/form.h"
#include "model/field.h"

#define LIST_PARAMS_MAX 1000 /* items of one list */

struct param_error {
    const char *code; /* EC2's */
    char message[512];
};

/* Into a zeroed struct, which desc_clear frees. 0, or -EINVAL with *ret_error; that is
 * MissingParameter only when everything that the table knows was found well and marked as used. */
int params_decode(const struct desc *d, struct form *f, void *out, struct param_error *ret_error);

/* 0 when every pair was used by some table, else -EINVAL. */
int params_unused(const struct form *f, struct param_error *ret_error);

#endif
