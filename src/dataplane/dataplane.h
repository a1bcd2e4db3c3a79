/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's packet path, as the agent handles it: programs, maps, devices, counters.
 *
 * Everything lives in the kernel, pinned under one directory of a BPF file system, and goes on
 * without us: closing, being killed and starting again change nothing for packets. Knows nothing of
 * the model: what the entries mean is src/abi/maps.h.
 *
 *     dataplane_open          loads this build's programs beside those that run; reuses the maps
 *     dataplane_put ...       fill the maps
 *     dataplane_activate      all devices switch to this build's programs
 *     dataplane_attach_eni    a device joins
 *
 * Functions return 0 or -errno. One thread; two processes must not hold the same directory.
 */
#ifndef VPCD_DATAPLANE_DATAPLANE_H
#define VPCD_DATAPLANE_DATAPLANE_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/event.h"
#include "abi/maps.h"
#include "base/buf.h"

struct dataplane;

/* Maps that the agent writes; key and value structs are those of src/abi/maps.h. */
enum dataplane_map {
    DATAPLANE_PORTS,
    DATAPLANE_LINKS,
    DATAPLANE_VPCS,
    DATAPLANE_ENIS,
    DATAPLANE_SUBNETS,
    DATAPLANE_EDGES,
    DATAPLANE_ROUTES,
    DATAPLANE_ADDRS,
    DATAPLANE_PUBLICS,
    DATAPLANE_NATS,
    DATAPLANE_NAT_SOURCES,
    DATAPLANE_NAT_ADDRS,
    DATAPLANE_EGRESS_GATEWAYS,
    DATAPLANE_RESOLVERS,
    DATAPLANE_SERVICE_CONFIG, /* key: u32 0 */
    DATAPLANE_SERVICE_STATS,
    DATAPLANE_NAT_COUNTS,
    DATAPLANE_RULE_TABLES,
    DATAPLANE_RULE_ADDRS,
    DATAPLANE_RULE_PORTS,
    DATAPLANE_RULE_SETS,
    DATAPLANE_ACL_ADDRS,
    DATAPLANE_ACL_PORTS,
    DATAPLANE_UPLINK_PORTS,
    DATAPLANE_HOST_NETS,
    DATAPLANE_NUMBERS,
    DATAPLANE_CONFIG, /* key: u32 0 */
    DATAPLANE_ENI_STATS,
    DATAPLANE_FLOWS,
    DATAPLANE_RINGS,
    DATAPLANE_FRAGMENTS,
    DATAPLANE_FLOW_TOTAL, /* key: u32 0 */
    DATAPLANE_DROPS,
    DATAPLANE_DROP_EVENTS, /* a ring: src/dataplane/watch.h */
    DATAPLANE_PROGS,
    DATAPLANE_LOG_STATE, /* these: src/dataplane/flow_log.h */
    DATAPLANE_LOG_KEYS,
    DATAPLANE_LOG_RECORDS,
    DATAPLANE_LOG_ENIS,
    DATAPLANE_LOG_PACKETS,
    DATAPLANE_LOG_BATCH,
    DATAPLANE_MAPS,
};

/*
 * `pin_dir` is made if it is missing; /sys/fs/bpf is mounted if it is not. On failure `err` says
 * what is missing, in words for whoever started the agent: -EPERM no right to use BPF, -ENOTSUP no
 * BPF file system or kernel too old, -EINVAL a pinned map does not fit its layout's number.
 */
int dataplane_open(const char *pin_dir, struct dataplane **ret_dp, struct buf *err);

/* Leaves everything running. NULL is fine. */
void dataplane_close(struct dataplane *dp);

/* Switches all devices to the programs of this build, brings over the flows of an older layout and
 * removes what only older builds used. Call it when the maps are filled; again does no harm. */
int dataplane_activate(struct dataplane *dp);

/* Unpins everything; works without dataplane_open and when nothing is there. The programs go with
 * the devices they are attached to, which are the caller's to delete. */
int dataplane_destroy(const char *pin_dir);

/* --- Entries ------------------------------------------------------------------------------ */

/* Adds or replaces. -ENOSPC: the map is full; -ENOMEM. */
int dataplane_put(struct dataplane *dp, enum dataplane_map map, const void *key, const void *value);
/* 0 also when there was none. */
int dataplane_del(struct dataplane *dp, enum dataplane_map map, const void *key);
/* -ENOENT: there is none, and ret_value is untouched. */
int dataplane_get(struct dataplane *dp, enum dataplane_map map, const void *key, void *ret_value);

/* Calls `each` for every entry until it returns other than 0, which is then returned. The entry
 * handed over may be deleted meanwhile. An entry that others delete may be missed or met twice. */
typedef int (*dataplane_each_fn)(const void *key, const void *value, void *arg);
int dataplane_each(struct dataplane *dp, enum dataplane_map map, dataplane_each_fn each, void *arg);

/* The number of the thing `id` in the maps, allotted at the first call. -ENAMETOOLONG; -EOVERFLOW:
 * all numbers were used. Numbers outlive the agent and are never used twice. */
int dataplane_number(struct dataplane *dp, enum number_kind kind, const char *id,
                     uint32_t *ret_number);

/* A number that nothing else has or will have: for a table's version. */
int dataplane_number_new(struct dataplane *dp, uint32_t *ret_number);

/* Makes the VPC's flows look again, without a change of its own: attach and detach do so. Whoever
 * writes DATAPLANE_VPCS himself counts each generation up by one, from what he wrote or read last;
 * the two do not disturb each other. */
enum dataplane_gen {
    DATAPLANE_GEN_NET = 1, /* routes, ACLs, addresses, gateways */
    DATAPLANE_GEN_SG = 2,  /* groups */
};
int dataplane_publish(struct dataplane *dp, uint32_t vpc, unsigned gens);

/* --- Devices ------------------------------------------------------------------------------ */

struct dataplane_port {
    uint32_t ifindex; /* host end */
    enum link_kind kind;
    uint32_t eni, vpc;
    uint8_t mac[6]; /* of the guest */
};

/* From now on the device's packets go through the programs, and the ENI is reachable. Attaching
 * again, also after a restart, is fine and leaves no gap. -ENODEV: no such device. */
int dataplane_attach_eni(struct dataplane *dp, const struct dataplane_port *port);
/* Packets from and to the ENI are dropped from now on; its counters are forgotten. The device is
 * the caller's to delete (the programs stay on it and refuse everything). */
int dataplane_detach_eni(struct dataplane *dp, uint32_t eni);
/* The data plane's end of the uplink; DATAPLANE_CONFIG names it too, in uplink_ifindex. */
int dataplane_attach_uplink(struct dataplane *dp, uint32_t ifindex);
/* The data plane's end of the services' veth; DATAPLANE_SERVICE_CONFIG names it too. */
int dataplane_attach_services(struct dataplane *dp, uint32_t ifindex);

/* --- Counters and flows ------------------------------------------------------------------- */

/* Packets by reason (enum drop_reason), since the directory was made. */
int dataplane_drops(struct dataplane *dp, uint64_t ret_packets[DROP_SLOTS]);
const char *drop_name(unsigned reason); /* "?" beyond the table */
const char *drop_sentence(unsigned reason);

int dataplane_eni_stats(struct dataplane *dp, uint32_t eni, struct eni_stats_value *ret_stats);

/* Deletes flows that ended a while ago, ends those of ENIs that are gone, tidies their slots.
 * Returns how many entries went and how many live (two a flow). Only memory depends on it: once a
 * minute is plenty. One walk in the kernel: about 0.3 s for a million flows. */
int dataplane_sweep(struct dataplane *dp, uint32_t *ret_deleted, uint32_t *ret_live);

/* What would become of a first packet that enters by this device (an ENI's host end, or the data
 * plane's end of the uplink): decided by these programs on these maps; nothing is written, counted
 * or sent, and flows are not looked at. `frame` is an Ethernet frame of at most 4,000 bytes. */
struct dataplane_outcome {
    bool accepted;
    unsigned reason;             /* enum drop_reason when it was not accepted */
    struct flow_verdict verdict; /* when it was accepted and may open a flow */
    unsigned service;            /* enum service_what: it was accepted and is answered there */
};
int dataplane_try(struct dataplane *dp, uint32_t ifindex, const void *frame, size_t len,
                  struct dataplane_outcome *ret);

/* Calls `each` for packets that were dropped; some of an interface in a second, not all. The ring
 * is one: two listeners would share its records. */
struct dataplane_watch;
typedef void dataplane_drop_fn(const struct drop_event *event, void *arg);
int dataplane_watch_new(struct dataplane *dp, dataplane_drop_fn *each, void *arg,
                        struct dataplane_watch **ret_watch);
void dataplane_watch_free(struct dataplane_watch *watch);
/* To poll for reading; then dataplane_watch_read calls `each`. */
int dataplane_watch_fd(const struct dataplane_watch *watch);
int dataplane_watch_read(struct dataplane_watch *watch);

/* File descriptors for tests (BPF_PROG_TEST_RUN); owned by the data plane. */
int dataplane_prog_fd(struct dataplane *dp, enum prog_index index);
int dataplane_map_fd(struct dataplane *dp, enum dataplane_map map);

#endif
