/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A packet sent for real: in at the other end of its sender's device, and out at whichever device
 * it comes out. BPF_PROG_TEST_RUN carries out no redirection and knows no checksum offload.
 */
#ifndef VPCD_TESTS_ORACLE_REPLAY_H
#define VPCD_TESTS_ORACLE_REPLAY_H

#include "packet.h"
#include "rig.h"

struct replay_counts {
    unsigned delivered, partial, refused;
    double seconds;
};
extern struct replay_counts replay_counts;

/* Both print and abort on failure. */
void replay_open(struct rig *g);
void replay_close(void);

/* Whether there is a device to send it from. */
bool replay_can(struct rig *g, const struct oracle_packet *p);

/*
 * Sends the packet's frame, which must be the first of its flow, and compares what becomes of it
 * with the verdict and with `dry`, the outcome of the same packet in a test run. `partial`: with a
 * checksum that somebody later is to compute (TCP and UDP). *ret gets what happened, with that
 * checksum computed. `begins`: the packet opens a flow, which stays. NULL, or what is wrong.
 */
const char *replay(struct rig *g, const struct oracle_packet *p, const struct oracle_verdict *v,
                   const struct packet *k, const struct rig_outcome *dry, bool partial, bool begins,
                   struct rig_outcome *ret);

#endif
