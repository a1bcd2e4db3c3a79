/* SPDX-License-Identifier: Apache-2.0 */
/* vpc-logs: takes batches of flow log records from the spool to where they belong. */
#ifndef VPCD_DELIVER_DELIVER_H
#define VPCD_DELIVER_DELIVER_H

#include <stdint.h>

struct deliver_options {
    const char *state_dir;
    const char *endpoint, *region, *credentials, *ca; /* of S3; endpoint NULL: there is none */
    uint64_t account_log_bytes;                       /* 0: the default */
    int64_t seconds; /* records are gathered for so long for one object */
};

/* Runs until `signals`, a signalfd, can be read. The exit status. */
int deliver_run(const struct deliver_options *o, int signals);

#endif
