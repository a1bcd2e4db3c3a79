/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VPCD_VPCD_WORKER_H
#define VPCD_VPCD_WORKER_H

#include "vpcd/options.h"

/*
 * The API and the state, without privileges. Runs until SIGTERM or SIGINT; returns an exit status:
 * 0, 1 after an error that was said, SUPERVISOR_EXIT_CONFIG when starting again would not help (a
 * wrong flag, a port in use).
 */
int worker_run(const struct options *o);

#endif
