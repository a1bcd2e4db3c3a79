/* SPDX-License-Identifier: Apache-2.0 */
/* What an agent reports over the state stream: kind, id, and two NUL-terminated strings as the
 * bytes. */
#ifndef VPCD_STREAM_REPORT_H
#define VPCD_STREAM_REPORT_H

enum report_kind {
    /* The host's data plane stands (the uplink too) and is in step with the snapshot. Id: "". */
    REPORT_READY = 1,
    /* Id: the instance. First string: "running", "stopped", "terminated" or "failed"; second: why.
     */
    REPORT_INSTANCE = 2,
    /* From vpc-services to the agent. Id: "". First string: lines of counters, "NAME NUMBER". */
    REPORT_SERVICES = 3,
};

#endif
