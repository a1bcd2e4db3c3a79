/* SPDX-License-Identifier: Apache-2.0 */
/* The users that our programs run as. Where there is no user of the name, a fixed uid stands in:
 * system uids that Debian gives to nobody. */
#ifndef VPCD_BASE_USER_H
#define VPCD_BASE_USER_H

#include <sys/types.h>

#define SERVICES_USER "vpcd-services"
#define SERVICES_UID 479
#define UPSTREAM_USER "vpcd-upstream"
#define UPSTREAM_UID 481

/* The user of this name, else `fallback` for both. */
void user_find(const char *name, uid_t fallback, uid_t *ret_uid, gid_t *ret_gid);

#endif
