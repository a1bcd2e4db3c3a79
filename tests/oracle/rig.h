/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real data plane for random worlds: programs and maps under a pin directory of our own, in a
 * network namespace of our own, with a pool of veth pairs as devices.
 *
 *     world (model)  --planner-->  maps  <--BPF_PROG_TEST_RUN--  packets
 *
 * The pairs' other ends are in a second namespace, where replay.c sends and receives for real.
 */
#ifndef VPCD_TESTS_ORACLE_RIG_H
#define VPCD_TESTS_ORACLE_RIG_H

#include "dataplane/dataplane.h"
#include "rules/oracle.h"
#include "rules/plan.h"
#include "rules/test_world.h"

#define RIG_DEVICES 64
#define RIG_FRAME 4096

struct rig_port {
    char eni[64]; /* id; "": free */
    uint32_t number, ifindex;
    uint32_t peer; /* the other end's index, in the peers' namespace */
    uint8_t mac[6];
};

struct rig {
    struct dataplane *dp;
    char pin_dir[64];
    int own_ns, peers_ns;
    uint32_t uplink, services;
    uint32_t uplink_peer, services_peer; /* there */
    uint32_t fence, fence_peer;          /* both there, without programs */
    struct rig_port ports[RIG_DEVICES];
    struct plan *plan;
    uint64_t drops[DROP_SLOTS];
    struct entries later; /* deletes that wait */
};

/* What became of a packet. */
struct rig_outcome {
    bool accepted;
    unsigned reason, counted; /* the drop's reason; how many drops were counted */
    uint8_t frame[RIG_FRAME];
    size_t len;
    /* The flow's first half, when the packet opened a flow. */
    bool flow;
    struct flow_verdict verdict;
    struct flow_timeouts timeouts;
};

/* Exits with 77 where BPF cannot be used. */
void rig_open(struct rig *g);
void rig_close(struct rig *g);

/* A new world in the place of the one before: plan_full on maps full of old entries. */
void rig_world(struct rig *g, const struct world *w, const struct oracle_host *host);
/* Brings the world's noted changes in, and devices up to date. */
void rig_change(struct rig *g, struct world *w);
void rig_no_flows(struct rig *g);

/* Runs a frame as if it had come from the interface (NULL: the uplink). */
void rig_send(struct rig *g, const struct network_interface *from, const void *frame, size_t len,
              struct rig_outcome *ret);
/* The parts of rig_send, for a packet that is sent otherwise: what it finds as if it were the
 * first; the drops since they were last asked, added to reason and counted; the flow that it
 * opened. */
void rig_before(struct rig *g, const struct network_interface *from);
void rig_drops(struct rig *g, struct rig_outcome *ret);
void rig_flow(struct rig *g, const struct network_interface *from, const void *frame,
              struct rig_outcome *ret);
/* The device of the interface with this id; NULL: it has none. */
struct rig_port *rig_port(struct rig *g, const char *eni);
/* The interface's number in the maps. */
uint32_t rig_number(struct rig *g, const struct network_interface *eni);

extern const uint8_t rig_router_mac[6], rig_host_mac[6], rig_service_mac[6];

#endif
