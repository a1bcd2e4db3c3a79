/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each client address takes up: connections, and bytes of bodies. An IPv6 client is its /64,
 * since whoever has one address there has all of them. An address without connections has no entry,
 * so there are never more entries than connections.
 */
#ifndef VPCD_HTTP_PEERS_H
#define VPCD_HTTP_PEERS_H

#include <stddef.h>

#include "base/ip.h"

struct peer_use {
    struct peer_use *next;
    struct ip key;
    unsigned connections;
    size_t body_bytes;
};

#define PEER_BUCKETS 256

struct peers {
    struct peer_use *bucket[PEER_BUCKETS];
    uint32_t seed;
};

void peers_init(struct peers *peers);

/* The entry of `ip` with one more connection; NULL above `max`, or when memory is short. */
struct peer_use *peers_enter(struct peers *peers, const struct ip *ip, unsigned max);

/* One connection less. The last one to leave frees the entry. */
void peers_leave(struct peers *peers, struct peer_use *use);

#endif
