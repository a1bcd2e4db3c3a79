/* SPDX-License-Identifier: Apache-2.0 */
#include "api/ec2/peering.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/sweep.h"

static bool same_scope(struct scope a, struct scope b) {
    return a.account == b.account && a.region == b.region;
}

bool peering_is_side(const struct call *c, const struct peering *p, int side) {
    return same_scope(c->scope, peering_scope(side ? &p->accepter : &p->requester));
}

static bool lists_overlap(const struct list *a, const struct list *b) {
    list_each (struct cidr_association, x, *a)
        list_each (struct cidr_association, y, *b)
            if (cidr_overlaps(&x->cidr, &y->cidr))
                return true;
    return false;
}

bool vpcs_overlap(const struct vpc *a, const struct vpc *b) {
    return lists_overlap(&a->cidrs, &b->cidrs) || lists_overlap(&a->cidrs6, &b->cidrs6);
}

/* Where the cursor is, or goes on to: the VPC as requester, then as accepter. */
static const struct peering *settle(const struct call *c, struct peering_walk *w, bool more) {
    while (!more && w->side == 0) {
        w->side = 1;
        more = cursor_by_in(c->ix, &w->cur, KIND_PEERING, PEERING_BY_ACCEPTER, w->vpc->o.id,
                            w->vpc->o.scope, NULL);
    }
    return more ? w->cur.obj : NULL;
}

const struct peering *peering_first(const struct call *c, const struct vpc *v,
                                    struct peering_walk *w) {
    *w = (struct peering_walk){.vpc = v};
    return settle(c, w,
                  cursor_by_in(c->ix, &w->cur, KIND_PEERING, PEERING_BY_REQUESTER, v->o.id,
                               v->o.scope, NULL));
}

const struct peering *peering_next(const struct call *c, struct peering_walk *w) {
    return settle(c, w, cursor_next(&w->cur));
}

int peering_edit(struct call *c, const struct peering *p, struct peering_both *ret) {
    const struct scope scopes[] = {peering_scope(&p->requester), peering_scope(&p->accepter)};

    *ret = (struct peering_both){0};
    for (int i = 0; i < 2; i++) {
        const struct peering *have;

        if (i && same_scope(scopes[0], scopes[1]))
            break;
        have = txn_get(c->txn, KIND_PEERING, scopes[i], p->o.id);
        ret->side[i] = have ? txn_edit(c->txn, have) : NULL;
        if (have && !ret->side[i])
            return call_no_memory(c);
    }
    return 0;
}

void peering_put(struct call *c, const struct peering_both *both) {
    for (int i = 0; i < 2; i++)
        if (both->side[i])
            txn_put(c->txn, both->side[i]);
}

void peering_set(const struct peering_both *both, enum peering_status status, const char *words,
                 const char *account) {
    char message[128];

    snprintf(message, sizeof(message), "%s%s", words, account);
    for (int i = 0; i < 2; i++) {
        if (!both->side[i])
            continue;
        both->side[i]->status = status;
        obj_set(&both->side[i]->o, &both->side[i]->message, message);
    }
}

int peering_end(struct call *c, const struct peering *p, enum peering_status status,
                const char *words, int by) {
    const bool one_account = strcmp(p->requester.account, p->accepter.account) == 0;
    struct peering_both both;

    if (peering_edit(c, p, &both) < 0)
        return -1;
    peering_set(&both, status, words,
                status == PEERING_FAILED ? "" : (by ? &p->accepter : &p->requester)->account);
    for (int i = 0; i < 2; i++) {
        struct peering *side = both.side[i];

        if (!side)
            continue;
        side->gone = c->now + (one_account || i == by ? PEERING_KEPT_MS : PEERING_KEPT_OTHER_MS);
        sweep_litter(api_sweeper(c->api), side->o.scope.account, sizeof(*side));
    }
    peering_put(c, &both);
    return 0;
}

int peering_check_cidr(struct call *c, const struct vpc *v, const struct cidr *cidr) {
    struct peering_walk walk;
    char text[CIDR_TEXT];

    cidr_format(cidr, text);
    peering_each(c, v, walk, p) {
        const struct vpc *peer = peering_peer(c->ix, p, v->o.id);

        txn_depend(c->txn, p);
        if (peering_status(p, c->now) == PEERING_PENDING && walk.side == 0)
            return call_error(c, "OperationNotPermitted",
                              "The CIDR '%s' cannot be added while the VPC peering connection %s "
                              "waits for its acceptance.",
                              text, p->o.id);
        if (!peer)
            continue;
        txn_depend(c->txn, peer);
        list_each (struct cidr_association, a,
                   *(cidr->ip.family == IP_V4 ? &peer->cidrs : &peer->cidrs6))
            if (cidr_overlaps(&a->cidr, cidr))
                return call_error(c, "InvalidVpc.Range",
                                  "The CIDR '%s' overlaps with a CIDR of the VPC at the other end "
                                  "of the VPC peering connection %s.",
                                  text, p->o.id);
    }
    return 0;
}

int peerings_end(struct call *c, const struct vpc *v) {
    struct peering_walk walk;
    struct list ids = {0}; /* the index must not change during the walk */
    int r = 0;

    peering_each(c, v, walk, p) {
        enum peering_status status = peering_status(p, c->now);

        if (status == PEERING_PENDING && walk.side == 1 && !peering_is_side(c, p, 0))
            r = call_error(c, "DependencyViolation",
                           "The vpc '%s' has dependencies and cannot be deleted: the VPC peering "
                           "connection %s waits for an answer.",
                           v->o.id, p->o.id);
        else if (status == PEERING_PENDING || status == PEERING_ACTIVE)
            r = strs_add(&ids, p->o.id) < 0 ? call_no_memory(c) : 0;
        if (r < 0)
            break;
    }
    list_each (char *, id, ids) {
        const struct peering *p = txn_get(c->txn, KIND_PEERING, c->scope, *id);

        if (r == 0)
            r = peering_end(c, p, PEERING_DELETED, "Deleted by ",
                            strcmp(p->requester.vpc_id, v->o.id) != 0);
        free(*id);
    }
    free(ids.items);
    return r;
}
