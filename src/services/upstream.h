/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between vpc-services, which reads what instances send and has no network, and vpc-upstream, which
 * asks the host's network and sees no byte of an instance but a name and a type, or the 48 bytes of
 * a question for the time.
 *
 * One message a datagram on a SOCK_SEQPACKET socket, STATE/upstream/sock: a question there, its
 * answer back, in any order. An empty answer: nobody said anything.
 */
#ifndef VPCD_SERVICES_UPSTREAM_H
#define VPCD_SERVICES_UPSTREAM_H

#include <stddef.h>
#include <stdint.h>

#define UPSTREAM_SOCKET "upstream/sock"

enum upstream_kind {
    UPSTREAM_DNS = 1,  /* question: struct upstream_dns; answer: a DNS message */
    UPSTREAM_TIME = 2, /* 48 bytes of NTP each */
};

struct upstream_header {
    uint64_t id; /* the asker's own; comes back with the answer */
    uint16_t kind;
    uint16_t len;
    uint32_t zero;
};

/* Of class IN, recursive. `len` bytes of name as on the wire, with the root. */
struct upstream_dns {
    uint16_t type;
    uint8_t len;
    uint8_t zero;
    uint8_t name[255];
};
#define UPSTREAM_DNS_HEAD 4 /* bytes before the name */

#define UPSTREAM_QUESTION_MAX 512
#define UPSTREAM_ANSWER_MAX 65535
/* Questions under way at once, in all; whoever asks more is told at once that there is no answer.*/
#define UPSTREAM_QUESTIONS 1024

#endif
