/* SPDX-License-Identifier: Apache-2.0 */
#include "api/throttle.h"

#include <stdlib.h>
#include <uthash.h>

struct bucket {
    uint64_t account;
    uint64_t last;
    double tokens;
    UT_hash_handle hh;
};

struct throttle {
    unsigned rate, burst;
    struct bucket
        *buckets; /* one for each account that ever called: accounts are few and made by root */
};

struct throttle *throttle_new(unsigned rate, unsigned burst) {
    struct throttle *t = calloc(1, sizeof(*t));

    if (t) {
        t->rate = rate;
        t->burst = burst ? burst : rate;
    }
    return t;
}

void throttle_free(struct throttle *t) {
    struct bucket *b, *tmp;

    if (!t)
        return;
    HASH_ITER (hh, t->buckets, b, tmp) {
        HASH_DEL(t->buckets, b);
        free(b);
    }
    free(t);
}

bool throttle_take(struct throttle *t, uint64_t account, uint64_t now) {
    struct bucket *b;

    if (!t->rate)
        return true;
    HASH_FIND(hh, t->buckets, &account, sizeof(account), b);
    if (!b) {
        b = calloc(1, sizeof(*b));
        if (!b)
            return false;
        *b = (struct bucket){.account = account, .last = now, .tokens = t->burst};
        HASH_ADD(hh, t->buckets, account, sizeof(account), b);
    }
    b->tokens += (double)(now - b->last) / 1e9 * t->rate;
    if (b->tokens > t->burst)
        b->tokens = t->burst;
    b->last = now;
    if (b->tokens < 1)
        return false;
    b->tokens -= 1;
    return true;
}

void throttle_charge(struct throttle *t, uint64_t account, uint64_t busy_ns) {
    struct bucket *b;

    HASH_FIND(hh, t->buckets, &account, sizeof(account), b);
    if (!b || busy_ns <= CALL_FREE_NS)
        return;
    b->tokens -= (double)(busy_ns - CALL_FREE_NS) / 1e9 * t->rate * 2;
    if (b->tokens < -(double)t->burst)
        b->tokens = -(double)t->burst;
}
