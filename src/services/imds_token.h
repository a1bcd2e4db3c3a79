/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Session tokens. One says when it ends and is signed for one instance with a key that only this
 * process has: so nothing is stored for it, and it stays good when the process starts again.
 */
#ifndef VPCD_SERVICES_IMDS_TOKEN_H
#define VPCD_SERVICES_IMDS_TOKEN_H

#include <stdint.h>

#include "model/instance.h"
#include "services/services.h"

#define IMDS_TOKEN_TEXT 57 /* as long as EC2's, with the NUL */
#define IMDS_TTL_MIN 1
#define IMDS_TTL_MAX 21600 /* six hours */

/* The key, from what the agent gave and what tells this start of the machine from others: the
 * clock of the tokens begins again with it. 0 or -errno. */
int imds_token_key(const uint8_t secret[SERVICES_SECRET], uint8_t ret_key[SERVICES_SECRET]);
/* 0 or -errno. */
int imds_token_make(const uint8_t key[SERVICES_SECRET], const struct instance *i, int64_t now,
                    int64_t ttl, char ret_token[IMDS_TOKEN_TEXT]);
/* Seconds that it has left, more than 0; 0: it is no token, another instance's, or over. */
int64_t imds_token_left(const uint8_t key[SERVICES_SECRET], const struct instance *i, int64_t now,
                        const char *token);

#endif
