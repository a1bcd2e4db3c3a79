/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CloudWatch Logs on the API's own endpoint: AWS's JSON 1.1 protocol, `X-Amz-Target:
 * Logs_20140328.ACTION`, signed for the service "logs".
 *
 * A call waits for the disk, so it does not run on the loop's thread: it is queued to threads that
 * each have a handle of the log groups (logs/logs.h), and answered on the loop when it is done. An
 * account may have LOGS_QUEUE_ACCOUNT calls in the queue; beyond that it is throttled.
 *
 * The same threads keep house: what expired or was deleted goes away, and what vpc-logs says of the
 * delivery of flow logs is passed on.
 */
#ifndef VPCD_API_LOGS_WIRE_H
#define VPCD_API_LOGS_WIRE_H

#include "api/api.h"
#include "logs/logs.h"

#define LOGS_THREADS 2
#define LOGS_QUEUE 1024
#define LOGS_QUEUE_ACCOUNT 64

struct logs_wire;

struct logs_wire_config {
    struct event_base *base;
    const char *directory; /* STATE/logs */
    struct logs_limits limits;
    struct api *api;
    /* On the loop: a call took this long; the delivery of a flow log changed (message NULL: it is
     * well). */
    void (*busy)(struct api *api, uint64_t account, uint64_t ns);
    void (*delivery)(struct api *api, const struct logs_owner *owner, const char *flow_log,
                     const char *message);
};

/* 0 or -errno with a line in `error` (LOGS_ERROR bytes). */
int logs_wire_new(const struct logs_wire_config *config, struct logs_wire **ret_wire, char *error);
/* Requests that wait are answered with an error. While the loop's base still lives. */
void logs_wire_free(struct logs_wire *w);

/* Whether a request is of this protocol. */
bool logs_wire_claims(const struct http_request *req);
/* Who calls is known. Answers the request now or later. */
struct logs_caller {
    uint64_t account;
    const char *region; /* of AWS's list, static */
};
void logs_wire_call(struct logs_wire *w, struct http_request *req, const struct logs_caller *who,
                    const char *request_id);

/* An account begins, or ends: what there is under its number goes away, soon. */
void logs_wire_forget(struct logs_wire *w, uint64_t account);

/* An error of this protocol. `code` may be one of SigV4's (auth.h), which has another name here. */
void logs_wire_refuse(struct http_request *req, const char *request_id, const char *code,
                      const char *message);

#endif
