/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The EC2 Query API (version 2016-11-15), the few STS and IAM calls that clients make on the way,
 * and the part of CloudWatch Logs that flow logs are read with (logs/wire.h).
 *
 * api_handle takes one HTTP request: authenticates it (SigV4), decodes its parameters by the
 * action's table, runs the action as a call on the state, and answers when everything the call did
 * and saw is on disk.
 */
#ifndef VPCD_API_API_H
#define VPCD_API_API_H

#include "http/http.h"
#include "store/txn.h"

struct api;

#define ACCOUNT_INSTANCES 1000 /* the host has room for 4,096 */

struct api_config {
    struct state *state;
    const char *regions;                    /* comma-separated; NULL: all of AWS's */
    struct cidr public_pool;                /* IPv4; its first address is the host's */
    struct cidr ipv6_pool;                  /* VPCs get a /56 of it; the first /56 is the host's */
    bool paper;                             /* no agent: instances become running at once */
    unsigned calls_per_second, calls_burst; /* for each account; 0: no limit */
    /* What an account may have in all regions together; 0: the default. */
    unsigned account_instances; /* ACCOUNT_INSTANCES */
    unsigned account_addresses; /* public IPv4: half of the pool, or all of one below 64 */
    uint64_t account_log_bytes; /* of its log groups' events: 1 GiB */
    /* CloudWatch Logs; NULL: not offered. */
    struct event_base *base;
    const char *logs_dir;
};

/* 0 or -EINVAL with a line in `error` (256 bytes). */
int api_new(const struct api_config *config, struct api **ret_api, char *error);
void api_free(struct api *api);

/* A http_config's `handle` and `render_error`; ctx is the struct api. */
void api_handle(void *ctx, struct http_request *req);
void api_render_error(void *ctx, int status, const char *code, const char *message,
                      struct buf *body);

/* What the host's agent says of an instance (api/reports.c). */
void api_instance_report(struct api *api, const char *instance_id, const char *state,
                         const char *reason);

/* An account was created or deleted: no log groups stand under its number. */
void api_forget_logs(struct api *api, uint64_t account);

/* What vpc-logs says of the delivery of a flow log: it goes well (NULL), or what fails
 * (api/reports.c). */
struct logs_owner;
void api_delivery_report(struct api *api, const struct logs_owner *owner, const char *flow_log_id,
                         const char *message);

/*
 * Old client tokens and instances that were terminated an hour ago go away, a step at a time; to be
 * called now and then, and again at once, from the loop, while there is `more`. `done` may be
 * called before this returns.
 */
void api_sweep(struct api *api, void (*done)(void *arg, bool more), void *arg);

struct sweep *api_sweeper(const struct api *api);
const struct api_config *api_config(const struct api *api);
bool api_serves(const struct api *api, uint16_t region);

#endif
