/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an action's handler works with.
 *
 * An action is one row: its name, the table of its parameters, its handler. A handler reads and
 * writes the state through the call's transaction and writes its reply's content as XML; it returns
 * 0, or what call_error returns. It may run more than once (store/txn.h), so it keeps nothing.
 */
#ifndef VPCD_API_CALL_H
#define VPCD_API_CALL_H

#include "api/params.h"
#include "model/filter.h"
#include "model/xml.h"
#include "store/txn.h"

struct api;
struct call;

#define TAGS_MAX 50 /* of a resource (EC2 user guide, "Tag restrictions") */

enum action_flags {
    ACT_FILTER = 1, /* Filter.N */
    ACT_PAGES = 8,  /* MaxResults, NextToken */
    ACT_FILTERS = ACT_FILTER | ACT_PAGES,
    ACT_TOKEN = 2,  /* ClientToken */
    ACT_GLOBAL = 4, /* concerns no region: no default VPC is made for it */
};

struct action {
    const char *name;
    const struct desc *params; /* NULL: none */
    int (*run)(struct call *c, const void *params);
    unsigned flags;
    const char *set; /* the list of a Describe call in its reply, for the documentation; or NULL */
    uint16_t page_min, page_max; /* of MaxResults; 0: PAGE_MIN, PAGE_DEFAULT (describe.h) */
};

struct actions {
    const struct action *rows;
    size_t n;
};

struct call {
    struct api *api;
    const struct action *action;
    struct scope scope; /* account and region of the caller */
    const char *access_key;
    struct txn *txn;
    const struct index *ix;
    struct look look;
    uint64_t filter_steps; /* left of FILTER_STEPS_MAX, once a Describe call began */
    struct xml xml;        /* the reply's content goes here */
    struct buf *body;
    /* Parameters that many actions share: */
    const char *client_token; /* or NULL */
    const struct list *filters;
    struct optint max_results;
    const char *next_token;
    int64_t now; /* milliseconds */
    /* How many public addresses the account may still get, once a run asked (public_ip.c). */
    bool public_counted;
    int64_t public_left;
    /* The error, once call_error was called: */
    const char *error_code;
    char *error_message;
    int http_status;
};

/* Returns -EINVAL, for `return call_error(...)`. The HTTP status follows from the code; mostly 400.
 */
int call_error(struct call *c, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int call_no_memory(struct call *c);

/* <return>true</return>, the reply of actions that have nothing else to say. */
int call_return_true(struct call *c);

/* <element>...the object's fields...</element> */
void call_object(struct call *c, const char *element, const void *obj);

/*
 * The caller's own object with this id, on which the transaction then depends. NULL after an error
 * was set: malformed id, or not found (which it also is when it is another account's).
 */
const void *call_get(struct call *c, enum kind k, const char *id);

/* A new object of this kind with a new id in the caller's scope, the tags of its TagSpecification
 * taken over. */
void *call_new(struct call *c, enum kind k);

/* Instances of ServiceName.ResourceType in TagSpecification.N */
struct tag_specification {
    char *resource_type;
    struct list tags; /* struct tag */
};
extern const struct desc tag_specification_desc;
#define TAG_SPECIFICATIONS(s_)                                                                     \
    FIELD(0, FT_LIST, s_, tag_specifications, "TagSpecification", .sub = &tag_specification_desc)
/*
 * Puts the tags that are specified for the kind of `obj` on it. 0 or an error: a type that the call
 * does not create (`allowed`, NULL-terminated), malformed tags, too many.
 */
int call_tags(struct call *c, const struct list *specifications, void *obj);
int call_tags_check(struct call *c, const struct list *specifications, const enum kind *allowed,
                    size_t n_allowed);
int tags_set(struct call *c, struct list *tags, const char *key, const char *value);

/* Parameters of the actions that create something in a VPC and need to know no more. */
struct in_vpc_params {
    char *vpc_id;
    struct list tag_specifications;
};
extern const struct desc in_vpc_desc;

/* Parameters of an action that only takes one id. */
struct one_id {
    char *id;
};

#endif
