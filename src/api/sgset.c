/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of security groups, as numbers.
 *
 * A packet carries the number of its sender's set of groups, so equal sets have one number in a
 * VPC. A set exists while an interface has it:
 *
 *     sgset  VPC/NUMBER          the set: its groups, its users
 *     claim  sgset/VPC/HASH      owner "VPC/NUMBER": finds the number of these groups
 *
 * The number is part of the object's key, and the hash of the claim's: two writers can neither
 * give one number to two sets nor two numbers to one set. Numbers are written with five digits, so
 * that a walk passes them in order. They are not used again before all 65,535 were.
 */
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "api/actions.h"
#include "base/cleanup.h"
#include "base/text.h"

/* NULL when memory is short. */
static char *set_claim(const char *vpc_id, const struct list *groups, char *out) {
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char hex[2 * SHA256_DIGEST_LENGTH + 1];
    _buf_ struct buf ids = BUF_INIT;

    list_each (char *, id, *groups)
        buf_add(&ids, *id, strlen(*id) + 1);
    if (ids.failed)
        return NULL;
    SHA256((const uint8_t *)buf_str(&ids), ids.len, digest);
    snprintf(out, ID_MAX + 1, "sgset/%s/%s", vpc_id, hex_format(digest, sizeof(digest), hex));
    return out;
}

static int64_t lowest_free(const struct index *ix, const char *vpc_id) {
    struct cursor cur;
    int64_t n = 1;

    index_each_by(ix, cur, KIND_SGSET, SGSET_BY_VPC, vpc_id) {
        if (((const struct sgset *)cur.obj)->number != n)
            break;
        n++;
    }
    return n;
}

/*
 * A number that no set of the VPC ever had, as long as there are such: a host that was away while a
 * number changed hands could take one set for the other. Only then those that are free again.
 */
static int64_t next_number(struct call *c, const char *vpc_id) {
    const struct vpc *v = index_get(c->ix, KIND_VPC, c->scope, vpc_id);
    struct vpc *n;

    if (v->sgset_last >= SGSET_MAX)
        return lowest_free(c->ix, vpc_id);
    n = txn_edit(c->txn, v);
    if (!n)
        return SGSET_MAX + 1;
    n->sgset_last++;
    txn_put(c->txn, n);
    return n->sgset_last;
}

static int set_create(struct call *c, const char *vpc_id, const struct list *groups,
                      const char *claim, int64_t *ret_number) {
    int64_t number = next_number(c, vpc_id);
    char id[ID_MAX + 1];
    struct sgset *s;

    if (number > SGSET_MAX)
        return call_error(c, "SecurityGroupsPerInterfaceLimitExceeded",
                          "The interfaces of the VPC '%s' already have %d different sets of "
                          "security groups.",
                          vpc_id, SGSET_MAX);
    s = txn_new(c->txn, KIND_SGSET, c->scope, sgset_id(vpc_id, number, id));
    if (!s)
        return call_no_memory(c);
    obj_set(&s->o, &s->vpc_id, vpc_id);
    s->number = number;
    s->users = 1;
    list_each (char *, group, *groups) {
        const struct security_group *g = index_get(c->ix, KIND_SECURITY_GROUP, c->scope, *group);

        if (strs_add(&s->groups, *group) < 0)
            return call_no_memory(c);
        /* The group's deletion must not miss the set. And numbers are used again: whoever took part
         * in a former life of this set read an older version of the group. */
        if (g)
            txn_touch(c->txn, g);
    }
    txn_put(c->txn, s);
    txn_claim(c->txn, c->scope, claim, id);
    *ret_number = number;
    return 0;
}

int sgset_take(struct call *c, const struct vpc *v, const struct list *groups,
               int64_t *ret_number) {
    char claim_id[ID_MAX + 1];
    const struct claim *claim;
    const struct sgset *have;
    struct sgset *s;

    if (!set_claim(v->o.id, groups, claim_id))
        return call_no_memory(c);
    claim = txn_get(c->txn, KIND_CLAIM, c->scope, claim_id);
    if (!claim)
        return set_create(c, v->o.id, groups, claim_id, ret_number);
    have = index_get(c->ix, KIND_SGSET, c->scope, claim->owner);
    s = have ? txn_edit(c->txn, have) : NULL;
    if (!s)
        return call_no_memory(c);
    s->users++;
    *ret_number = s->number;
    txn_put(c->txn, s);
    return 0;
}

void sgset_drop(struct call *c, const char *vpc_id, int64_t number) {
    char id[ID_MAX + 1], claim[ID_MAX + 1];
    const struct sgset *have = index_get(c->ix, KIND_SGSET, c->scope, sgset_id(vpc_id, number, id));
    struct sgset *s;

    if (!have)
        return;
    if (have->users <= 1) {
        if (set_claim(vpc_id, &have->groups, claim))
            txn_release(c->txn, c->scope, claim);
        txn_delete(c->txn, have);
        return;
    }
    s = txn_edit(c->txn, have);
    if (!s)
        return;
    s->users--;
    txn_put(c->txn, s);
}
