/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DNS messages on the wire (RFC 1035 section 4, RFC 6891): a question is read, an answer is
 * written. Every byte that is read comes from a stranger; nothing is read beyond `len`, and no
 * name costs more than its 255 bytes.
 */
#ifndef VPCD_SERVICES_DNS_WIRE_H
#define VPCD_SERVICES_DNS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"

#define DNS_NAME_MAX 255 /* bytes of a name with its root */
#define DNS_HEADER 12
#define DNS_MESSAGE_MAX 65535
#define DNS_UDP_MIN 512
/* The most that goes into a datagram, whatever the client offers: it fits IPv6's smallest MTU. */
#define DNS_UDP_MAX 1232

enum dns_type {
    DNS_A = 1,
    DNS_NS = 2,
    DNS_CNAME = 5,
    DNS_SOA = 6,
    DNS_PTR = 12,
    DNS_HINFO = 13,
    DNS_MX = 15,
    DNS_AAAA = 28,
    DNS_OPT = 41,
    DNS_RRSIG = 46,
    DNS_NSEC = 47,
    DNS_NSEC3 = 50,
    DNS_TKEY = 249,
    DNS_TSIG = 250,
    DNS_IXFR = 251,
    DNS_AXFR = 252,
    DNS_MAILB = 253,
    DNS_MAILA = 254,
    DNS_ANY = 255,
};
#define DNS_CLASS_IN 1

enum dns_rcode {
    DNS_NOERROR = 0,
    DNS_FORMERR = 1,
    DNS_SERVFAIL = 2,
    DNS_NXDOMAIN = 3,
    DNS_NOTIMP = 4,
    DNS_REFUSED = 5,
    DNS_BADVERS = 16, /* needs EDNS, as every code above 15 */
};

enum dns_flags {
    DNS_QR = 0x8000,
    DNS_OPCODE = 0x7800,
    DNS_TC = 0x0200,
    DNS_RD = 0x0100,
    DNS_RA = 0x0080,
    DNS_CD = 0x0010,
};

/* Why, beside the code (RFC 8914). */
enum dns_why {
    DNS_WHY_NONE = -1,
    DNS_WHY_NOT_AUTHORITATIVE = 20,
    DNS_WHY_NOT_SUPPORTED = 21,
    DNS_WHY_NO_REACHABLE_AUTHORITY = 22,
    DNS_WHY_PROHIBITED = 18,
};

/* Labels as on the wire, never compressed, the root's zero byte at the end; letters as they came.*/
struct dns_name {
    uint8_t len; /* with the root; 1 for the root itself */
    uint8_t wire[DNS_NAME_MAX];
};

/* "ec2.internal" (no final dot, no escapes); false: a label is empty or too long, or the whole. */
bool dns_name_set(struct dns_name *n, const char *text);
/* The same letters, whatever their case. */
bool dns_name_equal(const struct dns_name *a, const struct dns_name *b);
unsigned dns_name_labels(const struct dns_name *n); /* without the root */
/* Whether the name is the zone or below it; *ret_front: how many labels stand before the zone. */
bool dns_name_under(const struct dns_name *n, const char *zone, unsigned *ret_front);
/* Label i from the left as a string in lower case; `out` holds 64 bytes. False when there is none
 * or it holds a zero byte. */
bool dns_name_label(const struct dns_name *n, unsigned i, char *out);
/* The name without its first `skip` labels. */
struct dns_name dns_name_parent(const struct dns_name *n, unsigned skip);

struct dns_query {
    uint16_t id, flags;
    bool has_question;
    struct dns_name name;
    uint16_t type, class;
    bool edns, dnssec_ok;
    uint16_t udp_size; /* what the client takes over UDP: 512 to DNS_UDP_MAX */
};

/*
 * Reads a message from a client. Negative (-EBADMSG): there is nothing to answer, for it is too
 * short or an answer itself. Otherwise the enum dns_rcode to answer with, DNS_NOERROR for a query
 * that is well formed; *ret holds as much of it as a reply needs.
 */
int dns_query_parse(const uint8_t *msg, size_t len, struct dns_query *ret);

/* ---- writing ---- */

enum dns_section {
    DNS_ANSWER = 1,
    DNS_AUTHORITY = 2,
    DNS_ADDITIONAL = 3,
};

/* Appends to out[0..max). What does not fit sets `full`, and everything after it is left out. */
struct dns_writer {
    uint8_t *out;
    size_t len, max;
    bool full;
    uint16_t counts[4];
    uint16_t names[48]; /* where names stand that a pointer may lead to */
    unsigned n_names;
};

void dns_write_u16(struct dns_writer *w, uint16_t v);
void dns_write_u32(struct dns_writer *w, uint32_t v);
void dns_write_bytes(struct dns_writer *w, const void *p, size_t n);
void dns_write_name(struct dns_writer *w, const struct dns_name *n, bool compress);

/* Header and question of a reply to `q`, with room kept for the OPT record. `max` is the most that
 * the transport takes: for UDP the query's udp_size. */
struct dns_writer dns_reply_begin(const struct dns_query *q, uint8_t *out, size_t max);
/* A record up to its data, whose length dns_record_end() fills in. Returns where that stands. */
size_t dns_record_begin(struct dns_writer *w, enum dns_section s, const struct dns_name *owner,
                        uint16_t type, uint32_t ttl);
void dns_record_end(struct dns_writer *w, size_t at);
/* Sets the code, writes OPT and the counts. A reply that did not fit becomes the question with TC
 * set. Returns the reply's bytes. */
size_t dns_reply_end(struct dns_writer *w, const struct dns_query *q, enum dns_rcode rcode,
                     enum dns_why why);

/* ---- what a resolver answered ---- */

struct dns_record {
    struct dns_name owner;
    uint16_t type, class;
    uint32_t ttl;
    size_t data, len; /* place of its data in the message */
};

/* Walks over the records of a message; see dns_walk_next(). */
struct dns_walk {
    const uint8_t *msg;
    size_t len, at;
    uint16_t flags;
    uint16_t left[4]; /* of each section: what was not read yet */
};

/* 0, or -EBADMSG: this is no answer to a question of this name and type. */
int dns_walk_begin(struct dns_walk *a, const uint8_t *msg, size_t len, const struct dns_name *name,
                   uint16_t type);
/* The section of the next record, 0 behind the last, -EBADMSG. */
int dns_walk_next(struct dns_walk *a, struct dns_record *ret);
/* Copies a record into a reply. Names in the data of the types that RFC 1035 lets compress are
 * written anew. False: the data is not what the type asks for. */
bool dns_record_copy(struct dns_writer *w, enum dns_section s, const struct dns_walk *a,
                     const struct dns_record *r);

#endif
