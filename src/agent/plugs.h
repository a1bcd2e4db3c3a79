/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network interfaces that are plugged into instances of this host: device, packet filter, and
 * what the inside was told. What a former agent plugged is found again by its devices' names.
 *
 * A veth is there while its instance runs. A tap is there from the instance's first start until the
 * interface leaves it, and is closed while it is stopped: whoever runs the virtual machine has it
 * open, and to such a program a device that went away is an error that does not end.
 */
#ifndef VPCD_AGENT_PLUGS_H
#define VPCD_AGENT_PLUGS_H

#include <stdbool.h>
#include <uthash.h>

#include "dataplane/dataplane.h"
#include "link/eni.h"
#include "link/tap.h"
#include "model/index.h"
#include "model/network_interface.h"

struct plug {
    char eni_id[32];
    char instance_id[32]; /* "": not known yet (found at the start) */
    uint32_t number;
    int ifindex;
    enum link_kind kind;
    bool fresh;                 /* attached to the data plane by this agent */
    bool closed;                /* by this agent: no packet passes */
    struct plug_address *addrs; /* what the inside has, or is told by DHCP */
    size_t n_addrs;
    UT_hash_handle hh;
};

struct plugs {
    const struct owner *owner;
    struct rtnl *rtnl;
    struct dataplane *dp;
    uid_t tap_user; /* who may open taps */
    struct plug *all;
    /* Whoever wants to know what is plugged in; `eni` NULL: taken out. May be NULL. */
    void (*told)(void *arg, const struct plug *plug, const struct network_interface *eni);
    void *told_arg;
};

/* Finds the devices of a former agent. */
int plugs_open(struct plugs *p, const struct owner *owner, struct rtnl *rtnl, struct dataplane *dp,
               uid_t tap_user);
void plugs_close(struct plugs *p); /* forgets; unplugs nothing */

struct plug *plug_find(struct plugs *p, const char *eni_id);
struct plug *plug_find_ifindex(struct plugs *p, int ifindex);

/* The interface is in the instance, with its addresses, and packets go. Again is fine, and mends.
 * `netns_fd`: of the instance's namespace; -1: its interfaces are taps. */
int plug_ensure(struct plugs *p, const struct index *ix, const struct network_interface *eni,
                int netns_fd);

/* No packet goes to or from the device, which stays; plug_ensure opens it again. */
int plug_close(struct plugs *p, struct plug *plug);

/* The device and its filter go. */
void plug_remove(struct plugs *p, struct plug *plug);

/* The device went away by itself. */
void plug_lost(struct plugs *p, struct plug *plug);

#endif
