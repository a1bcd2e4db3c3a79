/* SPDX-License-Identifier: Apache-2.0 */
#include "base/user.h"

#include <pwd.h>

void user_find(const char *name, uid_t fallback, uid_t *ret_uid, gid_t *ret_gid) {
    const struct passwd *pw = getpwnam(name);

    *ret_uid = pw ? pw->pw_uid : fallback;
    *ret_gid = pw ? pw->pw_gid : (gid_t)fallback;
}
