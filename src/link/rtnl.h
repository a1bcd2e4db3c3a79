/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A route netlink socket and its exchanges: one request, one answer.
 *
 * A socket belongs for its whole life to the network namespace that it was made in. So what is done
 * inside an instance's namespace needs no thread and no child: rtnl_open enters the namespace,
 * makes the socket, comes back, and every later request acts there.
 */
#ifndef VPCD_LINK_RTNL_H
#define VPCD_LINK_RTNL_H

#include <stdint.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "base/cleanup.h"

struct rtnl;

/* A socket in the namespace behind `netns_fd`, or in the caller's own for -1. */
int rtnl_open(int netns_fd, struct rtnl **ret_rtnl);
void rtnl_close(struct rtnl *rtnl);

static inline void cleanup_rtnl(struct rtnl **rtnl) {
    rtnl_close(*rtnl);
}
#define _rtnl_ _cleanup_(cleanup_rtnl)

/* Room for any request of ours: all are shorter than 1 KiB. */
#define RTNL_REQUEST_SIZE 2048

/* Begins a request in `buf` (RTNL_REQUEST_SIZE bytes, zeroed here). NLM_F_REQUEST is implied. */
struct nlmsghdr *rtnl_request(void *buf, int type, int flags);

/* Sends it and waits for the kernel's acknowledgement. */
int rtnl_do(struct rtnl *rtnl, struct nlmsghdr *request);

/* Sends it and calls `each` for every message of the answer; a negative return of `each` stops and
 * is returned. A dump that changed while it was read is repeated by the caller on -EINTR. */
int rtnl_query(struct rtnl *rtnl, struct nlmsghdr *request,
               int (*each)(const struct nlmsghdr *msg, void *arg), void *arg);

/* Attributes of a message as an array indexed by type; `max` is the highest type kept. Unknown
 * ones are left out. `offset` is the size of the fixed header behind the nlmsghdr. */
void rtnl_attributes(const struct nlmsghdr *msg, size_t offset, const struct nlattr **table,
                     unsigned max);

#endif
