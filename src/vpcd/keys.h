/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts and access keys: what vpcd starts with, and what `vpcctl account` and `vpcctl key` do.
 */
#ifndef VPCD_VPCD_KEYS_H
#define VPCD_VPCD_KEYS_H

#include <jansson.h>

#include "store/txn.h"
#include "vpcd/options.h"

#define FIRST_ACCOUNT 1 /* 000000000001 */

/*
 * At the start: the first account with its key, if there is no account yet, and the keys of the
 * command line. `done(arg, 0)` once that is durable and DIR/credentials is written.
 */
void keys_start(struct state *s, const struct options *o, void (*done)(void *arg, int status),
                void *arg);

/*
 * {"cmd": "account", "action": "list" | "create" | "delete", "id": "000000000002", "name": "..."}
 * {"cmd": "key", "action": "list" | "create" | "delete", "account": "...", "id": "AKIA..."}
 * `reply` gets the answer, an object that the receiver owns, maybe before this returns.
 */
void keys_command(struct state *s, const json_t *request, void (*reply)(void *arg, json_t *answer),
                  void *arg);

#endif
