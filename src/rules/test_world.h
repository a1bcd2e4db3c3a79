/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random worlds for tests: an index with VPCs, subnets, groups, interfaces and routes, small enough
 * that random packets hit its borders, and random changes of it. Everything comes from one seed.
 *
 * The first two VPCs have the same IPv4 CIDR. Rules, ACLs, prefix lists and routes draw their
 * addresses and ports from what exists and from its neighbours; IPv6 rules are drawn from
 * IPv4-mapped prefixes too.
 */
#ifndef VPCD_RULES_TEST_WORLD_H
#define VPCD_RULES_TEST_WORLD_H

#include "model/index.h"
#include "model/network_interface.h"

struct change {
    void *old, *new; /* with a reference each; NULL: none */
};

struct world {
    struct index *ix;
    uint64_t rng;
    unsigned next_id;
    struct scope scope;
    /* What changed since world_settle(). */
    struct change *changes;
    size_t n_changes, cap_changes;
};

/* Seed from the environment's TEST_SEED, or random; printed either way. */
uint64_t world_seed(const char *test);

void world_make(struct world *w, uint64_t seed);
void world_free(struct world *w);
/* One random change, of one object or of several that belong together. */
void world_mutate(struct world *w);
/* One random change of this interface (or of it and another); nothing when it is gone. */
void world_mutate_eni(struct world *w, const char *id);
/* One random change of an ACL, or of which ACL a subnet has. */
void world_mutate_acl(struct world *w);
void world_settle(struct world *w); /* forgets the changes */

uint32_t world_random(struct world *w, uint32_t below); /* 0 to below - 1 */
bool world_chance(struct world *w, uint32_t percent);
/* The n-th object of a kind, or a random one; NULL when there is none. */
const void *world_pick(struct world *w, enum kind k);

/* An address of a family that some rule, route or interface is about, or one beside it. */
struct ip world_address(struct world *w, uint8_t family);
uint16_t world_port(struct world *w);

/* Whether the interface's instance runs here: some run on another host. A callback of planner and
 * oracle; no data. */
bool world_on_host(void *data, const struct index *ix, const struct network_interface *eni);

/* Prints everything that matters, for a failure's report. */
void world_print(const struct world *w);

#define WORLD_POOL "203.0.113.0/24" /* public addresses; .1 is the host's end of the uplink */
#define WORLD_OUTSIDE "198.51.100.7"
#define WORLD_OUTSIDE6 "2001:db8:f::7"

#endif
