/* SPDX-License-Identifier: Apache-2.0 */
#include "model/instance_options.h"

#include <string.h>

const char *const on_off_names[] = {"", "disabled", "enabled", NULL};
const char *const metadata_tokens_names[] = {"", "optional", "required", NULL};

const struct metadata_options metadata_options_default = {
    .tokens = TOKENS_OPTIONAL,
    .endpoint = STATE_ENABLED,
    .ipv6 = STATE_DISABLED,
    .tags = STATE_DISABLED,
    .hop_limit = 1,
};

struct metadata_options metadata_options_or(const struct metadata_options *mine,
                                            const struct metadata_options *other) {
    return (struct metadata_options){
        .tokens = mine->tokens ? mine->tokens : other->tokens,
        .endpoint = mine->endpoint ? mine->endpoint : other->endpoint,
        .ipv6 = mine->ipv6 ? mine->ipv6 : other->ipv6,
        .tags = mine->tags ? mine->tags : other->tags,
        .hop_limit = mine->hop_limit ? mine->hop_limit : other->hop_limit,
    };
}

bool metadata_shows_tag(const char *key) {
    size_t n =
        strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-=._:,@");

    return n > 0 && !key[n] && strcmp(key, ".") != 0 && strcmp(key, "..") != 0 &&
           strcmp(key, "_index") != 0;
}

static const struct field defaults_fields[] = {
    METADATA_STORED(1, struct metadata_defaults, options),
};
const struct desc metadata_defaults_desc =
    DESC_STORED("metadata defaults", struct metadata_defaults, defaults_fields);
