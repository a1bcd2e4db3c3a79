/* SPDX-License-Identifier: Apache-2.0 */
/* Key pairs. A name is one of a kind in an account and region: claim "key-pair/NAME". */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/ec2/instance_ops.h"
#include "api/ec2/ssh_key.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "model/key_pair.h"

#define KEY_PAIRS_MAX 1000 /* in a region: DescribeKeyPairs has no pages */
#define KEY_NAME_MAX 255
#define KEY_MATERIAL_MAX 4096

const struct key_pair *key_pair_find(struct call *c, const char *name) {
    struct cursor cur;

    if (!cursor_by_in(c->ix, &cur, KIND_KEY_PAIR, KEY_PAIR_BY_NAME, name, c->scope, NULL))
        return NULL;
    txn_depend(c->txn, cur.obj);
    return cur.obj;
}

/* The name itself is longer than a claim may be. */
static char *name_claim(const char *name, char out[ID_MAX + 1]) {
    uint8_t digest[32];
    char hex[65];

    EVP_Digest(name, strlen(name), digest, NULL, EVP_sha256(), NULL);
    snprintf(out, ID_MAX + 1, "key-pair/%s", hex_format(digest, sizeof(digest), hex));
    return out;
}

static int check_new(struct call *c, const char *name, const struct list *specifications) {
    static const enum kind taggable[] = {KIND_KEY_PAIR};
    struct cursor cur;
    size_t count = 0;

    for (const char *p = name; *p; p++)
        if (*p < ' ' || *p > '~')
            return call_error(c, "InvalidParameterValue",
                              "Invalid value for parameter KeyName: only ASCII characters are "
                              "allowed.");
    if (key_pair_find(c, name))
        return call_error(c, "InvalidKeyPair.Duplicate", "The keypair '%s' already exists.", name);
    index_each_in(c->ix, cur, KIND_KEY_PAIR, c->scope) count++;
    if (count >= KEY_PAIRS_MAX)
        return call_error(c, "KeyPairLimitExceeded",
                          "The maximum number of key pairs has been reached: %d.", KEY_PAIRS_MAX);
    return call_tags_check(c, specifications, taggable, 1);
}

static const struct key_pair *keep(struct call *c, const char *name, const struct ssh_key *key,
                                   const struct list *specifications) {
    struct key_pair *k = call_new(c, KIND_KEY_PAIR);
    char claim[ID_MAX + 1];

    if (!k) {
        call_no_memory(c);
        return NULL;
    }
    obj_set(&k->o, &k->name, name);
    obj_set(&k->o, &k->type, key->type);
    obj_set(&k->o, &k->fingerprint, key->fingerprint);
    obj_set(&k->o, &k->public_key, key->public_key);
    k->created = c->now;
    if (call_tags(c, specifications, k) < 0)
        return NULL;
    txn_claim(c->txn, c->scope, name_claim(name, claim), k->o.id);
    txn_put(c->txn, k);
    return k;
}

struct create_key_pair {
    char *name, *type, *format;
    struct list tag_specifications;
};
static const struct field create_fields[] = {
    FIELD(0, FT_STR, struct create_key_pair, name, "KeyName", .flags = FF_REQUIRED,
          .max = KEY_NAME_MAX),
    FIELD(0, FT_STR, struct create_key_pair, type, "KeyType"),
    FIELD(0, FT_STR, struct create_key_pair, format, "KeyFormat"),
    TAG_SPECIFICATIONS(struct create_key_pair),
};
static const struct desc create_desc = DESC("CreateKeyPair", struct create_key_pair, create_fields);

static int create_key_pair(struct call *c, const void *params) {
    const struct create_key_pair *p = params;
    const char *type = p->type ? p->type : "rsa";
    const struct key_pair *k;
    struct ssh_key key;

    if (strcmp(type, "rsa") != 0 && strcmp(type, "ed25519") != 0)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter keyType is invalid. It must be rsa or "
                          "ed25519.",
                          type);
    if (p->format && strcmp(p->format, "pem") != 0)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter keyFormat is invalid. Only 'pem' is "
                          "offered.",
                          p->format);
    if (check_new(c, p->name, &p->tag_specifications) < 0)
        return -1;
    if (ssh_key_make(type, &key) < 0)
        return call_no_memory(c);
    k = keep(c, p->name, &key, &p->tag_specifications);
    if (k) {
        xml_fields(&c->xml, &key_pair_made_desc, &c->look, k);
        xml_text(&c->xml, "keyMaterial", buf_str(&key.private_key));
    }
    ssh_key_clear(&key);
    return k ? 0 : -1;
}

struct import_key_pair {
    char *name;
    struct blob material;
    struct list tag_specifications;
};
static const struct field import_fields[] = {
    FIELD(0, FT_STR, struct import_key_pair, name, "KeyName", .flags = FF_REQUIRED,
          .max = KEY_NAME_MAX),
    FIELD(0, FT_BLOB, struct import_key_pair, material, "PublicKeyMaterial", .flags = FF_REQUIRED,
          .max = KEY_MATERIAL_MAX),
    TAG_SPECIFICATIONS(struct import_key_pair),
};
static const struct desc import_desc = DESC("ImportKeyPair", struct import_key_pair, import_fields);

static int import_key_pair(struct call *c, const void *params) {
    const struct import_key_pair *p = params;
    const struct key_pair *k;
    struct ssh_key key;
    int r;

    if (check_new(c, p->name, &p->tag_specifications) < 0)
        return -1;
    r = ssh_key_read((const char *)p->material.data, p->material.len, &key);
    if (r == -EINVAL)
        return call_error(c, "InvalidKey.Format", "Key is not in valid OpenSSH public key format");
    if (r < 0)
        return call_no_memory(c);
    k = keep(c, p->name, &key, &p->tag_specifications);
    if (k)
        xml_fields(&c->xml, &key_pair_made_desc, &c->look, k);
    ssh_key_clear(&key);
    return k ? 0 : -1;
}

struct delete_key_pair {
    char *name, *id;
};
static const struct field delete_fields[] = {
    FIELD(0, FT_STR, struct delete_key_pair, name, "KeyName"),
    FIELD(0, FT_STR, struct delete_key_pair, id, "KeyPairId"),
};
static const struct desc delete_desc = DESC("DeleteKeyPair", struct delete_key_pair, delete_fields);

/* A name that is not there is as good as deleted. */
static int delete_key_pair(struct call *c, const void *params) {
    const struct delete_key_pair *p = params;
    const struct key_pair *k;
    char claim[ID_MAX + 1];

    if (!p->name == !p->id)
        return call_error(c, p->name ? "InvalidParameterCombination" : "MissingParameter",
                          "Either KeyName or KeyPairId must be specified");
    k = p->id ? call_get(c, KIND_KEY_PAIR, p->id) : key_pair_find(c, p->name);
    if (p->id && !k)
        return -1;
    if (k) {
        txn_release(c->txn, c->scope, name_claim(k->name, claim));
        txn_delete(c->txn, k);
    }
    return call_return_true(c);
}

struct describe_key_pairs {
    struct list names, ids;
    uint8_t public_key;
};
static const struct field describe_fields[] = {
    FIELD(0, FT_STRS, struct describe_key_pairs, names, "KeyName"),
    FIELD(0, FT_STRS, struct describe_key_pairs, ids, "KeyPairId"),
    FIELD(0, FT_TRI, struct describe_key_pairs, public_key, "IncludePublicKey"),
};
static const struct desc describe_desc =
    DESC("DescribeKeyPairs", struct describe_key_pairs, describe_fields);

/* The ids of what is named, too; all names that are not there go into one error. */
static int ids_of_names(struct call *c, const struct describe_key_pairs *p, struct list *ids) {
    _buf_ struct buf missing = BUF_INIT;
    size_t n = 0;

    list_each (char *, name, p->names) {
        const struct key_pair *k = key_pair_find(c, *name);

        if (!k)
            buf_addf(&missing, "%s%.255s", n++ ? ", " : "", *name);
        else if (strs_add(ids, k->o.id) < 0)
            return call_no_memory(c);
    }
    list_each (char *, id, p->ids)
        if (strs_add(ids, *id) < 0)
            return call_no_memory(c);
    if (n)
        return call_error(c, "InvalidKeyPair.NotFound", "The key pair%s '%s' do%s not exist",
                          n > 1 ? "s" : "", buf_str(&missing), n > 1 ? "" : "es");
    return 0;
}

static int describe_key_pairs(struct call *c, const void *params) {
    const struct describe_key_pairs *p = params;
    struct list ids = {0};
    int r = ids_of_names(c, p, &ids);

    if (r == 0)
        r = describe(
            c, &(struct describe){.kind = KIND_KEY_PAIR,
                                  .ids = &ids,
                                  .set = "keySet",
                                  .view = p->public_key == TRI_TRUE ? &key_pair_whole_desc : NULL});
    list_each (char *, id, ids)
        free(*id);
    free(ids.items);
    return r;
}

static const struct action rows[] = {
    {"CreateKeyPair", &create_desc, create_key_pair},
    {"DeleteKeyPair", &delete_desc, delete_key_pair},
    {"DescribeKeyPairs", &describe_desc, describe_key_pairs, ACT_FILTER, "keySet"},
    {"ImportKeyPair", &import_desc, import_key_pair},
};
ACTIONS(key_pair_actions, rows);
