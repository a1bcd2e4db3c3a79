/* SPDX-License-Identifier: Apache-2.0 */
/* vpc-agent's command line: what vpcd passes on, and --down. */
#ifndef VPCD_AGENT_OPTIONS_H
#define VPCD_AGENT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/types.h>

#include "agent/outside.h"

struct agent_options {
    const char *state_dir;
    struct outside_options outside;
    uid_t tap_user;          /* who may open taps */
    gid_t spool_group;       /* who takes flow log batches out of the spool */
    int64_t spool_bytes;     /* that may wait there; 0: the default */
    int64_t flow_log_window; /* seconds that a window of "60" lasts; 0: 60 */
    bool down;
};

/* 0, 1 to end with success, or -EINVAL after a message. */
int agent_options_parse(int argc, char **argv, struct agent_options *ret_options);

#endif
