/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts and their access keys, and the bookkeeping objects that no API call shows. */
#ifndef VPCD_MODEL_ACCOUNT_H
#define VPCD_MODEL_ACCOUNT_H

#include "model/object.h"

/* How much of something an account may have, where that is not the default (api/limits.h). */
struct account_limit {
    char *name;
    int64_t value;
    struct blob unknown;
};

/* Scope {0, 0}; id: the 12 digits. */
struct account {
    struct obj o;
    char *name;
    int64_t created;
    struct list defaults; /* names of the regions where the default VPC was once made */
    struct list limits;   /* struct account_limit */
    struct blob unknown;
};

/* Scope {0, 0}; id: the access key id. */
struct access_key {
    struct obj o;
    char *secret;
    int64_t account;
    int64_t created;
    struct blob unknown;
};

/*
 * Something that must be unique: its id says what ("ip/subnet-1/10.0.0.5"), it exists as long as it
 * is taken. Two writers cannot both create it.
 */
struct claim {
    struct obj o;
    char *owner; /* id of the object that holds it */
    struct blob unknown;
};

/* A client token (id: ACTION/TOKEN): what the call with it answered. */
struct token {
    struct obj o;
    struct blob digest; /* SHA-256 of the call's parameters */
    struct blob reply;  /* the reply's content, without the request id */
    int64_t created;
    struct blob unknown;
};

/*
 * A set of security groups that some interface has, with its number in the VPC: packets carry the
 * number. Id: VPC/NUMBER. A claim "sgset/VPC/HASH" finds it by its groups.
 */
struct sgset {
    struct obj o;
    char *vpc_id;
    int64_t number;     /* 1 to SGSET_MAX */
    struct list groups; /* ids, sorted */
    int64_t users;      /* interfaces that have the set */
    struct blob unknown;
};
#define SGSET_MAX 65535
/* The id of a set: the number with five digits, so that a walk passes them in order; ID_MAX + 1. */
char *sgset_id(const char *vpc_id, int64_t number, char *out);

enum {
    SGSET_BY_VPC = 1,
    SGSET_BY_GROUP = 3,
};

/* 12 digits, not all zero. */
bool account_id_valid(const char *id);

extern const struct desc account_desc, access_key_desc, claim_desc, token_desc, sgset_desc;

#endif
