/* SPDX-License-Identifier: Apache-2.0 */
/* The instances of this host and their interfaces, as vpcctl shows them. */
#ifndef VPCD_AGENT_INSTANCES_H
#define VPCD_AGENT_INSTANCES_H

#include <jansson.h>

#include "agent/guest.h"
#include "agent/plugs.h"
#include "model/index.h"

struct instances {
    const struct index *ix;
    struct guests *guests;
    struct plugs *plugs;
};

/*
 * An array, an object for each: id, driver ("netns", "tap"), state ("running", "ended", and of taps
 * EC2's), pid of a guest, interfaces in the order of their device indexes. Of a tap "open" says
 * whether somebody has it open, "lost" how many packets found its queue full.
 */
json_t *instances_json(const struct instances *in);

/* One of them, or NULL: it is not on this host. */
json_t *instances_find(const struct instances *in, const char *id);

/* Why no command can be run in an instance that is no guest. */
json_t *instances_no_exec(const struct instances *in, const char *id);

#endif
