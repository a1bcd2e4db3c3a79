/* SPDX-License-Identifier: Apache-2.0 */
/* Forms and the decoding of parameters on any bytes, by a table with every type of field. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/params.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const colors[] = {"", "red", "blue", NULL};

struct leaf {
    char *name;
    struct list values;
    struct cidr cidr;
};
static const struct field leaf_fields[] = {
    FIELD(0, FT_STR, struct leaf, name, "Name", .flags = FF_REQUIRED, .max = 20),
    FIELD(0, FT_STRS, struct leaf, values, "Value"),
    FIELD(0, FT_CIDR, struct leaf, cidr, "Cidr"),
};
static const struct desc leaf_desc = DESC("leaf", struct leaf, leaf_fields);

struct branch {
    struct list leaves;
    struct leaf own;
};
static const struct field branch_fields[] = {
    FIELD(0, FT_LIST, struct branch, leaves, "Leaf", .sub = &leaf_desc),
    FIELD(0, FT_STRUCT, struct branch, own, "Own", .sub = &leaf_desc),
};
static const struct desc branch_desc = DESC("branch", struct branch, branch_fields);

struct params {
    char *text;
    int64_t number;
    struct optint maybe;
    bool yes;
    uint8_t tri, color, mac[6];
    struct blob blob;
    struct ip ip;
    struct list branches, ids;
};
static const struct field fields[] = {
    FIELD(0, FT_STR, struct params, text, "T"),
    FIELD(0, FT_INT, struct params, number, "N", .min = -5, .max = 500),
    FIELD(0, FT_OPTINT, struct params, maybe, "O"),
    FIELD(0, FT_BOOL, struct params, yes, "Y"),
    FIELD(0, FT_TRI, struct params, tri, "Tri"),
    FIELD(0, FT_ENUM, struct params, color, "C", .names = colors),
    FIELD(0, FT_MAC, struct params, mac, "M"),
    FIELD(0, FT_BLOB, struct params, blob, "B", .max = 40),
    FIELD(0, FT_IP, struct params, ip, "Ip"),
    FIELD(0, FT_LIST, struct params, branches, "L", .sub = &branch_desc),
    FIELD(0, FT_STRS, struct params, ids, "Id"),
};
static const struct desc desc = DESC("params", struct params, fields);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct form f = {0};
    struct params p = {0};
    struct param_error e = {0};
    char *copy = malloc(size + 1);

    /* A form of two parts, as a query string and a body; each of exactly its size. */
    memcpy(copy, data, size);
    copy[size] = 0;
    if (form_add(&f, copy, size / 2) == 0 && form_add(&f, copy + size / 2, size - size / 2) == 0 &&
        form_sort(&f) == 0) {
        for (size_t i = 0; i < f.n; i++)
            if (!utf8_valid(f.pairs[i].name) || !utf8_valid(f.pairs[i].value))
                abort();
        if (params_decode(&desc, &f, &p, &e) == 0)
            params_unused(&f, &e);
        else if (!e.code || !*e.message)
            abort();
        desc_clear(&desc, &p);
    }
    form_free(&f);
    free(copy);
    return 0;
}
