/* SPDX-License-Identifier: Apache-2.0 */
#include "model/key_pair.h"

#include "model/vpc.h"

#define K struct key_pair
/* N(number): the number of a stored field, or 0 in a view. */
#define MADE_FIELDS(N)                                                                             \
    {.type = FT_GET, .wire = "keyPairId", .filter = "key-pair-id", .get = get_id},                 \
        FIELD(N(KEY_PAIR_BY_NAME), FT_STR, K, name, "keyName", .filter = "key-name",               \
              .flags = FF_INDEXED),                                                                \
        FIELD(N(3), FT_STR, K, fingerprint, "keyFingerprint", .filter = "fingerprint"),            \
        FIELD(N(6), FT_LIST, K, tags, "tagSet", .filter = "", .sub = &tag_desc)
#define SHOWN_FIELDS(N)                                                                            \
    MADE_FIELDS(N), FIELD(N(2), FT_STR, K, type, "keyType"),                                       \
        FIELD(N(5), FT_TIME, K, created, "createTime")
#define STORED(number_) (number_)
#define VIEW(number_) 0

static const struct field key_pair_fields[] = {
    SHOWN_FIELDS(STORED),
    FIELD(4, FT_STR, K, public_key, NULL),
};
const struct desc key_pair_desc = DESC_STORED("key pair", K, key_pair_fields);

static const struct field whole_fields[] = {
    SHOWN_FIELDS(VIEW),
    FIELD(0, FT_STR, K, public_key, "publicKey"),
};
const struct desc key_pair_whole_desc = DESC("key pair", K, whole_fields);

static const struct field made_fields[] = {MADE_FIELDS(VIEW)};
const struct desc key_pair_made_desc = DESC("key pair", K, made_fields);
