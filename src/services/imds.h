/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instance metadata service, IMDSv1 and IMDSv2 (EC2 user guide, "Use instance metadata to
 * manage your EC2 instance"). A request is judged in this order:
 *
 *  1. an interface that is attached to no instance has no metadata: 404
 *  2. HttpEndpoint is disabled, or HttpProtocolIpv6 and it came by IPv6: 403
 *  3. PUT: a token, or why there is none; its packets live HttpPutResponseHopLimit hops
 *  4. GET and HEAD: a token that is there must be good, and with HttpTokens=required one must be
 *     there: else 401
 *  5. the tree (imds_tree.h)
 *
 * The options are those of the state at the moment of the request, so a change of them acts on the
 * next one. Nothing is kept between requests but signatures that were made before.
 */
#ifndef VPCD_SERVICES_IMDS_H
#define VPCD_SERVICES_IMDS_H

#include "base/buf.h"
#include "http/http.h"
#include "services/services.h"

struct identity;

struct imds {
    uint8_t key[SERVICES_SECRET]; /* of the tokens */
    struct identity *identity;    /* signs identity documents; NULL: there are no signatures */
};

struct imds_request {
    const struct index *ix;
    const struct asker *who;
    uint8_t family; /* by which it came, enum ip_family */
    int64_t now; /* seconds of a clock that never goes back (CLOCK_BOOTTIME): tokens live by it */
    const char *method, *path; /* "/..." as it came, without the query */
    const struct http_header *headers;
    size_t header_count;
};

struct imds_reply {
    int status;
    const char *type;  /* Content-Type */
    const char *allow; /* methods, with 405; else NULL */
    int64_t ttl;       /* seconds that the token, new or shown, has left; 0: there was none */
    int hops;          /* that the reply may travel; 0: as usual */
    struct buf body;   /* the caller's to free */
};

#define IMDS_BODY_MAX (256 * 1024)
#define IMDS_PATH_MAX 2048

void imds_answer(struct imds *imds, const struct imds_request *req, struct imds_reply *ret);
/* The document of an error, as EC2 sends it. */
void imds_error(struct imds_reply *reply, int status);
/* "Not Found" */
const char *imds_reason(int status);

const char *imds_start(struct services *s, const struct services_options *o);

#endif
