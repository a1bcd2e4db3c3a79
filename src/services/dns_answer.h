/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VPC's resolver as functions of (state, who asks, bytes): the bytes of a reply, or that
 * somebody upstream is to be asked. No sockets, no clock, nothing remembered.
 */
#ifndef VPCD_SERVICES_DNS_ANSWER_H
#define VPCD_SERVICES_DNS_ANSWER_H

#include "model/index.h"
#include "model/vpc.h"
#include "services/dns_wire.h"

enum dns_verdict {
    DNS_DROP,  /* no query at all: nothing is sent */
    DNS_REPLY, /* the reply is in `out` */
    DNS_ASK,   /* somebody upstream knows `q->name`, `q->type` */
};

/*
 * What becomes of a message from an interface of `vpc`. `out` holds DNS_MESSAGE_MAX bytes; *ret_len
 * is set with DNS_REPLY. `q` is what the functions below want.
 */
enum dns_verdict dns_answer(const struct index *ix, const struct vpc *vpc, bool tcp,
                            const uint8_t *msg, size_t len, struct dns_query *q, uint8_t *out,
                            size_t *ret_len);

/* The reply made of what upstream answered; of anything that is no answer to q, SERVFAIL. Bytes in
 * `out` (DNS_MESSAGE_MAX). */
size_t dns_relayed(const struct dns_query *q, bool tcp, const uint8_t *msg, size_t len,
                   uint8_t *out);

/* A reply without records. */
size_t dns_failed(const struct dns_query *q, bool tcp, enum dns_rcode rcode, enum dns_why why,
                  uint8_t *out);

#endif
