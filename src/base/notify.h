/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VPCD_BASE_NOTIFY_H
#define VPCD_BASE_NOTIFY_H

/* Tells systemd, where it started us, a line of sd_notify(3): "READY=1", "STOPPING=1". */
void notify_systemd(const char *line);

#endif
