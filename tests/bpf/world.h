/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small world for the packet path: VPCs, subnets, ENIs and rules, written to the maps by hand.
 * Rules are compiled by a few naive lines of this file's own (unions over a short list).
 *
 * The world lives in network namespaces of its own; devices are veth pairs, so that packets can be
 * run through the programs with a true ifindex.
 */
#ifndef VPCD_TESTS_BPF_WORLD_H
#define VPCD_TESTS_BPF_WORLD_H

#include "dataplane/dataplane.h"
#include "packet.h"

/* What a rule names; NULL cidr and set 0 is never both. */
struct world_rule {
    enum direction dir;
    uint8_t family;   /* 4 or 6 */
    int proto;        /* -1: all */
    int from, to;     /* ports, or type << 8 | code; from -1: all */
    const char *cidr; /* NULL: a group */
    uint32_t set;     /* the sgset that contains it */
    uint32_t vpc;     /* whose set; 0: of the same VPC */
};

struct world_eni {
    uint32_t number, vpc, subnet, ifindex;
    uint8_t mac[6];
};

struct world {
    struct dataplane *dp;
    char pin_dir[64];
    uint32_t next_table;
    uint32_t uplink; /* ifindex of the data plane's end */
};

extern const uint8_t world_router_mac[6], world_host_mac[6];

/* Skips the whole program (exit 77) with the reason when BPF cannot be used here. Opens the data
 * plane under a pin directory of its own, activates it and configures the uplink:
 * pool 203.0.113.0/24 and 2001:db8:ff00::/40, the host is .1 and ::1. */
void world_open(struct world *w);
void world_close(struct world *w);

/* A device pair in the current namespace: NAME and NAME "p"; returns NAME's ifindex. */
uint32_t world_veth(const char *name);
void world_run(const char *format, ...) __attribute__((format(printf, 1, 2))); /* must succeed */

void world_vpc(struct world *w, uint32_t vpc);
/* gen_net or gen_sg + 1. */
void world_bump(struct world *w, uint32_t vpc, bool net, bool sg);
void world_subnet(struct world *w, uint32_t subnet, uint32_t vpc, const char *v4, const char *v6,
                  uint32_t route_table);
/* The kind: enum route_kind, perhaps with ROUTE_INSIDE. */
void world_route(struct world *w, uint32_t table, const char *cidr, uint32_t kind, uint32_t target);

/* Number n gets MAC 02:00:00:00:00:n and a veth; no rules yet: nothing goes. */
struct world_eni world_eni(struct world *w, uint32_t n, uint32_t vpc, uint32_t subnet,
                           uint32_t ifindex);
void world_addr(struct world *w, const struct world_eni *e, const char *addr,
                const char *public_addr);
/* Compiles the rules into a new table and publishes it at the ENI (no generation). */
void world_rules(struct world *w, const struct world_eni *e, const struct world_rule *rules,
                 size_t n);
/* Changes fields of the ENI's entry: get, change, put. */
struct eni_value world_eni_get(struct world *w, const struct world_eni *e);
void world_eni_put(struct world *w, const struct world_eni *e, const struct eni_value *v);

/* The source address `index` of a NAT gateway, which has as many as the highest; public_addr NULL:
 * of private connectivity. */
void world_nat(struct world *w, uint32_t nat, uint32_t vpc, uint32_t subnet, uint32_t index,
               const char *private_addr, const char *public_addr);

struct abi_addr world_abi(const struct ip *ip);

/* --- Running packets ---------------------------------------------------------------------- */

struct outcome {
    int action;      /* TC_ACT_SHOT, TC_ACT_REDIRECT */
    unsigned reason; /* of the drop; DROP_NONE if it was none */
    uint8_t data[PACKET_MAX];
    size_t len;
    uint32_t mark;
};

/* From the ENI (NULL: from the uplink). Exactly one drop is counted if it is dropped. */
void world_send(struct world *w, const struct world_eni *from, const struct packet *k,
                struct outcome *ret);
void world_send_gso(struct world *w, const struct world_eni *from, const struct packet *k,
                    uint32_t gso_size, struct outcome *ret);

/* Sends, and fails the test if the outcome is not as told. */
#define expect_pass(w, from, k, out) expect_at(w, from, k, DROP_NONE, out, __LINE__)
#define expect_drop(w, from, k, reason) expect_at(w, from, k, reason, NULL, __LINE__)
void expect_at(struct world *w, const struct world_eni *from, const struct packet *k,
               unsigned reason, struct outcome *ret, int line);

/* Both halves' entries that exist now. */
uint32_t world_flow_entries(struct world *w);
/* The entry of the packet as sent from `from`; -ENOENT. */
int world_flow(struct world *w, const struct world_eni *from, const struct packet *k,
               struct flow_value *ret);

#endif
