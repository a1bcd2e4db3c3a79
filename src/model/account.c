/* SPDX-License-Identifier: Apache-2.0 */
#include "model/account.h"

#include <stdio.h>
#include <string.h>

static const struct field limit_fields[] = {
    FIELD(1, FT_STR, struct account_limit, name, NULL),
    FIELD(2, FT_INT, struct account_limit, value, NULL),
};
static const struct desc limit_desc =
    DESC_STORED("account limit", struct account_limit, limit_fields);

static const struct field account_fields[] = {
    FIELD(1, FT_STR, struct account, name, NULL),
    FIELD(2, FT_TIME, struct account, created, NULL),
    FIELD(3, FT_STRS, struct account, defaults, NULL),
    FIELD(4, FT_LIST, struct account, limits, NULL, .sub = &limit_desc),
};
const struct desc account_desc = DESC_STORED("account", struct account, account_fields);

static const struct field access_key_fields[] = {
    FIELD(1, FT_STR, struct access_key, secret, NULL),
    FIELD(2, FT_INT, struct access_key, account, NULL),
    FIELD(3, FT_TIME, struct access_key, created, NULL),
};
const struct desc access_key_desc = DESC_STORED("key", struct access_key, access_key_fields);

static const struct field claim_fields[] = {
    FIELD(1, FT_STR, struct claim, owner, NULL),
};
const struct desc claim_desc = DESC_STORED("claim", struct claim, claim_fields);

static const struct field token_fields[] = {
    FIELD(1, FT_BLOB, struct token, digest, NULL),
    FIELD(2, FT_BLOB, struct token, reply, NULL),
    FIELD(3, FT_TIME, struct token, created, NULL),
};
const struct desc token_desc = DESC_STORED("token", struct token, token_fields);

static const struct field sgset_fields[] = {
    FIELD(SGSET_BY_VPC, FT_STR, struct sgset, vpc_id, NULL, .flags = FF_INDEXED),
    FIELD(2, FT_INT, struct sgset, number, NULL),
    FIELD(SGSET_BY_GROUP, FT_STRS, struct sgset, groups, NULL, .flags = FF_INDEXED),
    FIELD(4, FT_INT, struct sgset, users, NULL),
};
const struct desc sgset_desc = DESC_STORED("sgset", struct sgset, sgset_fields);

char *sgset_id(const char *vpc_id, int64_t number, char *out) {
    snprintf(out, ID_MAX + 1, "%s/%05lld", vpc_id, (long long)number);
    return out;
}

bool account_id_valid(const char *id) {
    return strlen(id) == 12 && strspn(id, "0123456789") == 12 && strspn(id, "0") != 12;
}
