/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VPC peering connections.
 *
 * A connection may be of two accounts or two regions. Then there are two objects with its id, one
 * in the scope of each side, so that either side finds it as one of its own and nobody else does.
 * They differ in tags and in how long they are shown (`gone`); all else is written to both at once.
 */
#ifndef VPCD_MODEL_PEERING_H
#define VPCD_MODEL_PEERING_H

#include "model/object.h"
#include "model/vpc.h"

enum peering_status {
    PEERING_PENDING = 1,
    PEERING_ACTIVE,
    PEERING_REJECTED,
    PEERING_DELETED,
    PEERING_FAILED,
    /* Never stored: */
    PEERING_EXPIRED,      /* a pending one whose time is over */
    PEERING_INITIATING,   /* what CreateVpcPeeringConnection answers */
    PEERING_PROVISIONING, /* what AcceptVpcPeeringConnection answers */
};

/* How long a request waits for an answer, and how long a connection that came to an end is shown:
 * to who ended it, and to the other side (VPC peering guide, "VPC peering connection lifecycle").
 */
#define PEERING_EXPIRES_MS (7 * 24 * 3600 * 1000ll)
#define PEERING_KEPT_MS (2 * 3600 * 1000ll)
#define PEERING_KEPT_OTHER_MS (2 * 24 * 3600 * 1000ll)

struct peering_side {
    char *vpc_id;
    char *account; /* 12 digits */
    char *region;
    bool
        resolves_dns; /* private names of this side's VPC resolve to private addresses over there */
};

struct peering {
    struct obj o;
    struct peering_side requester, accepter;
    uint8_t status;  /* enum peering_status; ask peering_status() */
    int64_t expires; /* milliseconds; a pending one ends then */
    int64_t gone;    /* milliseconds; a connection that ended is shown until then; 0: it lives */
    char *message;   /* the status in words */
    struct list tags;
    struct blob unknown;
};

enum {
    PEERING_BY_REQUESTER = 1, /* the VPC */
    PEERING_BY_ACCEPTER = 4,
};

extern const struct desc peering_desc;

const char *peering_status_name(enum peering_status status);
struct scope peering_scope(const struct peering_side *side);
/* `now` in milliseconds. */
enum peering_status peering_status(const struct peering *p, int64_t now);
/* Until when a connection that came to an end is shown; 0: it has not. A pending one that nobody
 * answers ends by itself. */
int64_t peering_gone(const struct peering *p, int64_t now);
/* The side that is not the VPC; NULL: the VPC has no part in it. A VPC is never both. */
const struct peering_side *peering_other(const struct peering *p, const char *vpc_id);
/* The VPC at the other end of an active connection, or NULL. */
const struct vpc *peering_peer(const struct index *ix, const struct peering *p, const char *vpc_id);

#endif
