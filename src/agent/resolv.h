/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an instance in namespaces finds in /etc/resolv.conf: nobody asks for a lease there, so the
 * agent writes what DHCP would have said when the instance starts.
 */
#ifndef VPCD_AGENT_RESOLV_H
#define VPCD_AGENT_RESOLV_H

#include "base/buf.h"
#include "model/index.h"
#include "model/network_interface.h"

/* Appends the file for an instance with this first interface. */
void resolv_conf(const struct index *ix, const struct network_interface *eni, struct buf *out);

#endif
