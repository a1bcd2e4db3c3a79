/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of flow logs: what packets passed, and what was refused, as raw records
 * (src/abi/flow_log.h).
 *
 *     flow_log_open      once; goes on where the reader before it ended
 *     flow_log_ask       for each interface and NAT gateway that has a flow log
 *     flow_log_drain     when flow_log_fd is readable: makes room in the rings
 *     flow_log_read      at a window's end, and before each dataplane_sweep
 *
 * Counts stay in the kernel until flow_log_read tells them, so nothing depends on when it is called
 * but the length of a window; a flow that ends in between tells its rest in a ring, from which
 * flow_log_drain takes it. A reader that dies loses the records that were handed to `each`, and no
 * others. While there is no reader, flows go on counting; only the rests of flows that end are lost
 * once the ring is full (47,662 halves), and LOG_LOST says so.
 *
 * Without anybody asked for, packets pay nothing but one look at a number.
 *
 * A reader is the only one on its data plane, in one thread. Functions return 0 or -errno.
 */
#ifndef VPCD_DATAPLANE_FLOW_LOG_H
#define VPCD_DATAPLANE_FLOW_LOG_H

#include "abi/flow_log.h"
#include "dataplane/dataplane.h"

struct flow_log;

/* Gets every record once; one flow may have several between two calls of flow_log_read. In no
 * order. It must not call back into this API. */
typedef void flow_log_record_fn(const struct log_record *record, void *arg);

/* If somebody was asked for already (an agent before us), looks for flows whose keys that one had
 * in memory, and tells them: one walk over all flows, 2 s for a million with something to tell. */
int flow_log_open(struct dataplane *dp, flow_log_record_fn *each, void *arg,
                  struct flow_log **ret_log);
/* Leaves everything running for the next reader. NULL is fine. */
void flow_log_free(struct flow_log *log);

/*
 * From now on `key`'s packets are recorded; key is an ENI's number, or LOG_GATEWAY_KEY_OF(number)
 * of a NAT gateway. Again does no harm. What flowed since the last flow_log_read is told for it,
 * too: whoever wants an exact beginning calls that first. The first call of all counts the running
 * flows as told up to now, by a walk over them. -ENOSPC.
 *
 * To stop: flow_log_read, then flow_log_dismiss. An interface that goes is dismissed after the
 * flow_log_read that follows dataplane_detach_eni.
 */
int flow_log_ask(struct flow_log *log, uint32_t key);
int flow_log_dismiss(struct flow_log *log, uint32_t key);
/* Everybody who is asked for, also since before a restart. */
typedef int flow_log_asked_fn(uint32_t key, void *arg);
int flow_log_asked(struct flow_log *log, flow_log_asked_fn *each, void *arg);

/* To poll for reading: a ring is half full. */
int flow_log_fd(const struct flow_log *log);
/* Empties the rings: keys of active flows into memory (44 bytes each), records to `each`. */
int flow_log_drain(struct flow_log *log);
/* Tells everything that was counted before the call. Visits the flows that had packets since the
 * last call, and no others. Blocks for the run, and up to some 10 ms until no packet is on its way
 * that began before. */
int flow_log_read(struct flow_log *log);

#endif
