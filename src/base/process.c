/* SPDX-License-Identifier: Apache-2.0 */
#include "base/process.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"

int process_start(pid_t pid, uint64_t *ret_start) {
    _buf_ struct buf text = BUF_INIT;
    const char *p;
    char path[64];
    int r;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    r = read_file(path, 4096, &text);
    if (r < 0)
        return r == -ENOENT ? -ESRCH : r;
    /* Behind the name's last bracket comes field 3. */
    p = strrchr(buf_str(&text), ')');
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    if (!p || sscanf(p, " %" SCNu64, ret_start) != 1)
        return -EBADMSG;
    return 0;
}
