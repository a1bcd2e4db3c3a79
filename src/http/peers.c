/* SPDX-License-Identifier: Apache-2.0 */
#include "http/peers.h"

#include <stdlib.h>
#include <string.h>

#include "base/io.h"

void peers_init(struct peers *peers) {
    *peers = (struct peers){0};
    random_bytes(&peers->seed, sizeof(peers->seed));
}

static struct peer_use **bucket_of(struct peers *peers, const struct ip *key) {
    uint32_t hash = peers->seed ^ key->family;

    for (size_t i = 0; i < 8; i++)
        hash = (hash ^ key->b[i]) * 16777619u;
    return &peers->bucket[(hash ^ (hash >> 16)) % PEER_BUCKETS];
}

struct peer_use *peers_enter(struct peers *peers, const struct ip *ip, unsigned max) {
    struct ip key = *ip;
    struct peer_use *use, **bucket;

    if (key.family == IP_V6)
        memset(key.b + 8, 0, 8);
    bucket = bucket_of(peers, &key);
    for (use = *bucket; use; use = use->next)
        if (ip_equal(&use->key, &key))
            break;
    if (use ? use->connections >= max : max == 0)
        return NULL;
    if (!use) {
        use = calloc(1, sizeof(*use));
        if (!use)
            return NULL;
        use->key = key;
        use->next = *bucket;
        *bucket = use;
    }
    use->connections++;
    return use;
}

void peers_leave(struct peers *peers, struct peer_use *use) {
    struct peer_use **at;

    if (--use->connections > 0)
        return;
    for (at = bucket_of(peers, &use->key); *at; at = &(*at)->next)
        if (*at == use) {
            *at = use->next;
            free(use);
            return;
        }
}
