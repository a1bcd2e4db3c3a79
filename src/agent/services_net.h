/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The services' network: a namespace whose only device is one end of a veth, the other end of which
 * has our programs; and the sockets in it (abi/service.h). No process is in it. The namespace lives
 * by its name (/run/netns/vpcd-HASH-services) and outlives the agent.
 */
#ifndef VPCD_AGENT_SERVICES_NET_H
#define VPCD_AGENT_SERVICES_NET_H

#include "abi/service.h"
#include "dataplane/dataplane.h"
#include "link/owner.h"

struct services_net {
    int netns_fd; /* -1: none */
    int ifindex;  /* of the host's end */
};

/* Makes what is missing of it, and tells the data plane. Again is fine. 0 or -errno, and `ret_what`
 * says at what. */
int services_net_ensure(const struct owner *owner, struct rtnl *rtnl, struct dataplane *dp,
                        struct services_net *net, const char **ret_what);
void services_net_close(struct services_net *net); /* it stays */
/* Takes the namespace's name away; the device is deleted with all others of the owner. */
void services_net_down(const struct owner *owner);

/* New sockets. -EADDRINUSE while somebody still has those of before. */
int services_net_sockets(const struct services_net *net, int ret_fds[SERVICE_SOCKETS]);

#endif
