/* SPDX-License-Identifier: Apache-2.0 */
/* A token bucket for each account (EC2 API reference, "Request throttling"). */
#ifndef VPCD_API_THROTTLE_H
#define VPCD_API_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

struct throttle;

/* `rate` tokens a second, at most `burst` kept; rate 0: no limit. */
struct throttle *throttle_new(unsigned rate, unsigned burst);
void throttle_free(struct throttle *t);
/* One token of the account; false when there is none. `now` in nanoseconds, monotonic. */
bool throttle_take(struct throttle *t, uint64_t account, uint64_t now);
/*
 * What a call cost beyond its token, by the time that it kept the one thread from everybody else:
 * CALL_FREE_NS are the token's; for the rest tokens go as if the account had half of the time. It
 * may come to owe as many as it may keep.
 */
#define CALL_FREE_NS 2000000
void throttle_charge(struct throttle *t, uint64_t account, uint64_t busy_ns);

#endif
