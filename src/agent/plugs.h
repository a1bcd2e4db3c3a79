/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network interfaces that are plugged into instances of this host: device, packet filter, and
 * what the inside was told. What a former agent plugged is found again by its devices' names.
 */
#ifndef VPCD_AGENT_PLUGS_H
#define VPCD_AGENT_PLUGS_H

#include <stdbool.h>
#include <uthash.h>

#include "dataplane/dataplane.h"
#include "link/eni.h"
#include "model/index.h"
#include "model/network_interface.h"

struct plug {
    char eni_id[32];
    char instance_id[32]; /* "": not known yet (found at the start) */
    uint32_t number;
    int ifindex;
    bool fresh;                 /* attached to the data plane by this agent */
    struct plug_address *addrs; /* what the inside has */
    size_t n_addrs;
    UT_hash_handle hh;
};

struct plugs {
    const struct owner *owner;
    struct rtnl *rtnl;
    struct dataplane *dp;
    struct plug *all;
};

/* Finds the devices of a former agent. */
int plugs_open(struct plugs *p, const struct owner *owner, struct rtnl *rtnl, struct dataplane *dp);
void plugs_close(struct plugs *p); /* forgets; unplugs nothing */

struct plug *plug_find(struct plugs *p, const char *eni_id);
struct plug *plug_find_ifindex(struct plugs *p, int ifindex);

/* The interface is in the instance, with its addresses, and packets go. Again is fine, and mends.
 */
int plug_ensure(struct plugs *p, const struct index *ix, const struct network_interface *eni,
                int netns_fd);

/* The device and its filter go. */
void plug_remove(struct plugs *p, struct plug *plug);

/* The device went away by itself. */
void plug_lost(struct plugs *p, struct plug *plug);

#endif
