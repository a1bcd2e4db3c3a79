/* SPDX-License-Identifier: Apache-2.0 */
/* What may be said about an instance's metadata service and its names. */
#ifndef VPCD_MODEL_INSTANCE_OPTIONS_H
#define VPCD_MODEL_INSTANCE_OPTIONS_H

#include "model/object.h"

enum on_off {
    STATE_DISABLED = 1,
    STATE_ENABLED,
};
enum metadata_tokens {
    TOKENS_OPTIONAL = 1,
    TOKENS_REQUIRED,
};
extern const char *const on_off_names[];          /* by enum on_off */
extern const char *const metadata_tokens_names[]; /* by enum metadata_tokens */

/* Zero: not said; then the account's default holds, then EC2's. */
struct metadata_options {
    uint8_t tokens;    /* enum metadata_tokens */
    uint8_t endpoint;  /* enum on_off */
    uint8_t ipv6;      /* the same */
    uint8_t tags;      /* the same */
    int64_t hop_limit; /* 1 to 64 */
};
/* What EC2 has where nothing was said. */
extern const struct metadata_options metadata_options_default;
/* `mine`, and what it leaves open from `other`. */
struct metadata_options metadata_options_or(const struct metadata_options *mine,
                                            const struct metadata_options *other);

/* Whether metadata can show a tag of this key: letters, digits and "+-=._:,@", but not ".", ".." or
 * "_index" (EC2 user guide, "View tags for your EC2 instances using instance metadata"). */
bool metadata_shows_tag(const char *key);

/* What new instances of an account get in a region. Id: METADATA_DEFAULTS_ID. */
struct metadata_defaults {
    struct obj o;
    struct metadata_options options;
    struct blob unknown;
};
#define METADATA_DEFAULTS_ID "account"
extern const struct desc metadata_defaults_desc;

/* Rows of a table for a struct with a member of this type: numbers n to n + 4. */
#define METADATA_STORED(n_, s_, m_)                                                                \
    FIELD((n_), FT_ENUM, s_, m_.tokens, NULL, .names = metadata_tokens_names,                      \
          .filter = "metadata-options.http-tokens"),                                               \
        FIELD((n_) + 1, FT_ENUM, s_, m_.endpoint, NULL, .names = on_off_names,                     \
              .filter = "metadata-options.http-endpoint"),                                         \
        FIELD((n_) + 2, FT_ENUM, s_, m_.ipv6, NULL, .names = on_off_names,                         \
              .filter = "metadata-options.http-protocol-ipv6"),                                    \
        FIELD((n_) + 3, FT_ENUM, s_, m_.tags, NULL, .names = on_off_names,                         \
              .filter = "metadata-options.instance-metadata-tags"),                                \
        FIELD((n_) + 4, FT_INT, s_, m_.hop_limit, NULL,                                            \
              .filter = "metadata-options.http-put-response-hop-limit")

/* The names that resolve to an instance; zero: as its subnet says. */
struct name_options {
    char *hostname_type; /* "ip-name" or "resource-name" */
    bool a, aaaa;        /* records for the resource's name */
};

#endif
