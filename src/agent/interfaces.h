/* SPDX-License-Identifier: Apache-2.0 */
/* Whose the interfaces are, for people: what vpcctl flows filters by and names. */
#ifndef VPCD_AGENT_INTERFACES_H
#define VPCD_AGENT_INTERFACES_H

#include <jansson.h>

#include "model/index.h"

/* {"interfaces":{"eni-...":{"instance":"i-...","name":"...","vpc":...,"subnet":...,
 * "groups":[{"id":"sg-...","name":"..."}]}}}: those that are attached. */
json_t *interfaces_json(const struct index *ix);

#endif
