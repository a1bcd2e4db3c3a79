/* SPDX-License-Identifier: Apache-2.0 */
/*
 * News of devices in the caller's namespace. An instance's root may delete its eth0, and a veth
 * takes its other end along: the host end's disappearance is how the agent learns of it.
 */
#ifndef VPCD_LINK_MONITOR_H
#define VPCD_LINK_MONITOR_H

#include <net/if.h>
#include <stdbool.h>

struct link_monitor;

int link_monitor_open(struct link_monitor **ret_monitor);
void link_monitor_close(struct link_monitor *monitor);
int link_monitor_fd(const struct link_monitor *monitor); /* readable when there is news */

/*
 * Calls `gone` for each device that disappeared since the last call; never blocks. 1 when news was
 * lost and the caller must list the devices again, 0, or -errno.
 */
int link_monitor_read(struct link_monitor *monitor,
                      void (*gone)(int ifindex, const char *name, void *arg), void *arg);

#endif
