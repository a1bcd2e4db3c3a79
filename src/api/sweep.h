/* SPDX-License-Identifier: Apache-2.0 */
/* What goes away with time, or when there is too much of it: see sweep.c. */
#ifndef VPCD_API_SWEEP_H
#define VPCD_API_SWEEP_H

#include "store/txn.h"

#define TERMINATED_KEPT_MS (3600 * 1000ll) /* "for about an hour" (EC2 user guide) */
#define TERMINATED_MAX 1000                /* of an account, in all regions */
#define GATEWAY_KEPT_MS TERMINATED_KEPT_MS /* "about an hour" (VPC user guide, NAT gateways) */
#define TOKEN_KEPT_MS (24 * 3600 * 1000ll) /* EC2 API reference, "Ensuring idempotency" */
#define TOKENS_MAX 16384
#define TRANSFER_KEPT_MS (14LL * 24 * 3600 * 1000) /* of an elastic IP, once accepted or over */
#define TRANSFERS_MAX 4096
#define SWEEP_BYTES_MAX (16 * 1024 * 1024) /* of either, in tags and kept replies */
#define SWEEP_MAX 1000                     /* objects that one step deletes */
#define SWEEP_LITTER 1024

struct sweep;

struct sweep *sweep_new(struct state *state);
void sweep_free(struct sweep *s);

/*
 * A call left something of that many bytes that will have to go: a token, a terminated instance.
 * May be called by runs that are taken back: it only makes the account's turn come sooner.
 */
void sweep_litter(struct sweep *s, uint64_t account, size_t bytes);
/* Sweeps the accounts whose turn came; after each call that may have left litter, not within it. */
void sweep_due(struct sweep *s);
/* The next step through all accounts. `done` may be called before this returns; more: step again.
 */
void sweep_step(struct sweep *s, void (*done)(void *arg, bool more), void *arg);

#endif
