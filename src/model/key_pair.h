/* SPDX-License-Identifier: Apache-2.0 */
/* Key pairs. Only the public half is kept; the private one is shown once, to whoever made it. */
#ifndef VPCD_MODEL_KEY_PAIR_H
#define VPCD_MODEL_KEY_PAIR_H

#include "model/object.h"

struct key_pair {
    struct obj o;
    char *name; /* one of a kind in its account and region */
    char *type; /* "rsa" or "ed25519" */
    char *fingerprint;
    char *public_key; /* in OpenSSH's form: TYPE BASE64 [NAME] */
    int64_t created;
    struct list tags;
    struct blob unknown;
};

enum {
    KEY_PAIR_BY_NAME = 1,
};

/* As described; with the public key; and what the call that made it answers. */
extern const struct desc key_pair_desc, key_pair_whole_desc, key_pair_made_desc;

#endif
