/* SPDX-License-Identifier: Apache-2.0 */
#include "services/router.h"

#include <arpa/inet.h>
#include <string.h>

#define SOLICITATION 133
#define ADVERTISEMENT 134
#define SOURCE_MAC 1
#define PREFIX 3
#define MTU 5
#define MANAGED 0x80
#define ON_LINK 0x80
#define HOPS 255

/* Of the router in every subnet (agent/outside.c). */
static const uint8_t router_mac[6] = {0x06, 0, 0, 0, 0, 1};

bool router_solicitation_is_valid(const struct asker *who, bool unspecified, const void *data,
                                  size_t len) {
    const uint8_t *p = data;

    if (len < 8 || p[0] != SOLICITATION || p[1] != 0)
        return false;
    for (size_t at = 8; at < len;) {
        if (len - at < 8 || !p[at + 1] || len - at < 8u * p[at + 1])
            return false;
        if (p[at] == SOURCE_MAC && (unspecified || memcmp(p + at + 2, who->eni->mac, 6) != 0))
            return false;
        at += 8u * p[at + 1];
    }
    return true;
}

static void put16(uint8_t *p, uint16_t v) {
    v = htons(v);
    memcpy(p, &v, 2);
}

static void put32(uint8_t *p, uint32_t v) {
    v = htonl(v);
    memcpy(p, &v, 4);
}

size_t router_advertisement(const struct asker *who, uint8_t out[ROUTER_ADVERTISEMENT]) {
    const struct cidr *c = subnet_cidr6(who->subnet);
    uint8_t *mac = out + 16, *mtu = out + 24, *prefix = out + 32;

    if (!c)
        return 0;
    memset(out, 0, ROUTER_ADVERTISEMENT);
    out[0] = ADVERTISEMENT;
    out[4] = HOPS;
    out[5] = MANAGED;
    put16(out + 6, ROUTER_LIFETIME);
    mac[0] = SOURCE_MAC;
    mac[1] = 1;
    memcpy(mac + 2, router_mac, 6);
    mtu[0] = MTU;
    mtu[1] = 1;
    put32(mtu + 4, ROUTER_MTU);
    prefix[0] = PREFIX;
    prefix[1] = 4;
    prefix[2] = c->len;
    prefix[3] = ON_LINK;
    put32(prefix + 4, ROUTER_PREFIX_LIFETIME);
    put32(prefix + 8, ROUTER_PREFIX_LIFETIME);
    memcpy(prefix + 16, c->ip.b, 16);
    return ROUTER_ADVERTISEMENT;
}
