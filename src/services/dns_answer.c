/* SPDX-License-Identifier: Apache-2.0 */
#include "services/dns_answer.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "services/dns_names.h"

static size_t room(const struct dns_query *q, bool tcp) {
    return tcp ? DNS_MESSAGE_MAX : q->udp_size;
}

size_t dns_failed(const struct dns_query *q, bool tcp, enum dns_rcode rcode, enum dns_why why,
                  uint8_t *out) {
    struct dns_writer w = dns_reply_begin(q, out, room(q, tcp));

    return dns_reply_end(&w, q, rcode, why);
}

static bool wanted(const struct dns_query *q, uint16_t type) {
    return q->type == type || q->type == DNS_ANY;
}

/* As the resolver of EC2 writes it, which nobody transfers; zones that are everybody's have RFC
 * 6303's. */
static void write_soa(struct dns_writer *w, enum dns_section s, const struct dns_local *l,
                      uint16_t region) {
    static const uint32_t numbers[2][5] = {{2012103100, 3600, 3600, 3600, DNS_LOCAL_TTL},
                                           {1, 3600, 1200, 604800, DNS_LOCAL_TTL}};
    struct dns_name server, mail;
    char zone[64], text[80];
    size_t at = dns_record_begin(w, s, &l->zone, DNS_SOA, DNS_LOCAL_TTL);

    snprintf(text, sizeof(text), "ns0.%s", dns_private_zone(region, zone));
    dns_name_set(&server, l->shared ? "localhost" : text);
    dns_name_set(&mail, l->shared ? "nobody.invalid" : "hostmaster.amazon.com");
    dns_write_name(w, &server, true);
    dns_write_name(w, &mail, true);
    for (size_t i = 0; i < ARRAY_SIZE(numbers[0]); i++)
        dns_write_u32(w, numbers[l->shared][i]);
    dns_record_end(w, at);
}

static void write_record(struct dns_writer *w, const struct dns_query *q,
                         const struct dns_local_record *r) {
    size_t at = dns_record_begin(w, DNS_ANSWER, &q->name, r->type, DNS_LOCAL_TTL);

    if (r->type == DNS_A || r->type == DNS_AAAA)
        dns_write_bytes(w, r->ip.b, ip_bits(r->ip.family) / 8);
    else
        dns_write_name(w, &r->name, true);
    dns_record_end(w, at);
}

static size_t local_reply(const struct dns_query *q, bool tcp, const struct dns_local *l,
                          uint16_t region, uint8_t *out) {
    struct dns_writer w = dns_reply_begin(q, out, room(q, tcp));

    for (unsigned i = 0; i < l->n; i++)
        if (wanted(q, l->rr[i].type))
            write_record(&w, q, &l->rr[i]);
    if (l->result == DNS_KNOWN && l->apex && wanted(q, DNS_SOA))
        write_soa(&w, DNS_ANSWER, l, region);
    if (w.counts[DNS_ANSWER] == 0 && l->has_zone)
        write_soa(&w, DNS_AUTHORITY, l, region);
    return dns_reply_end(&w, q, l->result == DNS_KNOWN ? DNS_NOERROR : DNS_NXDOMAIN, DNS_WHY_NONE);
}

/* All records of a name of the world are more than anybody needs, and a way to make large answers
 * of small questions: one that says so instead (RFC 8482 section 4.2). */
static size_t refuse_any(const struct dns_query *q, bool tcp, uint8_t *out) {
    static const char rdata[] = "\x07RFC8482";
    struct dns_writer w = dns_reply_begin(q, out, room(q, tcp));
    size_t at = dns_record_begin(&w, DNS_ANSWER, &q->name, DNS_HINFO, 3600);

    dns_write_bytes(&w, rdata, sizeof(rdata)); /* its NUL is the second, empty string */
    dns_record_end(&w, at);
    return dns_reply_end(&w, q, DNS_NOERROR, DNS_WHY_NONE);
}

/* A host's resolver may know its neighbours by names without a dot; the world has none with
 * addresses (RFC 7085). Other types are asked of top-level domains rightly. */
static bool is_dotless(const struct dns_query *q) {
    return dns_name_labels(&q->name) == 1 && (q->type == DNS_A || q->type == DNS_AAAA);
}

enum dns_verdict dns_answer(const struct index *ix, const struct vpc *vpc, bool tcp,
                            const uint8_t *msg, size_t len, struct dns_query *q, uint8_t *out,
                            size_t *ret_len) {
    const uint16_t region = vpc->o.scope.region;
    int rcode = dns_query_parse(msg, len, q);
    enum dns_why why = DNS_WHY_NONE;
    struct dns_local local;

    if (rcode < 0)
        return DNS_DROP;
    if (rcode == DNS_NOERROR) {
        if (q->type == 0 || q->type == DNS_OPT) {
            rcode = DNS_FORMERR;
        } else if (q->class != DNS_CLASS_IN) {
            rcode = DNS_REFUSED;
        } else if (q->type >= DNS_TKEY && q->type < DNS_ANY) {
            rcode = DNS_NOTIMP;
        } else if (!vpc->dns_support) {
            rcode = DNS_REFUSED;
            why = DNS_WHY_PROHIBITED;
        } else if (!(q->flags & DNS_RD)) {
            /* "Only supports recursive DNS queries" (VPC user guide, "Amazon DNS server"). */
            rcode = DNS_REFUSED;
            why = DNS_WHY_NOT_SUPPORTED;
        }
    }
    if (rcode != DNS_NOERROR) {
        *ret_len = dns_failed(q, tcp, (enum dns_rcode)rcode, why, out);
        return DNS_REPLY;
    }
    dns_local(ix, vpc, &q->name, &local);
    if (local.result != DNS_NOT_LOCAL)
        *ret_len = local_reply(q, tcp, &local, region, out);
    else if (q->type == DNS_ANY)
        *ret_len = refuse_any(q, tcp, out);
    else if (is_dotless(q))
        *ret_len = dns_failed(q, tcp, DNS_NOERROR, DNS_WHY_NONE, out);
    else
        return DNS_ASK;
    return DNS_REPLY;
}

/* Signatures and proofs are for who asked for them (RFC 4035 section 3.2.1). */
static bool is_for(const struct dns_query *q, const struct dns_record *r) {
    return q->dnssec_ok || r->type == q->type ||
           (r->type != DNS_RRSIG && r->type != DNS_NSEC && r->type != DNS_NSEC3);
}

size_t dns_relayed(const struct dns_query *q, bool tcp, const uint8_t *msg, size_t len,
                   uint8_t *out) {
    struct dns_writer w = dns_reply_begin(q, out, room(q, tcp));
    enum dns_rcode rcode;
    struct dns_walk a;
    struct dns_record r;
    int s;

    if (dns_walk_begin(&a, msg, len, &q->name, q->type) < 0)
        return dns_failed(q, tcp, DNS_SERVFAIL, DNS_WHY_NO_REACHABLE_AUTHORITY, out);
    rcode = a.flags & 0xf;
    if (rcode != DNS_NOERROR && rcode != DNS_NXDOMAIN)
        return dns_failed(q, tcp, DNS_SERVFAIL, DNS_WHY_NONE, out);
    while ((s = dns_walk_next(&a, &r)) > 0) {
        /* Who got an answer needs no more; who got none wants to know how long that holds. */
        if (s == DNS_ADDITIONAL || (s == DNS_AUTHORITY && w.counts[DNS_ANSWER] && !q->dnssec_ok))
            continue;
        if (r.class != DNS_CLASS_IN || !is_for(q, &r))
            continue;
        if (!dns_record_copy(&w, (enum dns_section)s, &a, &r)) {
            s = -1;
            break;
        }
    }
    if (s < 0)
        return dns_failed(q, tcp, DNS_SERVFAIL, DNS_WHY_NO_REACHABLE_AUTHORITY, out);
    return dns_reply_end(&w, q, rcode, DNS_WHY_NONE);
}
