/* SPDX-License-Identifier: Apache-2.0 */
/* A packet as bytes: what the oracle's description of it stands for on the wire. */
#ifndef VPCD_AGENT_FRAME_H
#define VPCD_AGENT_FRAME_H

#include <stddef.h>

#include "rules/oracle.h"

#define FRAME_MAX 2048

/* An Ethernet frame with the packet's headers, right checksums and zeroes up to its length; TCP
 * begins a connection (SYN). Returns its length; 0: longer than FRAME_MAX, or the families differ.
 */
size_t frame_build(const struct oracle_packet *packet, const uint8_t dst_mac[6],
                   uint8_t ret_frame[FRAME_MAX]);

#endif
