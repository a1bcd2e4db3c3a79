/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The maps between the agent and the BPF programs: every key and value, and who writes it.
 *
 * - Numbers are host order unless a member is __be16 or the comment says so. 0 is never a number of
 *   a VPC, subnet, ENI or table.
 * - An address is 16 bytes in network order, IPv4 in the first four and the rest zero; its family
 *   (4 or 6) is in the key, ahead of the prefix in an LPM.
 * - No struct has implicit padding: members named `zero` must be zero.
 * - Publishing: write the new tables under new numbers, then one update of each `enis` or `subnets`
 *   entry, then the VPC's generation; delete the old numbers a grace period (5 s) later.
 *   Generations only have to differ, not to grow; skip 0: entries whose path is to be computed
 *   carry 0.
 */
#ifndef VPCD_ABI_MAPS_H
#define VPCD_ABI_MAPS_H

#include <linux/bpf.h>
#include <linux/types.h>

#include "abi/drop.h"
#include "abi/flow.h"

/* Part of every pin's name. Raise it when a struct of this file changes. The numbers must outlive
 * the agent, since flows name them: what changes alone has a layout of its own. */
#define MAPS_LAYOUT 1
#define STATS_LAYOUT 4 /* eni_stats */
#define NAT_LAYOUT 1
#define RULE_LAYOUT 3 /* of the rule_* maps: their sizes count, too */
#define ACL_LAYOUT 1
#define EDGE_LAYOUT 1

#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"

/* Limits: max_entries of the maps. Entries are not allocated ahead; hash buckets are, 16 bytes for
 * each entry that there may be. */
#define MAX_PORTS 16384
#define MAX_ENIS (1 << 20) /* location records of other hosts' ENIs too */
#define MAX_ADDRS (1 << 20)
#define MAX_VPCS 65536
#define MAX_SUBNETS 262144
#define MAX_ROUTES (1 << 20)
#define MAX_PUBLICS 262144
#define MAX_NATS 65536
#define MAX_NAT_SOURCES 8 /* of one gateway */
#define MAX_RULE_TABLES (1 << 18)
#define MAX_RULE_ENTRIES (1 << 22) /* each of rule_addrs, rule_ports, rule_sets */
/* Entries of one group set in each of these maps. Beyond, it allows nothing. The tables of one
 * account in force may take a sixteenth of each map (rules/room.h). */
#define RULE_ENTRIES_PER_SET 32768
#define MAX_ACL_ENTRIES (1 << 20) /* each of acl_addrs, acl_ports */
#define MAX_FLOWS (1 << 21)       /* entries: two a flow. Shared out as src/bpf/quota.h tells */
#define MAX_RING_ENTRIES (1 << 22)
#define MAX_NUMBERS (1 << 21)
#define MAX_UPLINK_PORTS 65536
#define MAX_HOST_NETS 4096

#define RULE_WORDS 16
#define RULE_BITS (RULE_WORDS * 64) /* rules a (table, direction, family) */

enum direction {
    DIR_INGRESS = 0,
    DIR_EGRESS = 1,
};

/* ports: host end of an ENI's veth or tap -> the ENI. Written by attach. */
struct port_key {
    __u32 ifindex;
};
struct port_value {
    __u32 eni;
    __u32 vpc;
    __u8 mac[6]; /* the only source MAC that may enter here */
    __u16 zero;
};

/* links: ENIs of this host -> how to reach them. Written by attach. The guest's MAC is enis.mac. */
enum link_kind {
    LINK_VETH = 1, /* ifindex is the host end: bpf_redirect_peer */
    LINK_TAP = 2,  /* bpf_redirect */
};
struct link_key {
    __u32 eni;
};
struct link_value {
    __u32 ifindex;
    __u32 kind;
};

/* vpcs: the two generations. */
struct vpc_key {
    __u32 vpc;
};
struct vpc_value {
    __u32 gen_net; /* routes, ACLs, addresses, gateways: the path is computed again */
    __u32 gen_sg;  /* groups: untracked flows are judged again */
};

/* enis: all that is judged by ENI. One update publishes new rule tables and sets. */
enum eni_flags {
    ENI_SRC_DST_CHECK = 1 << 0,
};
struct eni_key {
    __u32 eni;
};
struct eni_value {
    __u32 vpc;
    __u32 subnet;
    __u32 sgset;    /* interned set of groups; 0: none */
    __u32 sg_table; /* rules of all its groups; 0: nothing allowed */
    __u32 flags;    /* enum eni_flags */
    __u8 mac[6];
    __u16 zero;
    /* Tracked flows at most: open; half-open, of those begun by the ENI and of those begun by
     * others. Each 1..MAX_RING. Cached verdicts of untracked flows. */
    __u32 quota_flows;
    __u32 quota_half;
    __u32 quota_untracked;
    /* Idle, in milliseconds. */
    __u32 tcp_half_ms;
    __u32 tcp_open_ms;
    __u32 tcp_closing_ms;
    __u32 udp_single_ms;
    __u32 udp_stream_ms;
    __u32 other_ms;
    char id[24]; /* "eni-..." and NUL, for people */
};

#define MAX_RING (1 << 20)
#define DEFAULT_QUOTA_FLOWS 65536
#define DEFAULT_QUOTA_HALF 16384
#define DEFAULT_QUOTA_UNTRACKED 16384
#define DEFAULT_TCP_HALF_MS 30000
#define DEFAULT_TCP_OPEN_MS 432000000
#define DEFAULT_TCP_CLOSING_MS 10000
#define DEFAULT_UDP_SINGLE_MS 30000
#define DEFAULT_UDP_STREAM_MS 180000
#define DEFAULT_OTHER_MS 600000

/* subnets: one update publishes new routes and ACLs. */
struct subnet_key {
    __u32 subnet;
};
struct subnet_value {
    __u32 vpc;
    __u32 route_table;
    __u32 acl_in; /* 0: all allowed */
    __u32 acl_out;
    struct abi_addr v4, v6; /* network addresses; length 0: none */
    __u8 v4_len, v6_len;
    __u16 zero;
};

/* routes: LPM. prefixlen = ROUTE_PREFIX + length of the destination. */
#define ROUTE_PREFIX 64
enum route_kind {
    ROUTE_LOCAL = 1,
    ROUTE_IGW = 2,
    ROUTE_ENI = 3,
    ROUTE_NAT = 4,
    ROUTE_EIGW = 5,
    ROUTE_PCX = 6,
    ROUTE_VGW = 7,
    ROUTE_BLACKHOLE = 8,
};
/* The kind of a route that is not local, to a part of a local one's destination: one look tells
 * whether an address lies inside the VPC. */
#define ROUTE_INSIDE 0x100u
#define ROUTE_KIND(kind) ((kind)&0xff)
/* Of NAT and egress-only gateways, their number; of a peering, the other VPC's. */
struct route_key {
    __u32 prefixlen;
    __u32 table;
    __u32 family;
    struct abi_addr addr;
};
struct route_value {
    __u32 kind;
    __u32 target; /* number of the ENI, gateway...; 0 where the kind has none */
};

/* edges: the route table of its VPC's internet gateway, for subnets of VPCs where that has one.
 * What comes in by the gateway for an interface of the subnet goes where this table says. */
struct edge_value {
    __u32 route_table;
};

/* addrs: every private address of the VPC's ENIs, exact, and each of the 16 of a /28. A /80 is one
 * entry, its network address under the family ADDR_PREFIX6, which is looked for where the address
 * itself has none; so in `publics`. */
#define ADDR_PREFIX6 (80 << 8 | 6)
enum addr_flags {
    ADDR_PRIMARY = 1 << 0,
    ADDR_HAS_PUBLIC = 1 << 1, /* `public_addr` is valid (IPv4), or: IPv6 and in `publics` */
};
struct addr_key {
    __u32 vpc;
    __u32 family;
    struct abi_addr addr;
};
struct addr_value {
    __u32 eni;
    __u32 flags;                 /* enum addr_flags */
    struct abi_addr public_addr; /* IPv4; an IPv6 address is its own */
};

/* publics: what the outside may address. IPv4 1:1; IPv6 of VPCs with an internet gateway, as is. */
struct public_key {
    __u32 family;
    struct abi_addr addr;
};
struct public_value {
    __u32 vpc;
    __u32 eni;
    struct abi_addr private_addr; /* IPv4; an IPv6 address is its own */
};

/* nats: NAT gateways; nat_sources: the addresses of each, numbered from 0. */
struct nat_key {
    __u32 nat;
};
struct nat_value {
    __u32 vpc, subnet;
    __u32 sources; /* how many; 1 to MAX_NAT_SOURCES */
};
struct nat_source_key {
    __u32 nat, index;
};
struct nat_source_value {
    struct abi_addr private_addr;
    struct abi_addr public_addr; /* zero: connectivity type private */
};

/* nat_addrs: the same by address: private in its VPC, public in VPC 0. Not in addrs and publics:
 * nobody reaches them but answers. */
struct nat_addr_value {
    __u32 nat, index;
};

/* nat_counts: how many flows have a port of one address to one destination. The key is that of the
 * flows' answering halves, without the port: src, sport the destination, dst the address. BPF only.
 */
struct nat_count_value {
    __s32 flows; /* negative: it is being deleted */
    __u32 seen;  /* by the sweep that runs */
    __u64 changed_ns;
};

/* egress_gateways: VPCs with an egress-only internet gateway. */
struct egress_gateway_value {
    __u32 gateway;
};

/*
 * Rules of security groups. A rule matches a packet when its bit is set in
 *     (rule_addrs[peer's address] | rule_sets[peer's sgset]) & rule_ports[proto, port]
 * Bits are numbered for each (table, direction, family) and mean the same rule in all four maps.
 */
struct rule_bits {
    __u64 w[RULE_WORDS];
};

enum rule_flags {
    RULE_ALL_TCP = 1 << 0, /* some rule allows TCP from/to all addresses on all ports */
    RULE_ALL_UDP = 1 << 1,
};
struct rule_table_key {
    __u32 table;
    __u8 dir; /* enum direction */
    __u8 family;
    __u16 zero;
};
struct rule_table_value {
    struct rule_bits any_addr; /* rules that name 0.0.0.0/0 or ::/0 */
    __u32 flags;               /* enum rule_flags */
    __u32 zero;
};

/* prefixlen = RULE_ADDR_PREFIX + length. Each prefix holds the union of all shorter ones too. */
#define RULE_ADDR_PREFIX 64
struct rule_addr_key {
    __u32 prefixlen;
    __u32 table;
    __u8 dir, family;
    __u16 zero;
    struct abi_addr addr;
};

/*
 * prefixlen: RULE_PORT_ANY_PROTO for rules of all protocols, RULE_PORT_PROTO for all ports of one
 * protocol, RULE_PORT_PROTO + 1..16 for ports. Unions of the shorter ones again.
 * ICMP and ICMPv6: port = type << 8 | code.
 */
#define RULE_PORT_ANY_PROTO 48
#define RULE_PORT_PROTO 64
struct rule_port_key {
    __u32 prefixlen;
    __u32 table;
    __u8 dir, family;
    __u8 proto, zero;
    __be16 port;
    __u16 zero2;
};

/* Rules that name a group which is in that set. */
struct rule_set_key {
    __u32 table;
    __u8 dir, family;
    __u16 zero;
    __u32 sgset;
    __u32 vpc; /* whose sets: the numbers of a peer's mean other groups */
};

/*
 * Network ACLs. The entries of one (table, direction, family) are bits, the lowest number first. A
 * packet meets those in
 *     acl_addrs[peer's address] & acl_ports[proto, port]
 * and the lowest of them decides; none: refused, which is the `*` row. The keys are those of
 * rule_addrs and rule_ports, prefixes with the unions of the shorter ones again, and the peer is
 * the destination of what leaves the subnet, the source of what enters it.
 */
#define ACL_BITS 64
struct acl_addr_value {
    __u64 bits;
};
struct acl_port_value {
    __u64 bits;
    __u64 allow; /* those of them that allow */
};

/* config: one entry, index 0. */
enum config_flags {
    CONFIG_HOST_OPEN = 1 << 0,  /* every port of the host's own address */
    CONFIG_UPLINK_ANY = 1 << 1, /* destinations beyond the host too, but no private or host_nets */
};
struct config_value {
    __u32 flags;                  /* enum config_flags */
    __u32 uplink_ifindex;         /* the data plane's end; 0: no uplink */
    __u8 uplink_mac[6];           /* of the host's end */
    __u8 router_mac[6];           /* of the router in every subnet and on the uplink */
    struct abi_addr host4, host6; /* the host's end of the uplink */
    struct abi_addr pool4, pool6; /* network addresses of the pools */
    struct abi_addr router6;      /* the router's link-local address in every subnet */
    __u32 pool4_len, pool6_len;   /* 0: no such pool */
};

/* The router's IPv6 address that config.router6 should hold: fe80::1. */
#define ROUTER6_FIRST 0xfe80
#define ROUTER6_LAST 1

/* uplink_ports: what of the host's own address instances may reach. */
struct uplink_port_key {
    __u32 proto;
    __u32 port; /* host order */
};
struct uplink_port_value {
    __u32 allowed;
};

/* host_nets: LPM, networks of the host, never reached through the uplink (CONFIG_UPLINK_ANY). */
#define HOST_NET_PREFIX 32
struct host_net_key {
    __u32 prefixlen;
    __u32 family;
    struct abi_addr addr;
};
struct host_net_value {
    __u32 refused;
};

/* numbers: what a VPC, subnet, ENI... is called in the maps; never used twice. Agent only. */
enum number_kind {
    NUMBER_NEXT = 0, /* the counter itself, empty id */
    NUMBER_VPC = 1,
    NUMBER_SUBNET = 2,
    NUMBER_ENI = 3,
    NUMBER_TABLE = 4,
    NUMBER_SGSET = 5,
    NUMBER_NAT = 6,
    NUMBER_EGRESS_GATEWAY = 7,
};
struct number_key {
    __u8 kind; /* enum number_kind */
    char id[31];
};
struct number_value {
    __u32 number;
};

/* rings: src/bpf/quota.h. BPF only. */
enum ring_class {
    RING_OPEN = 0,
    RING_HALF = 1, /* half open, begun by the ENI */
    RING_UNTRACKED = 2,
    RING_HALF_IN = 3, /* half open, begun by somebody else */
    RING_CLASSES,
};
struct ring_key {
    __u32 eni;
    __u32 index; /* class << 28 | slot */
};
struct ring_value {
    struct flow_key flow; /* one of the flow's halves */
};

/* fragments: datagrams of which the first fragment passed (src/bpf/fragment.h). BPF only. */
#define FRAGMENT_LAYOUT 1
#define MAX_FRAGMENTS (1 << 18)
#define FRAGMENTS_PER_ENI 128
struct fragment_key {
    __u32 eni;
    __u32 to;   /* from the uplink (eni 0): a hash of the destination */
    __u32 slot; /* below FRAGMENTS_PER_ENI */
};
struct fragment_entry {
    struct abi_addr src, dst;
    __u64 deadline; /* CLOCK_MONOTONIC_COARSE; 0: the place is free */
    __u32 id;
    __u32 next, seen; /* where the last fragment so far ended; bytes of all so far */
    __u8 family;
    __u8 named; /* the protocol that the IPv4 header names; IPv6: 0 */
    __u8 last;  /* the last fragment was seen */
    /* Of the first fragment. */
    __u8 proto;
    __u8 kind; /* enum pkt_kind */
    __u8 icmp_type;
    __u8 is_reply;
    __u8 zero;
    __be16 sport, dport, rule_port, rule_port_reply;
    __u32 zero2;
};
struct fragment_value {
    struct bpf_spin_lock lock;
    __u32 zero;
    struct fragment_entry e;
};

/* flow_total: one entry, index 0: how full `flows` is. Counted by BPF, mended by the sweep. */
struct flow_total_value {
    __s64 entries;
    __u32 limit; /* max_entries of `flows`; written by dataplane_open */
    __u32 zero;
};

/* eni_stats: written by BPF, made by attach. */
struct eni_stats_value {
    __u64 heads[RING_CLASSES];  /* next slot to try in each ring */
    __u32 spares[RING_CLASSES]; /* a slot that a flow left, and one more; 0: none */
    __u64 allowance_exceeded;   /* new tracked flows refused at the quota */
    __u64 flows_made;
    __u64 flows_reclaimed;
    __u64 untracked_uncached; /* untracked packets that found no place for their verdict */
    __u64 arp_answered;       /* ARP and neighbour discovery */
    __u64 told_second;        /* in which messages were last made for it (src/bpf/rebuild.h): */
    __u32 too_big_told;       /* ICMP errors for too large packets, */
    __u32 resets_told;        /* resets of a NAT gateway */
};

/* resolvers: of each subnet, where its VPC's resolver is asked (src/bpf/service.h). */
#define SERVICE_LAYOUT 1
enum resolver_flags {
    RESOLVER_ON = 1 << 0, /* enableDnsSupport */
};
struct resolver_value {
    __u32 flags;
    struct abi_addr addr; /* the VPC's base + 2 */
};

/* service_config: one entry, index 0. */
struct service_config_value {
    __u32 ifindex; /* the data plane's end of the services' veth; 0: there is none */
    __u8 mac[6];   /* of the other end */
    __u16 zero;
};

/* service_stats: of each ENI of this host; made by attach, written by BPF. */
struct service_stats_value {
    __u64 window; /* second << 32 | packets of it */
    __u64 requests, answers;
    __u64 exceeded; /* linklocal_allowance_exceeded */
};

/* progs: what the stubs on the devices call. */
enum prog_index {
    PROG_ENI = 0,
    PROG_UPLINK = 1,
    PROG_GUARD = 2,
    PROG_SERVICES = 3,
    PROG_COUNT = 8,
};

_Static_assert(sizeof(struct port_value) == 16, "port_value");
_Static_assert(sizeof(struct link_value) == 8, "link_value");
_Static_assert(sizeof(struct vpc_value) == 8, "vpc_value");
_Static_assert(sizeof(struct eni_value) == 88, "eni_value");
_Static_assert(sizeof(struct subnet_value) == 52, "subnet_value");
_Static_assert(sizeof(struct route_key) == 28, "route_key");
_Static_assert(sizeof(struct route_value) == 8, "route_value");
_Static_assert(sizeof(struct addr_key) == 24, "addr_key");
_Static_assert(sizeof(struct addr_value) == 24, "addr_value");
_Static_assert(sizeof(struct public_key) == 20, "public_key");
_Static_assert(sizeof(struct public_value) == 24, "public_value");
_Static_assert(sizeof(struct nat_value) == 12, "nat_value");
_Static_assert(sizeof(struct nat_source_value) == 32, "nat_source_value");
_Static_assert(sizeof(struct nat_count_value) == 16, "nat_count_value");
_Static_assert(sizeof(struct rule_table_key) == 8, "rule_table_key");
_Static_assert(sizeof(struct rule_table_value) == 136, "rule_table_value");
_Static_assert(sizeof(struct rule_addr_key) == 28, "rule_addr_key");
_Static_assert(sizeof(struct rule_port_key) == 16, "rule_port_key");
_Static_assert(sizeof(struct rule_set_key) == 16, "rule_set_key");
_Static_assert(sizeof(struct acl_port_value) == 16, "acl_port_value");
_Static_assert(sizeof(struct config_value) == 108, "config_value");
_Static_assert(sizeof(struct host_net_key) == 24, "host_net_key");
_Static_assert(sizeof(struct number_key) == 32, "number_key");
_Static_assert(sizeof(struct ring_value) == 44, "ring_value");
_Static_assert(sizeof(struct fragment_entry) == 72, "fragment_entry");
_Static_assert(sizeof(struct flow_total_value) == 16, "flow_total_value");
_Static_assert(sizeof(struct eni_stats_value) == 104, "eni_stats_value");

#pragma GCC diagnostic pop
#endif
