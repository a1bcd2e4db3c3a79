/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client says, and the answer (RFC 8415, 18.3):
 *
 *     SOLICIT                       ADVERTISE; REPLY to who wants it rapidly
 *     REQUEST, RENEW, REBIND        REPLY with the interface's addresses; those that the client
 *                                   names and the interface does not have get no lifetime
 *     CONFIRM                       REPLY: all are of this link, or not; nothing without addresses
 *     RELEASE, DECLINE              REPLY: success; the interface has them all the same
 *     INFORMATION-REQUEST           REPLY, with nothing in it
 *
 * All addresses go into the first IA_NA; further ones, IA_TA and IA_PD get none.
 */
#include "services/dhcp6.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/text.h"

enum message {
    SOLICIT = 1,
    ADVERTISE = 2,
    REQUEST = 3,
    CONFIRM = 4,
    RENEW = 5,
    REBIND = 6,
    REPLY = 7,
    RELEASE = 8,
    DECLINE = 9,
    INFORMATION_REQUEST = 11,
};

enum option {
    CLIENT_ID = 1,
    SERVER_ID = 2,
    IA_NA = 3,
    IA_TA = 4,
    IA_ADDR = 5,
    STATUS = 13,
    RAPID_COMMIT = 14,
    IA_PD = 25,
};

enum status { SUCCESS = 0, NO_ADDRS = 2, NO_BINDING = 3, NOT_ON_LINK = 4, NO_PREFIX = 6 };

#define DUID_MAX 130
#define IAS_MAX 8
#define NAMED_MAX 64

/* DUID-LL of the router of every subnet. */
static const uint8_t server_id[] = {0, 3, 0, 1, 0x06, 0, 0, 0, 0, 1};

struct ia {
    uint16_t option;
    const uint8_t *id; /* 4 bytes */
};

struct question6 {
    uint8_t type;
    const uint8_t *transaction; /* 3 bytes */
    const uint8_t *client_id;   /* NULL: not said */
    size_t client_id_len;
    bool server, ours; /* a server is named; it is this one */
    bool rapid;
    struct ia ias[IAS_MAX];
    size_t n_ias;
    const uint8_t *named[NAMED_MAX]; /* addresses of IA_NAs, 16 bytes each */
    size_t n_named;
};

static uint16_t get16(const uint8_t *p) {
    return (uint16_t)(p[0] << 8 | p[1]);
}

/* ---- reading ---- */

/* Calls `fn` for each option; false: they are not whole, or `fn` did not like one. */
static bool each_option(const uint8_t *p, size_t len, struct question6 *q,
                        bool (*fn)(struct question6 *q, uint16_t option, const uint8_t *value,
                                   size_t len)) {
    while (len) {
        uint16_t n;

        if (len < 4 || len - 4 < (n = get16(p + 2)))
            return false;
        if (!fn(q, get16(p), p + 4, n))
            return false;
        p += 4u + n;
        len -= 4u + n;
    }
    return true;
}

static bool take_address(struct question6 *q, uint16_t option, const uint8_t *value, size_t len) {
    if (option != IA_ADDR)
        return true;
    if (len < 24)
        return false;
    if (q->n_named < NAMED_MAX)
        q->named[q->n_named++] = value;
    return true;
}

static bool take(struct question6 *q, uint16_t option, const uint8_t *value, size_t len) {
    size_t fixed = option == IA_TA ? 4 : 12;

    switch (option) {
    case CLIENT_ID:
        if (q->client_id || len < 3 || len > DUID_MAX)
            return false;
        q->client_id = value;
        q->client_id_len = len;
        return true;
    case SERVER_ID:
        if (q->server)
            return false;
        q->server = true;
        q->ours = len == sizeof(server_id) && memcmp(value, server_id, len) == 0;
        return true;
    case RAPID_COMMIT:
        q->rapid = true;
        return len == 0;
    case IA_NA:
    case IA_TA:
    case IA_PD:
        if (len < fixed)
            return false;
        if (q->n_ias < IAS_MAX)
            q->ias[q->n_ias++] = (struct ia){option, value};
        return option != IA_NA || each_option(value + fixed, len - fixed, q, take_address);
    default:
        return true;
    }
}

/* RFC 8415, 16: who must be named, who must not. */
static bool is_valid(const struct question6 *q) {
    switch (q->type) {
    case SOLICIT:
    case CONFIRM:
    case REBIND:
        return q->client_id && !q->server;
    case REQUEST:
    case RENEW:
    case RELEASE:
    case DECLINE:
        return q->client_id && q->server;
    case INFORMATION_REQUEST:
        return !q->n_ias;
    default:
        return false; /* what servers and relays say */
    }
}

/* ---- writing ---- */

struct writer {
    struct dhcp6_reply *reply;
};

static uint8_t *put(struct writer *w, uint16_t option, const void *value, size_t len) {
    uint8_t *at = w->reply->bytes + w->reply->len;

    if (w->reply->len + 4 + len > sizeof(w->reply->bytes))
        return NULL;
    at[0] = (uint8_t)(option >> 8);
    at[1] = (uint8_t)option;
    at[2] = (uint8_t)(len >> 8);
    at[3] = (uint8_t)len;
    memcpy(at + 4, value, len);
    w->reply->len += 4 + len;
    return at;
}

static void put32(uint8_t *p, uint32_t v) {
    v = htonl(v);
    memcpy(p, &v, 4);
}

static void put_status(struct writer *w, enum status status) {
    uint8_t code[2] = {0, (uint8_t)status};

    put(w, STATUS, code, sizeof(code));
}

static void put_address(struct writer *w, const uint8_t *address, uint32_t preferred,
                        uint32_t valid) {
    uint8_t value[24];

    memcpy(value, address, 16);
    put32(value + 16, preferred);
    put32(value + 20, valid);
    put(w, IA_ADDR, value, sizeof(value));
}

static uint32_t preferred_time(const struct index *ix, const struct vpc *vpc) {
    const struct list *values = dhcp_option_values(ix, vpc, "ipv6-address-preferred-lease-time");
    int64_t seconds;

    if (!values || !values->n ||
        int_parse(list_str(*values, 0), DHCP6_PREFERRED, INT32_MAX, &seconds) < 0)
        return DHCP6_PREFERRED;
    return (uint32_t)seconds;
}

/* The option's length once its content is there. */
static void end_ia(struct writer *w, uint8_t *ia) {
    size_t len = (size_t)(w->reply->bytes + w->reply->len - ia) - 4;

    ia[2] = (uint8_t)(len >> 8);
    ia[3] = (uint8_t)len;
}

static void put_no(struct writer *w, const struct ia *ia, enum status status) {
    uint8_t value[12] = {0}, *at;

    memcpy(value, ia->id, 4);
    at = put(w, ia->option, value, ia->option == IA_TA ? 4 : 12);
    if (!at)
        return;
    put_status(w, status);
    end_ia(w, at);
}

static bool has(const struct network_interface *eni, const uint8_t *address) {
    struct ip ip = {.family = IP_V6};

    memcpy(ip.b, address, 16);
    return eni_find(eni, &ip);
}

static void put_addresses(struct writer *w, const struct index *ix, const struct asker *who,
                          const struct question6 *q, const struct ia *ia) {
    uint32_t preferred = preferred_time(ix, who->vpc);
    uint32_t valid = preferred < UINT32_MAX / 3 ? preferred * 3 + 30 : UINT32_MAX - 1;
    uint8_t value[12], *at;

    memcpy(value, ia->id, 4);
    put32(value + 4, preferred / 2);
    put32(value + 8, preferred / 5 * 4);
    at = put(w, IA_NA, value, sizeof(value));
    if (!at)
        return;
    list_each (struct eni_address, a, who->eni->addresses6)
        put_address(w, a->ip.b, preferred, valid);
    for (size_t i = 0; i < q->n_named; i++)
        if (!has(who->eni, q->named[i]))
            put_address(w, q->named[i], 0, 0);
    end_ia(w, at);
}

static void put_ias(struct writer *w, const struct index *ix, const struct asker *who,
                    const struct question6 *q) {
    bool given = !who->eni->addresses6.n;

    for (size_t i = 0; i < q->n_ias; i++) {
        const struct ia *ia = &q->ias[i];

        if (ia->option == IA_NA && !given) {
            put_addresses(w, ix, who, q, ia);
            given = true;
        } else {
            put_no(w, ia, ia->option == IA_PD ? NO_PREFIX : NO_ADDRS);
        }
    }
}

/* Whether all that are named are of the interface's subnet. */
static bool on_link(const struct asker *who, const struct question6 *q) {
    const struct cidr *c = subnet_cidr6(who->subnet);

    for (size_t i = 0; i < q->n_named; i++) {
        struct ip ip = {.family = IP_V6};

        memcpy(ip.b, q->named[i], 16);
        if (!c || !cidr_contains_ip(c, &ip))
            return false;
    }
    return true;
}

static void begin(struct writer *w, const struct question6 *q, enum message type) {
    w->reply->bytes[0] = (uint8_t)type;
    memcpy(w->reply->bytes + 1, q->transaction, 3);
    w->reply->len = 4;
    if (q->client_id)
        put(w, CLIENT_ID, q->client_id, q->client_id_len);
    put(w, SERVER_ID, server_id, sizeof(server_id));
}

enum dhcp_result dhcp6_answer(const struct index *ix, const struct asker *who, const void *data,
                              size_t len, struct dhcp6_reply *ret) {
    const uint8_t *bytes = data;
    struct question6 q = {0};
    struct writer w = {ret};

    ret->len = 0;
    if (len < 4)
        return DHCP_BAD;
    q.type = bytes[0];
    q.transaction = bytes + 1;
    if (!each_option(bytes + 4, len - 4, &q, take) || !is_valid(&q))
        return DHCP_BAD;
    if (q.server && !q.ours)
        return DHCP_NOTHING; /* it is another's client */
    if (q.type == CONFIRM && !q.n_named)
        return DHCP_NOTHING;
    begin(&w, &q, q.type == SOLICIT && !q.rapid ? ADVERTISE : REPLY);
    switch (q.type) {
    case SOLICIT:
        if (q.rapid)
            put(&w, RAPID_COMMIT, "", 0);
        put_ias(&w, ix, who, &q);
        break;
    case REQUEST:
    case RENEW:
    case REBIND:
        put_ias(&w, ix, who, &q);
        break;
    case CONFIRM:
        put_status(&w, on_link(who, &q) ? SUCCESS : NOT_ON_LINK);
        break;
    case RELEASE:
    case DECLINE:
        put_status(&w, SUCCESS);
        break;
    default:
        break;
    }
    return DHCP_ANSWER;
}
