/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters of an instance's metadata service and names, in several actions. */
#ifndef VPCD_API_INSTANCE_OPTIONS_H
#define VPCD_API_INSTANCE_OPTIONS_H

#include "api/ec2/instance_ops.h"

struct metadata_param {
    uint8_t tokens, endpoint, ipv6, tags;
    struct optint hop_limit;
};
#define METADATA_PARAMS(s_, m_, prefix_)                                                           \
    FIELD(0, FT_ENUM, s_, m_ tokens, prefix_ "HttpTokens", .names = metadata_tokens_names),        \
        FIELD(0, FT_ENUM, s_, m_ endpoint, prefix_ "HttpEndpoint", .names = on_off_names),         \
        FIELD(0, FT_ENUM, s_, m_ ipv6, prefix_ "HttpProtocolIpv6", .names = on_off_names),         \
        FIELD(0, FT_ENUM, s_, m_ tags, prefix_ "InstanceMetadataTags", .names = on_off_names),     \
        FIELD(0, FT_OPTINT, s_, m_ hop_limit, prefix_ "HttpPutResponseHopLimit", .min = 1,         \
              .max = 64)
struct metadata_options metadata_param_options(const struct metadata_param *p);
/* What a new instance gets: what was said, the account's defaults, EC2's. */
struct metadata_options metadata_for_launch(struct call *c, const struct metadata_param *p);
/* An instance whose tags are in its metadata has none that cannot be shown there: 0, or the error.
 */
int metadata_tags_check(struct call *c, const struct instance *i);

struct name_param {
    char *hostname_type;
    uint8_t a, aaaa;
};
/* Takes over what is given; 0 or an error. */
int name_options_set(struct call *c, const struct name_param *p, struct obj *o,
                     struct name_options *names);

#endif
