/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VPC peering connections: asked for, accepted, rejected, deleted (VPC peering guide, "VPC peering
 * connection lifecycle").
 *
 * Whether another account exists, or has that VPC, is nobody's business: a request that can come to
 * nothing is made and fails, with one and the same message.
 */
#include "api/ec2/peering.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/sweep.h"

#define FAILED "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range"

/* What the call answers: the connection as it is, but in a status that soon passes. */
static int answer(struct call *c, const struct peering *p, enum peering_status status,
                  const char *words, const char *account) {
    struct peering *shown = obj_clone(p);
    const struct peering_both both = {.side = {shown}};

    if (!shown)
        return call_no_memory(c);
    peering_set(&both, status, words, account);
    call_object(c, "vpcPeeringConnection", shown);
    obj_unref(shown);
    return 0;
}

struct create_params {
    char *vpc_id, *peer_vpc_id, *peer_account, *peer_region;
    struct list tag_specifications;
};
static const struct field create_fields[] = {
    FIELD(0, FT_STR, struct create_params, vpc_id, "VpcId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct create_params, peer_vpc_id, "PeerVpcId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct create_params, peer_account, "PeerOwnerId"),
    FIELD(0, FT_STR, struct create_params, peer_region, "PeerRegion"),
    TAG_SPECIFICATIONS(struct create_params),
};
static const struct desc create_desc =
    DESC("CreateVpcPeeringConnection", struct create_params, create_fields);

/* The scope that the other VPC is said to be in. */
static int read_peer(struct call *c, const struct create_params *p, struct scope *ret) {
    *ret = c->scope;
    if (strncmp(p->peer_vpc_id, "vpc-", 4) != 0)
        return call_error(c, "InvalidVpcID.Malformed",
                          "Invalid id: \"%.128s\" (expecting \"vpc-...\")", p->peer_vpc_id);
    if (p->peer_account) {
        if (strlen(p->peer_account) != 12 || strspn(p->peer_account, "0123456789") != 12)
            return call_error(c, "InvalidParameterValue",
                              "Value (%.64s) for parameter peerOwnerId is invalid. It is not a "
                              "valid account ID.",
                              p->peer_account);
        ret->account = strtoull(p->peer_account, NULL, 10);
    }
    if (p->peer_region) {
        ret->region = region_by_name(p->peer_region);
        if (!ret->region || !api_serves(c->api, ret->region))
            return call_error(c, "InvalidParameterValue",
                              "Value (%.64s) for parameter peerRegion is invalid. It is not a "
                              "valid region.",
                              p->peer_region);
    }
    return 0;
}

/* Between the same two VPCs there is one connection at a time. Who gives the other one a wrong
 * account or region, as does who leaves them out, does not mean the same VPC. */
static int check_others(struct call *c, const struct vpc *v, const struct create_params *p,
                        struct scope scope) {
    struct peering_walk walk;
    int asked = 0;

    peering_each(c, v, walk, have) {
        enum peering_status status = peering_status(have, c->now);
        const struct peering_side *peer = peering_other(have, v->o.id);
        struct scope theirs = peering_scope(peer);

        if (status != PEERING_PENDING && status != PEERING_ACTIVE)
            continue;
        if (strcmp(peer->vpc_id, p->peer_vpc_id) == 0 && theirs.account == scope.account &&
            theirs.region == scope.region)
            return call_error(c, "VpcPeeringConnectionAlreadyExists",
                              "The VPC peering connection %s between %s and %s already exists.",
                              have->o.id, v->o.id, p->peer_vpc_id);
        asked += status == PEERING_PENDING && walk.side == 0;
    }
    if (asked >= PEERINGS_PENDING_MAX)
        return call_error(c, "OutstandingVpcPeeringConnectionLimitExceeded",
                          "The maximum number of requests for VPC peering connections of %s has "
                          "been reached: %d.",
                          v->o.id, PEERINGS_PENDING_MAX);
    return 0;
}

static int count_of(const struct call *c, const struct vpc *v, enum peering_status status) {
    struct peering_walk walk;
    int n = 0;

    peering_each(c, v, walk, p) n += peering_status(p, c->now) == status;
    return n;
}

static void set_side(struct peering *p, struct peering_side *side, struct scope scope,
                     const char *vpc_id) {
    char account[24];

    snprintf(account, sizeof(account), "%012llu", (unsigned long long)scope.account);
    obj_set(&p->o, &side->account, account);
    obj_set(&p->o, &side->region, region_name(scope.region));
    obj_set(&p->o, &side->vpc_id, vpc_id);
}

static struct peering *new_peering(struct call *c, struct scope scope, const char *id,
                                   const struct vpc *v, struct scope peer, const char *peer_vpc) {
    struct peering *p = txn_new(c->txn, KIND_PEERING, scope, id);

    if (!p)
        return NULL;
    set_side(p, &p->requester, v->o.scope, v->o.id);
    set_side(p, &p->accepter, peer, peer_vpc);
    p->expires = c->now + PEERING_EXPIRES_MS;
    return p;
}

/* The object of either side, and their VPCs touched, so that neither is deleted meanwhile. */
static int put_request(struct call *c, struct peering *p, const struct vpc *v,
                       const struct vpc *peer) {
    struct peering_both both = {.side = {p}};

    txn_touch(c->txn, v);
    if (peer->o.scope.account != c->scope.account || peer->o.scope.region != c->scope.region) {
        both.side[1] = new_peering(c, peer->o.scope, p->o.id, v, peer->o.scope, peer->o.id);
        if (!both.side[1])
            return call_no_memory(c);
    }
    txn_touch(c->txn, peer);
    peering_set(&both, PEERING_PENDING, "Pending Acceptance by ", p->accepter.account);
    peering_put(c, &both);
    return 0;
}

static void put_failed(struct call *c, struct peering *p) {
    const struct peering_both both = {.side = {p}};

    peering_set(&both, PEERING_FAILED, FAILED, "");
    p->gone = c->now + PEERING_KEPT_MS;
    peering_put(c, &both);
    sweep_litter(api_sweeper(c->api), c->scope.account, sizeof(*p));
}

static int create_peering(struct call *c, const void *params) {
    static const enum kind taggable[] = {KIND_PEERING};
    const struct create_params *p = params;
    const struct vpc *v = call_get(c, KIND_VPC, p->vpc_id), *peer;
    struct peering *new;
    struct scope scope;
    char id[64];

    if (!v || read_peer(c, p, &scope) < 0 || check_others(c, v, p, scope) < 0 ||
        call_tags_check(c, &p->tag_specifications, taggable, 1) < 0)
        return -1;
    peer = txn_get(c->txn, KIND_VPC, scope, p->peer_vpc_id);
    if (!peer && scope.account == c->scope.account && scope.region == c->scope.region)
        return call_error(c, "InvalidVpcID.NotFound", "The vpc ID '%.128s' does not exist",
                          p->peer_vpc_id);
    new = new_peering(c, c->scope, obj_make_id(kind_info(KIND_PEERING)->prefix, id), v, scope,
                      p->peer_vpc_id);
    if (!new || call_tags(c, &p->tag_specifications, new) < 0)
        return -1;
    if (!peer || vpcs_overlap(v, peer) || count_of(c, peer, PEERING_PENDING) >= PEERINGS_MAX)
        put_failed(c, new);
    else if (put_request(c, new, v, peer) < 0)
        return -1;
    return answer(c, new, PEERING_INITIATING, "Initiating Request to ", new->accepter.account);
}

static const struct field id_fields[] = {
    FIELD(0, FT_STR, struct one_id, id, "VpcPeeringConnectionId", .flags = FF_REQUIRED),
};
static const struct desc id_desc = DESC("VpcPeeringConnectionId", struct one_id, id_fields);

static int wrong_state(struct call *c, const struct peering *p, const char *to) {
    return call_error(c, "InvalidStateTransition",
                      "Invalid state transition for %s, attempted to transition from %s to %s",
                      p->o.id, peering_status_name(peering_status(p, c->now)), to);
}

/* The caller's pending connection that it may answer: its VPC is the accepter's. */
static const struct peering *get_asked(struct call *c, const char *id, const char *verb,
                                       const char *to) {
    const struct peering *p = call_get(c, KIND_PEERING, id);

    if (!p)
        return NULL;
    if (peering_status(p, c->now) != PEERING_PENDING)
        wrong_state(c, p, to);
    else if (peering_is_side(c, p, 1))
        return p;
    else if (peering_scope(&p->accepter).account == c->scope.account)
        call_error(c, "OperationNotPermitted",
                   "Incorrect region (%s) specified for this request. VPC peering connection %s "
                   "must be %sed in region %s",
                   region_name(c->scope.region), p->o.id, verb, p->accepter.region);
    else
        call_error(c, "OperationNotPermitted", "User %s cannot %s peering %s", p->requester.account,
                   verb, p->o.id);
    return NULL;
}

static int accept_peering(struct call *c, const void *params) {
    const struct peering *p =
        get_asked(c, ((const struct one_id *)params)->id, "accept", "provisioning");
    const struct vpc *v[2];
    struct peering_both both;

    if (!p)
        return -1;
    v[0] = txn_get(c->txn, KIND_VPC, peering_scope(&p->requester), p->requester.vpc_id);
    v[1] = txn_get(c->txn, KIND_VPC, peering_scope(&p->accepter), p->accepter.vpc_id);
    for (int i = 0; i < 2; i++) {
        int64_t max = v[i] ? limit_of(c->ix, v[i]->o.scope.account, LIMIT_PEERINGS) : 0;

        if (v[i] && count_of(c, v[i], PEERING_ACTIVE) >= max)
            return call_error(c, "VpcPeeringConnectionsPerVpcLimitExceeded",
                              "The maximum number of VPC peering connections of a VPC has been "
                              "reached.");
    }
    if (!v[0] || !v[1] || vpcs_overlap(v[0], v[1])) {
        if (peering_end(c, p, PEERING_FAILED, FAILED, 0) < 0)
            return -1;
    } else {
        if (peering_edit(c, p, &both) < 0)
            return -1;
        peering_set(&both, PEERING_ACTIVE, "Active", "");
        peering_put(c, &both);
        txn_touch(c->txn, v[0]); /* the last of so many; and none may be deleted meanwhile */
        txn_touch(c->txn, v[1]);
    }
    p = index_get(c->ix, KIND_PEERING, c->scope, p->o.id);
    return answer(c, p, PEERING_PROVISIONING, "Provisioning", "");
}

static int reject_peering(struct call *c, const void *params) {
    const struct peering *p =
        get_asked(c, ((const struct one_id *)params)->id, "reject", "rejected");

    if (!p || peering_end(c, p, PEERING_REJECTED, "Rejected by ", 1) < 0)
        return -1;
    return call_return_true(c);
}

/* An active one by either side, a pending one by who asked for it. */
static int delete_peering(struct call *c, const void *params) {
    const struct peering *p = call_get(c, KIND_PEERING, ((const struct one_id *)params)->id);
    enum peering_status status = p ? peering_status(p, c->now) : 0;
    bool requester = p && peering_is_side(c, p, 0);

    if (!p)
        return -1;
    if (status != PEERING_ACTIVE && status != PEERING_PENDING)
        return wrong_state(c, p, "deleting");
    if (status == PEERING_PENDING && !requester)
        return call_error(c, "OperationNotPermitted",
                          "User %s cannot delete peering %s before it is accepted; reject it.",
                          p->accepter.account, p->o.id);
    if (peering_end(c, p, PEERING_DELETED, "Deleted by ", !requester) < 0)
        return -1;
    return call_return_true(c);
}

DESCRIBE_PARAMS(describe_params, "VpcPeeringConnectionId");

static bool is_shown(struct call *c, const void *obj, void *arg) {
    int64_t gone = peering_gone(obj, c->now);

    return !gone || c->now < gone;
}

static int describe_peerings(struct call *c, const void *params) {
    const struct describe_ids *p = params;

    return describe(c, &(struct describe){.kind = KIND_PEERING,
                                          .ids = &p->ids,
                                          .set = "vpcPeeringConnectionSet",
                                          .keep = is_shown});
}

static const struct action rows[] = {
    {"AcceptVpcPeeringConnection", &id_desc, accept_peering},
    {"CreateVpcPeeringConnection", &create_desc, create_peering},
    {"DeleteVpcPeeringConnection", &id_desc, delete_peering},
    {"DescribeVpcPeeringConnections", &describe_params, describe_peerings, ACT_FILTERS,
     "vpcPeeringConnectionSet"},
    {"RejectVpcPeeringConnection", &id_desc, reject_peering},
};
ACTIONS(peering_actions, rows);
