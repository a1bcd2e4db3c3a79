/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names that the VPC's resolver knows by itself, a pure function of the state: what an
 * interface that asks is told of a name without anybody else being asked.
 *
 *   ip-10-0-1-5.ec2.internal             any address of the VPC, of peers that resolve, of RFC 1918
 *   i-0123456789abcdef0.ec2.internal     an instance of the VPC or of such a peer
 *   ec2-203-0-113-25.compute-1...        a public address: to the private one where it is the VPC's
 *   5.1.0.10.in-addr.arpa, ....ip6.arpa  back from addresses
 *   localhost, local, internal, ...      what never leaves a network (RFC 6303, RFC 6761)
 *
 * No answer walks over interfaces: addresses and instances are found by the index, and a VPC has
 * at most 125 peerings. docs/SERVICES.md says where each rule is from.
 */
#ifndef VPCD_SERVICES_DNS_NAMES_H
#define VPCD_SERVICES_DNS_NAMES_H

#include "model/index.h"
#include "model/vpc.h"
#include "services/dns_wire.h"

/* Seconds that an answer, or that there is none, may be remembered. */
#define DNS_LOCAL_TTL 60

enum dns_local_result {
    DNS_NOT_LOCAL, /* somebody else's name: to be asked upstream */
    DNS_UNKNOWN,   /* there is no such name */
    DNS_KNOWN,     /* there is, with `rr`; none of the type that is asked for: NODATA */
};

struct dns_local_record {
    uint16_t type;        /* A, AAAA; NS, PTR */
    struct ip ip;         /* of A and AAAA */
    struct dns_name name; /* of NS and PTR */
};

struct dns_local {
    enum dns_local_result result;
    bool has_zone;
    struct dns_name zone; /* whose SOA an answer without records carries */
    bool apex;            /* the name is the zone: it has NS and SOA */
    bool shared;          /* the zone is everybody's (localhost, local): its SOA names nobody */
    struct dns_local_record rr[3];
    unsigned n;
};

/* Everything known at `name` to an interface of `vpc`, which has DNS support; whatever the type. */
void dns_local(const struct index *ix, const struct vpc *vpc, const struct dns_name *name,
               struct dns_local *ret);

/* "ec2.internal", or "REGION.compute.internal"; `out` holds 64 bytes. */
char *dns_private_zone(uint16_t region, char *out);

#endif
