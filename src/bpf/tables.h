/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The maps. Keys, values and who writes them: src/abi/maps.h. The agent pins them all. */
#ifndef VPCD_BPF_TABLES_H
#define VPCD_BPF_TABLES_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "abi/event.h"
#include "abi/flow_log.h"
#include "abi/maps.h"

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, PROG_COUNT);
    __type(key, __u32);
    __type(value, __u32);
} progs SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, DROP_SLOTS);
    __type(key, __u32);
    __type(value, __u64);
} drops SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, DROP_EVENTS_BYTES);
} drop_events SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, DROP_BUDGETS);
    __type(key, __u32);
    __type(value, struct drop_budget);
} drop_budgets SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct config_value);
} config SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_PORTS);
    __type(key, struct port_key);
    __type(value, struct port_value);
} ports SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_PORTS);
    __type(key, struct link_key);
    __type(value, struct link_value);
} links SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_VPCS);
    __type(key, struct vpc_key);
    __type(value, struct vpc_value);
} vpcs SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_ENIS);
    __type(key, struct eni_key);
    __type(value, struct eni_value);
} enis SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_SUBNETS);
    __type(key, struct subnet_key);
    __type(value, struct subnet_value);
} subnets SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_ROUTES);
    __type(key, struct route_key);
    __type(value, struct route_value);
} routes SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_SUBNETS);
    __type(key, struct subnet_key);
    __type(value, struct edge_value);
} edges SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_ADDRS);
    __type(key, struct addr_key);
    __type(value, struct addr_value);
} addrs SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_PUBLICS);
    __type(key, struct public_key);
    __type(value, struct public_value);
} publics SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_NATS);
    __type(key, struct nat_key);
    __type(value, struct nat_value);
} nats SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_NATS *MAX_NAT_SOURCES);
    __type(key, struct nat_source_key);
    __type(value, struct nat_source_value);
} nat_sources SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 2 * MAX_NATS * MAX_NAT_SOURCES);
    __type(key, struct addr_key);
    __type(value, struct nat_addr_value);
} nat_addrs SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_FLOWS / 2);
    __type(key, struct flow_key);
    __type(value, struct nat_count_value);
} nat_counts SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_VPCS);
    __type(key, struct vpc_key);
    __type(value, struct egress_gateway_value);
} egress_gateways SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_RULE_TABLES);
    __type(key, struct rule_table_key);
    __type(value, struct rule_table_value);
} rule_tables SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_RULE_ENTRIES);
    __type(key, struct rule_addr_key);
    __type(value, struct rule_bits);
} rule_addrs SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_RULE_ENTRIES);
    __type(key, struct rule_port_key);
    __type(value, struct rule_bits);
} rule_ports SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_RULE_ENTRIES);
    __type(key, struct rule_set_key);
    __type(value, struct rule_bits);
} rule_sets SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_ACL_ENTRIES);
    __type(key, struct rule_addr_key);
    __type(value, struct acl_addr_value);
} acl_addrs SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_ACL_ENTRIES);
    __type(key, struct rule_port_key);
    __type(value, struct acl_port_value);
} acl_ports SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_UPLINK_PORTS);
    __type(key, struct uplink_port_key);
    __type(value, struct uplink_port_value);
} uplink_ports SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_HOST_NETS);
    __type(key, struct host_net_key);
    __type(value, struct host_net_value);
} host_nets SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_SUBNETS);
    __type(key, struct subnet_key);
    __type(value, struct resolver_value);
} resolvers SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct service_config_value);
} service_config SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_PORTS);
    __type(key, struct eni_key);
    __type(value, struct service_stats_value);
} service_stats SEC(".maps");

/* Used by the agent only; declared here so that it is made and pinned with the rest. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_NUMBERS);
    __type(key, struct number_key);
    __type(value, struct number_value);
} numbers SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_FLOWS);
    __type(key, struct flow_key);
    __type(value, struct flow_value);
} flows SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_FRAGMENTS);
    __type(key, struct fragment_key);
    __type(value, struct fragment_value);
} fragments SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct flow_total_value);
} flow_total SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_RING_ENTRIES);
    __type(key, struct ring_key);
    __type(value, struct ring_value);
} rings SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_PORTS);
    __type(key, struct eni_key);
    __type(value, struct eni_stats_value);
} eni_stats SEC(".maps");

/* Flow logs (src/bpf/log.h). A section of its own is a map of its own, which costs no lookup. */
struct log_state log_state SEC(".data.log");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, LOG_KEYS_BYTES);
} log_keys SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, LOG_RECORDS_BYTES);
} log_records SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, LOG_MAX_ENIS);
    __type(key, __u32);
    __type(value, struct log_eni_value);
} log_enis SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, LOG_MAX_PACKETS);
    __type(key, struct log_packets_key);
    __type(value, struct log_packets_value);
} log_packets SEC(".maps");

/* The agent writes it through a mapping. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, LOG_BATCH);
    __type(key, __u32);
    __type(value, struct log_batch_value);
} log_batch SEC(".maps");

#endif
