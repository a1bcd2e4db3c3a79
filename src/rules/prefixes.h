/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules to bit vectors, by prefixes: of addresses, and of (protocol, port). List the prefixes of
 * each rule; then each different prefix takes the bits of all that contain it. For a longest-prefix
 * match finds one entry only, which must speak for all the shorter ones. Private to the compilers.
 *
 * In the dimension of ports a prefix is {protocol, 0, port}, as in struct rule_port_key behind the
 * family. Length 0 is every protocol, 16 all of one, 16 + n the first n bits of a port. ICMP has
 * type << 8 | code for a port.
 */
#ifndef VPCD_RULES_PREFIXES_H
#define VPCD_RULES_PREFIXES_H

#include <stddef.h>

#include "abi/maps.h"
#include "base/ip.h"

#define PORT_LAST 65535

struct prefix {
    uint8_t b[16];
    uint8_t len;
    uint16_t rule; /* number of the bit: a rule that matches all of it */
};

struct prefixes {
    struct prefix *p;
    size_t n, cap;
};

#define _prefixes_ __attribute__((cleanup(prefixes_free)))
void prefixes_free(struct prefixes *ps);

void bits_set(struct rule_bits *bits, size_t i);

/* Each: 0 or -ENOMEM. */
int prefixes_add_cidr(struct prefixes *ps, const struct cidr *cidr, size_t rule);
int prefixes_add_everything(struct prefixes *ps, size_t rule);
int prefixes_add_protocol(struct prefixes *ps, int64_t protocol, size_t rule);
/* Nothing when from > to. */
int prefixes_add_ports(struct prefixes *ps, int64_t protocol, int64_t from, int64_t to,
                       size_t rule);
/* Code -1: all codes of the type. */
int prefixes_add_icmp(struct prefixes *ps, int64_t protocol, int64_t type, int64_t code,
                      size_t rule);

/* Calls `fn` for each different prefix with the bits of all prefixes that contain it. Sorts. */
typedef void prefix_fn(void *data, const struct prefix *p, const struct rule_bits *bits);
void prefixes_each(struct prefixes *ps, prefix_fn *fn, void *data);

/* The keys of an address's and of a port's prefix. */
struct rule_addr_key prefix_addr_key(const struct prefix *p, uint32_t table, uint8_t dir,
                                     uint8_t family);
struct rule_port_key prefix_port_key(const struct prefix *p, uint32_t table, uint8_t dir,
                                     uint8_t family);

#endif
