/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client says, and the answer (RFC 2131, 4.3):
 *
 *     DISCOVER                              OFFER of the primary address
 *     REQUEST  for another server           nothing
 *              for the primary address      ACK
 *              for any other                NAK, to everybody on the link
 *     INFORM   from an own address          ACK without an address and a lease
 *     DECLINE, RELEASE                      nothing: the interface has its address all the same
 */
#include "services/dhcp.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define HEADER 240 /* BOOTP's, and the cookie */
#define COOKIE 0x63825363u
#define BROADCAST 0x8000
#define UDP_ROOM 548 /* what every client takes: 576 bytes of an IP packet */
#define IP_UDP 28
#define SERVERS_MAX 4

enum type { DISCOVER = 1, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM };

enum option {
    PAD = 0,
    MASK = 1,
    ROUTER = 3,
    DNS = 6,
    HOST_NAME = 12,
    DOMAIN = 15,
    MTU = 26,
    BROADCAST_ADDRESS = 28,
    NTP = 42,
    NETBIOS_SERVERS = 44,
    NETBIOS_TYPE = 46,
    REQUESTED = 50,
    LEASE = 51,
    TYPE = 53,
    SERVER = 54,
    MESSAGE_MAX = 57,
    T1 = 58,
    T2 = 59,
    CLIENT_ID = 61,
    END = 255,
};

struct question4 {
    const uint8_t *header;
    uint8_t type;
    uint16_t flags;
    uint32_t ciaddr, requested, server; /* 0: not said */
    size_t room;                        /* for the answer */
    const uint8_t *client_id;           /* with its option header; NULL: not said */
};

static uint16_t get16(const uint8_t *p) {
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p) {
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put32(uint8_t *p, uint32_t v) {
    v = htonl(v);
    memcpy(p, &v, 4);
}

/* ---- reading ---- */

static bool take(struct question4 *q, const uint8_t *o) {
    const uint8_t *value = o + 2;
    size_t room;

    switch (o[0]) {
    case TYPE:
        q->type = value[0];
        return o[1] == 1;
    case REQUESTED:
        q->requested = o[1] == 4 ? get32(value) : 0;
        return o[1] == 4;
    case SERVER:
        q->server = o[1] == 4 ? get32(value) : 0;
        return o[1] == 4;
    case MESSAGE_MAX:
        if (o[1] != 2)
            return false;
        room = get16(value);
        if (room > UDP_ROOM + IP_UDP)
            q->room = room - IP_UDP < DHCP_REPLY_MAX ? room - IP_UDP : DHCP_REPLY_MAX;
        return true;
    case CLIENT_ID:
        q->client_id = o;
        return o[1] >= 2;
    default:
        return true;
    }
}

static bool read_question(const uint8_t *data, size_t len, const uint8_t mac[6],
                          struct question4 *q) {
    size_t at = HEADER;

    *q = (struct question4){.header = data, .room = UDP_ROOM};
    /* A question over Ethernet, through no relay, of the interface itself. */
    if (len < HEADER || data[0] != 1 || data[1] != 1 || data[2] != 6 || get32(data + 24) ||
        memcmp(data + 28, mac, 6) != 0 || get32(data + 236) != COOKIE)
        return false;
    q->flags = get16(data + 10);
    q->ciaddr = get32(data + 12);
    while (at < len && data[at] != END) {
        if (data[at] == PAD) {
            at++;
            continue;
        }
        if (len - at < 2 || len - at - 2 < data[at + 1])
            return false;
        if (!data[at + 1] && data[at] != 80) /* only "rapid commit" is without a value */
            return false;
        if (!take(q, data + at))
            return false;
        at += 2u + data[at + 1];
    }
    return q->type >= DISCOVER && q->type <= INFORM;
}

/* ---- what the model says ---- */

struct server {
    const struct index *ix;
    const struct asker *who;
    uint32_t address, subnet, router, mask; /* of the interface */
};

static bool server_of(const struct index *ix, const struct asker *who, struct server *ret) {
    const struct eni_address *primary = eni_primary(who->eni);
    const struct cidr *c = &who->subnet->cidr;

    if (!primary || c->ip.family != IP_V4 || c->len == 0 || c->len > 32)
        return false;
    *ret = (struct server){.ix = ix,
                           .who = who,
                           .address = ip_to_v4(&primary->ip),
                           .subnet = ip_to_v4(&c->ip),
                           .mask = ~0u << (32 - c->len)};
    ret->router = ret->subnet + 1;
    return true;
}

/* ---- writing ---- */

struct writer {
    struct dhcp_reply *reply;
    size_t room;
};

/* What does not fit is left out, and the end always fits. */
static void put(struct writer *w, uint8_t option, const void *value, size_t len) {
    uint8_t *at = w->reply->bytes + w->reply->len;

    if (!len || len > 255 || w->reply->len + 2 + len + 1 > w->room)
        return;
    at[0] = option;
    at[1] = (uint8_t)len;
    memcpy(at + 2, value, len);
    w->reply->len += 2 + len;
}

static void put_u8(struct writer *w, uint8_t option, uint8_t v) {
    put(w, option, &v, 1);
}

static void put_u32(struct writer *w, uint8_t option, uint32_t v) {
    v = htonl(v);
    put(w, option, &v, 4);
}

/* Addresses of the options set; IPv6 ones are not for here. */
static void put_servers(struct writer *w, const struct server *s, uint8_t option, const char *key) {
    const struct list *values = dhcp_option_values(s->ix, s->who->vpc, key);
    uint8_t out[4 * SERVERS_MAX];
    size_t n = 0;

    for (uint32_t i = 0; values && i < values->n && n < SERVERS_MAX; i++) {
        const char *text = list_str(*values, i);
        struct ip ip;

        if (strcmp(text, "AmazonProvidedDNS") == 0)
            ip = ip_add(&s->who->vpc->cidr.ip, 2);
        else if (ip_parse(text, &ip) < 0 || ip.family != IP_V4)
            continue;
        memcpy(out + 4 * n++, ip.b, 4);
    }
    put(w, option, out, 4 * n);
}

static void put_dns(struct writer *w, const struct server *s) {
    static const uint8_t link_resolver[4] = {169, 254, 169, 253};

    /* "If your VPC has no DHCP option set: ... 169.254.169.253 as the default". */
    if (index_get(s->ix, KIND_DHCP_OPTIONS, s->who->vpc->o.scope,
                  s->who->vpc->dhcp_options_id ? s->who->vpc->dhcp_options_id : ""))
        put_servers(w, s, DNS, "domain-name-servers");
    else
        put(w, DNS, link_resolver, sizeof(link_resolver));
}

static void put_host_name(struct writer *w, const struct server *s) {
    const struct instance *i = s->who->instance;
    const char *type =
        i && i->names.hostname_type ? i->names.hostname_type : s->who->subnet->hostname_type;
    struct ip address = ip_v4(s->address);
    char name[128];

    if (i && type && strcmp(type, "resource-name") == 0)
        snprintf(name, sizeof(name), "%s", i->o.id);
    else
        private_dns_name(s->who->eni->o.scope.region, &address, name);
    put(w, HOST_NAME, name, strcspn(name, "."));
}

static void put_settings(struct writer *w, const struct server *s) {
    const struct list *domain = dhcp_option_values(s->ix, s->who->vpc, "domain-name");
    const struct list *type = dhcp_option_values(s->ix, s->who->vpc, "netbios-node-type");
    uint16_t mtu = htons(DHCP_MTU);

    put_u32(w, MASK, s->mask);
    put_u32(w, ROUTER, s->router);
    put_dns(w, s);
    put(w, MTU, &mtu, 2);
    put_host_name(w, s);
    put_u32(w, BROADCAST_ADDRESS, s->subnet | ~s->mask);
    put_servers(w, s, NTP, "ntp-servers");
    put_servers(w, s, NETBIOS_SERVERS, "netbios-name-servers");
    if (type && type->n && strlen(list_str(*type, 0)) == 1)
        put_u8(w, NETBIOS_TYPE, (uint8_t)(list_str(*type, 0)[0] - '0'));
    if (domain && domain->n)
        put(w, DOMAIN, list_str(*domain, 0), strlen(list_str(*domain, 0)));
}

static void begin(struct writer *w, const struct question4 *q, const struct server *s,
                  uint8_t type) {
    uint8_t *out = w->reply->bytes;

    memset(out, 0, HEADER);
    memcpy(out, q->header, 12); /* hardware, transaction, flags */
    out[0] = 2;
    out[3] = 0;
    out[8] = out[9] = 0;
    memcpy(out + 28, q->header + 28, 16);
    put32(out + 236, COOKIE);
    w->reply->len = HEADER;
    put_u8(w, TYPE, type);
    put_u32(w, SERVER, s->router);
    if (q->client_id) /* RFC 6842 */
        put(w, CLIENT_ID, q->client_id + 2, q->client_id[1]);
}

static void finish(struct writer *w) {
    w->reply->bytes[w->reply->len++] = END;
    /* BOOTP's own size, for clients that want it. */
    while (w->reply->len < 300)
        w->reply->bytes[w->reply->len++] = PAD;
}

/* RFC 2131, 4.1: where the answer goes. */
static void direct(struct dhcp_reply *reply, const struct question4 *q, uint32_t yiaddr) {
    if (q->ciaddr)
        reply->to = ip_v4(q->ciaddr);
    else if (!(q->flags & BROADCAST) && yiaddr)
        reply->to = ip_v4(yiaddr);
}

static enum dhcp_result give(const struct question4 *q, const struct server *s, uint8_t type,
                             struct dhcp_reply *ret) {
    struct writer w = {.reply = ret, .room = q->room};
    uint32_t yiaddr = type == ACK && q->type == INFORM ? 0 : s->address;

    begin(&w, q, s, type);
    if (q->type == REQUEST)
        put32(ret->bytes + 12, q->ciaddr);
    put32(ret->bytes + 16, yiaddr);
    if (yiaddr) {
        put_u32(&w, LEASE, DHCP_LEASE);
        put_u32(&w, T1, DHCP_LEASE / 2);
        put_u32(&w, T2, DHCP_LEASE / 8 * 7);
    }
    put_settings(&w, s);
    finish(&w);
    direct(ret, q, yiaddr);
    return DHCP_ANSWER;
}

static enum dhcp_result refuse(const struct question4 *q, const struct server *s,
                               struct dhcp_reply *ret) {
    struct writer w = {.reply = ret, .room = q->room};

    begin(&w, q, s, NAK);
    finish(&w);
    return DHCP_NAK;
}

enum dhcp_result dhcp_answer(const struct index *ix, const struct asker *who, const void *data,
                             size_t len, struct dhcp_reply *ret) {
    struct question4 q;
    struct server s;
    struct ip from;
    uint32_t wanted;

    *ret = (struct dhcp_reply){.len = 0};
    if (!read_question(data, len, who->eni->mac, &q))
        return DHCP_BAD;
    if (!server_of(ix, who, &s))
        return DHCP_NOTHING;
    switch (q.type) {
    case DISCOVER:
        return q.ciaddr ? DHCP_BAD : give(&q, &s, OFFER, ret);
    case REQUEST:
        if (q.server && q.server != s.router)
            return DHCP_NOTHING; /* it took another's offer */
        wanted = q.ciaddr ? q.ciaddr : q.requested;
        if (!wanted)
            return DHCP_BAD;
        return wanted == s.address ? give(&q, &s, ACK, ret) : refuse(&q, &s, ret);
    case INFORM:
        from = ip_v4(q.ciaddr);
        return eni_find(who->eni, &from) ? give(&q, &s, ACK, ret) : DHCP_BAD;
    case DECLINE:
    case RELEASE:
        return DHCP_NOTHING;
    default:
        return DHCP_BAD; /* what a server says */
    }
}
