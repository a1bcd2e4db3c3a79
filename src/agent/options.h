/* SPDX-License-Identifier: Apache-2.0 */
/* vpc-agent's command line: what vpcd passes on, and --down. */
#ifndef VPCD_AGENT_OPTIONS_H
#define VPCD_AGENT_OPTIONS_H

#include <stdbool.h>
#include <sys/types.h>

#include "agent/outside.h"

struct agent_options {
    const char *state_dir;
    struct outside_options outside;
    uid_t tap_user; /* who may open taps */
    bool down;
};

/* 0, 1 to end with success, or -EINVAL after a message. */
int agent_options_parse(int argc, char **argv, struct agent_options *ret_options);

#endif
