/* SPDX-License-Identifier: Apache-2.0 */
/* What another account may do with an interface. */
#ifndef VPCD_MODEL_ENI_PERMISSION_H
#define VPCD_MODEL_ENI_PERMISSION_H

#include "model/object.h"

struct eni_permission {
    struct obj o;
    char *eni_id;
    char *account;    /* 12 digits */
    char *permission; /* "INSTANCE-ATTACH" */
    struct blob unknown;
};

enum {
    ENI_PERMISSION_BY_ENI = 1,
};

extern const struct desc eni_permission_desc;

#endif
