/* SPDX-License-Identifier: Apache-2.0 */
#include "model/key_pair.h"

#include "model/vpc.h"

static const struct field key_pair_fields[] = {
    {.type = FT_GET, .wire = "keyPairId", .filter = "key-pair-id", .get = get_id},
    FIELD(KEY_PAIR_BY_NAME, FT_STR, struct key_pair, name, "keyName", .filter = "key-name",
          .flags = FF_INDEXED),
    FIELD(2, FT_STR, struct key_pair, type, "keyType"),
    FIELD(3, FT_STR, struct key_pair, fingerprint, "keyFingerprint", .filter = "fingerprint"),
    FIELD(4, FT_STR, struct key_pair, public_key, NULL), /* shown where it is asked for */
    FIELD(5, FT_TIME, struct key_pair, created, "createTime"),
    FIELD(6, FT_LIST, struct key_pair, tags, "tagSet", .filter = "", .sub = &tag_desc),
};
const struct desc key_pair_desc = DESC_STORED("key pair", struct key_pair, key_pair_fields);
