/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest world in which something still happens: whatever is not needed is taken out, one
 * thing after another, until nothing more can go.
 */
#ifndef VPCD_TESTS_ORACLE_SHRINK_H
#define VPCD_TESTS_ORACLE_SHRINK_H

#include "rules/test_world.h"

/* Whether it still happens in the world as it is now. */
typedef bool shrink_fn(struct world *w, void *data);

/* How many things went. The world must be settled, and is. */
unsigned shrink_world(struct world *w, shrink_fn *still, void *data);

#endif
