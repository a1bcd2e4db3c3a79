/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of test_world.h share. Whatever fails aborts. */
#ifndef VPCD_RULES_TEST_WORLD_PRIVATE_H
#define VPCD_RULES_TEST_WORLD_PRIVATE_H

#include "model/network_acl.h"
#include "model/prefix_list.h"
#include "model/route_table.h"
#include "model/security_group.h"
#include "model/vpc.h"
#include "rules/test_world.h"

/* Aborts for NULL. */
void *world_must(void *p);
/* Changes of the index, noted: a put takes the caller's reference. */
void world_put(struct world *w, void *obj);
void world_take(struct world *w, const void *obj);
/* A new object with the next id. */
void *world_object(struct world *w, enum kind k);
void world_set(char **member, const char *s);
struct cidr world_cidr(const char *s);
struct cidr world_some_cidr(struct world *w, uint8_t family);
void world_add_rule(struct world *w, struct security_group *g);
void world_remove_rule(struct world *w, struct security_group *g);
/* The number of a set of groups, one user more; and one less. */
int64_t world_intern(struct world *w, const char *vpc_id, const struct list *groups);
void world_release(struct world *w, const char *vpc_id, int64_t number);

void world_choose_groups(struct world *w, struct network_interface *eni);
/* False: there is no free address. */
bool world_new_public(struct world *w, struct ip *ret);
bool world_add_address(struct world *w, struct network_interface *eni, uint8_t family);
bool world_add_prefix(struct world *w, struct network_interface *eni, uint8_t family);
void world_attach(struct world *w, struct network_interface *eni);
void world_make_eni(struct world *w, const struct subnet *s);
void world_make_acl(struct world *w, const char *vpc_id);
/* An ACL of its VPC, for a subnet under change. */
void world_choose_acl(struct world *w, struct subnet *s);
void world_make_list(struct world *w);
void world_mutate_list(struct world *w);
/* Nothing where there is a route to the same destination of the same origin. */
void world_add_route(struct world *w, struct route_table *t, struct cidr cidr, const char *target,
                     uint8_t origin);
void world_add_random_route(struct world *w, struct route_table *t);
void world_make_routes(struct world *w, const struct vpc *v, bool main);
void world_make_edge(struct world *w, const struct vpc *v, const char *gateway_id);
/* A subnet's own route table. */
void world_dissociate(struct world *w, const char *subnet_id);
void world_associate(struct world *w, const struct route_table *table, const char *subnet_id);
void world_make_subnet(struct world *w, const struct vpc *v);
void world_make_vpc(struct world *w);

/* An object of the kind with this value in an indexed field, or NULL. */
const void *world_pick_by(struct world *w, enum kind k, uint16_t field, const char *value);

/* test_world_gateway.c */
void world_make_gateways(struct world *w);
void world_make_nat(struct world *w, const struct vpc *v);
/* A target for a route of the VPC, or NULL; perhaps a destination that suits it. */
const char *world_gateway_target(struct world *w, const char *vpc_id, struct cidr *to);
/* Lets the rule name a group of a peer VPC, if there is one. */
void world_name_peer(struct world *w, const struct security_group *g, struct sg_rule *r);
void world_mutate_gateway(struct world *w);

#endif
