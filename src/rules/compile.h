/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiling: one unit of the model to the map entries that put it into force. Pure functions of an
 * index; which units to compile again after a change is depend.h's matter, in which order their
 * entries are published plan.h's.
 *
 * All append to `out` and return 0 or -errno: of `number_of`, -ENOMEM, or what is said below. After
 * an error the content of `out` means nothing.
 */
#ifndef VPCD_RULES_COMPILE_H
#define VPCD_RULES_COMPILE_H

#include "abi/maps.h"
#include "model/account.h"
#include "model/gateway.h"
#include "model/nat_gateway.h"
#include "model/network_acl.h"
#include "model/network_interface.h"
#include "model/route_table.h"
#include "model/vpc.h"
#include "rules/entry.h"

struct compile_env {
    int (*number_of)(void *data, enum number_kind kind, const char *id, uint32_t *ret_number);
    bool (*on_host)(void *data, const struct index *ix, const struct network_interface *eni);
    void *data;
};

/* The rules of all groups of the set, under a table number: rule_tables, rule_addrs, rule_ports,
 * rule_sets. -E2BIG: more than RULE_BITS rules in a direction and family. */
int compile_rules(const struct index *ix, const struct compile_env *env, const struct sgset *set,
                  uint32_t table, struct entries *out);

/* A route table, under a table number: routes. */
int compile_routes(const struct index *ix, const struct compile_env *env,
                   const struct route_table *t, uint32_t table, struct entries *out);

/* A network ACL, under a table number: acl_addrs, acl_ports. -E2BIG: more than ACL_BITS entries in
 * a direction and family. */
int compile_acl(const struct network_acl *acl, uint32_t table, struct entries *out);
/* Whether it lets everything of both families pass in a direction. */
bool compile_acl_allows_all(const struct network_acl *acl, bool egress);

/* The tables that a subnet's entries name. */
struct subnet_tables {
    uint32_t routes; /* 0: no route */
    uint32_t acl;    /* 0: it refuses, unless the ACL allows everything and needs no table */
    uint32_t edge;   /* of compile_edge()'s routes; 0: no route */
};
/* subnets, edges, resolvers. */
int compile_subnet(const struct index *ix, const struct compile_env *env, const struct subnet *s,
                   const struct subnet_tables *tables, struct entries *out);
/* The route table of the internet gateway of a subnet's VPC; NULL: it has none. */
const struct route_table *compile_edge(const struct index *ix, const struct subnet *s);

/* enis, addrs, publics; nothing unless the interface is attached to an instance on this host.
 * `sg_table` 0: nothing is allowed. */
int compile_eni(const struct index *ix, const struct compile_env *env,
                const struct network_interface *eni, uint32_t sg_table, struct entries *out);

/* nats, nat_sources, nat_addrs: of a gateway that is available. Public addresses have no entry
 * while the VPC has no internet gateway. */
int compile_nat(const struct index *ix, const struct compile_env *env,
                const struct nat_gateway *nat, struct entries *out);

/* egress_gateways. */
int compile_egress_gateway(const struct index *ix, const struct compile_env *env,
                           const struct egress_only_gateway *gateway, struct entries *out);

/* acl_in and acl_out of a subnet whose ACL is not in force: a table that is never there. */
#define COMPILE_ACL_REFUSE UINT32_MAX

struct abi_addr compile_addr(const struct ip *ip);

#endif
