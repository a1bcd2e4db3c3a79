/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The world of test_groups.c and test_flows.c:
 *
 *   VPC 1, subnet 1: 10.0.1.0/24, fd00:0:0:1::/64
 *     a 10.0.1.4 fd00:0:0:1::4, group set 1, all out, nothing in
 *     b 10.0.1.5 fd00:0:0:1::5, group set 2, rules as each test says
 *   subnet 2: c 10.0.2.4, group set 3, as a
 */
#ifndef VPCD_TESTS_BPF_PAIR_H
#define VPCD_TESTS_BPF_PAIR_H

#include "world.h"

extern struct world w;
extern struct world_eni a, b, c;
extern uint16_t next_port; /* each test its own flows */

int pair_setup(void **state);
int pair_teardown(void **state);

/* --- Rules -------------------------------------------------------------------------------- */

#define ANY4 "0.0.0.0/0"
#define ANY6 "::/0"

/* Publishes them at the ENI, generation included. */
#define RULES(e, ...)                                                                              \
    do {                                                                                           \
        const struct world_rule rules_[] = {__VA_ARGS__};                                          \
        world_rules(&w, e, rules_, ARRAY_SIZE(rules_));                                            \
        world_bump(&w, 1, false, true);                                                            \
    } while (0)

extern const struct world_rule out4, out6; /* all out */
struct world_rule in4(int proto, int from, int to, const char *cidr);
struct world_rule in6(int proto, int from, int to, const char *cidr);
struct world_rule in_set(uint8_t family, int proto, int from, int to, uint32_t set);

/* --- Packets from one ENI to another ------------------------------------------------------ */

void start(struct packet *k, const struct world_eni *from, const struct world_eni *to, bool v6,
           uint8_t proto);
struct packet tcp(const struct world_eni *from, const struct world_eni *to, uint16_t sport,
                  uint16_t dport, unsigned flags);
struct packet udp(const struct world_eni *from, const struct world_eni *to, uint16_t sport,
                  uint16_t dport);
struct packet udp6(const struct world_eni *from, const struct world_eni *to, uint16_t sport,
                   uint16_t dport);
struct packet icmp(const struct world_eni *from, const struct world_eni *to, bool v6, uint8_t type,
                   uint8_t code, uint16_t id);

void pass_at(const struct world_eni *from, struct packet k, int line);
void drop_at(const struct world_eni *from, struct packet k, unsigned reason, int line);
#define pass(from, k) pass_at(from, k, __LINE__)
#define drop(from, k, reason) drop_at(from, k, reason, __LINE__)

/* The packet's entry, which must exist. */
struct flow_value flow_of(const struct world_eni *from, struct packet k);

#endif
