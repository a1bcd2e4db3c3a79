/* SPDX-License-Identifier: Apache-2.0 */
/* The few calls of STS and IAM that clients make before they turn to EC2. */
#include <string.h>

#include "api/actions.h"

/* Everybody is the root of their account: an access key carries all of the account's rights. */
static int get_caller_identity(struct call *c, const void *params) {
    xml_textf(&c->xml, "Arn", "arn:aws:iam::%012llu:root", (unsigned long long)c->scope.account);
    xml_textf(&c->xml, "UserId", "%012llu", (unsigned long long)c->scope.account);
    xml_textf(&c->xml, "Account", "%012llu", (unsigned long long)c->scope.account);
    return 0;
}

static const struct action sts_rows[] = {
    {"GetCallerIdentity", NULL, get_caller_identity, ACT_GLOBAL},
};
ACTIONS(sts_actions, sts_rows);

static int list_account_aliases(struct call *c, const void *params) {
    xml_bool(&c->xml, "IsTruncated", false);
    xml_text(&c->xml, "AccountAliases", "");
    return 0;
}

struct aliases_params {
    char *marker;
    struct optint max_items;
};
static const struct field aliases_fields[] = {
    FIELD(0, FT_STR, struct aliases_params, marker, "Marker"),
    FIELD(0, FT_OPTINT, struct aliases_params, max_items, "MaxItems"),
};
static const struct desc aliases_desc =
    DESC("ListAccountAliases", struct aliases_params, aliases_fields);

static const struct action iam_rows[] = {
    {"ListAccountAliases", &aliases_desc, list_account_aliases, ACT_GLOBAL},
};
ACTIONS(iam_actions, iam_rows);
