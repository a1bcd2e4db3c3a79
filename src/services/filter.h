/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VPCD_SERVICES_FILTER_H
#define VPCD_SERVICES_FILTER_H

/* Refuses, for the rest of the process's life, what it never needs (filter.c). 0 or -errno. */
int filter_install(void);

#endif
