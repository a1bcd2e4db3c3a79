/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VPCD_BASE_PROCESS_H
#define VPCD_BASE_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

/* When the process began, in clock ticks since the boot (field 22 of /proc/PID/stat): with the pid
 * it names one process and no later one. 0 or -errno; -ESRCH: there is no such process. */
int process_start(pid_t pid, uint64_t *ret_start);

#endif
