/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects: what the state consists of. Every resource struct begins with a `struct obj`.
 *
 * An object that is in an index is immutable and shared by reference count; a change is a new
 * object under the same key (obj_clone, change, put). An object belongs to a scope (an account in
 * a region) and has an id within its kind; together they are its key in the store:
 *
 *     REGION/ACCOUNT/KIND/ID      us-east-1/000000000001/vpc/vpc-0123456789abcdef0
 *
 * What belongs to no account or region (access keys, the public pool) is in the scope {0, 0}:
 * "-/-".
 */
#ifndef VPCD_MODEL_OBJECT_H
#define VPCD_MODEL_OBJECT_H

#include "model/field.h"

#define ID_MAX 127               /* bytes of an id, claims included */
#define OBJ_KEY_MAX 192          /* bytes of a key with its NUL */
#define ACCOUNT_MAX 999999999999 /* 12 digits */

enum kind {
    KIND_NONE = 0,
    KIND_ACCOUNT,
    KIND_KEY,
    KIND_CLAIM,
    KIND_TOKEN,
    KIND_SGSET,
    KIND_VPC,
    KIND_SUBNET,
    KIND_ROUTE_TABLE,
    KIND_INTERNET_GATEWAY,
    KIND_NETWORK_ACL,
    KIND_SECURITY_GROUP,
    KIND_NETWORK_INTERFACE,
    KIND_ADDRESS,
    KIND_INSTANCE,
    KIND_DHCP_OPTIONS,
    KIND_PREFIX_LIST,
    KIND_PREFIX_VERSION,
    KIND_KEY_PAIR,
    KIND_FLOW_LOG,
    KIND_ENI_PERMISSION,
    KIND_ADDRESS_TRANSFER,
    KIND_EGRESS_ONLY_GATEWAY,
    KIND_NAT_GATEWAY,
    KIND_PEERING,
    KIND_VPN_GATEWAY,
    KIND_CUSTOMER_GATEWAY,
    KIND_SUBNET_RESERVATION,
    KIND_METADATA_DEFAULTS,
    KIND_COUNT,
};

struct scope {
    uint64_t account; /* 0: none */
    uint16_t region;  /* index into regions[] (regions.h); 0: none */
};

struct obj {
    uint8_t kind;   /* enum kind */
    bool no_memory; /* a setter failed: the object is not whole and must not be put */
    uint32_t refs;
    struct scope scope;
    uint64_t version; /* as in the store: 1 when created */
    char *id;
};

/* Of what an object has several: see kind_info.weigh. */
enum weight {
    WEIGHT_PRIVATE_IPS, /* IPv4 addresses of the subnet that an interface takes up */
    WEIGHT_PUBLIC_IPS,  /* addresses of the public pool that it has for itself */
    WEIGHTS,
};

/* What is fixed about a kind. */
struct kind_info {
    const char *name;          /* in keys and messages: "vpc" */
    const char *prefix;        /* of ids: "vpc-"; NULL: ids are not made from random digits */
    const char *resource_type; /* in tags: "vpc"; NULL: cannot be tagged */
    const char *not_found;     /* EC2's error code for an id that is not there; NULL: none */
    const char *malformed;     /* and for one that cannot be of this kind */
    const struct desc *desc;
    uint32_t tags;     /* offset of the tag list; 0: none */
    bool on_stream;    /* the host's agent needs it */
    bool for_services; /* and vpc-services: what instances may be told of; no secrets */
    /* What index_sum_in and _by add up over objects of the kind; NULL: nothing. */
    void (*weigh)(const void *obj, int64_t ret_weights[WEIGHTS]);
};

const struct kind_info *kind_info(enum kind k);
enum kind kind_by_name(const char *name);
/* By an id's prefix ("sg-" is not a prefix of "sgr-..."); KIND_NONE when no kind has it. */
enum kind kind_by_id(const char *id);

/* A zeroed object with one reference, version 0. NULL when memory is short or the id too long. */
void *obj_new(enum kind k, struct scope s, const char *id);
/* A deep copy with one reference, same key and version. */
void *obj_clone(const void *obj);
void *obj_ref(const void *obj);
void obj_unref(const void *obj); /* NULL is fine */

/* A new id of this kind: its prefix and 17 random hexadecimal digits; `out` holds 64 bytes. */
char *obj_make_id(const char *prefix, char *out);

/* Sets a string member; a failure marks the object. */
void obj_set(struct obj *o, char **member, const char *s);

/* Key as text; `out` holds OBJ_KEY_MAX. And back: 0 or -EINVAL; *ret_id points into `key`. */
char *obj_key(const struct obj *o, char *out);
char *scope_key(struct scope s, enum kind k, const char *id, char *out);
int obj_key_parse(const char *key, struct scope *ret_scope, enum kind *ret_kind,
                  const char **ret_id);

void obj_encode(const void *obj, struct buf *out);
/* 0 and an object with one reference, or -EBADMSG, -ENOMEM. */
int obj_decode(const char *key, uint64_t version, const void *data, size_t len, void **ret_obj);

struct tag {
    char *key;
    char *value;
    struct blob unknown;
};
extern const struct desc tag_desc;
/* The object's tags, or NULL where the kind has none. */
struct list *obj_tags(const void *obj);
const char *tags_get(const struct list *tags, const char *key);

#endif
