/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VPCD_AGENT_DOWN_H
#define VPCD_AGENT_DOWN_H

#include "link/owner.h"

/*
 * Takes away all that this state directory has on the host: instances, devices, the pinned data
 * plane. Needs nothing to be alive, and finds what is there by names and marks. 0, or the first
 * error after all was tried.
 */
int down(const struct owner *owner);

/* Ends the agent that holds this lock, if one does: asks it, then kills it. */
int down_stop_agent(const char *lock);

#endif
