/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What AWS does, as rows for the oracle. The world:
 *
 *                              internet (uplink, host 203.0.113.1)
 *                                 |
 *     vpc-a 10.0.0.0/16         igw-a                           vpc-b 10.0.0.0/16 (the same)
 *     +---------------------------+------------------------+    +----------------------------+
 *     | subnet-1 10.0.1.0/24      | subnet-2 10.0.2.0/24   |    | subnet-b 10.0.1.0/24       |
 *     |  default -> igw-a         |  no default route      |    |  default -> igw-b          |
 *     |  eni-web    .10  sg-web   |  eni-app .20  sg-app   |    |  eni-b .10  sg-b           |
 *     |    203.0.113.10  ::1:10   |    ::2:20              |    |    203.0.113.50            |
 *     |  eni-router .40  sg-any   |  eni-db  .30  sg-db    |    |  (igw-b is not attached,   |
 *     |    SourceDestCheck off    |                        |    |   so 203.0.113.50 is dead) |
 *     |  eni-idle   .60  sg-any   |  192.0.2/24 -> router  |    +----------------------------+
 *     |    not attached           |  192.0.3/24 -> idle    |
 *     |  eni-open   .70  sg-any   |  192.0.4/24 -> vgw-1   |
 *     |    203.0.113.70           |                        |
 *     +---------------------------+------------------------+
 *
 *     sg-web  in: tcp 80 0.0.0.0/0, tcp 443 ::/0, icmp echo 0.0.0.0/0; out: all
 *     sg-app  in: tcp 8080 sg-web; out: all
 *     sg-db   in: tcp 5432 sg-app, udp 53 10.0.0.0/16; out: nothing
 *     sg-any  in and out: all
 *     sg-b    as sg-any
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "model/network_acl.h"
#include "model/gateway.h"
#include "model/instance.h"
#include "model/route_table.h"
#include "model/security_group.h"
#include "model/vpc.h"
#include "rules/test_packet.h"

static const struct scope scope = {.account = 1, .region = 1};
static struct index *ix;

enum { ICMP = 1, TCP = 6, UDP = 17, GRE = 47, ICMPV6 = 58, ALL = -1 };

static struct cidr cidr_of(const char *s) {
    struct cidr c;

    assert_int_equal(cidr_parse(s, &c), 0);
    return c;
}

static struct ip ip_of(const char *s) {
    struct ip ip;

    assert_int_equal(ip_parse(s, &ip), 0);
    return ip;
}

static void put(void *obj) {
    assert_int_equal(index_put(ix, obj, NULL), 0);
    obj_unref(obj);
}

static void make_vpc(const char *id, const char *igw, bool attached) {
    struct vpc *v = obj_new(KIND_VPC, scope, id);
    struct internet_gateway *g = obj_new(KIND_INTERNET_GATEWAY, scope, igw);

    v->cidr = cidr_of("10.0.0.0/16");
    str_set(&g->vpc_id, attached ? id : NULL);
    put(v);
    put(g);
}

static void make_subnet(const char *id, const char *vpc, const char *cidr, const char *acl) {
    struct subnet *s = obj_new(KIND_SUBNET, scope, id);

    str_set(&s->vpc_id, vpc);
    str_set(&s->acl_id, acl);
    s->cidr = cidr_of(cidr);
    put(s);
}

static const struct {
    const char *table, *vpc, *subnet, *cidr, *target;
    uint8_t origin;
} routes[] = {
    {"rtb-1", "vpc-a", "subnet-1", "10.0.0.0/16", "local", ROUTE_ORIGIN_CREATE_TABLE},
    {"rtb-1", "vpc-a", "subnet-1", "2001:db8:100:aa00::/56", "local", ROUTE_ORIGIN_CREATE_TABLE},
    {"rtb-1", "vpc-a", "subnet-1", "0.0.0.0/0", "igw-a", ROUTE_ORIGIN_CREATE},
    {"rtb-1", "vpc-a", "subnet-1", "::/0", "igw-a", ROUTE_ORIGIN_CREATE},
    {"rtb-1", "vpc-a", "subnet-1", "198.18.0.0/16", "igw-b", ROUTE_ORIGIN_CREATE},
    {"rtb-1", "vpc-a", "subnet-1", "198.18.5.0/24", "nat-1", ROUTE_ORIGIN_PROPAGATED},
    {"rtb-1", "vpc-a", "subnet-1", "198.18.5.0/24", "igw-a", ROUTE_ORIGIN_CREATE},
    {"rtb-2", "vpc-a", "subnet-2", "10.0.0.0/16", "local", ROUTE_ORIGIN_CREATE_TABLE},
    {"rtb-2", "vpc-a", "subnet-2", "2001:db8:100:aa00::/56", "local", ROUTE_ORIGIN_CREATE_TABLE},
    {"rtb-2", "vpc-a", "subnet-2", "192.0.2.0/24", "eni-router", ROUTE_ORIGIN_CREATE},
    {"rtb-2", "vpc-a", "subnet-2", "192.0.3.0/24", "eni-idle", ROUTE_ORIGIN_CREATE},
    {"rtb-2", "vpc-a", "subnet-2", "192.0.4.0/24", "vgw-1", ROUTE_ORIGIN_CREATE},
    {"rtb-2", "vpc-a", "subnet-2", "192.0.6.0/24", "vgw-b", ROUTE_ORIGIN_CREATE},
    {"rtb-2", "vpc-a", "subnet-2", "192.0.7.0/24", "eni-stopped", ROUTE_ORIGIN_CREATE},
    {"rtb-2", "vpc-a", "subnet-2", "192.0.5.0/24", "eni-web", ROUTE_ORIGIN_CREATE},
    {"rtb-b", "vpc-b", "subnet-b", "10.0.0.0/16", "local", ROUTE_ORIGIN_CREATE_TABLE},
    {"rtb-b", "vpc-b", "subnet-b", "0.0.0.0/0", "igw-b", ROUTE_ORIGIN_CREATE},
};

static void make_routes(void) {
    for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
        const struct route_table *old = index_get(ix, KIND_ROUTE_TABLE, scope, routes[i].table);
        struct route_table *t =
            old ? obj_clone(old) : obj_new(KIND_ROUTE_TABLE, scope, routes[i].table);
        struct route *r = list_add(&t->routes, sizeof(*r));

        if (!old) {
            struct route_association *a = list_add(&t->associations, sizeof(*a));

            str_set(&t->vpc_id, routes[i].vpc);
            str_set(&a->subnet_id, routes[i].subnet);
        }
        r->cidr = cidr_of(routes[i].cidr);
        r->origin = routes[i].origin;
        str_set(&r->target, routes[i].target);
        put(t);
    }
}

static const struct {
    const char *group, *vpc, *rule;
    bool egress;
    int protocol, from, to;
    const char *peer;
} group_rules[] = {
    {"sg-web", "vpc-a", "sgr-80", false, TCP, 80, 80, "0.0.0.0/0"},
    {"sg-web", "vpc-a", "sgr-443", false, TCP, 443, 443, "::/0"},
    {"sg-web", "vpc-a", "sgr-echo", false, ICMP, 8, -1, "0.0.0.0/0"},
    {"sg-web", "vpc-a", "sgr-out", true, ALL, -1, -1, "0.0.0.0/0"},
    {"sg-web", "vpc-a", "sgr-out6", true, ALL, -1, -1, "::/0"},
    {"sg-app", "vpc-a", "sgr-8080", false, TCP, 8080, 8080, "sg-web"},
    {"sg-app", "vpc-a", "sgr-out-app", true, ALL, -1, -1, "0.0.0.0/0"},
    {"sg-db", "vpc-a", "sgr-5432", false, TCP, 5432, 5432, "sg-app"},
    {"sg-db", "vpc-a", "sgr-53", false, UDP, 53, 53, "10.0.0.0/16"},
    {"sg-any", "vpc-a", "sgr-any-in", false, ALL, -1, -1, "0.0.0.0/0"},
    {"sg-any", "vpc-a", "sgr-any-in6", false, ALL, -1, -1, "::/0"},
    {"sg-any", "vpc-a", "sgr-any-out", true, ALL, -1, -1, "0.0.0.0/0"},
    {"sg-any", "vpc-a", "sgr-any-out6", true, ALL, -1, -1, "::/0"},
    {"sg-b", "vpc-b", "sgr-b-in", false, ALL, -1, -1, "0.0.0.0/0"},
    {"sg-b", "vpc-b", "sgr-b-out", true, ALL, -1, -1, "0.0.0.0/0"},
};

static void make_groups(void) {
    for (size_t i = 0; i < ARRAY_SIZE(group_rules); i++) {
        const void *old = index_get(ix, KIND_SECURITY_GROUP, scope, group_rules[i].group);
        struct security_group *g =
            old ? obj_clone(old) : obj_new(KIND_SECURITY_GROUP, scope, group_rules[i].group);
        struct sg_rule *r = list_add(&g->rules, sizeof(*r));

        str_set(&g->vpc_id, group_rules[i].vpc);
        str_set(&r->id, group_rules[i].rule);
        r->egress = group_rules[i].egress;
        r->protocol = group_rules[i].protocol;
        r->from = group_rules[i].from;
        r->to = group_rules[i].to;
        if (strncmp(group_rules[i].peer, "sg-", 3) == 0)
            str_set(&r->group_id, group_rules[i].peer);
        else
            r->cidr = cidr_of(group_rules[i].peer);
        put(g);
    }
}

static const struct {
    const char *id, *vpc, *subnet, *group, *ip, *public_ip, *ip6;
    bool attached, check;
} enis[] = {
    {"eni-web", "vpc-a", "subnet-1", "sg-web", "10.0.1.10", "203.0.113.10", "2001:db8:100:aa01::10",
     true, true},
    {"eni-router", "vpc-a", "subnet-1", "sg-any", "10.0.1.40", NULL, NULL, true, false},
    {"eni-idle", "vpc-a", "subnet-1", "sg-any", "10.0.1.60", "203.0.113.60", NULL, false, true},
    {"eni-open", "vpc-a", "subnet-1", "sg-any", "10.0.1.70", "203.0.113.70",
     "2001:db8:100:aa01::70", true, true},
    {"eni-app", "vpc-a", "subnet-2", "sg-app", "10.0.2.20", NULL, "2001:db8:100:aa02::20", true,
     true},
    {"eni-db", "vpc-a", "subnet-2", "sg-db", "10.0.2.30", NULL, NULL, true, true},
    {"eni-stopped", "vpc-a", "subnet-1", "sg-any", "10.0.1.90", NULL, NULL, false, true},
    {"eni-b", "vpc-b", "subnet-b", "sg-b", "10.0.1.10", "203.0.113.50", NULL, true, true},
};

static void make_instance(const char *id, uint8_t state) {
    struct instance *i = obj_new(KIND_INSTANCE, scope, id);

    i->state = state;
    put(i);
}

static void make_vpn_gateway(const char *id, const char *vpc) {
    struct vpn_gateway *g = obj_new(KIND_VPN_GATEWAY, scope, id);

    str_set(&g->vpc_id, vpc);
    put(g);
}

static void make_enis(void) {
    make_instance("i-1", INSTANCE_RUNNING);
    make_instance("i-stopped", INSTANCE_STOPPED);
    make_vpn_gateway("vgw-1", "vpc-a");
    make_vpn_gateway("vgw-b", "vpc-b");
    for (size_t i = 0; i < ARRAY_SIZE(enis); i++) {
        struct network_interface *e = obj_new(KIND_NETWORK_INTERFACE, scope, enis[i].id);
        struct eni_address *a = list_add(&e->addresses, sizeof(*a));

        str_set(&e->vpc_id, enis[i].vpc);
        str_set(&e->subnet_id, enis[i].subnet);
        str_set(&e->instance_id, !enis[i].attached                        ? NULL
                                 : strcmp(enis[i].id, "eni-stopped") == 0 ? "i-stopped"
                                                                          : "i-1");
        strs_add(&e->groups, enis[i].group);
        e->source_dest_check = enis[i].check;
        e->mac[0] = 2;
        e->mac[5] = (uint8_t)i;
        a->ip = ip_of(enis[i].ip);
        a->primary = true;
        if (enis[i].public_ip)
            a->public_ip = ip_of(enis[i].public_ip);
        if (enis[i].ip6) {
            struct eni_address *a6 = list_add(&e->addresses6, sizeof(*a6));

            a6->ip = ip_of(enis[i].ip6);
        }
        put(e);
    }
}

static int make_world(void **state) {
    ix = index_new();
    make_vpc("vpc-a", "igw-a", true);
    make_vpc("vpc-b", "igw-b", false);
    make_subnet("subnet-1", "vpc-a", "10.0.1.0/24", NULL);
    make_subnet("subnet-2", "vpc-a", "10.0.2.0/24", NULL);
    make_subnet("subnet-b", "vpc-b", "10.0.1.0/24", NULL);
    make_routes();
    make_groups();
    make_enis();
    return 0;
}

static int free_world(void **state) {
    index_free(ix);
    return 0;
}

static bool allows_8080(void *data, uint8_t protocol, uint16_t port) {
    return protocol == TCP && port == 8080;
}

static struct oracle_host the_host(void) {
    return (struct oracle_host){.uplink = true,
                                .address4 = ip_of("203.0.113.1"),
                                .address6 = ip_of("2001:db8:100::1"),
                                .pool4 = cidr_of("203.0.113.0/24"),
                                .pool6 = cidr_of("2001:db8:100::/40"),
                                .allows = allows_8080};
}

enum { NO, YES, FREE }; /* not tracked by an interface that there is not; tracked; untracked */

struct fact {
    const char *what;
    const char *from, *src, *dst;
    uint8_t protocol;
    uint16_t sport, dport; /* or type, code */
    enum drop_reason reason;
    const char *to, *decided; /* where it arrives; an id among the hops */
    int sender, receiver;
};

#define WEB "eni-web", "10.0.1.10"
#define APP "eni-app", "10.0.2.20"
#define DB "eni-db", "10.0.2.30"
#define ROUTER "eni-router", "10.0.1.40"
#define OPEN "eni-open", "10.0.1.70"
#define WEB6 "eni-web", "2001:db8:100:aa01::10"
#define UPLINK NULL

/* clang-format off */
static const struct fact facts[] = {
    /* Security groups */
    {"a rule that names a group lets its members in", WEB, "10.0.2.20", TCP, 40000, 8080,
     DROP_NONE, "eni-app", "sgr-8080", YES, YES},
    {"and nobody else", OPEN, "10.0.2.20", TCP, 40000, 8080, DROP_GROUP_INGRESS, NULL, NULL, 0, 0},
    {"on that port only", WEB, "10.0.2.20", TCP, 40000, 8081, DROP_GROUP_INGRESS, NULL, NULL, 0, 0},
    {"of that protocol only", WEB, "10.0.2.20", UDP, 40000, 8080, DROP_GROUP_INGRESS, NULL, NULL, 0, 0},
    {"a group is not its members' members", APP, "10.0.2.20", TCP, 40000, 8080,
     DROP_GROUP_INGRESS, NULL, NULL, 0, 0},
    {"a group with no outbound rule lets nothing out", DB, "10.0.2.20", TCP, 40000, 8080,
     DROP_GROUP_EGRESS, NULL, NULL, 0, 0},
    {"a CIDR rule", WEB, "10.0.2.30", UDP, 40000, 53, DROP_NONE, "eni-db", "sgr-53", YES, YES},
    {"within a subnet groups are asked too", APP, "10.0.2.30", TCP, 40000, 22,
     DROP_GROUP_INGRESS, NULL, NULL, 0, 0},
    {"an IPv4 rule is not for IPv6", "eni-open", "2001:db8:100:aa01::70", "2001:db8:100:aa01::10", TCP, 40000, 80,
     DROP_GROUP_INGRESS, NULL, NULL, 0, 0},
    {"and the reverse", OPEN, "10.0.1.10", TCP, 40000, 443, DROP_GROUP_INGRESS, NULL, NULL, 0, 0},
    {"an IPv6 rule is for IPv6", "eni-open", "2001:db8:100:aa01::70", "2001:db8:100:aa01::10", TCP, 40000, 443,
     DROP_NONE, "eni-web", "sgr-443", FREE, FREE},
    {"no IPv6 rule outbound", "eni-app", "2001:db8:100:aa02::20", "2001:db8:100:aa01::10", TCP, 40000, 443,
     DROP_GROUP_EGRESS, NULL, NULL, 0, 0},
    {"an ICMP rule with a type and any code", OPEN, "10.0.1.10", ICMP, 8, 0, DROP_NONE, "eni-web", "sgr-echo", YES, YES},
    {"and another type", OPEN, "10.0.1.10", ICMP, 13, 0, DROP_GROUP_INGRESS, NULL, NULL, 0, 0},
    {"all protocols are all", WEB, "10.0.1.70", GRE, 0, 0, DROP_NONE, "eni-open", "sgr-any-in", YES, YES},
    /* Tracking */
    {"all addresses one way, everything the other: untracked", OPEN, "10.0.1.40", TCP, 40000, 22,
     DROP_NONE, "eni-router", "sgr-any-in", FREE, FREE},
    {"UDP as well", OPEN, "10.0.1.40", UDP, 40000, 22, DROP_NONE, "eni-router", NULL, FREE, FREE},
    {"ICMP is always tracked", OPEN, "10.0.1.40", ICMP, 8, 0, DROP_NONE, "eni-router", NULL, YES, YES},
    {"the sender's outbound to everywhere needs inbound from everywhere", WEB, "10.0.1.70", TCP, 40000, 22,
     DROP_NONE, "eni-open", NULL, YES, FREE},
    {"port 80 for all, everything out", OPEN, "10.0.1.10", TCP, 40000, 80, DROP_NONE, "eni-web", "sgr-80", FREE, FREE},
    /* Source check */
    {"another's address", "eni-web", "10.0.1.70", "10.0.2.20", TCP, 40000, 8080, DROP_SPOOFED_ADDRESS, NULL, NULL, 0, 0},
    {"its own public address is no private address", "eni-web", "203.0.113.10", "10.0.2.20", TCP, 40000, 8080,
     DROP_SPOOFED_ADDRESS, NULL, NULL, 0, 0},
    {"with the check off anything may leave", "eni-router", "192.0.2.1", "10.0.2.30", UDP, 40000, 53,
     DROP_GROUP_INGRESS, NULL, NULL, 0, 0},
    {"a member's address sent by a middlebox is not the member", "eni-router", "10.0.1.10", "10.0.2.20", TCP, 40000, 8080,
     DROP_GROUP_INGRESS, NULL, NULL, 0, 0},
    {"an IPv4-mapped source", "eni-router", "::ffff:10.0.1.10", "2001:db8:100:aa01::10", TCP, 40000, 443, DROP_MAPPED, NULL, NULL, 0, 0},
    {"link-local sources end at the link", "eni-router", "169.254.7.7", "10.0.1.10", TCP, 40000, 80,
     DROP_SPOOFED_ADDRESS, NULL, NULL, 0, 0},
    {"no interface sends while it is detached", "eni-idle", "10.0.1.60", "10.0.1.10", TCP, 40000, 80, DROP_NOT_READY, NULL, NULL, 0, 0},
    /* Places nobody is at */
    {"broadcast goes nowhere", OPEN, "255.255.255.255", UDP, 1, 2, DROP_MULTICAST, NULL, NULL, 0, 0},
    {"multicast goes nowhere", OPEN, "224.0.0.251", UDP, 5353, 5353, DROP_MULTICAST, NULL, NULL, 0, 0},
    {"a subnet's last address is nobody's", OPEN, "10.0.1.255", UDP, 1, 2, DROP_NO_ADDRESS, NULL, NULL, 0, 0},
    {"nor is a detached interface's", OPEN, "10.0.1.60", TCP, 40000, 80, DROP_NO_ADDRESS, NULL, NULL, 0, 0},
    {"the router answers nothing", OPEN, "10.0.1.1", ICMP, 8, 0, DROP_TO_ROUTER, NULL, NULL, 0, 0},
    {"metadata is not served yet, and groups do not matter", DB, "169.254.169.254", TCP, 40000, 80,
     DROP_LINK_LOCAL, NULL, NULL, 0, 0},
    {"169.254.168.0/22 is never forwarded", OPEN, "169.254.168.9", TCP, 1, 2, DROP_LINK_LOCAL, NULL, NULL, 0, 0},
    {"fd00:ec2::/32 is never forwarded", WEB6, "fd00:ec2::254", TCP, 1, 80, DROP_LINK_LOCAL, NULL, NULL, 0, 0},
    /* VPCs */
    {"the same address in another VPC is another's", "eni-b", "10.0.1.10", "10.0.1.70", TCP, 40000, 80, DROP_NO_ADDRESS, NULL, NULL, 0, 0},
    {"and not one's neighbour", "eni-b", "10.0.1.10", "10.0.2.20", TCP, 40000, 8080, DROP_NO_ADDRESS, NULL, NULL, 0, 0},
    {"an interface reaches itself", "eni-b", "10.0.1.10", "10.0.1.10", TCP, 40000, 80, DROP_NONE, "eni-b", "sgr-b-in", FREE, FREE},
    /* Routes */
    {"no route", APP, "198.51.100.7", TCP, 40000, 80, DROP_NO_ROUTE, NULL, NULL, 0, 0},
    {"a gateway that is not attached here: blackhole", OPEN, "198.18.1.1", TCP, 40000, 80, DROP_BLACKHOLE, NULL, NULL, 0, 0},
    {"the longest prefix, and static over propagated", OPEN, "198.18.5.5", TCP, 40000, 80,
     DROP_UPLINK_DESTINATION, NULL, "rtb-1: 198.18.5.0/24", 0, 0},
    {"a route to an interface without destination check", APP, "192.0.2.9", TCP, 40000, 80,
     DROP_NONE, "eni-router", "sgr-any-in", YES, FREE},
    {"a route to one with the check", APP, "192.0.5.9", TCP, 40000, 80, DROP_NOT_DESTINATION, NULL, NULL, 0, 0},
    {"a route to a detached interface", APP, "192.0.3.9", TCP, 40000, 80, DROP_BLACKHOLE, NULL, NULL, 0, 0},
    {"a virtual private gateway without a VPN", APP, "192.0.4.9", TCP, 40000, 80, DROP_NO_VPN, NULL, "vgw-1", 0, 0},
    {"one that is not attached here: blackhole", APP, "192.0.6.9", TCP, 40000, 80, DROP_BLACKHOLE, NULL, "vgw-b", 0, 0},
    {"a route to a stopped instance's interface", APP, "192.0.7.9", TCP, 40000, 80, DROP_BLACKHOLE, NULL, NULL, 0, 0},
    /* Internet */
    {"to the host, a service that it offers", WEB, "203.0.113.1", TCP, 40000, 8080, DROP_NONE, "", NULL, YES, NO},
    {"one that it does not", WEB, "203.0.113.1", TCP, 40000, 22, DROP_UPLINK_PORT, NULL, NULL, 0, 0},
    {"the host answers pings", WEB, "203.0.113.1", ICMP, 8, 0, DROP_NONE, "", NULL, YES, NO},
    {"without a public address nothing passes", ROUTER, "203.0.113.1", TCP, 40000, 8080, DROP_NO_PUBLIC, NULL, NULL, 0, 0},
    {"nor for another's address without one", "eni-router", "10.0.1.40", "203.0.113.1", TCP, 40000, 8080, DROP_NO_PUBLIC, NULL, NULL, 0, 0},
    {"a middlebox forwards for one that has", "eni-router", "10.0.1.10", "203.0.113.1", TCP, 40000, 8080, DROP_NONE, "", NULL, FREE, NO},
    {"an unused public address", WEB, "203.0.113.99", TCP, 40000, 80, DROP_UPLINK_DESTINATION, NULL, NULL, 0, 0},
    {"another's public address, and back in", WEB, "203.0.113.70", TCP, 40000, 22, DROP_NONE, "eni-open", "sgr-any-in", YES, FREE},
    {"groups do not match through the gateway", APP, "203.0.113.10", TCP, 40000, 80, DROP_NO_ROUTE, NULL, NULL, 0, 0},
    {"a public address behind a gateway that is gone", WEB, "203.0.113.50", TCP, 40000, 80, DROP_UPLINK_DESTINATION, NULL, NULL, 0, 0},
    {"in: to a public address", UPLINK, "203.0.113.1", "203.0.113.10", TCP, 40000, 80, DROP_NONE, "eni-web", "sgr-80", NO, FREE},
    {"in: by the receiver's rules", UPLINK, "203.0.113.1", "203.0.113.10", TCP, 40000, 22, DROP_GROUP_INGRESS, NULL, NULL, 0, 0},
    {"in: never to a private address", UPLINK, "203.0.113.1", "10.0.1.10", TCP, 40000, 80, DROP_UPLINK_UNKNOWN, NULL, NULL, 0, 0},
    {"in: nobody outside has an address of the VPC", UPLINK, "10.0.9.9", "203.0.113.10", TCP, 40000, 80, DROP_SPOOFED_ADDRESS, NULL, NULL, 0, 0},
    {"in: nor one of its IPv6 addresses", UPLINK, "2001:db8:100:aa09::9", "2001:db8:100:aa01::70", TCP, 40000, 80,
     DROP_SPOOFED_ADDRESS, NULL, NULL, 0, 0},
    {"in: to nobody", UPLINK, "203.0.113.1", "203.0.113.99", TCP, 40000, 80, DROP_UPLINK_UNKNOWN, NULL, NULL, 0, 0},
    {"in: to a detached interface", UPLINK, "203.0.113.1", "203.0.113.60", TCP, 40000, 80, DROP_UPLINK_UNKNOWN, NULL, NULL, 0, 0},
    {"in: with one of our addresses", UPLINK, "203.0.113.70", "203.0.113.10", TCP, 40000, 80, DROP_SPOOFED_ADDRESS, NULL, NULL, 0, 0},
    {"in: IPv6 passes untranslated", UPLINK, "2001:db8:f::7", "2001:db8:100:aa01::10", TCP, 40000, 443, DROP_NONE, "eni-web", "sgr-443", NO, FREE},
    {"in: an IPv4 rule does not let it", UPLINK, "2001:db8:f::7", "2001:db8:100:aa01::10", TCP, 40000, 80, DROP_GROUP_INGRESS, NULL, NULL, 0, 0},
    {"out: not to the internet unless wanted", WEB, "8.8.8.8", UDP, 40000, 53, DROP_UPLINK_DESTINATION, NULL, NULL, 0, 0},
    {"DHCP is not served yet", "eni-open", "0.0.0.0", "255.255.255.255", UDP, 68, 67, DROP_DHCP, NULL, NULL, 0, 0},
};
/* clang-format on */

static struct oracle_packet packet_of(const struct fact *f) {
    struct oracle_packet p = {.src = ip_of(f->src),
                              .dst = ip_of(f->dst),
                              .protocol = f->protocol,
                              .sport = f->sport,
                              .dport = f->dport};

    if (f->protocol == ICMP || f->protocol == ICMPV6) {
        p.icmp_type = (uint8_t)f->sport;
        p.icmp_code = (uint8_t)f->dport;
        p.sport = p.dport = 0;
    }
    if (f->from) {
        p.from = index_get(ix, KIND_NETWORK_INTERFACE, scope, f->from);
        assert_non_null(p.from);
        memcpy(p.src_mac, p.from->mac, 6);
    }
    return p;
}

static bool was_asked(const struct oracle_verdict *v, const char *id) {
    for (unsigned i = 0; i < v->n_hops; i++)
        if (strcmp(v->hops[i].by, id) == 0)
            return true;
    return false;
}

static bool holds(const struct fact *f, const struct oracle_verdict *v) {
    static const enum oracle_tracking tracking[] = {ORACLE_NO_ENI, ORACLE_TRACKED,
                                                    ORACLE_UNTRACKED};

    if (v->reason != f->reason || v->accepted != (f->reason == DROP_NONE))
        return false;
    if (f->decided && !was_asked(v, f->decided))
        return false;
    if (!v->accepted)
        return true;
    if (strcmp(f->to, v->to ? v->to->o.id : "") != 0)
        return false;
    return v->sender == tracking[f->sender] && v->receiver == tracking[f->receiver];
}

static void test_facts(void **state) {
    const struct oracle_host host = the_host();
    int wrong = 0;

    for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
        struct oracle_packet p = packet_of(&facts[i]);
        struct oracle_verdict v;

        oracle_judge(ix, &host, &p, &v);
        if (holds(&facts[i], &v))
            continue;
        printf("not so: %s\n", facts[i].what);
        packet_print(&p);
        verdict_print(&v);
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

/* Addresses as they arrive. */
static void test_translation(void **state) {
    static const struct {
        const char *from, *src, *dst, *seen_src, *seen_dst;
    } rows[] = {
        {WEB, "203.0.113.1", "203.0.113.10", "203.0.113.1"},
        {WEB, "203.0.113.70", "203.0.113.10", "10.0.1.70"},
        {WEB, "10.0.1.70", "10.0.1.10", "10.0.1.70"},
        {OPEN, "203.0.113.70", "203.0.113.70", "10.0.1.70"}, /* to itself by the gateway */
        {NULL, "203.0.113.1", "203.0.113.10", "203.0.113.1", "10.0.1.10"},
        {NULL, "2001:db8:f::1", "2001:db8:100:aa01::70", "2001:db8:f::1", "2001:db8:100:aa01::70"},
    };
    struct oracle_host host = the_host();

    host.open = true;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct fact f = {.from = rows[i].from,
                               .src = rows[i].src,
                               .dst = rows[i].dst,
                               .protocol = TCP,
                               .sport = 40000,
                               .dport = 80};
        struct ip src = ip_of(rows[i].seen_src), dst = ip_of(rows[i].seen_dst);
        struct oracle_packet p = packet_of(&f);
        struct oracle_verdict v;

        oracle_judge(ix, &host, &p, &v);
        assert_int_equal(v.reason, DROP_NONE);
        assert_true(ip_equal(&v.src, &src) && ip_equal(&v.dst, &dst));
    }
}

static void test_mtu_and_mac(void **state) {
    const struct oracle_host host = the_host();
    const struct fact out = {.from = "eni-web",
                             .src = "10.0.1.10",
                             .dst = "203.0.113.1",
                             .protocol = TCP,
                             .sport = 1,
                             .dport = 8080};
    struct oracle_packet p = packet_of(&out);
    struct oracle_verdict v;

    p.length = 1500;
    oracle_judge(ix, &host, &p, &v);
    assert_true(v.accepted);
    p.length = 1501;
    oracle_judge(ix, &host, &p, &v);
    assert_int_equal(v.reason, DROP_TOO_BIG);
    p.dst = ip_of("10.0.1.70"); /* inside the VPC: jumbo frames */
    p.length = 9001;
    oracle_judge(ix, &host, &p, &v);
    assert_true(v.accepted);
    p.src_mac[5] ^= 1;
    oracle_judge(ix, &host, &p, &v);
    assert_int_equal(v.reason, DROP_SPOOFED_MAC);
    oracle_judge(ix, NULL, &p, &v);
    assert_int_equal(v.reason, DROP_SPOOFED_MAC);
}

static void entry(struct network_acl *acl, int64_t number, bool egress, bool allow,
                  const char *cidr, int protocol, int from, int to) {
    struct acl_entry *e = list_add(&acl->entries, sizeof(*e));

    *e = (struct acl_entry){.number = number,
                            .egress = egress,
                            .allow = allow,
                            .protocol = protocol,
                            .cidr = cidr_of(cidr),
                            .from = {.v = from, .set = from >= 0},
                            .to = {.v = to, .set = from >= 0}};
}

/* The lowest number decides; only borders of a subnet ask; both directions need a rule. */
static void test_acl(void **state) {
    struct network_acl *acl = obj_new(KIND_NETWORK_ACL, scope, "acl-1");
    static const struct {
        const char *from, *src, *dst;
        uint16_t dport;
        enum drop_reason reason;
        const char *decided;
    } rows[] = {
        {WEB, "10.0.2.20", 8080, DROP_NONE, "acl-1 rule 200"},
        {WEB, "10.0.2.30", 5432, DROP_ACL_INGRESS, "acl-1 rule *"},
        {OPEN, "10.0.2.20", 8080, DROP_ACL_INGRESS, "acl-1 rule 100"},
        {APP, "10.0.1.10", 80, DROP_NONE, "acl-1 rule 110"},
        {APP, "10.0.1.70", 81, DROP_ACL_EGRESS, "acl-1 rule *"},
        {APP, "10.0.2.30", 5432, DROP_NONE, NULL}, /* does not leave the subnet */
    };

    str_set(&acl->vpc_id, "vpc-a");
    /* Not in order: the number counts. */
    entry(acl, ACL_RULE_LAST, false, false, "0.0.0.0/0", -1, -1, -1);
    entry(acl, ACL_RULE_LAST, true, false, "0.0.0.0/0", -1, -1, -1);
    entry(acl, 200, false, true, "10.0.1.0/24", TCP, 8000, 9000);
    entry(acl, 100, false, false, "10.0.1.70/32", TCP, 8000, 9000);
    entry(acl, 110, true, true, "10.0.0.0/16", TCP, 80, 80);
    put(acl);
    make_subnet("subnet-2", "vpc-a", "10.0.2.0/24", "acl-1");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct fact f = {.from = rows[i].from,
                               .src = rows[i].src,
                               .dst = rows[i].dst,
                               .protocol = TCP,
                               .sport = 40000,
                               .dport = rows[i].dport};
        struct oracle_packet p = packet_of(&f);
        struct oracle_verdict v;

        oracle_judge(ix, NULL, &p, &v);
        assert_int_equal(v.reason, rows[i].reason);
        assert_true(!rows[i].decided || was_asked(&v, rows[i].decided));
    }
    make_subnet("subnet-2", "vpc-a", "10.0.2.0/24", "acl-gone");
    {
        const struct fact f = {.from = "eni-app",
                               .src = "10.0.2.20",
                               .dst = "10.0.1.10",
                               .protocol = TCP,
                               .sport = 40000,
                               .dport = 80};
        struct oracle_packet p = packet_of(&f);
        struct oracle_verdict v;

        oracle_judge(ix, NULL, &p, &v);
        assert_int_equal(v.reason, DROP_ACL_EGRESS);
    }
    make_subnet("subnet-2", "vpc-a", "10.0.2.0/24", NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_facts), cmocka_unit_test(test_translation),
        cmocka_unit_test(test_mtu_and_mac), cmocka_unit_test(test_acl)};

    return cmocka_run_group_tests(tests, make_world, free_world);
}
